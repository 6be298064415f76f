import { expect, test } from "vitest";
import { NO_SEQ } from "../../engine/partition.ts";
import { SWEEP_FORGET_COST } from "../../engine/partition-sweep.ts";
import { NOWHERE, type PresenceTable, ROW_WORDS } from "../../engine/presence-table.ts";
import { itemAt } from "../../simulator/item-at.ts";
import { CA, firstPlayerOf, NumberedEngine, OPTIONS, START_MS } from "../support/numbered-engine.ts";
import { CA as CA_CELL, NumberedPartition, REMOVAL, SESSION, US as US_CELL } from "../support/numbered-partition.ts";

test("Engine.sweep() forgets the silent of all partitions, the boards too", () => {
  const subject = new NumberedEngine();
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
  const subject = new NumberedEngine({ removalMs: 0 });
  const { engine } = subject;
  const players = engine.partitions.map((_, partition) => firstPlayerOf(subject, partition));
  /** Partitions that the call forgot somebody in: before it, each has one player who is to be forgotten. */
  const sweptBy = (atMs: number, budget: number): number[] => {
    for (const player of players) if (subject.report(player, CA, "GM01") === "changed") subject.remove(player);
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
test("Partition.sweep() forgets the silent and the long removed, nobody else", () => {
  const subject = new NumberedPartition();
  subject.report(1, CA_CELL, NO_SEQ, 0);
  subject.report(2, CA_CELL, NO_SEQ, 1);
  subject.report(3, US_CELL, NO_SEQ, 0);
  subject.remove(3, SESSION - REMOVAL);
  subject.report(4, US_CELL, NO_SEQ, 0);
  subject.remove(4, SESSION - REMOVAL + 1);
  subject.logged();
  subject.touched();
  expect(subject.partition.sweep(SESSION, 1000)).toBeGreaterThan(0);
  expect([1, 2, 3, 4].map((player) => subject.row(player)?.cell)).toEqual([undefined, CA_CELL, undefined, NOWHERE]);
  expect(subject.counts()).toEqual({ [CA_CELL]: 1 });
  expect(subject.boards.players).toBe(1);
  expect(subject.touched()).toBe(true);
  expect(subject.logged(), "whoever replays the log finds them silent as well").toEqual([]);
});
test("Partition.sweep() looks at as many rows as it is told, and goes on from there", () => {
  const subject = new NumberedPartition();
  for (let player = 0; player < 10; player++) subject.report(player, CA_CELL, NO_SEQ, 0);
  subject.touched();
  const rowCount = subject.partition.table.rows.length / ROW_WORDS;
  expect(subject.partition.sweep(1, rowCount), "all rows: complete").toBe(1);
  expect(subject.partition.sweep(1, rowCount - 1), "all but one").toBe(0);
  expect(subject.partition.sweep(1, 15), "the last one").toBe(14);
  expect(subject.partition.sweep(1, 100)).toBe(100 - rowCount);
  expect(subject.partition.sweep(1, 0), "nothing to look at with").toBe(0);
  expect(subject.touched(), "nobody was forgotten").toBe(false);
});
test("Partition.sweep() counts a row forgotten as SWEEP_FORGET_COST rows looked at", () => {
  const subject = new NumberedPartition();
  for (let player = 0; player < 10; player++) subject.report(player, CA_CELL, NO_SEQ, 0);
  let calls = 0;
  while (subject.partition.table.size > 0) {
    const before = subject.partition.table.size;
    subject.partition.sweep(SESSION, 1);
    calls++;
    expect(before - subject.partition.table.size).toBeLessThanOrEqual(1);
  }
  expect(calls).toBeGreaterThanOrEqual(10);
  for (let player = 0; player < 10; player++) subject.report(player, CA_CELL, NO_SEQ, SESSION);
  const left = subject.partition.sweep(2 * SESSION, 1000);
  expect(subject.partition.table.size).toBe(0);
  expect(left, "what is left of a pass that was not begun anew").toBeLessThanOrEqual(
    1000 - 10 * (SWEEP_FORGET_COST + 1),
  );
  for (let player = 0; player < 10; player++) subject.report(player, CA_CELL, NO_SEQ, 2 * SESSION);
  subject.partition.sweep(3 * SESSION, 2 * (SWEEP_FORGET_COST + 1) + 1);
  expect(subject.partition.table.size).toBeGreaterThanOrEqual(7);
});
test("Partition.sweep() finds all silent players of a table that shrinks under it, in at most two passes", () => {
  for (const budget of [1, 50, 1000, 1e6]) {
    const subject = new NumberedPartition();
    for (let player = 0; player < 500; player++)
      subject.report(player, CA_CELL + (player & 1), NO_SEQ, player % 3 === 0 ? 10 : 0);
    for (let passes = 0; passes < 2;) if (subject.partition.sweep(SESSION, budget) > 0) passes++;
    expect(subject.partition.table.size, `budget ${budget}`).toBe(167);
    expect(subject.counts()).toEqual({ [CA_CELL]: 84, [CA_CELL + 1]: 83 });
  }
});
test.each([200, 20])(
  "Partition.sweep() keeps searches short while a whole crowd is forgotten, %i a call",
  (perCall) => {
    const subject = new NumberedPartition();
    for (let player = 0; player < 5000; player++)
      subject.report(player, CA_CELL, NO_SEQ, player % 50 === 0 ? SESSION : 0);
    const { partition } = subject;
    const longestRuns: number[] = [];
    while (partition.table.size > 100) {
      partition.sweep(SESSION, perCall * (SWEEP_FORGET_COST + 1));
      longestRuns.push(longestRun(partition.table));
    }
    expect(Math.max(...longestRuns)).toBeLessThan(500);
    expect(subject.counts()).toEqual({ [CA_CELL]: 100 });
  },
);
test("Partition.sweep() forgets many at once: what changed is noted, rows are placed anew, the pass is complete", () => {
  const subject = new NumberedPartition();
  for (let player = 0; player < 1000; player++) subject.report(player, CA_CELL + (player & 1), NO_SEQ, player % 4);
  for (let player = 0; player < 1000; player += 10) subject.remove(player, 1);
  const changed = subject.partition.noteChanges();
  subject.touched();
  expect(subject.partition.sweep(SESSION + 2, Infinity)).toBe(Infinity);
  const isKept = (player: number): boolean => player % 10 !== 0 && player % 4 === 3;
  const kept = Array.from({ length: 1000 }, (_, player) => player).filter(isKept);
  expect(subject.partition.table.size).toBe(kept.length);
  for (const player of kept) expect(subject.row(player)).toEqual({ cell: CA_CELL + 1, seen: 3, seq: 0 });
  expect(subject.counts()).toEqual({ [CA_CELL + 1]: kept.length });
  expect(subject.boards.players).toBe(kept.length);
  expect(changed.table.size).toBe(1000 - kept.length);
  expect(subject.touched()).toBe(true);
  expect(subject.partition.sweep(SESSION + 3, Infinity)).toBe(Infinity);
  expect(subject.partition.table.bytes, "nobody is left").toBe(0);
  expect(subject.report(1, CA_CELL, NO_SEQ, SESSION + 3), "it is filled again").toBe("changed");
});
test("Partition.sweep() that forgets many at once spends most of a call on it", () => {
  const subject = new NumberedPartition();
  for (let player = 0; player < 1000; player++) subject.report(player, CA_CELL, NO_SEQ, 0);
  const rowCount = subject.partition.table.rows.length / ROW_WORDS;
  const left = subject.partition.sweep(SESSION, 100_000);
  expect(left).toBeLessThanOrEqual(100_000 - 8 * rowCount);
  expect(left).toBeGreaterThan(100_000 - 11 * rowCount);
});

/** The most taken rows one behind the other: the longest way that a search may go. */
function longestRun(table: PresenceTable): number {
  let [longest, run] = [0, 0];
  for (let base = 0; base < table.rows.length; base += ROW_WORDS) {
    run = table.isFree(base) ? 0 : run + 1;
    longest = Math.max(longest, run);
  }
  return longest;
}
