/**
 * What the nodes share, in memory: the plain model beside Redis, and the store of the simulator.
 *
 * `SharedStoreModel` is the store itself: what it holds, its run and its clock, to be set by whoever plays it. Each
 * connection is a `SharedStore` whose calls go through `Through` step by step: a step is what one script does, at one
 * instant, to one tag or to the list; whoever carries it out chooses the instant and may lose the answer.
 */
import type { AdmittedModes, AskedModes, ToldAnswer, ToldModes } from "../../cluster/ports/mode-name-store.ts";
import type {
  AppendAnswer,
  FoundedClaim,
  PartitionIndex,
  Snapshot,
  SnapshotAnswer,
} from "../../cluster/ports/record-store.ts";
import type {
  FoundRecord,
  Run,
  SharedClaimAnswer,
  SharedAppend,
  Standing,
  TakenBackAnswer,
  TakingBack,
} from "../../cluster/ports/shared-records.ts";
import type {
  ClusterKey,
  Look,
  PublishAnswer,
  PublishedBoard,
  Renewal,
  RenewalAnswer,
  SharedStore,
  Vote,
  VoteAnswer,
} from "../../cluster/ports/shared-store.ts";
import type { View } from "../../cluster/ports/view.ts";
import { type KeptKey, KeyModel, KeysMet, renamed } from "./key-model.ts";
import {
  appendToRecord,
  claimRecord,
  emptyRecord,
  raiseRecord,
  readRecordModel,
  type RecordModel,
  snapshotRecord,
  standingOf,
  takeBackRecord,
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
  term: number;
  version: number;
  readonly players: Map<string, number>;
}

interface ModelOptions {
  /** The store's own clock; it may jump. */
  readonly clockMs?: () => number;
  /** 1: one Redis; 16: a Redis Cluster. A partition's tag is its remainder. */
  readonly tagsCount?: number;
}

export class SharedStoreModel extends KeyModel {
  /** To be looked at; changed by steps only. */
  records = new Map<PartitionIndex, RecordModel>();
  published = new Map<string, Published>();

  constructor({ clockMs = () => 0, tagsCount = 1 }: ModelOptions = {}) {
    super(clockMs, tagsCount);
  }

  /** A node's way to the store; by default every step is done at once. */
  connect(through: Through = async ({ apply }) => apply()): SharedStore {
    return new ModelConnection(this, through);
  }

  // The faults. Each is a new history of the store: who plays it sets another `master` with it.

  /** All that is stored as of now, for `load()`: the store comes back older, or without its tail. */
  save(): unknown {
    const { records, published } = this;
    return structuredClone({ records, published, ...this.saveKeys() });
  }

  load(saved: unknown): void {
    const { list, modes, ...rest } = structuredClone(saved) as { list: unknown; modes: unknown };
    this.members.load(list);
    this.modes.load(modes);
    Object.assign(this, rest);
  }

  /** The store comes back empty. */
  forgetAll(): void {
    this.load({ records: new Map(), published: new Map(), tagKeys: new Map() });
    this.forgetList();
  }

  // The steps.

  /** Second step of the founding, for every tag: the records that are not there, empty. */
  createRecords(run: Run, tag: number, kept: KeptKey): void {
    this.expect(run, tag);
    this.copy(tag, kept);
    for (let partition = tag; partition < kept.key.partitions; partition += this.tagsCount) {
      if (!this.records.has(partition)) this.records.set(partition, emptyRecord());
    }
  }

  standing(run: Run, partitions: readonly PartitionIndex[]): Standing[] {
    this.expectAt(run, partitions);
    return partitions.map((partition) => standingOf(this.records.get(partition)));
  }

  read(run: Run, partitions: readonly PartitionIndex[]): FoundRecord[] {
    this.expectAt(run, partitions);
    return partitions.map((partition) => readRecordModel(this.records.get(partition)));
  }

  /** @param kept the caller's key, where it has met it: for a tag that has none */
  claim(
    run: Run,
    partitions: readonly PartitionIndex[],
    claim: FoundedClaim,
    isLoaded: boolean,
    mayBeAbsent: ReadonlySet<PartitionIndex>,
    kept: KeptKey | undefined,
  ): SharedClaimAnswer[] {
    this.expectAt(run, partitions);
    return partitions.map((partition) => {
      const standing = this.records.get(partition);
      const record = standing ?? emptyRecord();
      const answer = claimRecord(record, standing, claim, isLoaded, mayBeAbsent.has(partition));
      this.#keepClaimed(partition, record, answer, kept);
      return answer;
    });
  }

  takeBack(run: Run, taking: TakingBack, kept: KeptKey | undefined): TakenBackAnswer {
    const { partition } = taking;
    this.expectAt(run, [partition]);
    const found = this.records.get(partition);
    const record = found ?? emptyRecord();
    const answer = takeBackRecord(record, found, taking);
    this.#keepClaimed(partition, record, answer, kept);
    return answer;
  }

  /** @returns whether records of another key were dropped */
  adoptTag(run: Run, tag: number, kept: KeptKey): boolean {
    if (!this.adopt(run, tag, kept)) return false;
    for (const partition of this.records.keys()) if (this.tagOf(partition) === tag) this.records.delete(partition);
    return true;
  }

  raise(
    run: Run,
    claims: readonly { readonly partition: PartitionIndex; readonly claim: FoundedClaim }[],
    epoch: number,
  ): AppendAnswer[] {
    this.expectAt(
      run,
      claims.map(({ partition }) => partition),
    );
    return claims.map(({ partition, claim }) => raiseRecord(this.records.get(partition), claim, epoch));
  }

  append(run: Run, appends: readonly SharedAppend[]): AppendAnswer[] {
    this.expectAt(
      run,
      appends.map(({ partition }) => partition),
    );
    return appends.map((append) => appendToRecord(this.records.get(append.partition), append));
  }

  snapshot(run: Run, partition: PartitionIndex, claim: FoundedClaim, snapshot: Snapshot): SnapshotAnswer {
    this.expectAt(run, [partition]);
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

  /** What is claimed is there from now on, and its tag has a key. */
  #keepClaimed(
    partition: PartitionIndex,
    record: RecordModel,
    { kind }: SharedClaimAnswer | TakenBackAnswer,
    kept: KeptKey | undefined,
  ): void {
    if (kind === "refused") return;
    this.records.set(partition, record);
    if (kept !== undefined) this.copy(this.tagOf(partition), kept);
  }
}

class ModelConnection implements SharedStore {
  readonly #model: SharedStoreModel;
  readonly #through: Through;
  /** R12: the keys that it has met, by mark, with the highest generation. */
  readonly #met = new KeysMet();

  constructor(model: SharedStoreModel, through: Through) {
    this.#model = model;
    this.#through = through;
  }

  async renew(renewal: Renewal, leaseMs: number): Promise<RenewalAnswer> {
    const answer = await this.#step("renew", () => this.#model.renew(renewal, leaseMs));
    this.#met.hear(answer.run);
    return answer;
  }

  restore(run: Run, view: View, key: ClusterKey, freshNonce: string, leaseMs: number): Promise<void> {
    const kept = this.#met.meet(key);
    return this.#step("restore", () => this.#model.restore(run, view, kept, freshNonce, leaseMs));
  }

  beginRun(run: Run, freshNonce: string): Promise<void> {
    return this.#step("beginRun", () => this.#model.beginRun(run, freshNonce));
  }

  raiseEpoch(run: Run, above: number, freshNonce: string): Promise<void> {
    return this.#step("raiseEpoch", () => this.#model.raiseEpoch(run, above, freshNonce));
  }

  leave(run: Run, incarnation: string, freshNonce: string): Promise<void> {
    return this.#step("leave", () => this.#model.leave(run, incarnation, freshNonce));
  }

  admitModes(run: Run, asked: AskedModes): Promise<AdmittedModes> {
    return this.#step("admitModes", () => this.#model.admitModes(run, asked));
  }

  tellModes(run: Run, told: ToldModes): Promise<ToldAnswer> {
    return this.#step("tellModes", () => this.#model.tellModes(run, told));
  }

  async look(): Promise<Look> {
    const look = await this.#step("look", () => this.#model.look());
    if (look.key !== undefined) this.#met.meet(look.key);
    this.#met.hear(look.run);
    if (look.key !== undefined) return look;
    const read = await Promise.all(this.#atEachTag("look", (tag) => this.#model.readCopy(look.run, tag)));
    const copies = read.filter((copy) => copy !== undefined);
    const [newest] = copies.toSorted((one, other) => other.generation - one.generation);
    if (newest !== undefined) this.#met.meet(newest.key, newest.generation);
    return { ...look, copy: newest?.key };
  }

  async found(run: Run, key: ClusterKey, from: "anew" | "a copy", freshNonce: string): Promise<boolean> {
    const kept = this.#met.meet(key);
    const epoch = from === "anew" ? 0 : 1;
    const isFounded = await this.#step("found", () => this.#model.found(run, kept, epoch, freshNonce));
    if (!isFounded || from === "a copy") return isFounded;
    const under = renamed(run, kept.mark);
    const tagsCount = Math.min(this.tagsCount, key.partitions);
    await allEnded(this.#atEachTag("found", (tag) => this.#model.createRecords(under, tag, kept), tagsCount));
    return true;
  }

  get tagsCount(): number {
    return this.#model.tagsCount;
  }

  standing(run: Run, partitions: readonly PartitionIndex[]): Promise<Standing[]> {
    return this.#atTag("standing", partitions, () => this.#model.standing(run, partitions));
  }

  read(run: Run, partitions: readonly PartitionIndex[]): Promise<FoundRecord[]> {
    return this.#atTag("read", partitions, () => this.#model.read(run, partitions));
  }

  claim(
    run: Run,
    partitions: readonly PartitionIndex[],
    claim: FoundedClaim,
    isLoaded: boolean,
    mayBeAbsent: ReadonlySet<PartitionIndex> = new Set(),
  ): Promise<SharedClaimAnswer[]> {
    const kept = this.#met.of(run);
    return this.#atTag("claim", partitions, () =>
      this.#model.claim(run, partitions, claim, isLoaded, mayBeAbsent, kept),
    );
  }

  takeBack(run: Run, taking: TakingBack): Promise<TakenBackAnswer> {
    const kept = this.#met.of(run);
    return this.#atTag("takeBack", [taking.partition], () => this.#model.takeBack(run, taking, kept));
  }

  async vote(run: Run, vote: Vote, leaseMs: number): Promise<VoteAnswer> {
    const kept = this.#met.meet(vote.key);
    return this.#step("vote", () => this.#model.vote(renamed(run, kept.mark), vote, kept, leaseMs));
  }

  async adoptTags(run: Run): Promise<number> {
    const kept = this.#met.of(run);
    if (kept === undefined) return 0;
    const runs = this.#model.tagRuns(kept.mark);
    const adopted = await allEnded(
      this.#atEachTag("adoptTags", (tag) => this.#model.adoptTag(runs[tag] as string, tag, kept)),
    );
    return adopted.filter(Boolean).length;
  }

  raise(
    run: Run,
    claims: readonly { readonly partition: PartitionIndex; readonly claim: FoundedClaim }[],
    epoch: number,
  ): Promise<AppendAnswer[]> {
    const partitions = claims.map(({ partition }) => partition);
    return this.#atTag("raise", partitions, () => this.#model.raise(run, claims, epoch));
  }

  append(run: Run, appends: readonly SharedAppend[]): Promise<AppendAnswer[]> {
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

  #step<T>(call: keyof SharedStore, apply: () => T, tag?: number): Promise<T> {
    return this.#through({ call, tag, apply });
  }

  /** A step at every tag, all at once. */
  #atEachTag<T>(call: keyof SharedStore, apply: (tag: number) => T, tagsCount = this.tagsCount): Promise<T>[] {
    return Array.from({ length: tagsCount }, (_, tag) => this.#step(call, () => apply(tag), tag));
  }

  /** All partitions of a call are of one tag. */
  #atTag<T>(call: keyof SharedStore, partitions: readonly PartitionIndex[], apply: () => T): Promise<T> {
    const tags = new Set(partitions.map((partition) => this.#model.tagOf(partition)));
    if (tags.size > 1) throw new Error(`Cannot ${call} partitions of ${tags.size} tags at once`);
    const [tag] = tags;
    return this.#step(call, apply, tag);
  }
}

/** Like `Promise.all()`, but rejects no sooner than all have ended. */
async function allEnded<T>(steps: readonly Promise<T>[]): Promise<T[]> {
  await Promise.allSettled(steps);
  return Promise.all(steps);
}
