/** What this node has of each partition, and what it may answer for it (R13, R14). */
import type { Membership } from "../members/membership.ts";
import type { Placement } from "../members/placement.ts";
import type { Claim, PartitionIndex } from "../ports/record-store.ts";

/** A claim that is served under. */
export interface Serving {
  readonly kind: "serving";
  readonly claim: Claim;
  /** R14: the epoch that the claim was raised to. */
  readonly raisedTo: number;
  /** R26: until then nobody knows who is still there. */
  readonly doubtUntilMs: number;
}

export interface Kept {
  readonly kind: "kept";
  readonly serving: Serving;
  /** R2: bytes sent under the claim when it stopped. */
  readonly length: number;
  readonly untilMs: number;
}

/**
 * `elsewhere`: nothing is known of it here. `wanted`: the view names this node; `holder` answers until it is asked.
 * `taking`: being copied while `holder` still answers, or being claimed. `settling`: claimed, but the holder may still answer (R13). `letting go`: it
 * stops for who asked. `kept`: the table of what was let go or superseded, until the successor serves (R6), or long
 * enough for it to have said so.
 */
export type Holding =
  | { readonly kind: "elsewhere" }
  | { readonly kind: "wanted"; readonly holder: string | undefined }
  | { readonly kind: "taking"; readonly holder: string | undefined }
  | { readonly kind: "settling"; readonly serving: Serving; readonly untilMs: number }
  | Serving
  | { readonly kind: "letting go"; readonly serving: Serving }
  | Kept;

export const ELSEWHERE: Holding = { kind: "elsewhere" };

export interface HoldingsPorts {
  readonly membership: Membership;
  readonly placement: () => Placement;
  readonly nowMs: () => number;
  /** A partition is served from now on, or no longer. */
  readonly onServing: (partition: PartitionIndex, term: number) => void;
  readonly onStopped: (partition: PartitionIndex) => void;
}

export class Holdings {
  /** Rises with every change: who looked finds nothing new before. */
  changes = 0;
  private readonly ports: HoldingsPorts;
  private readonly all: Holding[];
  /** Partitions by kind. */
  private readonly counts = new Map<Holding["kind"], number>();

  constructor(partitions: number, ports: HoldingsPorts) {
    this.ports = ports;
    this.all = Array.from({ length: partitions }, () => ELSEWHERE);
    this.counts.set("elsewhere", partitions);
  }

  get(partition: PartitionIndex): Holding {
    return this.all[partition];
  }

  set(partition: PartitionIndex, holding: Holding): void {
    const before = this.all[partition];
    this.all[partition] = holding;
    this.changes++;
    this.counts.set(before.kind, (this.counts.get(before.kind) ?? 0) - 1);
    this.counts.set(holding.kind, (this.counts.get(holding.kind) ?? 0) + 1);
    const [was, is] = [termServed(before), termServed(holding)];
    if (was === is) return;
    if (was !== undefined) this.ports.onStopped(partition);
    if (is !== undefined) this.ports.onServing(partition, is);
  }

  /** Partitions of which something is the case. */
  where(...kinds: Holding["kind"][]): PartitionIndex[] {
    const partitions: PartitionIndex[] = [];
    if (kinds.every((kind) => (this.counts.get(kind) ?? 0) === 0)) return partitions;
    for (const [partition, { kind }] of this.all.entries()) if (kinds.includes(kind)) partitions.push(partition);
    return partitions;
  }

  /** The partition, where it is served. */
  servingOf(partition: PartitionIndex): Serving | undefined {
    const holding = this.all[partition];
    return holding.kind === "serving" ? holding : undefined;
  }

  isMine(partition: PartitionIndex): boolean {
    return this.ports.placement().partitionOwner(partition) === this.ports.membership.me.incarnation;
  }

  /** R14: whether what writes nothing may be answered as the owner, without proving the claim first. */
  isLicensed(partition: PartitionIndex): boolean {
    const { membership } = this.ports;
    const serving = this.servingOf(partition);
    if (serving === undefined || serving.raisedTo < membership.view.epoch) return false;
    return membership.isLicensed && this.isMine(partition);
  }

  isDoubtful(serving: Serving): boolean {
    return this.ports.nowMs() < serving.doubtUntilMs;
  }

  /** R15: the term of every table that is here. */
  *heldTerms(): Generator<readonly [PartitionIndex, number]> {
    for (const [partition, holding] of this.all.entries()) {
      const serving = servingIn(holding);
      if (serving !== undefined) yield [partition, serving.claim.term];
    }
  }
}

/** The claim with which a partition's table came here. */
export function servingIn(holding: Holding): Serving | undefined {
  switch (holding.kind) {
    case "serving":
      return holding;
    case "settling":
    case "letting go":
    case "kept":
      return holding.serving;
    default:
      return undefined;
  }
}

function termServed(holding: Holding): number | undefined {
  return holding.kind === "serving" ? holding.claim.term : undefined;
}
