import { expect, test } from "vitest";

import { type DecodedRows, decodeRows, encodeRows } from "../../engine/codec.ts";
import { Engine, type EngineOptions } from "../../engine/engine.ts";
import { InvariantError } from "../../engine/invariant.ts";
import { MODES_MAX } from "../../engine/modes.ts";
import { NO_SEQ, SWEEP_FORGET_COST } from "../../engine/partition.ts";
import { CELL, NOWHERE, ROW_WORDS, takenRows } from "../../engine/presence-table.ts";
import { formatProfileId } from "../../engine/profile-id.ts";
import { REGIONS, regionOf } from "../../engine/regions.ts";
import { itemAt, take } from "../../simulator/item-at.ts";
import { hashOf, KEY_BYTES, playerId } from "../../simulator/players.ts";
import { plainMessage, plainRows } from "../support/rows.ts";

const OPTIONS: EngineOptions = {
  partitions: 16,
  hashKey: KEY_BYTES,
  sessionMs: 10_000,
  removalMs: 4000,
  graceMs: 5000,
  isLogged: true,
};
const START_MS = 1_000_000;
const WALL_MS = 1_700_000_000_000;
const [CA, US] = [regionOf("CA"), regionOf("US")];

/** An engine, called with player numbers and names. */
class Subject {
  readonly engine: Engine;
  nowMs = START_MS;

  constructor(options: Partial<EngineOptions> = {}) {
    this.engine = new Engine({ ...OPTIONS, ...options }, START_MS);
  }
  report(player: number, region: number, mode: string, seq = NO_SEQ): string {
    const id = playerId(player);
    return this.engine.report(this.engine.hash(id), id, region, this.engine.admitMode(mode), seq);
  }
  renew(player: number): boolean {
    return this.engine.renew(this.engine.hash(playerId(player)), playerId(player));
  }
  remove(player: number): boolean {
    return this.engine.remove(this.engine.hash(playerId(player)), playerId(player));
  }
  find(player: number): ReturnType<Engine["find"]> {
    return this.engine.find(this.engine.hash(playerId(player)), playerId(player));
  }
  /** Lets time pass in looks a tenth of a second apart, as a node does. */
  pass(ms: number, budget = Infinity): void {
    for (const endMs = this.nowMs + ms; this.nowMs < endMs;) {
      this.nowMs = Math.min(this.nowMs + 100, endMs);
      this.engine.sweep(this.nowMs, budget);
    }
  }
  partitionOf(player: number): number {
    return this.engine.partitionOf(this.engine.hash(playerId(player)));
  }
  /** The record of a partition: its table, as a snapshot. */
  snapshot(partition: number, wallMs = WALL_MS): DecodedRows {
    const copy = this.engine.copy(partition, wallMs);
    return decodeRows("snapshot", encodeRows("snapshot", { ...copy, ...takenRows(copy.words) }));
  }
  drain(partition: number, wallMs = WALL_MS): DecodedRows {
    return decodeRows("log", this.engine.drainLog(partition, wallMs));
  }
}

test.each([0, 1, 3, 15, 100, 8192, -2, 0.5, 2.5, NaN, Infinity])("Engine refuses %d partitions", (partitions) => {
  expect(() => new Engine({ ...OPTIONS, partitions }, 0)).toThrow(
    new RangeError(`Cannot make Engine: partitions must be a power of two from 2 to 4096, got ${partitions}`),
  );
});
test.each([2, 16, 256, 4096])("Engine.partitionOf() spreads players over %i partitions", (partitions) => {
  const { engine } = new Subject({ partitions });
  expect(engine.partitions).toHaveLength(partitions);
  const players = new Array<number>(partitions).fill(0);
  for (let player = 0; player < 20 * partitions; player++)
    (players[engine.partitionOf(engine.hash(playerId(player)))] as number)++;
  expect(Math.min(...players)).toBeGreaterThan(0);
  expect(Math.max(...players)).toBeLessThan(60);
  expect(players).toHaveLength(partitions);
});
test("Engine.hash() is keyed", () => {
  expect(new Subject().engine.hash(playerId(1))).toBe(hashOf(playerId(1)));
  const other = new Subject({ hashKey: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8) });
  expect(other.engine.hash(playerId(1))).not.toBe(hashOf(playerId(1)));
});
test("Engine counts a player once, in the last region and mode reported", () => {
  const subject = new Subject();
  expect(subject.report(1, CA, "GM01")).toBe("moved");
  expect(subject.report(2, CA, "GM01")).toBe("moved");
  expect(subject.report(1, US, "GM02")).toBe("moved");
  expect(subject.report(1, US, "GM02")).toBe("renewed");
  expect(subject.engine.boards.of(CA).top(5)).toEqual([{ mode: "GM01", players: 1 }]);
  expect(subject.engine.boards.of(US).top(5)).toEqual([{ mode: "GM02", players: 1 }]);
  expect(subject.engine.boards.players).toBe(2);
  subject.engine.assertSound();
});
test("Engine.find() tells where a player is, and when heard of", () => {
  const subject = new Subject();
  expect(subject.find(1)).toBeUndefined();
  subject.report(1, CA, "GM01");
  subject.report(2, CA, "GM02");
  expect(subject.find(1)).toEqual({ region: CA, mode: "GM01", seenMs: START_MS });
  subject.pass(3000);
  expect(subject.find(1)).toEqual({ region: CA, mode: "GM01", seenMs: START_MS });
  expect(subject.renew(1)).toBe(true);
  expect(subject.find(1)).toEqual({ region: CA, mode: "GM01", seenMs: START_MS + 3000 });
  expect(subject.find(2)).toEqual({ region: CA, mode: "GM02", seenMs: START_MS });
});
test("Engine.remove() disconnects, and find() says so while the seq is remembered (R27)", () => {
  const subject = new Subject();
  expect(subject.remove(1)).toBe(false);
  subject.report(1, CA, "GM01", 3);
  subject.pass(1000);
  expect(subject.remove(1)).toBe(true);
  expect(subject.remove(1)).toBe(false);
  expect(subject.renew(1)).toBe(false);
  expect(subject.find(1)).toEqual({ region: -1, mode: "", seenMs: START_MS + 1000 });
  expect(subject.engine.boards.players).toBe(0);
  expect(subject.report(1, US, "GM01", 3)).toBe("late");
  subject.pass(OPTIONS.removalMs);
  expect(subject.find(1)).toBeUndefined();
  expect(subject.report(1, US, "GM01", 3)).toBe("moved");
});
test("Engine disconnects who was silent for a session's life, on the tenth of a second", () => {
  const subject = new Subject();
  subject.report(1, CA, "GM01");
  subject.report(2, CA, "GM01");
  subject.pass(OPTIONS.sessionMs - 100, 0);
  expect(subject.renew(1)).toBe(true);
  expect(subject.find(2)).toBeDefined();
  subject.pass(100, 0);
  expect(subject.find(2)).toBeUndefined();
  expect(subject.renew(2)).toBe(false);
  expect(subject.find(1)).toBeDefined();
});
test("Engine rounds times up to the tenth of a second", () => {
  const subject = new Subject({ sessionMs: 901, removalMs: 101 });
  subject.report(1, CA, "GM01");
  subject.report(2, CA, "GM01", 1);
  subject.remove(2);
  subject.pass(100, 0);
  expect(subject.report(2, CA, "GM01", 1)).toBe("late");
  subject.pass(100, 0);
  expect(subject.report(2, CA, "GM01", 1)).toBe("moved");
  subject.pass(700, 0);
  expect(subject.find(1)).toBeDefined();
  subject.pass(100, 0);
  expect(subject.find(1)).toBeUndefined();
});
test("Engine lets nobody age while nobody looks (R25)", () => {
  const subject = new Subject();
  subject.report(1, CA, "GM01");
  subject.engine.sweep(START_MS + 3_600_000, Infinity);
  expect(subject.find(1)).toEqual({ region: CA, mode: "GM01", seenMs: START_MS });
  expect(subject.engine.time.tenths).toBe(10);
});
test("Engine.sweep() forgets the silent of all partitions, the boards too", () => {
  const subject = new Subject();
  for (let player = 0; player < 1000; player++) subject.report(player, CA, "GM01");
  subject.pass(OPTIONS.sessionMs / 2);
  for (let player = 0; player < 1000; player += 3) subject.renew(player);
  subject.pass(OPTIONS.sessionMs / 2 - 100);
  expect(subject.engine.boards.players).toBe(1000);
  subject.pass(2200); // at most two passes, one a second
  expect(subject.engine.boards.players).toBe(334);
  subject.engine.assertSound();
});
test("Engine.sweep() begins a pass a second, and spends no more than its budget in a call", () => {
  const subject = new Subject({ removalMs: 0 });
  const { engine } = subject;
  const players = engine.partitions.map((_, partition) => firstPlayerOf(subject, partition));
  /** Partitions that the call forgot somebody in: before it, each has one player who is to be forgotten. */
  const sweptBy = (atMs: number, budget: number): number[] => {
    for (const player of players) if (subject.report(player, CA, "GM01") === "moved") subject.remove(player);
    engine.sweep(START_MS + atMs, budget);
    return [...engine.partitions.keys()].filter((partition) => itemAt(engine.partitions, partition).table.size === 0);
  };
  const cost = 2 + SWEEP_FORGET_COST; // a table of two rows, one of them forgotten
  expect(sweptBy(0, 3 * cost)).toEqual([0, 1, 2]);
  expect(sweptBy(100, Infinity), "the rest of the pass").toEqual([3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
  expect(sweptBy(200, Infinity), "the pass is complete").toEqual([]);
  expect(sweptBy(900, Infinity)).toEqual([]);
  expect(sweptBy(1000, 0), "the next one begins, without a budget").toEqual([]);
  expect(sweptBy(1100, Infinity)).toEqual([...engine.partitions.keys()]);
  expect(sweptBy(1900, Infinity), "it began at 1000").toEqual([]);
  expect(sweptBy(2000, 15 * cost)).toEqual([...engine.partitions.keys()].slice(0, 15));
  expect(sweptBy(3500, cost), "the pass of before is completed first").toEqual([15]);
  expect(sweptBy(3500, Infinity), "then the next is due").toEqual([...engine.partitions.keys()]);
});
test("Engine.warm() changes nothing", () => {
  const subject = new Subject();
  for (let player = 0; player < 100; player++) subject.report(player, CA, "GM01");
  const copies = (): unknown => subject.engine.partitions.map((_, partition) => subject.engine.copy(partition, 0));
  const before = copies();
  const hashes = Int32Array.from({ length: 200 }, (_, player) => hashOf(playerId(player)));
  subject.engine.warm(hashes, 200);
  expect(copies()).toEqual(before);
  subject.engine.assertSound();
});
test("Engine.warm() reads where the searches of the first `count` hashes begin", () => {
  const subject = new Subject();
  const [first, second] = take(2, [1, 2].map(playerId));
  subject.report(1, CA, "GM01");
  subject.report(2, CA, "GM01");
  expect(subject.partitionOf(1)).not.toBe(subject.partitionOf(2));
  const hashes = Int32Array.of(hashOf(first), hashOf(second), hashOf(first));
  expect([0, 1, 2, 3].map((count) => subject.engine.warm(hashes, count))).toEqual([
    0,
    first[0],
    first[0] ^ second[0],
    second[0],
  ]);
});
test("Engine.tableBytes and tallyBytes sum all partitions", () => {
  const subject = new Subject();
  expect(subject.engine.tableBytes).toBe(0);
  expect(subject.engine.tallyBytes).toBe(16 * (16 * 8 + 64 * 4));
  for (let player = 0; player < 2000; player++) subject.report(player, player % REGIONS.length, "GM01");
  const sum = (of: (partition: (typeof subject.engine.partitions)[number]) => number): number =>
    subject.engine.partitions.map(of).reduce((total, bytes) => total + bytes, 0);
  subject.engine.assertSound();
  expect(subject.engine.tableBytes).toBe(sum(({ table }) => table.bytes));
  expect(subject.engine.tallyBytes).toBe(sum(({ tally }) => tally.bytes));
  expect(subject.engine.tableBytes).toBeGreaterThan(2000 * 28);
});

test("Engine.admitMode() refuses what has not the form of a mode", () => {
  expect(new Subject().engine.admitMode("no mode")).toBe(-1);
});
test("Engine.admitMode() knows 1024 modes at the most, and those that it knows for ever while somebody is there", () => {
  const subject = new Subject();
  for (let mode = 0; mode < MODES_MAX; mode++) expect(subject.engine.admitMode(`m${mode}`)).toBe(mode);
  expect(subject.engine.admitMode("one-more")).toBe(-1);
  expect([subject.engine.admitMode("m0"), subject.engine.admitMode("m1023")]).toEqual([0, 1023]);
  expect(subject.engine.modes.count).toBe(1024);
});
test("Engine.admitMode() forgets empty modes that a session's life went by without, when room is needed", () => {
  const subject = new Subject();
  subject.report(1, CA, "busy");
  subject.report(2, REGIONS.length - 1, "far");
  for (let mode = 2; mode < MODES_MAX; mode++) subject.engine.admitMode(`m${mode}`);
  subject.pass(OPTIONS.sessionMs - 100);
  subject.renew(1);
  subject.renew(2);
  expect(subject.engine.admitMode("m2"), "in use again").toBe(2);
  expect(subject.engine.admitMode("new"), "too early to forget").toBe(-1);
  subject.pass(1000);
  expect(subject.engine.modes.count, "no room is needed yet").toBe(MODES_MAX);
  expect(subject.engine.admitMode("new")).toBeGreaterThan(2);
  expect(["busy", "far", "m2", "new"].map((name) => subject.engine.modes.find(name, 0) >= 0)).toEqual([
    true,
    true,
    true,
    true,
  ]);
  expect(subject.engine.modes.count).toBe(4);
  expect(subject.find(1)?.mode).toBe("busy");
  expect(subject.find(2)?.mode).toBe("far");
});
test("Engine.admitMode() forgets no mode that a row names which waits for the log", () => {
  const subject = new Subject();
  const outlast = (mode: string): void => {
    for (let number = subject.engine.modes.count; number < MODES_MAX; number++) subject.engine.admitMode(`m${number}`);
    for (const _ of [1, 2]) {
      subject.pass(OPTIONS.sessionMs / 2);
      subject.renew(1);
    }
    expect(subject.engine.admitMode(mode)).toBeGreaterThanOrEqual(0);
  };
  for (const mode of ["first", "left", "stays"]) subject.report(1, CA, mode);
  outlast("new");
  expect(subject.engine.modes.count).toBe(4);
  const places = plainMessage(subject.drain(subject.partitionOf(1))).map(({ place }) => place?.[1]);
  expect(places).toEqual(["first", "left", "stays"]);
  outlast("newer");
  expect(subject.engine.modes.find("left", 0), "the log has it, nobody needs it").toBe(-1);
  expect(subject.find(1)?.mode).toBe("stays");
});
test("Engine.admitMode() forgets no mode that somebody outside still knows by its number", () => {
  const subject = new Subject();
  const held = subject.engine.admitMode("held");
  subject.engine.modesHeld = () => [held];
  for (let number = subject.engine.modes.count; number < MODES_MAX; number++) subject.engine.admitMode(`m${number}`);
  subject.pass(OPTIONS.sessionMs);
  expect(subject.engine.admitMode("new")).toBeGreaterThanOrEqual(0);
  expect(subject.engine.modes.names[held]).toBe("held");
  expect(subject.engine.modes.count).toBe(2);
});
test("Engine.admitMode() looks for modes to forget at most once a second", () => {
  const subject = new Subject({ sessionMs: 500 });
  for (let mode = 0; mode < MODES_MAX; mode++) subject.engine.admitMode(`m${mode}`);
  expect(subject.engine.admitMode("a"), "looked at 0 s").toBe(-1);
  subject.pass(900);
  expect(subject.engine.admitMode("a"), "not again so soon").toBe(-1);
  subject.pass(100);
  expect(subject.engine.admitMode("a")).toBeGreaterThanOrEqual(0);
});
test("Engine.admitMode() at its first need looks at once", () => {
  const subject = new Subject({ sessionMs: 0 });
  for (let mode = 0; mode < MODES_MAX; mode++) subject.engine.admitMode(`m${mode}`);
  expect(subject.engine.admitMode("a")).toBeGreaterThanOrEqual(0);
});

test("Engine.drainLog() encodes what changed in a partition since it was drained last, with its age", () => {
  const subject = new Subject();
  const partition = subject.partitionOf(1);
  subject.report(1, CA, "GM01", 4);
  subject.pass(500);
  subject.report(1, US, "GM02");
  const message = subject.drain(partition, WALL_MS + 0.25);
  expect(message.writtenAtMs).toBe(WALL_MS + 0.25);
  const id = formatProfileId(playerId(1));
  expect(plainMessage(message)).toEqual([
    { id, place: ["CA", "GM01"], age: 5, seq: 4 },
    { id, place: ["US", "GM02"], age: 0, seq: 4 },
  ]);
  expect(subject.drain(partition).count).toBe(0);
});
test("Engine.writtenAtMs() is when the clock was last looked at: up to there ages are counted", () => {
  const { engine } = new Subject();
  expect(engine.writtenAtMs(START_MS, WALL_MS)).toBe(WALL_MS);
  engine.sweep(START_MS + 950, 0); // 9 tenths are whole
  expect(engine.writtenAtMs(START_MS + 950, WALL_MS)).toBe(WALL_MS - 50);
  expect(engine.writtenAtMs(START_MS + 1300, WALL_MS)).toBe(WALL_MS - 400);
});
test("Engine.copy() is a partition's table as it stood, apart from it", () => {
  const subject = new Subject();
  const partition = subject.partitionOf(1);
  subject.report(1, CA, "GM01");
  subject.pass(200);
  const copy = subject.engine.copy(partition, WALL_MS);
  subject.report(1, US, "GM02");
  expect([copy.now, copy.writtenAtMs, copy.modeNames]).toEqual([2, WALL_MS, ["GM01"]]);
  expect(plainRows({ ...copy, ...takenRows(copy.words) })).toMatchObject([{ place: ["CA", "GM01"], age: 2, seq: 0 }]);
  expect(copy.words.length).toBe(2 * ROW_WORDS);
});

function firstPlayerOf(subject: Subject, partition: number): number {
  for (let player = 0; ; player++) if (subject.partitionOf(player) === partition) return player;
}
/** A partition's players recovered from what `subject` wrote, `passedMs` after it. */
function recovered(from: Subject, player: number, messages: readonly DecodedRows[], passedMs = 0): Subject {
  const subject = new Subject();
  subject.engine.recover(from.partitionOf(player), messages, WALL_MS + passedMs);
  subject.engine.assertSound();
  return subject;
}
test("Engine.recover() fills a partition from its snapshot and log", () => {
  const before = new Subject();
  const partition = before.partitionOf(1);
  before.report(1, CA, "GM01", 3);
  const snapshot = before.snapshot(partition);
  before.report(1, US, "GM02", 9);
  const log = before.drain(partition);
  expect(recovered(before, 1, [snapshot]).find(1)).toMatchObject({ region: CA, mode: "GM01" });
  const after = recovered(before, 1, [snapshot, log]);
  expect(after.find(1)).toMatchObject({ region: US, mode: "GM02" });
  expect(after.report(1, CA, "GM01", 9)).toBe("late");
  expect(after.engine.boards.of(US).top(5)).toEqual([{ mode: "GM02", players: 1 }]);
  expect(after.engine.boards.players).toBe(1);
  expect(after.drain(partition).count, "what is recovered is not logged again").toBe(0);
});
test("Engine.recover() of a log twice equals once", () => {
  const before = new Subject();
  const partition = before.partitionOf(1);
  const log: DecodedRows[] = [];
  for (const act of [
    () => before.report(1, CA, "GM01", 3),
    () => before.remove(1),
    () => before.report(1, US, "GM02"),
    () => before.remove(1),
  ]) {
    act();
    log.push(before.drain(partition));
    const [once, twice] = [recovered(before, 1, log), recovered(before, 1, [...log, ...log])];
    expect(twice.engine.copy(partition, 0)).toEqual(once.engine.copy(partition, 0));
    expect(twice.engine.boards.players).toBe(once.engine.boards.players);
  }
});
test("Engine.recover() makes players older by the time that passed, never younger", () => {
  const before = new Subject();
  before.report(1, CA, "GM01");
  const log = before.drain(before.partitionOf(1));
  const seenMs = (passedMs: number): number => START_MS - (recovered(before, 1, [log], passedMs).find(1)?.seenMs ?? 0);
  expect(seenMs(0)).toBe(0);
  expect(seenMs(250)).toBe(300);
  expect(seenMs(-5000), "a wall clock that went back").toBe(0);
  expect(seenMs(1e15)).toBe(2 ** 30 * 100);
});
test("Engine.recover() keeps the age that a message tells", () => {
  const before = new Subject();
  before.report(1, CA, "GM01");
  before.pass(1000);
  const snapshot = before.snapshot(before.partitionOf(1));
  expect(recovered(before, 1, [snapshot], 500).find(1)?.seenMs).toBe(START_MS - 1500);
});
test("Engine.recover() grants everybody the grace (R26), and forgets them after it", () => {
  const before = new Subject();
  before.report(1, CA, "GM01");
  const after = recovered(before, 1, [before.snapshot(before.partitionOf(1))], 3_600_000);
  after.pass(OPTIONS.graceMs - 100);
  expect(after.find(1)).toBeDefined();
  expect(after.engine.boards.players).toBe(1);
  after.pass(100);
  expect(after.find(1)).toBeUndefined();
});
test("Engine.recover() grants the grace from when it is called, rounded up", () => {
  const before = new Subject();
  before.report(1, CA, "GM01");
  const after = new Subject({ graceMs: 901 });
  after.pass(1000);
  after.engine.recover(before.partitionOf(1), [before.snapshot(before.partitionOf(1))], WALL_MS + 3_600_000);
  after.pass(900, 0);
  expect(after.find(1)).toBeDefined();
  after.pass(100, 0);
  expect(after.find(1)).toBeUndefined();
});
test("Engine.recover() replaces what was known of the partition, and nothing of the others", () => {
  const before = new Subject();
  before.report(1, CA, "GM01");
  const after = new Subject();
  const others = Array.from({ length: 50 }, (_, index) => index + 2);
  for (const player of others) after.report(player, US, "GM02");
  const elsewhere = others.filter((player) => after.partitionOf(player) !== before.partitionOf(1));
  expect(elsewhere.length).toBeLessThan(50);
  after.engine.recover(before.partitionOf(1), [before.snapshot(before.partitionOf(1))], WALL_MS);
  expect(after.find(1)).toMatchObject({ region: CA, mode: "GM01" });
  expect(after.engine.boards.of(US).players).toBe(elsewhere.length);
  after.engine.assertSound();
});
test("Engine.recover() refuses players of another partition, and leaves this one empty", () => {
  const before = new Subject();
  before.report(1, CA, "GM01");
  const [right, wrong] = [before.partitionOf(1), before.partitionOf(1) ^ 1];
  const after = new Subject();
  const snapshot = before.snapshot(right);
  expect(() => after.engine.recover(wrong, [snapshot], WALL_MS)).toThrow(
    new RangeError(`Cannot recover partition ${wrong}: it holds a player of another one`),
  );
  // Refused at the second message: what the first brought is gone again.
  itemAt(before.engine.partitions, right).unlogged.clear();
  before.report(firstPlayerOf(before, wrong), US, "GM02");
  expect(() => after.engine.recover(right, [snapshot, before.drain(wrong)], WALL_MS)).toThrow(
    "a player of another one",
  );
  expect(after.engine.boards.players).toBe(0);
  expect(after.find(1)).toBeUndefined();
  after.engine.assertSound();
});
const namesOnly = (modes: readonly string[]): DecodedRows => ({
  writtenAtMs: WALL_MS,
  count: 0,
  regions: [],
  modes,
  words: new Int32Array(0),
});
const manyNames = Array.from({ length: 4095 }, (_, mode) => `m${mode}`);
test("Engine.recover() knows 4095 modes", () => {
  const after = new Subject();
  after.engine.recover(3, [namesOnly(manyNames)], WALL_MS);
  expect(after.engine.modes.count).toBe(4095);
  after.engine.recover(3, [namesOnly([...manyNames, "one-more"])], WALL_MS);
  expect(after.engine.modes.count, "see reserved-mode.test.ts for who is in it").toBe(4095);
});
test("Engine.recover() makes room for modes where nobody is in one, and no row that waits for the log names it", () => {
  const after = new Subject();
  after.report(1, CA, "busy");
  after.report(2, CA, "left");
  after.report(2, CA, "busy");
  const empty = [0, 1, 2].find((each) => itemAt(after.engine.partitions, each).table.size === 0) as number;
  after.engine.recover(empty, [namesOnly(manyNames.slice(2))], WALL_MS);
  expect(after.engine.modes.count).toBe(4095);
  after.engine.recover(empty, [namesOnly(["m7", "one-more"])], WALL_MS);
  const known = after.engine.modes.names.filter((name) => name !== "");
  expect(new Set(known)).toEqual(new Set(["busy", "left", "m7", "one-more"]));
  expect(after.find(1)?.mode).toBe("busy");
  expect(plainMessage(after.drain(after.partitionOf(2))).map(({ place }) => place?.[1])).toContain("left");
});
test("Engine.recover() forgets no mode while there is room", () => {
  const after = new Subject();
  after.engine.admitMode("idle");
  after.engine.recover(3, [namesOnly(["m0"])], WALL_MS);
  expect(after.engine.modes.names).toEqual(["idle", "m0"]);
});
test("Engine.recover() takes no more room than it needs, and takes it at once", () => {
  const before = new Subject();
  before.report(1, CA, "GM01");
  expect(recovered(before, 1, [before.snapshot(before.partitionOf(1))]).engine.tableBytes).toBe(2 * 28);
  for (let player = 2; player < 5000; player++) before.report(player, CA, "GM01");
  const after = recovered(before, 1, [before.snapshot(before.partitionOf(1))]);
  expect(after.engine.tableBytes).toBeLessThan((after.engine.boards.players + 2) * (28 / 0.85));
});
test("Engine.recover() of an empty record grants no grace: there is nobody to grant it to", () => {
  const after = new Subject();
  after.engine.recover(after.partitionOf(1), [namesOnly([]), namesOnly([])], WALL_MS);
  expect(itemAt(after.engine.partitions, after.partitionOf(1)).graceUntil).toBe(0);
});
test("Engine.clear() drops a partition: its players are counted no more, its log is empty, its time begins anew", () => {
  const before = new Subject();
  before.report(1, CA, "GM01");
  const partition = before.partitionOf(1);
  const after = recovered(before, 1, [before.snapshot(partition)]);
  after.report(1, US, "GM01");
  after.engine.clear(partition);
  expect(after.engine.boards.players).toBe(0);
  expect(after.find(1)).toBeUndefined();
  expect(after.drain(partition).count).toBe(0);
  expect(itemAt(after.engine.partitions, partition).graceUntil).toBe(0);
  expect(itemAt(after.engine.partitions, partition).isTouched).toBe(false);
  after.engine.assertSound();
});
test("Engine keeps no log where none is wanted", () => {
  const subject = new Subject({ isLogged: false });
  subject.report(1, CA, "GM01");
  expect(subject.drain(subject.partitionOf(1)).count).toBe(0);
});

const planted: Record<string, [rule: string, plant: (engine: Engine) => void]> = {
  "a board that counts one too many": ["a board is the sum of tallies", (engine) => engine.boards.add(CA << 12, 1)],
  "a board that counts one too few": ["a board is the sum of tallies", (engine) => engine.boards.add(CA << 12, -1)],
  "a board of a region where nobody is": [
    "the sum of all counts is the number of players",
    (engine) => engine.boards.add(US << 12, 1),
  ],
  "a row that was changed behind the tally's back": [
    "a cell is tallied where a player is in it",
    (engine) => {
      const partition = engine.partitions.find(({ table }) => table.size > 0) as Engine["partitions"][number];
      const { rows } = partition.table;
      for (let base = 0; base < rows.length; base += ROW_WORDS) rows[base + CELL] = NOWHERE;
    },
  ],
};
test.each(Object.entries(planted))("Engine.assertSound() stops on a planted fault: %s", (_, [rule, plant]) => {
  const subject = new Subject();
  for (let player = 0; player < 5; player++) subject.report(player, CA, "GM01");
  expect(() => subject.engine.assertSound()).not.toThrow();
  plant(subject.engine);
  expect(() => subject.engine.assertSound()).toThrow(new InvariantError(`Broken invariant: ${rule}`));
});
test("Engine: a mode's number that goes to another name within one tick makes another version of its board", () => {
  const subject = new Subject({ isLogged: false });
  for (let mode = 1; mode < MODES_MAX; mode++) subject.engine.admitMode(`m${mode}`);
  subject.report(1, CA, "old");
  subject.engine.boards.settle();
  const { version } = subject.engine.boards.of(CA);
  for (let passed = 0; passed < 3 * OPTIONS.sessionMs; passed += 1000) {
    subject.pass(1000);
    subject.renew(1);
  }
  const number = subject.engine.modes.find("old", 0);
  subject.remove(1);
  subject.report(2, CA, "new");
  expect(subject.engine.modes.find("new", 0), "it is the same number").toBe(number);
  const board = subject.engine.boards.of(CA);
  expect(board.top(5)).toEqual([{ mode: "new", players: 1 }]);
  expect(board.version).toBeGreaterThan(version);
});
test("Engine without boards counts the same, forgets modes as ever, and is asked for no board", () => {
  const subject = new Subject({ hasBoards: false, isLogged: false });
  subject.report(1, CA, "kept");
  subject.report(2, CA, "left");
  subject.report(2, US, "kept");
  for (let mode = 2; mode < MODES_MAX; mode++) subject.engine.admitMode(`m${mode}`);
  subject.pass(5000);
  subject.renew(1);
  subject.renew(2);
  subject.pass(9000);
  expect(subject.engine.admitMode("new"), "the modes that nobody is in make room").toBeGreaterThanOrEqual(0);
  expect([subject.engine.modes.find("kept", 0), subject.engine.modes.find("left", 0)]).toEqual([0, -1]);
  subject.engine.settleBoards(Infinity);
  subject.engine.assertSound();
  expect(() => subject.engine.boards).toThrow("only an engine with boards is asked for them");
  const { tally } = itemAt(subject.engine.partitions, subject.partitionOf(1));
  expect(tally.players((CA << 12) | 0)).toBe(1);
  itemAt(subject.engine.partitions, 0).clear();
  subject.report(3, CA, "kept");
  const { sums } = subject.engine as unknown as { sums: { add(cell: number, change: number): void } };
  sums.add(CA << 12, 1);
  expect(() => subject.engine.assertSound()).toThrow("a mode's players are the sum of tallies");
});
