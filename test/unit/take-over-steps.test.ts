/** R1: what a taker does with records and with tables of them, while other things happen in between. */
import { expect, test } from "vitest";
import { placementOf } from "../../cluster/members/placement.ts";
import type { Filled } from "../../cluster/moves/filling.ts";
import { Holdings } from "../../cluster/moves/holdings.ts";
import type { Puller } from "../../cluster/moves/puller.ts";
import type { RecordAhead } from "../../cluster/moves/read-ahead.ts";
import { type StepPorts, TakeOverSteps } from "../../cluster/moves/take-over-steps.ts";
import { Turns } from "../../cluster/moves/turns.ts";
import type { SharedClaimAnswer, Standing } from "../../cluster/ports/shared-records.ts";
import { decodeRows, encodeRows } from "../../engine/codec.ts";
import { Engine } from "../../engine/engine.ts";
import { emptyProfileId } from "../../engine/profile-id.ts";
import { RecordCopy } from "../../engine/record-copy.ts";
import { incarnationOf, memberNumber, viewOfMembers } from "../support/members.ts";
import { OPTIONS } from "../support/numbered-engine.ts";

const PARTITIONS = 64;
const RUN = "run";
const VICTIM = incarnationOf(2);
const STANDING: Standing = {
  claim: { term: 3, incarnation: VICTIM, founding: incarnationOf(9) },
  raisedTo: 3,
  length: 5,
  snapshotNumber: 1,
  isAbsent: false,
};
const FIRST = Array.from({ length: 16 }, (_, partition) => partition);
const SECOND = FIRST.map((partition) => partition + 16);

/** Node 1, alone since node 2 was expelled. */
class Bench {
  nowMs = 0;
  /** What each table costs. */
  decompressMs = 0;
  adoptMs = 0;
  /** Of the event loop's turn under way, and of the longest. */
  turnMs = 0;
  mostMs = 0;
  readonly ahead = new Map<number, RecordAhead>();
  /** Calls, as "tables" or "records" and how many. */
  readonly claims: string[] = [];
  onClaim: () => void = () => undefined;
  readonly membership = {
    me: memberNumber(1),
    view: viewOfMembers(6, [1], { expelled: [VICTIM] }),
    raiseEpoch: async () => undefined,
  };
  readonly engine = new Engine({ ...OPTIONS, partitions: PARTITIONS, isLogged: true }, 0);
  readonly holdings: Holdings;
  readonly steps: TakeOverSteps;

  constructor() {
    const nowMs = (): number => this.nowMs;
    const membership = this.membership as unknown as StepPorts["membership"];
    const placement = () => placementOf(this.membership.view, PARTITIONS);
    const unheard = (): void => undefined;
    this.holdings = new Holdings(PARTITIONS, { membership, placement, nowMs, onServing: unheard, onStopped: unheard });
    const recorder = { adopt: (record: Filled) => (this.spend(this.adoptMs), { ...record, state: "level" }) };
    const guard = {
      tagOf: () => 0,
      runOf: () => RUN,
      claim: async (partitions: readonly number[], _: unknown, isLoaded: boolean) => this.claim(partitions, isLoaded),
    };
    const ports = {
      engine: this.engine,
      holdings: this.holdings,
      membership,
      recorder: recorder as unknown as StepPorts["recorder"],
      guard: guard as unknown as StepPorts["guard"],
      readAhead: {
        of: (partition: number) => this.ahead.get(partition),
        standingOf: () => undefined,
        drop: (partition: number) => this.drop(partition),
      },
      turns: new Turns({ nowMs, atTurnEnd: (task) => void setImmediate(task) }),
      decompress: async (bytes: Uint8Array) => (this.spend(this.decompressMs), bytes),
      nowMs,
      wallMs: () => 1_700_000_000_000 + this.nowMs,
      randomId: () => incarnationOf(8),
      takeBack: unheard,
      onLoss: unheard,
      onTaken: unheard,
      tell: unheard,
    };
    const puller = { release: unheard } as unknown as Puller;
    const options = { sessionMs: 90_000, graceMs: 50_000, isRepair: false };
    this.steps = new TakeOverSteps(ports, puller, options, { onTaken: unheard, postpone: unheard });
  }

  readAhead(...partitions: readonly number[]): void {
    for (const partition of partitions) {
      const copy = new RecordCopy(this.engine, partition);
      copy.replay(decodeRows("snapshot", this.snapshotOf(partition)), 0);
      this.ahead.set(partition, { standing: STANDING, run: RUN, copy, newestMs: 0, storedBytes: 0 });
    }
  }

  drop(partition: number): void {
    this.ahead.get(partition)?.copy.drop();
    this.ahead.delete(partition);
  }

  async take(...steps: readonly (readonly number[])[]): Promise<void> {
    for (const partition of steps.flat()) this.holdings.take(partition);
    let isOver = false;
    const count = (): void => {
      this.turnMs = 0;
      if (!isOver) setImmediate(count);
    };
    count();
    await Promise.all(steps.map((partitions) => this.steps.takeAll({ kind: "load", holder: VICTIM, partitions })));
    isOver = true;
  }

  get filled(): number[] {
    return [...this.engine.partitions.entries()].flatMap(([at, { table }]) => (table.size > 0 ? [at] : []));
  }

  private spend(ms: number): void {
    this.nowMs += ms;
    this.turnMs += ms;
    this.mostMs = Math.max(this.mostMs, this.turnMs);
  }

  private claim(partitions: readonly number[], isLoaded: boolean): SharedClaimAnswer[] {
    this.claims.push(`${partitions.length} ${isLoaded ? "records" : "tables"}`);
    this.onClaim();
    return partitions.map((partition) => {
      const record = isLoaded ? { snapshot: this.snapshotOf(partition), log: [] } : undefined;
      return { kind: "claimed", before: STANDING, record, isLost: false };
    });
  }

  /** A snapshot with one player. */
  private snapshotOf(partition: number): Uint8Array {
    const id = emptyProfileId();
    while (this.engine.partitionOf(this.engine.hash(id)) !== partition) id[0]++;
    const rows = { words: Int32Array.of(...id, 0, 0, 0), count: 1, modeNames: ["GM01"], now: 0, writtenAtMs: 0 };
    return encodeRows("snapshot", rows);
  }
}

test("R1: a table that was dropped while it was claimed is not put in place: the record is loaded", async () => {
  const bench = new Bench();
  bench.readAhead(1, 2, 3);
  bench.onClaim = () => {
    if (bench.claims.length > 1) return;
    bench.drop(1);
    bench.drop(2);
    bench.readAhead(2); // read again, and that is not what was claimed for
  };
  await bench.take([1, 2, 3]);
  expect(bench.claims).toEqual(["3 tables", "2 records"]);
  expect(bench.filled).toEqual([1, 2, 3]);
  expect(bench.holdings.where("serving")).toEqual([1, 2, 3]);
  expect(bench.engine.apart.size, "nothing is left apart").toBe(0);
});
test("R1: RecordCopy.install() refuses what was dropped", () => {
  const bench = new Bench();
  bench.readAhead(1);
  const copy = bench.ahead.get(1)?.copy;
  bench.drop(1);
  expect(() => copy?.install(0)).toThrow("was not dropped");
  expect(bench.filled).toEqual([]);
});
test.each(["records", "tables"])(
  "steps that take give the event loop a turn every 10 ms, all together: %s",
  async (what) => {
    const bench = new Bench();
    if (what === "tables") bench.readAhead(...FIRST, ...SECOND);
    bench.decompressMs = 2;
    bench.adoptMs = 3;
    await bench.take(FIRST, SECOND);
    expect(bench.claims).toEqual([`16 ${what}`, `16 ${what}`]);
    expect(bench.filled).toEqual([...FIRST, ...SECOND]);
    expect(bench.mostMs).toBeLessThanOrEqual(12);
  },
);
test.each(["records", "tables"])(
  "R8, R12: what comes after an expulsion or after the key was given up is left: %s",
  async (what) => {
    for (const end of ["expulsion", "key"]) {
      const bench = new Bench();
      if (what === "tables") bench.readAhead(...FIRST);
      bench.adoptMs = 4;
      setImmediate(() => {
        if (end === "key") bench.holdings.abandon();
        else bench.membership.me = memberNumber(7);
      });
      await bench.take(FIRST);
      expect(bench.filled.length).toBeGreaterThan(0);
      expect(bench.filled.length).toBeLessThan(FIRST.length);
      if (end === "key") expect(bench.holdings.where("elsewhere")).toHaveLength(PARTITIONS);
    }
  },
);
