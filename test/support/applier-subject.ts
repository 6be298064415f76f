/** The owner's side of rows, over a recorder whose store a test holds in its hands. */
import { Holdings, type Serving } from "../../cluster/moves/holdings.ts";
import type { Membership } from "../../cluster/members/membership.ts";
import { placementOf } from "../../cluster/members/placement.ts";
import type { Operation, RowOutcome } from "../../cluster/ports/rows.ts";
import { HeldRecord } from "../../cluster/records/held-record.ts";
import type { PlayerRates } from "../../cluster/records/player-rates.ts";
import { NO_SEQ, Presences } from "../../cluster/records/presences.ts";
import { RowApplier } from "../../cluster/rows/row-applier.ts";
import { regionOf } from "../../engine/places.ts";
import type { Stamp } from "../../engine/standings.ts";
import { incarnationOf, memberNumber, viewOfMembers } from "./members.ts";
import { idOf, RecorderBench } from "./recorder-bench.ts";
import { StubRules } from "./stub-rules.ts";

const CLAIM = { term: 1, incarnation: incarnationOf(1), founding: "f" };

export function servingUnder(term: number): Serving {
  const record = new HeldRecord({ partition: 0, claim: { ...CLAIM, term } }, 0);
  return { kind: "serving", record, doubtUntilMs: -Infinity };
}

/** Node 1 of a view, with all partitions in the state that a test gives them. */
export class ApplierSubject {
  readonly bench: RecorderBench;
  readonly holdings: Holdings;
  /** Of the rows that are asked: when their time is over, and their seq. */
  untilMs = 1e9;
  seq = NO_SEQ;
  isBulk = false;
  entitlements: readonly string[] = [];
  isRetold = false;
  isPlaceAsked = false;
  isPlay = false;
  stamp: Stamp | undefined;
  rulesVersion = 0;
  /** What this node knows of the rules, and how often it was told to ask. */
  rules = new StubRules();
  readonly membership = { me: memberNumber(1), view: viewOfMembers(1, [1]), isLicensed: true };
  readonly presences: Presences;
  private readonly applier: RowApplier;

  constructor(bench: RecorderBench, rates?: PlayerRates) {
    this.bench = bench;
    const membership = this.membership as unknown as Membership;
    const nowMs = (): number => bench.nowMs;
    const { recorder } = bench;
    const placement = () => placementOf(membership.view, 16);
    const unheard = (): void => undefined;
    this.holdings = new Holdings(16, { membership, placement, nowMs, onServing: unheard, onStopped: unheard });
    this.hold((partition) => {
      this.holdings.take(partition);
      this.holdings.serve(partition, servingUnder(1));
    });
    this.presences = new Presences(bench.engine, recorder, rates, this.rules);
    this.applier = new RowApplier({
      presences: this.presences,
      recorder,
      holdings: this.holdings,
      membership,
      rules: this.rules,
      nowMs,
    });
  }

  static async open(): Promise<ApplierSubject> {
    return new ApplierSubject(await RecorderBench.open());
  }

  /** Brings each partition, from `elsewhere`, into a state. */
  hold(bring: (partition: number) => void): void {
    this.holdings.abandon();
    for (let partition = 0; partition < 16; partition++) bring(partition);
  }

  ask(operation: Operation, number: number, mode = "", epoch = this.membership.view.epoch): RowOutcome[] {
    const [id, outcomes] = [idOf(number), [] as RowOutcome[]];
    const hash = this.bench.engine.hash(id);
    const { 0: id0, 1: id1, 2: id2, 3: id3 } = id;
    const region = mode === "" ? 0 : regionOf("CA");
    const partition = this.bench.engine.partitionOf(hash);
    const row = {
      operation,
      hash,
      partition,
      id0,
      id1,
      id2,
      id3,
      region,
      mode,
      seq: this.seq,
      untilMs: this.untilMs,
      isBulk: this.isBulk,
      entitlements: this.entitlements,
      isRetold: this.isRetold,
      isPlaceAsked: this.isPlaceAsked,
      isPlay: this.isPlay,
      stamp: this.stamp,
      rulesVersion: this.rulesVersion,
    };
    this.applier.apply(row, epoch, (outcome) => outcomes.push(outcome));
    return outcomes;
  }

  /** Lets time pass at the owner, by steps that observed time may take (R25). */
  async passGrace(forMs: number): Promise<void> {
    for (const untilMs = this.bench.nowMs + forMs; this.bench.nowMs < untilMs;) {
      await this.bench.pass(500);
      for (let tick = 0; tick < 40; tick++) {
        this.presences.tick(this.bench.nowMs);
        this.presences.standings.tick((partition) => this.holdings.servingOf(partition) !== undefined);
      }
    }
    await this.bench.settle();
  }

  async answered(...asked: Parameters<ApplierSubject["ask"]>): Promise<RowOutcome[]> {
    const outcomes = this.ask(...asked);
    await this.bench.settle();
    return outcomes;
  }
}
