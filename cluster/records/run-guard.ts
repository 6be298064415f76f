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
} from "../ports/record-store.ts";
import type { RecorderStore } from "./recorder.ts";
import type { MemberList, Run, SharedAppendAnswer, SharedStore, Standing, TakenAnswer } from "../ports/shared-store.ts";

/** The terms that all members together hold, the highest of each partition. */
export type HeldTerms = ReadonlyMap<PartitionIndex, number>;

/** What one member holds of a partition. */
interface Held {
  readonly term: number;
  /** R4: it knows more than the record. */
  readonly isAhead: boolean;
}
type HeldByPartition = ReadonlyMap<PartitionIndex, Held>;

export class RunGuard implements RecorderStore {
  readonly isOneFile = false;
  /** False while not every listed member is known to believe in the same run. */
  isOpen = false;
  private readonly store: SharedStore;
  private run: Run | undefined;
  /** What each listed member named last, by incarnation; looked up when first asked for. */
  private list: MemberList | undefined;
  private named: ReadonlyMap<string, HeldByPartition> | undefined;

  constructor(store: SharedStore) {
    this.store = store;
  }

  /** A new run: nothing passes any more. */
  close(run: Run): void {
    this.run = run;
    this.isOpen = false;
    this.list = this.named = undefined;
  }

  /**
   * Looks at the newest list.
   * @returns what the members hold, where from now on all passes; undefined where nothing changed
   */
  look(list: MemberList): HeldTerms | undefined {
    const { run } = this;
    if (list !== this.list) this.named = undefined;
    this.list = list;
    if (this.isOpen || run === undefined) return undefined;
    if (list.listed.length === 0 || !list.listed.every(({ held }) => isNamedUnder(held, run))) return undefined;
    this.isOpen = true;
    const highest = new Map<PartitionIndex, number>();
    for (const held of this.namedByAll().values())
      for (const [partition, { term }] of held) highest.set(partition, Math.max(highest.get(partition) ?? 0, term));
    return highest;
  }

  /**
   * Whether a listed member names a higher term than `term`, so that the record is older than its table, which it writes
   * back; or may do so, as the list was written back and it has not renewed since.
   */
  isNamedAbove(partition: PartitionIndex, term: number): boolean {
    if (this.list?.listed.some(({ run }) => run !== this.run)) return true;
    return [...this.namedByAll().values()].some((held) => (held.get(partition)?.term ?? 0) > term);
  }

  /** R4: whether a listed member says that it knows more of a partition than the record: nobody else could take that over. */
  isNamedAhead(partition: PartitionIndex, incarnation: string): boolean {
    return this.namedByAll().get(incarnation)?.get(partition)?.isAhead ?? false;
  }

  /**
   * R15: what a member must name of what it holds: all of it under a new run, while not everybody has named it, where it is
   * asked, and where other partitions are ahead than it said (R4); else nothing, since it costs the store more than a lease.
   * @param named what it named last; undefined: nothing, or it is asked
   */
  naming(
    run: Run | undefined,
    held: Iterable<readonly [partition: PartitionIndex, term: number, isAhead?: boolean]>,
    named: string | undefined,
  ): string | undefined {
    const text = heldText(run, held);
    return named !== undefined && this.isOpen && aheadIn(named) === aheadIn(text) ? undefined : text;
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

  private namedByAll(): ReadonlyMap<string, HeldByPartition> {
    const listed = this.list?.listed ?? [];
    this.named ??= new Map(listed.map(({ member, held }) => [member.incarnation, heldOf(held, this.run ?? "")]));
    return this.named;
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

/**
 * What a member holds, as it names it in its renewals: the run that it believes in, then `partition:term` each, with a
 * `+` behind where it is ahead (R4).
 */
export function heldText(
  run: Run | undefined,
  held: Iterable<readonly [partition: PartitionIndex, term: number, isAhead?: boolean]>,
): string {
  if (run === undefined) return "";
  return `${run}\n${Array.from(held, ([partition, term, isAhead]) => `${partition}:${term}${isAhead ? "+" : ""}`).join(",")}`;
}

/** The partitions that are named as ahead. */
function aheadIn(held: string): string {
  return Array.from(held.matchAll(/(\d+):\d+\+/g), ([, partition]) => partition).join();
}

function isNamedUnder(held: string, run: Run): boolean {
  const end = held.lastIndexOf("\n");
  return end >= 0 && held.slice(0, end) === run;
}

/** Nothing where it was named under another run. */
function heldOf(text: string, run: Run): HeldByPartition {
  const held = new Map<PartitionIndex, Held>();
  if (!isNamedUnder(text, run)) return held;
  for (const [, partition, term, ahead] of text.slice(run.length + 1).matchAll(/(\d{1,4}):(\d{1,15})(\+?)/g))
    held.set(Number(partition), { term: Number(term), isAhead: ahead !== "" });
  return held;
}
