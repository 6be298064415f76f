import { expect, test } from "vitest";
import type { DecodedRows } from "../../engine/codec.ts";
import { itemAt } from "../../simulator/item-at.ts";
import { plainMessage } from "../support/rows.ts";
import {
  CA,
  firstPlayerOf,
  NumberedEngine,
  OPTIONS,
  recovered,
  START_MS,
  US,
  WALL_MS,
} from "../support/numbered-engine.ts";

const namesOnly = (modes: readonly string[]): DecodedRows => ({
  writtenAtMs: WALL_MS,
  count: 0,
  regions: [],
  modes,
  words: new Int32Array(0),
});
const manyNames = Array.from({ length: 4095 }, (_, mode) => `m${mode}`);

test("Engine.recover() fills a partition from its snapshot and log", () => {
  const before = new NumberedEngine();
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
  const before = new NumberedEngine();
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
  const before = new NumberedEngine();
  before.report(1, CA, "GM01");
  const log = before.drain(before.partitionOf(1));
  const seenMs = (passedMs: number): number => START_MS - (recovered(before, 1, [log], passedMs).find(1)?.seenMs ?? 0);
  expect(seenMs(0)).toBe(0);
  expect(seenMs(250)).toBe(300);
  expect(seenMs(-5000), "a wall clock that went back").toBe(0);
  expect(seenMs(1e15)).toBe(2 ** 30 * 100);
});
test("Engine.recover() keeps the age that a message tells", () => {
  const before = new NumberedEngine();
  before.report(1, CA, "GM01");
  before.pass(1000);
  const snapshot = before.snapshot(before.partitionOf(1));
  expect(recovered(before, 1, [snapshot], 500).find(1)?.seenMs).toBe(START_MS - 1500);
});
test("Engine.recover() grants everybody the grace (R26), and forgets them after it", () => {
  const before = new NumberedEngine();
  before.report(1, CA, "GM01");
  const after = recovered(before, 1, [before.snapshot(before.partitionOf(1))], 3_600_000);
  after.pass(OPTIONS.graceMs - 100);
  expect(after.find(1)).toBeDefined();
  expect(after.engine.boards.players).toBe(1);
  after.pass(100);
  expect(after.find(1)).toBeUndefined();
});
test("Engine.recover() grants the grace from when it is called, rounded up", () => {
  const before = new NumberedEngine();
  before.report(1, CA, "GM01");
  const after = new NumberedEngine({ graceMs: 901 });
  after.pass(1000);
  after.engine.recover(before.partitionOf(1), [before.snapshot(before.partitionOf(1))], WALL_MS + 3_600_000);
  after.pass(900, 0);
  expect(after.find(1)).toBeDefined();
  after.pass(100, 0);
  expect(after.find(1)).toBeUndefined();
});
test("Engine.recover() replaces what was known of the partition, and nothing of the others", () => {
  const before = new NumberedEngine();
  before.report(1, CA, "GM01");
  const after = new NumberedEngine();
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
  const before = new NumberedEngine();
  before.report(1, CA, "GM01");
  const [right, wrong] = [before.partitionOf(1), before.partitionOf(1) ^ 1];
  const after = new NumberedEngine();
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
test("Engine.recover() knows 4095 modes", () => {
  const after = new NumberedEngine();
  after.engine.recover(3, [namesOnly(manyNames)], WALL_MS);
  expect(after.engine.modes.count).toBe(4095);
  after.engine.recover(3, [namesOnly([...manyNames, "one-more"])], WALL_MS);
  expect(after.engine.modes.count, "see reserved-mode.test.ts for who is in it").toBe(4095);
});
test("Engine.recover() makes room for modes where nobody is in one, and no row that waits for the log names it", () => {
  const after = new NumberedEngine();
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
  const after = new NumberedEngine();
  after.engine.admitMode("idle");
  after.engine.recover(3, [namesOnly(["m0"])], WALL_MS);
  expect(after.engine.modes.names).toEqual(["idle", "m0"]);
});
test("Engine.recover() takes no more room than it needs, and takes it at once", () => {
  const before = new NumberedEngine();
  before.report(1, CA, "GM01");
  expect(recovered(before, 1, [before.snapshot(before.partitionOf(1))]).engine.tableBytes).toBe(2 * 28);
  for (let player = 2; player < 5000; player++) before.report(player, CA, "GM01");
  const after = recovered(before, 1, [before.snapshot(before.partitionOf(1))]);
  expect(after.engine.tableBytes).toBeLessThan((after.engine.boards.players + 2) * (28 / 0.85));
});
test("Engine.recover() of an empty record grants no grace: there is nobody to grant it to", () => {
  const after = new NumberedEngine();
  after.engine.recover(after.partitionOf(1), [namesOnly([]), namesOnly([])], WALL_MS);
  expect(itemAt(after.engine.partitions, after.partitionOf(1)).graceUntil).toBe(0);
});
