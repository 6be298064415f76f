/**
 * R15: stands between a node and records that may come back as others. Under a new run of a tag nobody claims, appends or
 * snapshots there until every listed member has renewed under it and named what it has; an answer under an old run counts
 * as unheard. Each tag has a gate of its own.
 */
import {
  type Commit,
  type FoundedAppend,
  type FoundedClaim,
  type PartitionIndex,
  type Snapshot,
  type SnapshotAnswer,
  type AppendAnswer,
  StoreUnavailableError,
} from "../ports/record-store.ts";
import {
  type FoundRecord,
  type Run,
  sharedAppendsOf,
  type SharedClaimAnswer,
  type SharedRecords,
  type Standing,
  type TakenBackAnswer,
  type TakingBack,
} from "../ports/shared-records.ts";
import type { MemberList } from "../ports/shared-store.ts";
import { type NamedTables, namedTables } from "./held-tables.ts";
import type { RecorderStore } from "./recorder.ts";

interface Gate {
  readonly run: Run;
  /** Another run was believed in before, so that all members name all they have under this one. */
  readonly isSuccessor: boolean;
  /** By the bare clock; undefined while not every listed member is known to believe in the same run. */
  openedAtMs: number | undefined;
  /** Partitions of which somebody named a table when it opened; undefined where not all members named all they have. */
  named: ReadonlySet<PartitionIndex> | undefined;
  /** When each record was last known to be absent since the gate opened; -Infinity where there was a record or a table. */
  readonly absentAtMs: Map<PartitionIndex, number>;
}

/** A record that was absent when all had named what they have counts as absent for so long after each look. */
const ABSENT_LEASES = 2;

/** Whoever has the newest table of a partition, as the members name them. */
interface Newest {
  readonly term: number;
  readonly incarnation: string;
}

export class RunGuard implements RecorderStore {
  readonly isOneFile = false;
  private readonly store: SharedRecords;
  private readonly bareMs: () => number;
  private readonly leaseMs: number;
  private gates: readonly (Gate | undefined)[] = [];
  private list: MemberList | undefined;
  /** By incarnation; read when first asked for. */
  private named: ReadonlyMap<string, NamedTables> | undefined;

  constructor(store: SharedRecords, bareMs: () => number, leaseMs: number) {
    this.store = store;
    this.bareMs = bareMs;
    this.leaseMs = leaseMs;
  }

  get tagsCount(): number {
    return this.store.tagsCount;
  }

  tagOf(partition: PartitionIndex): number {
    return partition % this.tagsCount;
  }

  /** Whether all tags can be written, as far as runs are concerned. */
  get isOpen(): boolean {
    return this.gates.length > 0 && this.gates.every((gate) => gate?.openedAtMs !== undefined);
  }

  isTagOpen(tag: number): boolean {
    return this.gates[tag]?.openedAtMs !== undefined;
  }

  isOpenFor(partition: PartitionIndex): boolean {
    return this.isTagOpen(this.tagOf(partition));
  }

  /**
   * Whether all that is here is named: until a lease after a new run was opened. Members learn of it one after another, and
   * each has to see what all the others have.
   */
  isAllNamed(tag: number): boolean {
    const gate = this.gates[tag];
    return gate === undefined || gate.openedAtMs === undefined || (gate.isSuccessor && this.isYoung(gate));
  }

  /**
   * Whether nobody can have a table of what an absent record should hold: it was absent, and nobody named a table, when all
   * members had named all they have. Else the store lost it since, under a run that all believe in.
   */
  isKnownAbsent(partition: PartitionIndex): boolean {
    const gate = this.gates[this.tagOf(partition)];
    const absentAtMs = gate?.absentAtMs.get(partition) ?? -Infinity;
    return this.bareMs() - absentAtMs <= ABSENT_LEASES * this.leaseMs;
  }

  /** Whether an absent record may be taken: nobody named a table of it in the lease that a member may be late. */
  mayTakeAbsent(partition: PartitionIndex): boolean {
    const gate = this.gates[this.tagOf(partition)];
    return gate?.openedAtMs !== undefined && !this.isYoung(gate) && this.isKnownAbsent(partition);
  }

  runOf(tag: number): Run | undefined {
    return this.gates[tag]?.run;
  }

  /**
   * Learns under which run each tag is. Under another one nothing passes any more.
   * @returns the tags that had another run before
   */
  learn(runs: readonly Run[]): number[] {
    const changed = [...runs.keys()].filter(
      (tag) => this.gates[tag] !== undefined && this.gates[tag].run !== runs[tag],
    );
    const isSame = runs.length === this.gates.length && runs.every((run, tag) => this.gates[tag]?.run === run);
    if (isSame) return [];
    this.gates = runs.map((run, tag) => {
      const before = this.gates[tag];
      if (before?.run === run) return before;
      const isSuccessor = before !== undefined;
      return {
        run,
        isSuccessor,
        openedAtMs: undefined,
        named: undefined,
        absentAtMs: new Map<PartitionIndex, number>(),
      };
    });
    return changed;
  }

  /**
   * Looks at the newest list.
   * @returns the tags that are open from now on
   */
  look(list: MemberList): number[] {
    if (list !== this.list) this.named = undefined;
    this.list = list;
    const opened: number[] = [];
    for (const [tag, gate] of this.gates.entries()) {
      if (gate === undefined || gate.openedAtMs !== undefined || list.listed.length === 0) continue;
      const { run } = gate;
      if (!this.namedByAll().every((named) => named.get(tag)?.run === run)) continue;
      gate.openedAtMs = this.bareMs();
      gate.named = this.namedUnder(tag);
      opened.push(tag);
    }
    return opened;
  }

  /** The highest term under which a listed member has a table of a partition; of equal ones the lowest incarnation's. */
  newestOf(partition: PartitionIndex): Newest | undefined {
    let newest: Newest | undefined;
    for (const [incarnation, named] of this.namedByMember()) {
      const table = this.tableIn(named, partition);
      if (table === undefined) continue;
      const isNewer =
        newest === undefined ||
        table.term > newest.term ||
        (table.term === newest.term && incarnation < newest.incarnation);
      if (isNewer) newest = { term: table.term, incarnation };
    }
    return newest;
  }

  /**
   * Whether a listed member names a higher term than `term`, so that the record is older than its table, which it writes
   * back; or may do so, as the list was written back and it has not renewed since.
   */
  isNamedAbove(partition: PartitionIndex, term: number): boolean {
    const { run } = this.gates[this.tagOf(partition)] ?? {};
    const tag = this.tagOf(partition);
    if (this.namedByAll().some((named) => named.get(tag)?.run !== run)) return true;
    return (this.newestOf(partition)?.term ?? 0) > term;
  }

  /** R4: whether another listed member says that it knows more of a partition than the record: nobody else may take that. */
  isNamedAhead(partition: PartitionIndex, me: string): boolean {
    for (const [incarnation, named] of this.namedByMember())
      if (incarnation !== me && this.tableIn(named, partition)?.isAhead === true) return true;
    return false;
  }

  append(commit: Commit<FoundedAppend>): Promise<AppendAnswer[]> {
    const appends = sharedAppendsOf(commit);
    return this.guarded(appends[0]?.partition ?? 0, (run) => this.store.append(run, appends));
  }

  snapshot(partition: PartitionIndex, claim: FoundedClaim, snapshot: Snapshot): Promise<SnapshotAnswer> {
    return this.guarded(partition, (run) => this.store.snapshot(run, partition, claim, snapshot));
  }

  /** All of one tag, as the next five. */
  async standing(partitions: readonly PartitionIndex[]): Promise<Standing[]> {
    const askedAtMs = this.bareMs();
    const standings = await this.guarded(partitions[0] ?? 0, (run) => this.store.standing(run, partitions));
    for (const [index, partition] of partitions.entries())
      this.noteStanding(partition, (standings[index] as Standing).isAbsent, askedAtMs);
    return standings;
  }

  /** @returns also the run under which they were read */
  read(partitions: readonly PartitionIndex[]): Promise<{ readonly run: Run; readonly found: readonly FoundRecord[] }> {
    const call = async (run: Run) => ({ run, found: await this.store.read(run, partitions) });
    return this.guarded(partitions[0] ?? 0, call);
  }

  async claim(
    partitions: readonly PartitionIndex[],
    claim: FoundedClaim,
    isLoaded: boolean,
  ): Promise<SharedClaimAnswer[]> {
    const absent = new Set(partitions.filter((partition) => this.mayTakeAbsent(partition)));
    const call = (run: Run): Promise<SharedClaimAnswer[]> => this.store.claim(run, partitions, claim, isLoaded, absent);
    const answers = await this.guarded(partitions[0] ?? 0, call);
    for (const [index, partition] of partitions.entries())
      if (answers[index]?.kind === "claimed") this.noteTable(partition);
    return answers;
  }

  async takeBack(taking: TakingBack): Promise<TakenBackAnswer> {
    const answer = await this.guarded(taking.partition, (run) => this.store.takeBack(run, taking));
    if (answer.kind === "claimed") this.noteTable(taking.partition);
    return answer;
  }

  raise(
    claims: readonly { readonly partition: PartitionIndex; readonly claim: FoundedClaim }[],
    epoch: number,
  ): Promise<AppendAnswer[]> {
    return this.guarded(claims[0]?.partition ?? 0, (run) => this.store.raise(run, claims, epoch));
  }

  private isYoung({ openedAtMs }: Gate): boolean {
    return openedAtMs !== undefined && this.bareMs() - openedAtMs < this.leaseMs;
  }

  private noteStanding(partition: PartitionIndex, isAbsent: boolean, askedAtMs: number): void {
    const gate = this.gates[this.tagOf(partition)];
    const isNamed = gate?.named?.has(partition) !== false || this.newestOf(partition) !== undefined;
    if (!isAbsent || isNamed) return this.noteTable(partition);
    const isNews = !gate.absentAtMs.has(partition) && this.isYoung(gate);
    if (isNews || this.isKnownAbsent(partition)) gate.absentAtMs.set(partition, askedAtMs);
  }

  /** There is a record, or a table, of this partition: should it be absent from now on, then it was lost under this run. */
  private noteTable(partition: PartitionIndex): void {
    this.gates[this.tagOf(partition)]?.absentAtMs.set(partition, -Infinity);
  }

  /** @returns undefined where somebody names only a part of what it has */
  private namedUnder(tag: number): ReadonlySet<PartitionIndex> | undefined {
    const namings = this.namedByAll().map((named) => named.get(tag));
    if (namings.some((naming) => naming?.namesAll !== true)) return undefined;
    return new Set(namings.flatMap((naming) => [...(naming?.tables.keys() ?? [])]));
  }

  private tableIn(named: NamedTables, partition: PartitionIndex) {
    const tag = this.tagOf(partition);
    const own = named.get(tag);
    return own === undefined || own.run !== this.gates[tag]?.run ? undefined : own.tables.get(partition);
  }

  private namedByAll(): NamedTables[] {
    return [...this.namedByMember().values()];
  }

  private namedByMember(): ReadonlyMap<string, NamedTables> {
    const listed = this.list?.listed ?? [];
    this.named ??= new Map(listed.map(({ member, held }) => [member.incarnation, namedTables(held, this.tagsCount)]));
    return this.named;
  }

  private async guarded<T>(partition: PartitionIndex, call: (run: Run) => Promise<T>): Promise<T> {
    const gate = this.gates[this.tagOf(partition)];
    if (gate?.openedAtMs === undefined)
      throw new StoreUnavailableError("The store is of another run than before, and not all members know it yet");
    const answer = await call(gate.run);
    if (this.gates[this.tagOf(partition)] !== gate)
      throw new StoreUnavailableError("The store answered under a run that is over");
    return answer;
  }
}
