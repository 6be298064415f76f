import { expect, test } from "vitest";

import { isModeName, MODE_BITS, Modes, MODES_MAX, RESERVED_MODE } from "../../engine/modes.ts";

const everybodyLeft = (): boolean => true;
const full = (): Modes => {
  const modes = new Modes();
  for (let number = 0; number < 4095; number++) modes.intern(`m${number}`, 0);
  return modes;
};

test.each(["a", "Z", "0", "GM01", "a.b_c:d-e", "9-", "x".repeat(64)])("isModeName() takes %j", (name) => {
  expect(isModeName(name)).toBe(true);
});
test.each([
  "",
  ".a",
  "_a",
  ":a",
  "-a",
  " a",
  "a ",
  "a b",
  "a/b",
  "é",
  "aé",
  "a\n",
  "\na",
  "a\0",
  "x".repeat(65),
  "a,b",
  "{}",
])("isModeName() refuses %j", (name) => expect(isModeName(name)).toBe(false));
test("Modes.intern() numbers names as they come, and knows them again", () => {
  const modes = new Modes();
  expect([modes.intern("b", 0), modes.intern("a", 0), modes.intern("b", 0)]).toEqual([0, 1, 0]);
  expect(modes.names).toEqual(["b", "a"]);
  expect(modes.count).toBe(2);
});
test("Modes.intern() refuses what has not the form of a mode", () => {
  const modes = new Modes();
  expect(modes.intern("no mode", 0)).toBe(-1);
  expect(modes.count).toBe(0);
  expect(modes.names).toEqual([]);
});
test("Modes.intern() has a number for 4095 names, as many as a cell has room for beside the reserved mode", () => {
  const modes = full();
  expect(modes.count).toBe((1 << MODE_BITS) - 1);
  expect(RESERVED_MODE).toBe(4095);
  expect(modes.intern("one-more", 0)).toBe(-1);
  expect(modes.find("one-more", 0)).toBe(-1);
  expect(modes.intern("m4094", 0)).toBe(4094);
  expect(MODES_MAX).toBe(1024);
});
test("Modes.peek() finds a number without using the mode; additions count names that got one", () => {
  const modes = new Modes();
  for (const name of ["a", "b", "a", "no mode"]) modes.intern(name, 0);
  expect([modes.peek("b"), modes.peek("c"), modes.additions]).toEqual([1, -1, 2]);
  modes.forget(0, everybodyLeft);
  expect([modes.peek("b"), modes.intern("b", 1), modes.additions]).toEqual([-1, 1, 3]);
});
test("Modes.find() knows only what was interned, case included", () => {
  const modes = new Modes();
  modes.intern("GM01", 0);
  expect([modes.find("GM01", 0), modes.find("gm01", 0), modes.find("GM02", 0)]).toEqual([0, -1, -1]);
});
test("Modes.forget() forgets what was not used since, and nothing else", () => {
  const modes = new Modes();
  for (const [name, at] of [
    ["old", 10],
    ["found", 10],
    ["again", 10],
    ["new", 11],
  ] as const)
    modes.intern(name, at);
  modes.find("found", 11);
  modes.intern("again", 12);
  modes.forget(10, everybodyLeft);
  expect(["old", "found", "again", "new"].map((name) => modes.find(name, 12))).toEqual([-1, 1, 2, 3]);
  expect(modes.count).toBe(3);
  expect(modes.names).toEqual(["", "found", "again", "new"]);
});
test("Modes.forget() asks whether anybody is in a mode, by its number", () => {
  const modes = new Modes();
  for (const name of ["a", "b", "c"]) modes.intern(name, 0);
  modes.forget(100, (mode) => mode !== 1);
  expect(["a", "b", "c"].map((name) => modes.find(name, 0))).toEqual([-1, 1, -1]);
});
test("Modes.intern() uses the numbers of forgotten modes again, with the time of their new use", () => {
  const modes = full();
  modes.forget(0, (mode) => mode === 7);
  expect(modes.intern("next", 50)).toBe(7);
  expect(modes.names[7]).toBe("next");
  expect(modes.intern("one-more", 50)).toBe(-1);
  modes.forget(49, (mode) => mode === 7);
  expect(modes.find("next", 50)).toBe(7);
});
