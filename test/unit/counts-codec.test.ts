import { expect, test } from "vitest";

import { ASKED_MAX, decodeCounts, encodeCounts, NO_BOARDS, NO_TALLIES } from "../../cluster/counts/counts-codec.ts";
import type { CountsMessage } from "../../cluster/counts/counts-messages.ts";
import { NO_TABLES } from "../../cluster/counts/tables-codec.ts";
import { decideTable, type PublishedTable } from "../../engine/published-table.ts";
import { checksum } from "../../engine/checksum.ts";
import { MalformedMessageError } from "../../engine/codec.ts";
import { NOTHING_NEEDED } from "../../cluster/counts/level.ts";
import { COUNTRIES, PLACES, REGION_COUNT, regionOf, WORLD } from "../../engine/places.ts";

const PARTITIONS = 16;
const [CA, US, CALIFORNIA] = [regionOf("CA"), regionOf("US"), regionOf("US-CA")];
const COUNTS = { players: 3, top: [{ mode: "GM01", players: 3 }] };
const ALL = { source: 15, term: 7, version: 300, isAllCells: true, isDoubtful: false, isUnsure: true };
const WHOLE = { ...ALL, isUnreadable: false };
function tableOfCounts(counts: Readonly<Record<string, number>>): PublishedTable {
  return decideTable(Object.entries(counts), { floor: 5, minute: 30_000_000, isComplete: true });
}
const TELL: CountsMessage = {
  kind: "tell",
  countries: {
    tallies: {
      statement: 2 ** 40,
      isList: true,
      isStale: false,
      modes: ["GM01", "ranked:duo"],
      items: [
        { ...WHOLE, cells: [CA, 0, 3, US, 1, 2 ** 31 - 1] },
        { ...WHOLE, source: 0, term: 2 ** 40, isAllCells: false, isDoubtful: true, isUnsure: false, cells: [] },
        {
          ...WHOLE,
          source: 3,
          term: 0,
          version: 0,
          isAllCells: false,
          isUnsure: false,
          isUnreadable: true,
          cells: [],
        },
      ],
    },
    boards: {
      statement: 7,
      isList: false,
      isStale: true,
      items: [
        { region: CA, term: 3, version: 9, isComplete: false, isHeldBack: true, counts: undefined },
        {
          region: US,
          term: 3,
          version: 2 ** 50,
          isComplete: true,
          isHeldBack: false,
          counts: { players: 200, top: [{ mode: "GM01", players: 150 }] },
        },
      ],
    },
  },
  areas: {
    tallies: {
      statement: 3,
      isList: false,
      isStale: true,
      modes: ["GM02"],
      items: [{ ...WHOLE, source: US, cells: [US, 0, 12] }],
    },
    boards: {
      statement: 9,
      isList: true,
      isStale: false,
      items: [{ region: WORLD, term: 4, version: 1, isComplete: true, isHeldBack: false, counts: undefined }],
    },
  },
  tables: {
    number: 7,
    items: [
      { region: CA, table: undefined },
      { region: US, table: tableOfCounts({ GM01: 1234, GM02: 17, GM03: 4, GM04: 2 }) },
    ],
  },
};
const NEEDS = { needsTallyList: true, needsBoardList: false, sources: [0, 15], regions: [CA, US] };
const AREA_NEEDS = { needsTallyList: false, needsBoardList: true, sources: [US], regions: [WORLD] };
const MESSAGES: readonly CountsMessage[] = [
  TELL,
  { kind: "told", isOtherEpoch: false, countries: NOTHING_NEEDED, areas: NOTHING_NEEDED },
  { kind: "told", isOtherEpoch: false, countries: NEEDS, areas: AREA_NEEDS },
  { kind: "told", isOtherEpoch: true, countries: NOTHING_NEEDED, areas: NOTHING_NEEDED },
  { kind: "flush", statement: 300, partitions: [3] },
  {
    kind: "flushed",
    isOtherEpoch: false,
    tallies: { ...NO_TALLIES, modes: ["a"], items: [{ ...WHOLE, cells: [CA, 0, 0] }] },
  },
  { kind: "flushed", isOtherEpoch: true, tallies: NO_TALLIES },
  { kind: "ask", isFlushed: true, places: [US] },
  { kind: "ask", isFlushed: false, places: [CA, CALIFORNIA, WORLD] },
  { kind: "asked", boards: [] },
  {
    kind: "asked",
    boards: [
      {
        isStale: true,
        stated: { region: US, term: 1, version: 2, isComplete: true, isHeldBack: false, counts: undefined },
      },
      {
        isStale: false,
        stated: { region: CALIFORNIA, term: 1, version: 2, isComplete: true, isHeldBack: false, counts: COUNTS },
      },
    ],
  },
  { kind: "list", country: US },
  { kind: "listed", inside: undefined },
  {
    kind: "listed",
    inside: {
      country: US,
      players: 45,
      term: 3,
      version: 8,
      isComplete: true,
      isStale: true,
      subdivisions: [{ region: CALIFORNIA, players: 40 }],
    },
  },
];

/** A message with these bytes between its head and its checksum. */
function sealed(version: number, kind: number, body: readonly number[]): Uint8Array {
  const bytes = Uint8Array.from([version, kind, ...body, 0, 0, 0, 0]);
  new DataView(bytes.buffer).setUint32(bytes.length - 4, checksum(bytes), true);
  return bytes;
}
/** A level of which nothing is said. */
const NO_LEVEL = [0, 0, 0, 0, 0, 0, 0];
/** A number of two bytes. */
const numbered = (number: number): number[] => [(number & 127) | 128, number >> 7];
const letters = (text: string): number[] => Array.from(text, (letter) => letter.charCodeAt(0));
const expectRefused = (bytes: Uint8Array, offset: number, rule: RegExp): void => {
  let refusal: unknown;
  try {
    decodeCounts(bytes, PARTITIONS);
  } catch (error) {
    refusal = error;
  }
  expect(refusal).toBeInstanceOf(MalformedMessageError);
  expect((refusal as MalformedMessageError).message).toMatch(rule);
  expect((refusal as MalformedMessageError).offset).toBe(offset);
};

test.each(MESSAGES)("decodeCounts() gives what encodeCounts() was given: $kind", (message) => {
  expect(decodeCounts(encodeCounts(message), PARTITIONS)).toEqual(message);
});
test("decodeCounts() reads a message that lies within a larger buffer", () => {
  const bytes = encodeCounts(TELL);
  const larger = new Uint8Array(bytes.length + 7);
  larger.set(bytes, 3);
  expect(decodeCounts(larger.subarray(3, 3 + bytes.length), PARTITIONS)).toEqual(TELL);
});
test("encodeCounts() needs some 4 bytes a cell and a dozen a partition in a list", () => {
  const cells = Array.from({ length: 1000 }, (_, index) => [index % 200, index % 20, 5]).flat();
  const modes = Array.from({ length: 20 }, (_, mode) => `mode-${mode}`);
  const items = (each: number[]): CountsMessage => ({
    kind: "tell",
    countries: { tallies: { ...NO_TALLIES, modes, items: [{ ...WHOLE, cells: each }] }, boards: NO_BOARDS },
    areas: { tallies: NO_TALLIES, boards: NO_BOARDS },
    tables: NO_TABLES,
  });
  expect(encodeCounts(items(cells)).length - encodeCounts(items([])).length).toBeLessThan(4100);
  const line = { ...WHOLE, term: 1e6, version: 1e9, isAllCells: false, cells: [] };
  const lines = {
    kind: "flushed",
    isOtherEpoch: false,
    tallies: { ...NO_TALLIES, items: Array.from({ length: 10 }, () => line) },
  } as const;
  expect(encodeCounts(lines).length).toBeLessThan(130);
});
test("encodeCounts() says in some 30 bytes that nothing changed (R20)", () => {
  const tallies = { ...NO_TALLIES, statement: 1e9 };
  const boards = { ...NO_BOARDS, statement: 1e6 };
  const tables = { number: 1e6, items: [] };
  const level = { tallies, boards };
  expect(encodeCounts({ kind: "tell", countries: level, areas: level, tables }).length).toBeLessThan(38);
});
test("decodeCounts() refuses a published table that tells of fewer players than its floor, or names a mode twice", () => {
  const beat = [...NO_LEVEL, ...NO_LEVEL, 1, 1, CA]; // nothing but one table
  const [exact, rounded] = [
    [1, 2, ...letters("G1"), 0xf4, 3],
    [1, 2, ...letters("G1"), 1],
  ];
  expect(decodeCounts(sealed(4, 1, [...beat, 3, 5, 1, 0, ...exact, 0]), PARTITIONS)).toMatchObject({
    tables: { items: [{ region: CA, table: { players: 500, modes: [{ mode: "G1", players: 500, isExact: true }] } }] },
  });
  const refused = (body: readonly number[], rule: RegExp): void =>
    expect(() => decodeCounts(sealed(4, 1, [...beat, ...body]), PARTITIONS)).toThrow(rule);
  refused([4], /known flags/);
  refused([1, 1, 1, 0, 0, 0], /a floor of at least 2/);
  refused([1, 0xe9, 7, 1, 0, 0, 0], /a number up to 1000/);
  refused([1, 5, 1, 0, 1, 2, ...letters("G1"), 0xf3, 3, 0], /at least 500 in a mode that is shown so/);
  refused([1, 5, 1, 0, 0, 1, 2, ...letters("G1"), 0], /at least 1 in a mode that is shown so/);
  refused([1, 5, 1, 0, ...exact, ...rounded], /each mode once/);
  refused([1, 5, 1, 0, 0xff, 1], /at most 132 items/);
});
test("decodeCounts() refuses what is too short, of another version, of no kind, or changed on its way", () => {
  expectRefused(new Uint8Array(5), 0, /at least 6 bytes/);
  expectRefused(sealed(1, 1, [0, 0]), 0, /version 4, not 1/);
  expectRefused(sealed(4, 0, []), 0, /a known kind, not 0/);
  expectRefused(sealed(4, 9, []), 0, /a known kind, not 9/);
  const changed = encodeCounts(TELL);
  (changed[6] as number) ^= 1;
  expectRefused(changed, 0, /checksum/);
});
/** A message that tells one cell. */
const tellOf = (mode: number, players: readonly number[], flags = 1): Uint8Array => {
  const tallies = [0, 0, 1, 1, ...letters("a"), 1, 0, 1, 1, flags, 1, CA, mode, ...players];
  return sealed(4, 1, [...tallies, 0, 0, 0, ...NO_LEVEL, 0, 0]);
};
test("decodeCounts() refuses numbers beyond their limits", () => {
  expectRefused(sealed(4, 3, [0, 1, PARTITIONS]), 5, /up to 15/);
  expectRefused(sealed(4, 3, [0, 1, ...Array(12).fill(255)]), 5, /up to 15/);
  expectRefused(sealed(4, 3, Array(400).fill(128)), 150, /a number/);
  expect(decodeCounts(tellOf(0, [255, 255, 255, 255, 7]), PARTITIONS)).toMatchObject({ kind: "tell" });
  expectRefused(tellOf(1, [1]), 15, /up to 0/);
  expectRefused(tellOf(0, [128, 128, 128, 128, 8]), 20, /up to 2147483647/);
});
test("decodeCounts() refuses counts of a record that cannot be read", () => {
  expectRefused(tellOf(0, [1], 8), 13, /at most 0 items/);
});
test("decodeCounts() refuses unknown flags, places, modes and a list longer than the message", () => {
  expectRefused(sealed(4, 2, [8, 0, 0]), 3, /known flags/);
  expectRefused(sealed(4, 1, [0, 4, 0, 0, 0, 0, 0]), 4, /known flags/);
  expectRefused(tellOf(0, [1], 16), 12, /known flags/);
  expectRefused(sealed(4, 1, [0, 0, 0, 0, 0, 4, 0]), 8, /known flags/);
  expectRefused(sealed(4, 1, [0, 0, 0, 0, 0, 0, 1, CA, 1, 1, 8]), 13, /known flags/);
  expectRefused(sealed(4, 5, [0, 1, ...numbered(PLACES.length)]), 6, new RegExp(`up to ${PLACES.length - 1}`));
  expectRefused(sealed(4, 5, [0, ASKED_MAX + 1, ...Array(ASKED_MAX + 1).fill(0)]), 4, /at most 32 items/);
  expectRefused(sealed(4, 1, [0, 0, 1, 1, ...letters("!"), 0, 0]), 7, /a mode's name/);
  expectRefused(sealed(4, 1, [0, 0, 1, 9, ...letters("a"), 0, 0]), 6, /a name that ends before the checksum/);
  expectRefused(sealed(4, 3, [0, 2, 0]), 4, /at most 16 items, all of them there/);
  expectRefused(sealed(4, 3, [0, 17, ...Array(17).fill(0)]), 4, /at most 16 items/);
});
test("decodeCounts() refuses a place that has no board, or no source, at its level (R31)", () => {
  const countries = `up to ${COUNTRIES - 1}`;
  const board = (place: number): number[] => [0, 0, 1, ...numbered(place), 1, 1, 1];
  const tally = (cell: number): number[] => [0, 0, 1, 1, ...letters("a"), 1, CA, 1, 1, 1, 1, ...numbered(cell), 0, 5];
  const refused = (body: readonly number[], rule: string): void =>
    expect(() => decodeCounts(sealed(4, 1, [...body, 0, 0]), PARTITIONS)).toThrow(rule);
  refused([0, 0, 0, 0, ...board(CALIFORNIA), ...NO_LEVEL], countries);
  refused([...NO_LEVEL, 0, 0, 0, 0, ...board(CA)], `a number from ${REGION_COUNT}`);
  refused([...NO_LEVEL, ...tally(CALIFORNIA), 0, 0, 0], countries);
  expect(() => decodeCounts(sealed(4, 7, numbered(CALIFORNIA)), PARTITIONS)).toThrow(countries);
});
test("decodeCounts() refuses a message that ends early or goes on", () => {
  expectRefused(sealed(4, 7, []), 2, /ends with its checksum/);
  expectRefused(sealed(4, 7, [CA, 0]), 3, /nothing before the checksum but the message/);
});
