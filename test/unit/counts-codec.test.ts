import { expect, test } from "vitest";

import { type CountsMessage, decodeCounts, encodeCounts } from "../../cluster/counts/counts-codec.ts";
import { checksum } from "../../engine/checksum.ts";
import { MalformedMessageError } from "../../engine/codec.ts";
import { regionOf } from "../../engine/regions.ts";

const PARTITIONS = 16;
const [CA, US] = [regionOf("CA"), regionOf("US")];
const WHOLE = { partition: 15, term: 7, from: 0, to: 300, isWhole: true, isDoubtful: false, isUnsure: true };
const TELL: CountsMessage = {
  kind: "tell",
  tallies: {
    modes: ["GM01", "ranked:duo"],
    entries: [
      { ...WHOLE, cells: [CA, 0, 3, US, 1, 2 ** 31 - 1] },
      { partition: 0, term: 2 ** 40, from: 5, to: 5, isWhole: false, isDoubtful: true, isUnsure: false, cells: [] },
    ],
  },
  boards: [
    { region: CA, term: 3, version: 9, isStale: true, isComplete: false, counts: undefined },
    {
      region: US,
      term: 3,
      version: 2 ** 50,
      isStale: false,
      isComplete: true,
      counts: { players: 200, top: [{ mode: "GM01", players: 150 }] },
    },
  ],
};
const MESSAGES: readonly CountsMessage[] = [
  TELL,
  { kind: "told", isOtherEpoch: false, partitions: [0, 15], regions: [CA, US] },
  { kind: "told", isOtherEpoch: true, partitions: [], regions: [] },
  { kind: "flush", partitions: [3] },
  { kind: "flushed", isOtherEpoch: false, tallies: { modes: ["a"], entries: [{ ...WHOLE, cells: [CA, 0, 0] }] } },
  { kind: "flushed", isOtherEpoch: true, tallies: { modes: [], entries: [] } },
  { kind: "ask", region: US },
  { kind: "asked", board: undefined },
  { kind: "asked", board: { region: US, term: 1, version: 2, isStale: false, isComplete: true, counts: undefined } },
];

/** A message with these bytes between its head and its checksum. */
function sealed(version: number, kind: number, body: readonly number[]): Uint8Array {
  const bytes = Uint8Array.from([version, kind, ...body, 0, 0, 0, 0]);
  new DataView(bytes.buffer).setUint32(bytes.length - 4, checksum(bytes), true);
  return bytes;
}
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
test("encodeCounts() needs some 4 bytes a cell and a dozen a partition where nothing changed", () => {
  const cells = Array.from({ length: 1000 }, (_, index) => [index % 200, index % 20, 5]).flat();
  const modes = Array.from({ length: 20 }, (_, mode) => `mode-${mode}`);
  const entries = (each: number[]): CountsMessage => ({
    kind: "tell",
    tallies: { modes, entries: [{ ...WHOLE, cells: each }] },
    boards: [],
  });
  expect(encodeCounts(entries(cells)).length - encodeCounts(entries([])).length).toBeLessThan(4100);
  const line = { ...WHOLE, term: 1e6, from: 1e9, to: 1e9, isWhole: false, cells: [] };
  const lines = {
    kind: "flushed",
    isOtherEpoch: false,
    tallies: { modes: [], entries: Array.from({ length: 10 }, () => line) },
  } as const;
  expect(encodeCounts(lines).length).toBeLessThan(130);
});
test("decodeCounts() refuses what is too short, of another version, of no kind, or changed on its way", () => {
  expectRefused(new Uint8Array(5), 0, /at least 6 bytes/);
  expectRefused(sealed(2, 1, [0, 0]), 0, /version 1, not 2/);
  expectRefused(sealed(1, 0, []), 0, /a known kind, not 0/);
  expectRefused(sealed(1, 7, []), 0, /a known kind, not 7/);
  const changed = encodeCounts(TELL);
  changed[6] ^= 1;
  expectRefused(changed, 0, /checksum/);
});
test("decodeCounts() refuses numbers beyond their limits", () => {
  expectRefused(sealed(1, 3, [1, PARTITIONS]), 4, /up to 15/);
  expectRefused(sealed(1, 3, [1, ...Array(12).fill(255)]), 4, /up to 15/);
  expectRefused(sealed(1, 3, Array(400).fill(128)), 150, /a number/);
  const cell = (mode: number, players: number[]): Uint8Array =>
    sealed(1, 1, [1, 1, ...letters("a"), 1, 0, 1, 0, 1, 0, 1, ...letters("CA"), mode, ...players, 0]);
  expect(decodeCounts(cell(0, [255, 255, 255, 255, 7]), PARTITIONS)).toMatchObject({ kind: "tell" });
  expectRefused(cell(1, [1]), 15, /up to 0/);
  expectRefused(cell(0, [128, 128, 128, 128, 8]), 20, /up to 2147483647/);
});
test("decodeCounts() refuses a version beyond whole numbers, and counts that no version names", () => {
  const huge = [255, 255, 255, 255, 255, 255, 255, 15];
  expectRefused(sealed(1, 1, [0, 1, 0, 1, ...huge, 1, 0, 0, 0]), 17, /a version that is a whole number/);
  expectRefused(
    sealed(1, 1, [1, 1, ...letters("a"), 1, 0, 1, 5, 0, 0, 1, ...letters("CA"), 0, 3, 0]),
    16,
    /of their own/,
  );
});
test("decodeCounts() refuses unknown flags, regions, modes and a list longer than the message", () => {
  expectRefused(sealed(1, 2, [2, 0, 0]), 3, /known flags/);
  expectRefused(sealed(1, 1, [0, 1, 0, 1, 0, 1, 8, 0, 0]), 9, /known flags/);
  expectRefused(sealed(1, 1, [0, 0, 1, ...letters("CA"), 1, 1, 8]), 10, /known flags/);
  expectRefused(sealed(1, 5, letters("XX")), 4, /a region's code/);
  expectRefused(sealed(1, 5, letters("ca")), 4, /a region's code/);
  expectRefused(sealed(1, 1, [1, 1, ...letters("!"), 0, 0]), 5, /a mode's name/);
  expectRefused(sealed(1, 1, [1, 9, ...letters("a"), 0, 0]), 4, /a name that ends before the checksum/);
  expectRefused(sealed(1, 3, [2, 0]), 3, /at most 16 items, all of them there/);
  expectRefused(sealed(1, 3, [17, ...Array(17).fill(0)]), 3, /at most 16 items/);
});
test("decodeCounts() refuses a message that ends early or goes on", () => {
  expectRefused(sealed(1, 5, letters("C")), 3, /ends with its checksum/);
  expectRefused(sealed(1, 5, [...letters("CA"), 0]), 4, /nothing before the checksum but the message/);
});
