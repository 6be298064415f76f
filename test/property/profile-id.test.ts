import fc from "fast-check";
import { expect, test } from "vitest";

import { emptyProfileId, formatProfileId, parseProfileId } from "../../engine/profile-id.ts";
import { anyProfileId, anyWords } from "../../simulator/players.ts";

const FORM = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

test("formatProfileId() gives a UUID in lower case", () => {
  fc.assert(
    fc.property(anyWords, (id) => {
      expect(formatProfileId(id)).toMatch(/^[0-9a-f-]{36}$/);
      expect(formatProfileId(id)).toMatch(FORM);
    }),
  );
});
test("parseProfileId() reads back what formatProfileId() gave, in either case", () => {
  fc.assert(
    fc.property(anyProfileId, fc.boolean(), (id, isUpper) => {
      const text = isUpper ? formatProfileId(id).toUpperCase() : formatProfileId(id);
      const again = emptyProfileId();
      expect(parseProfileId(text, again)).toBe(true);
      expect(again).toEqual(id);
    }),
  );
});
test("parseProfileId() takes what has the form, and nothing else", () => {
  const anyChar = fc.constantFrom(..."0123456789abcdefABCDEF".repeat(6).split(""), "g", "-", "", "\u0130");
  const group = (length: number): fc.Arbitrary<string> =>
    fc.array(anyChar, { minLength: length, maxLength: length }).map((chars) => chars.join(""));
  const anyDash = fc.constantFrom("-", "-", "-", "-", "-", "-", "-", "_", "");
  const nearlyUuid = fc
    .tuple(group(8), anyDash, group(4), anyDash, group(4), anyDash, group(4), anyDash, group(12))
    .map((parts) => parts.join(""));
  fc.assert(
    fc.property(nearlyUuid, (text) => {
      expect(parseProfileId(text, emptyProfileId())).toBe(FORM.test(text) && !/^[0-]*$|^[fF-]*$/.test(text));
    }),
    { numRuns: 300 },
  );
});
