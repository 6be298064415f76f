import { expect, test } from "vitest";

import { BoardSender } from "../../cluster/counts/board-sender.ts";
import { NO_TALLIES } from "../../cluster/counts/counts-codec.ts";
import type { Boards } from "../../cluster/counts/counts-messages.ts";
import type { BoardNeeds } from "../../cluster/counts/read-views.ts";
import { RegionBoards } from "../../cluster/counts/region-boards.ts";
import { countrySums } from "../../cluster/counts/sums.ts";
import { regionOf } from "../../engine/places.ts";

const [CA, US] = [regionOf("CA"), regionOf("US")];
const PUSH_EVERY_MS = 100;
const NOTHING_NEEDED: BoardNeeds = { regions: [], needsList: false };

/** A node that owns CA and US, with one partition. */
class Subject {
  nowMs = 0;
  readonly boards = new RegionBoards(countrySums(1), 77);
  readonly sender = new BoardSender(this.boards, PUSH_EVERY_MS);
  private version = 0;

  constructor() {
    this.view(1, [CA, US]);
    this.sender.onView(["one", "two"]);
  }

  view(epoch: number, mine: readonly number[]): void {
    this.boards.onView(epoch, ["one", "two"], (region) => mine.includes(region));
  }

  say(players: number): void {
    const marks = { isAllCells: true, isDoubtful: false, isUnsure: false, isUnreadable: false };
    const tally = { source: 0, term: 1, version: ++this.version, ...marks, cells: [CA, 0, players] };
    this.boards.apply("me", { ...NO_TALLIES, modes: ["GM01"], items: [tally] }, 0, () => undefined);
  }

  build(member: string, isBeat = true, isStale = false): Boards {
    this.sender.note(this.boards.takeTouched());
    return this.sender.build(member, { isBeat, isStale, nowMs: this.nowMs });
  }

  /** What a node is told, 100 ms later each time, and takes in but for what it needs. */
  tell(member: string, needs = NOTHING_NEEDED, isBeat = true): string[] {
    this.nowMs += PUSH_EVERY_MS;
    const boards = this.build(member, isBeat);
    this.sender.acknowledge(member, boards, needs);
    return said(boards);
  }

  isDue(member: string): boolean {
    this.sender.note(this.boards.takeTouched());
    return this.sender.isDue(member, this.nowMs);
  }
}

/** "list", "number" or neither, then the regions, with "counts" or "later". */
function said({ statement, isList, items }: Boards): string[] {
  const head = statement === 0 ? [] : [isList ? "list" : "number"];
  const tails = items.map(({ region, counts, isHeldBack }) => {
    const name = region === CA ? "CA" : "US";
    return counts === undefined ? name + (isHeldBack ? " later" : "") : `${name} counts`;
  });
  return [...head, ...tails];
}

test("BoardSender says nothing of a board that is not whole (R22)", () => {
  const subject = new Subject();
  expect([subject.tell("one"), subject.sender.hasBoards, subject.isDue("one")]).toEqual([[], false, false]);
  subject.say(3);
  subject.tell("one");
  expect(subject.sender.hasBoards).toBe(true);
});
test("BoardSender lists all boards with their counts until they are acknowledged, then says one number (R20, R23)", () => {
  const subject = new Subject();
  subject.say(3);
  subject.build("one");
  expect(subject.tell("one")).toEqual(["list", "CA counts", "US counts"]);
  expect([subject.tell("one"), subject.tell("one")]).toEqual([["number"], ["number"]]);
  subject.say(4);
  expect([subject.tell("one"), subject.tell("one")]).toEqual([["number", "CA counts"], ["number"]]);
  expect(subject.tell("two"), "each node by itself").toEqual(["list", "CA counts", "US counts"]);
});
test("BoardSender pushes a board as soon as it changes, and at most every 100 ms (R23)", () => {
  const subject = new Subject();
  subject.say(3);
  subject.tell("one");
  subject.nowMs += PUSH_EVERY_MS;
  expect(subject.isDue("one"), "nothing changed").toBe(false);
  subject.say(4);
  expect(subject.isDue("one")).toBe(true);
  expect(said(subject.build("one", false))).toEqual(["CA counts"]);
  subject.nowMs += PUSH_EVERY_MS - 1;
  subject.say(5);
  expect([subject.isDue("one"), said(subject.build("one", false))]).toEqual([false, []]);
  expect(said(subject.build("one")), "a beat must not say that it is as it was").toEqual(["number", "CA later"]);
  subject.nowMs += 1;
  expect([subject.isDue("one"), said(subject.build("one", false))]).toEqual([true, ["CA counts"]]);
});
test("BoardSender sends the counts again to who asks for them, at once", () => {
  const subject = new Subject();
  subject.say(3);
  subject.tell("one");
  expect(subject.tell("one", { regions: [US], needsList: false })).toEqual(["number"]);
  expect(said(subject.build("one")), "US was not in that message").toEqual(["number"]);
  subject.say(4);
  expect(subject.tell("one", { regions: [CA], needsList: false })).toEqual(["number", "CA counts"]);
  expect(said(subject.build("one", false))).toEqual(["CA counts"]);
});
test("BoardSender lists all boards to who does not know the number, or needs counts of the list (R20)", () => {
  const subject = new Subject();
  subject.say(3);
  subject.tell("one");
  subject.tell("one", { regions: [], needsList: true });
  expect(subject.tell("one", { regions: [US], needsList: false })).toEqual(["list", "CA", "US"]);
  expect(subject.tell("one")).toEqual(["list", "CA", "US counts"]);
  expect(subject.tell("one")).toEqual(["number"]);
});
test("BoardSender lists all boards anew when one becomes another's (R20)", () => {
  const subject = new Subject();
  subject.say(3);
  subject.tell("one");
  subject.view(2, [CA]);
  expect([subject.tell("one"), subject.tell("one")]).toEqual([["list", "CA"], ["number"]]);
});
test("BoardSender: an acknowledgement that comes late takes nothing back", () => {
  const subject = new Subject();
  subject.say(3);
  const first = subject.build("one");
  subject.say(4);
  subject.tell("one");
  subject.sender.acknowledge("one", first, NOTHING_NEEDED);
  expect(subject.tell("one")).toEqual(["number"]);
});
test("BoardSender: a message that is lost is followed by another one", () => {
  const subject = new Subject();
  subject.say(3);
  subject.tell("one");
  subject.say(4);
  expect(said(subject.build("one", false))).toEqual([]);
  subject.nowMs += PUSH_EVERY_MS;
  expect(said(subject.build("one", false))).toEqual(["CA counts"]);
  expect(subject.tell("one")).toEqual(["number", "CA counts"]);
});
test("BoardSender forgets nodes that are not listed", () => {
  const subject = new Subject();
  subject.say(3);
  const boards = subject.build("one");
  subject.tell("two");
  subject.sender.onView(["two"]);
  expect([said(subject.build("one")), subject.isDue("one")]).toEqual([[], false]);
  subject.sender.acknowledge("one", boards, NOTHING_NEEDED);
  subject.sender.onView(["one", "two"]);
  expect([subject.tell("one"), subject.tell("two")]).toEqual([["list", "CA counts", "US counts"], ["number"]]);
});
test("BoardSender says whether the boards are stale and complete", () => {
  const subject = new Subject();
  subject.say(3);
  const boards = subject.build("one", true, true);
  expect([boards.isStale, boards.items[0]]).toMatchObject([true, { term: 1, isComplete: true }]);
  expect(subject.build("two")).toMatchObject({ isStale: false, items: [{ counts: { players: 3 } }, {}] });
});
