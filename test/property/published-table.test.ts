import fc from "fast-check";
import { expect, test } from "vitest";

import { decideTable, exactFrom, followed, type PublishedTable } from "../../engine/published-table.ts";

type Counts = [mode: string, players: number][];

const anyFloor = fc.oneof(fc.integer({ min: 2, max: 12 }), fc.integer({ min: 2, max: 1000 }));
/** Small numbers around the floor and its hundredfold, where the rules change. */
const anyCounts = (floor: number): fc.Arbitrary<Counts> => {
  const anyPlayers = fc.oneof(
    fc.integer({ min: 1, max: 3 * floor }),
    fc.integer({ min: 99 * floor, max: 101 * floor }),
    fc.integer({ min: 1, max: 2 ** 31 - 1 }),
  );
  const anyMode = fc.integer({ min: 0, max: 300 }).map((mode) => `m${mode}`);
  return fc.uniqueArray(fc.tuple(anyMode, anyPlayers), { selector: ([mode]) => mode, maxLength: 150 });
};
const anyCase = anyFloor.chain((floor) => fc.tuple(fc.constant(floor), anyCounts(floor), anyCounts(floor)));

function decide(floor: number, counts: Counts): PublishedTable {
  return decideTable(counts, { floor, minute: 1, isComplete: true });
}

function expectLawful({ floor, modes, others, players }: PublishedTable): void {
  for (const { players: shown, isExact } of modes) {
    expect(shown).toBeGreaterThanOrEqual(isExact ? exactFrom(floor) : floor);
    if (!isExact) expect(shown % floor).toBe(0);
  }
  expect(others % floor).toBe(0);
  expect(others).toBeGreaterThanOrEqual(0);
  expect(players).toBe(modes.reduce((sum, mode) => sum + mode.players, others));
  const sorted = modes.toSorted((a, b) => b.players - a.players || (a.mode < b.mode ? -1 : 1));
  expect(modes).toEqual(sorted);
}

test("decideTable(): no number tells of fewer than the floor, none lies between multiples but exact ones, and they sum up", () => {
  fc.assert(fc.property(anyCase, ([floor, counts]) => expectLawful(decide(floor, counts))));
});
test("decideTable(): every mode with 100 floors is exact, every other is within half a floor of what it has", () => {
  fc.assert(
    fc.property(anyCase, ([floor, counts]) => {
      const had = new Map(counts);
      for (const { mode, players, isExact } of decide(floor, counts).modes) {
        const exactly = had.get(mode) as number;
        expect(isExact).toBe(exactly >= exactFrom(floor));
        if (isExact) expect(players).toBe(exactly);
        else expect(Math.abs(players - exactly)).toBeLessThanOrEqual(floor / 2);
      }
    }),
  );
});
test("decideTable(): the same counts in any order give the same table", () => {
  fc.assert(
    fc.property(anyCase, fc.nat(), ([floor, counts], turn) => {
      const at = counts.length === 0 ? 0 : turn % counts.length;
      const other = [...counts.slice(at), ...counts.slice(0, at)].toReversed();
      expect(decide(floor, other)).toEqual(decide(floor, counts));
    }),
  );
});
test("decideTable(): one player more or less in a mode that is not exact changes numbers by whole floors", () => {
  fc.assert(
    fc.property(anyCase, fc.nat(), ([floor, counts], which) => {
      fc.pre(counts.length > 0);
      const [mode, players] = counts[which % counts.length] as [string, number];
      fc.pre(players + 1 < exactFrom(floor));
      const joined = counts.map(([each, had]): [string, number] => [each, each === mode ? had + 1 : had]);
      const [before, after] = [decide(floor, counts), decide(floor, joined)];
      expect((after.players - before.players) % floor === 0).toBe(true);
      expect((after.others - before.others) % floor === 0).toBe(true);
    }),
  );
});
test("followed(): whatever the counts become, the table stays lawful and only exact numbers change", () => {
  fc.assert(
    fc.property(anyCase, ([floor, counts, later]) => {
      const [before, now] = [decide(floor, counts), new Map(later)];
      const after = followed(before, (mode) => now.get(mode) ?? 0);
      expectLawful(after);
      const rounded = ({ modes }: PublishedTable) => modes.filter(({ isExact }) => !isExact);
      expect(rounded(after)).toEqual(rounded(before));
      for (const { mode, players, isExact } of after.modes)
        if (isExact) expect(players).toBe(Math.max(exactFrom(floor), now.get(mode) ?? 0));
    }),
  );
});
