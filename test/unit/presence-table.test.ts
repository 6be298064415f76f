import { expect, test } from "vitest";

import { hashKeyOf } from "../../engine/half-sip-hash.ts";
import { CELL, PresenceTable, ROW_WORDS, SEEN, SEQ, takenRows } from "../../engine/presence-table.ts";
import type { ProfileId } from "../../engine/profile-id.ts";
import { hashOf, homeOf, KEY, playerId } from "../../simulator/players.ts";

const ROW_BYTES = 28;

function find(table: PresenceTable, id: ProfileId): number {
  return table.find(hashOf(id), id[0], id[1], id[2], id[3]);
}
function insert(table: PresenceTable, id: ProfileId, key = KEY): number {
  return table.insert(hashOf(id, key), id[0], id[1], id[2], id[3]);
}
function tableOf(numbers: Iterable<number>): PresenceTable {
  const table = new PresenceTable(KEY);
  for (const number of numbers) fill(table, playerId(number), number);
  return table;
}
/** Adds a player with what the caller fills in. */
function fill(table: PresenceTable, id: ProfileId, cell: number, seen = 0, seq = 0): void {
  const base = insert(table, id); // before `table.rows` is read: it may grow
  table.rows.set([cell, seen, seq], base + CELL);
}
const upTo = (count: number): number[] => Array.from({ length: count }, (_, number) => number);
/** Every id that is taken, and how many rows on from where its search begins it stands. */
function displacements(table: PresenceTable, ids: readonly ProfileId[], key = KEY): number[] {
  const baseOf = new Map(ids.map((id) => [id[0], table.find(hashOf(id, key), id[0], id[1], id[2], id[3])]));
  return ids.map((id) => {
    const home = baseOf.get(table.touch(hashOf(id, key))) as number; // the first word of whoever stands at the home
    const words = (baseOf.get(id[0]) as number) - home;
    return (words >= 0 ? words : words + table.rows.length) / ROW_WORDS;
  });
}
const mean = (numbers: readonly number[]): number => numbers.reduce((sum, number) => sum + number, 0) / numbers.length;

test("PresenceTable.insert() makes a row with the id and nothing else, and find() ends at it", () => {
  const table = new PresenceTable(KEY);
  const id = playerId(1);
  expect(find(table, id)).toBeLessThan(0);
  const base = insert(table, id);
  expect(find(table, id)).toBe(base);
  expect([...table.rows.subarray(base, base + ROW_WORDS)]).toEqual([...id, 0, 0, 0]);
  expect(table.size).toBe(1);
  expect(table.isFree(base)).toBe(false);
});
test("PresenceTable.find() of somebody who is not there says where the row would be", () => {
  const table = tableOf([1, 2, 3, 4, 5, 6]); // in 9 rows: there is room
  const at = ~find(table, playerId(7));
  expect(table.isFree(at)).toBe(true);
  expect(insert(table, playerId(7))).toBe(at);
  expect(table.bytes).toBe(9 * ROW_BYTES);
});
test("PresenceTable tells ids apart that differ in one word, and ids that are all zeros but one word", () => {
  const table = new PresenceTable(KEY);
  const ids = [0, 1, 2, 3].flatMap((word) => [
    Int32Array.of(7, 7, 7, 7).with(word, 8) as ProfileId,
    Int32Array.of(0, 0, 0, 0).with(word, 1) as ProfileId,
  ]);
  for (const [number, id] of ids.entries()) fill(table, id, 0, number);
  for (const [number, id] of ids.entries()) {
    expect(table.rows[find(table, id) + SEEN]).toBe(number);
    expect(table.isFree(find(table, id))).toBe(false);
  }
  // Under one hash a search passes over every row that is not quite the id.
  const alike = new PresenceTable(KEY);
  for (const id of ids) alike.insert(1, id[0], id[1], id[2], id[3]);
  expect(new Set(ids.map((id) => alike.find(1, id[0], id[1], id[2], id[3]))).size).toBe(8);
  expect(alike.find(1, 7, 7, 7, 7)).toBeLessThan(0);
});
test("PresenceTable.remove() leaves nothing of the row, and everybody else", () => {
  const table = tableOf([1, 2, 3]);
  table.remove(find(table, playerId(2)));
  expect(find(table, playerId(2))).toBeLessThan(0);
  expect([1, 3].map((number) => table.rows[find(table, playerId(number)) + CELL])).toEqual([1, 3]);
  expect(table.size).toBe(2);
  expect(takenRows(table.rows.slice()).count).toBe(2);
  table.remove(find(table, playerId(1)));
  table.remove(find(table, playerId(3)));
  expect(table.rows.every((word) => word === 0)).toBe(true);
});
test("PresenceTable takes no room for nobody", () => {
  const table = new PresenceTable(KEY);
  expect([table.size, table.bytes, takenRows(table.rows.slice()).count]).toEqual([0, 0, 0]);
  for (const number of upTo(100)) insert(table, playerId(number));
  for (const number of upTo(100)) table.remove(find(table, playerId(number)));
  expect([table.size, table.bytes, takenRows(table.rows.slice()).count]).toEqual([0, 0, 0]);
  expect(
    new PresenceTable(KEY).rows.every((word) => word === 0),
    "what empty tables share stays empty",
  ).toBe(true);
});
test("PresenceTable grows by a quarter where more than 85 % would be taken", () => {
  const table = new PresenceTable(KEY);
  let capacity = 1;
  for (const number of upTo(1000)) {
    insert(table, playerId(number));
    if (number + 1 > capacity * 0.85) capacity = Math.ceil(capacity * 1.25);
    expect(table.bytes, `${number + 1} players`).toBe(capacity * ROW_BYTES);
  }
});
test("PresenceTable.reserve() makes room at once, for as many as it is told, and never less", () => {
  const table = tableOf([0, 1, 2]);
  table.reserve(1000);
  const { bytes } = table;
  expect(bytes).toBeLessThanOrEqual(ROW_BYTES * (1000 / 0.85 + 1));
  for (const number of upTo(1000)) if (number > 2) fill(table, playerId(number), number);
  expect(table.bytes).toBe(bytes);
  for (const number of upTo(1000)) expect(table.rows[find(table, playerId(number)) + CELL]).toBe(number);
  table.reserve(10);
  expect(table.bytes).toBe(bytes);
  const nobody = new PresenceTable(KEY);
  nobody.reserve(0);
  expect(nobody.bytes).toBe(0);
});
test("PresenceTable.reserve() grows by a quarter at the least", () => {
  const table = tableOf(upTo(80));
  const rows = table.bytes / ROW_BYTES;
  table.reserve(Math.ceil(rows * 0.85) + 1);
  expect(table.bytes / ROW_BYTES).toBe(Math.ceil(rows * 1.25));
});
test("PresenceTable keeps every row whole as it grows", () => {
  const table = new PresenceTable(KEY);
  for (const number of upTo(100)) fill(table, playerId(number), number, 2 * number, 3 * number);
  for (const number of upTo(100)) {
    const base = find(table, playerId(number));
    expect([CELL, SEEN, SEQ].map((word) => table.rows[base + word])).toEqual([number, 2 * number, 3 * number]);
  }
});
test("PresenceTable shrinks where less than half would be taken", () => {
  const table = tableOf(upTo(1000));
  const capacity = (): number => table.bytes / ROW_BYTES;
  for (const number of upTo(1000)) {
    const [before, size] = [capacity(), table.size - 1];
    table.remove(find(table, playerId(number)));
    if (size === 0) expect(capacity()).toBe(0);
    else expect(capacity(), `${size} players`).toBe(size < before / 2 ? Math.floor(before * 0.72) : before);
  }
});
test("PresenceTable.insert() refuses more than 2^20 - 1 players", () => {
  const table = tableOf([1]);
  table.size = 2 ** 20 - 1;
  const before = table.rows.slice();
  expect(insert(table, playerId(2))).toBe(-1);
  expect(table.rows).toEqual(before);
  expect(table.size).toBe(2 ** 20 - 1);
  table.size--;
  expect(insert(table, playerId(2))).toBeGreaterThanOrEqual(0);
});
test("PresenceTable costs at most 56 bytes a player at any size, growing or shrinking", () => {
  const table = new PresenceTable(KEY);
  const check = (): void => expect(table.bytes, `${table.size} players`).toBeLessThanOrEqual(56 * table.size);
  for (const number of upTo(1500)) {
    insert(table, playerId(number));
    check();
  }
  for (const number of upTo(1500)) {
    table.remove(find(table, playerId(number)));
    check();
  }
});
test("PresenceTable.find() looks at few rows where all ids are alike but for one word", () => {
  for (const varied of [0, 1, 2, 3]) {
    // The first word must differ for `displacements`; the others collide for a hash that takes them without a key.
    const ids = upTo(3000).map((number) => Int32Array.of(number + 1, 0, 0, 0).with(varied, number + 1) as ProfileId);
    const table = new PresenceTable(KEY);
    for (const id of ids) insert(table, id);
    expect(mean(displacements(table, ids)), `word ${varied}`).toBeLessThan(4);
  }
});
test("PresenceTable.find() looks at few rows where ids were chosen to collide under another key", () => {
  const [known, secret] = [hashKeyOf(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)), KEY];
  const ids = upTo(20_000)
    .map(playerId)
    .filter((id) => homeOf(id, known) < 1 / 64);
  const displacementUnder = (key: typeof known): number => {
    const table = new PresenceTable(key);
    for (const id of ids) insert(table, id, key);
    return mean(displacements(table, ids, key));
  };
  expect(displacementUnder(known), "who knows the key can do harm").toBeGreaterThan(60);
  expect(displacementUnder(secret)).toBeLessThan(4);
});
test("PresenceTable spreads players whose hashes share their top bits, as those of one partition do", () => {
  const ids = upTo(20_000)
    .map(playerId)
    .filter((id) => hashOf(id) >>> 24 === 5);
  expect(ids.length).toBeGreaterThan(60);
  const table = new PresenceTable(KEY);
  for (const id of ids) insert(table, id);
  expect(mean(displacements(table, ids))).toBeLessThan(6);
});
test("PresenceTable.touch() reads the row where the search begins, and changes nothing", () => {
  const table = new PresenceTable(KEY);
  const id = playerId(1);
  expect(table.touch(hashOf(id))).toBe(0);
  insert(table, id);
  const before = table.rows.slice();
  expect(table.touch(hashOf(id))).toBe(id[0]);
  expect(table.rows).toEqual(before);
});
test("takenRows() moves the rows that are taken to the front, in their order", () => {
  const row = (number: number): number[] => [0, 0, 0, number, 10 * number, 20, 30];
  const free = [0, 0, 0, 0, 0, 0, 0];
  const words = Int32Array.from([...free, ...row(1), ...row(2), ...free, ...free, ...row(3), ...free]);
  const taken = takenRows(words);
  expect(taken.count).toBe(3);
  expect([...taken.words.subarray(0, 3 * ROW_WORDS)]).toEqual([...row(1), ...row(2), ...row(3)]);
  expect(takenRows(new Int32Array(0)).count).toBe(0);
  expect(takenRows(new Int32Array(5 * ROW_WORDS)).count).toBe(0);
});
