import { expect, test } from "vitest";

import { PartitionCounts } from "../../cluster/counts/count-sources.ts";
import type { TallyNeeds } from "../../cluster/counts/heard-sources.ts";
import { countrySums } from "../../cluster/counts/sums.ts";
import { type Parcel, type Speech, TallySender } from "../../cluster/counts/tally-sender.ts";
import { Engine } from "../../engine/engine.ts";
import { NO_SEQ } from "../../engine/partition.ts";
import { COUNTRIES, REGIONS, regionOf } from "../../engine/places.ts";
import { itemAt, take } from "../../simulator/item-at.ts";
import { KEY_BYTES, playerId } from "../../simulator/players.ts";

const [CA, US] = [regionOf("CA"), regionOf("US")];
const OPTIONS = { partitions: 2, hashKey: KEY_BYTES, sessionMs: 1e6, removalMs: 0, graceMs: 0, isLogged: false };

interface Heard {
  readonly partition: number;
  readonly version: number;
  readonly isAllCells: boolean;
  readonly cells: readonly string[];
}

/** A node that holds partition 0 and tells two owners: "east" has all regions but US, "west" has US. */
class Subject {
  readonly engine = new Engine(OPTIONS, 0);
  readonly speeches = new Map<number, Speech>([
    [0, { term: 5, isDoubtful: false, isLicensed: true }],
    [1, { term: 6, isDoubtful: false, isLicensed: true }],
  ]);
  /** Partitions whose record it cannot read. */
  readonly unreadable: number[] = [];
  readonly sender = new TallySender(countrySums(2), new PartitionCounts(this.engine), {
    speaks: (partition) => this.speeches.get(partition),
    unreadable: () => this.unreadable,
    isStale: () => false,
  });
  /** Players of partition 0, all different. */
  readonly players = Array.from({ length: 9000 }, (_, player) => playerId(player)).filter(
    (id) => this.engine.partitionOf(this.engine.hash(id)) === 0,
  );

  constructor() {
    this.view(["east", "west"], { [US]: "west" });
    this.sender.take(0);
  }

  view(members: readonly string[], owners: Readonly<Record<number, string>>): void {
    this.sender.onView(members, (region) => owners[region] ?? "east");
  }

  report(player: number, region: number, mode: string): void {
    const id = itemAt(this.players, player);
    this.engine.report(this.engine.hash(id), id, region, this.engine.admitMode(mode), NO_SEQ);
  }

  build(member: string, isBeat = false): Parcel<number> {
    if (isBeat) this.sender.restate();
    this.sender.look();
    const parcel = this.sender.build(member, isBeat);
    if (parcel === undefined) throw new RangeError(`${member} is not listed`);
    return parcel;
  }

  /** Builds, and has it acknowledged. */
  tell(member: string, isBeat = false): Heard[] {
    const parcel = this.build(member, isBeat);
    this.sender.acknowledge(parcel, NOTHING_NEEDED);
    return heard(parcel);
  }

  /** A beat that is acknowledged: "list" or "number", the statement, and the partitions among its items. */
  beat(member: string, needs: TallyNeeds = NOTHING_NEEDED): ["list" | "number", number, number[]] {
    const parcel = this.build(member, true);
    this.sender.acknowledge(parcel, needs);
    const { isList, statement, items } = parcel.tallies;
    return [isList ? "list" : "number", statement, items.map(({ source }) => source)];
  }
}

const NOTHING_NEEDED: TallyNeeds = { sources: [], needsList: false };

function heard({ tallies: { modes, items } }: Pick<Parcel, "tallies">): Heard[] {
  return items.map(({ source, version, isAllCells, cells }) => {
    const texts: string[] = [];
    for (let index = 0; index < cells.length; index += 3)
      texts.push(`${REGIONS[itemAt(cells, index)]} ${modes[itemAt(cells, index + 1)]} ${cells[index + 2]}`);
    return { partition: source, version, isAllCells, cells: texts.sort() };
  });
}
const cellsOf = (messages: readonly Heard[]): readonly string[] => messages.flatMap(({ cells }) => cells);

test("TallySender: on taking a partition the whole goes to every region owner, the empty one too (R21)", () => {
  const subject = new Subject();
  subject.report(0, CA, "GM01");
  expect(subject.tell("east")).toMatchObject([{ partition: 0, isAllCells: true, cells: ["CA GM01 1"] }]);
  expect(subject.tell("west")).toMatchObject([{ partition: 0, isAllCells: true, cells: [] }]);
  expect([subject.tell("east"), subject.tell("west")]).toEqual([[], []]);
});
test("TallySender: a change goes to the region's owner alone, under a higher version (R20)", () => {
  const subject = new Subject();
  const { version } = itemAt(subject.tell("east"), 0);
  subject.tell("west");
  subject.report(0, CA, "GM01");
  expect([subject.sender.isDirty("east"), subject.tell("west")]).toEqual([false, []]);
  expect(subject.sender.isDirty("east")).toBe(true);
  const [change] = take(1, subject.tell("east"));
  expect(change).toMatchObject({ isAllCells: false, cells: ["CA GM01 1"] });
  expect(change.version).toBeGreaterThan(version);
});
test("TallySender: both cells of a move within a destination are in one message (R20)", () => {
  const subject = new Subject();
  subject.report(0, CA, "GM01");
  subject.tell("east");
  subject.report(0, CA, "GM02");
  expect(cellsOf(subject.tell("east"))).toEqual(["CA GM01 0", "CA GM02 1"]);
});
test("TallySender: what is not acknowledged is sent again, with what changed since (R20)", () => {
  const subject = new Subject();
  subject.tell("east");
  subject.report(0, CA, "GM01");
  const lost = subject.build("east");
  subject.report(1, CA, "GM02");
  const [again] = take(1, heard(subject.build("east")));
  expect(again).toMatchObject({ cells: ["CA GM01 1", "CA GM02 1"] });
  expect(again.version).toBeGreaterThan(itemAt(lost.tallies.items, 0).version);
});
test("TallySender: an acknowledgement covers what its message held, not what changed after it was built (R20)", () => {
  const subject = new Subject();
  subject.tell("east");
  subject.report(0, CA, "GM01");
  const first = subject.build("east");
  subject.report(0, CA, "GM02");
  subject.sender.look();
  subject.sender.acknowledge(first, NOTHING_NEEDED);
  expect(cellsOf(subject.tell("east"))).toEqual(["CA GM01 0", "CA GM02 1"]);
  expect(subject.tell("east")).toEqual([]);
});
test("TallySender: an acknowledgement that comes late takes nothing back", () => {
  const subject = new Subject();
  const first = subject.build("east");
  const { version } = itemAt(subject.tell("east"), 0);
  subject.sender.acknowledge(first, NOTHING_NEEDED);
  expect(subject.tell("east", true)).toMatchObject([{ version, isAllCells: false }]);
});
test("TallySender: changes during the whole's way are sent after it", () => {
  const subject = new Subject();
  const whole = subject.build("east");
  subject.report(0, CA, "GM01");
  subject.sender.look();
  subject.sender.acknowledge(whole, NOTHING_NEEDED);
  expect(subject.tell("east")).toMatchObject([{ isAllCells: false, cells: ["CA GM01 1"] }]);
});
test("TallySender: a beat lists all partitions until it is acknowledged, then it is one number (R20)", () => {
  const subject = new Subject();
  subject.sender.take(1);
  const lost = subject.build("east", true).tallies;
  expect([lost.isList, lost.items.length]).toEqual([true, 2]);
  const [kind, statement, partitions] = subject.beat("east");
  expect([kind, statement, partitions]).toEqual(["list", lost.statement, [0, 1]]);
  expect([subject.beat("east"), subject.beat("east")]).toEqual([
    ["number", statement, []],
    ["number", statement, []],
  ]);
  expect(subject.beat("west"), "each node by itself").toEqual(["list", statement, [0, 1]]);
});
test("TallySender: a beat in one number names what changed beside it (R20)", () => {
  const subject = new Subject();
  subject.sender.take(1);
  const [, statement] = subject.beat("east");
  subject.report(0, CA, "GM01");
  expect(subject.beat("east")).toEqual(["number", statement, [0]]);
  expect(subject.beat("east")).toEqual(["number", statement, []]);
});
test.each<[string, (subject: Subject) => void]>([
  ["taking", ({ sender }) => sender.take(1)],
  ["dropping", ({ sender }) => sender.drop(0)],
  ["losing the licence", ({ speeches }) => speeches.set(0, { term: 5, isDoubtful: false, isLicensed: false })],
  ["another term", ({ speeches }) => speeches.set(0, { term: 9, isDoubtful: false, isLicensed: true })],
  ["players in doubt", ({ speeches }) => speeches.set(0, { term: 5, isDoubtful: true, isLicensed: true })],
  ["a record that cannot be read", ({ unreadable }) => unreadable.push(1)],
])("TallySender: %s is a change of the statement, so that all of it is listed again (R20, R21)", (_, change) => {
  const subject = new Subject();
  const [, before] = subject.beat("east");
  change(subject);
  const [kind, statement] = subject.beat("east");
  expect(kind).toBe("list");
  expect(statement).toBeGreaterThan(before);
  expect(subject.beat("east").slice(0, 2)).toEqual(["number", statement]);
});
test("TallySender: whoever does not know the number, or needs something of the list, gets the list (R20)", () => {
  const subject = new Subject();
  subject.beat("east");
  expect(subject.beat("east", { sources: [], needsList: true })[0]).toBe("number");
  expect(subject.beat("east", { sources: [0], needsList: false })[0]).toBe("list");
  expect([subject.beat("east")[0], subject.beat("east")[0]]).toEqual(["list", "number"]);
});
test("TallySender: a record that cannot be read is listed, by who does not hold the partition (R21)", () => {
  const subject = new Subject();
  subject.unreadable.push(0, 1);
  const { items } = subject.build("east", true).tallies;
  expect(items.map(({ source, isUnreadable }) => [source, isUnreadable])).toEqual([
    [0, false],
    [1, true],
  ]);
  subject.sender.drop(0);
  expect(subject.beat("east")).toMatchObject(["list", expect.any(Number), [0, 1]]);
  expect([subject.sender.isOwed("east"), subject.sender.isOwed("nobody")]).toEqual([true, false]);
});
test("TallySender: a beat to a node without regions says nothing", () => {
  const subject = new Subject();
  subject.view(["east", "west"], {});
  expect([subject.tell("west", true), subject.sender.isOwed("west")]).toEqual([[], false]);
  subject.report(0, US, "GM01");
  expect([subject.tell("west"), cellsOf(subject.tell("east"))]).toEqual([[], ["US GM01 1"]]);
});
test("TallySender: whoever asks gets the whole (R20)", () => {
  const subject = new Subject();
  subject.report(0, CA, "GM01");
  subject.tell("east");
  subject.sender.acknowledge(subject.build("east", true), { sources: [0], needsList: false });
  expect(subject.tell("east")).toMatchObject([{ isAllCells: true, cells: ["CA GM01 1"] }]);
});
test("TallySender: a whole that is due already is not put off by one who asks again", () => {
  const subject = new Subject();
  const beat = subject.build("east", true);
  const whole = subject.build("east");
  subject.sender.acknowledge(beat, { sources: [0], needsList: false });
  subject.sender.acknowledge(whole, NOTHING_NEEDED);
  expect(subject.tell("east")).toEqual([]);
});
test("TallySender: whoever becomes the owner of a region gets the whole again, nobody else (R21)", () => {
  const subject = new Subject();
  subject.report(0, CA, "GM01");
  subject.report(1, US, "GM02");
  subject.tell("east");
  subject.tell("west");
  subject.view(["east", "west"], { [US]: "west", [CA]: "west" });
  expect(subject.tell("east")).toEqual([]);
  expect(subject.tell("west")).toMatchObject([{ isAllCells: true, cells: ["CA GM01 1", "US GM02 1"] }]);
});
test("TallySender: a change that waits for one owner does not reach it once the region is another's", () => {
  const subject = new Subject();
  subject.tell("east");
  subject.tell("west");
  subject.report(0, CA, "GM01");
  subject.sender.look();
  subject.view(["east", "west"], { [US]: "west", [CA]: "west" });
  expect([cellsOf(subject.tell("east")), cellsOf(subject.tell("west"))]).toEqual([[], ["CA GM01 1"]]);
});
test("TallySender forgets who is not listed: one who comes back gets the whole", () => {
  const subject = new Subject();
  subject.report(0, US, "GM01");
  subject.tell("west");
  const before = subject.build("west", true);
  subject.view(["east"], {});
  expect(subject.sender.build("west", true)).toBeUndefined();
  subject.view(["east", "west"], { [US]: "west" });
  subject.sender.acknowledge(before, NOTHING_NEEDED);
  expect(subject.tell("west")).toMatchObject([{ isAllCells: true, cells: ["US GM01 1"] }]);
});
test("TallySender: a partition that was taken again, or under another term, is stated as a whole (R21)", () => {
  const subject = new Subject();
  subject.tell("east");
  subject.sender.take(0);
  expect(subject.tell("east")).toMatchObject([{ isAllCells: true }]);
  subject.speeches.set(0, { term: 7, isDoubtful: false, isLicensed: true });
  subject.sender.restate();
  expect(subject.tell("east")).toMatchObject([{ isAllCells: true }]);
  expect(subject.tell("east")).toEqual([]);
});
test("TallySender: versions rise over all partitions and takings, so that no late message is taken for a new one", () => {
  const subject = new Subject();
  const { version } = itemAt(subject.tell("east"), 0);
  subject.sender.drop(0);
  subject.sender.take(0);
  expect(itemAt(subject.tell("east"), 0).version).toBeGreaterThan(version);
});
test("TallySender: a partition that was dropped is not spoken of", () => {
  const subject = new Subject();
  subject.report(0, CA, "GM01");
  subject.sender.drop(0);
  expect([subject.tell("east"), subject.tell("east", true), subject.sender.holding]).toEqual([[], [], []]);
});
test("TallySender: a partition of which nothing may be said waits", () => {
  const subject = new Subject();
  subject.speeches.delete(0);
  expect(subject.tell("east", true)).toEqual([]);
  subject.speeches.set(0, { term: 5, isDoubtful: false, isLicensed: true });
  expect(subject.tell("east")).toMatchObject([{ isAllCells: true }]);
});
test("TallySender: players in doubt, and no longer, are said with the whole (R26)", () => {
  const subject = new Subject();
  subject.tell("east");
  for (const isDoubtful of [true, false]) {
    subject.speeches.set(0, { term: 5, isDoubtful, isLicensed: true });
    subject.sender.restate();
    const parcel = subject.build("east");
    subject.sender.acknowledge(parcel, NOTHING_NEEDED);
    expect(parcel.tallies.items).toMatchObject([{ isAllCells: true, isDoubtful }]);
    expect(subject.tell("east")).toEqual([]);
  }
});
test("TallySender: without a licence counts go on, as unsure; an answer that is confirmed is sure (R14, R24)", () => {
  const subject = new Subject();
  subject.tell("east");
  subject.speeches.set(0, { term: 5, isDoubtful: false, isLicensed: false });
  subject.report(0, CA, "GM01");
  expect(subject.build("east").tallies.items).toMatchObject([{ isUnsure: true }]);
  const answer = subject.sender.answer("east", [0], [], 0)!;
  expect(answer.tallies.items).toMatchObject([{ source: 0, isUnsure: false }]);
  expect(answer.tallies.statement, "a list would call it unsure").toBe(0);
  expect(cellsOf(heard(answer))).toEqual(["CA GM01 1"]);
});
test("TallySender.answer() is the number and what changed for who knows the list, and counts for nothing (R24)", () => {
  const subject = new Subject();
  subject.sender.take(1);
  const [, statement] = subject.beat("east");
  subject.report(0, CA, "GM01");
  subject.sender.look();
  const answer = subject.sender.answer("east", [0, 1], [], statement)!;
  expect(answer.tallies).toMatchObject({ statement, isList: false });
  expect(heard(answer)).toMatchObject([{ partition: 0, isAllCells: false, cells: ["CA GM01 1"] }]);
  const list = subject.sender.answer("east", [0, 1], [1, 7], statement - 1)!;
  expect(list.tallies).toMatchObject({ statement, isList: true });
  expect(heard(list)).toMatchObject([
    { partition: 0, isAllCells: false, cells: ["CA GM01 1"] },
    { partition: 1, isAllCells: true },
  ]);
  expect(heard(subject.sender.answer("east", [0], [], statement)!), "not all are proven").toMatchObject([
    { partition: 0 },
  ]);
  expect(subject.tell("east")).toMatchObject([{ partition: 0, cells: ["CA GM01 1"] }, { partition: 1 }]);
  expect(subject.sender.answer("nobody", [0], [], 0)).toBeUndefined();
});
test("TallySender: more changes than a list of them is worth are sent as a whole", () => {
  const subject = new Subject();
  subject.tell("east");
  for (let region = 0; region < COUNTRIES; region++)
    for (let mode = 0; mode < 17; mode++) {
      subject.report(0, region === US ? CA : region, `mode-${mode}`);
      if ((region * 17 + mode) % 50 === 0) subject.sender.look();
    }
  expect(subject.tell("east")).toMatchObject([{ isAllCells: true, cells: ["ZW mode-16 1"] }]);
});
test("TallySender: more changes between two looks than a tally notes are sent as a whole", () => {
  const subject = new Subject();
  subject.tell("east");
  for (let player = 0; player < 100; player++) subject.report(player, CA, "GM01");
  expect(subject.tell("east")).toMatchObject([{ isAllCells: true, cells: ["CA GM01 100"] }]);
});
test("TallySender: what is too much for one message waits for the next, and so does its beat", () => {
  const subject = new Subject();
  subject.sender.take(1);
  for (let region = 0; region < COUNTRIES; region++)
    for (let mode = 0; mode < 400; mode++) {
      const id = playerId(region * 400 + mode);
      const number = subject.engine.admitMode(`mode-${mode}`);
      subject.engine.report(subject.engine.hash(id), id, region, number, NO_SEQ);
    }
  expect(subject.tell("east", true).map(({ partition }) => partition)).toEqual([0]);
  expect(subject.tell("east", true).map(({ partition, isAllCells }) => [partition, isAllCells])).toEqual([
    [0, false],
    [1, true],
  ]);
});
test("TallySender.cells() are those of changes that were not acknowledged: the numbers of their modes must stay theirs", () => {
  const subject = new Subject();
  subject.report(0, CA, "old");
  subject.tell("east");
  subject.report(0, CA, "new");
  const modes = new PartitionCounts(subject.engine);
  expect(Array.from(subject.sender.cells(), (cell) => modes.modeOf(cell)).sort()).toEqual(["new", "old"]);
  subject.tell("east");
  expect([...subject.sender.cells()]).toEqual([]);
});
