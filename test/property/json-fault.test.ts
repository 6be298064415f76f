import fc from "fast-check";
import { expect, test } from "vitest";
import { jsonFaultOf } from "../../node/http/json-fault.ts";
import { whyNotParsed } from "../support/why-not-parsed.ts";

const anyPiece = fc.constantFrom(
  ...Array.from('{}[],:"\\0123456789.-+eEtrufalsn \n\t\u0000\u00e9'),
  "true",
  "null",
  '"a"',
  String.raw`\u00e9`,
);
/** JSON with some pieces put in the place of others. */
const nearlyJson = fc
  .tuple(fc.json({ maxDepth: 4 }), fc.array(fc.tuple(fc.nat(), fc.nat(3), anyPiece), { maxLength: 3 }))
  .map(([json, changes]) =>
    changes.reduce((text, [place, count, piece]) => {
      const at = place % (text.length + 1);
      return text.slice(0, at) + piece + text.slice(at + count);
    }, json),
  );

/** Of words, numbers and escapes V8 may name a place inside, not where they begin. */
const WITHIN_ONE = /^[\\\w.+-]*$/;

test("jsonFaultOf() finds a fault just where JSON.parse() does, and at the place that it names, where it names one", () => {
  let named = 0;
  fc.assert(
    fc.property(
      fc.oneof(
        nearlyJson,
        fc.array(anyPiece).map((pieces) => pieces.join("")),
      ),
      (text) => {
        const said = whyNotParsed(text);
        const fault = jsonFaultOf(text);
        expect(fault === undefined).toBe(said === undefined);
        const position = /at position (\d+)/.exec(said ?? "")?.[1];
        if (position === undefined) return;
        named++;
        expect(fault?.at).toBeLessThanOrEqual(Number(position));
        expect(text.slice(fault?.at, Number(position))).toMatch(WITHIN_ONE);
      },
    ),
    { numRuns: 3000 },
  );
  expect(named).toBeGreaterThan(100);
});
