import fc from "fast-check";
import { expect, test } from "vitest";

import { type CountsMessage, decodeCounts, encodeCounts } from "../../cluster/counts/counts-codec.ts";
import { checksum } from "../../engine/checksum.ts";
import { MalformedMessageError } from "../../engine/codec.ts";
import { decideTable, FLOOR_MAX, FLOOR_MIN } from "../../engine/published-table.ts";
import { REGIONS } from "../../engine/places.ts";

const PARTITIONS = 64;
const anyNumber = fc.oneof(fc.nat(300), fc.maxSafeNat());
const anyRegion = fc.nat(REGIONS.length - 1);
const anyPartition = fc.nat(PARTITIONS - 1);
const anyMode = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$/);
const anyCell = (modes: number): fc.Arbitrary<number[]> =>
  fc.tuple(anyRegion, fc.nat(modes - 1), fc.nat(2 ** 31 - 1)).map((cell) => [...cell]);
const anyTallies = fc.uniqueArray(anyMode, { minLength: 1, maxLength: 6 }).chain((modes) =>
  fc.record({
    statement: anyNumber,
    isList: fc.boolean(),
    modes: fc.constant(modes),
    items: fc.array(
      fc
        .record({
          partition: anyPartition,
          term: anyNumber,
          version: anyNumber,
          isAllCells: fc.boolean(),
          isDoubtful: fc.boolean(),
          isUnsure: fc.boolean(),
          isUnreadable: fc.boolean(),
          cells: fc.array(anyCell(modes.length)),
        })
        .map(({ cells, ...tally }) => ({ ...tally, cells: tally.isUnreadable ? [] : cells.flat() })),
      { maxLength: 8 },
    ),
  }),
);
const anyBoard = fc.record({
  region: anyRegion,
  term: anyNumber,
  version: anyNumber,
  isComplete: fc.boolean(),
  isHeldBack: fc.boolean(),
  counts: fc.option(
    fc.record({
      players: anyNumber,
      top: fc.array(fc.record({ mode: anyMode, players: anyNumber }), { maxLength: 5 }),
    }),
    { nil: undefined },
  ),
});
const anyTable = fc
  .record({
    counts: fc.uniqueArray(fc.tuple(anyMode, fc.integer({ min: 1, max: 2 ** 31 - 1 })), {
      selector: ([mode]) => mode,
      maxLength: 8,
    }),
    floor: fc.integer({ min: FLOOR_MIN, max: FLOOR_MAX }),
    minute: anyNumber,
    isComplete: fc.boolean(),
  })
  .map(({ counts, ...about }) => decideTable(counts, about));
const kind = <const K extends string>(name: K): fc.Arbitrary<K> => fc.constant(name);
const anyMessage: fc.Arbitrary<CountsMessage> = fc.oneof(
  fc.record({
    kind: kind("tell"),
    tallies: anyTallies,
    boards: fc.record({
      statement: anyNumber,
      isList: fc.boolean(),
      isStale: fc.boolean(),
      items: fc.array(anyBoard, { maxLength: 5 }),
    }),
    tables: fc.record({
      number: anyNumber,
      items: fc.array(fc.record({ region: anyRegion, table: fc.option(anyTable, { nil: undefined }) }), {
        maxLength: 3,
      }),
    }),
  }),
  fc.record({
    kind: kind("told"),
    isOtherEpoch: fc.boolean(),
    needsTallyList: fc.boolean(),
    needsBoardList: fc.boolean(),
    partitions: fc.array(anyPartition, { maxLength: 9 }),
    regions: fc.array(anyRegion, { maxLength: 9 }),
  }),
  fc.record({ kind: kind("flush"), statement: anyNumber, partitions: fc.array(anyPartition, { maxLength: 9 }) }),
  fc.record({ kind: kind("flushed"), isOtherEpoch: fc.boolean(), tallies: anyTallies }),
  fc.record({ kind: kind("ask"), region: anyRegion }),
  fc.record({
    kind: kind("asked"),
    board: fc.option(fc.record({ stated: anyBoard, isStale: fc.boolean() }), { nil: undefined }),
  }),
);

test("decodeCounts() gives back whatever encodeCounts() was given", () => {
  fc.assert(
    fc.property(anyMessage, (message) => {
      expect(decodeCounts(encodeCounts(message), PARTITIONS)).toEqual(message);
    }),
  );
});
test("decodeCounts() refuses with MalformedMessageError, or reads, whatever bytes stand before a sound checksum", () => {
  fc.assert(
    fc.property(anyMessage, fc.array(fc.tuple(fc.nat(), fc.nat(255))), fc.nat(), (message, changes, cut) => {
      const whole = encodeCounts(message);
      const bytes = Uint8Array.from(whole.subarray(0, Math.max(4, whole.length - (cut % 8))));
      for (const [at, value] of changes) bytes[at % bytes.length] = value;
      new DataView(bytes.buffer).setUint32(bytes.length - 4, checksum(bytes), true);
      try {
        decodeCounts(bytes, PARTITIONS);
      } catch (error) {
        expect(error).toBeInstanceOf(MalformedMessageError);
      }
    }),
  );
});
