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
const countsOf = (tally: Tally): number[][] => [...tally.cells()].sort(([a], [b]) => a - b).map((cell) => [...cell]);

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
test("Tally says nothing of a cell that everybody left", () => {
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

/** The cells that a drain hands over, sorted, each once; "all" where any may have changed. */
function drained(tally: Tally): number[] | "all" {
  const seen = new Set<number>();
  return tally.drain((cell) => seen.add(cell)) ? [...seen].sort((a, b) => a - b) : "all";
}
test("Tally.drain() says the first time that any cell may have changed", () => {
  const { tally } = new Crowd();
  expect(tally.hasChanges).toBe(true);
  tally.enter(5);
  expect([drained(tally), tally.hasChanges, drained(tally)]).toEqual(["all", false, []]);
});
test("Tally.drain() hands over each cell that somebody came to or left since, cell 0 too", () => {
  const { tally } = new Crowd();
  tally.enter(5);
  drained(tally);
  tally.enter(0);
  tally.enter(7);
  tally.leave(5);
  expect([tally.hasChanges, drained(tally), tally.hasChanges]).toEqual([true, [0, 5, 7], false]);
  tally.leave(0);
  expect([drained(tally), countsOf(tally)]).toEqual([[0], [[7, 1]]]);
});
test("Tally.drain() misses nothing that was counted in between", () => {
  const { tally } = new Crowd();
  drained(tally);
  tally.enter(5);
  expect([tally.players(5), tally.hasChanges]).toEqual([1, true]);
  tally.enter(6);
  expect(countsOf(tally)).toHaveLength(2);
  expect([drained(tally), tally.players(5), tally.players(6)]).toEqual([[5, 6], 1, 1]);
});
test("Tally.drain() says after too many changes that any may have changed, and makes room for twice as many", () => {
  const crowd = new Crowd();
  drained(crowd.tally);
  const enterMany = (changes: number): void => {
    for (let change = 0; change < changes; change++) crowd.enter(change & 1);
  };
  enterMany(65);
  expect([drained(crowd.tally), crowd.tally.bytes]).toEqual(["all", BYTES_MIN + 64 * 4]);
  enterMany(128);
  expect(drained(crowd.tally)).toEqual([0, 1]);
  enterMany(129);
  expect([drained(crowd.tally), crowd.tally.players(0)]).toEqual(["all", 33 + 64 + 65]);
});
test("Tally.drain() knows of an overflow that was counted before it was asked", () => {
  const crowd = new Crowd();
  drained(crowd.tally);
  for (let change = 0; change < 65; change++) crowd.enter(3);
  expect([crowd.tally.players(3), crowd.tally.hasChanges]).toEqual([65, true]);
  crowd.enter(4);
  expect([drained(crowd.tally), drained(crowd.tally), crowd.tally.players(4)]).toEqual(["all", [], 1]);
});
test("Tally.drain() makes room for 4096 changes at the most", () => {
  const crowd = new Crowd();
  for (let look = 0; look < 12; look++) {
    drained(crowd.tally);
    for (let change = 0; change < 4097; change++) crowd.tally.enter(1);
    crowd.presences.push(1);
  }
  expect([drained(crowd.tally), crowd.tally.bytes]).toEqual(["all", 16 * 8 + 4096 * 4]);
});
test("Tally that nobody follows forgets its changes once they are counted", () => {
  const { tally } = new Crowd();
  for (let change = 0; change < 200; change++) {
    tally.enter(change % 3);
    expect(tally.players(change % 3)).toBe(Math.floor(change / 3) + 1);
  }
});
