import { expect, test } from "vitest";
import type { Outcome, Row } from "../../cluster/ports/rows.ts";
import { StoreUnavailableError } from "../../cluster/ports/record-store.ts";
import { ModeGate } from "../../cluster/rows/mode-gate.ts";
import { itemAt } from "../../simulator/item-at.ts";
import { StubRules } from "../support/stub-rules.ts";
import { reportOf } from "../support/forwarding.ts";

/** A gate whose store is the test. */
class Subject {
  now = 0;
  readonly rules = new StubRules();
  readonly known = new Set<string>();
  readonly marked = new Set<string>();
  readonly calls: {
    readonly names: readonly string[];
    readonly answer: (refused?: readonly string[]) => Promise<void>;
  }[] = [];
  readonly failing: (() => Promise<void>)[] = [];
  /** Players of rows that went on, in their order. */
  readonly forwarded: number[] = [];
  readonly outcomes: [player: number, outcome: Outcome][] = [];
  private readonly tasks: (() => void)[] = [];
  readonly gate = new ModeGate({
    names: {
      isAdmitted: (name) => this.known.has(name),
      isAgreed: (name) => this.known.has(name) || this.marked.has(name),
      admit: (names) =>
        new Promise((resolve, reject) => {
          const settle = async (act: () => void): Promise<void> => {
            act();
            await this.turn();
          };
          this.calls.push({
            names,
            answer: (refused = []) =>
              settle(() => {
                for (const name of names) if (!refused.includes(name)) this.known.add(name);
                resolve(new Set(refused));
              }),
          });
          this.failing.push(() => settle(() => reject(new StoreUnavailableError("away"))));
        }),
    },
    rules: this.rules,
    forward: (row, settle) => {
      this.forwarded.push(row.id0);
      settle({ kind: "done", effect: "changed", isRemembered: true, place: undefined });
    },
    nowMs: () => this.now,
    atTurnEnd: (task) => void this.tasks.push(task),
  });

  submit(partition: number, player: number, mode: string, more: Partial<Row> = {}): void {
    this.gate.submit(reportOf(partition, player, { mode, ...more }), (outcome) =>
      this.outcomes.push([player, outcome]),
    );
  }
  async turn(): Promise<void> {
    for (const task of this.tasks.splice(0)) task();
    await new Promise<void>((resolve) => setImmediate(resolve));
    for (const task of this.tasks.splice(0)) task();
  }
  get refusals(): string[] {
    return this.outcomes.flatMap(([player, outcome]) =>
      outcome.kind === "refused" ? [`${player} ${outcome.reason}`] : [],
    );
  }
}

test("R28 a known mode passes at once, and nobody is asked", async () => {
  const subject = new Subject();
  subject.known.add("a");
  subject.submit(1, 1, "a");
  expect(subject.forwarded).toEqual([1]);
  await subject.turn();
  expect(subject.calls).toEqual([]);
});

test("R28 what is no report has no mode to ask for", () => {
  const subject = new Subject();
  for (const operation of ["renew", "remove", "find"] as const) subject.submit(1, 1, "", { operation });
  expect(subject.forwarded).toEqual([1, 1, 1]);
});

test("R28 one call asks for all that came in a turn; what comes meanwhile is asked for by the next", async () => {
  const subject = new Subject();
  subject.submit(1, 1, "a");
  subject.submit(2, 2, "b");
  subject.submit(3, 3, "a");
  expect(subject.forwarded).toEqual([]);
  await subject.turn();
  subject.submit(4, 4, "c");
  expect(subject.calls.map(({ names }) => names)).toEqual([["a", "b"]]);
  await itemAt(subject.calls, 0).answer();
  expect(subject.forwarded).toEqual([1, 2, 3]);
  expect(itemAt(subject.calls, 1).names).toEqual(["c"]);
  await itemAt(subject.calls, 1).answer();
  expect(subject.forwarded).toEqual([1, 2, 3, 4]);
  expect([subject.gate.figures.rowsWaiting, subject.gate.figures.asked]).toEqual([0, 2]);
});

test("R19 later rows of the partition wait behind, whatever they are; those of others do not", async () => {
  const subject = new Subject();
  subject.known.add("known");
  subject.submit(1, 1, "new");
  subject.submit(1, 2, "known");
  subject.submit(1, 3, "", { operation: "remove" });
  subject.submit(2, 4, "known");
  await subject.turn();
  expect(subject.forwarded).toEqual([4]);
  await itemAt(subject.calls, 0).answer();
  expect(subject.forwarded).toEqual([4, 1, 2, 3]);
});

test("R28 no room: the row is refused, and those behind it go on", async () => {
  const subject = new Subject();
  subject.known.add("known");
  subject.submit(1, 1, "full");
  subject.submit(1, 2, "known");
  subject.submit(1, 3, "new");
  await subject.turn();
  await itemAt(subject.calls, 0).answer(["full"]);
  expect(subject.refusals).toEqual(["1 no room for the mode"]);
  expect(subject.forwarded).toEqual([2, 3]);
  expect(subject.gate.figures.rowsRefused["no room for the mode"]).toBe(1);
});

test("R28 the store away: who asked is told so, and the next row asks anew", async () => {
  const subject = new Subject();
  subject.known.add("known");
  subject.submit(1, 1, "new");
  subject.submit(1, 2, "known");
  await subject.turn();
  subject.submit(1, 3, "other");
  await itemAt(subject.failing, 0)();
  expect(subject.refusals).toEqual(["1 mode not known"]);
  expect(subject.forwarded).toEqual([2]);
  await subject.turn();
  expect(itemAt(subject.calls, 1).names).toEqual(["other"]);
  await itemAt(subject.calls, 1).answer();
  expect(subject.forwarded).toEqual([2, 3]);
});

test("R28 a row whose time is over is refused, and lets those behind it go that need no answer", async () => {
  const subject = new Subject();
  subject.known.add("known");
  subject.submit(1, 1, "new", { untilMs: 1000 });
  subject.submit(1, 2, "known", { untilMs: 2000 });
  subject.submit(2, 3, "new", { untilMs: 2000 });
  subject.submit(2, 4, "known", { untilMs: 1000 });
  await subject.turn();
  subject.now = 999;
  subject.gate.tick();
  expect(subject.outcomes).toEqual([]);
  subject.now = 1000;
  subject.gate.tick();
  expect(subject.refusals).toEqual(["1 no owner", "4 no owner"]);
  expect(subject.forwarded).toEqual([2]);
  await itemAt(subject.calls, 0).answer();
  expect(subject.forwarded).toEqual([2, 3]);
  expect(subject.gate.figures.rowsWaiting).toBe(0);
});

test("R28 rows that wait are bounded, and a share of the room is for single ones", async () => {
  const subject = new Subject();
  for (let player = 1; player <= 6145; player++) subject.submit(1, player, "new", { isBulk: true });
  expect(subject.refusals).toEqual(["6145 overloaded"]);
  for (let player = 6146; player <= 6145 + 2049; player++) subject.submit(1, player, "new");
  expect(subject.refusals).toEqual(["6145 overloaded", "8194 overloaded"]);
  await subject.turn();
  await itemAt(subject.calls, 0).answer();
  expect(subject.forwarded).toHaveLength(8192);
});

test("R28 a call asks for 256 names at the most; the rest waits for the next", async () => {
  const subject = new Subject();
  for (let player = 1; player <= 300; player++) subject.submit(player % 256, player, `m${player}`);
  await subject.turn();
  expect(itemAt(subject.calls, 0).names).toHaveLength(256);
  await itemAt(subject.calls, 0).answer();
  expect(itemAt(subject.calls, 1).names).toHaveLength(44);
  await itemAt(subject.calls, 1).answer();
  expect(subject.forwarded).toHaveLength(300);
  // In each partition as they came.
  for (let player = 1; player <= 44; player++)
    expect(subject.forwarded.indexOf(player)).toBeLessThan(subject.forwarded.indexOf(player + 256));
});

test("R28 a row that comes while an answer lets others go takes its turn behind them", async () => {
  const subject = new Subject();
  subject.submit(1, 1, "new");
  const late = (): void => subject.submit(1, 3, "new");
  subject.gate.submit(reportOf(1, 2, { mode: "no" }), late);
  subject.submit(1, 4, "new");
  await subject.turn();
  await itemAt(subject.calls, 0).answer(["no"]);
  expect(subject.forwarded).toEqual([1, 4, 3]);
});

test("R28 a player brings few names that nobody knows; another's pass, and those that are known", async () => {
  const subject = new Subject();
  subject.known.add("known");
  for (let mode = 0; mode < 1024; mode++) subject.submit(1, 1, `junk${mode}`);
  subject.submit(1, 1, "known");
  subject.submit(1, 2, "another's");
  subject.submit(1, 1, "junk0");
  await subject.turn();
  await subject.calls[0]?.answer();
  expect(subject.calls.map(({ names }) => names)).toEqual([
    [...Array.from({ length: 16 }, (_, mode) => `junk${mode}`), "another's"],
  ]);
  expect(subject.forwarded).toEqual([...Array.from({ length: 16 }, () => 1), 1, 2, 1]);
  expect(new Set(subject.refusals)).toEqual(new Set(["1 no room for the mode"]));
  expect(subject.outcomes).toHaveLength(1027);
  subject.now = 30_000;
  subject.submit(1, 1, "later");
  await subject.turn();
  expect(subject.calls[1]?.names).toEqual(["later"]);
});
test("R28 a player brings only names that find room: no attempt counts that nobody answered, or that was refused", async () => {
  for (const end of ["away", "full"] as const) {
    const subject = new Subject();
    for (let attempt = 0; attempt < 20; attempt++) {
      subject.submit(1, 1, "new");
      await subject.turn();
      if (end === "away") await itemAt(subject.failing, attempt)();
      else await itemAt(subject.calls, attempt).answer(["new"]);
      subject.now += 1000;
    }
    const refusal = end === "away" ? "1 mode not known" : "1 no room for the mode";
    expect(subject.refusals, end).toEqual(Array.from({ length: 20 }, () => refusal));
    subject.submit(1, 1, "new");
    await subject.turn();
    await itemAt(subject.calls, 20).answer();
    expect(subject.forwarded, end).toEqual([1]);
  }
});
test("R28 a name that is agreed and only marked is no new one, whoever brings it", async () => {
  const subject = new Subject();
  const names = Array.from({ length: 20 }, (_, mode) => `m${mode}`);
  for (const name of names) {
    subject.marked.add(name);
    subject.submit(1, 1, name);
  }
  for (const name of names.slice(0, 17)) subject.submit(1, 1, `new ${name}`);
  await subject.turn();
  await itemAt(subject.calls, 0).answer();
  expect(itemAt(subject.calls, 0).names).toEqual([...names, ...names.slice(0, 16).map((name) => `new ${name}`)]);
  expect(subject.refusals).toEqual(["1 no room for the mode"]);
});
test("R28 where a player's names were refused, others may come in their place until 16 have found room", async () => {
  const subject = new Subject();
  const bring = async (count: number, what: string, isRoom: boolean): Promise<void> => {
    const names = Array.from({ length: count }, (_, mode) => `${what}${mode}`);
    for (const name of names) subject.submit(1, 1, name);
    await subject.turn();
    await subject.calls[subject.calls.length - 1]?.answer(isRoom ? [] : names);
  };
  await bring(10, "a", true);
  await bring(6, "b", false);
  await bring(7, "c", true);
  expect(subject.forwarded).toHaveLength(16);
  expect(subject.refusals).toHaveLength(7);
  subject.now = 29_999;
  subject.submit(1, 1, "d");
  await subject.turn();
  expect(subject.calls).toHaveLength(3);
  expect(subject.refusals).toHaveLength(8);
});

test("R29 a new name that the rules refuse is refused at once and asked for by nobody; one that is agreed goes on", async () => {
  const subject = new Subject();
  subject.rules.set([{ mode: "listed" }], { refusesUnknown: true });
  subject.known.add("agreed");
  subject.submit(1, 1, "listed");
  subject.submit(1, 2, "junk");
  subject.submit(2, 3, "junk");
  subject.submit(2, 4, "agreed");
  subject.submit(2, 5, "old", { isRetold: true });
  expect(subject.refusals).toEqual(["2 unknown mode", "3 unknown mode"]);
  expect(subject.forwarded, "the owner judges").toEqual([4]);
  await subject.turn();
  expect(subject.calls.map(({ names }) => names)).toEqual([["listed", "old"]]);
  expect(subject.gate.figures.rowsRefused["unknown mode"]).toBe(2);
});
