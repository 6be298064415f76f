import { expect, test } from "vitest";
import { itemAt, nonEmpty, take } from "../../simulator/item-at.ts";

test("itemAt() gives the item of a list or of a record, and throws where there is none", () => {
  expect([itemAt(["a", "b"], 1), itemAt(Uint8Array.of(7), 0), itemAt({ key: 0 }, "key")]).toEqual(["b", 7, 0]);
  expect(() => itemAt(["a"], 1)).toThrow("Nothing at 1 among 1");
  expect(() => itemAt<number>({}, "key")).toThrow("Nothing at key among 0");
});
test("nonEmpty() gives the list back, and throws where it is empty", () => {
  expect(nonEmpty([1, 2])).toEqual([1, 2]);
  expect(() => nonEmpty([])).toThrow("Nothing at 0 among 0");
});
test("take() gives as many as asked for, and throws where there are fewer", () => {
  expect(take(2, ["a", "b", "c"])).toEqual(["a", "b"]);
  expect(() => take(2, ["a"])).toThrow("Nothing at 1 among 1");
});
