/**
 * What a new owner does next (R1, R13, R15): pure. It knows what the view gives this node, who holds it as far as the store
 * said, and what has to wait; time comes in as a number.
 */
import type { PartitionIndex } from "../ports/record-store.ts";
import type { Standing } from "../ports/shared-records.ts";
import { isListedPeer, type View } from "../ports/view.ts";

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

/**
 * Partitions of one step where nobody serves them: their tables are in memory. What a living holder serves is copied one by
 * one, so that none waits for another.
 */
const TAKEN_AT_ONCE_MAX = 16;
/** Steps that take, under way at the same time. */
const TAKES_AT_ONCE_MAX = 4;
/** So long after a new view holders are not asked: they have all counts of moved regions to tell first. */
const ASK_AFTER_MS = 100;

export class TakeOverPlan {
  private readonly ports: PlanPorts;
  /** Who holds what is wanted, as the store said. */
  private readonly standings = new Map<PartitionIndex, Standing>();
  private readonly notBeforeMs = new Map<PartitionIndex, number>();
  private readonly looking = new Set<PartitionIndex>();
  private viewedAtMs = -Infinity;
  private taking = 0;

  constructor(ports: PlanPorts) {
    this.ports = ports;
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
  forget(partition: PartitionIndex): void {
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

  /** Whether nothing is being taken. */
  get isIdle(): boolean {
    return this.taking === 0;
  }

  end(step: Step): void {
    for (const partition of step.partitions) this.looking.delete(partition);
    if (step.kind === "look") return;
    this.taking--;
  }

  private looks(due: readonly PartitionIndex[]): Step[] {
    const unknown = due.filter((partition) => !this.standings.has(partition) && !this.looking.has(partition));
    for (const partition of unknown) this.looking.add(partition);
    const byTag = Map.groupBy(unknown, this.ports.tagOf);
    return [...byTag.values()].map((partitions) => ({ kind: "look", partitions }));
  }

  /** As many as may be under way. */
  private takes(due: readonly PartitionIndex[], nowMs: number): Step[] {
    const steps: Step[] = [];
    for (const { kind, holder, partitions } of this.groups(due)) {
      const count = kind === "pull" ? 1 : TAKEN_AT_ONCE_MAX;
      for (let first = 0; first < partitions.length; first += count) {
        if (this.taking >= TAKES_AT_ONCE_MAX) return steps;
        if (kind === "pull" && !this.mayAsk(nowMs)) break;
        this.taking++;
        steps.push({ kind, holder, partitions: partitions.slice(first, first + count) });
      }
    }
    return steps;
  }

  private mayAsk(nowMs: number): boolean {
    return nowMs - this.viewedAtMs >= ASK_AFTER_MS && this.ports.mayPull();
  }

  /** What is known of, by who holds it and by tag. */
  private groups(due: readonly PartitionIndex[]) {
    const groups = new Map<string, { kind: "pull" | "load"; holder: string; partitions: PartitionIndex[] }>();
    for (const partition of due) {
      const standing = this.standings.get(partition);
      if (standing === undefined) continue;
      const holder = standing.claim?.incarnation ?? "";
      const kind = isListedPeer(this.ports.view(), this.ports.me(), holder) ? "pull" : "load";
      if (kind === "load" && this.ports.isNamedAhead(partition)) continue;
      const key = `${holder} ${this.ports.tagOf(partition)}`;
      const group = groups.get(key) ?? { kind, holder, partitions: [] };
      groups.set(key, group);
      group.partitions.push(partition);
    }
    return groups.values();
  }
}
