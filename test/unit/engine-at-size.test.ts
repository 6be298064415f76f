/** What only shows at the sizes that the engine is made for: too slow to repeat for every mutant. */

import { expect, test } from "vitest";

import { Engine, type EngineOptions } from "../../engine/engine.ts";
import { CELL, NOWHERE, PresenceTable, ROW_WORDS } from "../../engine/presence-table.ts";
import type { ProfileId } from "../../engine/profile-id.ts";
import { itemAt } from "../../simulator/item-at.ts";
import { hashOf, KEY, KEY_BYTES, playerId } from "../../simulator/players.ts";

const OPTIONS: EngineOptions = {
  partitions: 2,
  hashKey: KEY_BYTES,
  sessionMs: 10_000,
  removalMs: 4000,
  graceMs: 5000,
  isLogged: true,
};

test("PresenceTable costs at most 42 bytes a player as it grows to 40,000: 10 million in 256 partitions", () => {
  const table = new PresenceTable(KEY);
  const bytes: number[] = [];
  for (let number = 0; number < 40_000; number++) {
    const id = playerId(number);
    table.insert(hashOf(id), id[0], id[1], id[2], id[3]);
    if (table.size >= 400) bytes.push(table.bytes / table.size);
  }
  expect(Math.max(...bytes)).toBeLessThan(42);
  expect(bytes.reduce((sum, each) => sum + each) / bytes.length).toBeLessThan(38);
});
test("Engine.recover() refuses more players than a partition has room for: 2^20 - 1", () => {
  const engine = new Engine(OPTIONS, 0);
  const [words, id] = [new Int32Array(2 ** 20 * ROW_WORDS), Int32Array.of(0, 0, 0, 1) as ProfileId];
  for (let count = 0; count < 2 ** 20; id[0]++) {
    if (engine.partitionOf(engine.hash(id)) !== 1) continue;
    words.set(id, count * ROW_WORDS);
    words[count++ * ROW_WORDS + CELL] = NOWHERE;
  }
  const rows = { writtenAtMs: 0, count: 2 ** 20, regions: [], modes: [], words };
  expect(() => engine.recover(1, [rows], 0)).toThrow(
    new RangeError("Cannot recover partition 1: more players than there is room for"),
  );
  expect(itemAt(engine.partitions, 1).table.size).toBe(0);
});
