import { expect, test } from "vitest";
import type { Membership } from "../../cluster/members/membership.ts";
import { placementOf } from "../../cluster/members/placement.ts";
import type { HandOff } from "../../cluster/moves/hand-off.ts";
import { Holdings } from "../../cluster/moves/holdings.ts";
import { Leaving } from "../../cluster/moves/leaving.ts";
import type { Member } from "../../cluster/ports/view.ts";
import { HeldRecord } from "../../cluster/records/held-record.ts";
import type { Recorder } from "../../cluster/records/recorder.ts";
import { incarnationOf, memberNumber, viewOfMembers } from "../support/members.ts";

const PARTITIONS = 4;
const CLAIM = { term: 1, incarnation: incarnationOf(1), founding: "f" };

/** Node 1, which leaves, over a list, a store and a hand-off in the test's hand. */
class Subject {
  readonly recorder = { isIdle: false, hurried: [] as number[][] };
  readonly handOff = { isAwaited: false };
  fatesOwed = 0;
  now = 0;
  readonly membership = {
    me: memberNumber(1),
    view: viewOfMembers(1, [1]),
    isLicensed: true,
    calls: 0,
    answer: Promise.withResolvers<boolean>(),
    beginLeaving: () => this.list(memberNumber(1, { isLeaving: true })),
    leave: () => {
      this.membership.calls++;
      return this.membership.answer.promise;
    },
  };
  readonly holdings: Holdings;
  readonly leaving: Leaving;

  constructor() {
    const membership = this.membership as unknown as Membership;
    const unheard = (): void => undefined;
    this.holdings = new Holdings(PARTITIONS, {
      membership,
      placement: () => placementOf(membership.view, PARTITIONS),
      nowMs: () => 0,
      onServing: unheard,
      onStopped: unheard,
    });
    const recorder = {
      hurry: (partitions: readonly number[]) => void this.recorder.hurried.push([...partitions]),
    } as unknown as Recorder;
    Object.defineProperty(recorder, "isIdle", { get: () => this.recorder.isIdle });
    this.leaving = new Leaving({
      holdings: this.holdings,
      membership,
      recorder,
      handOff: this.handOff as unknown as HandOff,
      fatesOwed: () => this.fatesOwed,
      nowMs: () => this.now,
    });
  }

  list(...members: Member[]): void {
    this.membership.view = viewOfMembers(1, [], { members });
  }

  serve(partition: number): void {
    const record = new HeldRecord({ partition, claim: CLAIM }, 0);
    this.holdings.take(partition);
    this.holdings.serve(partition, { kind: "serving", record, doubtUntilMs: -Infinity });
  }

  /** Whether a tick makes it go. */
  goes(): boolean {
    const before = this.membership.calls;
    this.leaving.tick();
    return this.membership.calls > before;
  }

  /** What a tick makes due for a snapshot. */
  hurries(): number[] {
    this.recorder.hurried = [];
    this.leaving.tick();
    return this.recorder.hurried.flat();
  }
}

const ME_LEAVING = memberNumber(1, { isLeaving: true });

test("R11: a node that was not asked to leave stays, whatever it holds", () => {
  const subject = new Subject();
  subject.recorder.isIdle = true;
  expect(subject.goes()).toBe(false);
  subject.list();
  expect([subject.goes(), subject.leaving.isDone], "it is not even listed").toEqual([false, false]);
});
test("R11: while another stays, a node goes once it holds nothing and no taker waits for what it keeps", () => {
  const subject = new Subject();
  subject.serve(0);
  subject.leaving.begin();
  subject.list(ME_LEAVING, memberNumber(2));
  subject.recorder.isIdle = true;
  expect(subject.goes(), "it serves one").toBe(false);
  subject.holdings.letGo(0);
  expect(subject.goes(), "it lets one go").toBe(false);
  subject.holdings.forget(0);
  subject.holdings.take(0);
  expect(subject.goes(), "it takes one").toBe(false);
  const record = new HeldRecord({ partition: 0, claim: CLAIM }, 0);
  subject.holdings.settle(0, { kind: "serving", record, doubtUntilMs: -Infinity }, 1);
  expect(subject.goes(), "one settles").toBe(false);
  subject.holdings.forget(0);
  subject.handOff.isAwaited = true;
  expect(subject.goes(), "a taker waits").toBe(false);
  subject.handOff.isAwaited = false;
  expect(subject.recorder.hurried, "nothing is stored for others to load").toEqual([]);
  subject.recorder.isIdle = false;
  expect(subject.goes()).toBe(true);
});
test.each([
  ["is alone", []],
  ["is with one that leaves too", [memberNumber(2, { isLeaving: true })]],
  ["is with one that may own nothing yet", [memberNumber(2, { isJoining: true })]],
])("R11: a node that %s stores what it serves, once, and goes when that is done", (_, others) => {
  const subject = new Subject();
  subject.serve(0);
  subject.serve(2);
  subject.leaving.begin();
  subject.list(ME_LEAVING, ...others);
  expect(subject.hurries()).toEqual([0, 2]);
  subject.serve(3);
  expect(subject.hurries(), "one that came from another who leaves").toEqual([3]);
  expect(subject.goes()).toBe(false);
  subject.recorder.isIdle = true;
  expect(subject.goes()).toBe(true);
});
test("R11: what was stored while nobody stayed is stored again, should the newcomer be gone", () => {
  const subject = new Subject();
  subject.serve(0);
  subject.leaving.begin();
  expect(subject.hurries()).toEqual([0]);
  subject.list(ME_LEAVING, memberNumber(2));
  expect(subject.hurries()).toEqual([]);
  subject.list(ME_LEAVING);
  expect(subject.hurries()).toEqual([0]);
});
test("R11: a node waits until the list says that it leaves, and does not wait where it is not listed", () => {
  const subject = new Subject();
  subject.recorder.isIdle = true;
  subject.leaving.begin();
  subject.list(memberNumber(1));
  expect(subject.goes()).toBe(false);
  subject.serve(0);
  expect(subject.hurries(), "it does not stay itself, whatever the list says").toEqual([0]);
  subject.list();
  expect(subject.goes()).toBe(true);
});
test("R11: a node asks once at a time to be taken off the list, and again where it was not", async () => {
  const subject = new Subject();
  const { membership, leaving } = subject;
  subject.recorder.isIdle = true;
  leaving.begin();
  expect([subject.goes(), subject.goes()]).toEqual([true, false]);
  membership.answer.resolve(false);
  await membership.answer.promise;
  await Promise.resolve();
  expect(leaving.isDone).toBe(false);
  membership.answer = Promise.withResolvers();
  expect(subject.goes()).toBe(true);
  membership.answer.resolve(true);
  await membership.answer.promise;
  await Promise.resolve();
  expect([leaving.isDone, leaving.mayEnd], "nobody else is listed").toEqual([true, true]);
});
test("R11, R18: whoever leaves first tells its peers what became of the rows that it took in", () => {
  const subject = new Subject();
  subject.list(memberNumber(1), memberNumber(2));
  subject.leaving.begin();
  subject.list(memberNumber(1, { isLeaving: true }), memberNumber(2));
  subject.fatesOwed = 1;
  subject.leaving.tick();
  expect(subject.membership.calls).toBe(0);
  subject.fatesOwed = 0;
  subject.leaving.tick();
  expect(subject.membership.calls).toBe(1);
});
test("R11: off the list, a node asks no more and stays for a moment, so that rows sent to it are answered", async () => {
  const subject = new Subject();
  const { membership, leaving } = subject;
  subject.leaving.begin();
  subject.list(ME_LEAVING, memberNumber(2));
  expect(subject.goes()).toBe(true);
  subject.now = 1000;
  membership.answer.resolve(true);
  await membership.answer.promise;
  await Promise.resolve();
  expect([subject.goes(), leaving.isDone]).toEqual([false, true]);
  subject.now = 1249;
  expect(leaving.mayEnd).toBe(false);
  subject.now = 1250;
  expect(leaving.mayEnd).toBe(true);
});
