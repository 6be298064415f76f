import { expect, test } from "vitest";

import { NO_BOARDS } from "../../cluster/counts/counts-codec.ts";
import type { StatedBoard } from "../../cluster/counts/counts-messages.ts";
import { ReadViews } from "../../cluster/counts/read-views.ts";
import { countrySums } from "../../cluster/counts/sums.ts";
import { COUNTRIES, regionOf } from "../../engine/places.ts";

const CA = regionOf("CA");

function stated(term: number, version: number, players?: number): StatedBoard {
  const counts = players === undefined ? undefined : { players, top: [{ mode: "GM01", players }] };
  return { region: CA, term, version, isComplete: true, isHeldBack: false, counts };
}

/** Views that an owner tells. */
class Subject extends ReadViews {
  /** @returns regions whose counts are needed */
  say(items: readonly StatedBoard[], asOfMs: number, isStale = false): readonly number[] {
    return this.apply("owner", { ...NO_BOARDS, isStale, items }, asOfMs).regions;
  }
  /** @returns whether the list is needed */
  state(statement: number, items: readonly StatedBoard[], asOfMs: number, isList = false, owner = "owner"): boolean {
    return this.apply(owner, { statement, isList, isStale: false, items }, asOfMs).needsList;
  }
}

test("ReadViews.of() is empty, incomplete and stale where nothing is known", () => {
  const views = new Subject(countrySums(1));
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
  const views = new Subject(countrySums(1));
  expect([views.say([stated(3, 1, 10)], 0), views.say([stated(3, 2, 11)], 100)]).toEqual([[], []]);
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
  ["an older version of the same term", stated(3, 4, 9)],
  ["a higher version of an older term", stated(2, 9, 9)],
  ["an older version without its counts", stated(3, 4)],
])("ReadViews.apply() ignores %s (R23)", (_, older) => {
  const views = new Subject(countrySums(1));
  views.say([stated(3, 5, 10)], 0);
  expect(views.say([older], 200)).toEqual([]);
  expect(views.of(CA, 200)).toMatchObject({ players: 10, term: 3, version: 5, asOfMs: 0 });
});
test("ReadViews.apply() takes a higher term whatever its version (R22)", () => {
  const views = new Subject(countrySums(1));
  views.say([stated(3, 5, 10)], 0);
  views.say([stated(4, 1, 12)], 0);
  expect(views.of(CA, 0)).toMatchObject({ players: 12, term: 4, version: 1 });
});
test("ReadViews.apply() asks for the counts of what it does not know, and keeps what it has", () => {
  const views = new Subject(countrySums(1));
  expect(views.say([stated(3, 5)], 0)).toEqual([CA]);
  views.say([stated(3, 5, 10)], 0);
  expect([views.say([stated(3, 6)], 50), views.say([stated(4, 5)], 50)]).toEqual([[CA], [CA]]);
  expect(views.of(CA, 50)).toMatchObject({ players: 10, version: 5, asOfMs: 0 });
});
test("ReadViews.of() is stale 300 ms after the owner said that it was so (R23)", () => {
  const views = new Subject(countrySums(1));
  views.say([stated(3, 5, 10)], 0);
  views.say([stated(3, 5)], 100);
  expect([views.of(CA, 400).isStale, views.of(CA, 401).isStale]).toEqual([false, true]);
  views.say([stated(3, 5)], 350);
  expect(views.of(CA, 401).isStale).toBe(false);
});
test("ReadViews.of() is stale where the owner says so, until a later word of the owner", () => {
  const views = new Subject(countrySums(1));
  views.say([stated(3, 5, 10)], 0);
  views.say([stated(3, 5)], 100, true);
  views.say([stated(3, 5)], 50);
  expect(views.of(CA, 100).isStale, "what was said before does not count").toBe(true);
  views.say([stated(3, 5)], 110);
  expect(views.of(CA, 110).isStale).toBe(false);
});
test("ReadViews.knowsAllRegions once something is known of every region (R23)", () => {
  const views = new Subject(countrySums(1));
  const all = Array.from({ length: COUNTRIES }, (_, region) => ({ ...stated(1, 1, 0), region }));
  views.say(all.slice(1), 0);
  views.say(all.slice(1), 0);
  views.say([{ ...stated(1, 2, 5), region: 1 }], 0);
  expect(views.knowsAllRegions, "one region is not known, however often others change").toBe(false);
  views.say(all.slice(0, 1), 0);
  expect(views.knowsAllRegions).toBe(true);
});
test("ReadViews: a statement's number renews all boards of its list (R20, R23)", () => {
  const views = new Subject(countrySums(1));
  expect(views.state(7, [], 0), "its list never came").toBe(true);
  expect(views.state(7, [stated(3, 5, 10)], 0, true)).toBe(false);
  expect(views.state(7, [], 200)).toBe(false);
  expect([views.of(CA, 500).isStale, views.of(CA, 501).isStale, views.of(CA, 500).asOfMs]).toEqual([false, true, 200]);
  expect(views.state(7, [], 250, false, "another")).toBe(true);
  expect(views.of(CA, 500).asOfMs).toBe(200);
});
test("ReadViews: a message without a statement renews the boards that it names, and asks for no list (R20)", () => {
  const views = new Subject(countrySums(1));
  expect(views.state(0, [stated(3, 5, 10)], 0)).toBe(false);
  expect(views.of(CA, 0).players).toBe(10);
});
test("ReadViews: a board that is held back stays as old as it is (R23)", () => {
  const views = new Subject(countrySums(1));
  views.state(7, [stated(3, 5, 10)], 0, true);
  const heldBack = { ...stated(3, 6), isHeldBack: true };
  expect(views.say([heldBack], 100)).toEqual([]);
  views.state(7, [heldBack], 100);
  expect(views.of(CA, 100)).toMatchObject({ version: 5, asOfMs: 0 });
  expect(new Subject(countrySums(1)).say([heldBack], 100), "nothing is known of it").toEqual([CA]);
});
test("ReadViews: a number renews no board that another owner has since (R22)", () => {
  const views = new Subject(countrySums(1));
  views.state(7, [stated(3, 5, 10)], 0, true);
  views.state(2, [stated(4, 1, 12)], 50, true, "new owner");
  views.state(7, [], 200);
  expect(views.of(CA, 200)).toMatchObject({ term: 4, asOfMs: 50 });
});
test("ReadViews: a list of which counts are needed is not known, and none of who is not listed (R20)", () => {
  const views = new Subject(countrySums(1));
  expect(views.apply("owner", { ...NO_BOARDS, statement: 7, isList: true, items: [stated(3, 5)] }, 0)).toEqual({
    regions: [CA],
    needsList: false,
  });
  expect(views.state(7, [], 0)).toBe(true);
  views.state(7, [stated(3, 5, 10)], 0, true);
  views.onView(["somebody else"]);
  expect(views.state(7, [], 0)).toBe(true);
});
