/** What a member does with a table that the store lost (R15), over the model of the store. */
import { expect, test } from "vitest";
import type { Membership } from "../../cluster/members/membership.ts";
import { StoreReturn } from "../../cluster/moves/store-return.ts";
import { TakeBack } from "../../cluster/moves/take-back.ts";
import { TakeOver } from "../../cluster/moves/take-over.ts";
import { Turns } from "../../cluster/moves/turns.ts";
import type { MemberList } from "../../cluster/ports/shared-store.ts";
import { namedTables, namingText } from "../../cluster/records/held-tables.ts";
import { RunGuard } from "../../cluster/records/run-guard.ts";
import { SharedStoreModel, type Step } from "../../simulator/redis/shared-store-model.ts";
import { KEY } from "../support/bound-store.ts";
import { memberNumber, viewOfMembers } from "../support/members.ts";
import { CLAIM, LEASE_MS, MoveBench } from "../support/move-bench.ts";
import { MARK } from "../support/renewals.ts";

/** A holder of everything, alone in its view; the store has its claims. */
class Bench {
  readonly move: MoveBench;
  readonly model: SharedStoreModel;
  readonly guard: RunGuard;
  readonly takeBack: TakeBack;
  readonly takeOver: TakeOver;
  readonly calls: string[] = [];
  losses = 0;
  /** While set, take-backs wait for it before they are done. */
  holding: Promise<void> | undefined;

  private constructor(move: MoveBench, model: SharedStoreModel) {
    this.move = move;
    this.model = model;
    const { bench, holdings, handOff } = move;
    const nowMs = (): number => bench.nowMs;
    const membership = Object.assign(move.membership, {
      view: viewOfMembers(6, [1]),
      isListed: true,
      raiseEpoch: async () => undefined,
    }) as unknown as Membership;
    this.guard = new RunGuard(
      model.connect((step) => this.through(step)),
      nowMs,
      LEASE_MS,
    );
    const shared = {
      engine: bench.engine,
      recorder: bench.recorder,
      holdings,
      membership,
      guard: this.guard,
      nowMs,
      randomId: () => `id-${this.calls.length}`,
      onLoss: () => void this.losses++,
      tell: () => undefined,
    };
    const keep = (partition: number): void => handOff.keep(partition);
    this.takeBack = new TakeBack({ ...shared, keep, isStored: true });
    this.takeOver = new TakeOver(
      {
        ...shared,
        readAhead: { of: () => undefined, standingOf: () => undefined, drop: () => undefined },
        turns: new Turns({ nowMs, atTurnEnd: queueMicrotask }),
        decompress: (bytes) => Promise.resolve(bytes),
        bareMs: nowMs,
        wallMs: () => 1_700_000_000_000 + nowMs(),
        call: () => Promise.reject(new Error("Nobody is asked")),
        mayPull: () => true,
        takeBack: (partition) => this.takeBack.add(partition),
        isTakingBack: (partition) => this.takeBack.isPending(partition),
        onTaken: () => undefined,
      },
      { sessionMs: 90_000, graceMs: 50_000, isRepair: false },
    );
  }

  static async open(): Promise<Bench> {
    const model = new SharedStoreModel();
    await model.connect().found(model.run, KEY, "anew", "founded");
    for (const partition of model.records.keys())
      await model.connect().claim(model.runOf(MARK), [partition], CLAIM, false);
    const bench = new Bench(await MoveBench.open(), model);
    bench.enterRun(false);
    return bench;
  }

  /**
   * The store's present run is heard of, and all that is held is named under it.
   * @param above what another member has under a higher term
   */
  enterRun(isNamed = true, above: readonly number[] = []): void {
    const { guard, move } = this;
    const run = this.model.runOf(MARK);
    guard.learn([run]);
    const held = namingText([{ run, tag: 0, namesAll: isNamed, tables: isNamed ? move.holdings.tables() : [] }]);
    const higher = above.map((partition) => [partition, { term: CLAIM.term + 1, isAhead: false }] as const);
    const others = namingText([{ run, tag: 0, namesAll: true, tables: higher }]);
    const listed = [
      { member: memberNumber(1), run, held, licenceMs: 400 },
      ...(above.length > 0 ? [{ member: memberNumber(2), run, held: others, licenceMs: 400 }] : []),
    ];
    const list: MemberList = { view: move.membership.view, listed, revision: 1 };
    const opened = guard.look(list);
    if (isNamed) this.takeBack.onOpen(opened);
  }

  /** Time for a retry, with ticks. */
  async pass(tickMs = 20): Promise<void> {
    const { bench } = this.move;
    for (let count = 0; count < 10; count++) {
      bench.nowMs += tickMs;
      this.takeBack.tick();
      this.takeOver.tick();
      await bench.settle();
    }
  }

  private async through<T>({ call, apply }: Step<T>): Promise<T> {
    this.calls.push(call);
    if (call === "takeBack") await this.holding;
    return apply();
  }
}

test("R15: a table makes no record that was lost under the run that all believe in; under the next one the newest does", async () => {
  const bench = await Bench.open();
  bench.model.records.delete(3);
  bench.move.bench.recorder.loseClaims((partition) => partition === 3);
  bench.takeBack.add(3);
  await bench.pass();
  expect(bench.calls).toContain("takeBack");
  expect([bench.model.records.has(3), bench.losses > 0, bench.takeBack.isPending(3)]).toEqual([false, true, true]);
  bench.model.beginRun(bench.model.runOf(MARK), "another");
  bench.enterRun();
  await bench.pass();
  expect(bench.model.records.get(3)).toMatchObject({ claim: { term: 6 }, snapshotNumber: 1 });
  expect(bench.takeBack.isPending(3)).toBe(false);
});
test("R15: what onOpen() decided under a run that is over decides nothing under the next one", async () => {
  const bench = await Bench.open();
  let release: () => void = () => undefined;
  bench.model.beginRun(bench.model.runOf(MARK), "another");
  bench.holding = new Promise((resolve) => (release = resolve));
  bench.enterRun();
  await bench.pass();
  bench.model.records.delete(3);
  bench.model.beginRun(bench.model.runOf(MARK), "a third");
  bench.enterRun(false); // by others: this one named nothing as the newest
  release();
  await bench.pass();
  expect([bench.model.records.has(3), bench.losses > 0]).toEqual([false, true]);
});
test("R15: tables that wait for somebody's newer one hold up none that need not wait", async () => {
  const bench = await Bench.open();
  bench.model.beginRun(bench.model.runOf(MARK), "another");
  bench.model.records.clear();
  for (const partition of [0, 1, 2]) bench.takeBack.add(partition);
  bench.enterRun(true, [0, 1, 2]);
  await bench.pass(120); // a busy node: every tick finds all pauses over
  const isTaken = [0, 1, 2, 3, 4].map((partition) => bench.model.records.has(partition));
  expect(isTaken).toEqual([false, false, false, true, true]);
});
test("R15: what is written back is named no more, while another table still waits", async () => {
  const bench = await Bench.open();
  const { move, guard, takeBack, takeOver, model } = bench;
  const { membership, holdings } = move;
  const { recorder } = move.bench;
  const storeReturn = new StoreReturn({
    guard,
    membership: membership as unknown as Membership,
    recorder,
    holdings,
    takeOver,
    takeBack,
    store: model.connect(),
    onNews: () => undefined,
    onFault: () => undefined,
    tell: () => undefined,
    randomId: () => "another",
  });
  const named = (): number[] => {
    const tables = namedTables(storeReturn.naming(undefined) as string, 1).get(0)?.tables;
    return [...(tables?.keys() ?? [])];
  };
  model.beginRun(model.runOf(MARK), "another");
  model.records.clear();
  takeBack.add(0);
  bench.enterRun(true, [0]);
  await bench.pass();
  expect(named(), "until the others have seen all").toEqual([...model.records.keys(), 0].toSorted((a, b) => a - b));
  move.bench.nowMs += LEASE_MS;
  expect(named()).toEqual([0]);
});
test("R15: a kept table that is taken back is not taken over beside that", async () => {
  const bench = await Bench.open();
  const { handOff, holdings } = bench.move;
  handOff.keep(3);
  let release: () => void = () => undefined;
  bench.holding = new Promise((resolve) => (release = resolve));
  bench.takeBack.add(3);
  await bench.pass();
  expect(new Set(bench.calls)).toEqual(new Set(["takeBack"]));
  release();
  await bench.pass();
  expect(holdings.get(3).kind).toBe("serving");
  handOff.keep(3);
  bench.move.membership.view = viewOfMembers(7, [1]);
  await bench.pass();
  expect(bench.calls, "nobody takes it back any more").toContain("standing");
});
