import { expect, test } from "vitest";

import type { BoardEntry } from "../../cluster/counts/counts-codec.ts";
import { ReadViews } from "../../cluster/counts/read-views.ts";
import { REGIONS, regionOf } from "../../engine/regions.ts";

const CA = regionOf("CA");

function entry(term: number, version: number, players?: number): BoardEntry {
  const counts = players === undefined ? undefined : { players, top: [{ mode: "GM01", players }] };
  return { region: CA, term, version, isStale: false, isComplete: true, counts };
}

test("ReadViews.of() is empty, incomplete and stale where nothing is known", () => {
  const views = new ReadViews();
  expect(views.of(CA, 5)).toEqual({
    region: CA,
    players: 0,
    top: [],
    isComplete: false,
    isStale: true,
    term: 0,
    version: 0,
    asOfMs: 5,
  });
});
test("ReadViews.of() gives what the owner pushed last (R23)", () => {
  const views = new ReadViews();
  expect([views.apply([entry(3, 1, 10)], 0), views.apply([entry(3, 2, 11)], 100)]).toEqual([[], []]);
  expect(views.of(CA, 150)).toEqual({
    region: CA,
    players: 11,
    top: [{ mode: "GM01", players: 11 }],
    isComplete: true,
    isStale: false,
    term: 3,
    version: 2,
    asOfMs: 100,
  });
});
test.each([
  ["an older version of the same term", entry(3, 4, 9)],
  ["a higher version of an older term", entry(2, 9, 9)],
  ["an older version without its counts", entry(3, 4)],
])("ReadViews.apply() ignores %s (R23)", (_, older) => {
  const views = new ReadViews();
  views.apply([entry(3, 5, 10)], 0);
  expect(views.apply([older], 200)).toEqual([]);
  expect(views.of(CA, 200)).toMatchObject({ players: 10, term: 3, version: 5, asOfMs: 0 });
});
test("ReadViews.apply() takes a higher term whatever its version (R22)", () => {
  const views = new ReadViews();
  views.apply([entry(3, 5, 10)], 0);
  views.apply([entry(4, 1, 12)], 0);
  expect(views.of(CA, 0)).toMatchObject({ players: 12, term: 4, version: 1 });
});
test("ReadViews.apply() asks for the counts of what it does not know, and keeps what it has", () => {
  const views = new ReadViews();
  expect(views.apply([entry(3, 5)], 0)).toEqual([CA]);
  views.apply([entry(3, 5, 10)], 0);
  expect([views.apply([entry(3, 6)], 50), views.apply([entry(4, 5)], 50)]).toEqual([[CA], [CA]]);
  expect(views.of(CA, 50)).toMatchObject({ players: 10, version: 5, asOfMs: 0 });
});
test("ReadViews.of() is stale 300 ms after the owner said that it was so (R23)", () => {
  const views = new ReadViews();
  views.apply([entry(3, 5, 10)], 0);
  views.apply([entry(3, 5)], 100);
  expect([views.of(CA, 400).isStale, views.of(CA, 401).isStale]).toEqual([false, true]);
  views.apply([entry(3, 5)], 350);
  expect(views.of(CA, 401).isStale).toBe(false);
});
test("ReadViews.of() is stale where the owner says so, until a later word of the owner", () => {
  const views = new ReadViews();
  views.apply([entry(3, 5, 10)], 0);
  views.apply([{ ...entry(3, 5), isStale: true }], 100);
  views.apply([entry(3, 5)], 50);
  expect(views.of(CA, 100).isStale, "what was said before does not count").toBe(true);
  views.apply([entry(3, 5)], 110);
  expect(views.of(CA, 110).isStale).toBe(false);
});
test("ReadViews.isWhole once something is known of every region (R23)", () => {
  const views = new ReadViews();
  const all = [...REGIONS.keys()].map((region) => ({ ...entry(1, 1, 0), region }));
  views.apply(all.slice(1), 0);
  views.apply(all.slice(1), 0);
  expect(views.isWhole).toBe(false);
  views.apply(all.slice(0, 1), 0);
  expect(views.isWhole).toBe(true);
});
