import { expect, test } from "vitest";
import { regionOf } from "../../engine/places.ts";
import { itemAt } from "../../simulator/item-at.ts";
import { CA, GM01, GM02, type Said, TwoPartitionBoards, US } from "../support/region-boards.ts";

test("RegionBoards sums the tallies of all partitions", () => {
  const subject = new TwoPartitionBoards();
  subject.say({
    source: 0,
    cells: [
      [CA, GM01, 3],
      [CA, GM02, 1],
      [US, GM01, 9],
    ],
  });
  subject.say({ source: 1, cells: [[CA, GM02, 4]] });
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
  const subject = new TwoPartitionBoards();
  expect(subject.boards.state(CA)).toMatchObject({ isWhole: false, isComplete: false });
  expect(subject.boards.unspoken).toEqual([0, 1]);
  subject.say({ source: 0 });
  expect([subject.boards.state(CA)?.isWhole, subject.boards.unspoken]).toEqual([false, [1]]);
  subject.say({ source: 1 });
  expect(subject.boards.state(CA)).toMatchObject({ isWhole: true, isComplete: true, counts: { players: 0, top: [] } });
  expect(subject.boards.unspoken).toEqual([]);
});
test("RegionBoards: changes are taken in as they come, the newest of each cell counts (R20)", () => {
  const subject = new TwoPartitionBoards();
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
  const subject = new TwoPartitionBoards();
  subject.say({ version: 4, cells: [[CA, GM01, 3]] });
  expect(subject.say({ ...older, cells: [[CA, GM01, 8]] })).toEqual([[], [0]]);
  expect(subject.top(CA)).toEqual({ GM01: 3 });
});
test("RegionBoards: a whole replaces all that the partition had said, and nothing else (R21)", () => {
  const subject = new TwoPartitionBoards();
  subject.say({ source: 1, cells: [[CA, GM02, 1]] });
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
  const subject = new TwoPartitionBoards();
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
  const subject = new TwoPartitionBoards();
  subject.say({ term: 2, cells: [[CA, GM01, 2]] });
  expect(subject.say({ term: 1, version: 99, cells: [[CA, GM01, 7]] }, 500)).toEqual([[], []]);
  expect([subject.top(CA), subject.boards.isStale(301)]).toEqual([{ GM01: 2 }, true]);
});
test("RegionBoards: a cell that a whole names twice counts once, as named last", () => {
  const subject = new TwoPartitionBoards();
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
  const subject = new TwoPartitionBoards();
  subject.say({ source: 0 }, 100);
  expect(subject.boards.isStale(100), "partition 1 was never heard of").toBe(true);
  subject.say({ source: 1 }, 200);
  expect([subject.boards.isStale(400), subject.boards.isStale(401)]).toEqual([false, true]);
  subject.say({ source: 0, isAllCells: false, version: 1 }, 300);
  subject.say({ source: 0, isAllCells: false, version: 1 }, 250);
  expect([subject.boards.isStale(500), subject.boards.isStale(501)]).toEqual([false, true]);
});
test("RegionBoards: who may not speak is counted, but has not spoken (R14)", () => {
  const subject = new TwoPartitionBoards();
  subject.say({ source: 1 }, 0);
  expect(subject.say({ source: 0, isUnsure: true, cells: [[CA, GM01, 3]] })).toEqual([[], []]);
  expect([subject.top(CA), subject.boards.state(CA)?.isWhole, subject.boards.isStale(0)]).toEqual([
    { GM01: 3 },
    false,
    true,
  ]);
  subject.say({ source: 0, version: 2, cells: [[CA, GM01, 3]] });
  subject.say({ source: 0, isAllCells: false, isUnsure: true, version: 3, cells: [[CA, GM01, 4]] }, 250);
  expect([subject.top(CA), subject.boards.state(CA)?.isWhole, subject.boards.isStale(301)]).toEqual([
    { GM01: 4 },
    true,
    true,
  ]);
});
test("RegionBoards: players in doubt leave the board whole and not complete (R26)", () => {
  const subject = new TwoPartitionBoards();
  subject.say({ source: 0 });
  subject.say({ source: 1, isDoubtful: true });
  expect(subject.boards.state(CA)).toMatchObject({ isWhole: true, isComplete: false });
  subject.say({ source: 1, version: 2, isDoubtful: true });
  subject.say({ source: 1, version: 3 });
  expect(subject.boards.state(CA)).toMatchObject({ isWhole: true, isComplete: true });
});
test("RegionBoards.state() rises its version with each change of players, order or completeness, and only then (R23)", () => {
  const subject = new TwoPartitionBoards();
  const version = (): number => subject.boards.state(CA)?.version ?? -1;
  const versions = [version()];
  const next = (said: Said): number => versions.push((subject.say(said), version()));
  next({
    source: 0,
    cells: [
      [CA, GM01, 3],
      [US, GM01, 1],
    ],
  });
  next({ source: 1 });
  next({ source: 1, version: 2, isDoubtful: true });
  for (const [index, later] of versions.slice(1).entries()) expect(later).toBeGreaterThan(itemAt(versions, index));
  const before = versions.at(-1);
  next({
    source: 0,
    version: 2,
    cells: [
      [CA, GM01, 3],
      [US, GM01, 8],
    ],
  });
  expect(versions.at(-1), "nothing changed in CA").toBe(before);
});
test("RegionBoards takes a region under the epoch of the view that gives it, and needs all said again for it (R22)", () => {
  const subject = new TwoPartitionBoards();
  subject.say({ source: 0, cells: [[CA, GM01, 3]] });
  subject.say({ source: 1 });
  expect(subject.view(2, [CA])).toBe(false);
  expect([subject.boards.state(US), subject.top(CA), subject.boards.state(CA)?.isWhole]).toEqual([
    undefined,
    { GM01: 3 },
    true,
  ]);
  expect(subject.view(3, [CA, US])).toBe(true);
  expect(subject.boards.state(US)).toMatchObject({ term: 3, isWhole: false });
  expect(subject.boards.state(CA), "CA was mine all the time").toMatchObject({ term: 1, isWhole: true });
  expect(subject.say({ source: 0, isAllCells: false, version: 2, cells: [[CA, GM01, 4]] })).toEqual([[0], []]);
  subject.say({
    source: 0,
    version: 3,
    cells: [
      [CA, GM01, 4],
      [US, GM02, 1],
    ],
  });
  expect([subject.boards.state(US)?.isWhole, subject.top(US)]).toEqual([false, { GM02: 1 }]);
  subject.say({ source: 1, version: 2 });
  expect([subject.boards.state(US)?.isWhole, subject.boards.state(CA)?.isWhole]).toEqual([true, true]);
});
test("RegionBoards takes all its regions anew where an epoch was skipped: empty, under a term of their own (R22)", () => {
  const subject = new TwoPartitionBoards();
  subject.say({ source: 0, cells: [[CA, GM01, 3]] });
  subject.say({ source: 1 });
  const before = subject.boards.state(CA);
  expect(subject.view(3, [CA, US])).toBe(true);
  expect(subject.boards.state(CA)).toMatchObject({ term: 3, isWhole: false, counts: { players: 0, top: [] } });
  expect(subject.boards.state(CA)?.version).toBeGreaterThan(before?.version as number);
  subject.say({ source: 0, version: 2, cells: [[CA, GM01, 3]] });
  subject.say({ source: 1, version: 2 });
  expect([subject.top(CA), subject.boards.state(CA)?.isWhole]).toEqual([{ GM01: 3 }, true]);
});
test("RegionBoards keeps its regions under a view that it has already", () => {
  const subject = new TwoPartitionBoards();
  subject.say({ source: 0, cells: [[CA, GM01, 3]] });
  expect(subject.view(1, [CA, US])).toBe(false);
  expect(subject.top(CA)).toEqual({ GM01: 3 });
});
test("RegionBoards forgets what was said of regions that it lost", () => {
  const subject = new TwoPartitionBoards();
  subject.say({
    source: 0,
    cells: [
      [CA, GM01, 3],
      [US, GM02, 5],
    ],
  });
  subject.view(2, [CA]);
  subject.view(3, [CA, US]);
  expect([subject.top(CA), subject.top(US)]).toEqual([{ GM01: 3 }, {}]);
  subject.say({ source: 0, version: 2, cells: [[CA, GM01, 3]] });
  expect(subject.top(US)).toEqual({});
});
test("RegionBoards gives the number of a mode that nobody is in to another", () => {
  const subject = new TwoPartitionBoards();
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
  const subject = new TwoPartitionBoards();
  subject.say({ source: 1 });
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
test("RegionBoards.takeTouched() names each region whose state may have changed, once", () => {
  const subject = new TwoPartitionBoards();
  expect(new Set(subject.boards.takeTouched()), "they were taken").toEqual(new Set([CA, US]));
  subject.say({ source: 0, cells: [[CA, GM01, 3]] });
  expect([subject.boards.takeTouched(), subject.boards.takeTouched()]).toEqual([[CA], []]);
  subject.say({ source: 1 });
  expect(subject.boards.takeTouched(), "all are whole now").toHaveLength(2);
  subject.say({ source: 1, version: 2, isDoubtful: true });
  expect(subject.boards.takeTouched(), "and incomplete").toHaveLength(2);
  subject.say({ source: 1, isAllCells: false, version: 3, isDoubtful: true });
  expect(subject.boards.takeTouched()).toEqual([]);
  subject.view(2, [CA]);
  expect(subject.boards.takeTouched(), "it was lost").toEqual([US]);
});
