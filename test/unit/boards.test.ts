import { expect, test } from "vitest";

import { Boards } from "../../engine/boards.ts";
import { MODE_BITS } from "../../engine/modes.ts";
import { REGIONS, regionOf } from "../../engine/places.ts";

const CA = regionOf("CA");
const cellOf = (region: number, mode: number): number => (region << MODE_BITS) | mode;

test("Boards.of() is up to date with every change", () => {
  const boards = new Boards(["a", "b"]);
  boards.add(cellOf(CA, 0), 1);
  boards.add(cellOf(CA, 1), 1);
  boards.add(cellOf(CA, 1), 1);
  expect(boards.of(CA).top(5)).toEqual([
    { mode: "b", players: 2 },
    { mode: "a", players: 1 },
  ]);
  boards.add(cellOf(CA, 1), -1);
  boards.add(cellOf(CA, 1), -1);
  expect(boards.of(CA).top(5)).toEqual([{ mode: "a", players: 1 }]);
});
test("Boards.of() has a board for every region and the last mode number", () => {
  const boards = new Boards(Array.from({ length: 4096 }, (_, mode) => `m${mode}`));
  for (let region = 0; region < REGIONS.length; region++) boards.add(cellOf(region, 4095), region + 1);
  for (let region = 0; region < REGIONS.length; region++)
    expect(boards.of(region).top(2)).toEqual([{ mode: "m4095", players: region + 1 }]);
  expect(boards.players).toBe((249 * 250) / 2);
});
test("Boards.players counts changes that nobody has looked at", () => {
  const boards = new Boards(["a"]);
  expect(boards.players).toBe(0);
  boards.add(cellOf(CA, 0), 1);
  expect(boards.players).toBe(1);
});
test("Boards.catchUp() tells a board once, however often its cell changed", () => {
  const boards = new Boards(["a"]);
  const board = boards.of(CA);
  for (let change = 0; change < 10; change++) boards.add(cellOf(CA, 0), 1);
  expect([board.players, board.version]).toEqual([0, 0]);
  boards.catchUp();
  expect([board.players, board.version]).toEqual([10, 1]);
  boards.add(cellOf(CA, 0), 1);
  boards.add(cellOf(CA, 0), -1);
  boards.catchUp();
  expect(board.version).toBe(1);
});
test("Boards.catchUp() tells as many cells as it is given, and the rest when somebody looks", () => {
  const boards = new Boards(["a"]);
  const [all, last] = [REGIONS.map((_, region) => boards.of(region)), REGIONS.length - 1];
  const told = (): number => all.reduce((sum, board) => sum + board.players, 0);
  for (let region = 0; region < 10; region++) boards.add(cellOf(region, 0), 1);
  boards.catchUp(0);
  expect(told()).toBe(0);
  boards.catchUp(3);
  expect(told()).toBe(3);
  boards.add(cellOf(last, 0), 1);
  boards.catchUp(1);
  expect(told()).toBe(4);
  expect(boards.players).toBe(11);
  expect(told()).toBe(11);
  boards.catchUp(5);
  expect(told()).toBe(11);
});
test("Boards.catchUp() spends one of its cells on a cell, however often that changed", () => {
  const boards = new Boards(["a"]);
  const [first, second] = [boards.of(0), boards.of(1)];
  for (const region of [0, 1, 1, 1]) boards.add(cellOf(region, 0), 1);
  boards.catchUp(2);
  expect([first.players, second.players]).toEqual([1, 3]);
});
test("Boards.isModeEmpty() sees who is in a mode in any region, told or not", () => {
  const boards = new Boards(["a", "b"]);
  expect([boards.isModeEmpty(0), boards.isModeEmpty(4095)]).toEqual([true, true]);
  for (const region of [0, CA, REGIONS.length - 1]) {
    boards.add(cellOf(region, 1), 1);
    expect([0, 1, 2].map((mode) => boards.isModeEmpty(mode))).toEqual([true, false, true]);
    boards.catchUp();
    expect([0, 1, 2].map((mode) => boards.isModeEmpty(mode))).toEqual([true, false, true]);
    boards.add(cellOf(region, 1), -1);
    expect(boards.isModeEmpty(1)).toBe(true);
  }
});
