import { expect, test } from "vitest";

import { ROW_WORDS } from "../../engine/presence-table.ts";
import { RowBuffer } from "../../engine/row-buffer.ts";

const table = Int32Array.from({ length: 1000 * ROW_WORDS }, (_, word) => word);
const taken = (buffer: RowBuffer): Int32Array => buffer.words.subarray(0, buffer.count * ROW_WORDS);

test("RowBuffer.push() copies rows in order, from anywhere in a table", () => {
  const buffer = new RowBuffer();
  buffer.push(table, 3 * ROW_WORDS);
  buffer.push(table, 0);
  expect(buffer.count).toBe(2);
  expect([...taken(buffer)]).toEqual([21, 22, 23, 24, 25, 26, 27, 0, 1, 2, 3, 4, 5, 6]);
});
test.each([1, 4, 5, 8, 9, 256, 257, 1000])("RowBuffer.push() keeps %i rows", (count) => {
  const buffer = new RowBuffer();
  for (let row = 0; row < count; row++) buffer.push(table, row * ROW_WORDS);
  expect(buffer.count).toBe(count);
  expect(taken(buffer)).toEqual(table.subarray(0, count * ROW_WORDS));
  expect(buffer.words.length / ROW_WORDS, "at most twice the room").toBeLessThanOrEqual(Math.max(4, 2 * count));
});
test("RowBuffer.clear() forgets the rows and keeps the room of a usual batch", () => {
  const buffer = new RowBuffer();
  for (let row = 0; row < 256; row++) buffer.push(table, row * ROW_WORDS);
  const { words } = buffer;
  buffer.clear();
  expect(buffer.count).toBe(0);
  expect(buffer.words).toBe(words);
  buffer.push(table, 7 * ROW_WORDS);
  expect(taken(buffer)).toEqual(table.subarray(7 * ROW_WORDS, 8 * ROW_WORDS));
});
test("RowBuffer.clear() gives the room of a burst back", () => {
  const buffer = new RowBuffer();
  for (let row = 0; row < 257; row++) buffer.push(table, row * ROW_WORDS);
  buffer.clear();
  expect(buffer.words).toHaveLength(4 * ROW_WORDS);
});
