import { expect, test } from "vitest";
import { NO_SEQ, Partition } from "../../engine/partition.ts";
import { NOWHERE } from "../../engine/presence-table.ts";
import { hashOf, KEY, playerId } from "../../simulator/players.ts";
import { CA, NumberedPartition, REMOVAL, SESSION, US } from "../support/numbered-partition.ts";

test("Partition.report() connects a player: counted, logged, touched", () => {
  const subject = new NumberedPartition();
  expect(subject.touched()).toBe(false);
  expect(subject.report(1, CA, NO_SEQ, 5)).toBe("changed");
  expect(subject.row(1)).toEqual({ cell: CA, seen: 5, seq: 0 });
  expect(subject.counts()).toEqual({ [CA]: 1 });
  expect(subject.boards.of(1).top(5)).toEqual([{ mode: "GM00", players: 1 }]);
  expect(subject.logged()).toEqual([[1, CA, 5, 0]]);
  expect(subject.touched()).toBe(true);
});
test("Partition.report() moves a player: one count falls, the other rises", () => {
  const subject = new NumberedPartition();
  subject.report(1, CA, NO_SEQ, 0);
  subject.report(2, CA, NO_SEQ, 0);
  subject.logged();
  subject.touched();
  expect(subject.report(1, US + 1, NO_SEQ, 7)).toBe("changed");
  expect(subject.row(1)).toEqual({ cell: US + 1, seen: 7, seq: 0 });
  expect(subject.counts()).toEqual({ [CA]: 1, [US + 1]: 1 });
  expect([subject.boards.of(1).players, subject.boards.of(2).players]).toEqual([1, 1]);
  expect(subject.logged()).toEqual([[1, US + 1, 7, 0]]);
  expect(subject.touched()).toBe(true);
});
test("Partition.report() that moves nothing renews the session and is not logged", () => {
  const subject = new NumberedPartition();
  subject.report(1, CA, NO_SEQ, 0);
  subject.logged();
  subject.touched();
  expect(subject.report(1, CA, NO_SEQ, 9)).toBe("renewed");
  expect(subject.row(1)).toEqual({ cell: CA, seen: 9, seq: 0 });
  expect(subject.counts()).toEqual({ [CA]: 1 });
  expect(subject.logged()).toEqual([]);
  expect(subject.touched()).toBe(true);
});
test("Partition.report() logs a newer seq that moves nothing, else an older report could undo it after a crash", () => {
  const subject = new NumberedPartition();
  subject.report(1, CA, 3, 0);
  expect(subject.logged()).toEqual([[1, CA, 0, 3]]);
  expect(subject.report(1, CA, 4, 2)).toBe("renewed");
  expect(subject.logged()).toEqual([[1, CA, 2, 4]]);
});
test("Partition.report() ignores a seq not above the newest: not changed, not renewed, not logged", () => {
  const subject = new NumberedPartition();
  subject.report(1, CA, 3, 0);
  subject.logged();
  subject.touched();
  for (const seq of [1, 2, 3]) expect(subject.report(1, US, seq, 9)).toBe("late");
  expect(subject.row(1)).toEqual({ cell: CA, seen: 0, seq: 3 });
  expect(subject.logged()).toEqual([]);
  expect(subject.touched()).toBe(false);
  expect(subject.report(1, US, 4, 9)).toBe("changed");
  expect(subject.row(1)).toEqual({ cell: US, seen: 9, seq: 4 });
});
test("Partition.report() without seq applies and leaves the seq as it was", () => {
  const subject = new NumberedPartition();
  subject.report(1, CA, 3, 0);
  expect(subject.report(1, US, NO_SEQ, 1)).toBe("changed");
  expect(subject.row(1)).toEqual({ cell: US, seen: 1, seq: 3 });
  expect(subject.report(1, CA, 3, 2)).toBe("late");
});
test("Partition.report() with seq 0 begins anew", () => {
  const subject = new NumberedPartition();
  subject.report(1, CA, 3, 0);
  subject.logged();
  expect(subject.report(1, CA, 0, 1)).toBe("renewed");
  expect(subject.row(1)?.seq).toBe(0);
  expect(subject.logged(), "the fall of seq is remembered").toEqual([[1, CA, 1, 0]]);
  expect(subject.report(1, CA, 0, 2)).toBe("renewed");
  expect(subject.logged(), "nothing new").toEqual([]);
  expect(subject.report(1, US, 1, 3)).toBe("changed");
});
test("Partition.report() orders seq up to 2^32 - 1", () => {
  const subject = new NumberedPartition();
  subject.report(1, CA, 2 ** 31, 0);
  expect(subject.report(1, US, 2 ** 31 - 1, 0)).toBe("late");
  expect(subject.report(1, US, 2 ** 31, 0)).toBe("late");
  expect(subject.report(1, US, 2 ** 32 - 1, 0)).toBe("changed");
  expect(subject.report(1, CA, 2 ** 32 - 2, 0)).toBe("late");
  expect(subject.row(1)).toEqual({ cell: US, seen: 0, seq: 2 ** 32 - 1 });
  subject.logged();
  subject.report(1, US, 2 ** 32 - 1, 0);
  expect(subject.logged()).toEqual([]);
});
test("Partition.report() finds no room in a full partition, and changes nothing", () => {
  const subject = new NumberedPartition();
  subject.report(1, CA, NO_SEQ, 0);
  subject.logged();
  subject.partition.table.size = 2 ** 20 - 1;
  expect(subject.report(2, CA, NO_SEQ, 0)).toBe("full");
  expect(subject.report(1, US, NO_SEQ, 0), "who is there may move").toBe("changed");
  subject.partition.table.size = 1;
  expect(subject.counts()).toEqual({ [US]: 1 });
  expect(subject.logged()).toEqual([[1, US, 0, 0]]);
});
test("Partition.report() of one who was silent too long connects anew, whatever the seq", () => {
  const subject = new NumberedPartition();
  subject.report(1, CA, 5, 0);
  expect(subject.report(1, US, 2, SESSION)).toBe("changed");
  expect(subject.row(1)).toEqual({ cell: US, seen: SESSION, seq: 2 });
  expect(subject.counts()).toEqual({ [US]: 1 });
});
test("Partition.renew() keeps a player connected, and is not logged", () => {
  const subject = new NumberedPartition();
  expect(subject.renew(1, 0), "never seen").toBe(false);
  expect(subject.touched()).toBe(false);
  subject.report(1, CA, 3, 0);
  subject.logged();
  subject.touched();
  expect(subject.renew(1, SESSION - 1)).toBe(true);
  expect(subject.row(1)).toEqual({ cell: CA, seen: SESSION - 1, seq: 3 });
  expect(subject.logged()).toEqual([]);
  expect(subject.touched()).toBe(true);
  expect(subject.renew(1, 2 * SESSION - 1), "overdue").toBe(false);
  expect(subject.row(1)).toBeUndefined();
});
test("Partition.remove() disconnects: counted nowhere, logged, touched", () => {
  const subject = new NumberedPartition();
  subject.report(1, CA, 3, 0);
  subject.logged();
  subject.touched();
  expect(subject.remove(1, 7)).toBe(true);
  expect(subject.row(1)).toEqual({ cell: NOWHERE, seen: 7, seq: 3 });
  expect(subject.counts()).toEqual({});
  expect(subject.boards.players).toBe(0);
  expect(subject.logged()).toEqual([[1, NOWHERE, 7, 3]]);
  expect(subject.touched()).toBe(true);
});
test("R27: Partition.remove() of one who is not known is remembered and logged: others may still know somebody who fell silent", () => {
  const subject = new NumberedPartition();
  expect(subject.remove(1, 7), "never seen").toBe(false);
  expect(subject.remove(1, 7), "known as removed").toBe(false);
  expect(subject.row(1)).toMatchObject({ cell: NOWHERE, seen: 7, seq: 0 });
  expect(subject.logged()).toEqual([[1, NOWHERE, 7, 0]]);
  expect(subject.touched()).toBe(true);
  subject.report(2, CA, 3, 0);
  subject.logged();
  subject.touched();
  expect(subject.remove(2, SESSION), "silent").toBe(false);
  expect(subject.logged()).toEqual([[2, NOWHERE, SESSION, 0]]);
  expect(subject.touched()).toBe(true);
  expect(subject.counts()).toEqual({});
  const unlogged = new NumberedPartition({ isLogged: false });
  unlogged.remove(1, 7);
  expect(unlogged.logged()).toEqual([]);
});
test("R27: Partition.remove() with a seq leaves a player of whom a newer one is known", () => {
  const subject = new NumberedPartition();
  subject.report(1, CA, 5, 0);
  subject.logged();
  subject.touched();
  for (const seq of [0, 1, 4]) expect(subject.remove(1, 7, seq), `seq ${seq}`).toBe(false);
  expect(subject.row(1)).toEqual({ cell: CA, seen: 0, seq: 5 });
  expect([subject.logged(), subject.touched()]).toEqual([[], false]);
  expect(subject.remove(1, 8, 5), "not above it").toBe(true);
  expect(subject.row(1)).toEqual({ cell: NOWHERE, seen: 8, seq: 5 });
});
test.each([[0], [3], [4_294_967_295]])(
  "R27: Partition.remove() with seq %i removes a player who never had one",
  (seq) => {
    const subject = new NumberedPartition();
    subject.report(1, CA, NO_SEQ, 0);
    expect(subject.remove(1, 7, seq)).toBe(true);
    expect(subject.row(1)).toMatchObject({ cell: NOWHERE });
  },
);
test("R27: reports up to a removal's seq are late after it, also where nobody was known, or was removed before", () => {
  const subject = new NumberedPartition();
  subject.report(1, CA, 3, 0);
  expect(subject.remove(1, 7, 9)).toBe(true);
  expect(subject.logged().at(-1)).toEqual([1, NOWHERE, 7, 9]);
  expect(subject.remove(2, 7, 9), "not known").toBe(false);
  expect(subject.logged()).toEqual([[2, NOWHERE, 7, 9]]);
  subject.remove(3, 6);
  subject.logged();
  subject.touched();
  expect(subject.remove(3, 7, 9), "removed before").toBe(false);
  expect(subject.logged()).toEqual([[3, NOWHERE, 7, 9]]);
  expect(subject.touched()).toBe(true);
  expect(subject.remove(3, 8, 8), "by a later one").toBe(false);
  expect(subject.logged()).toEqual([]);
  for (const player of [1, 2, 3]) {
    expect(subject.report(player, CA, 9, 8)).toBe("late");
    expect(subject.report(player, CA, 10, 8)).toBe("changed");
  }
});
test("Partition.remove() and renew() of one who was removed do nothing", () => {
  const subject = new NumberedPartition();
  subject.report(1, CA, 3, 0);
  subject.remove(1, 7);
  subject.logged();
  subject.touched();
  expect([subject.remove(1, 8), subject.renew(1, 8)]).toEqual([false, false]);
  expect(subject.row(1)?.seen).toBe(7);
  expect(subject.logged()).toEqual([]);
  expect(subject.touched()).toBe(false);
});
test("Partition remembers a removed player's seq for as long as it is told (R27)", () => {
  const subject = new NumberedPartition();
  subject.report(1, CA, 3, 0);
  subject.remove(1, 100);
  expect(subject.report(1, US, 3, 100 + REMOVAL - 1), "late, while it is remembered").toBe("late");
  expect(subject.row(1)?.cell).toBe(NOWHERE);
  expect(subject.report(1, US, 3, 100 + REMOVAL), "forgotten").toBe("changed");
});
test("Partition.report() connects one who was removed, with a newer seq or without (R27)", () => {
  const subject = new NumberedPartition();
  for (const player of [1, 2, 3]) {
    subject.report(player, CA, 3, 0);
    subject.remove(player, 0);
  }
  expect(subject.report(1, CA, 4, 1)).toBe("changed");
  expect(subject.report(2, CA, NO_SEQ, 1)).toBe("changed");
  expect(subject.report(3, CA, 0, 1)).toBe("changed");
  expect([1, 2, 3].map((player) => subject.row(player)?.seq)).toEqual([4, 3, 0]);
  expect(subject.counts()).toEqual({ [CA]: 3 });
});
test("Partition.findLive() sees nobody who was silent for a session's life", () => {
  const subject = new NumberedPartition();
  subject.report(1, CA, NO_SEQ, 10);
  const [id0, id1, id2, id3] = playerId(1);
  const findAt = (now: number): number => subject.partition.findLive(hashOf(playerId(1)), id0, id1, id2, id3, now);
  expect(findAt(10 + SESSION - 1)).toBe(subject.baseOf(1));
  expect(subject.partition.cellAt(findAt(10))).toBe(CA);
  expect(subject.row(1)?.seen).toBe(10);
  subject.touched();
  expect(findAt(10 + SESSION)).toBeLessThan(0);
  expect(subject.touched()).toBe(true);
  expect(subject.counts()).toEqual({});
  expect(findAt(10 + SESSION)).toBeLessThan(0);
});
test("Partition keeps everybody until the grace is over (R26), but not what it remembers of removed ones", () => {
  const subject = new NumberedPartition();
  subject.partition.graceUntil = 2000;
  subject.report(1, CA, NO_SEQ, 0);
  subject.report(2, CA, NO_SEQ, 0);
  subject.remove(2, 0);
  expect(subject.partition.sweep(1999, 1000)).toBeGreaterThan(0);
  expect([subject.row(1)?.cell, subject.row(2)]).toEqual([CA, undefined]);
  expect(subject.renew(1, 1999)).toBe(true);
  subject.report(3, CA, NO_SEQ, 1000);
  expect(subject.partition.sweep(2000, 1000)).toBeGreaterThan(0);
  expect([subject.row(1)?.cell, subject.row(3)], "heard of less or more than a session ago").toEqual([CA, undefined]);
});
test("Partition.restore() sets a row as it was written, and is not logged", () => {
  const subject = new NumberedPartition();
  expect(subject.restore(1, CA, -50, 2 ** 32 - 1)).toBe(true);
  expect(subject.row(1)).toEqual({ cell: CA, seen: -50, seq: 2 ** 32 - 1 });
  expect(subject.counts()).toEqual({ [CA]: 1 });
  expect(subject.logged()).toEqual([]);
  expect(subject.touched()).toBe(true);
});
test("Partition.restore() of one who is there replaces the row: counted once", () => {
  const subject = new NumberedPartition();
  const rows = [
    [CA, 1, 1],
    [US, 2, 0],
    [NOWHERE, 3, 7],
    [NOWHERE, 3, 7],
    [US, 5, 8],
    [US, 5, 8],
  ] as const;
  for (const [cell, seen, seq] of rows) {
    subject.restore(1, cell, seen, seq);
    expect(subject.row(1)).toEqual({ cell, seen, seq });
    expect(subject.counts()).toEqual(cell === NOWHERE ? {} : { [cell]: 1 });
    expect(subject.boards.players).toBe(cell === NOWHERE ? 0 : 1);
  }
});
test("Partition.restore() says when the partition is full", () => {
  const subject = new NumberedPartition();
  subject.restore(1, CA, 0, 0);
  subject.partition.table.size = 2 ** 20 - 1;
  expect(subject.restore(2, CA, 0, 0)).toBe(false);
  expect(subject.restore(1, US, 0, 0), "who is there has a row").toBe(true);
  subject.partition.table.size = 1;
  expect(subject.counts()).toEqual({ [US]: 1 });
});
test("Partition.clear() forgets everybody, and takes its players off the boards only", () => {
  const subject = new NumberedPartition();
  const other = new Partition(
    { key: KEY, sessionTenths: SESSION, removalTenths: REMOVAL, isLogged: true },
    subject.boards,
  );
  other.report(hashOf(playerId(9)), ...([...playerId(9)] as [number, number, number, number]), CA, NO_SEQ, 0);
  for (let player = 0; player < 100; player++) subject.report(player, CA + (player & 1), NO_SEQ, 0);
  subject.remove(3, 0);
  subject.partition.clear();
  expect(subject.boards.of(1).top(5)).toEqual([{ mode: "GM00", players: 1 }]);
  expect(subject.counts()).toEqual({});
  expect(subject.partition.table.size).toBe(0);
  expect(subject.logged()).toEqual([]);
  expect(subject.report(3, CA, NO_SEQ, 0)).toBe("changed");
  expect(subject.counts()).toEqual({ [CA]: 1 });
  for (let player = 0; player < 100; player++) subject.report(player, US, NO_SEQ, 0);
  expect(subject.counts()).toEqual({ [US]: 100 });
});
test("Partition keeps no log where none is wanted", () => {
  const subject = new NumberedPartition({ isLogged: false });
  subject.report(1, CA, 3, 0);
  subject.report(1, CA, 4, 0);
  subject.remove(1, 0);
  expect(subject.logged()).toEqual([]);
});
test("Partition.cells() is the cell of each player who is connected", () => {
  const subject = new NumberedPartition();
  for (const [player, cell] of [
    [1, CA],
    [2, US],
    [3, CA],
    [4, CA],
  ] as const)
    subject.report(player, cell, NO_SEQ, 0);
  subject.remove(4, 0);
  expect([...subject.partition.cells()].sort((a, b) => a - b)).toEqual([CA, CA, US]);
});
