import fc from "fast-check";
import { expect, test } from "vitest";

import { Board, type Ranked } from "../../engine/board.ts";
import { Boards } from "../../engine/boards.ts";
import { MODE_BITS } from "../../engine/modes.ts";
import { REGIONS } from "../../engine/places.ts";
import { itemAt } from "../../simulator/item-at.ts";

/** Mode numbers do not come in the order of the names. */
const NAMES = Array.from({ length: 40 }, (_, mode) => `M${(mode * 17) % 40}`);
const anyMode = fc.nat(NAMES.length - 1);
const anyChanges = fc.array(fc.tuple(anyMode, fc.oneof(fc.nat(3), fc.nat(1000))), { size: "medium" });

function sortedTop(model: ReadonlyMap<number, number>, limit: number): Ranked[] {
  return [...model]
    .filter(([, players]) => players > 0)
    .map(([mode, players]) => ({ mode: itemAt(NAMES, mode), players }))
    .sort((a, b) => b.players - a.players || (a.mode < b.mode ? -1 : 1))
    .slice(0, limit);
}
const sum = (counts: Iterable<number>): number => [...counts].reduce((total, count) => total + count, 0);

test("Board.top() equals sorting everything, after any changes", () => {
  fc.assert(
    fc.property(anyChanges, fc.nat(NAMES.length), (changes, limit) => {
      const [board, model] = [new Board(NAMES), new Map<number, number>()];
      for (const [mode, players] of changes) {
        board.set(mode, players);
        model.set(mode, players);
        expect(board.top(5)).toEqual(sortedTop(model, 5));
      }
      expect(board.top(limit)).toEqual(sortedTop(model, limit));
      expect(board.players).toBe(sum(model.values()));
      for (const [mode, players] of model) expect(board.count(mode)).toBe(players);
    }),
  );
});
test("Boards equal counting every change at once, whenever somebody looks", () => {
  const [FIRST, LAST] = [0, REGIONS.length - 1];
  const anyEvent = fc.record({ region: fc.constantFrom(FIRST, 1, LAST), mode: anyMode, isLook: fc.boolean() });
  fc.assert(
    fc.property(fc.array(anyEvent, { size: "medium" }), fc.infiniteStream(fc.boolean()), (events, leaves) => {
      const boards = new Boards(NAMES);
      const models = new Map([FIRST, 1, LAST].map((region) => [region, new Map<number, number>()]));
      for (const { region, mode, isLook } of events) {
        const model = models.get(region) as Map<number, number>;
        const players = model.get(mode) ?? 0;
        const change = players > 0 && leaves.next().value === true ? -1 : 1;
        boards.add((region << MODE_BITS) | mode, change);
        model.set(mode, players + change);
        if (isLook) expect(boards.of(region).top(5)).toEqual(sortedTop(model, 5));
      }
      for (const [region, model] of models) expect(boards.of(region).top(100)).toEqual(sortedTop(model, 100));
      expect(boards.players).toBe(sum([...models.values()].flatMap((model) => [...model.values()])));
    }),
  );
});
