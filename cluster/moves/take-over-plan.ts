/**
 * What a new owner does next (R1, R13, R15): pure. It knows what the view gives this node, who holds it as far as the store
 * said, and what has to wait; time comes in as a number.
 */
import type { PartitionIndex } from "../ports/record-store.ts";
import type { Standing } from "../ports/shared-records.ts";
import { memberOf, type View } from "../ports/view.ts";

export type Step =
  | { readonly kind: "look"; readonly partitions: readonly PartitionIndex[] }
  /** `holder` lives and is asked for its tables. */
  | { readonly kind: "pull"; readonly holder: string; readonly partitions: readonly PartitionIndex[] }
  /** Nobody is asked: they are loaded from their records. `holder`: who had them, "" where nobody did. */
  | { readonly kind: "load"; readonly holder: string; readonly partitions: readonly PartitionIndex[] };

/** What the plan asks about the world, as of now. */
export interface PlanPorts {
  readonly view: () => View;
  readonly me: () => string;
  readonly tagOf: (partition: PartitionIndex) => number;
  /** R15: whether the partition's tag can be written. */
  readonly isOpen: (partition: PartitionIndex) => boolean;
  /** R15: another member knows more of it than the record, so nobody else may take it but from that member. */
  readonly isNamedAhead: (partition: PartitionIndex) => boolean;
  /** False while this node has so much to take in that what it took would wait. */
  readonly mayPull: () => boolean;
}

export interface PlanOptions {
  readonly partitions: number;
  readonly leaseMs: number;
}

/** Partitions that one call names at the most: their tables are in memory. */
export const BATCH_MAX = 16;
/** Batches under way at the same time. */
const BATCHES_AT_ONCE = 4;
/** This part of a lease after a new view nobody is asked yet: holders are busy sending the counts of moved regions. */
const ASK_AFTER = 10;
/** Of all partitions, so small a part is asked for at once: each has that much fewer players where there are more. */
const ASKED_SHARE = 128;

export class TakeOverPlan {
  private readonly ports: PlanPorts;
  private readonly options: PlanOptions;
  /** Who holds what is wanted, as the store said. */
  private readonly standings = new Map<PartitionIndex, Standing>();
  private readonly notBeforeMs = new Map<PartitionIndex, number>();
  private readonly looking = new Set<PartitionIndex>();
  private viewedAtMs = -Infinity;
  private batches = 0;
  /** The living holder that is asked just now. */
  private asked: string | undefined;

  constructor(ports: PlanPorts, options: PlanOptions) {
    this.ports = ports;
    this.options = options;
  }

  /** Another view: holders may be others, and what had to wait for the former need not. */
  onView(nowMs: number): void {
    this.standings.clear();
    this.viewedAtMs = nowMs;
  }

  /** R15: nobody knows who holds what in another run of the store. */
  onRun(isOf: (partition: PartitionIndex) => boolean): void {
    for (const partition of this.standings.keys()) if (isOf(partition)) this.standings.delete(partition);
  }

  learn(partition: PartitionIndex, standing: Standing): void {
    this.standings.set(partition, standing);
  }

  postpone(partitions: readonly PartitionIndex[], untilMs: number): void {
    for (const partition of partitions) {
      this.notBeforeMs.set(partition, untilMs);
      this.standings.delete(partition);
    }
  }

  /** It is served now, or wanted no more. */
  settle(partition: PartitionIndex): void {
    this.standings.delete(partition);
    this.notBeforeMs.delete(partition);
  }

  /**
   * What to do now with what is wanted. Every step is under way from here on until `end` is called with it.
   * @param wanted what this node owns by the view and does not hold
   */
  next(wanted: readonly PartitionIndex[], nowMs: number): Step[] {
    const { isOpen } = this.ports;
    const due = wanted.filter((partition) => (this.notBeforeMs.get(partition) ?? 0) <= nowMs && isOpen(partition));
    return [...this.looks(due), ...this.takes(due, nowMs)];
  }

  end(step: Step): void {
    for (const partition of step.partitions) this.looking.delete(partition);
    if (step.kind === "look") return;
    this.batches--;
    if (step.kind === "pull" && this.asked === step.holder) this.asked = undefined;
  }

  private looks(due: readonly PartitionIndex[]): Step[] {
    const unknown = due.filter((partition) => !this.standings.has(partition) && !this.looking.has(partition));
    for (const partition of unknown) this.looking.add(partition);
    const byTag = Map.groupBy(unknown, this.ports.tagOf);
    return [...byTag.values()].map((partitions) => ({ kind: "look", partitions }));
  }

  /** As many batches as may be under way: several where nobody serves meanwhile, one holder at a time where somebody does. */
  private takes(due: readonly PartitionIndex[], nowMs: number): Step[] {
    const steps: Step[] = [];
    for (const { kind, holder, partitions } of this.groups(due)) {
      const batch = kind === "pull" ? this.pulledAtOnce : BATCH_MAX;
      for (let first = 0; first < partitions.length; first += batch) {
        if (this.batches >= BATCHES_AT_ONCE) return steps;
        if (kind === "pull" && !this.mayAsk(nowMs)) break;
        if (kind === "pull") this.asked = holder;
        this.batches++;
        steps.push({ kind, holder, partitions: partitions.slice(first, first + batch) });
      }
    }
    return steps;
  }

  private mayAsk(nowMs: number): boolean {
    const isViewFresh = nowMs - this.viewedAtMs < this.options.leaseMs / ASK_AFTER;
    return this.asked === undefined && !isViewFresh && this.ports.mayPull();
  }

  private get pulledAtOnce(): number {
    return Math.min(BATCH_MAX, Math.max(1, Math.floor(this.options.partitions / ASKED_SHARE)));
  }

  /** What is known of, by who holds it and by tag. */
  private groups(due: readonly PartitionIndex[]) {
    const groups = new Map<string, { kind: "pull" | "load"; holder: string; partitions: PartitionIndex[] }>();
    for (const partition of due) {
      const standing = this.standings.get(partition);
      if (standing === undefined) continue;
      const holder = standing.claim?.incarnation ?? "";
      const kind = this.isAskable(holder) ? "pull" : "load";
      if (kind === "load" && this.ports.isNamedAhead(partition)) continue;
      const key = `${holder} ${this.ports.tagOf(partition)}`;
      const group = groups.get(key) ?? { kind, holder, partitions: [] };
      groups.set(key, group);
      group.partitions.push(partition);
    }
    return groups.values();
  }

  private isAskable(holder: string): boolean {
    const view = this.ports.view();
    return holder !== this.ports.me() && memberOf(view, holder) !== undefined;
  }
}
