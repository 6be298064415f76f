import fc from "fast-check";
import { expect, test } from "vitest";

import { Board, type Ranked } from "../../engine/board.ts";
import { Boards } from "../../engine/boards.ts";
import { MODE_BITS } from "../../engine/modes.ts";
import { PLACES, type Place, placeOf, regionOf } from "../../engine/places.ts";
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
test("Boards equal counting every change in every place at once, whenever somebody looks", () => {
  const regions = ["AD", "US", "US-CA", "US-NV", "CA", "CA-QC", "MX-JAL", "TW", "XK", "AQ", "ZW-MW"].map(regionOf);
  const areas = ["001", "003", "019", "021", "419", "030", "150", "053"].map(placeOf);
  const anyEvent = fc.record({
    region: fc.constantFrom(...regions),
    mode: anyMode,
    look: fc.option(fc.constantFrom(...regions, ...areas)),
    told: fc.nat(3),
  });
  fc.assert(
    fc.property(fc.array(anyEvent, { size: "medium" }), fc.infiniteStream(fc.boolean()), (events, leaves) => {
      const boards = new Boards(NAMES, 7);
      const models = new Map([...regions, ...areas].map((place) => [place, new Map<number, number>()]));
      const modelOf = (place: number): Map<number, number> => models.get(place) as Map<number, number>;
      const own = new Map(regions.map((region) => [region, new Map<number, number>()]));
      for (const { region, mode, look, told } of events) {
        const model = own.get(region) as Map<number, number>;
        const players = model.get(mode) ?? 0;
        const change = players > 0 && leaves.next().value === true ? -1 : 1;
        boards.add((region << MODE_BITS) | mode, change);
        model.set(mode, players + change);
        for (const place of [region, ...(PLACES[region] as Place).within]) {
          const counts = models.get(place);
          counts?.set(mode, (counts.get(mode) ?? 0) + change);
        }
        boards.catchUp(told);
        if (look !== null) expect(boards.of(look).top(5)).toEqual(sortedTop(modelOf(look), 5));
      }
      for (const [place, model] of models) {
        const board = boards.of(place);
        expect(board.top(100), (PLACES[place] as Place).code).toEqual(sortedTop(model, 100));
        expect(board.players).toBe(sum(model.values()));
        for (const [mode, players] of model) expect(board.count(mode)).toBe(players);
      }
      expect(boards.players).toBe(sum([...own.values()].flatMap((model) => [...model.values()])));
    }),
  );
});
test("An area never dips nor doubles while players move within it, however few changes are told at a time", () => {
  const within = ["US", "US-CA", "US-NV", "CA", "CA-QC", "MX"].map(regionOf);
  const around = ["003", "019", "001"].map(placeOf);
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(9), fc.nat(within.length - 1), anyMode, fc.nat(3), fc.boolean()), { size: "medium" }),
      (moves) => {
        const boards = new Boards(NAMES, 7);
        const cells = Array.from({ length: 10 }, (_, player) => ((within[player % 6] as number) << MODE_BITS) | 0);
        for (const cell of cells) boards.add(cell, 1);
        const versions = around.map(() => 0);
        for (const [player, to, mode, told, isLook] of moves) {
          boards.add(cells[player] as number, -1);
          boards.catchUp(told);
          boards.add((cells[player] = ((within[to] as number) << MODE_BITS) | mode), 1);
          boards.catchUp(told);
          if (!isLook) continue;
          for (const [at, area] of around.entries()) {
            const { players, version } = boards.of(area);
            expect(players).toBe(10);
            expect(version).toBeGreaterThanOrEqual(versions[at] as number);
            versions[at] = version;
          }
        }
      },
    ),
  );
});
