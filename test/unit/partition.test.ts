import { expect, test } from "vitest";

import { Boards } from "../../engine/boards.ts";
import { InvariantError } from "../../engine/invariant.ts";
import { MODE_BITS } from "../../engine/modes.ts";
import { NO_SEQ, Partition, type PartitionOptions, SWEEP_FORGET_COST } from "../../engine/partition.ts";
import { CELL, NOWHERE, ROW_WORDS, SEEN, SEQ } from "../../engine/presence-table.ts";
import type { ProfileId } from "../../engine/profile-id.ts";
import { itemAt } from "../../simulator/item-at.ts";
import { hashOf, KEY, playerId } from "../../simulator/players.ts";

const SESSION = 900;
const REMOVAL = 40;
const [CA, US] = [1 << MODE_BITS, 2 << MODE_BITS];
const MODES = ["GM00", "GM01"];

/** A partition, called with player numbers in place of hashes and ids. */
class Subject {
  readonly boards = new Boards(MODES);
  readonly partition: Partition;

  constructor(options: Partial<PartitionOptions> = {}) {
    const all = { key: KEY, sessionTenths: SESSION, removalTenths: REMOVAL, isLogged: true, ...options };
    this.partition = new Partition(all, this.boards);
  }
  report(player: number, cell: number, seq: number, now: number): string {
    const [id0, id1, id2, id3] = playerId(player);
    return this.partition.report(hashOf(playerId(player)), id0, id1, id2, id3, cell, seq, now);
  }
  renew(player: number, now: number): boolean {
    const [id0, id1, id2, id3] = playerId(player);
    return this.partition.renew(hashOf(playerId(player)), id0, id1, id2, id3, now);
  }
  remove(player: number, now: number): boolean {
    const [id0, id1, id2, id3] = playerId(player);
    return this.partition.remove(hashOf(playerId(player)), id0, id1, id2, id3, now);
  }
  restore(player: number, cell: number, seen: number, seq: number): boolean {
    const words = Int32Array.of(99, ...playerId(player), 0, 0, seq);
    return this.partition.restore(hashOf(playerId(player)), words, 1, cell, seen);
  }
  /** Where the row is, whether overdue or not. */
  baseOf(player: number): number {
    const [id0, id1, id2, id3] = playerId(player);
    return this.partition.table.find(hashOf(playerId(player)), id0, id1, id2, id3);
  }
  row(player: number): { cell: number; seen: number; seq: number } | undefined {
    const base = this.baseOf(player);
    if (base < 0) return undefined;
    const { rows } = this.partition.table;
    return { cell: itemAt(rows, base + CELL), seen: itemAt(rows, base + SEEN), seq: itemAt(rows, base + SEQ) >>> 0 };
  }
  counts(): Record<number, number> {
    this.assertSound();
    return Object.fromEntries(this.partition.tally.cells());
  }
  /** What was logged since the last call: player, cell, seen, seq. */
  logged(): number[][] {
    const { unlogged } = this.partition;
    const rows = Array.from({ length: unlogged.count }, (_, row) => {
      const words = unlogged.words.subarray(row * ROW_WORDS, (row + 1) * ROW_WORDS);
      return [~itemAt(words, 2), itemAt(words, CELL), itemAt(words, SEEN), itemAt(words, SEQ) >>> 0];
    });
    unlogged.clear();
    return rows;
  }
  /** Whether anything was touched since the last call. */
  touched(): boolean {
    const { isTouched } = this.partition;
    this.partition.isTouched = false;
    return isTouched;
  }
  assertSound(): void {
    const { table } = this.partition;
    this.partition.assertSound((base) => hashOf(table.rows.subarray(base, base + 4) as ProfileId));
  }
}

test("Partition.report() connects a player: counted, logged, touched", () => {
  const subject = new Subject();
  expect(subject.touched()).toBe(false);
  expect(subject.report(1, CA, NO_SEQ, 5)).toBe("moved");
  expect(subject.row(1)).toEqual({ cell: CA, seen: 5, seq: 0 });
  expect(subject.counts()).toEqual({ [CA]: 1 });
  expect(subject.boards.of(1).top(5)).toEqual([{ mode: "GM00", players: 1 }]);
  expect(subject.logged()).toEqual([[1, CA, 5, 0]]);
  expect(subject.touched()).toBe(true);
});
test("Partition.report() moves a player: one count falls, the other rises", () => {
  const subject = new Subject();
  subject.report(1, CA, NO_SEQ, 0);
  subject.report(2, CA, NO_SEQ, 0);
  subject.logged();
  subject.touched();
  expect(subject.report(1, US + 1, NO_SEQ, 7)).toBe("moved");
  expect(subject.row(1)).toEqual({ cell: US + 1, seen: 7, seq: 0 });
  expect(subject.counts()).toEqual({ [CA]: 1, [US + 1]: 1 });
  expect([subject.boards.of(1).players, subject.boards.of(2).players]).toEqual([1, 1]);
  expect(subject.logged()).toEqual([[1, US + 1, 7, 0]]);
  expect(subject.touched()).toBe(true);
});
test("Partition.report() that moves nothing renews the session and is not logged", () => {
  const subject = new Subject();
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
  const subject = new Subject();
  subject.report(1, CA, 3, 0);
  expect(subject.logged()).toEqual([[1, CA, 0, 3]]);
  expect(subject.report(1, CA, 4, 2)).toBe("renewed");
  expect(subject.logged()).toEqual([[1, CA, 2, 4]]);
});
test("Partition.report() ignores a seq not above the newest: not moved, not renewed, not logged", () => {
  const subject = new Subject();
  subject.report(1, CA, 3, 0);
  subject.logged();
  subject.touched();
  for (const seq of [1, 2, 3]) expect(subject.report(1, US, seq, 9)).toBe("late");
  expect(subject.row(1)).toEqual({ cell: CA, seen: 0, seq: 3 });
  expect(subject.logged()).toEqual([]);
  expect(subject.touched()).toBe(false);
  expect(subject.report(1, US, 4, 9)).toBe("moved");
  expect(subject.row(1)).toEqual({ cell: US, seen: 9, seq: 4 });
});
test("Partition.report() without seq applies and leaves the seq as it was", () => {
  const subject = new Subject();
  subject.report(1, CA, 3, 0);
  expect(subject.report(1, US, NO_SEQ, 1)).toBe("moved");
  expect(subject.row(1)).toEqual({ cell: US, seen: 1, seq: 3 });
  expect(subject.report(1, CA, 3, 2)).toBe("late");
});
test("Partition.report() with seq 0 begins anew", () => {
  const subject = new Subject();
  subject.report(1, CA, 3, 0);
  subject.logged();
  expect(subject.report(1, CA, 0, 1)).toBe("renewed");
  expect(subject.row(1)?.seq).toBe(0);
  expect(subject.logged(), "the fall of seq is remembered").toEqual([[1, CA, 1, 0]]);
  expect(subject.report(1, CA, 0, 2)).toBe("renewed");
  expect(subject.logged(), "nothing new").toEqual([]);
  expect(subject.report(1, US, 1, 3)).toBe("moved");
});
test("Partition.report() orders seq up to 2^32 - 1", () => {
  const subject = new Subject();
  subject.report(1, CA, 2 ** 31, 0);
  expect(subject.report(1, US, 2 ** 31 - 1, 0)).toBe("late");
  expect(subject.report(1, US, 2 ** 31, 0)).toBe("late");
  expect(subject.report(1, US, 2 ** 32 - 1, 0)).toBe("moved");
  expect(subject.report(1, CA, 2 ** 32 - 2, 0)).toBe("late");
  expect(subject.row(1)).toEqual({ cell: US, seen: 0, seq: 2 ** 32 - 1 });
  subject.logged();
  subject.report(1, US, 2 ** 32 - 1, 0);
  expect(subject.logged()).toEqual([]);
});
test("Partition.report() finds no room in a full partition, and changes nothing", () => {
  const subject = new Subject();
  subject.report(1, CA, NO_SEQ, 0);
  subject.logged();
  subject.partition.table.size = 2 ** 20 - 1;
  expect(subject.report(2, CA, NO_SEQ, 0)).toBe("full");
  expect(subject.report(1, US, NO_SEQ, 0), "who is there may move").toBe("moved");
  subject.partition.table.size = 1;
  expect(subject.counts()).toEqual({ [US]: 1 });
  expect(subject.logged()).toEqual([[1, US, 0, 0]]);
});
test("Partition.report() of one who was silent too long connects anew, whatever the seq", () => {
  const subject = new Subject();
  subject.report(1, CA, 5, 0);
  expect(subject.report(1, US, 2, SESSION)).toBe("moved");
  expect(subject.row(1)).toEqual({ cell: US, seen: SESSION, seq: 2 });
  expect(subject.counts()).toEqual({ [US]: 1 });
});
test("Partition.renew() keeps a player connected, and is not logged", () => {
  const subject = new Subject();
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
  const subject = new Subject();
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
test("Partition.remove() of one who is not known is logged: the record may still know somebody who fell silent", () => {
  const subject = new Subject();
  expect(subject.remove(1, 7), "never seen").toBe(false);
  expect(subject.row(1)).toBeUndefined();
  expect(subject.logged()).toEqual([[1, NOWHERE, 7, 0]]);
  expect(subject.touched()).toBe(true);
  subject.report(2, CA, 3, 0);
  subject.logged();
  subject.touched();
  expect(subject.remove(2, SESSION), "silent").toBe(false);
  expect(subject.logged()).toEqual([[2, NOWHERE, SESSION, 0]]);
  expect(subject.touched()).toBe(true);
  expect(subject.counts()).toEqual({});
  const unlogged = new Subject({ isLogged: false });
  unlogged.remove(1, 7);
  expect(unlogged.logged()).toEqual([]);
});
test("Partition.remove() and renew() of one who was removed do nothing", () => {
  const subject = new Subject();
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
  const subject = new Subject();
  subject.report(1, CA, 3, 0);
  subject.remove(1, 100);
  expect(subject.report(1, US, 3, 100 + REMOVAL - 1), "late, while it is remembered").toBe("late");
  expect(subject.row(1)?.cell).toBe(NOWHERE);
  expect(subject.report(1, US, 3, 100 + REMOVAL), "forgotten").toBe("moved");
});
test("Partition.report() connects one who was removed, with a newer seq or without (R27)", () => {
  const subject = new Subject();
  for (const player of [1, 2, 3]) {
    subject.report(player, CA, 3, 0);
    subject.remove(player, 0);
  }
  expect(subject.report(1, CA, 4, 1)).toBe("moved");
  expect(subject.report(2, CA, NO_SEQ, 1)).toBe("moved");
  expect(subject.report(3, CA, 0, 1)).toBe("moved");
  expect([1, 2, 3].map((player) => subject.row(player)?.seq)).toEqual([4, 3, 0]);
  expect(subject.counts()).toEqual({ [CA]: 3 });
});
test("Partition.findLive() sees nobody who was silent for a session's life", () => {
  const subject = new Subject();
  subject.report(1, CA, NO_SEQ, 10);
  const [id0, id1, id2, id3] = playerId(1);
  const findAt = (now: number): number => subject.partition.findLive(hashOf(playerId(1)), id0, id1, id2, id3, now);
  expect(findAt(10 + SESSION - 1)).toBe(subject.baseOf(1));
  expect(subject.partition.cellAt(findAt(10))).toBe(CA);
  expect(subject.partition.seenAt(findAt(10))).toBe(10);
  subject.touched();
  expect(findAt(10 + SESSION)).toBeLessThan(0);
  expect(subject.touched()).toBe(true);
  expect(subject.counts()).toEqual({});
  expect(findAt(10 + SESSION)).toBeLessThan(0);
});
test("Partition keeps everybody until the grace is over (R26), but not what it remembers of removed ones", () => {
  const subject = new Subject();
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
test("Partition.sweep() forgets the silent and the long removed, nobody else", () => {
  const subject = new Subject();
  subject.report(1, CA, NO_SEQ, 0);
  subject.report(2, CA, NO_SEQ, 1);
  subject.report(3, US, NO_SEQ, 0);
  subject.remove(3, SESSION - REMOVAL);
  subject.report(4, US, NO_SEQ, 0);
  subject.remove(4, SESSION - REMOVAL + 1);
  subject.logged();
  subject.touched();
  expect(subject.partition.sweep(SESSION, 1000)).toBeGreaterThan(0);
  expect([1, 2, 3, 4].map((player) => subject.row(player)?.cell)).toEqual([undefined, CA, undefined, NOWHERE]);
  expect(subject.counts()).toEqual({ [CA]: 1 });
  expect(subject.boards.players).toBe(1);
  expect(subject.touched()).toBe(true);
  expect(subject.logged(), "whoever replays the log finds them silent as well").toEqual([]);
});
test("Partition.sweep() looks at as many rows as it is told, and goes on from there", () => {
  const subject = new Subject();
  for (let player = 0; player < 10; player++) subject.report(player, CA, NO_SEQ, 0);
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
  const subject = new Subject();
  for (let player = 0; player < 10; player++) subject.report(player, CA, NO_SEQ, 0);
  let calls = 0;
  while (subject.partition.table.size > 0) {
    const before = subject.partition.table.size;
    subject.partition.sweep(SESSION, 1);
    calls++;
    expect(before - subject.partition.table.size).toBeLessThanOrEqual(1);
  }
  expect(calls).toBeGreaterThanOrEqual(10);
  for (let player = 0; player < 10; player++) subject.report(player, CA, NO_SEQ, SESSION);
  const left = subject.partition.sweep(2 * SESSION, 1000);
  expect(subject.partition.table.size).toBe(0);
  expect(left, "what is left of a pass that was not begun anew").toBeLessThanOrEqual(
    1000 - 10 * (SWEEP_FORGET_COST + 1),
  );
  for (let player = 0; player < 10; player++) subject.report(player, CA, NO_SEQ, 2 * SESSION);
  subject.partition.sweep(3 * SESSION, 2 * (SWEEP_FORGET_COST + 1) + 1);
  expect(subject.partition.table.size).toBeGreaterThanOrEqual(7);
});
test("Partition.sweep() finds all silent players of a table that shrinks under it, in at most two passes", () => {
  for (const budget of [1, 50, 1000, 1e6]) {
    const subject = new Subject();
    for (let player = 0; player < 500; player++)
      subject.report(player, CA + (player & 1), NO_SEQ, player % 3 === 0 ? 10 : 0);
    for (let passes = 0; passes < 2;) if (subject.partition.sweep(SESSION, budget) > 0) passes++;
    expect(subject.partition.table.size, `budget ${budget}`).toBe(167);
    expect(subject.counts()).toEqual({ [CA]: 84, [CA + 1]: 83 });
  }
});
test("Partition.restore() sets a row as it was written, and is not logged", () => {
  const subject = new Subject();
  expect(subject.restore(1, CA, -50, 2 ** 32 - 1)).toBe(true);
  expect(subject.row(1)).toEqual({ cell: CA, seen: -50, seq: 2 ** 32 - 1 });
  expect(subject.counts()).toEqual({ [CA]: 1 });
  expect(subject.logged()).toEqual([]);
  expect(subject.touched()).toBe(true);
});
test("Partition.restore() of one who is there replaces the row: counted once", () => {
  const subject = new Subject();
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
  const subject = new Subject();
  subject.restore(1, CA, 0, 0);
  subject.partition.table.size = 2 ** 20 - 1;
  expect(subject.restore(2, CA, 0, 0)).toBe(false);
  expect(subject.restore(1, US, 0, 0), "who is there has a row").toBe(true);
  subject.partition.table.size = 1;
  expect(subject.counts()).toEqual({ [US]: 1 });
});
test("Partition.clear() forgets everybody, and takes its players off the boards only", () => {
  const subject = new Subject();
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
  expect(subject.report(3, CA, NO_SEQ, 0)).toBe("moved");
  expect(subject.counts()).toEqual({ [CA]: 1 });
  for (let player = 0; player < 100; player++) subject.report(player, US, NO_SEQ, 0);
  expect(subject.counts()).toEqual({ [US]: 100 });
});
test("Partition keeps no log where none is wanted", () => {
  const subject = new Subject({ isLogged: false });
  subject.report(1, CA, 3, 0);
  subject.report(1, CA, 4, 0);
  subject.remove(1, 0);
  expect(subject.logged()).toEqual([]);
});
test("Partition.cells() is the cell of each player who is connected", () => {
  const subject = new Subject();
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

const planted: Record<string, [rule: string, plant: (subject: Subject) => void]> = {
  "a row where no search ends": [
    "every player has one row, and the search ends at it",
    (subject) => {
      const { rows } = subject.partition.table;
      const base = subject.baseOf(1);
      const free = [...Array(rows.length / ROW_WORDS).keys()]
        .map((row) => row * ROW_WORDS)
        .find(
          (at) =>
            subject.partition.table.isFree(at) &&
            subject.partition.table.isFree((at + rows.length - ROW_WORDS) % rows.length),
        ) as number;
      rows.copyWithin(free, base, base + ROW_WORDS);
      rows.fill(0, base, base + ROW_WORDS);
    },
  ],
  "a row more than the size": ["the size is the number of rows", (subject) => subject.partition.table.size--],
  "a player counted who is nowhere": [
    "a cell is tallied where a player is in it",
    (subject) => subject.partition.tally.enter(US + 1),
  ],
  "a player who is not counted": [
    "a cell is tallied where a player is in it",
    (subject) => subject.partition.tally.leave(US),
  ],
  "a player counted twice": [
    "a count is the number of presences there",
    (subject) => subject.partition.tally.enter(CA),
  ],
  "a player counted elsewhere": [
    "a cell is tallied where a player is in it",
    (subject) => (subject.partition.table.rows[subject.baseOf(3) + CELL] = CA),
  ],
};
test.each(Object.entries(planted))("Partition.assertSound() stops on a planted fault: %s", (_, [rule, plant]) => {
  const subject = new Subject();
  for (const [player, cell] of [
    [1, CA],
    [2, CA],
    [3, US],
    [4, US],
  ] as const)
    subject.report(player, cell, NO_SEQ, 0);
  subject.remove(4, 0);
  expect(() => subject.assertSound()).not.toThrow();
  plant(subject);
  expect(() => subject.assertSound()).toThrow(new InvariantError(`Broken invariant: ${rule}`));
});
