import { expect, test } from "vitest";
import { CA, GM01, GM02, TwoPartitionBoards, US } from "../support/region-boards.ts";

test("RegionBoards: a statement's number stands for its list, as of when it was said (R20)", () => {
  const subject = new TwoPartitionBoards();
  expect(subject.tell({ statement: 5, items: [] }), "its list never came").toEqual([[], [], true]);
  const list = [{ source: 0 }, { source: 1 }];
  expect(subject.tell({ statement: 5, isList: true, items: list })).toEqual([[], [0, 1], false]);
  expect(subject.tell({ statement: 5, items: [] }, 200)).toEqual([[], [0, 1], false]);
  expect([subject.boards.isStale(500), subject.boards.isStale(501)]).toEqual([false, true]);
  expect(subject.tell({ statement: 4, items: [] }, 400), "an older one").toEqual([[], [], true]);
  expect(subject.tell({ statement: 5, items: [] }, 400, "two"), "another's").toEqual([[], [], true]);
  expect(subject.boards.statementOf("one")).toBe(5);
});
test("RegionBoards: what a stated tally says goes before what the statement beside it says (R20)", () => {
  const subject = new TwoPartitionBoards();
  subject.tell({ statement: 5, isList: true, items: [{ source: 0 }, { source: 1 }] });
  const doubt = { source: 0, isAllCells: false, isUnsure: true, version: 2, cells: [[CA, GM01, 1]] as const };
  expect(subject.tell({ statement: 5, items: [doubt] }, 200)).toEqual([[], [1], false]);
  expect([subject.boards.isStale(301), subject.top(CA)]).toEqual([true, { GM01: 1 }]);
});
test("RegionBoards: a number speaks for nothing that was unsure, or that another claimed since (R14, R20)", () => {
  const subject = new TwoPartitionBoards();
  subject.tell({ statement: 5, isList: true, items: [{ source: 0, isUnsure: true }, { source: 1 }] });
  expect(subject.tell({ statement: 5, items: [] }, 100)).toEqual([[], [1], false]);
  subject.tell({ statement: 9, isList: true, items: [{ source: 1, term: 2 }] }, 0, "two");
  expect(subject.tell({ statement: 5, items: [] }, 200)).toEqual([[], [], false]);
  expect(subject.tell({ statement: 9, items: [] }, 200, "two")).toEqual([[], [1], false]);
});
test("RegionBoards: a list of which something is needed is not known, nor one that came late (R20)", () => {
  const subject = new TwoPartitionBoards();
  const list = [{ source: 0, isAllCells: false }, { source: 1 }];
  expect(subject.tell({ statement: 5, isList: true, items: list })).toEqual([[0], [1], false]);
  expect(subject.tell({ statement: 5, items: [] })).toEqual([[], [], true]);
  subject.tell({ statement: 7, isList: true, items: [{ source: 0 }, { source: 1 }] });
  subject.tell({ statement: 6, isList: true, items: [{ source: 1 }] });
  expect(subject.tell({ statement: 7, items: [] })).toEqual([[], [0, 1], false]);
});
test("RegionBoards needs all lists again when it takes a region, and none of who is not listed (R20, R21)", () => {
  const subject = new TwoPartitionBoards();
  const list = { statement: 5, isList: true, items: [{ source: 0 }, { source: 1 }] };
  subject.tell(list);
  subject.view(2, [CA]);
  expect(subject.tell({ statement: 5, items: [] })[2], "nothing was taken").toBe(false);
  subject.view(3, [CA, US]);
  expect(subject.tell({ statement: 5, items: [] })).toEqual([[], [], true]);
  expect(subject.tell({ ...list, items: [{ source: 0, isAllCells: false }] })).toEqual([[0], [], false]);
  subject.tell({ ...list, items: [{ source: 0, version: 2 }] }, 0, "three");
  subject.view(4, [CA, US]);
  expect(subject.boards.statementOf("three")).toBe(0);
});
test("RegionBoards: a record that cannot be read leaves boards whole and incomplete, and what stood stands (R21)", () => {
  const subject = new TwoPartitionBoards();
  const unreadable = { source: 1, term: 0, version: 0, isAllCells: false, isUnreadable: true };
  expect(subject.tell({ statement: 5, isList: true, items: [{ source: 0 }, unreadable] })).toEqual([[], [0, 1], false]);
  expect(subject.boards.state(CA)).toMatchObject({ isWhole: true, isComplete: false });
  expect([subject.boards.unspoken, subject.boards.isStale(300)]).toEqual([[1], false]);
  expect(subject.tell({ statement: 5, items: [] }, 300), "so does its number").toEqual([[], [0, 1], false]);
  expect([subject.boards.isStale(600), subject.boards.state(CA)?.isComplete]).toEqual([false, false]);
  subject.say({ source: 1, term: 3, cells: [[CA, GM01, 4]] });
  expect(subject.boards.state(CA)).toMatchObject({ isComplete: true, counts: { players: 4 } });
  subject.tell({ statement: 9, isList: true, items: [{ source: 0 }, unreadable] });
  expect(subject.boards.state(CA)).toMatchObject({ isComplete: false, counts: { players: 4 } });
});
test("RegionBoards: a record that cannot be read does not speak for its players in a region that is taken later (R21, R22)", () => {
  const subject = new TwoPartitionBoards();
  const unreadable = { source: 1, term: 0, version: 0, isAllCells: false, isUnreadable: true };
  subject.view(2, [CA]);
  subject.tell({ items: [{ source: 0 }, { source: 1, term: 3, cells: [[CA, GM01, 4]] }] });
  subject.view(3, [CA, US]);
  subject.tell({ items: [{ source: 0, version: 2 }, unreadable] });
  expect(subject.boards.state(US)).toMatchObject({ isWhole: true, isComplete: false });
  const change = { source: 1, term: 3, version: 2, isAllCells: false };
  expect(subject.say(change), "its holder told nothing of US yet").toEqual([[1], []]);
  expect(subject.boards.state(US)).toMatchObject({ isWhole: true, isComplete: false });
  subject.say({ ...change, version: 3, isAllCells: true, cells: [[US, GM02, 5]] });
  expect(subject.boards.state(US)).toMatchObject({ isWhole: true, isComplete: true, counts: { players: 5 } });
});
test("RegionBoards: that a record cannot be read counts for nothing once a newer list was heard (R21)", () => {
  const subject = new TwoPartitionBoards();
  const unreadable = { source: 1, term: 0, version: 0, isAllCells: false, isUnreadable: true };
  const items = [{ source: 0 }, { source: 1, term: 3 }];
  subject.tell({ statement: 6, isList: true, items });
  subject.tell({ statement: 5, isList: true, items: [{ source: 0 }, unreadable] });
  expect(subject.boards.state(CA)).toMatchObject({ isWhole: true, isComplete: true });
  expect(subject.tell({ statement: 6, items: [] })).toEqual([[], [0, 1], false]);
});
test("RegionBoards asks for the list where a message that was long under way contradicts it (R21)", () => {
  const subject = new TwoPartitionBoards();
  const unreadable = { source: 1, term: 0, version: 0, isAllCells: false, isUnreadable: true };
  subject.say({ source: 1, term: 3 });
  const list = { statement: 6, isList: true, items: [{ source: 0 }, unreadable] };
  subject.tell(list);
  subject.tell({ items: [{ source: 1, term: 3 }] }); // from before
  expect(subject.boards.state(CA)?.isComplete).toBe(true);
  expect(subject.tell({ statement: 6, items: [] }, 100)).toEqual([[], [0], true]);
  subject.tell(list);
  expect(subject.boards.state(CA)?.isComplete).toBe(false);
  expect(subject.tell({ statement: 6, items: [] }, 100)).toEqual([[], [0, 1], false]);
});
