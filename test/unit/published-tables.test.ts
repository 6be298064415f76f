import { expect, test } from "vitest";

import { Board } from "../../engine/board.ts";
import { decideTable } from "../../engine/published-table.ts";
import { PublishedTables } from "../../engine/published-tables.ts";
import { COUNTRY_CODES, regionOf } from "../../engine/places.ts";

const CA = regionOf("CA");
const MINUTE = 60_000;
const FLOOR = 10;

/** Tables over one board that every region shares. */
class Scene {
  readonly board = new Board(["GM01", "GM02"]);
  isWhole = true;
  isComplete = true;
  readonly tables = new PublishedTables(FLOOR, () =>
    this.isWhole
      ? { board: this.board, isComplete: this.isComplete, find: (mode) => ["GM01", "GM02"].indexOf(mode) }
      : undefined,
  );

  /** Lets all be decided that is due then. */
  decide(wallMs: number): void {
    while (!this.tables.decide(wallMs));
  }

  get players(): number | undefined {
    this.tables.follow(CA);
    return this.tables.of(CA)?.players;
  }
}

function taken(former?: Parameters<PublishedTables["take"]>[1]): Scene {
  const scene = new Scene();
  scene.tables.take(CA, former);
  return scene;
}

test("PublishedTables: nothing is published before the first whole minute", () => {
  const scene = taken();
  scene.board.set(0, 50);
  scene.decide(MINUTE + 1);
  expect(scene.players).toBeUndefined();
  scene.decide(2 * MINUTE - 1);
  expect(scene.players).toBeUndefined();
  scene.decide(2 * MINUTE);
  expect(scene.players).toBe(50);
});
test("PublishedTables: a table stands until the next whole minute, whatever changes", () => {
  const scene = taken();
  scene.decide(0);
  scene.board.set(0, 50);
  scene.decide(MINUTE);
  scene.board.set(0, 90);
  scene.board.set(1, 5000);
  scene.decide(2 * MINUTE - 1);
  expect(scene.players).toBe(50);
  scene.decide(2 * MINUTE);
  expect(scene.players).toBe(5090);
});
test("PublishedTables: exact numbers follow at once", () => {
  const scene = taken();
  scene.decide(0);
  scene.board.set(0, 1500);
  scene.decide(MINUTE);
  scene.board.set(0, 1501);
  expect(scene.players).toBe(1501);
});
test("PublishedTables: a change that is not shown leaves the very table", () => {
  const scene = taken();
  scene.decide(0);
  scene.board.set(0, 1500);
  scene.board.set(1, 20);
  scene.decide(MINUTE);
  scene.tables.follow(CA);
  const before = scene.tables.of(CA);
  scene.board.set(1, 90);
  scene.tables.follow(CA);
  expect(scene.tables.of(CA)).toBe(before);
});
test("PublishedTables: exact numbers stand still while players are missing, and the next minute says so", () => {
  const scene = taken();
  scene.decide(0);
  scene.board.set(0, 1500);
  scene.decide(MINUTE);
  scene.isComplete = false;
  scene.board.set(0, 1200);
  expect(scene.players).toBe(1500);
  scene.decide(2 * MINUTE);
  expect(scene.tables.of(CA)).toMatchObject({ players: 1200, isComplete: false });
});
test("PublishedTables: where a minute finds no whole counts, what stands goes on for it", () => {
  const scene = taken();
  scene.decide(0);
  scene.board.set(0, 50);
  scene.decide(MINUTE);
  scene.isWhole = false;
  scene.board.set(0, 70);
  scene.decide(2 * MINUTE);
  scene.isWhole = true;
  scene.decide(2 * MINUTE + 500);
  expect(scene.players).toBe(50);
  scene.decide(3 * MINUTE);
  expect(scene.players).toBe(70);
});
test("PublishedTables.take() goes on with the former table until the next whole minute, unless its floor is lower", () => {
  const formerOf = (floor: number) => decideTable([["GM02", 40]], { floor, minute: 5, isComplete: true });
  const scene = taken(formerOf(20));
  scene.board.set(0, 50);
  scene.decide(5 * MINUTE + 100);
  expect(scene.players).toBe(40);
  scene.decide(6 * MINUTE);
  expect(scene.players).toBe(50);
  const lower = taken(formerOf(5));
  lower.board.set(0, 50);
  lower.decide(5 * MINUTE + 100);
  expect(lower.players).toBeUndefined();
});
test("PublishedTables: a clock that was set back decides nothing before its next whole minute", () => {
  const scene = taken();
  scene.decide(100 * MINUTE);
  scene.board.set(0, 50);
  scene.decide(101 * MINUTE);
  scene.board.set(0, 90);
  scene.decide(100 * MINUTE + 30_000); // a neighbour's clock may be a little behind
  scene.decide(101 * MINUTE + 1);
  expect(scene.players).toBe(50);
  scene.decide(20 * MINUTE + 30_000);
  expect(scene.players).toBe(50);
  scene.decide(21 * MINUTE);
  expect(scene.players).toBe(90);
});
test("PublishedTables.decide() decides some regions at a time, and all of them in the end", () => {
  const { tables, board } = new Scene();
  for (const region of COUNTRY_CODES.keys()) tables.take(region);
  while (!tables.decide(0));
  board.set(0, 50);
  const decided = () => [...COUNTRY_CODES.keys()].filter((region) => tables.of(region) !== undefined).length;
  expect(tables.decide(MINUTE)).toBe(false);
  expect(decided()).toBeLessThan(COUNTRY_CODES.length / 4);
  while (!tables.decide(MINUTE));
  expect(decided()).toBe(COUNTRY_CODES.length);
  tables.drop(CA);
  expect(tables.of(CA)).toBeUndefined();
});
