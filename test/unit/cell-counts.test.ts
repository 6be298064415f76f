import { expect, test } from "vitest";

import { CellCounts } from "../../engine/cell-counts.ts";
import { InvariantError } from "../../engine/invariant.ts";

const SALT = 0x51ab3f07;
/** As much room as it begins with: 16 cells of 8 bytes. */
const BYTES_MIN = 16 * 8;

function countsWith(cells: Readonly<Record<number, number>>): CellCounts {
  const counts = new CellCounts(SALT);
  for (const [cell, players] of Object.entries(cells)) counts.set(Number(cell), players);
  return counts;
}
const entriesOf = (counts: CellCounts): number[][] =>
  [...counts.entries()].sort(([a], [b]) => a - b).map((entry) => [...entry]);

test("CellCounts.set() answers how many there were", () => {
  const counts = new CellCounts(SALT);
  expect([counts.set(7, 3), counts.set(7, 5), counts.set(7, 0), counts.set(7, 1)]).toEqual([0, 3, 5, 0]);
  expect(entriesOf(counts)).toEqual([[7, 1]]);
});
test("CellCounts keeps nothing where nobody is", () => {
  const counts = countsWith({ 0: 2, 5: 1 });
  counts.set(0, 0);
  counts.add(5, -1);
  counts.set(9, 0);
  expect([entriesOf(counts), counts.players(0), counts.players(5)]).toEqual([[], 0, 0]);
});
test("CellCounts.add() adds to what is there and takes away", () => {
  const counts = countsWith({ 3: 4 });
  counts.add(3, 2);
  counts.add(3, -1);
  counts.add(4, 1);
  expect(entriesOf(counts)).toEqual([
    [3, 5],
    [4, 1],
  ]);
});
test("CellCounts.clear() leaves nobody, and room as at first", () => {
  const counts = new CellCounts(SALT);
  for (let cell = 0; cell < 100; cell++) counts.add(cell, 1);
  expect(counts.bytes).toBe(256 * 8);
  counts.clear();
  expect([counts.bytes, entriesOf(counts), counts.players(5)]).toEqual([BYTES_MIN, [], 0]);
  for (let cell = 0; cell < 12; cell++) counts.add(cell, 1);
  expect([counts.bytes, entriesOf(counts).length], "what was there before takes no room").toEqual([32 * 8, 12]);
});
test("CellCounts stops where a count would be negative", () => {
  expect(() => countsWith({ 3: 1 }).add(3, -2)).toThrow(new InvariantError("Broken invariant: no count is negative"));
  expect(() => countsWith({}).set(3, -1)).toThrow(InvariantError);
});
test("CellCounts finds cells that lie behind a gap, whatever the salt", () => {
  for (const salt of [0, 1, -1, SALT]) {
    const counts = new CellCounts(salt);
    for (let cell = 0; cell < 500; cell++) counts.set(cell << 12, cell + 1);
    for (let cell = 0; cell < 500; cell += 3) counts.set(cell << 12, 0);
    for (let cell = 0; cell < 500; cell++) expect(counts.players(cell << 12)).toBe(cell % 3 === 0 ? 0 : cell + 1);
  }
});
