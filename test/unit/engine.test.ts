import { expect, test } from "vitest";
import { Engine } from "../../engine/engine.ts";
import { MODES_MAX } from "../../engine/modes.ts";
import { ROW_WORDS, takenRows } from "../../engine/presence-table.ts";
import { formatProfileId } from "../../engine/profile-id.ts";
import { REGIONS } from "../../engine/places.ts";
import { itemAt, take } from "../../simulator/item-at.ts";
import { hashOf, playerId } from "../../simulator/players.ts";
import { plainMessage, plainRows } from "../support/rows.ts";
import { CA, NumberedEngine, OPTIONS, recovered, START_MS, US, WALL_MS } from "../support/numbered-engine.ts";

test.each([0, 1, 3, 15, 100, 8192, -2, 0.5, 2.5, NaN, Infinity])("Engine refuses %d partitions", (partitions) => {
  expect(() => new Engine({ ...OPTIONS, partitions }, 0)).toThrow(
    new RangeError(`Cannot make Engine: partitions must be a power of two from 2 to 4096, got ${partitions}`),
  );
});
test.each([2, 16, 256, 4096])("Engine.partitionOf() spreads players over %i partitions", (partitions) => {
  const { engine } = new NumberedEngine({ partitions });
  expect(engine.partitions).toHaveLength(partitions);
  const players = new Array<number>(partitions).fill(0);
  for (let player = 0; player < 20 * partitions; player++)
    (players[engine.partitionOf(engine.hash(playerId(player)))] as number)++;
  expect(Math.min(...players)).toBeGreaterThan(0);
  expect(Math.max(...players)).toBeLessThan(60);
  expect(players).toHaveLength(partitions);
});
test("Engine.hash() is keyed", () => {
  expect(new NumberedEngine().engine.hash(playerId(1))).toBe(hashOf(playerId(1)));
  const other = new NumberedEngine({ hashKey: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8) });
  expect(other.engine.hash(playerId(1))).not.toBe(hashOf(playerId(1)));
});
test("Engine counts a player once, in the last region and mode reported", () => {
  const subject = new NumberedEngine();
  expect(subject.report(1, CA, "GM01")).toBe("changed");
  expect(subject.report(2, CA, "GM01")).toBe("changed");
  expect(subject.report(1, US, "GM02")).toBe("changed");
  expect(subject.report(1, US, "GM02")).toBe("renewed");
  expect(subject.engine.boards.of(CA).top(5)).toEqual([{ mode: "GM01", players: 1 }]);
  expect(subject.engine.boards.of(US).top(5)).toEqual([{ mode: "GM02", players: 1 }]);
  expect(subject.engine.boards.players).toBe(2);
  subject.engine.assertSound();
});
test("Engine.find() tells where a player is, and when heard of", () => {
  const subject = new NumberedEngine();
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
  const subject = new NumberedEngine();
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
  expect(subject.report(1, US, "GM01", 3)).toBe("changed");
});
test("Engine disconnects who was silent for a session's life, on the tenth of a second", () => {
  const subject = new NumberedEngine();
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
  const subject = new NumberedEngine({ sessionMs: 901, removalMs: 101 });
  subject.report(1, CA, "GM01");
  subject.report(2, CA, "GM01", 1);
  subject.remove(2);
  subject.pass(100, 0);
  expect(subject.report(2, CA, "GM01", 1)).toBe("late");
  subject.pass(100, 0);
  expect(subject.report(2, CA, "GM01", 1)).toBe("changed");
  subject.pass(700, 0);
  expect(subject.find(1)).toBeDefined();
  subject.pass(100, 0);
  expect(subject.find(1)).toBeUndefined();
});
test("Engine lets nobody age while nobody looks (R25)", () => {
  const subject = new NumberedEngine();
  subject.report(1, CA, "GM01");
  subject.engine.sweep(START_MS + 3_600_000, Infinity);
  expect(subject.find(1)).toEqual({ region: CA, mode: "GM01", seenMs: START_MS });
  expect(subject.engine.time.tenths).toBe(10);
});
test("Engine.warm() changes nothing", () => {
  const subject = new NumberedEngine();
  for (let player = 0; player < 100; player++) subject.report(player, CA, "GM01");
  const copies = (): unknown => subject.engine.partitions.map((_, partition) => subject.engine.copy(partition, 0));
  const before = copies();
  const hashes = Int32Array.from({ length: 200 }, (_, player) => hashOf(playerId(player)));
  subject.engine.warm(hashes, 200);
  expect(copies()).toEqual(before);
  subject.engine.assertSound();
});
test("Engine.warm() reads where the searches of the first `count` hashes begin", () => {
  const subject = new NumberedEngine();
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
  const subject = new NumberedEngine();
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

test("Engine.drainLog() encodes what changed in a partition since it was drained last, with its age", () => {
  const subject = new NumberedEngine();
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
  const { engine } = new NumberedEngine();
  expect(engine.writtenAtMs(START_MS, WALL_MS)).toBe(WALL_MS);
  engine.sweep(START_MS + 950, 0); // 9 tenths are whole
  expect(engine.writtenAtMs(START_MS + 950, WALL_MS)).toBe(WALL_MS - 50);
  expect(engine.writtenAtMs(START_MS + 1300, WALL_MS)).toBe(WALL_MS - 400);
});
test("Engine.copy() is a partition's table as it stood, apart from it", () => {
  const subject = new NumberedEngine();
  const partition = subject.partitionOf(1);
  subject.report(1, CA, "GM01");
  subject.pass(200);
  const copy = subject.engine.copy(partition, WALL_MS);
  subject.report(1, US, "GM02");
  expect([copy.now, copy.writtenAtMs, copy.modeNames]).toEqual([2, WALL_MS, ["GM01"]]);
  expect(plainRows({ ...copy, ...takenRows(copy.words) })).toMatchObject([{ place: ["CA", "GM01"], age: 2, seq: 0 }]);
  expect(copy.words.length).toBe(2 * ROW_WORDS);
});

test("Engine.clear() drops a partition: its players are counted no more, its log is empty, its time begins anew", () => {
  const before = new NumberedEngine();
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
  const subject = new NumberedEngine({ isLogged: false });
  subject.report(1, CA, "GM01");
  expect(subject.drain(subject.partitionOf(1)).count).toBe(0);
});

test("Engine without boards counts the same, forgets modes as ever, and is asked for no board", () => {
  const subject = new NumberedEngine({ hasBoards: false, isLogged: false });
  subject.report(1, CA, "kept");
  subject.report(2, CA, "left");
  subject.report(2, US, "kept");
  for (let mode = 2; mode < MODES_MAX; mode++) subject.engine.admitMode(`m${mode}`);
  subject.pass(5000);
  subject.renew(1);
  subject.renew(2);
  subject.pass(9000);
  expect(subject.engine.admitMode("new"), "the modes that nobody is in make room").toBeGreaterThanOrEqual(0);
  expect([subject.engine.modes.peek("kept"), subject.engine.modes.peek("left")]).toEqual([0, -1]);
  subject.engine.catchUpBoards(Infinity);
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
