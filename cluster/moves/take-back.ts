/**
 * R15: when the store came back as another, or lost a claim, each partition is taken again by the member that knows most: whoever
 * has the table of the highest term, unless the record's claim has a higher one. It is a take-over like any other, but for
 * two things: the table is here already, and claim and snapshot land in one step. Lower tables stay kept (R6).
 */
import { invariant } from "../../engine/invariant.ts";
import type { Membership } from "../members/membership.ts";
import type { FoundedClaim, PartitionIndex } from "../ports/record-store.ts";
import type { Run, Standing } from "../ports/shared-records.ts";
import type { HeldRecord } from "../records/held-record.ts";
import type { Recorder } from "../records/recorder.ts";
import type { RunGuard } from "../records/run-guard.ts";
import { type Holdings, servingIn } from "./holdings.ts";

export interface TakeBackPorts {
  readonly recorder: Recorder;
  readonly holdings: Holdings;
  readonly membership: Membership;
  readonly guard: RunGuard;
  readonly randomId: () => string;
  readonly nowMs: () => number;
  /** R6: the record is another's; the table stays here until that one serves. */
  readonly keep: (partition: PartitionIndex) => void;
  /** The record is absent, and nobody has compared the tables that there are of it. */
  readonly onLoss: () => void;
  readonly tell: (event: TakeBackEvent) => void;
  /** False with durability `none`: claims are taken again, nothing is stored. */
  readonly isStored: boolean;
}

export type TakeBackEvent =
  /** `kept`: somebody has a newer table. */
  { readonly kind: "takes back"; readonly partitions: number; readonly kept: number };

interface Pending {
  notBeforeMs: number;
  isUnderWay: boolean;
  /** An answer that was lost is asked for again under the same claim. */
  claim: FoundedClaim | undefined;
  /** Under which this table is the newest of all that members named: it may make a record that is absent. */
  newestUnder: Run | undefined;
}

const RETRY_MS = 100;
/** Copies of tables that are encoded or on their way, of one tag. */
const AT_ONCE = 2;

export class TakeBack {
  private readonly ports: TakeBackPorts;
  private readonly pending = new Map<PartitionIndex, Pending>();
  private readonly underWay = new Map<number, number>();

  constructor(ports: TakeBackPorts) {
    this.ports = ports;
  }

  /** Whether its table is still to be written back. */
  isPending(partition: PartitionIndex): boolean {
    return this.pending.has(partition);
  }

  /** Every member has named what it has under these tags. */
  onOpen(tags: readonly number[]): void {
    const { holdings, guard, membership, recorder } = this.ports;
    let [newest, lesser] = [0, 0];
    for (const partition of holdings.where("serving", "settling", "letting go", "kept")) {
      if (!tags.includes(guard.tagOf(partition))) continue;
      const table = servingIn(holdings.get(partition));
      const isNewest = guard.newestOf(partition)?.incarnation === membership.me.incarnation;
      if (isNewest) this.add(partition, guard.runOf(guard.tagOf(partition)));
      else if (table !== undefined) this.ports.keep(partition);
      newest += Number(isNewest);
      lesser += Number(!isNewest);
    }
    for (const tag of tags) recorder.resume(tag);
    if (newest + lesser > 0) this.ports.tell({ kind: "takes back", partitions: newest, kept: lesser });
    this.tick();
  }

  /**
   * The store lost the claim of a table that is here, or may have.
   * @param newestUnder the run under which all have named what they have, and this is the newest
   */
  add(partition: PartitionIndex, newestUnder?: Run): void {
    const pending = this.pending.get(partition);
    if (pending === undefined)
      this.pending.set(partition, { notBeforeMs: -Infinity, isUnderWay: false, claim: undefined, newestUnder });
    else pending.newestUnder = newestUnder ?? pending.newestUnder;
  }

  tick(): void {
    const { guard, nowMs, membership } = this.ports;
    if (this.pending.size === 0 || !membership.isListed) return;
    for (const [partition, pending] of this.pending) {
      const tag = guard.tagOf(partition);
      const isFree = !pending.isUnderWay && (this.underWay.get(tag) ?? 0) < AT_ONCE;
      if (!isFree || !guard.isOpenFor(partition) || nowMs() < pending.notBeforeMs) continue;
      // What waits takes no place: two members may each wait for what the other is to write back behind it.
      if (this.mustWait(partition)) pending.notBeforeMs = nowMs() + RETRY_MS;
      else void this.takeBack(partition, pending);
    }
  }

  /** Whether it may be served under another claim soon, or somebody names a newer table of it. */
  private mustWait(partition: PartitionIndex): boolean {
    const { holdings, guard } = this.ports;
    const holding = holdings.get(partition);
    if (holding.kind === "taking") return true; // it will be served, or be as before
    const serving = servingIn(holding);
    return serving !== undefined && guard.isNamedAbove(partition, serving.record.claim.term);
  }

  private async takeBack(partition: PartitionIndex, pending: Pending): Promise<void> {
    const tag = this.ports.guard.tagOf(partition);
    pending.isUnderWay = true;
    this.underWay.set(tag, (this.underWay.get(tag) ?? 0) + 1);
    try {
      if (await this.isDone(partition, pending)) this.pending.delete(partition);
    } catch {
      // the store's faults are told by who writes to it
    } finally {
      pending.isUnderWay = false;
      pending.notBeforeMs = this.ports.nowMs() + RETRY_MS;
      this.underWay.set(tag, (this.underWay.get(tag) ?? 0) - 1);
    }
  }

  /** False where it has to be tried again. */
  private async isDone(partition: PartitionIndex, pending: Pending): Promise<boolean> {
    const { holdings, guard, membership } = this.ports;
    const holding = holdings.get(partition);
    const serving = servingIn(holding);
    if (serving === undefined) return true;
    const { term } = serving.record.claim;
    if (membership.view.epoch <= term) {
      await membership.raiseEpoch(term);
      return false;
    }
    const isKept = holding.kind === "kept";
    const record = isKept ? this.revive(serving.record) : serving.record;
    const claim = this.claimFor(pending);
    const mayBeAbsent = pending.newestUnder === guard.runOf(guard.tagOf(partition));
    const answer = await this.write(record, claim, term, mayBeAbsent);
    const now = holdings.get(partition);
    if (servingIn(now)?.record !== serving.record) return true; // it moved meanwhile
    if (record.claim !== claim) return this.onRefused(partition, isKept, answer);
    // What was only kept is the newest that is left, so it is served again until its owner asks for it.
    if (isKept) holdings.serve(partition, { ...serving, record });
    return record.state !== "claim lost"; // it may have been lost again meanwhile
  }

  private revive({ partition, claim, length, snapshotNumber }: HeldRecord): HeldRecord {
    return this.ports.recorder.adopt({ partition, claim, length, snapshotNumber }, "claim lost");
  }

  private claimFor(pending: Pending): FoundedClaim {
    const { membership, randomId } = this.ports;
    const [term, { incarnation }] = [membership.view.epoch, membership.me];
    const isSame = pending.claim?.term === term && pending.claim.incarnation === incarnation;
    return (pending.claim = isSame ? pending.claim! : { term, incarnation, founding: randomId() });
  }

  /** @returns what stands, where the store refused; `undefined` where it took it or nobody knows */
  private async write(record: HeldRecord, claim: FoundedClaim, notAbove: number, mayBeAbsent: boolean) {
    const { recorder, guard, membership, isStored } = this.ports;
    let standing: Standing | undefined;
    await recorder.heal(record, async ({ covers, bytes }) => {
      invariant(membership.me.incarnation === claim.incarnation, "only the living incarnation claims");
      const { partition } = record;
      const table = { covers, bytes: isStored ? bytes : undefined };
      const answer = await guard.takeBack({ partition, claim, notAbove, ...table, mayBeAbsent });
      if (answer.kind === "refused") {
        ({ standing } = answer);
        return undefined;
      }
      record.retake(claim);
      return "landed";
    });
    return standing;
  }

  /** The record counts where it is another's under a higher term; else only the epoch is too low. */
  private async onRefused(
    partition: PartitionIndex,
    isKept: boolean,
    standing: Standing | undefined,
  ): Promise<boolean> {
    const { recorder, holdings, membership, keep } = this.ports;
    const term = servingIn(holdings.get(partition))?.record.claim.term ?? 0;
    if (isKept) recorder.drop(partition);
    if (standing === undefined) return false;
    if (standing.isAbsent) {
      this.ports.onLoss();
      return false;
    }
    if ((standing.claim?.term ?? 0) > term) {
      if (!isKept) keep(partition);
      return true;
    }
    await membership.raiseEpoch(standing.raisedTo);
    return false;
  }
}
