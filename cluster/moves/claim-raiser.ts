/** R14: who learns a view raises the claims of what it still owns, so that nobody can take them under an older one. */
import type { Holdings, Serving } from "./holdings.ts";
import type { Membership } from "../members/membership.ts";
import type { PartitionIndex } from "../ports/record-store.ts";
import type { RunGuard } from "../records/run-guard.ts";

export interface ClaimRaiserPorts {
  readonly holdings: Holdings;
  readonly membership: Membership;
  readonly guard: RunGuard;
  readonly nowMs: () => number;
  /** R6: another node claimed the partition. */
  readonly onSuperseded: (partition: PartitionIndex) => void;
  /** R2: the store lost the claim. */
  readonly onBehind: (partition: PartitionIndex) => void;
}

const RETRY_MS = 100;
/** What is held for another owner, who has not asked for it, is looked at so often: it may have been claimed long ago. */
const LOOK_EVERY_MS = 1000;

export class ClaimRaiser {
  private readonly ports: ClaimRaiserPorts;
  private isRaising = false;
  private notBeforeMs = -Infinity;
  private lookAtMs = -Infinity;
  /** The state of the holdings in which there was nothing to raise. */
  private raisedAt = -1;

  constructor(ports: ClaimRaiserPorts) {
    this.ports = ports;
  }

  onView(): void {
    this.notBeforeMs = -Infinity;
    this.raisedAt = -1;
    this.tick();
  }

  tick(): void {
    const { guard, holdings, nowMs } = this.ports;
    if (this.isRaising || !guard.isOpen || this.raisedAt === holdings.changes || nowMs() < this.notBeforeMs) return;
    const raised = this.claims(true);
    if (raised.length > 0) return void this.raise(raised, this.ports.membership.view.epoch);
    const others = this.claims(false);
    if (others.length === 0) this.raisedAt = holdings.changes;
    else if (nowMs() >= this.lookAtMs) {
      this.lookAtMs = nowMs() + LOOK_EVERY_MS;
      void this.raise(others, 0); // raises nothing, and tells what is superseded
    }
  }

  /** Claims of this node's own partitions that are not raised yet, or of those that it holds for others. */
  private claims(isMine: boolean): { partition: PartitionIndex; claim: Serving["claim"] }[] {
    const { holdings, membership } = this.ports;
    return holdings.where("serving").flatMap((partition) => {
      const serving = holdings.servingOf(partition);
      const isLow = serving !== undefined && (!isMine || serving.raisedTo < membership.view.epoch);
      return isLow && holdings.isMine(partition) === isMine ? [{ partition, claim: serving.claim }] : [];
    });
  }

  private async raise(
    claims: readonly { readonly partition: PartitionIndex; readonly claim: Serving["claim"] }[],
    epoch: number,
  ): Promise<void> {
    const { holdings, guard, nowMs } = this.ports;
    this.isRaising = true;
    try {
      const answers = await guard.raise(claims, epoch);
      for (const [index, { partition, claim }] of claims.entries()) {
        const serving = holdings.servingOf(partition);
        if (serving?.claim !== claim) continue; // it moved meanwhile
        const isRaised = answers[index] === "landed" && epoch > serving.raisedTo;
        if (isRaised) holdings.set(partition, { ...serving, raisedTo: epoch });
        else if (answers[index] === "superseded") this.ports.onSuperseded(partition);
        else if (answers[index] === "behind") this.ports.onBehind(partition);
      }
      if (answers.some((answer) => answer !== "landed")) this.notBeforeMs = nowMs() + RETRY_MS;
    } catch {
      this.notBeforeMs = nowMs() + RETRY_MS; // the store's faults are told by who writes to it
    } finally {
      this.isRaising = false;
    }
  }
}
