/**
 * The new owner's side of a move (R1, R13): look who holds the partition, ask for it, claim, load, replay, serve.
 * Whoever had it before, and whatever it died of, these are the same steps.
 */
import type { DecodedRows } from "../../engine/codec.ts";
import type { Engine } from "../../engine/engine.ts";
import { encodeRequest } from "./hand-off-codec.ts";
import { ELSEWHERE, type Holding, type Holdings, type Serving, servingIn } from "./holdings.ts";
import type { Membership } from "../members/membership.ts";
import { type Pulled, Puller } from "./puller.ts";
import type { Claim, PartitionIndex, PartitionRecord } from "../ports/record-store.ts";
import type { Recorder } from "../records/recorder.ts";
import { type ReadRecord, readRecord } from "../records/recovery.ts";
import type { RunGuard } from "../records/run-guard.ts";
import type { Standing, TakenAnswer } from "../ports/shared-store.ts";
import { memberOf } from "../ports/view.ts";

export interface TakeOverPorts {
  readonly engine: Engine;
  readonly recorder: Recorder;
  readonly holdings: Holdings;
  readonly membership: Membership;
  readonly guard: RunGuard;
  /** Lane `control`; rejects PeerError. */
  readonly call: (incarnation: string, body: Uint8Array, timeoutMs: number) => Promise<Uint8Array>;
  /** False while this node has so much to take in that what it took would wait. */
  readonly mayAsk: () => boolean;
  readonly decompress: (snapshot: Uint8Array) => Promise<Uint8Array>;
  readonly nowMs: () => number;
  readonly wallMs: () => number;
  /** R15: the table kept here is newer than the record. */
  readonly writeBack: (partition: PartitionIndex) => void;
  readonly tell: (event: TakeOverEvent) => void;
}

export type TakeOverEvent =
  | { readonly kind: "took partitions"; readonly partitions: number; readonly term: number; readonly from: string }
  | { readonly kind: "unreadable record"; readonly partition: PartitionIndex; readonly reason: string }
  | { readonly kind: "lost partition"; readonly partition: PartitionIndex; readonly reason: string }
  | { readonly kind: "could not take"; readonly partitions: number; readonly reason: string };

export interface TakeOverOptions {
  readonly leaseMs: number;
  readonly sessionMs: number;
  readonly graceMs: number;
  /** Whether to go on without what is damaged in a record. */
  readonly isRepair: boolean;
}

/** Batches under way at the same time: their tables are in memory. */
const BATCHES_AT_ONCE = 4;
/** Partitions of one batch where nobody serves them. What a living holder serves is copied one by one, so that none waits for another. */
const TAKEN_AT_ONCE_MAX = 16;
/** So long after a new view holders are not asked: they have all counts of moved regions to tell first. */
const ASK_AFTER_MS = 100;
/** Pause before what was refused is tried again. */
const RETRY_MS = 100;
/** Pause before a record that cannot be read is tried again. */
const UNREADABLE_RETRY_MS = 5000;
const SERVED_WITHIN_MS = 1000;

/** How a partition is taken: with the table that its holder handed over, or from its record. */
interface Plan {
  readonly partition: PartitionIndex;
  readonly previous: Holding;
  readonly handedOver?: Pulled;
  /** R13: the holder did not let go, so half a lease passes before this node serves. */
  readonly isSettling?: boolean;
}

export class TakeOver {
  /** Partitions whose record the store had lost (R12). */
  lost = 0;
  private readonly ports: TakeOverPorts;
  private readonly options: TakeOverOptions;
  /** Who holds what is wanted, as the store said. */
  private readonly standings = new Map<PartitionIndex, Standing>();
  /** Why records cannot be read that this node should serve from. */
  readonly unreadable = new Map<PartitionIndex, string>();
  private readonly notBeforeMs = new Map<PartitionIndex, number>();
  private isLooking = false;
  /** What is owned by the view and not held, as of one state of the holdings. */
  private missing: PartitionIndex[] = [];
  private missingAt = -1;
  private viewedAtMs = -Infinity;
  /** The holder of each batch under way. */
  private readonly underWay: string[] = [];
  private readonly puller: Puller;
  /** Holders to be told that these are served now (R6). */
  private readonly toTell = new Map<string, Map<PartitionIndex, number>>();

  constructor(ports: TakeOverPorts, options: TakeOverOptions) {
    this.ports = ports;
    this.options = options;
    const { engine, holdings, call, decompress, nowMs } = ports;
    const isWanted = (partition: PartitionIndex): boolean =>
      holdings.get(partition).kind === "taking" && holdings.isMine(partition);
    const onLastRound = (partition: PartitionIndex): void =>
      holdings.set(partition, { kind: "taking", holder: undefined });
    this.puller = new Puller({ engine, call, decompress, nowMs, isWanted, onLastRound });
  }

  /** Copies that did not fit since the start, so that the record was loaded. */
  get misfits(): number {
    return this.puller.misfits;
  }

  /**
   * Notes what the view gives this node, and what it takes away.
   * @param ownerBefore by the view of before: most likely the holder, until the store has said who it is
   */
  onView(ownerBefore: (partition: PartitionIndex) => string | undefined): void {
    const { holdings, engine, membership } = this.ports;
    const listedOwnerBefore = (partition: PartitionIndex): string | undefined => {
      const owner = ownerBefore(partition);
      const isAnother = owner !== undefined && owner !== membership.me.incarnation;
      return isAnother && memberOf(membership.view, owner) !== undefined ? owner : undefined;
    };
    this.standings.clear();
    this.viewedAtMs = this.ports.nowMs();
    this.missingAt = -1;
    for (const partition of this.unreadable.keys())
      if (!this.ports.holdings.isMine(partition)) this.unreadable.delete(partition);
    for (const partition of engine.partitions.keys()) {
      const { kind } = holdings.get(partition);
      if (kind === "elsewhere" && holdings.isMine(partition))
        holdings.set(partition, { kind: "wanted", holder: listedOwnerBefore(partition) });
      if (kind === "wanted" && !holdings.isMine(partition)) holdings.set(partition, { kind: "elsewhere" });
    }
    if (this.ports.guard.isOpen && membership.isListed) this.lookFor(this.wanted());
  }

  /** R15: nobody knows who holds what in another run of the store. */
  onRun(): void {
    this.standings.clear();
  }

  tick(): void {
    const { guard, membership } = this.ports;
    this.serveSettled();
    this.tellServed();
    if (!guard.isOpen || !membership.isListed) return;
    this.takeNext(this.lookFor(this.wanted()));
  }

  /** Asks who holds what is wanted, where that is not known. @returns what is wanted */
  private lookFor(wanted: PartitionIndex[]): PartitionIndex[] {
    const unknown = wanted.filter((partition) => !this.standings.has(partition));
    if (unknown.length > 0) void this.look(unknown);
    return wanted;
  }

  /** Begins as many batches as may be under way. */
  private takeNext(wanted: readonly PartitionIndex[]): void {
    const { membership, mayAsk, nowMs } = this.ports;
    const { view, me } = membership;
    const isViewFresh = nowMs() - this.viewedAtMs < ASK_AFTER_MS;
    for (const [holder, partitions] of this.byHolder(wanted)) {
      const isAsked = holder !== me.incarnation && memberOf(view, holder) !== undefined;
      const batch = isAsked ? 1 : TAKEN_AT_ONCE_MAX;
      for (let first = 0; first < partitions.length; first += batch) {
        if (this.underWay.length >= BATCHES_AT_ONCE) return;
        if (isAsked && (isViewFresh || !mayAsk())) break;
        void this.takeFrom(holder, partitions.slice(first, first + batch));
      }
    }
  }

  /** What this node owns by the view and does not hold, and may try for now. */
  private wanted(): PartitionIndex[] {
    const { holdings, nowMs } = this.ports;
    if (this.missingAt !== holdings.changes) {
      this.missing = holdings.where("wanted", "kept", "elsewhere").filter((partition) => holdings.isMine(partition));
      this.missingAt = holdings.changes;
    }
    if (this.missing.length === 0) return this.missing;
    const now = nowMs();
    return this.missing.filter((partition) => (this.notBeforeMs.get(partition) ?? 0) <= now);
  }

  private byHolder(partitions: readonly PartitionIndex[]): Map<string, PartitionIndex[]> {
    const byHolder = new Map<string, PartitionIndex[]>();
    for (const partition of partitions) {
      const standing = this.standings.get(partition);
      if (standing === undefined) continue;
      const holder = standing.claim?.incarnation ?? "";
      const own = byHolder.get(holder);
      if (own === undefined) byHolder.set(holder, [partition]);
      else own.push(partition);
    }
    return byHolder;
  }

  private async look(partitions: readonly PartitionIndex[]): Promise<void> {
    if (this.isLooking) return;
    this.isLooking = true;
    const { view } = this.ports.membership;
    try {
      const standings = await this.ports.guard.standing(partitions);
      if (view !== this.ports.membership.view) return;
      for (const [index, partition] of partitions.entries()) this.learnHolder(partition, standings[index]);
    } catch (error) {
      this.postpone(partitions, RETRY_MS, error);
    } finally {
      this.isLooking = false;
    }
  }

  private learnHolder(partition: PartitionIndex, standing: Standing): void {
    const { holdings, membership } = this.ports;
    if (this.isBelowTables(partition, standing)) return this.postpone([partition], RETRY_MS);
    this.standings.set(partition, standing);
    const holder = standing.claim?.incarnation;
    const isThere = holder !== undefined && memberOf(membership.view, holder) !== undefined;
    if (holdings.get(partition).kind === "wanted")
      holdings.set(partition, { kind: "wanted", holder: isThere ? holder : undefined });
  }

  /** R15: whether the store lost what some member has a table of: whoever has the newest writes it back first. */
  private isBelowTables(partition: PartitionIndex, { claim }: Standing): boolean {
    const { holdings, guard, writeBack } = this.ports;
    const standing = claim?.term ?? 0;
    const isMineAbove = (servingIn(holdings.get(partition))?.claim.term ?? 0) > standing;
    if (isMineAbove) writeBack(partition);
    return isMineAbove || guard.isNamedAbove(partition, standing);
  }

  private async takeFrom(holder: string, partitions: readonly PartitionIndex[]): Promise<void> {
    const { holdings, membership, guard } = this.ports;
    const { incarnation } = membership.me;
    this.underWay.push(holder);
    const previous = partitions.map((partition) => holdings.get(partition));
    const isServed = holder !== incarnation && memberOf(membership.view, holder) !== undefined;
    for (const partition of partitions)
      holdings.set(partition, { kind: "taking", holder: isServed ? holder : undefined });
    try {
      const plans = await this.ask(holder, partitions, previous);
      if (membership.me.incarnation === incarnation) await this.claim(holder, plans);
    } catch (error) {
      this.postpone(partitions, RETRY_MS, error);
    } finally {
      this.underWay.splice(this.underWay.indexOf(holder), 1);
      this.puller.release(partitions);
      if (membership.me.incarnation === incarnation) this.putBack(partitions, previous);
    }
    if (guard.isOpen && membership.isListed) this.takeNext(this.wanted());
  }

  /** What did not come to be served is wanted as before. */
  private putBack(partitions: readonly PartitionIndex[], previous: readonly Holding[]): void {
    const { holdings } = this.ports;
    for (const [index, partition] of partitions.entries()) {
      const holding = holdings.get(partition);
      if (holding.kind !== "taking") continue;
      this.standings.delete(partition);
      if (previous[index].kind === "kept") holdings.set(partition, previous[index]);
      else if (!holdings.isMine(partition)) holdings.set(partition, ELSEWHERE);
      else holdings.set(partition, { kind: "wanted", holder: holding.holder });
    }
  }

  /** R13: copies from the holder what it serves, where there is somebody to ask. */
  private async ask(
    holder: string,
    partitions: readonly PartitionIndex[],
    previous: readonly Holding[],
  ): Promise<Plan[]> {
    const { guard, membership } = this.ports;
    const plans = partitions.map((partition, index): Plan => ({ partition, previous: previous[index] }));
    if (holder === "" || membership.view.expelled.includes(holder)) return plans; // nobody to ask
    // Where it is this node, the answer to its claim was lost, and nobody knows who had it before.
    const isSilent = holder === membership.me.incarnation || memberOf(membership.view, holder) === undefined;
    if (isSilent) return plans.map((plan) => ({ ...plan, isSettling: true }));
    const pulls = await this.puller.pull(holder, partitions);
    return plans.flatMap((plan) => {
      const pull = pulls.get(plan.partition);
      if (pull?.kind === "pulled") return [{ ...plan, handedOver: pull }];
      if (pull?.kind === "not held" || pull?.kind === "misfit") return [plan];
      if (pull?.kind === "silent" && !guard.isNamedAhead(plan.partition, holder))
        return [{ ...plan, isSettling: !membership.view.expelled.includes(holder) }];
      this.postpone([plan.partition], RETRY_MS);
      return [];
    });
  }

  private async claim(holder: string, plans: readonly Plan[]): Promise<void> {
    const { membership } = this.ports;
    const handed = plans.filter((plan) => plan.handedOver !== undefined || keptOf(plan, membership.me.incarnation));
    const others = plans.filter((plan) => !handed.includes(plan));
    const claim = { term: membership.view.epoch, incarnation: membership.me.incarnation };
    const inDoubt = await this.claimHanded(holder, handed, claim);
    const toLoad = [...others, ...inDoubt];
    if (toLoad.length === 0) return;
    const answers = await this.take(toLoad, claim, true);
    let taken = 0;
    for (const [index, plan] of toLoad.entries()) if (await this.load(plan, claim, answers[index], holder)) taken++;
    this.tellTaken(taken, claim, holder);
  }

  /** Takes what comes with its table; gives back what the claim's answer did not confirm (R1). */
  private async claimHanded(holder: string, plans: readonly Plan[], claim: Claim): Promise<Plan[]> {
    if (plans.length === 0) return [];
    const answers = await this.take(plans, claim, false);
    const inDoubt: Plan[] = [];
    let taken = 0;
    for (const [index, plan] of plans.entries()) {
      const answer = answers[index];
      if (answer.kind === "refused") continue;
      if (this.adoptHanded(plan, claim, answer)) taken++;
      else inDoubt.push({ ...plan, isSettling: plan.isSettling === true || this.isUnasked(answer.before, holder) });
    }
    this.tellTaken(taken, claim, holder);
    return inDoubt;
  }

  /** R13: whether somebody else than who was asked had it until now, and may not know yet that it is taken. */
  private isUnasked({ claim }: Standing, asked: string): boolean {
    if (claim === undefined || claim.incarnation === asked) return false;
    return !this.ports.membership.view.expelled.includes(claim.incarnation);
  }

  private async take(plans: readonly Plan[], claim: Claim, isLoaded: boolean): Promise<TakenAnswer[]> {
    const { guard, membership } = this.ports;
    const partitions = plans.map(({ partition }) => partition);
    const expectMe = (): void => {
      if (membership.me.incarnation !== claim.incarnation) throw new Error("This incarnation was expelled meanwhile");
    };
    expectMe();
    const answers = await guard.take(partitions, claim, isLoaded);
    expectMe();
    const refusing = answers.flatMap((answer) => (answer.kind === "refused" ? [answer.standing.raisedTo] : []));
    if (refusing.length > 0) await membership.raiseEpoch(Math.max(...refusing));
    return answers;
  }

  private adoptHanded(plan: Plan, claim: Claim, { before }: TakenAnswer & { kind: "claimed" }): boolean {
    const { handedOver } = plan;
    const kept = keptOf(plan, claim.incarnation);
    const said = handedOver ?? (kept && { claim: kept.serving.claim, length: kept.length });
    if (said === undefined) return false;
    const isUnclaimedSince =
      before.claim?.term === said.claim.term && before.claim.incarnation === said.claim.incarnation;
    // R15: the store may have lost what the table still has; then the table counts, and is stored anew.
    const isStoreShort = isUnclaimedSince ? before.length < said.length : (before.claim?.term ?? 0) < said.claim.term;
    if (!isStoreShort && !(isUnclaimedSince && before.length === said.length)) return false;
    let doubtUntilMs = kept?.serving.doubtUntilMs ?? -Infinity;
    if (handedOver !== undefined) {
      handedOver.install();
      doubtUntilMs = this.ports.nowMs() + handedOver.doubtLeftMs;
    }
    // Nobody has had it since: no need to settle.
    const serving: Serving = { kind: "serving", claim, raisedTo: claim.term, doubtUntilMs };
    this.serve(serving, { ...plan, isSettling: false }, before, isStoreShort);
    return true;
  }

  private async load(plan: Plan, claim: Claim, answer: TakenAnswer, asked: string): Promise<boolean> {
    if (answer.kind === "refused") return false;
    const { wallMs, nowMs, membership } = this.ports;
    const { partition } = plan;
    if (answer.isLost) this.noteLoss(partition, "the store has no record of it");
    const { messages, damage } = await this.readable(answer.record);
    if (membership.me.incarnation !== claim.incarnation) return false;
    const refusal = damage ?? this.refill(partition, messages);
    if (refusal !== undefined && !(this.options.isRepair && this.refill(partition, messages) === undefined))
      return this.noteUnreadable(partition, refusal);
    if (refusal !== undefined) this.noteLoss(partition, refusal.message);
    const newestMs = Math.max(...messages.map(({ count, writtenAtMs }) => (count > 0 ? writtenAtMs : -Infinity)));
    // R26: where all were silent longer than a session, nobody knows who is still there until the grace is over.
    const isDoubtful = newestMs > -Infinity && wallMs() - newestMs > this.options.sessionMs;
    const doubtUntilMs = isDoubtful ? nowMs() + this.options.graceMs : -Infinity;
    const isSettling = plan.isSettling === true || this.isUnasked(answer.before, asked);
    this.serve({ kind: "serving", claim, raisedTo: claim.term, doubtUntilMs }, { ...plan, isSettling }, answer.before);
    return true;
  }

  private async readable(record: PartitionRecord | undefined): Promise<ReadRecord> {
    if (record === undefined) return { messages: [], damage: undefined };
    return readRecord(record, this.ports.decompress);
  }

  /** @returns why these rows cannot be taken */
  private refill(partition: PartitionIndex, messages: readonly DecodedRows[]): Error | undefined {
    try {
      this.ports.engine.recover(partition, messages, this.ports.wallMs(), this.options.graceMs);
      return undefined;
    } catch (error) {
      return error as Error;
    }
  }

  /** Its players are answered by nobody until somebody mends the record or allows to go on without what is damaged. */
  private noteUnreadable(partition: PartitionIndex, { message: reason }: Error): false {
    this.postpone([partition], UNREADABLE_RETRY_MS);
    if (!this.unreadable.has(partition)) this.ports.tell({ kind: "unreadable record", partition, reason });
    this.unreadable.set(partition, reason);
    return false;
  }

  /** @param isAhead R4: the table knows more than the record */
  private serve(serving: Serving, plan: Plan, before: Standing, isAhead = false): void {
    const { recorder, holdings, nowMs } = this.ports;
    const { partition } = plan;
    recorder.adopt(partition, serving.claim, isAhead ? 1 : 0);
    this.standings.delete(partition);
    this.notBeforeMs.delete(partition);
    this.unreadable.delete(partition);
    const untilMs = nowMs() + this.options.leaseMs / 2;
    holdings.set(partition, plan.isSettling === true ? { kind: "settling", serving, untilMs } : serving);
    const holder = before.claim?.incarnation;
    if (holder === undefined || holder === serving.claim.incarnation) return;
    if (!this.toTell.has(holder)) this.toTell.set(holder, new Map());
    this.toTell.get(holder)?.set(partition, serving.claim.term);
  }

  private serveSettled(): void {
    const { holdings, nowMs } = this.ports;
    for (const partition of holdings.where("settling")) {
      const holding = holdings.get(partition);
      if (holding.kind === "settling" && nowMs() >= holding.untilMs) holdings.set(partition, holding.serving);
    }
  }

  /** R6: tells holders that these are served now; again until they have heard it or are gone. */
  private tellServed(): void {
    const { membership, holdings } = this.ports;
    for (const [holder, terms] of new Map(this.toTell)) {
      this.toTell.delete(holder);
      if (memberOf(membership.view, holder) === undefined) continue;
      const isServed = (partition: PartitionIndex): boolean => holdings.get(partition).kind !== "settling";
      const served = [...terms].filter(([partition]) => isServed(partition));
      const later = [...terms].filter(([partition]) => !isServed(partition));
      if (later.length > 0) this.toTell.set(holder, new Map(later));
      if (served.length > 0) void this.tellHolder(holder, served);
    }
  }

  private async tellHolder(holder: string, served: [PartitionIndex, number][]): Promise<void> {
    const [partitions, terms] = [served.map(([partition]) => partition), served.map(([, term]) => term)];
    try {
      await this.ports.call(holder, encodeRequest({ kind: "served", partitions, terms }), SERVED_WITHIN_MS);
    } catch {
      const again = new Map([...served, ...(this.toTell.get(holder) ?? [])]);
      this.toTell.set(holder, again);
    }
  }

  private postpone(partitions: readonly PartitionIndex[], pauseMs: number, error?: unknown): void {
    const untilMs = this.ports.nowMs() + pauseMs;
    for (const partition of partitions) this.notBeforeMs.set(partition, untilMs);
    if (error === undefined) return;
    this.ports.tell({
      kind: "could not take",
      partitions: partitions.length,
      reason: error instanceof Error ? error.message : "unknown",
    });
  }

  private noteLoss(partition: PartitionIndex, reason: string): void {
    this.lost++;
    this.ports.tell({ kind: "lost partition", partition, reason });
  }

  private tellTaken(partitions: number, { term }: Claim, from: string): void {
    if (partitions > 0) this.ports.tell({ kind: "took partitions", partitions, term, from });
  }
}

/** The table that this node has kept of what it claimed before, where it still stands under its own claim. */
function keptOf({ previous }: Plan, incarnation: string): (Holding & { kind: "kept" }) | undefined {
  if (previous.kind !== "kept") return undefined;
  return servingIn(previous)?.claim.incarnation === incarnation ? previous : undefined;
}
