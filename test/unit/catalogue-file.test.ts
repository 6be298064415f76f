/** What may be in a file of a catalogue, and where what is wrong with it is told to be. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { FAULTS_MAX, parseCatalogue } from "../../node/rules/catalogue-file.ts";
import { CATALOGUE_BYTES_MAX, type CatalogueText, dataOf } from "../../node/rules/catalogue-form.ts";

const NAME = "catalogue.yaml";

function read(text: string): CatalogueText {
  const found = parseCatalogue(text, NAME);
  if (found.kind === "faulty") throw new TypeError(faultsOf(text).join("\n"));
  return found.catalogue;
}

function faultsOf(text: string): string[] {
  const found = parseCatalogue(text, NAME);
  return found.kind === "faulty" ? found.faults.map(({ message }) => message.replace(`${NAME}:`, "")) : [];
}

/** A catalogue with one mode, and that mode's fields. */
const withMode = (fields: string): string => `version: 1\nmodes:\n  - mode: GM01\n    ${fields}\n`;

test("the example is sound, and says what its comments say", () => {
  const example = readFileSync("deploy/catalogue.example.yaml", "utf8");
  expect(read(example)).toMatchObject({ version: 1, unknownModes: "refuse" });
  expect(read(example).modes.map(({ mode }) => mode)).toEqual(["GM01", "GM10", "GM03"]);
});

test("YAML, JSON and JSON with tabs and Windows' line ends are read alike", () => {
  const value = {
    version: 7,
    unknownModes: "accept",
    modes: [{ mode: "GM01", name: "Team battle", lobby: 8, from: ["none"] }],
  };
  const yaml =
    "version: 7\nunknownModes: accept\nmodes:\n  - { mode: GM01, name: Team battle, lobby: 8, from: [none] }\n";
  const tabs = JSON.stringify(value, undefined, "\t").replaceAll("\n", "\r\n");
  for (const text of [yaml, JSON.stringify(value), tabs, `\ufeff${yaml}`]) expect(read(text)).toEqual(value);
});

test("two that mean the same have one spelling; the order of modes means something", () => {
  const one = read(withMode("regions: [us, CA]\n    requires: [b, a]\n    retired: 2026-12-01T01:00:00+01:00"));
  const other = read(
    `{"modes": [{"retired": "2026-12-01T00:00:00.000Z", "requires": ["a", "b"], "mode": "GM01", "regions": ["CA", "US"]}], "version": 1, "unknownModes": "refuse"}`,
  );
  expect(JSON.stringify(one)).toBe(JSON.stringify(other));
  expect(read("version: 1\nmodes: [{mode: a}, {mode: b}]")).not.toEqual(
    read("version: 1\nmodes: [{mode: b}, {mode: a}]"),
  );
});

test("an instant whose year in UTC has more or less than four digits is refused: no node could read it in the store", () => {
  for (const instant of ["9999-12-31T23:59:59-01:00", "0000-01-01T00:00:00+01:00"])
    expect(faultsOf(withMode(`retired: ${instant}`))).toEqual([expect.stringContaining("modes[0].retired must be")]);
  for (const instant of ["9999-12-31T23:59:59Z", "0000-01-01T00:00:00Z"]) {
    const catalogue = read(withMode(`retired: ${instant}`));
    expect(read(JSON.stringify(catalogue))).toEqual(catalogue);
  }
});

test("what the engine takes has numbers of regions and instants", () => {
  const { refusesUnknown, modes } = dataOf(read(withMode("regions: [AD]\n    retired: 1970-01-01T00:00:01Z")));
  expect({ refusesUnknown, modes }).toEqual({
    refusesUnknown: true,
    modes: [{ mode: "GM01", regions: [0], retiredMs: 1000 }],
  });
});

test.each([
  ["version: 0\nmodes: []", "1:10: version must be a whole number from 1 to 9007199254740991, got 0"],
  [
    "version: 9007199254740993\nmodes: []",
    "1:10: version must be a whole number from 1 to 9007199254740991, got 9007199254740992",
  ],
  ["version: 1.5\nmodes: []", "1:10: version must be a whole number from 1 to 9007199254740991, got 1.5"],
  ["modes: []", "1:1: version must be a whole number from 1 to 9007199254740991, got nothing"],
  ["version: 1", "1:1: modes must be a list of at most 1024 modes, got nothing"],
  ["version: 1\nmodes: []\nunknownModes: allow", '3:15: unknownModes must be refuse or accept, got "allow"'],
  ["version: 1\nmodes: []\nmode: []", '3:1: a field must be version, unknownModes, modes or leaderboards, got "mode"'],
  [
    withMode("loby: 8"),
    '4:5: a field of modes[0] must be mode, name, lobby, requires, regions, from or retired, got "loby"',
  ],
  [
    withMode("lobby: 10001"),
    "4:12: modes[0].lobby must be a whole number from 1 to 10000: players of one match, got 10001",
  ],
  [withMode("name: ''"), '4:11: modes[0].name must be text of 1 to 64 bytes in UTF-8, got ""'],
  [withMode("name: 64"), "4:11: modes[0].name must be text of 1 to 64 bytes in UTF-8 (in quotes it is text), got 64"],
  [withMode('name: "\\ud800"'), '4:11: modes[0].name must be text of 1 to 64 bytes in UTF-8, got "\\ud800"'],
  [withMode("requires: []"), "4:15: modes[0].requires must be a list of 1 to 16 entitlements, got an array of 0"],
  [
    withMode("requires: season-pass"),
    '4:15: modes[0].requires must be a list of 1 to 16 entitlements, got "season-pass"',
  ],
  [withMode("requires: [ok, a b]"), '4:20: modes[0].requires[1] must be 1 to 64 of A-Z a-z 0-9 . _ : -, got "a b"'],
  [withMode("requires: [a, a]"), '4:19: modes[0].requires[1] must be named once in the list, got "a"'],
  [withMode("regions: [CA, ca]"), '4:19: modes[0].regions[1] must be named once in the list, got "ca"'],
  [withMode("regions: [XX]"), '4:15: modes[0].regions[0] must be an ISO 3166-1 alpha-2 code, got "XX"'],
  [
    withMode("from: [GM77]"),
    '4:12: modes[0].from[0] must be a mode that is listed, or none, where unknownModes is refuse, got "GM77"',
  ],
  [withMode("from: ['']"), '4:12: modes[0].from[0] must be a mode, or none, got ""'],
  [
    withMode("retired: 2026-12-01"),
    '4:14: modes[0].retired must be an instant such as 2026-12-01T00:00:00Z (RFC 3339), got "2026-12-01"',
  ],
  [
    withMode("retired: 2026-02-30T00:00:00Z"),
    '4:14: modes[0].retired must be an instant such as 2026-12-01T00:00:00Z (RFC 3339), got "2026-02-30T00:00:00Z"',
  ],
  [
    withMode("retired: 2016-12-31T23:59:60Z"),
    '4:14: modes[0].retired must be an instant such as 2026-12-01T00:00:00Z (RFC 3339), got "2016-12-31T23:59:60Z"',
  ],
  [
    withMode("retired: '2026-12-01T00:00:00Z[Europe/Paris]'"),
    '4:14: modes[0].retired must be an instant such as 2026-12-01T00:00:00Z (RFC 3339), got "2026-12-01T00:00:00Z[Europe/Paris]"',
  ],
  [
    "version: 1\nmodes: [{mode: none}]",
    '2:16: modes[0].mode must be 1 to 64 of A-Z a-z 0-9 . _ : - beginning with a letter or digit, and not none, got "none"',
  ],
  [
    "version: 1\nmodes: [{mode: a}, {mode: b}, {mode: a}]",
    '2:38: modes[2].mode must be named once, and modes[0] has that name, got "a"',
  ],
  [
    "version: 1\nmodes: [GM01]",
    '2:9: modes[0] must be a mode: an object with mode, name, lobby, requires, regions, from, retired, got "GM01"',
  ],
  ["version: 1\nversion: 2\nmodes: []", "2:1: Map keys must be unique"],
  ["version: 1\nmodes: []\n---\nversion: 2", "3:1: it must be one document, and a second one begins here"],
  ["version: 1\nmodes: !!js/function x", "2:8: Unresolved tag: tag:yaml.org,2002:js/function"],
  ["", "1:1: the catalogue must be an object with version and modes, perhaps unknownModes and leaderboards, got null"],
  [
    "[]",
    "1:1: the catalogue must be an object with version and modes, perhaps unknownModes and leaderboards, got an array of 0",
  ],
  [
    '{"__proto__": {}, "version": 1, "modes": []}',
    '1:2: a field must be version, unknownModes, modes or leaderboards, got "__proto__"',
  ],
])("%j: %s", (text, fault) => {
  expect(faultsOf(text).join("\n")).toContain(fault);
  expect(faultsOf(text)).toHaveLength(1);
});

const SEASON = "leaderboards[0]";
test.each([
  [
    "period: season",
    [
      `4:5: ${SEASON}.from must be given where period is season, got nothing`,
      `4:5: ${SEASON}.to must be given where period is season, got nothing`,
    ],
  ],
  [
    "period: day, from: 2026-12-01T00:00:00Z",
    [`4:46: ${SEASON}.from must be left out where period is not season, got "2026-12-01T00:00:00Z"`],
  ],
  [
    "period: season, to: 2026-12-01T00:00:00Z, from: 2026-12-01T00:00:00Z",
    [`4:47: ${SEASON}.to must be later than from, got "2026-12-01T00:00:00Z"`],
  ],
  ["period: year", [`4:35: ${SEASON}.period must be day, week, month or season, got "year"`]],
  ["period: day, keep: 101", [`4:46: ${SEASON}.keep must be a whole number from 0 to 100, got 101`]],
  ["period: season, from: 2026-12-01T00:00:00Z, to: 2027-03-01T00:00:00Z, keep: 3, site: eu", []],
])("a leaderboard with %s", (fields, faults) => {
  const text = `version: 1\nmodes: []\nleaderboards:\n  - {name: w, score: sum, ${fields}}\n`;
  expect(faultsOf(text)).toEqual(faults);
});

test("all faults are told, in the order of the file, and twenty at the most", () => {
  const text = `version: 0\nmodes:\n${"  - { mode: a b, lobby: 0 }\n".repeat(15)}`;
  const faults = faultsOf(text);
  expect(faults).toHaveLength(FAULTS_MAX);
  expect(faults.map((each) => Number(each.split(":")[0]))).toEqual(
    faults.map((each) => Number(each.split(":")[0])).toSorted((one, other) => one - other),
  );
  expect(faultsOf("version: 0\nmodes:\n  - { mode: a b }\n  - { mode: c, loby: 1 }\n")).toEqual([
    "1:10: version must be a whole number from 1 to 9007199254740991, got 0",
    '3:13: modes[0].mode must be 1 to 64 of A-Z a-z 0-9 . _ : - beginning with a letter or digit, and not none, got "a b"',
    '4:16: a field of modes[1] must be mode, name, lobby, requires, regions, from or retired, got "loby"',
  ]);
});

test("what is nested too deeply is told in one fault", () => {
  expect(faultsOf("[".repeat(5000))).toEqual([expect.stringMatching(/^1:\d+: it is nested too deeply$/)]);
});

test("aliases are for people, not for bombs", () => {
  expect(read("version: 1\nmodes:\n  - {mode: a, requires: &r [x, y]}\n  - {mode: b, requires: *r}").modes[1]).toEqual({
    mode: "b",
    requires: ["x", "y"],
  });
  const bomb = `version: 1\nmodes: &a [x, x]\nb: [${"*a, ".repeat(20_000)}]`;
  expect(faultsOf(bomb)).toEqual(["1:1: aliases must not use a piece more than 10000 times"]);
  const names = Array.from({ length: 1000 }, (_, at) => `GM${at}`);
  const wide = names.map((name, at) => `  - {mode: ${name}, from: ${at === 0 ? `&f [${names.join(",")}]` : "*f"}}`);
  expect(faultsOf(`version: 1\nmodes:\n${wide.join("\n")}`)[0]).toMatch(
    new RegExp(`at most ${CATALOGUE_BYTES_MAX} bytes long where it is written as JSON`),
  );
});

test("what comes is shown on one line, and turns nothing around; readyz is told without it", () => {
  const text = withMode('requires: ["a\\n\\u202e\\u0007b"]');
  expect(faultsOf(text)[0]).toBe(
    '4:16: modes[0].requires[0] must be 1 to 64 of A-Z a-z 0-9 . _ : -, got "a\\n\\u{202e}\\u0007b"',
  );
  const found = parseCatalogue(text, NAME);
  expect(found.kind === "faulty" && found.faults[0]?.told).toBe(
    `${NAME}:4:16: modes[0].requires[0] must be 1 to 64 of A-Z a-z 0-9 . _ : -`,
  );
});

test("1,024 modes are taken, 1,025 are not", () => {
  const modes = (count: number): string =>
    `version: 1\nmodes: [${Array.from({ length: count }, (_, at) => `{mode: GM${at}}`).join(", ")}]`;
  expect(read(modes(1024)).modes).toHaveLength(1024);
  expect(faultsOf(modes(1025))).toEqual(["2:8: modes must be a list of at most 1024 modes, got an array of 1025"]);
});
