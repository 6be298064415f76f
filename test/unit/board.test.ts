import { expect, test } from "vitest";

import { Board } from "../../engine/board.ts";
import { InvariantError } from "../../engine/invariant.ts";

const NAMES = Array.from({ length: 100 }, (_, mode) => `GM${String(mode).padStart(2, "0")}`);

function boardOf(players: readonly number[], names: readonly string[] = NAMES): Board {
  const board = new Board(names);
  for (const [mode, count] of players.entries()) board.set(mode, count);
  return board;
}

test("Board.top() of a new board is empty", () => {
  const board = new Board(NAMES);
  expect(board.top(5)).toEqual([]);
  expect([board.players, board.version, board.count(0), board.count(99)]).toEqual([0, 0, 0, 0]);
});
test("Board.top() gives the most popular first, at most as many as asked for", () => {
  const board = boardOf([2, 5, 3, 4, 1]);
  expect(board.top(2)).toEqual([
    { mode: "GM01", players: 5 },
    { mode: "GM03", players: 4 },
  ]);
  expect(board.top(100).map(({ players }) => players)).toEqual([5, 4, 3, 2, 1]);
  expect(board.top(0)).toEqual([]);
});
test("Board.top() breaks ties by mode name, byte by byte", () => {
  const board = boardOf([3, 3, 3, 3], ["b", "a", "B", "a.b"]);
  expect(board.top(4).map(({ mode }) => mode)).toEqual(["B", "a", "a.b", "b"]);
});
test("Board.top() leaves out modes that everybody left", () => {
  const board = boardOf([1, 2, 3]);
  board.set(2, 0);
  board.set(0, 0);
  expect(board.top(5)).toEqual([{ mode: "GM01", players: 2 }]);
  board.set(1, 0);
  expect(board.top(5)).toEqual([]);
  expect(board.players).toBe(0);
});
test("Board.count() is what was set, 0 for modes never heard of", () => {
  const board = boardOf([7, 0, 9]);
  expect(board.count(8), "behind the last there is room for").toBe(0);
  board.set(64, 1);
  expect([0, 1, 2, 3, 64, 65, 5000].map((mode) => board.count(mode))).toEqual([7, 0, 9, 0, 1, 0, 0]);
});
test("Board.players sums all modes, whatever is set and how often", () => {
  const board = boardOf([7, 2]);
  board.set(0, 4);
  board.set(0, 4);
  board.set(40, 10);
  expect(board.players).toBe(16);
});
test("Board.version rises when a count changes, and only then", () => {
  const board = boardOf([7]);
  expect(board.version).toBe(1);
  board.set(0, 7);
  board.set(1, 0);
  expect(board.version).toBe(1);
  board.set(0, 6);
  board.set(0, 0);
  expect(board.version).toBe(3);
});
test("Board.top() knows names that came after the board was made", () => {
  const names = ["a"];
  const board = new Board(names);
  names.push("b");
  board.set(1, 1);
  expect(board.top(1)).toEqual([{ mode: "b", players: 1 }]);
});
test("Board.set() refuses a negative count", () => {
  expect(() => boardOf([1]).set(0, -1)).toThrow(new InvariantError("Broken invariant: no count is negative"));
});
test("Board keeps its order while every mode rises and falls past the others", () => {
  const board = boardOf(Array.from({ length: 50 }, (_, mode) => mode + 1));
  for (let mode = 0; mode < 50; mode++) {
    board.set(mode, 100);
    expect(board.top(1)).toEqual([{ mode: NAMES[mode], players: 100 }]);
    board.set(mode, 1);
  }
  expect(board.top(50).map(({ mode }) => mode)).toEqual(NAMES.slice(0, 50));
});
