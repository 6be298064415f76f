import { expect, test } from "vitest";

import { Boards } from "../../engine/boards.ts";
import { MODE_BITS } from "../../engine/modes.ts";
import {
  areasOf,
  COUNTRIES,
  countriesOf,
  COUNTRY_CODES,
  countryOf,
  isSubdivision,
  placeOf,
  REGION_COUNT,
  regionOf,
} from "../../engine/places.ts";

const CA = regionOf("CA");
const SALT = 0x1234567;
const newBoards = (names: readonly string[]): Boards => new Boards(names, SALT);
const cellOf = (region: number, mode: number): number => (region << MODE_BITS) | mode;

test("Boards.of() is up to date with every change", () => {
  const boards = newBoards(["a", "b"]);
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
test("Boards.of() has a board for every place and the last mode number", () => {
  const boards = newBoards(Array.from({ length: 4096 }, (_, mode) => `m${mode}`));
  const expected = new Map<number, number>();
  const count = (place: number, players: number): void =>
    void expected.set(place, (expected.get(place) ?? 0) + players);
  for (let region = 0; region < REGION_COUNT; region++) {
    boards.add(cellOf(region, 4095), region + 1);
    count(region, region + 1);
    if (isSubdivision(region)) count(countryOf(region), region + 1);
  }
  for (const [place, players] of expected) expect(boards.of(place).top(2)).toEqual([{ mode: "m4095", players }]);
  const all = (REGION_COUNT * (REGION_COUNT + 1)) / 2;
  expect([boards.players, boards.of(placeOf("001")).players]).toEqual([all, all]);
  const inNorthAmerica = countriesOf(placeOf("003")).reduce((sum, country) => sum + (expected.get(country) ?? 0), 0);
  expect(boards.of(placeOf("003")).top(2)).toEqual([{ mode: "m4095", players: inNorthAmerica }]);
});
test("Boards.players counts changes that nobody has looked at", () => {
  const boards = newBoards(["a"]);
  expect(boards.players).toBe(0);
  boards.add(cellOf(CA, 0), 1);
  expect(boards.players).toBe(1);
});
test("Boards.catchUp() tells a board once, however often its cell changed", () => {
  const boards = newBoards(["a"]);
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
  const boards = newBoards(["a"]);
  const [all, last] = [[...COUNTRY_CODES.keys()].map((region) => boards.of(region)), COUNTRIES - 1];
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
  const boards = newBoards(["a"]);
  const [first, second] = [boards.of(0), boards.of(1)];
  for (const region of [0, 1, 1, 1]) boards.add(cellOf(region, 0), 1);
  boards.catchUp(2);
  expect([first.players, second.players]).toEqual([1, 3]);
});
test("Boards.isModeEmpty() sees who is in a mode in any region, told or not", () => {
  const boards = newBoards(["a", "b"]);
  expect([boards.isModeEmpty(0), boards.isModeEmpty(4095)]).toEqual([true, true]);
  for (const region of [0, CA, COUNTRIES - 1, regionOf("US-CA"), REGION_COUNT - 1]) {
    boards.add(cellOf(region, 1), 1);
    expect([0, 1, 2].map((mode) => boards.isModeEmpty(mode))).toEqual([true, false, true]);
    boards.catchUp();
    expect([0, 1, 2].map((mode) => boards.isModeEmpty(mode))).toEqual([true, false, true]);
    boards.add(cellOf(region, 1), -1);
    expect(boards.isModeEmpty(1)).toBe(true);
  }
});
test("A player in a subdivision counts there, in the country and in its areas; moving within the country leaves these as they are", () => {
  const boards = newBoards(["a"]);
  const [US_CA, US_NV, US] = ["US-CA", "US-NV", "US"].map(regionOf) as [number, number, number];
  const around = [US, ...areasOf(US)];
  const playersOf = (places: readonly number[]): number[] => places.map((place) => boards.of(place).players);
  boards.add(cellOf(US_CA, 0), 1);
  boards.add(cellOf(US, 0), 1);
  expect(playersOf([US_CA, US_NV, ...around])).toEqual([1, 0, 2, 2, 2, 2, 2]);
  const versions = around.map((place) => boards.of(place).version);
  boards.add(cellOf(US_CA, 0), -1);
  boards.add(cellOf(US_NV, 0), 1);
  expect(playersOf([US_CA, US_NV, ...around])).toEqual([0, 1, 2, 2, 2, 2, 2]);
  expect(around.map((place) => boards.of(place).version)).toEqual(versions);
  expect([boards.of(US_CA).version, boards.of(US_NV).version]).toEqual([2, 1]);
});
test("A subdivision's board has its modes ranked, its counts and its entries", () => {
  const boards = newBoards(["b", "a", "c", "unused"]);
  const US_CA = regionOf("US-CA");
  for (const [mode, players] of [
    [0, 2],
    [1, 2],
    [2, 5],
  ] as const)
    boards.add(cellOf(US_CA, mode), players);
  boards.add(cellOf(regionOf("US-NV"), 3), 9);
  const board = boards.of(US_CA);
  expect(board.top(2)).toEqual([
    { mode: "c", players: 5 },
    { mode: "a", players: 2 },
  ]);
  expect([0, 1, 2, 3].map((mode) => board.count(mode))).toEqual([2, 2, 5, 0]);
  expect(new Map(board.entries())).toEqual(
    new Map([
      ["a", 2],
      ["b", 2],
      ["c", 5],
    ]),
  );
});
test("More changes of subdivisions than can wait are counted, and a part of them at a time", () => {
  const boards = newBoards(["a"]);
  const US = regionOf("US");
  const [US_CA, US_NV] = [regionOf("US-CA"), regionOf("US-NV")];
  for (let change = 0; change < 20_000; change++) boards.add(cellOf(change % 2 === 0 ? US_CA : US_NV, 0), 1);
  for (let look = 0; look < 100; look++) boards.catchUp(7);
  expect([US_CA, US_NV, US].map((place) => boards.of(place).players)).toEqual([10_000, 10_000, 20_000]);
});
