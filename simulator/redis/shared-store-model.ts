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
  type Claim,
  type PartitionIndex,
  type Snapshot,
  type SnapshotAnswer,
  StoreUnavailableError,
} from "../../cluster/ports/record-store.ts";
import { markOf } from "../../cluster/ports/mark.ts";
import {
  type ClusterKey,
  type Look,
  OtherKeyError,
  OtherRunError,
  type Renewal,
  type RenewalAnswer,
  type Run,
  type SharedAppendAnswer,
  type SharedStore,
  type Standing,
  type TakenAnswer,
} from "../../cluster/ports/shared-store.ts";
import { NO_VIEW, type View } from "../../cluster/ports/view.ts";
import { MemberListModel } from "./member-list-model.ts";
import {
  type RecordModel,
  appendToRecord,
  emptyRecord,
  raiseRecord,
  snapshotRecord,
  standingOf,
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

interface Published {
  readonly term: number;
  readonly version: number;
  readonly counts: readonly { readonly mode: string; readonly players: number }[];
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
    return this.runOf(this.kept?.mark ?? UNKNOWN);
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
    return this.members.renew(renewal, leaseMs, this.runOf(renewal.mark), this.#clockMs());
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
    this.#expectMaster(run);
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
    claim: Claim,
    isLoaded: boolean,
    kept: KeptKey | undefined,
  ): TakenAnswer[] {
    this.#expectAt(run, partitions);
    if (kept !== undefined) for (const partition of partitions) this.#copy(this.tagOf(partition), kept);
    return partitions.map((partition) => {
      const standing = this.records.get(partition);
      const record = standing ?? emptyRecord();
      this.records.set(partition, record);
      return takeRecord(record, claim, isLoaded, standing === undefined);
    });
  }

  raise(
    run: Run,
    claims: readonly { readonly partition: PartitionIndex; readonly claim: Claim }[],
    epoch: number,
  ): AppendAnswer[] {
    this.#expectAt(
      run,
      claims.map(({ partition }) => partition),
    );
    return claims.map(({ partition, claim }) => raiseRecord(this.records.get(partition), claim, epoch));
  }

  append(run: Run, appends: readonly Append[]): AppendAnswer[] {
    this.#expectAt(
      run,
      appends.map(({ partition }) => partition),
    );
    return appends.map((append) => appendToRecord(this.records.get(append.partition), append));
  }

  snapshot(run: Run, partition: PartitionIndex, claim: Claim, snapshot: Snapshot): SnapshotAnswer {
    this.#expectAt(run, [partition]);
    return snapshotRecord(this.records.get(partition), claim, snapshot);
  }

  publish(region: string, { term, version, counts }: Published): void {
    const standing = this.published.get(region);
    const isNewer =
      standing === undefined || term > standing.term || (term === standing.term && version > standing.version);
    if (isNewer) this.published.set(region, { term, version, counts: structuredClone(counts) });
  }

  runOf(mark: string, history = this.history): Run {
    return `${this.master} ${history} ${mark}`;
  }

  #keep(kept: KeptKey, generation: number, nonce: string): void {
    this.kept = structuredClone({ ...kept, generation });
    this.history = `${generation}.${nonce}`;
  }

  #copy(tag: number, kept: KeptKey): void {
    if (!this.tagKeys.has(tag)) this.tagKeys.set(tag, structuredClone(kept));
  }

  #expectMaster(run: Run): void {
    const { master } = partsOf(run);
    if (master !== this.master) throw new OtherRunError(`The store's master is ${this.master}, not ${master}`);
  }

  /** R9, R12: of the list, or of a tag, which has no history. */
  #expect(run: Run, tag?: number): void {
    const { history, mark } = partsOf(run);
    this.#expectMaster(run);
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

  standing(run: Run, partitions: readonly PartitionIndex[]): Promise<Standing[]> {
    return this.#whole("standing", partitions, identity, (asked) => this.#model.standing(run, asked));
  }

  take(run: Run, partitions: readonly PartitionIndex[], claim: Claim, isLoaded: boolean): Promise<TakenAnswer[]> {
    const kept = this.#met.get(partsOf(run).mark);
    return this.#whole("take", partitions, identity, (asked) => this.#model.take(run, asked, claim, isLoaded, kept));
  }

  raise(
    run: Run,
    claims: readonly { readonly partition: PartitionIndex; readonly claim: Claim }[],
    epoch: number,
  ): Promise<SharedAppendAnswer[]> {
    return this.#parts("raise", claims, (asked) => this.#model.raise(run, asked, epoch));
  }

  append(run: Run, appends: readonly Append[]): Promise<SharedAppendAnswer[]> {
    return this.#parts("append", appends, (asked) => this.#model.append(run, asked));
  }

  snapshot(run: Run, partition: PartitionIndex, claim: Claim, snapshot: Snapshot): Promise<SnapshotAnswer> {
    const tag = this.#model.tagOf(partition);
    return this.#step("snapshot", () => this.#model.snapshot(run, partition, claim, snapshot), tag);
  }

  publish(
    region: string,
    term: number,
    version: number,
    counts: readonly { readonly mode: string; readonly players: number }[],
  ): Promise<void> {
    return this.#step("publish", () => this.#model.publish(region, { term, version, counts }));
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

  /** A call to several tags that is answered as a whole or not at all. */
  async #whole<Asked, Answer>(
    call: keyof SharedStore,
    asked: readonly Asked[],
    partitionOf: (one: Asked) => PartitionIndex,
    apply: (asked: readonly Asked[]) => Answer[],
  ): Promise<Answer[]> {
    const answers = await this.#byTag(call, asked, partitionOf, apply);
    return answers.map((answer) => {
      if (answer.status === "rejected") throw answer.reason;
      return answer.value;
    });
  }

  /** A call to several tags: a tag that fails is `unheard`; rejects where all fail, or one is of another run. */
  async #parts<Asked extends { readonly partition: PartitionIndex }>(
    call: keyof SharedStore,
    asked: readonly Asked[],
    apply: (asked: readonly Asked[]) => AppendAnswer[],
  ): Promise<SharedAppendAnswer[]> {
    const answers = await this.#byTag(call, asked, ({ partition }) => partition, apply);
    const failures = answers.flatMap((answer) => (answer.status === "rejected" ? [answer.reason as Error] : []));
    for (const failure of failures) if (!(failure instanceof StoreUnavailableError)) throw failure;
    const otherRun = failures.find((failure) => failure instanceof OtherRunError);
    if (otherRun !== undefined) throw otherRun;
    if (asked.length > 0 && failures.length === asked.length) throw failures[0];
    return answers.map((answer) => (answer.status === "rejected" ? "unheard" : answer.value));
  }

  async #byTag<Asked, Answer>(
    call: keyof SharedStore,
    asked: readonly Asked[],
    partitionOf: (one: Asked) => PartitionIndex,
    apply: (asked: readonly Asked[]) => Answer[],
  ): Promise<PromiseSettledResult<Answer>[]> {
    const answers = Array.from<PromiseSettledResult<Answer>>({ length: asked.length });
    const places = Map.groupBy(asked.keys(), (place) => this.#model.tagOf(partitionOf(asked[place])));
    await Promise.all(
      [...places].map(async ([tag, own]) => {
        const part = own.map((place) => asked[place]);
        const [answered] = await Promise.allSettled([this.#step(call, () => apply(part), tag)]);
        for (const [index, place] of own.entries()) {
          answers[place] =
            answered.status === "rejected" ? answered : { status: "fulfilled", value: answered.value[index] };
        }
      }),
    );
    return answers;
  }
}

function identity<T>(value: T): T {
  return value;
}
