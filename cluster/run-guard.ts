/**
 * R15: stands between a node and the records of a store that may come back as another. Under a new run nobody claims,
 * appends or snapshots until every listed member has renewed under it and named what it holds; an answer under an old
 * run counts as unheard.
 */
import {
  type Append,
  type Claim,
  type PartitionIndex,
  type Snapshot,
  type SnapshotAnswer,
  StoreUnavailableError,
} from "./record-store.ts";
import type { RecorderStore } from "./recorder.ts";
import type { MemberList, Run, SharedAppendAnswer, SharedStore, Standing, TakenAnswer } from "./shared-store.ts";

/** The terms that all members together hold, the highest of each partition. */
export type HeldTerms = ReadonlyMap<PartitionIndex, number>;

export class RunGuard implements RecorderStore {
  readonly isOneFile = false;
  /** False while not every listed member is known to believe in the same run. */
  isOpen = false;
  private readonly store: SharedStore;
  private run: Run | undefined;

  constructor(store: SharedStore) {
    this.store = store;
  }

  /** A new run: nothing passes any more. */
  close(run: Run): void {
    this.run = run;
    this.isOpen = false;
  }

  /**
   * Looks at a list while nothing passes.
   * @returns what the members hold, where from now on all passes; undefined where nothing changed
   */
  look(list: MemberList): HeldTerms | undefined {
    if (this.isOpen || this.run === undefined) return undefined;
    const named = list.listed.map(({ held }) => termsOf(held, this.run as Run));
    if (named.length === 0 || named.includes(undefined)) return undefined;
    this.isOpen = true;
    const highest = new Map<PartitionIndex, number>();
    for (const terms of named)
      for (const [partition, term] of terms ?? []) highest.set(partition, Math.max(highest.get(partition) ?? 0, term));
    return highest;
  }

  append(appends: readonly Append[]): Promise<SharedAppendAnswer[]> {
    return this.guarded((run) => this.store.append(run, appends));
  }

  snapshot(partition: PartitionIndex, claim: Claim, snapshot: Snapshot): Promise<SnapshotAnswer> {
    return this.guarded((run) => this.store.snapshot(run, partition, claim, snapshot));
  }

  standing(partitions: readonly PartitionIndex[]): Promise<Standing[]> {
    return this.guarded((run) => this.store.standing(run, partitions));
  }

  take(partitions: readonly PartitionIndex[], claim: Claim, isLoaded: boolean): Promise<TakenAnswer[]> {
    return this.guarded((run) => this.store.take(run, partitions, claim, isLoaded));
  }

  raise(
    claims: readonly { readonly partition: PartitionIndex; readonly claim: Claim }[],
    epoch: number,
  ): Promise<SharedAppendAnswer[]> {
    return this.guarded((run) => this.store.raise(run, claims, epoch));
  }

  private async guarded<T>(call: (run: Run) => Promise<T>): Promise<T> {
    const { run } = this;
    if (!this.isOpen || run === undefined)
      throw new StoreUnavailableError("The store is of another run than before, and not all members know it yet");
    const answer = await call(run);
    if (this.run !== run) throw new StoreUnavailableError("The store answered under a run that is over");
    return answer;
  }
}

/** What a member holds, as it names it in its renewals: the run that it believes in, then `partition:term` each. */
export function heldText(run: Run | undefined, terms: Iterable<readonly [PartitionIndex, number]>): string {
  if (run === undefined) return "";
  return `${run}\n${Array.from(terms, ([partition, term]) => `${partition}:${term}`).join(",")}`;
}

/** Undefined where it was named under another run. */
function termsOf(held: string, run: Run): Map<PartitionIndex, number> | undefined {
  const end = held.lastIndexOf("\n");
  if (end < 0 || held.slice(0, end) !== run) return undefined;
  const terms = new Map<PartitionIndex, number>();
  for (const [, partition, term] of held.slice(end + 1).matchAll(/(\d{1,4}):(\d{1,15})/g))
    terms.set(Number(partition), Number(term));
  return terms;
}
