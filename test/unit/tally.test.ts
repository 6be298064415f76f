import { expect, test } from "vitest";

import { InvariantError } from "../../engine/invariant.ts";
import { Tally } from "../../engine/tally.ts";

/** Bytes of a tally with as much room as it begins with: 16 cells of 8 bytes, 64 changes of 4. */
const BYTES_MIN = 16 * 8 + 64 * 4;
const SALT = 0x51ab3f07;

/** A tally of players who only come and go through it. */
class Crowd {
  readonly presences: number[] = [];
  readonly tally = new Tally(SALT, () => this.presences);

  enter(cell: number): void {
    this.presences.push(cell);
    this.tally.enter(cell);
  }
  leave(cell: number): void {
    this.presences.splice(this.presences.indexOf(cell), 1);
    this.tally.leave(cell);
  }
}
const countsOf = (tally: Tally): number[][] => [...tally.cells()].map((cell) => [...cell]).sort(([a], [b]) => a - b);

test("Tally counts who came and who left, per cell", () => {
  const { tally } = new Crowd();
  for (const cell of [5, 0, 5, 5, 0]) tally.enter(cell);
  tally.leave(5);
  expect([tally.players(5), tally.players(0), tally.players(7)]).toEqual([2, 2, 0]);
  expect(countsOf(tally)).toEqual([
    [0, 2],
    [5, 2],
  ]);
});
test("Tally has no entry for a cell that everybody left", () => {
  const { tally } = new Crowd();
  tally.enter(5);
  tally.enter(0);
  tally.leave(5);
  expect(countsOf(tally)).toEqual([[0, 1]]);
  tally.leave(0);
  expect(countsOf(tally)).toEqual([]);
  expect([tally.players(5), tally.players(0), tally.players(-1)]).toEqual([0, 0, 0]);
});
test.each([63, 64, 65, 500])("Tally is right after %i changes that nobody looked at", (changes) => {
  const crowd = new Crowd();
  crowd.enter(9);
  expect(crowd.tally.players(9)).toBe(1);
  for (let change = 0; change < changes; change++) crowd.enter(change % 3);
  expect(countsOf(crowd.tally)).toEqual([
    [0, Math.ceil(changes / 3)],
    [1, Math.ceil((changes - 1) / 3)],
    [2, Math.ceil((changes - 2) / 3)],
    [9, 1],
  ]);
});
test.each([64, 65])("Tally follows %i departures that nobody looked at", (changes) => {
  const crowd = new Crowd();
  for (let cell = 0; cell < changes; cell++) crowd.enter(cell);
  expect(countsOf(crowd.tally)).toHaveLength(changes);
  for (let cell = 0; cell < changes; cell++) crowd.leave(cell);
  expect(countsOf(crowd.tally)).toEqual([]);
});
test("Tally counts only the changes it was told of while they are few", () => {
  const tally = new Tally(SALT, () => expect.fail("no need to count all"));
  for (let change = 0; change < 64; change++) tally.enter(change & 1);
  expect(countsOf(tally)).toEqual([
    [0, 32],
    [1, 32],
  ]);
});
test("Tally.bytes grows with the cells in it, and falls when they empty", () => {
  const crowd = new Crowd();
  const settle = (): number => (crowd.tally.players(0), crowd.tally.bytes);
  for (let cell = 0; cell < 10; cell++) crowd.enter(cell);
  expect(settle(), "10 cells have room").toBe(BYTES_MIN);
  crowd.enter(10);
  expect(settle(), "the eleventh is more than two thirds of 16").toBe(BYTES_MIN + 16 * 8);
  for (let cell = 11; cell < 1000; cell++) crowd.enter(cell);
  expect(settle()).toBeLessThanOrEqual(1000 * 8 * 3 + 256);
  for (let cell = 1; cell < 1000; cell++) {
    crowd.leave(cell);
    settle();
  }
  expect(settle()).toBe(BYTES_MIN);
  expect(countsOf(crowd.tally)).toEqual([[0, 1]]);
});
test("Tally.bytes stays as it is while many come to few cells", () => {
  const crowd = new Crowd();
  for (let player = 0; player < 64; player++) crowd.enter(player & 1);
  expect(crowd.tally.players(0)).toBe(32);
  expect(crowd.tally.bytes).toBe(BYTES_MIN);
});
test("Tally.bytes of a burst is given back when all is counted anew", () => {
  const crowd = new Crowd();
  for (let cell = 0; cell < 1000; cell++) crowd.enter(cell);
  expect(crowd.tally.players(999)).toBe(1);
  for (let cell = 1; cell < 1000; cell++) crowd.leave(cell);
  expect(crowd.tally.players(0)).toBe(1);
  expect(crowd.tally.bytes).toBe(BYTES_MIN);
});
test("Tally stops when somebody leaves a cell that is empty", () => {
  const { tally } = new Crowd();
  tally.leave(3);
  expect(() => tally.players(3)).toThrow(new InvariantError("Broken invariant: no count is negative"));
});
