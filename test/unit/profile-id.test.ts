import { expect, test } from "vitest";

import { emptyProfileId, formatProfileId, parseProfileId } from "../../engine/profile-id.ts";
import { uuidLikes } from "../support/corpora.ts";

const UUID = "01234567-89ab-cdef-0123-456789abcdef";
const FORM = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const NIL = "00000000-0000-0000-0000-000000000000";
const MAX = "ffffffff-ffff-ffff-ffff-ffffffffffff";

function parsed(text: string): number[] | undefined {
  const id = emptyProfileId();
  return parseProfileId(text, id) ? [...id] : undefined;
}
const withCharAt = (text: string, at: number, char: string): string => text.slice(0, at) + char + text.slice(at + 1);

test("parseProfileId() reads four big-endian words", () => {
  expect(parsed(UUID)).toEqual([0x01234567, 0x89abcdef | 0, 0x01234567, 0x89abcdef | 0]);
  expect(parsed("fedcba98-7654-3210-aaaa-00000000ffff")).toEqual([0xfedcba98 | 0, 0x76543210, 0xaaaa0000 | 0, 0xffff]);
});
test("parseProfileId() takes either case, formatProfileId() gives lower case back", () => {
  const id = emptyProfileId();
  expect(parseProfileId(UUID.toUpperCase(), id)).toBe(true);
  expect(formatProfileId(id)).toBe(UUID);
});
test("parseProfileId() refuses nil and max, and nothing else near them", () => {
  expect([parsed(NIL), parsed(MAX), parsed(MAX.toUpperCase())]).toEqual([undefined, undefined, undefined]);
  for (let at = 0; at < 36; at++) {
    if (NIL[at] === "-") continue;
    expect(parsed(withCharAt(NIL, at, "1")), `1 at ${at}`).toBeDefined();
    expect(parsed(withCharAt(MAX, at, "e")), `e at ${at}`).toBeDefined();
  }
});
test("parseProfileId() refuses a character that is no hex digit, wherever it stands", () => {
  // Neighbours of the digits in ASCII, and characters whose low bits look like a digit's.
  const others = ["/", ":", "@", "G", "`", "g", "-", " ", "\0", "é", "ÿ", "\u0130", "\u0661", "\uff10", "\ud835"];
  for (let at = 0; at < 36; at++)
    for (const other of others)
      if (UUID[at] !== other) expect(parsed(withCharAt(UUID, at, other)), `${other} at ${at}`).toBeUndefined();
});
test("parseProfileId() refuses a digit in place of a dash", () => {
  for (const at of [8, 13, 18, 23]) expect(parsed(withCharAt(UUID, at, "0")), `at ${at}`).toBeUndefined();
});
test.each(["", UUID.slice(1), `${UUID}0`, `{${UUID}}`, UUID.replaceAll("-", ""), `urn:uuid:${UUID}`, ` ${UUID}`])(
  "parseProfileId() refuses a UUID in another form: %j",
  (text) => expect(parsed(text)).toBeUndefined(),
);
test("parseProfileId() judges a public corpus by form alone", () => {
  for (const text of uuidLikes()) {
    const isTaken = FORM.test(text) && text !== NIL && text.toLowerCase() !== MAX;
    expect(parsed(text) !== undefined, text).toBe(isTaken);
  }
});
