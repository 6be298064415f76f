/**
 * The new owner's side of a move (R1, R13): look who holds the partition, ask for it, claim, load, replay, serve.
 * Whoever had it before, and whatever it died of, these are the same steps. What comes next is decided in
 * take-over-plan.ts and done in take-over-steps.ts.
 */
import type { PartitionIndex } from "../ports/record-store.ts";
import type { Standing } from "../ports/shared-records.ts";
import { isListed, isListedPeer } from "../ports/view.ts";
import type { FillingOptions } from "./filling.ts";
import { servingIn } from "./holdings.ts";
import { Puller } from "./puller.ts";
import { type Step, TakeOverPlan } from "./take-over-plan.ts";
import { RETRY_MS, type StepPorts, TakeOverSteps } from "./take-over-steps.ts";

export interface TakeOverPorts extends StepPorts {
  /** Lane `control`; rejects PeerError. */
  readonly call: (incarnation: string, body: Uint8Array, timeoutMs: number) => Promise<Uint8Array>;
  /** False while this node has so much to take in that what it took would wait. */
  readonly mayPull: () => boolean;
  readonly bareMs: () => number;
  /** R15: its table is here, and is being taken back. */
  readonly isTakingBack: (partition: PartitionIndex) => boolean;
}

export class TakeOver {
  private readonly ports: TakeOverPorts;
  private readonly plan: TakeOverPlan;
  private readonly puller: Puller;
  private readonly steps: TakeOverSteps;
  /** What is owned by the view and not held, as of one state of the holdings. */
  private missing: PartitionIndex[] = [];
  private missingAt = -1;

  constructor(ports: TakeOverPorts, options: FillingOptions) {
    const { membership, guard, engine, holdings, call, decompress, nowMs } = ports;
    this.ports = ports;
    this.plan = new TakeOverPlan({
      view: () => membership.view,
      me: () => membership.me.incarnation,
      tagOf: (partition) => guard.tagOf(partition),
      isOpen: (partition) => guard.isOpenFor(partition),
      isNamedAhead: (partition) => guard.isNamedAhead(partition, membership.me.incarnation),
      mayPull: () => ports.mayPull(),
    });
    this.puller = new Puller({
      engine,
      call,
      decompress,
      nowMs,
      isWanted: (partition) => holdings.get(partition).kind === "taking" && holdings.isMine(partition),
      onLastRound: (partition) => holdings.stopHolder(partition),
    });
    this.steps = new TakeOverSteps(ports, this.puller, options, {
      onTaken: (partition) => this.plan.forget(partition),
      postpone: (partitions, pauseMs) => this.postpone(partitions, pauseMs),
    });
  }

  /** Partitions whose record the store had lost (R12). */
  get lost(): number {
    return this.steps.filling.lost;
  }

  /** Copies that did not fit since the start, so that the record was loaded. */
  get misfits(): number {
    return this.puller.misfits;
  }

  /** Why records cannot be read that this node should serve from. */
  get unreadable(): ReadonlyMap<PartitionIndex, string> {
    return this.steps.filling.unreadable;
  }

  /**
   * Notes what the view gives this node, and what it takes away.
   * @param ownerBefore by the view of before: most likely the holder, until the store has said who it is
   */
  onView(ownerBefore: (partition: PartitionIndex) => string | undefined): void {
    const { holdings, engine, membership, readAhead, nowMs } = this.ports;
    const listedOwnerBefore = (partition: PartitionIndex): string | undefined => {
      const owner = ownerBefore(partition);
      const isThere = owner !== undefined && isListedPeer(membership.view, membership.me.incarnation, owner);
      return isThere ? owner : undefined;
    };
    this.plan.onView(nowMs());
    this.missingAt = -1;
    for (const partition of this.steps.filling.unreadable.keys())
      if (!holdings.isMine(partition)) this.steps.filling.unreadable.delete(partition);
    for (const partition of engine.partitions.keys()) {
      const { kind } = holdings.get(partition);
      if (kind === "elsewhere" && holdings.isMine(partition)) holdings.want(partition, listedOwnerBefore(partition));
      if (kind === "wanted" && !holdings.isMine(partition)) holdings.forget(partition);
    }
    for (const partition of this.wanted()) {
      const standing = readAhead.standingOf(partition);
      if (standing !== undefined) this.learnHolder(partition, standing, true);
    }
    this.goOn(); // who holds it is asked at once
  }

  /** R15: nobody knows who holds what in another run of the store. */
  onRun(isOf: (partition: PartitionIndex) => boolean): void {
    this.plan.onRun(isOf);
  }

  tick(): void {
    this.serveSettled();
    this.goOn();
  }

  private goOn(): void {
    const { membership, nowMs } = this.ports;
    if (!membership.isListed) return;
    for (const step of this.plan.next(this.wanted(), nowMs())) void this.carryOut(step);
  }

  /** What this node owns by the view and does not hold; what it takes back is not to be taken beside that. */
  private wanted(): PartitionIndex[] {
    const { holdings, isTakingBack } = this.ports;
    if (this.missingAt !== holdings.changes) {
      this.missing = holdings.where("wanted", "kept", "elsewhere").filter((partition) => holdings.isMine(partition));
      this.missingAt = holdings.changes;
    }
    return this.missing.filter((partition) => !isTakingBack(partition));
  }

  private async carryOut(step: Step): Promise<void> {
    const { holdings, membership } = this.ports;
    const { incarnation } = membership.me;
    try {
      if (step.kind === "look") await this.look(step.partitions);
      else {
        const holder = step.kind === "pull" ? step.holder : undefined;
        for (const partition of step.partitions) holdings.take(partition, holder);
        await this.steps.takeAll(step);
      }
    } catch (error) {
      this.postpone(step.partitions, RETRY_MS, error);
    }
    this.plan.end(step);
    if (step.kind !== "look" && membership.me.incarnation === incarnation)
      for (const partition of step.partitions)
        if (holdings.get(partition).kind === "taking") holdings.giveUp(partition);
    this.goOn();
    if (this.plan.isIdle) this.steps.tellTaken();
  }

  // Step one: look who holds it.

  private async look(partitions: readonly PartitionIndex[]): Promise<void> {
    const { guard, membership } = this.ports;
    const { view } = membership;
    // What is written back meanwhile is named no more when the answer comes, which may be older than that.
    const named = new Set(partitions.filter((partition) => guard.isNamedAbove(partition, 0)));
    const standings = await guard.standing(partitions);
    if (view !== membership.view) return;
    for (const [index, partition] of partitions.entries())
      this.learnHolder(partition, standings[index] as Standing, named.has(partition));
  }

  private learnHolder(partition: PartitionIndex, standing: Standing, wasNamed: boolean): void {
    const { holdings, membership } = this.ports;
    if (this.mustWait(partition, standing, wasNamed)) return this.postpone([partition], RETRY_MS);
    this.plan.learn(partition, standing);
    const holder = standing.claim?.incarnation;
    const isThere = holder !== undefined && isListed(membership.view, holder);
    if (holdings.get(partition).kind === "wanted" && isThere) holdings.want(partition, holder);
  }

  /** R15: whether the store may have lost what some member has a table of: whoever has the newest takes it back first. */
  private mustWait(partition: PartitionIndex, { claim, isAbsent }: Standing, wasNamed: boolean): boolean {
    const { holdings, guard, takeBack, onLoss } = this.ports;
    const term = claim?.term ?? 0;
    const isMineAbove = (servingIn(holdings.get(partition))?.record.claim.term ?? 0) > term;
    if (isMineAbove) takeBack(partition);
    if (isMineAbove || guard.isNamedAbove(partition, term)) return true;
    if (!isAbsent || guard.mayTakeAbsent(partition)) return false;
    if (!wasNamed && !guard.isKnownAbsent(partition)) onLoss();
    return true;
  }

  private serveSettled(): void {
    const { holdings, bareMs } = this.ports;
    for (const partition of holdings.where("settling")) {
      const holding = holdings.get(partition);
      if (holding.kind === "settling" && bareMs() >= holding.untilMs) holdings.serve(partition, holding.serving);
    }
  }

  private postpone(partitions: readonly PartitionIndex[], pauseMs: number, error?: unknown): void {
    this.plan.postpone(partitions, this.ports.nowMs() + pauseMs);
    if (error === undefined) return;
    const reason = error instanceof Error ? error.message : "unknown";
    this.ports.tell({ kind: "could not take", partitions: partitions.length, reason });
  }
}
