import { expect, test } from "vitest";

import { BoardSender } from "../../cluster/counts/board-sender.ts";
import { RegionBoards } from "../../cluster/counts/region-boards.ts";
import { regionOf } from "../../engine/regions.ts";

const [CA, US] = [regionOf("CA"), regionOf("US")];

/** A node that owns CA and US, with one partition. */
class Subject {
  readonly boards = new RegionBoards(1, 77);
  readonly sender = new BoardSender(this.boards);
  private version = 0;

  constructor() {
    this.boards.onView(1, (region) => region === CA || region === US);
    this.sender.onView(["one", "two"]);
  }

  say(players: number): void {
    const entry = {
      partition: 0,
      term: 1,
      from: 0,
      to: ++this.version,
      isWhole: true,
      isDoubtful: false,
      isUnsure: false,
    };
    this.boards.apply({ modes: ["GM01"], entries: [{ ...entry, cells: [CA, 0, players] }] }, 0, () => undefined);
  }
  /** Regions told, with "counts" where they are in it; acknowledged but for `wanted`. */
  tell(member: string, wanted: readonly number[] = []): string[] {
    const entries = this.sender.build(member, false);
    this.sender.acknowledge(member, entries, wanted);
    return entries.map(({ region, counts }) => (region === CA ? "CA" : "US") + (counts === undefined ? "" : " counts"));
  }
}

test("BoardSender says nothing of a board that is not whole (R22)", () => {
  expect(new Subject().tell("one")).toEqual([]);
});
test("BoardSender sends counts until they are acknowledged, then only how far each board is (R23)", () => {
  const subject = new Subject();
  subject.say(3);
  subject.sender.build("one", false);
  expect(subject.tell("one")).toEqual(["CA counts", "US counts"]);
  expect(subject.tell("one")).toEqual(["CA", "US"]);
  subject.say(4);
  expect([subject.tell("one"), subject.tell("one")]).toEqual([
    ["CA counts", "US"],
    ["CA", "US"],
  ]);
  expect(subject.tell("two"), "each node by itself").toEqual(["CA counts", "US counts"]);
});
test("BoardSender sends the counts again to who asks for them", () => {
  const subject = new Subject();
  subject.say(3);
  subject.tell("one");
  expect(subject.tell("one", [US])).toEqual(["CA", "US"]);
  expect(subject.tell("one")).toEqual(["CA", "US counts"]);
});
test("BoardSender: an acknowledgement that comes late takes nothing back", () => {
  const subject = new Subject();
  subject.say(3);
  const first = subject.sender.build("one", false);
  subject.say(4);
  subject.tell("one");
  subject.sender.acknowledge("one", first, []);
  expect(subject.tell("one")).toEqual(["CA", "US"]);
});
test("BoardSender forgets nodes that are not listed", () => {
  const subject = new Subject();
  subject.say(3);
  const entries = subject.sender.build("one", false);
  subject.tell("two");
  subject.sender.onView(["two"]);
  subject.sender.acknowledge("one", entries, []);
  subject.sender.onView(["one", "two"]);
  expect([subject.tell("one"), subject.tell("two")]).toEqual([
    ["CA counts", "US counts"],
    ["CA", "US"],
  ]);
});
test("BoardSender says whether the boards are stale and complete", () => {
  const subject = new Subject();
  subject.say(3);
  expect(subject.sender.build("one", true)[0]).toMatchObject({ term: 1, isStale: true, isComplete: true });
  expect(subject.sender.build("one", false)[0]).toMatchObject({ isStale: false, counts: { players: 3 } });
});
