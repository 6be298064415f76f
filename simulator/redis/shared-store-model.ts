/**
 * What the nodes share, in memory: the plain model beside Redis, and the store of the simulator.
 *
 * `SharedStoreModel` is the store itself: what it holds, its run and its clock, to be set by whoever plays it. Each
 * connection is a `SharedStore` whose calls go through `Through` step by step: a step is what one script does, at one
 * instant, to one tag or to the list; whoever carries it out chooses the instant and may lose the answer.
 */
import {
  type Append,
  type AppendAnswer,
  type FoundedClaim,
  type PartitionIndex,
  type Snapshot,
  type SnapshotAnswer,
} from "../../cluster/ports/record-store.ts";
import { markOf } from "../../cluster/ports/mark.ts";
import {
  type ClusterKey,
  type Look,
  OtherKeyError,
  OtherRunError,
  type PublishAnswer,
  type PublishedBoard,
  type Renewal,
  type RenewalAnswer,
  type SharedStore,
} from "../../cluster/ports/shared-store.ts";
import type { Run, Standing, TakenAnswer, TakenBackAnswer, TakingBack } from "../../cluster/ports/shared-records.ts";
import { NO_VIEW, type View } from "../../cluster/ports/view.ts";
import { MemberListModel } from "./member-list-model.ts";
import {
  type RecordModel,
  appendToRecord,
  emptyRecord,
  raiseRecord,
  snapshotRecord,
  standingOf,
  takeBackRecord,
  takeRecord,
} from "./record-model.ts";

export interface Step<T> {
  readonly call: keyof SharedStore;
  /** Which tag's records it touches; `undefined`: the list, the key or a published board. */
  readonly tag: number | undefined;
  /** Does it, whole, now. Throws `OtherRunError`, and then nothing was done. */
  readonly apply: () => T;
}

/** Carries a step out and gives its answer, or rejects with a `StoreUnavailableError`: it may have been done all the same. */
export type Through = <T>(step: Step<T>) => Promise<T>;

type FoundedAppend = Append & { readonly claim: FoundedClaim };

interface Published {
  term: number;
  version: number;
  readonly players: Map<string, number>;
}

/** A key as it lies beside the list, or beside a tag's records. */
interface KeptKey {
  readonly key: ClusterKey;
  readonly mark: string;
  /** Rises each time that a key replaces another. */
  readonly generation: number;
}

interface ModelOptions {
  /** The store's own clock; it may jump. */
  readonly clockMs?: () => number;
  /** 1: one Redis; 16: a Redis Cluster. A partition's tag is its remainder. */
  readonly tagsCount?: number;
}

export class SharedStoreModel {
  /** R15: the master's name: set it whenever the store restarts, fails over or is another. Without spaces. */
  master = "run-1";
  /** Of the tags that another master has. */
  readonly tagMasters = new Map<number, string>();
  readonly tagsCount: number;
  /** To be looked at; changed by steps only. */
  records = new Map<PartitionIndex, RecordModel>();
  readonly members = new MemberListModel();
  published = new Map<string, Published>();
  /** R12: what lies beside the list. */
  kept: KeptKey | undefined;
  /** R9: another with each founding and each time that the list is written back. */
  history = UNKNOWN;
  /** R12: beside the records, by tag: a copy of the cluster's key. */
  tagKeys = new Map<number, KeptKey>();
  readonly #clockMs: () => number;

  constructor({ clockMs = () => 0, tagsCount = 1 }: ModelOptions = {}) {
    this.#clockMs = clockMs;
    this.tagsCount = tagsCount;
  }

  /** A node's way to the store; by default every step is done at once. */
  connect(through: Through = async ({ apply }) => apply()): SharedStore {
    return new ModelConnection(this, through);
  }

  tagOf(partition: PartitionIndex): number {
    return partition % this.tagsCount;
  }

  get key(): ClusterKey | undefined {
    return this.kept?.key;
  }

  /** What stands. */
  get run(): Run {
    const masters = [...new Set([this.master, ...this.tagMasters.values()])].toSorted().join(",");
    return this.runOf(this.kept?.mark ?? UNKNOWN, this.history, masters);
  }

  // The faults. Each is a new history of the store: who plays it sets another `master` with it.

  /** All that is stored as of now, for `load()`: the store comes back older, or without its tail. */
  save(): unknown {
    const { records, published, kept, history, tagKeys } = this;
    return structuredClone({ records, published, kept, history, tagKeys, list: this.members.save() });
  }

  load(saved: unknown): void {
    const { list, ...rest } = structuredClone(saved) as { list: unknown };
    this.members.load(list);
    Object.assign(this, rest);
  }

  /** The store comes back empty. */
  forgetAll(): void {
    this.load({ records: new Map(), published: new Map(), tagKeys: new Map() });
    this.forgetList();
  }

  /** The list is lost, and the key with it; the records stay. */
  forgetList(): void {
    this.members.load(undefined);
    Object.assign(this, { kept: undefined, history: UNKNOWN });
  }

  // The steps.

  renew(renewal: Renewal, leaseMs: number): RenewalAnswer {
    const { kept } = this;
    if (kept !== undefined && kept.mark !== renewal.mark)
      return { kind: "other key", run: this.runOf(UNKNOWN, UNKNOWN), key: structuredClone(kept.key) };
    const answer = this.members.renew(renewal, leaseMs, this.runOf(renewal.mark), this.#clockMs());
    return answer.kind === "other key" ? answer : { ...answer, tagRuns: this.tagRuns(renewal.mark) };
  }

  restore(run: Run, view: View, kept: KeptKey, freshNonce: string, leaseMs: number): void {
    this.#expect(run);
    const isWritten = this.members.restore(view, freshNonce, leaseMs, this.#clockMs());
    if (isWritten) this.#keep(kept, Math.max(kept.generation, this.kept?.generation ?? 0), freshNonce);
  }

  raiseEpoch(run: Run, above: number, freshNonce: string): void {
    this.#expect(run);
    this.members.raiseEpoch(above, freshNonce);
  }

  leave(run: Run, incarnation: string, freshNonce: string): void {
    this.#expect(run);
    this.members.leave(incarnation, freshNonce);
  }

  /** Without the copies. */
  look(): Look {
    return structuredClone({
      run: this.run,
      key: this.key,
      copy: undefined,
      view: this.members.peek()?.view ?? NO_VIEW,
    });
  }

  readCopy(run: Run, tag: number): KeptKey | undefined {
    this.#expectMaster(run, tag);
    return structuredClone(this.tagKeys.get(tag));
  }

  /** First step of the founding. @returns whether that key stands, founded now or before */
  found(run: Run, kept: KeptKey, epoch: number, freshNonce: string): boolean {
    this.#expectMaster(run);
    if (this.kept !== undefined) return this.kept.mark === kept.mark;
    this.members.found(epoch, freshNonce, this.#clockMs());
    this.#keep(kept, kept.generation, freshNonce);
    return true;
  }

  /** Second step, for every tag: the records that are not there, empty. */
  createRecords(run: Run, tag: number, kept: KeptKey): void {
    this.#expect(run, tag);
    this.#copy(tag, kept);
    for (let partition = tag; partition < kept.key.partitions; partition += this.tagsCount) {
      if (!this.records.has(partition)) this.records.set(partition, emptyRecord());
    }
  }

  standing(run: Run, partitions: readonly PartitionIndex[]): Standing[] {
    this.#expectAt(run, partitions);
    return partitions.map((partition) => standingOf(this.records.get(partition)));
  }

  /** @param kept the caller's key, where it has met it: for a tag that has none */
  take(
    run: Run,
    partitions: readonly PartitionIndex[],
    claim: FoundedClaim,
    isLoaded: boolean,
    kept: KeptKey | undefined,
  ): TakenAnswer[] {
    this.#expectAt(run, partitions);
    if (kept !== undefined) for (const partition of partitions) this.#copy(this.tagOf(partition), kept);
    return partitions.map((partition) => {
      const standing = this.records.get(partition);
      const record = standing ?? emptyRecord();
      this.records.set(partition, record);
      return takeRecord(record, standing, claim, isLoaded);
    });
  }

  takeBack(run: Run, taking: TakingBack, kept: KeptKey | undefined): TakenBackAnswer {
    const { partition } = taking;
    this.#expectAt(run, [partition]);
    if (kept !== undefined) this.#copy(this.tagOf(partition), kept);
    const found = this.records.get(partition);
    const record = found ?? emptyRecord();
    const answer = takeBackRecord(record, found, taking);
    if (answer.kind === "claimed") this.records.set(partition, record);
    return answer;
  }

  raise(
    run: Run,
    claims: readonly { readonly partition: PartitionIndex; readonly claim: FoundedClaim }[],
    epoch: number,
  ): AppendAnswer[] {
    this.#expectAt(
      run,
      claims.map(({ partition }) => partition),
    );
    return claims.map(({ partition, claim }) => raiseRecord(this.records.get(partition), claim, epoch));
  }

  append(run: Run, appends: readonly FoundedAppend[]): AppendAnswer[] {
    this.#expectAt(
      run,
      appends.map(({ partition }) => partition),
    );
    return appends.map((append) => appendToRecord(this.records.get(append.partition), append));
  }

  snapshot(run: Run, partition: PartitionIndex, claim: FoundedClaim, snapshot: Snapshot): SnapshotAnswer {
    this.#expectAt(run, [partition]);
    return snapshotRecord(this.records.get(partition), claim, snapshot);
  }

  publish(region: string, { term, version, modes, since, players, gone }: PublishedBoard): PublishAnswer {
    const standing = this.published.get(region);
    const isOlder = standing !== undefined && (term - standing.term || version - standing.version) < 0;
    if (isOlder) return "superseded";
    const isOther = since?.term !== standing?.term || since?.version !== standing?.version;
    if (since !== undefined && isOther) return "all wanted";
    const board = since === undefined ? new Map<string, number>() : (standing as Published).players;
    for (const mode of gone) board.delete(mode);
    for (const each of players) board.set(each.mode, each.players);
    if (board.size !== modes) return "all wanted";
    this.published.set(region, { term, version, players: board });
    return "published";
  }

  runOf(mark: string, history = this.history, master = this.master): Run {
    return `${master} ${history} ${mark}`;
  }

  masterOf(tag: number): string {
    return this.tagMasters.get(tag) ?? this.master;
  }

  /** R15: the runs of all tags, for who holds this key. */
  tagRuns(mark: string): Run[] {
    return Array.from({ length: this.tagsCount }, (_, tag) => this.runOf(mark, this.history, this.masterOf(tag)));
  }

  #keep(kept: KeptKey, generation: number, nonce: string): void {
    this.kept = structuredClone({ ...kept, generation });
    this.history = `${generation}.${nonce}`;
  }

  #copy(tag: number, kept: KeptKey): void {
    if (!this.tagKeys.has(tag)) this.tagKeys.set(tag, structuredClone(kept));
  }

  #expectMaster(run: Run, tag?: number): void {
    const { master } = partsOf(run);
    const standing = tag === undefined ? this.master : this.masterOf(tag);
    if (!master.split(",").includes(standing))
      throw new OtherRunError(`The store's master is ${standing}, not ${master}`);
  }

  /** R9, R12: of the list, or of a tag, which has no history. */
  #expect(run: Run, tag?: number): void {
    const { history, mark } = partsOf(run);
    this.#expectMaster(run, tag);
    const kept = tag === undefined ? this.kept : this.tagKeys.get(tag);
    if (kept !== undefined && kept.mark !== mark) throw new OtherKeyError(`The mark is ${kept.mark}, not ${mark}`);
    const isKnown = this.history !== UNKNOWN && history !== UNKNOWN;
    if (tag === undefined && isKnown && history !== this.history)
      throw new OtherRunError(`The history is ${this.history}, not ${history}`);
  }

  #expectAt(run: Run, partitions: readonly PartitionIndex[]): void {
    for (const tag of new Set(partitions.map((partition) => this.tagOf(partition)))) this.#expect(run, tag);
  }
}

/** In the place of a history or a mark that is not known, or not there. */
const UNKNOWN = "-";

function partsOf(run: Run): { master: string; history: string; mark: string } {
  const [, master, history, mark] = /^(\S+) (.*) (\S+)$/.exec(run) ?? [run, run, UNKNOWN, UNKNOWN];
  return { master, history, mark };
}

class ModelConnection implements SharedStore {
  readonly #model: SharedStoreModel;
  readonly #through: Through;
  /** R12: the keys that it has met, by mark, with the highest generation. */
  readonly #met = new Map<string, KeptKey>();

  constructor(model: SharedStoreModel, through: Through) {
    this.#model = model;
    this.#through = through;
  }

  async renew(renewal: Renewal, leaseMs: number): Promise<RenewalAnswer> {
    const answer = await this.#step("renew", () => this.#model.renew(renewal, leaseMs));
    this.#hear(answer.run);
    return answer;
  }

  restore(run: Run, view: View, key: ClusterKey, freshNonce: string, leaseMs: number): Promise<void> {
    const kept = this.#meet(key);
    return this.#step("restore", () => this.#model.restore(run, view, kept, freshNonce, leaseMs));
  }

  raiseEpoch(run: Run, above: number, freshNonce: string): Promise<void> {
    return this.#step("raiseEpoch", () => this.#model.raiseEpoch(run, above, freshNonce));
  }

  leave(run: Run, incarnation: string, freshNonce: string): Promise<void> {
    return this.#step("leave", () => this.#model.leave(run, incarnation, freshNonce));
  }

  async look(): Promise<Look> {
    const look = await this.#step("look", () => this.#model.look());
    if (look.key !== undefined) this.#meet(look.key);
    this.#hear(look.run);
    if (look.key !== undefined) return look;
    const tags = Array.from({ length: this.#model.tagsCount }, (_, tag) => tag);
    const read = await Promise.all(
      tags.map((tag) => this.#step("look", () => this.#model.readCopy(look.run, tag), tag)),
    );
    const copies = read.filter((copy) => copy !== undefined);
    const [newest] = copies.toSorted((one, other) => other.generation - one.generation);
    if (newest !== undefined) this.#meet(newest.key, newest.generation);
    return { ...look, copy: newest?.key };
  }

  async found(run: Run, key: ClusterKey, from: "anew" | "a copy", freshNonce: string): Promise<boolean> {
    const kept = this.#meet(key);
    const epoch = from === "anew" ? 0 : 1;
    const isFounded = await this.#step("found", () => this.#model.found(run, kept, epoch, freshNonce));
    if (!isFounded || from === "a copy") return isFounded;
    const { master } = partsOf(run);
    const under = `${master} ${UNKNOWN} ${kept.mark}`;
    const tags = Array.from({ length: Math.min(this.#model.tagsCount, key.partitions) }, (_, tag) => tag);
    const created = tags.map((tag) => this.#step("found", () => this.#model.createRecords(under, tag, kept), tag));
    for (const answer of await Promise.allSettled(created)) if (answer.status === "rejected") throw answer.reason;
    return true;
  }

  get tagsCount(): number {
    return this.#model.tagsCount;
  }

  standing(run: Run, partitions: readonly PartitionIndex[]): Promise<Standing[]> {
    return this.#atTag("standing", partitions, () => this.#model.standing(run, partitions));
  }

  take(
    run: Run,
    partitions: readonly PartitionIndex[],
    claim: FoundedClaim,
    isLoaded: boolean,
  ): Promise<TakenAnswer[]> {
    const kept = this.#met.get(partsOf(run).mark);
    return this.#atTag("take", partitions, () => this.#model.take(run, partitions, claim, isLoaded, kept));
  }

  takeBack(run: Run, taking: TakingBack): Promise<TakenBackAnswer> {
    const kept = this.#met.get(partsOf(run).mark);
    return this.#atTag("takeBack", [taking.partition], () => this.#model.takeBack(run, taking, kept));
  }

  raise(
    run: Run,
    claims: readonly { readonly partition: PartitionIndex; readonly claim: FoundedClaim }[],
    epoch: number,
  ): Promise<AppendAnswer[]> {
    const partitions = claims.map(({ partition }) => partition);
    return this.#atTag("raise", partitions, () => this.#model.raise(run, claims, epoch));
  }

  append(run: Run, appends: readonly FoundedAppend[]): Promise<AppendAnswer[]> {
    const partitions = appends.map(({ partition }) => partition);
    return this.#atTag("append", partitions, () => this.#model.append(run, appends));
  }

  snapshot(run: Run, partition: PartitionIndex, claim: FoundedClaim, snapshot: Snapshot): Promise<SnapshotAnswer> {
    return this.#atTag("snapshot", [partition], () => this.#model.snapshot(run, partition, claim, snapshot));
  }

  publish(region: string, board: PublishedBoard): Promise<PublishAnswer> {
    return this.#step("publish", () => this.#model.publish(region, board));
  }

  async close(): Promise<void> {}

  #meet(key: ClusterKey, generation = 1): KeptKey {
    const mark = markOf(key.hashKey);
    const kept = { key, mark, generation: Math.max(generation, this.#met.get(mark)?.generation ?? 0) };
    this.#met.set(mark, kept);
    return kept;
  }

  /** R9: a history begins with the generation of the key. */
  #hear(run: Run): void {
    const { history, mark } = partsOf(run);
    const kept = this.#met.get(mark);
    if (kept !== undefined && history !== UNKNOWN) this.#meet(kept.key, Number.parseInt(history, 10) || 1);
  }

  #step<T>(call: keyof SharedStore, apply: () => T, tag?: number): Promise<T> {
    return this.#through({ call, tag, apply });
  }

  /** All partitions of a call are of one tag. */
  #atTag<T>(call: keyof SharedStore, partitions: readonly PartitionIndex[], apply: () => T): Promise<T> {
    const tags = new Set(partitions.map((partition) => this.#model.tagOf(partition)));
    if (tags.size > 1) throw new Error(`Cannot ${call} partitions of ${tags.size} tags at once`);
    const [tag] = tags;
    return this.#step(call, apply, tag);
  }
}
