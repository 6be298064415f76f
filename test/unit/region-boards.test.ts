import { expect, test } from "vitest";

import type { TallyEntry } from "../../cluster/counts/counts-codec.ts";
import { RegionBoards } from "../../cluster/counts/region-boards.ts";
import { regionOf } from "../../engine/regions.ts";

const [CA, US] = [regionOf("CA"), regionOf("US")];
const MODES = ["GM01", "GM02"];
const [GM01, GM02] = [0, 1];

interface Said extends Partial<Omit<TallyEntry, "cells">> {
  readonly cells?: readonly (readonly [region: number, mode: number, players: number])[];
}

/** The boards of two partitions, at a node that owns CA and US since epoch 1. */
class Subject {
  readonly boards = new RegionBoards(2, 77);

  constructor() {
    this.view(1, [CA, US]);
  }

  view(epoch: number, mine: readonly number[]): boolean {
    return this.boards.onView(epoch, (region) => mine.includes(region));
  }

  /** @returns partitions of which the whole is wanted, then those that spoke */
  say(said: Said, asOfMs = 0, modes: readonly string[] = MODES): [number[], number[]] {
    const spoken: number[] = [];
    const [from, isWhole] = [said.from ?? 0, said.isWhole ?? true];
    const rest = { partition: 0, term: 1, to: 1, isDoubtful: false, isUnsure: false };
    const entry = { ...rest, ...said, from, isWhole, cells: (said.cells ?? []).flat() };
    const wanted = this.boards.apply({ modes, entries: [entry] }, asOfMs, (partition) => spoken.push(partition));
    return [wanted, spoken];
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
  expect(subject.boards.ranking(CA)).toEqual([
    { mode: "GM02", players: 5 },
    { mode: "GM01", players: 3 },
  ]);
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
test("RegionBoards: a change continues what is known, a gap asks for the whole (R20)", () => {
  const subject = new Subject();
  subject.say({ to: 4, cells: [[CA, GM01, 3]] });
  expect(
    subject.say({
      isWhole: false,
      from: 4,
      to: 6,
      cells: [
        [CA, GM01, 2],
        [CA, GM02, 1],
      ],
    }),
  ).toEqual([[], [0]]);
  expect(subject.say({ isWhole: false, from: 7, to: 8, cells: [[CA, GM01, 9]] }), "7 is not known").toEqual([[0], []]);
  expect(subject.say({ isWhole: false, from: 7, to: 7 }), "nor in a beat").toEqual([[0], []]);
  expect(subject.top(CA)).toEqual({ GM01: 2, GM02: 1 });
  expect(subject.say({ isWhole: false, from: 5, to: 7, cells: [[CA, GM02, 5]] }), "6 has all of 5").toEqual([[], [0]]);
  expect(subject.top(CA)).toEqual({ GM01: 2, GM02: 5 });
});
test.each([
  ["change", { isWhole: false, from: 1, to: 3 }],
  ["repeated change", { isWhole: false, from: 1, to: 4 }],
  ["whole", { isWhole: true, to: 4 }],
])("RegionBoards: an older %s changes nothing (R20)", (_, older) => {
  const subject = new Subject();
  subject.say({ to: 4, cells: [[CA, GM01, 3]] });
  expect(subject.say({ ...older, cells: [[CA, GM01, 8]] })).toEqual([[], [0]]);
  expect(subject.top(CA)).toEqual({ GM01: 3 });
});
test("RegionBoards: a whole replaces all that the partition had said, and nothing else (R21)", () => {
  const subject = new Subject();
  subject.say({ partition: 1, cells: [[CA, GM02, 1]] });
  subject.say({
    to: 4,
    cells: [
      [CA, GM01, 3],
      [CA, GM02, 2],
      [US, GM01, 1],
    ],
  });
  subject.say({ to: 5, cells: [[CA, GM01, 4]] });
  expect([subject.top(CA), subject.top(US)]).toEqual([{ GM01: 4, GM02: 1 }, {}]);
  subject.say({ to: 6 });
  expect(subject.top(CA)).toEqual({ GM02: 1 });
});
test("RegionBoards: the first message of a higher term replaces everything, and must be whole (R21)", () => {
  const subject = new Subject();
  subject.say({
    term: 1,
    to: 90,
    cells: [
      [CA, GM01, 3],
      [US, GM01, 1],
    ],
  });
  expect(subject.say({ term: 2, isWhole: false, from: 90, to: 91, cells: [[CA, GM01, 9]] })).toEqual([[0], []]);
  expect(subject.top(CA), "the dead owner's tally stands").toEqual({ GM01: 3 });
  expect(subject.say({ term: 2, to: 1, cells: [[CA, GM01, 2]] })).toEqual([[], [0]]);
  expect([subject.top(CA), subject.top(US)]).toEqual([{ GM01: 2 }, {}]);
});
test("RegionBoards: a lower term is ignored, and does not count as heard (R21)", () => {
  const subject = new Subject();
  subject.say({ term: 2, cells: [[CA, GM01, 2]] });
  expect(subject.say({ term: 1, to: 99, cells: [[CA, GM01, 7]] }, 500)).toEqual([[], []]);
  expect([subject.top(CA), subject.boards.isStale(301)]).toEqual([{ GM01: 2 }, true]);
});
test("RegionBoards: a cell that a whole names twice counts once, as named last", () => {
  const subject = new Subject();
  subject.say({ to: 1, cells: [[CA, GM01, 5]] });
  subject.say({
    to: 2,
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
  subject.say({ partition: 0, isWhole: false, from: 1, to: 1 }, 300);
  subject.say({ partition: 0, isWhole: false, from: 1, to: 1 }, 250);
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
  subject.say({ partition: 0, to: 2, cells: [[CA, GM01, 3]] });
  subject.say({ partition: 0, isWhole: false, isUnsure: true, from: 2, to: 3, cells: [[CA, GM01, 4]] }, 250);
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
  subject.say({ partition: 1, to: 2, isDoubtful: true });
  subject.say({ partition: 1, to: 3 });
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
  next({ partition: 1, to: 2, isDoubtful: true });
  for (let at = 1; at < versions.length; at++) expect(versions[at]).toBeGreaterThan(versions[at - 1]);
  const before = versions.at(-1);
  next({
    partition: 0,
    to: 2,
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
  expect(subject.say({ partition: 0, isWhole: false, from: 1, to: 2, cells: [[CA, GM01, 4]] })).toEqual([[0], []]);
  subject.say({
    partition: 0,
    to: 3,
    cells: [
      [CA, GM01, 4],
      [US, GM02, 1],
    ],
  });
  expect([subject.boards.state(US)?.isWhole, subject.top(US)]).toEqual([false, { GM02: 1 }]);
  subject.say({ partition: 1, to: 2 });
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
  subject.say({ partition: 0, to: 2, cells: [[CA, GM01, 3]] });
  subject.say({ partition: 1, to: 2 });
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
  subject.say({ partition: 0, to: 2, cells: [[CA, GM01, 3]] });
  expect(subject.top(US)).toEqual({});
});
test("RegionBoards gives the number of a mode that nobody is in to another", () => {
  const subject = new Subject();
  for (let version = 1; version < 50; version++)
    subject.say(
      {
        to: version,
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
      isWhole: false,
      from: 49,
      to: 50,
      cells: [
        [CA, 0, 0],
        [US, 1, 1],
      ],
    },
    0,
    ["mode-49", "new"],
  );
  subject.say({ isWhole: false, from: 50, to: 51, cells: [[CA, 0, 7]] }, 0, ["newer"]);
  expect([subject.top(CA), subject.top(US)]).toEqual([{ newer: 7 }, { new: 1 }]);
});
