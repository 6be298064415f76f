import { expect, test } from "vitest";

import { FlushRounds } from "../../cluster/counts/flush-rounds.ts";
import { itemAt } from "../../simulator/item-at.ts";

interface Asked {
  readonly member: string;
  readonly timeoutMs: number;
  readonly spoken: (partition: number) => void;
  readonly end: () => void;
}

/** Rounds over 3 partitions and two members, whose answers the test gives. */
class Subject {
  nowMs = 0;
  asked: Asked[] = [];
  readonly rounds = new FlushRounds(3, {
    nowMs: () => this.nowMs,
    members: () => ["one", "two"],
    flush: async (member, timeoutMs, spoken) =>
      new Promise((end) => this.asked.push({ member, timeoutMs, spoken, end })),
  });

  /** A member says this of its partitions, to the first question it has not answered. */
  async answer(member: string, partitions: readonly number[]): Promise<void> {
    const asked = this.asked.find((each) => each.member === member)!;
    this.asked.splice(this.asked.indexOf(asked), 1);
    for (const partition of partitions) asked.spoken(partition);
    asked.end();
    await Promise.resolve();
    await Promise.resolve();
  }
  tickAt(nowMs: number): void {
    this.nowMs = nowMs;
    this.rounds.tick();
  }
  get members(): string[] {
    return this.asked.map(({ member }) => member);
  }
}

test("FlushRounds.flush() asks all members at once, and is whole when every partition was spoken for (R24)", async () => {
  const subject = new Subject();
  const flushed = subject.rounds.flush();
  expect(subject.asked.map(({ member, timeoutMs }) => [member, timeoutMs])).toEqual([
    ["one", 300],
    ["two", 300],
  ]);
  await subject.answer("one", [0, 2, 0]);
  expect(subject.rounds.rounds).toBe(0);
  await subject.answer("two", [1]);
  expect(await flushed).toBe(true);
  expect([subject.rounds.rounds, subject.rounds.incompleteRounds]).toEqual([1, 0]);
});
test("FlushRounds.flush() while a round runs waits for the next one, which serves all who wait (R24)", async () => {
  const subject = new Subject();
  const first = subject.rounds.flush();
  const ends: string[] = [];
  const later = [subject.rounds.flush(), subject.rounds.flush()];
  void itemAt(later, 0).then(() => ends.push("later"));
  subject.nowMs = 10;
  await subject.answer("one", [0, 1, 2]);
  expect(await first).toBe(true);
  expect([ends, subject.members]).toEqual([[], ["two", "one", "two"]]);
  await subject.answer("two", []);
  await subject.answer("one", [0]);
  await subject.answer("two", [1, 2]);
  expect(await Promise.all(later)).toEqual([true, true]);
  expect(subject.rounds.rounds).toBe(2);
});
test("FlushRounds: what an earlier round is told late counts for nothing in the next (R24)", async () => {
  const subject = new Subject();
  const first = subject.rounds.flush();
  const second = subject.rounds.flush();
  subject.nowMs = 10;
  await subject.answer("one", [0, 1, 2]);
  expect(await first).toBe(true);
  await subject.answer("two", [0, 1, 2]);
  expect(subject.rounds.rounds, "that was an answer to the first round").toBe(1);
  await subject.answer("one", [0, 1, 2]);
  expect(await second).toBe(true);
});
test("FlushRounds asks again every 100 ms while a partition is missing, and gives up after 300 ms (R24)", async () => {
  const subject = new Subject();
  const flushed = subject.rounds.flush();
  await subject.answer("one", [0]);
  await subject.answer("two", []);
  subject.tickAt(99);
  expect(subject.members).toEqual([]);
  subject.tickAt(100);
  expect(subject.members).toEqual(["one", "two"]);
  subject.tickAt(120);
  expect(subject.members).toEqual(["one", "two"]);
  subject.tickAt(210);
  expect(subject.asked.map(({ timeoutMs }) => timeoutMs)).toEqual([200, 200, 90, 90]);
  subject.tickAt(299);
  expect(subject.rounds.rounds).toBe(0);
  subject.tickAt(300);
  expect(await flushed).toBe(false);
  expect([subject.rounds.rounds, subject.rounds.incompleteRounds]).toEqual([1, 1]);
  subject.tickAt(900);
  expect(subject.members).toHaveLength(4);
});
test("FlushRounds: one who speaks when asked again makes the round whole", async () => {
  const subject = new Subject();
  const flushed = subject.rounds.flush();
  await subject.answer("one", [0, 1]);
  await subject.answer("two", []);
  subject.tickAt(100);
  await subject.answer("two", [2]);
  expect(await flushed).toBe(true);
});
test("FlushRounds.restart() makes the round begin anew: what was said is not enough (R22)", async () => {
  const subject = new Subject();
  const flushed = subject.rounds.flush();
  await subject.answer("one", [0, 1]);
  subject.rounds.restart();
  await subject.answer("two", [2]);
  expect(subject.rounds.rounds).toBe(0);
  subject.tickAt(100);
  await subject.answer("one", [0, 1]);
  expect(await flushed).toBe(true);
  subject.rounds.restart();
  expect(subject.members, "no round runs").toEqual(["two"]);
});
test("FlushRounds begins at most one round every 10 ms, however many ask (R24)", async () => {
  const subject = new Subject();
  const first = subject.rounds.flush();
  await subject.answer("one", [0, 1, 2]);
  expect(await first).toBe(true);
  subject.asked.length = 0;
  subject.tickAt(9);
  const waiting = [subject.rounds.flush(), subject.rounds.flush()];
  expect(subject.members, "too soon").toEqual([]);
  subject.nowMs = 10;
  waiting.push(subject.rounds.flush());
  expect(subject.members, "one round for all three").toEqual(["one", "two"]);
  await subject.answer("one", [0, 1, 2]);
  expect(await Promise.all(waiting)).toEqual([true, true, true]);
  expect(subject.rounds.rounds).toBe(2);
});
test("FlushRounds: who had to wait is served by a tick (R24)", async () => {
  const subject = new Subject();
  void subject.rounds.flush();
  await subject.answer("one", [0, 1, 2]);
  subject.asked.length = 0;
  const waiting = subject.rounds.flush();
  subject.tickAt(20);
  expect(subject.members).toEqual(["one", "two"]);
  await subject.answer("two", [0, 1, 2]);
  expect(await waiting).toBe(true);
});
