import { expect, test } from "vitest";
import { markOf, markWordsOf } from "../../cluster/ports/mark.ts";

const KEY = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);

test("markOf() gives 16 hexadecimal digits, the same for the same key, and not the key", () => {
  expect(markOf(KEY)).toMatch(/^[0-9a-f]{16}$/);
  expect(markOf(KEY.slice())).toBe(markOf(KEY));
  expect(markOf(new Uint8Array(8).fill(9))).not.toBe(markOf(KEY));
  expect(markOf(KEY)).not.toContain("0102030405060708");
});
test("markWordsOf() gives the same mark as two words", () => {
  const text = markWordsOf(KEY).map((word) => (word >>> 0).toString(16).padStart(8, "0"));
  expect(text.join("")).toBe(markOf(KEY));
});
