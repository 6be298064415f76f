import { expect, test } from "vitest";

import { isModeName, MODE_BITS, Modes, MODES_MAX, RESERVED_MODE } from "../../engine/modes.ts";

const everybodyLeft = (): boolean => true;
const full = (): Modes => {
  const modes = new Modes();
  for (let number = 0; number < 4095; number++) modes.intern(`m${number}`);
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
  expect([modes.intern("b"), modes.intern("a"), modes.intern("b")]).toEqual([0, 1, 0]);
  expect(modes.names).toEqual(["b", "a"]);
  expect(modes.count).toBe(2);
});
test("Modes.intern() refuses what has not the form of a mode", () => {
  const modes = new Modes();
  expect(modes.intern("no mode")).toBe(-1);
  expect(modes.count).toBe(0);
  expect(modes.names).toEqual([]);
});
test("Modes.intern() has a number for 4095 names, as many as a cell has room for beside the reserved mode", () => {
  const modes = full();
  expect(modes.count).toBe((1 << MODE_BITS) - 1);
  expect(RESERVED_MODE).toBe(4095);
  expect(modes.intern("one-more")).toBe(-1);
  expect(modes.peek("one-more")).toBe(-1);
  expect(modes.intern("m4094")).toBe(4094);
  expect(MODES_MAX).toBe(1024);
});
test("Modes.peek() finds a number; additions count names that got one", () => {
  const modes = new Modes();
  for (const name of ["a", "b", "a", "no mode"]) modes.intern(name);
  expect([modes.peek("b"), modes.peek("c"), modes.additions]).toEqual([1, -1, 2]);
  modes.forget(everybodyLeft);
  expect([modes.peek("b"), modes.intern("b"), modes.additions]).toEqual([-1, 1, 3]);
});
test("Modes.peek() knows only what was interned, case included", () => {
  const modes = new Modes();
  modes.intern("GM01");
  expect([modes.peek("GM01"), modes.peek("gm01"), modes.peek("GM02")]).toEqual([0, -1, -1]);
});
test("Modes.forget() asks whether anybody is in a mode, by its number", () => {
  const modes = new Modes();
  for (const name of ["a", "b", "c"]) modes.intern(name);
  modes.forget((mode) => mode !== 1);
  expect(["a", "b", "c"].map((name) => modes.peek(name))).toEqual([-1, 1, -1]);
  expect(modes.count).toBe(1);
  expect(modes.names).toEqual(["", "b", ""]);
});
test("Modes.intern() uses the numbers of forgotten modes again", () => {
  const modes = full();
  modes.forget((mode) => mode === 7);
  expect(modes.intern("next")).toBe(7);
  expect(modes.names[7]).toBe("next");
  expect(modes.intern("one-more")).toBe(-1);
});
