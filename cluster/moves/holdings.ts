/** What this node has of each partition, and what it may answer for it (R13, R14). */
import { invariant } from "../../engine/invariant.ts";
import type { Membership } from "../members/membership.ts";
import type { Placement } from "../members/placement.ts";
import type { PartitionIndex } from "../ports/record-store.ts";
import type { NamedTable } from "../records/held-tables.ts";
import type { HeldRecord } from "../records/held-record.ts";

/** A record that is served from. */
export interface Serving {
  readonly kind: "serving";
  readonly record: HeldRecord;
  /** R26: until then nobody knows who is still there. */
  readonly doubtUntilMs: number;
}

export interface Kept {
  readonly kind: "kept";
  /** Its record is not written any more; claim and length are those with which it stopped. */
  readonly serving: Serving;
  /** By the bare clock. */
  readonly untilMs: number;
}

export interface Taking {
  readonly kind: "taking";
  /** R13: who answers for it while it is copied, until that is asked to stop. */
  readonly holder: string | undefined;
  readonly before: Wanted | Kept;
  /** R15: the term under which it was claimed, once that is so. */
  readonly term: number | undefined;
}

interface Wanted {
  readonly kind: "elsewhere" | "wanted";
  /** Who answers for it meanwhile. */
  readonly holder?: string | undefined;
}

/**
 * `elsewhere`: nothing is known of it here. `wanted`: the view names this node; `holder` answers until it is asked.
 * `taking`: being copied while `holder` still answers, or being claimed. `settling`: claimed, but the holder may still answer
 * (R13). `letting go`: it stops for who asked. `kept`: the table of what was let go or superseded, until the successor serves (R6), or long
 * enough for it to have said so.
 */
export type Holding =
  | Wanted
  | Taking
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
  /** @param term of the claim */
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
    return this.all[partition] as Holding;
  }

  // The verbs: each says from where it may come.

  /** The view names this node. @param holder who answers for it meanwhile, where that is known */
  want(partition: PartitionIndex, holder?: string): void {
    this.expect(partition, "elsewhere", "wanted");
    this.set(partition, { kind: "wanted", holder });
  }

  /** @param holder who answers for it while it is copied (R13) */
  take(partition: PartitionIndex, holder?: string): void {
    const before = this.all[partition] as Holding;
    invariant(
      before.kind === "elsewhere" || before.kind === "wanted" || before.kind === "kept",
      `what is taken was wanted or kept, not ${before.kind}`,
    );
    this.set(partition, { kind: "taking", holder, before, term: undefined });
  }

  /** R13: the holder of what is being taken is asked to stop. */
  stopHolder(partition: PartitionIndex): void {
    this.set(partition, { ...this.expectTaking(partition), holder: undefined });
  }

  /** It is claimed under this term, and not adopted yet. Where the key was given up meanwhile (R12), nothing is being taken. */
  noteClaimed(partition: PartitionIndex, term: number): void {
    this.set(partition, { ...this.expectTaking(partition), term });
  }

  /** What did not come to be served is as it was before. */
  giveUp(partition: PartitionIndex): void {
    const holding = this.expectTaking(partition);
    const isKept = holding.before.kind === "kept";
    const { holder } = holding; // where it was not asked to stop, it answers still
    const wanted: Holding = this.isMine(partition) ? { kind: "wanted", holder } : ELSEWHERE;
    this.set(partition, isKept ? holding.before : wanted);
  }

  /** @param untilMs by the bare clock: the holder may answer until then */
  settle(partition: PartitionIndex, serving: Serving, untilMs: number): void {
    this.expect(partition, "taking");
    this.set(partition, { kind: "settling", serving, untilMs });
  }

  /** From now on this node answers for it. */
  serve(partition: PartitionIndex, serving: Serving): void {
    this.expect(partition, "taking", "settling", "letting go", "kept");
    this.set(partition, serving);
  }

  letGo(partition: PartitionIndex): void {
    const holding = this.expect(partition, "serving");
    this.set(partition, { kind: "letting go", serving: holding as Serving });
  }

  /** R6. @param untilMs by the bare clock */
  keep(partition: PartitionIndex, untilMs: number): void {
    const holding = this.expect(partition, "serving", "settling", "letting go", "kept");
    const serving = servingIn(holding);
    if (serving !== undefined) this.set(partition, { kind: "kept", serving, untilMs });
  }

  /** The view names another node, or another serves it. */
  forget(partition: PartitionIndex): void {
    this.expect(partition, "wanted", "serving", "settling", "letting go", "kept");
    this.set(partition, ELSEWHERE);
  }

  /** R12: nothing is had of any partition any more, whatever it was. */
  abandon(): void {
    for (const partition of this.all.keys()) this.set(partition, ELSEWHERE);
  }

  // What is asked.

  /** Partitions of which something is the case. */
  where(...kinds: Holding["kind"][]): PartitionIndex[] {
    const partitions: PartitionIndex[] = [];
    if (kinds.every((kind) => (this.counts.get(kind) ?? 0) === 0)) return partitions;
    for (const [partition, { kind }] of this.all.entries()) if (kinds.includes(kind)) partitions.push(partition);
    return partitions;
  }

  /** The partition, where it is served. */
  servingOf(partition: PartitionIndex): Serving | undefined {
    const holding = this.all[partition] as Holding;
    return holding.kind === "serving" ? holding : undefined;
  }

  isMine(partition: PartitionIndex): boolean {
    return this.ports.placement().partitionOwner(partition) === this.ports.membership.me.incarnation;
  }

  /** R14: whether what writes nothing may be answered as the owner, without proving the claim first. */
  isLicensed(partition: PartitionIndex): boolean {
    const { membership } = this.ports;
    const serving = this.servingOf(partition);
    if (serving === undefined || serving.record.raisedTo < membership.view.epoch) return false;
    return serving.record.state !== "claim lost" && membership.isLicensed && this.isMine(partition);
  }

  isDoubtful(serving: Serving): boolean {
    return this.ports.nowMs() < serving.doubtUntilMs;
  }

  /** R15: every table that is here or being taken, with its term; what is being taken no record is known to have. */
  *tables(): Generator<readonly [PartitionIndex, NamedTable]> {
    for (const [partition, holding] of this.all.entries()) {
      const serving = servingIn(holding);
      if (holding.kind === "taking" && holding.term !== undefined)
        yield [partition, { term: holding.term, isAhead: true }];
      else if (serving !== undefined) {
        const { claim, isAhead } = serving.record;
        yield [partition, { term: claim.term, isAhead: isAhead && holding.kind !== "kept" }];
      }
    }
  }

  private expectTaking(partition: PartitionIndex): Taking {
    return this.expect(partition, "taking") as Taking;
  }

  private expect(partition: PartitionIndex, ...kinds: Holding["kind"][]): Holding {
    const holding = this.all[partition] as Holding;
    invariant(kinds.includes(holding.kind), `a partition is ${kinds.join(" or ")}, not ${holding.kind}`);
    return holding;
  }

  private set(partition: PartitionIndex, holding: Holding): void {
    const before = this.all[partition] as Holding;
    this.all[partition] = holding;
    this.changes++;
    this.counts.set(before.kind, (this.counts.get(before.kind) ?? 0) - 1);
    this.counts.set(holding.kind, (this.counts.get(holding.kind) ?? 0) + 1);
    const was = before.kind === "serving";
    if (was && holding.kind !== "serving") this.ports.onStopped(partition);
    if (holding.kind === "serving" && !was) this.ports.onServing(partition, holding.record.claim.term);
  }
}

/** The record with which a partition's table came here. */
export function servingIn(holding: Holding): Serving | undefined {
  switch (holding.kind) {
    case "serving":
      return holding;
    case "settling":
    case "letting go":
    case "kept":
      return holding.serving;
    case "taking":
      return holding.before.kind === "kept" ? holding.before.serving : undefined;
    default:
      return undefined;
  }
}
