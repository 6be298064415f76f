/** What is published of an area is the sum of what is published of its countries, whenever somebody looks. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { COUNTRIES, countriesOf, isArea, placeOf, regionOf, WORLD } from "../../engine/places.ts";
import { type PublishedTable, tableOf } from "../../engine/published-table.ts";
import type { RegionCounts } from "../../node/entry.ts";
import { type Published, PublishedEntry } from "../../node/published-entry.ts";

const FLOOR = 5;
const [CA, US, FR] = [regionOf("CA"), regionOf("US"), regionOf("FR")];
const AREAS = ["021", "003", "150", "009", "001"].map(placeOf);

const anyTable: fc.Arbitrary<PublishedTable> = fc
  .record({
    modes: fc.uniqueArray(fc.constantFrom("a", "b", "c", "d"), { maxLength: 4 }),
    floors: fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 4, maxLength: 4 }),
    others: fc.nat(3),
    isComplete: fc.boolean(),
  })
  .map(({ modes, floors, others, isComplete }) =>
    tableOf(
      { floor: FLOOR, minute: 1, isComplete },
      modes.map((mode, at) => ({ mode, players: (floors[at] as number) * FLOOR, isExact: false })),
      others * FLOOR,
    ),
  );
const anyPublished: fc.Arbitrary<Published> = fc.record({
  table: fc.option(anyTable, { nil: undefined }),
  isStale: fc.boolean(),
  ageMs: fc.nat(500),
});

/** Everything that is shown. */
function shown(counts: RegionCounts): unknown {
  const { players, others, isComplete, isStale, ageMs } = counts;
  return { players, others, isComplete, isStale, ageMs, top: counts.top(100) };
}

function summed(published: readonly Published[]): unknown {
  const modes = new Map<string, number>();
  for (const { table } of published)
    for (const { mode, players } of table?.modes ?? []) modes.set(mode, (modes.get(mode) ?? 0) + players);
  const sumOf = (what: "players" | "others"): number =>
    published.reduce((sum, { table }) => sum + (table?.[what] ?? 0), 0);
  return {
    players: sumOf("players"),
    others: sumOf("others"),
    isComplete: published.every(({ table }) => table?.isComplete === true),
    isStale: published.some(({ isStale }) => isStale),
    ageMs: Math.max(...published.map(({ ageMs }) => ageMs)),
    top: [...modes]
      .map(([mode, players]) => ({ mode, players }))
      .toSorted((one, other) => other.players - one.players || (one.mode < other.mode ? -1 : 1)),
  };
}

test("an area is the sum of its countries' tables, and another table only where one of them is", () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.constantFrom(CA, US, FR), anyPublished, fc.constantFrom(...AREAS)), { maxLength: 30 }),
      (changes) => {
        const nothing: Published = { table: undefined, isStale: false, ageMs: 0 };
        const published = Array.from({ length: COUNTRIES }, () => nothing);
        const subject = new PublishedEntry((country) => published[country] as Published);
        for (const [country, change, area] of changes) {
          const before = subject.regionCounts(area).table;
          const isSame = published[country]?.table === change.table || !countriesOf(area).includes(country);
          published[country] = change;
          const counts = subject.regionCounts(area);
          expect(shown(counts)).toEqual(summed(countriesOf(area).map((each) => published[each] as Published)));
          expect(counts.table === before).toBe(isSame);
          expect(subject.overview(area).players).toBe(counts.players);
        }
        const { regions, ...all } = subject.overview();
        expect(all).toEqual(subject.players());
        expect(regions.reduce((sum, { players }) => sum + players, 0)).toBe(subject.regionCounts(WORLD).players);
        expect(isArea(WORLD)).toBe(true);
      },
    ),
    { numRuns: 200 },
  );
});
