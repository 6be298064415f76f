/** What people are told of a catalogue, and of what it would change. */
import { expect, test } from "vitest";
import { compare, summaryOf } from "../../node/rules/catalogue-changes.ts";
import { soundCatalogue } from "../support/catalogues.ts";

const WHERE = "http://127.0.0.1:8079";
const standing = soundCatalogue({
  version: 7,
  modes: [
    { mode: "GM01", name: "Battle", lobby: 8 },
    { mode: "GM02", regions: ["US", "CA"], from: ["GM01"] },
    { mode: "GM03" },
  ],
});
const written = (version: number, more: object = {}) => soundCatalogue({ ...standing, version, ...more });

test("a higher version is followed, and what it changes is told field by field", () => {
  const modes = [
    { mode: "GM02", regions: ["US", "MX"], requires: ["pass"] },
    { mode: "GM01", name: "War\u202e", lobby: 9 },
    { mode: "GM04", retired: "2026-12-01T00:00:00Z" },
  ];
  expect(compare(standing, written(8, { modes, unknownModes: "accept" }), WHERE)).toEqual({
    isFollowed: true,
    lines: [
      `Version 8 would take the place of version 7 at ${WHERE}.`,
      "What differs from version 7:",
      "  unknownModes: refuse becomes accept",
      '  added    GM04 (retired "2026-12-01T00:00:00.000Z")',
      "  removed  GM03",
      "  changed  GM02: requires is added: pass",
      "  changed  GM02: regions also MX; no longer CA",
      "  changed  GM02: from is gone, it was GM01",
      '  changed  GM01: name "Battle" becomes "War\\u{202e}"',
      "  changed  GM01: lobby 8 becomes 9",
      "  the order of modes, in which clients get them",
    ],
  });
});

test("what would not be followed is said, with the version that would", () => {
  const raise = "Give it version 8 or higher.";
  expect(compare(standing, written(6), WHERE)).toEqual({
    isFollowed: false,
    lines: [
      `It would NOT be followed: version 7 at ${WHERE} is higher. ${raise}`,
      "But for the version both say the same.",
    ],
  });
  const other = compare(standing, written(7, { modes: [] }), WHERE);
  expect([other.isFollowed, other.lines[0]]).toEqual([
    false,
    `It would NOT be followed: ${WHERE} has version 7 with other contents, and a node with this file would be degraded. ${raise}`,
  ]);
  expect(compare(standing, written(7), WHERE)).toEqual({
    isFollowed: true,
    lines: [`Version 7 is what there is at ${WHERE}.`],
  });
  expect(compare(undefined, standing, WHERE).lines).toEqual([
    `No catalogue is in force at ${WHERE}: version 7 would be the first.`,
  ]);
});

test("a long list is told in its beginning, and a change behind that is seen", () => {
  const names = Array.from({ length: 40 }, (_, at) => `e${at}`);
  const of = (version: number, count: number) =>
    soundCatalogue({
      version,
      unknownModes: "accept",
      modes: Array.from({ length: 3 }, (_, at) => ({ mode: `GM${at}`, from: names.slice(0, count) })),
    });
  expect(compare(of(1, 40), of(2, 20), "here").lines).toContain(
    "  changed  GM0: from no longer e20 e21 e22 e23 e24 e25 e26 e27 e28 e29 e30 e31 and 8 more",
  );
});

test.each([
  [
    { version: 9, unknownModes: "accept", modes: [] },
    "Version 9: no modes, and every mode is accepted, as without a catalogue.",
  ],
  [{ version: 9, modes: [] }, "Version 9: no modes, and every mode is refused: nobody could report anything."],
  [{ version: 9, modes: [{ mode: "a" }] }, "Version 9: one mode, and any other mode is refused."],
])("%j in a line", (value, line) => {
  expect(summaryOf(soundCatalogue(value))).toEqual([line]);
});
