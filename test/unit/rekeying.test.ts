import { expect, test } from "vitest";
import type { Outcome, Operation } from "../../cluster/ports/rows.ts";
import { Rekeying } from "../../cluster/rows/rekeying.ts";
import { Engine } from "../../engine/engine.ts";
import { NO_SEQ } from "../../engine/partition.ts";
import type { ProfileId } from "../../engine/profile-id.ts";

const OPTIONS = {
  partitions: 16,
  hashKey: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8),
  sessionMs: 60_000,
  graceMs: 10_000,
  removalMs: 4000,
  isLogged: false,
};
const idOf = (number: number): ProfileId => Int32Array.of(number, 0, 0, 1) as ProfileId;
const NOWHERE: Outcome = { kind: "done", effect: "nowhere", isRemembered: true, place: undefined };
const CHANGED: Outcome = { kind: "done", effect: "changed", isRemembered: true, place: undefined };
const REFUSED: Outcome = { kind: "refused", reason: "no owner" };
const found = (ageMs: number): Outcome => ({
  kind: "done",
  effect: "found",
  isRemembered: true,
  place: { region: 1, mode: "GM09", ageMs },
});

/** An engine with these players, and what their new owners were told. */
class Subject {
  nowMs = 10_000;
  readonly engine = new Engine(OPTIONS, 0);
  readonly told: string[] = [];
  over: readonly [players: number, failed: number] | undefined;
  known: (number: number) => Outcome = () => NOWHERE;
  outcome: (number: number) => Outcome = () => CHANGED;
  private rekeying: Rekeying | undefined;

  report(number: number, seq = NO_SEQ): void {
    this.engine.report(this.engine.hash(idOf(number)), idOf(number), 3, this.engine.admitMode("GM01"), seq);
  }

  begin(): void {
    this.engine.sweep(this.nowMs, 0);
    const all = [...this.engine.partitions.keys()];
    this.rekeying = new Rekeying(this.engine, all, {
      nowMs: () => this.nowMs,
      submit: ({ operation, id, region, mode, seq, isRetold }, settle) => {
        expect(isRetold === true, "the rules were asked before").toBe(operation === "report");
        if (operation !== "find") this.told.push(`${operation} ${id[0]} ${region}/${mode} ${seq}`);
        settle(this.answer(operation, id[0]));
      },
      onOver: (players, failed) => (this.over = [players, failed]),
    });
  }

  tick(): void {
    this.rekeying?.tick();
  }

  private answer(operation: Operation, number: number): Outcome {
    return operation === "find" ? this.known(number) : this.outcome(number);
  }
}

test("R12: everybody is reported once, with seq and mode", () => {
  const subject = new Subject();
  subject.report(1);
  subject.report(2, 7);
  subject.begin();
  subject.tick();
  subject.tick();
  expect(subject.told.toSorted()).toEqual([`report 1 3/GM01 ${NO_SEQ}`, "report 2 3/GM01 7"]);
  expect(subject.over).toEqual([2, 0]);
});
test("R12: what the new owner heard later stays, and what it heard earlier is replaced", () => {
  const subject = new Subject();
  for (const number of [1, 2]) subject.report(number);
  subject.known = (number) => found(number === 1 ? 100 : 60_000);
  subject.begin();
  subject.tick();
  expect(subject.told).toEqual([`report 2 3/GM01 ${NO_SEQ}`]);
  expect(subject.over).toEqual([2, 0]);
});
test("R12, R27: who was removed later at the new owner is not brought back", () => {
  const subject = new Subject();
  for (const number of [1, 2]) subject.report(number);
  const removed = (ageMs: number): Outcome => ({
    kind: "done",
    effect: "nowhere",
    isRemembered: true,
    place: { region: -1, mode: "", ageMs },
  });
  subject.known = (number) => removed(number === 1 ? 100 : 60_000);
  subject.begin();
  subject.tick();
  expect(subject.told).toEqual([`report 2 3/GM01 ${NO_SEQ}`]);
  expect(subject.over).toEqual([2, 0]);
});
test("R12: a removal is told where the player is still known", () => {
  const subject = new Subject();
  for (const number of [1, 2]) {
    subject.report(number);
    subject.engine.sweep(9000, 0);
    subject.engine.remove(subject.engine.hash(idOf(number)), idOf(number), NO_SEQ);
  }
  subject.known = (number) => (number === 1 ? found(60_000) : NOWHERE);
  subject.begin();
  subject.tick();
  expect(subject.told).toEqual([`remove 1 0/ ${NO_SEQ}`]);
});
test("R12: a removal is told whatever seq the player had: it was later", () => {
  const subject = new Subject();
  subject.report(1, 7);
  subject.engine.sweep(9000, 0);
  subject.engine.remove(subject.engine.hash(idOf(1)), idOf(1), 8);
  subject.known = () => found(60_000);
  subject.begin();
  subject.tick();
  expect(subject.told).toEqual([`remove 1 0/ ${NO_SEQ}`]);
});
test("R12: whom nobody takes is tried again, and counted in the end", () => {
  const subject = new Subject();
  for (const number of [1, 2]) subject.report(number);
  let refusals = 0;
  subject.outcome = (number) => (number === 1 || refusals++ < 3 ? REFUSED : CHANGED);
  subject.begin();
  for (let step = 0; step < 40; step++) {
    subject.tick();
    subject.nowMs += 500;
  }
  expect(subject.over).toEqual([1, 1]);
});
test("R12: a thousand players a tick", () => {
  const subject = new Subject();
  for (let number = 1; number <= 2500; number++) subject.report(number);
  subject.begin();
  const counts = [1, 2, 3].map(() => {
    subject.tick();
    return subject.told.length;
  });
  expect(counts).toEqual([1000, 2000, 2500]);
  expect(subject.over).toEqual([2500, 0]);
});
