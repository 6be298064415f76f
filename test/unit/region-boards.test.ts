import { expect, test } from "vitest";

import { NO_TALLIES, type Tallies, type TallyEntry } from "../../cluster/counts/counts-codec.ts";
import { RegionBoards } from "../../cluster/counts/region-boards.ts";
import { regionOf } from "../../engine/regions.ts";
import { itemAt } from "../../simulator/item-at.ts";

const [CA, US] = [regionOf("CA"), regionOf("US")];
const MODES = ["GM01", "GM02"];
const [GM01, GM02] = [0, 1];

interface Said extends Partial<Omit<TallyEntry, "cells">> {
  readonly cells?: readonly (readonly [region: number, mode: number, players: number])[];
}

const REST = { partition: 0, term: 1, version: 1, isAllCells: true, isDoubtful: false, isUnsure: false };

function entryOf(said: Said): TallyEntry {
  return { ...REST, isUnreadable: false, ...said, cells: (said.cells ?? []).flat() };
}

/** The boards of two partitions, at a node that owns CA and US since epoch 1. */
class Subject {
  readonly boards = new RegionBoards(2, 77);

  constructor() {
    this.view(1, [CA, US]);
  }

  view(epoch: number, mine: readonly number[]): boolean {
    return this.boards.onView(epoch, ["one", "two"], (region) => mine.includes(region));
  }

  /** @returns partitions of which the whole is wanted, then those that spoke */
  say(said: Said, asOfMs = 0, modes: readonly string[] = MODES): [number[], number[]] {
    return this.tell({ entries: [said], modes }, asOfMs).slice(0, 2) as [number[], number[]];
  }

  /** @returns partitions of which all cells are wanted, those that spoke, and whether the list is needed */
  tell(
    { entries, ...stated }: Partial<Omit<Tallies, "entries">> & { entries: readonly Said[] },
    asOfMs = 0,
    from = "one",
  ): [number[], number[], boolean] {
    const spoken: number[] = [];
    const tallies = { ...NO_TALLIES, modes: MODES, ...stated, entries: entries.map(entryOf) };
    const needs = this.boards.apply(from, tallies, asOfMs, (partition) => spoken.push(partition));
    return [[...needs.partitions], spoken, needs.needsList];
  }

  top(region: number): Record<string, number> | undefined {
    const state = this.boards.state(region);
    return state && Object.fromEntries(state.counts.top.map(({ mode, players }) => [mode, players]));
  }
}

test("RegionBoards sums the tallies of all partitions", () => {
  const subject = new Subject();
  subject.say({
    partition: 0,
    cells: [
      [CA, GM01, 3],
      [CA, GM02, 1],
      [US, GM01, 9],
    ],
  });
  subject.say({ partition: 1, cells: [[CA, GM02, 4]] });
  expect([subject.top(CA), subject.top(US)]).toEqual([{ GM02: 5, GM01: 3 }, { GM01: 9 }]);
  expect(new Map(subject.boards.playersByMode(CA))).toEqual(
    new Map([
      ["GM02", 5],
      ["GM01", 3],
    ]),
  );
  expect([...subject.boards.playersByMode(regionOf("JP"))], "it is another's").toEqual([]);
});
test("RegionBoards: a board is whole when all partitions have spoken, those without players too (R21, R22)", () => {
  const subject = new Subject();
  expect(subject.boards.state(CA)).toMatchObject({ isWhole: false, isComplete: false });
  expect(subject.boards.unspoken).toEqual([0, 1]);
  subject.say({ partition: 0 });
  expect([subject.boards.state(CA)?.isWhole, subject.boards.unspoken]).toEqual([false, [1]]);
  subject.say({ partition: 1 });
  expect(subject.boards.state(CA)).toMatchObject({ isWhole: true, isComplete: true, counts: { players: 0, top: [] } });
  expect(subject.boards.unspoken).toEqual([]);
});
test("RegionBoards: changes are taken in as they come, the newest of each cell counts (R20)", () => {
  const subject = new Subject();
  subject.say({ version: 4, cells: [[CA, GM01, 3]] });
  expect(
    subject.say({
      isAllCells: false,
      version: 6,
      cells: [
        [CA, GM01, 2],
        [CA, GM02, 1],
      ],
    }),
  ).toEqual([[], [0]]);
  expect(subject.say({ isAllCells: false, version: 5, cells: [[CA, GM01, 9]] }), "it was overtaken").toEqual([[], [0]]);
  expect(subject.say({ isAllCells: false, version: 8, cells: [[CA, GM02, 5]] })).toEqual([[], [0]]);
  expect(subject.top(CA)).toEqual({ GM01: 2, GM02: 5 });
});
test.each([
  ["change", { isAllCells: false, version: 3 }],
  ["repeated change", { isAllCells: false, version: 4 }],
  ["whole", { isAllCells: true, version: 4 }],
])("RegionBoards: an older %s changes nothing (R20)", (_, older) => {
  const subject = new Subject();
  subject.say({ version: 4, cells: [[CA, GM01, 3]] });
  expect(subject.say({ ...older, cells: [[CA, GM01, 8]] })).toEqual([[], [0]]);
  expect(subject.top(CA)).toEqual({ GM01: 3 });
});
test("RegionBoards: a whole replaces all that the partition had said, and nothing else (R21)", () => {
  const subject = new Subject();
  subject.say({ partition: 1, cells: [[CA, GM02, 1]] });
  subject.say({
    version: 4,
    cells: [
      [CA, GM01, 3],
      [CA, GM02, 2],
      [US, GM01, 1],
    ],
  });
  subject.say({ version: 5, cells: [[CA, GM01, 4]] });
  expect([subject.top(CA), subject.top(US)]).toEqual([{ GM01: 4, GM02: 1 }, {}]);
  subject.say({ version: 6 });
  expect(subject.top(CA)).toEqual({ GM02: 1 });
});
test("RegionBoards: the first message of a higher term replaces everything, and must be whole (R21)", () => {
  const subject = new Subject();
  subject.say({
    term: 1,
    version: 90,
    cells: [
      [CA, GM01, 3],
      [US, GM01, 1],
    ],
  });
  expect(subject.say({ term: 2, isAllCells: false, version: 91, cells: [[CA, GM01, 9]] })).toEqual([[0], []]);
  expect(subject.top(CA), "the dead owner's tally stands").toEqual({ GM01: 3 });
  expect(subject.say({ term: 2, version: 1, cells: [[CA, GM01, 2]] })).toEqual([[], [0]]);
  expect([subject.top(CA), subject.top(US)]).toEqual([{ GM01: 2 }, {}]);
});
test("RegionBoards: a lower term is ignored, and does not count as heard (R21)", () => {
  const subject = new Subject();
  subject.say({ term: 2, cells: [[CA, GM01, 2]] });
  expect(subject.say({ term: 1, version: 99, cells: [[CA, GM01, 7]] }, 500)).toEqual([[], []]);
  expect([subject.top(CA), subject.boards.isStale(301)]).toEqual([{ GM01: 2 }, true]);
});
test("RegionBoards: a cell that a whole names twice counts once, as named last", () => {
  const subject = new Subject();
  subject.say({ version: 1, cells: [[CA, GM01, 5]] });
  subject.say({
    version: 2,
    cells: [
      [CA, GM01, 2],
      [CA, GM01, 3],
    ],
  });
  expect(subject.boards.state(CA)?.counts).toEqual({ players: 3, top: [{ mode: "GM01", players: 3 }] });
});
test("RegionBoards.isStale() where a partition was not heard of for 300 ms (R20)", () => {
  const subject = new Subject();
  subject.say({ partition: 0 }, 100);
  expect(subject.boards.isStale(100), "partition 1 was never heard of").toBe(true);
  subject.say({ partition: 1 }, 200);
  expect([subject.boards.isStale(400), subject.boards.isStale(401)]).toEqual([false, true]);
  subject.say({ partition: 0, isAllCells: false, version: 1 }, 300);
  subject.say({ partition: 0, isAllCells: false, version: 1 }, 250);
  expect([subject.boards.isStale(500), subject.boards.isStale(501)]).toEqual([false, true]);
});
test("RegionBoards: who may not speak is counted, but has not spoken (R14)", () => {
  const subject = new Subject();
  subject.say({ partition: 1 }, 0);
  expect(subject.say({ partition: 0, isUnsure: true, cells: [[CA, GM01, 3]] })).toEqual([[], []]);
  expect([subject.top(CA), subject.boards.state(CA)?.isWhole, subject.boards.isStale(0)]).toEqual([
    { GM01: 3 },
    false,
    true,
  ]);
  subject.say({ partition: 0, version: 2, cells: [[CA, GM01, 3]] });
  subject.say({ partition: 0, isAllCells: false, isUnsure: true, version: 3, cells: [[CA, GM01, 4]] }, 250);
  expect([subject.top(CA), subject.boards.state(CA)?.isWhole, subject.boards.isStale(301)]).toEqual([
    { GM01: 4 },
    true,
    true,
  ]);
});
test("RegionBoards: players in doubt leave the board whole and not complete (R26)", () => {
  const subject = new Subject();
  subject.say({ partition: 0 });
  subject.say({ partition: 1, isDoubtful: true });
  expect(subject.boards.state(CA)).toMatchObject({ isWhole: true, isComplete: false });
  subject.say({ partition: 1, version: 2, isDoubtful: true });
  subject.say({ partition: 1, version: 3 });
  expect(subject.boards.state(CA)).toMatchObject({ isWhole: true, isComplete: true });
});
test("RegionBoards.state() rises its version with each change of players, order or completeness, and only then (R23)", () => {
  const subject = new Subject();
  const version = (): number => subject.boards.state(CA)?.version ?? -1;
  const versions = [version()];
  const next = (said: Said): number => versions.push((subject.say(said), version()));
  next({
    partition: 0,
    cells: [
      [CA, GM01, 3],
      [US, GM01, 1],
    ],
  });
  next({ partition: 1 });
  next({ partition: 1, version: 2, isDoubtful: true });
  for (const [index, later] of versions.slice(1).entries()) expect(later).toBeGreaterThan(itemAt(versions, index));
  const before = versions.at(-1);
  next({
    partition: 0,
    version: 2,
    cells: [
      [CA, GM01, 3],
      [US, GM01, 8],
    ],
  });
  expect(versions.at(-1), "nothing changed in CA").toBe(before);
});
test("RegionBoards takes a region under the epoch of the view that gives it, and needs all said again for it (R22)", () => {
  const subject = new Subject();
  subject.say({ partition: 0, cells: [[CA, GM01, 3]] });
  subject.say({ partition: 1 });
  expect(subject.view(2, [CA])).toBe(false);
  expect([subject.boards.state(US), subject.top(CA), subject.boards.state(CA)?.isWhole]).toEqual([
    undefined,
    { GM01: 3 },
    true,
  ]);
  expect(subject.view(3, [CA, US])).toBe(true);
  expect(subject.boards.state(US)).toMatchObject({ term: 3, isWhole: false });
  expect(subject.boards.state(CA), "CA was mine all the time").toMatchObject({ term: 1, isWhole: true });
  expect(subject.say({ partition: 0, isAllCells: false, version: 2, cells: [[CA, GM01, 4]] })).toEqual([[0], []]);
  subject.say({
    partition: 0,
    version: 3,
    cells: [
      [CA, GM01, 4],
      [US, GM02, 1],
    ],
  });
  expect([subject.boards.state(US)?.isWhole, subject.top(US)]).toEqual([false, { GM02: 1 }]);
  subject.say({ partition: 1, version: 2 });
  expect([subject.boards.state(US)?.isWhole, subject.boards.state(CA)?.isWhole]).toEqual([true, true]);
});
test("RegionBoards takes all its regions anew where an epoch was skipped: empty, under a term of their own (R22)", () => {
  const subject = new Subject();
  subject.say({ partition: 0, cells: [[CA, GM01, 3]] });
  subject.say({ partition: 1 });
  const before = subject.boards.state(CA);
  expect(subject.view(3, [CA, US])).toBe(true);
  expect(subject.boards.state(CA)).toMatchObject({ term: 3, isWhole: false, counts: { players: 0, top: [] } });
  expect(subject.boards.state(CA)?.version).toBeGreaterThan(before?.version as number);
  subject.say({ partition: 0, version: 2, cells: [[CA, GM01, 3]] });
  subject.say({ partition: 1, version: 2 });
  expect([subject.top(CA), subject.boards.state(CA)?.isWhole]).toEqual([{ GM01: 3 }, true]);
});
test("RegionBoards keeps its regions under a view that it has already", () => {
  const subject = new Subject();
  subject.say({ partition: 0, cells: [[CA, GM01, 3]] });
  expect(subject.view(1, [CA, US])).toBe(false);
  expect(subject.top(CA)).toEqual({ GM01: 3 });
});
test("RegionBoards forgets what was said of regions that it lost", () => {
  const subject = new Subject();
  subject.say({
    partition: 0,
    cells: [
      [CA, GM01, 3],
      [US, GM02, 5],
    ],
  });
  subject.view(2, [CA]);
  subject.view(3, [CA, US]);
  expect([subject.top(CA), subject.top(US)]).toEqual([{ GM01: 3 }, {}]);
  subject.say({ partition: 0, version: 2, cells: [[CA, GM01, 3]] });
  expect(subject.top(US)).toEqual({});
});
test("RegionBoards gives the number of a mode that nobody is in to another", () => {
  const subject = new Subject();
  for (let version = 1; version < 50; version++)
    subject.say(
      {
        version,
        cells: [
          [CA, 0, 2],
          [US, 1, 0],
        ],
      },
      0,
      [`mode-${version}`, "nobody"],
    );
  expect(subject.top(CA)).toEqual({ "mode-49": 2 });
  subject.say(
    {
      isAllCells: false,
      version: 50,
      cells: [
        [CA, 0, 0],
        [US, 1, 1],
      ],
    },
    0,
    ["mode-49", "new"],
  );
  subject.say({ isAllCells: false, version: 51, cells: [[CA, 0, 7]] }, 0, ["newer"]);
  expect([subject.top(CA), subject.top(US)]).toEqual([{ newer: 7 }, { new: 1 }]);
});
test("RegionBoards never shows one mode's players under another's name, and never under the same version", () => {
  const subject = new Subject();
  subject.say({ partition: 1 });
  subject.say({ version: 1, cells: [[CA, 0, 1]] }, 0, ["old"]);
  const before = subject.boards.state(CA);
  subject.say({ isAllCells: false, version: 2, cells: [[CA, 0, 0]] }, 0, ["old"]);
  subject.say({ isAllCells: false, version: 3, cells: [[CA, 0, 1]] }, 0, ["new"]); // under the number that "old" had
  const after = subject.boards.state(CA);
  expect([before?.counts.top, after?.counts.top]).toEqual([
    [{ mode: "old", players: 1 }],
    [{ mode: "new", players: 1 }],
  ]);
  expect(after?.version).toBeGreaterThan(before?.version as number);
});
test("RegionBoards: a statement's number stands for its list, as of when it was said (R20)", () => {
  const subject = new Subject();
  expect(subject.tell({ statement: 5, entries: [] }), "its list never came").toEqual([[], [], true]);
  const list = [{ partition: 0 }, { partition: 1 }];
  expect(subject.tell({ statement: 5, isList: true, entries: list })).toEqual([[], [0, 1], false]);
  expect(subject.tell({ statement: 5, entries: [] }, 200)).toEqual([[], [0, 1], false]);
  expect([subject.boards.isStale(500), subject.boards.isStale(501)]).toEqual([false, true]);
  expect(subject.tell({ statement: 4, entries: [] }, 400), "an older one").toEqual([[], [], true]);
  expect(subject.tell({ statement: 5, entries: [] }, 400, "two"), "another's").toEqual([[], [], true]);
  expect(subject.boards.statementOf("one")).toBe(5);
});
test("RegionBoards: what an entry says goes before what the statement beside it says (R20)", () => {
  const subject = new Subject();
  subject.tell({ statement: 5, isList: true, entries: [{ partition: 0 }, { partition: 1 }] });
  const doubt = { partition: 0, isAllCells: false, isUnsure: true, version: 2, cells: [[CA, GM01, 1]] as const };
  expect(subject.tell({ statement: 5, entries: [doubt] }, 200)).toEqual([[], [1], false]);
  expect([subject.boards.isStale(301), subject.top(CA)]).toEqual([true, { GM01: 1 }]);
});
test("RegionBoards: a number speaks for nothing that was unsure, or that another claimed since (R14, R20)", () => {
  const subject = new Subject();
  subject.tell({ statement: 5, isList: true, entries: [{ partition: 0, isUnsure: true }, { partition: 1 }] });
  expect(subject.tell({ statement: 5, entries: [] }, 100)).toEqual([[], [1], false]);
  subject.tell({ statement: 9, isList: true, entries: [{ partition: 1, term: 2 }] }, 0, "two");
  expect(subject.tell({ statement: 5, entries: [] }, 200)).toEqual([[], [], false]);
  expect(subject.tell({ statement: 9, entries: [] }, 200, "two")).toEqual([[], [1], false]);
});
test("RegionBoards: a list of which something is needed is not known, nor one that came late (R20)", () => {
  const subject = new Subject();
  const list = [{ partition: 0, isAllCells: false }, { partition: 1 }];
  expect(subject.tell({ statement: 5, isList: true, entries: list })).toEqual([[0], [1], false]);
  expect(subject.tell({ statement: 5, entries: [] })).toEqual([[], [], true]);
  subject.tell({ statement: 7, isList: true, entries: [{ partition: 0 }, { partition: 1 }] });
  subject.tell({ statement: 6, isList: true, entries: [{ partition: 1 }] });
  expect(subject.tell({ statement: 7, entries: [] })).toEqual([[], [0, 1], false]);
});
test("RegionBoards needs all lists again when it takes a region, and none of who is not listed (R20, R21)", () => {
  const subject = new Subject();
  const list = { statement: 5, isList: true, entries: [{ partition: 0 }, { partition: 1 }] };
  subject.tell(list);
  subject.view(2, [CA]);
  expect(subject.tell({ statement: 5, entries: [] })[2], "nothing was taken").toBe(false);
  subject.view(3, [CA, US]);
  expect(subject.tell({ statement: 5, entries: [] })).toEqual([[], [], true]);
  expect(subject.tell({ ...list, entries: [{ partition: 0, isAllCells: false }] })).toEqual([[0], [], false]);
  subject.tell({ ...list, entries: [{ partition: 0, version: 2 }] }, 0, "three");
  subject.view(4, [CA, US]);
  expect(subject.boards.statementOf("three")).toBe(0);
});
test("RegionBoards: a record that cannot be read leaves boards whole and incomplete, and what stood stands (R21)", () => {
  const subject = new Subject();
  const unreadable = { partition: 1, term: 0, version: 0, isAllCells: false, isUnreadable: true };
  expect(subject.tell({ statement: 5, isList: true, entries: [{ partition: 0 }, unreadable] })).toEqual([
    [],
    [0, 1],
    false,
  ]);
  expect(subject.boards.state(CA)).toMatchObject({ isWhole: true, isComplete: false });
  expect([subject.boards.unspoken, subject.boards.isStale(300)]).toEqual([[1], false]);
  expect(subject.tell({ statement: 5, entries: [] }, 300), "so does its number").toEqual([[], [0, 1], false]);
  expect([subject.boards.isStale(600), subject.boards.state(CA)?.isComplete]).toEqual([false, false]);
  subject.say({ partition: 1, term: 3, cells: [[CA, GM01, 4]] });
  expect(subject.boards.state(CA)).toMatchObject({ isComplete: true, counts: { players: 4 } });
  subject.tell({ statement: 9, isList: true, entries: [{ partition: 0 }, unreadable] });
  expect(subject.boards.state(CA)).toMatchObject({ isComplete: false, counts: { players: 4 } });
});
test("RegionBoards: a record that cannot be read does not speak for its players in a region that is taken later (R21, R22)", () => {
  const subject = new Subject();
  const unreadable = { partition: 1, term: 0, version: 0, isAllCells: false, isUnreadable: true };
  subject.view(2, [CA]);
  subject.tell({ entries: [{ partition: 0 }, { partition: 1, term: 3, cells: [[CA, GM01, 4]] }] });
  subject.view(3, [CA, US]);
  subject.tell({ entries: [{ partition: 0, version: 2 }, unreadable] });
  expect(subject.boards.state(US)).toMatchObject({ isWhole: true, isComplete: false });
  const change = { partition: 1, term: 3, version: 2, isAllCells: false };
  expect(subject.say(change), "its holder told nothing of US yet").toEqual([[1], []]);
  expect(subject.boards.state(US)).toMatchObject({ isWhole: true, isComplete: false });
  subject.say({ ...change, version: 3, isAllCells: true, cells: [[US, GM02, 5]] });
  expect(subject.boards.state(US)).toMatchObject({ isWhole: true, isComplete: true, counts: { players: 5 } });
});
test("RegionBoards: that a record cannot be read counts for nothing once a newer list was heard (R21)", () => {
  const subject = new Subject();
  const unreadable = { partition: 1, term: 0, version: 0, isAllCells: false, isUnreadable: true };
  const entries = [{ partition: 0 }, { partition: 1, term: 3 }];
  subject.tell({ statement: 6, isList: true, entries });
  subject.tell({ statement: 5, isList: true, entries: [{ partition: 0 }, unreadable] });
  expect(subject.boards.state(CA)).toMatchObject({ isWhole: true, isComplete: true });
  expect(subject.tell({ statement: 6, entries: [] })).toEqual([[], [0, 1], false]);
});
test("RegionBoards asks for the list where a message that was long under way contradicts it (R21)", () => {
  const subject = new Subject();
  const unreadable = { partition: 1, term: 0, version: 0, isAllCells: false, isUnreadable: true };
  subject.say({ partition: 1, term: 3 });
  const list = { statement: 6, isList: true, entries: [{ partition: 0 }, unreadable] };
  subject.tell(list);
  subject.tell({ entries: [{ partition: 1, term: 3 }] }); // from before
  expect(subject.boards.state(CA)?.isComplete).toBe(true);
  expect(subject.tell({ statement: 6, entries: [] }, 100)).toEqual([[], [0], true]);
  subject.tell(list);
  expect(subject.boards.state(CA)?.isComplete).toBe(false);
  expect(subject.tell({ statement: 6, entries: [] }, 100)).toEqual([[], [0, 1], false]);
});
test("RegionBoards.takeTouched() names each region whose state may have changed, once", () => {
  const subject = new Subject();
  expect(new Set(subject.boards.takeTouched()), "they were taken").toEqual(new Set([CA, US]));
  subject.say({ partition: 0, cells: [[CA, GM01, 3]] });
  expect([subject.boards.takeTouched(), subject.boards.takeTouched()]).toEqual([[CA], []]);
  subject.say({ partition: 1 });
  expect(subject.boards.takeTouched(), "all are whole now").toHaveLength(2);
  subject.say({ partition: 1, version: 2, isDoubtful: true });
  expect(subject.boards.takeTouched(), "and incomplete").toHaveLength(2);
  subject.say({ partition: 1, isAllCells: false, version: 3, isDoubtful: true });
  expect(subject.boards.takeTouched()).toEqual([]);
  subject.view(2, [CA]);
  expect(subject.boards.takeTouched(), "it was lost").toEqual([US]);
});
