import fc from "fast-check";
import { expect, test } from "vitest";

import { halfSipHash, hashKeyOf } from "../../engine/half-sip-hash.ts";
import { CELL, PresenceTable, ROW_WORDS, takenRows } from "../../engine/presence-table.ts";
import type { ProfileId } from "../../engine/profile-id.ts";
import { itemAt } from "../../simulator/item-at.ts";
import { homeOf, playerId } from "../../simulator/players.ts";

const anyKey = fc.uint8Array({ minLength: 8, maxLength: 8 }).map(hashKeyOf);
/** Adds or removes, in either order, a run of players: long runs make the table grow and shrink. */
const anyRun = fc.record({
  isAdding: fc.boolean(),
  first: fc.nat(300),
  length: fc.oneof({ weight: 4, arbitrary: fc.nat(3) }, { weight: 1, arbitrary: fc.nat(150) }),
});
const rowOf = (table: PresenceTable, base: number): number[] => [...table.rows.subarray(base, base + ROW_WORDS)];

test("PresenceTable equals a Map, whoever comes and goes, and searches end where the row is", () => {
  fc.assert(
    fc.property(anyKey, fc.array(anyRun, { size: "medium" }), (key, runs) => {
      const [table, model] = [new PresenceTable(key), new Map<number, number[]>()];
      const find = (id: ProfileId): number =>
        table.find(halfSipHash(key, id[0], id[1], id[2], id[3]), id[0], id[1], id[2], id[3]);
      let stamp = 0;
      for (const { isAdding, first, length } of runs) {
        for (let number = first; number < first + length; number++) {
          const id = playerId(number);
          const base = find(id);
          if (base >= 0 !== model.has(number)) expect.fail(`player ${number} at ${base}`);
          if (isAdding && base < 0) {
            const at = table.insert(halfSipHash(key, id[0], id[1], id[2], id[3]), id[0], id[1], id[2], id[3]);
            const words = [++stamp, ~stamp, 2 * stamp];
            table.rows.set(words, at + CELL);
            model.set(number, [...id, ...words]);
          }
          if (!isAdding && base >= 0) {
            table.remove(base);
            model.delete(number);
          }
        }
      }
      expect(table.size).toBe(model.size);
      for (const [number, row] of model) expect(rowOf(table, find(playerId(number)))).toEqual(row);
      const { words, count } = takenRows(table.rows.slice());
      expect(count).toBe(model.size);
      expect(new Set(words.subarray(0, count * ROW_WORDS).filter((_, word) => word % ROW_WORDS === 2))).toEqual(
        new Set([...model.keys()].map((number) => ~number)),
      );
      const capacity = table.bytes / 4 / ROW_WORDS;
      expect(table.size).toBeLessThanOrEqual(capacity * 0.85);
      expect(table.size).toBeGreaterThanOrEqual(Math.floor(capacity / 2));
    }),
  );
});
test("PresenceTable.remove() keeps everybody findable where all searches begin at a few places, around the end too", () => {
  fc.assert(
    fc.property(
      anyKey,
      fc.array(fc.tuple(fc.boolean(), fc.nat(11)), { minLength: 10, size: "medium" }),
      (key, steps) => {
        const hash = (id: ProfileId): number => halfSipHash(key, id[0], id[1], id[2], id[3]);
        const table = new PresenceTable(key);
        const ids: ProfileId[] = [];
        for (let number = 0; ids.length < 12; number++) {
          const home = homeOf(playerId(number), key);
          if (home > 0.85 || home < 0.05) ids.push(playerId(number));
        }
        const model = new Set<number>();
        for (const [isAdding, number] of steps) {
          const id = itemAt(ids, number);
          if (isAdding && !model.has(number)) table.insert(hash(id), id[0], id[1], id[2], id[3]);
          if (!isAdding && model.has(number)) table.remove(table.find(hash(id), id[0], id[1], id[2], id[3]));
          if (isAdding) model.add(number);
          else model.delete(number);
          const found = ids.map((each) => table.find(hash(each), each[0], each[1], each[2], each[3]) >= 0);
          if (found.some((isFound, each) => isFound !== model.has(each)))
            expect.fail(`after ${number}: ${found.join()}`);
        }
        expect(table.size).toBe(model.size);
      },
    ),
  );
});
