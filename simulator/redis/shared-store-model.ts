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
import {
  type ClusterKey,
  type Look,
  OtherRunError,
  type Renewal,
  type RenewalAnswer,
  type Run,
  type SharedAppendAnswer,
  type SharedStore,
  type Standing,
  type TakenAnswer,
  type Vote,
  type VoteAnswer,
} from "../../cluster/ports/shared-store.ts";
import type { View } from "../../cluster/ports/view.ts";
import { type KeptKey, KeyModel, KeysMet, renamed } from "./key-model.ts";
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
    const { list, ...rest } = structuredClone(saved) as { list: unknown };
    this.members.load(list);
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

  /** @param kept the caller's key, where it has met it: for a tag that has none */
  take(
    run: Run,
    partitions: readonly PartitionIndex[],
    claim: Claim,
    isLoaded: boolean,
    kept: KeptKey | undefined,
  ): TakenAnswer[] {
    this.expectAt(run, partitions);
    if (kept !== undefined) for (const partition of partitions) this.copy(this.tagOf(partition), kept);
    return partitions.map((partition) => {
      const standing = this.records.get(partition);
      const record = standing ?? emptyRecord();
      this.records.set(partition, record);
      return takeRecord(record, claim, isLoaded, standing === undefined);
    });
  }

  /** @returns whether records of another key were dropped */
  adoptTag(run: Run, tag: number, kept: KeptKey): boolean {
    if (!this.adopt(run, tag, kept)) return false;
    for (const partition of this.records.keys()) if (this.tagOf(partition) === tag) this.records.delete(partition);
    return true;
  }

  raise(
    run: Run,
    claims: readonly { readonly partition: PartitionIndex; readonly claim: Claim }[],
    epoch: number,
  ): AppendAnswer[] {
    this.expectAt(
      run,
      claims.map(({ partition }) => partition),
    );
    return claims.map(({ partition, claim }) => raiseRecord(this.records.get(partition), claim, epoch));
  }

  append(run: Run, appends: readonly Append[]): AppendAnswer[] {
    this.expectAt(
      run,
      appends.map(({ partition }) => partition),
    );
    return appends.map((append) => appendToRecord(this.records.get(append.partition), append));
  }

  snapshot(run: Run, partition: PartitionIndex, claim: Claim, snapshot: Snapshot): SnapshotAnswer {
    this.expectAt(run, [partition]);
    return snapshotRecord(this.records.get(partition), claim, snapshot);
  }

  publish(region: string, { term, version, counts }: Published): void {
    const standing = this.published.get(region);
    const isNewer =
      standing === undefined || term > standing.term || (term === standing.term && version > standing.version);
    if (isNewer) this.published.set(region, { term, version, counts: structuredClone(counts) });
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

  raiseEpoch(run: Run, above: number, freshNonce: string): Promise<void> {
    return this.#step("raiseEpoch", () => this.#model.raiseEpoch(run, above, freshNonce));
  }

  leave(run: Run, incarnation: string, freshNonce: string): Promise<void> {
    return this.#step("leave", () => this.#model.leave(run, incarnation, freshNonce));
  }

  async look(): Promise<Look> {
    const look = await this.#step("look", () => this.#model.look());
    if (look.key !== undefined) this.#met.meet(look.key);
    this.#met.hear(look.run);
    if (look.key !== undefined) return look;
    const tags = Array.from({ length: this.#model.tagsCount }, (_, tag) => tag);
    const read = await Promise.all(
      tags.map((tag) => this.#step("look", () => this.#model.readCopy(look.run, tag), tag)),
    );
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
    const tags = Array.from({ length: Math.min(this.#model.tagsCount, key.partitions) }, (_, tag) => tag);
    const created = tags.map((tag) => this.#step("found", () => this.#model.createRecords(under, tag, kept), tag));
    for (const answer of await Promise.allSettled(created)) if (answer.status === "rejected") throw answer.reason;
    return true;
  }

  async vote(run: Run, vote: Vote, leaseMs: number): Promise<VoteAnswer> {
    const kept = this.#met.meet(vote.key);
    return this.#step("vote", () => this.#model.vote(renamed(run, kept.mark), vote, kept, leaseMs));
  }

  async adoptTags(run: Run): Promise<number> {
    const kept = this.#met.of(run);
    if (kept === undefined) return 0;
    const tags = Array.from({ length: this.#model.tagsCount }, (_, tag) => tag);
    const adopted = tags.map((tag) => this.#step("adoptTags", () => this.#model.adoptTag(run, tag, kept), tag));
    let count = 0;
    for (const answer of await Promise.allSettled(adopted)) {
      if (answer.status === "rejected") throw answer.reason;
      count += answer.value ? 1 : 0;
    }
    return count;
  }

  standing(run: Run, partitions: readonly PartitionIndex[]): Promise<Standing[]> {
    return this.#whole("standing", partitions, identity, (asked) => this.#model.standing(run, asked));
  }

  take(run: Run, partitions: readonly PartitionIndex[], claim: Claim, isLoaded: boolean): Promise<TakenAnswer[]> {
    const kept = this.#met.of(run);
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
