/** R14: who learns a view raises the claims of what it still owns, so that nobody can take them under an older one. */
import type { Membership } from "../members/membership.ts";
import type { PartitionIndex } from "../ports/record-store.ts";
import type { HeldRecord } from "../records/held-record.ts";
import type { RunGuard } from "../records/run-guard.ts";
import type { Holdings } from "./holdings.ts";

export interface ClaimRaiserPorts {
  readonly holdings: Holdings;
  readonly membership: Membership;
  readonly guard: RunGuard;
  readonly nowMs: () => number;
  /** R6: another node claimed the partition. */
  readonly onSuperseded: (partition: PartitionIndex) => void;
  /** R2: the store lost the claim. */
  readonly onClaimLost: (partition: PartitionIndex) => void;
  /** R15: its claim is being taken again. */
  readonly isTakingBack: (partition: PartitionIndex) => boolean;
}

const RETRY_MS = 100;
/** How often we re-check partitions that we hold but no longer own: another node may have claimed them long ago. */
const LOOK_EVERY_MS = 1000;

export class ClaimRaiser {
  private readonly ports: ClaimRaiserPorts;
  /** Tags with a call under way; each is on its own. */
  private readonly raising = new Set<number>();
  private readonly notBeforeMs = new Map<number, number>();
  private lookAtMs = -Infinity;
  /** The state of the holdings in which there was nothing to raise. */
  private raisedAt = -1;

  constructor(ports: ClaimRaiserPorts) {
    this.ports = ports;
  }

  onView(): void {
    this.notBeforeMs.clear();
    this.raisedAt = -1;
    this.tick();
  }

  tick(): void {
    const { holdings, nowMs, membership } = this.ports;
    if (this.raisedAt === holdings.changes) return;
    const raised = this.records(true);
    this.raiseAll(raised, membership.view.epoch);
    if (raised.length > 0) return;
    const others = this.records(false);
    if (others.length === 0) {
      if (!holdings.where("serving").some((partition) => this.isClaimedAnew(partition)))
        this.raisedAt = holdings.changes;
    } else if (nowMs() >= this.lookAtMs) {
      this.lookAtMs = nowMs() + LOOK_EVERY_MS;
      this.raiseAll(others, 0); // raises nothing, and tells what is superseded
    }
  }

  /** Records of this node's own partitions that are not raised yet, or of those that it holds for others. */
  private records(isMine: boolean): HeldRecord[] {
    const { holdings, membership } = this.ports;
    return holdings.where("serving").flatMap((partition) => {
      const record = holdings.servingOf(partition)?.record;
      if (record === undefined || this.isClaimedAnew(partition) || holdings.isMine(partition) !== isMine) return [];
      return !isMine || record.raisedTo < membership.view.epoch ? [record] : [];
    });
  }

  /** R15: it is claimed anew; the claim that it has must not be raised beside that. */
  private isClaimedAnew(partition: PartitionIndex): boolean {
    const { holdings, isTakingBack } = this.ports;
    return isTakingBack(partition) || holdings.servingOf(partition)?.record.state === "claim lost";
  }

  private raiseAll(records: readonly HeldRecord[], epoch: number): void {
    const { guard, nowMs } = this.ports;
    const byTag = Map.groupBy(records, ({ partition }) => guard.tagOf(partition));
    for (const [tag, own] of byTag) {
      const isFree = !this.raising.has(tag) && nowMs() >= (this.notBeforeMs.get(tag) ?? -Infinity);
      if (isFree && guard.isOpenFor((own[0] as HeldRecord).partition)) void this.raise(tag, own, epoch);
    }
  }

  private async raise(tag: number, records: readonly HeldRecord[], epoch: number): Promise<void> {
    const { holdings, guard, nowMs } = this.ports;
    this.raising.add(tag);
    const claims = records.map(({ partition, claim }) => ({ partition, claim }));
    const answers = await guard.raise(claims, epoch).catch(() => []); // the store's faults are told by who writes to it
    this.raising.delete(tag);
    const isDone = answers.length > 0 && answers.every((answer) => answer === "landed");
    if (!isDone) this.notBeforeMs.set(tag, nowMs() + RETRY_MS);
    for (const [index, answer] of answers.entries()) {
      const record = records[index] as HeldRecord;
      const { partition } = record;
      const isSame = holdings.servingOf(partition)?.record === record && record.claim === claims[index]?.claim;
      if (!isSame) continue; // it moved meanwhile
      if (answer === "landed") record.raisedTo = Math.max(record.raisedTo, epoch);
      else if (answer === "superseded") this.ports.onSuperseded(partition);
      else this.ports.onClaimLost(partition);
    }
  }
}
