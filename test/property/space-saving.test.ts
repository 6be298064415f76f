import fc from "fast-check";
import { expect, test } from "vitest";
import { SpaceSaving } from "../../engine/space-saving.ts";

const PLACES = 4;
const anyKey = fc.integer({ min: 0, max: 12 }).map((number) => `k${number}`);
const anyStream = fc.array(fc.tuple(anyKey, fc.integer({ min: 1, max: 5 })), { maxLength: 400 });

/** By the table, and exactly. */
function counted(stream: readonly (readonly [key: string, times: number])[]): [SpaceSaving, Map<string, number>] {
  const table = new SpaceSaving(PLACES);
  const exact = new Map<string, number>();
  for (const [key, times] of stream) {
    table.add(key, times);
    exact.set(key, (exact.get(key) ?? 0) + times);
  }
  return [table, exact];
}

test("no count is too low, and none too high by more than its error, which is at most all that came over the places", () => {
  fc.assert(
    fc.property(anyStream, (stream) => {
      const [table, exact] = counted(stream);
      const counts = [...table.counts()];
      expect(counts.length).toBe(Math.min(PLACES, exact.size));
      expect(new Set(counts.map(({ key }) => key)).size).toBe(counts.length);
      expect(counts.reduce((sum, { count }) => sum + count, 0)).toBe(table.total);
      for (const { key, count, error } of counts) {
        expect(count).toBeGreaterThanOrEqual(exact.get(key) ?? 0);
        expect(count - error).toBeLessThanOrEqual(exact.get(key) ?? 0);
        expect(error).toBeLessThanOrEqual(table.total / PLACES);
      }
    }),
  );
});
test("whoever came more often than all divided by the places has a place", () => {
  fc.assert(
    fc.property(anyStream, (stream) => {
      const [table, exact] = counted(stream);
      const kept = new Set([...table.counts()].map(({ key }) => key));
      for (const [key, count] of exact) if (count > table.total / PLACES) expect(kept).toContain(key);
    }),
  );
});
