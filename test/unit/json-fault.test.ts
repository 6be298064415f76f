import { expect, test } from "vitest";
import { jsonFaultOf } from "../../node/http/json-fault.ts";
import { jsonTexts } from "../support/corpora.ts";
import { whyNotParsed } from "../support/why-not-parsed.ts";

const FAULTS = [
  ["", 0, "a value"],
  [" ", 1, "a value"],
  ["{", 1, `a field's name in double quotes or "}"`],
  ["}", 0, "a value"],
  ['{"a":1,}', 7, "a field's name in double quotes"],
  ["{'a':1}", 1, `a field's name in double quotes or "}"`],
  ['{"a" 1}', 5, '":"'],
  ['{"a":}', 5, "a value"],
  ['{"a":1 "b":2}', 7, '"," or "}"'],
  ['{"a":1', 6, '"," or "}"'],
  ["[", 1, 'a value or "]"'],
  ["[1,]", 3, "a value"],
  ["[1 2]", 3, '"," or "]"'],
  ["[01]", 2, '"," or "]"'],
  ["1.", 1, "nothing more"],
  ["{}{}", 2, "nothing more"],
  ["undefined", 0, "a value"],
  ["NaN", 0, "a value"],
  ['"a', 2, "a closing quote"],
  ['"a\nb"', 2, "no control character"],
  [String.raw`"a\x"`, 2, "an escape as JSON has them"],
  ["\ufeff{", 2, `a field's name in double quotes or "}"`],
] as const;

test.each(FAULTS)("jsonFaultOf() says where %j is no JSON, and what could stand there", (text, at, expected) => {
  expect(jsonFaultOf(text)).toEqual({ at, expected });
});

test.each(['{"a":[1,-2.5e+3,{"b":null}],"c":"\\u00e9\\n","d":{},"e":[]}', " true ", '"\u2028"', "\ufeff[]", "-0"])(
  "jsonFaultOf() finds no fault in %j",
  (text) => {
    expect(jsonFaultOf(text)).toBeUndefined();
  },
);

test("jsonFaultOf() takes any depth and any length", () => {
  expect(jsonFaultOf("[".repeat(1_000_000))).toEqual({ at: 1_000_000, expected: 'a value or "]"' });
  expect(jsonFaultOf(`"${"a".repeat(1_000_000)}"`)).toBeUndefined();
});

test("jsonFaultOf() finds a fault just where JSON.parse() does, of the texts of JSONTestSuite", () => {
  for (const { name, bytes } of jsonTexts()) {
    const text = bytes.toString();
    const said = whyNotParsed(text);
    if (text.startsWith("\ufeff")) continue; // which the parser of bodies passes over
    expect(jsonFaultOf(text) === undefined, name).toBe(said === undefined);
  }
});
