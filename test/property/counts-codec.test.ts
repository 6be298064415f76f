import fc from "fast-check";
import { expect, test } from "vitest";

import { ASKED_MAX, decodeCounts, encodeCounts } from "../../cluster/counts/counts-codec.ts";
import type { CountsMessage } from "../../cluster/counts/counts-messages.ts";
import { checksum } from "../../engine/checksum.ts";
import { MalformedMessageError } from "../../engine/codec.ts";
import { decideTable, FLOOR_MAX, FLOOR_MIN } from "../../engine/published-table.ts";
import { COUNTRIES, PLACES, REGION_COUNT } from "../../engine/places.ts";

const PARTITIONS = 64;
const anyNumber = fc.oneof(fc.nat(300), fc.maxSafeNat());
const anyRegion = fc.nat(REGION_COUNT - 1);
const anyCountry = fc.nat(COUNTRIES - 1);
const anyPlace = fc.nat(PLACES.length - 1);
const anyArea = fc.integer({ min: REGION_COUNT, max: PLACES.length - 1 });
const anyPartition = fc.nat(PARTITIONS - 1);
const anyMode = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$/);
const anyCell = (region: fc.Arbitrary<number>, modes: number): fc.Arbitrary<number[]> =>
  fc.tuple(region, fc.nat(modes - 1), fc.nat(2 ** 31 - 1)).map((cell) => [...cell]);
const anyTallies = (source: fc.Arbitrary<number>, region: fc.Arbitrary<number>) =>
  fc.uniqueArray(anyMode, { minLength: 1, maxLength: 6 }).chain((modes) =>
    fc.record({
      statement: anyNumber,
      isList: fc.boolean(),
      isStale: fc.boolean(),
      modes: fc.constant(modes),
      items: fc.array(
        fc
          .record({
            source,
            term: anyNumber,
            version: anyNumber,
            isAllCells: fc.boolean(),
            isDoubtful: fc.boolean(),
            isUnsure: fc.boolean(),
            isUnreadable: fc.boolean(),
            cells: fc.array(anyCell(region, modes.length)),
          })
          .map(({ cells, ...tally }) => ({ ...tally, cells: tally.isUnreadable ? [] : cells.flat() })),
        { maxLength: 8 },
      ),
    }),
  );
const anyBoard = (region: fc.Arbitrary<number>) =>
  fc.record({
    region,
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
const anyLevel = (source: fc.Arbitrary<number>, region: fc.Arbitrary<number>, target: fc.Arbitrary<number>) =>
  fc.record({
    tallies: anyTallies(source, region),
    boards: fc.record({
      statement: anyNumber,
      isList: fc.boolean(),
      isStale: fc.boolean(),
      items: fc.array(anyBoard(target), { maxLength: 5 }),
    }),
  });
const anyNeeds = (source: fc.Arbitrary<number>, target: fc.Arbitrary<number>) =>
  fc.record({
    needsTallyList: fc.boolean(),
    needsBoardList: fc.boolean(),
    sources: fc.array(source, { maxLength: 9 }),
    regions: fc.array(target, { maxLength: 9 }),
  });
const anyMessage: fc.Arbitrary<CountsMessage> = fc.oneof(
  fc.record({
    kind: kind("tell"),
    countries: anyLevel(anyPartition, anyRegion, anyCountry),
    areas: anyLevel(anyCountry, anyCountry, anyArea),
    tables: fc.record({
      number: anyNumber,
      items: fc.array(fc.record({ region: anyCountry, table: fc.option(anyTable, { nil: undefined }) }), {
        maxLength: 3,
      }),
    }),
  }),
  fc.record({
    kind: kind("told"),
    isOtherEpoch: fc.boolean(),
    countries: anyNeeds(anyPartition, anyCountry),
    areas: anyNeeds(anyCountry, anyArea),
  }),
  fc.record({ kind: kind("flush"), statement: anyNumber, partitions: fc.array(anyPartition, { maxLength: 9 }) }),
  fc.record({ kind: kind("flushed"), isOtherEpoch: fc.boolean(), tallies: anyTallies(anyPartition, anyRegion) }),
  fc.record({ kind: kind("ask"), isFlushed: fc.boolean(), places: fc.array(anyPlace, { maxLength: ASKED_MAX }) }),
  fc.record({
    kind: kind("asked"),
    boards: fc.array(fc.record({ stated: anyBoard(anyPlace), isStale: fc.boolean() }), { maxLength: 4 }),
  }),
  fc.record({ kind: kind("list"), country: anyCountry }),
  fc.record({
    kind: kind("listed"),
    inside: fc.option(
      fc.record({
        country: anyCountry,
        players: anyNumber,
        term: anyNumber,
        version: anyNumber,
        isComplete: fc.boolean(),
        isStale: fc.boolean(),
        subdivisions: fc.array(fc.record({ region: anyRegion, players: anyNumber }), { maxLength: 5 }),
      }),
      { nil: undefined },
    ),
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
