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
  OtherRunError,
  type Renewal,
  type RenewalAnswer,
  type Run,
  type SharedAppendAnswer,
  type SharedStore,
  type Standing,
  type TakenAnswer,
} from "../../cluster/ports/shared-store.ts";
import type { AdmittedModes, AskedModes, ToldAnswer, ToldModes } from "../../cluster/ports/mode-name-store.ts";
import type { View } from "../../cluster/ports/view.ts";
import { MemberListModel } from "./member-list-model.ts";
import { ModeNamesModel } from "./mode-names-model.ts";
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

export class SharedStoreModel {
  /** R15: set it whenever the store restarts, fails over or is another. */
  run: Run = "first run";
  readonly tagsCount: number;
  /** To be looked at; changed by steps only. */
  records = new Map<PartitionIndex, RecordModel>();
  readonly members = new MemberListModel();
  readonly modes = new ModeNamesModel();
  published = new Map<string, Published>();
  key: ClusterKey | undefined;
  /** R12: beside the records, by tag: the cluster's key. */
  tagKeys = new Map<number, ClusterKey>();
  isFounded = false;
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

  // The faults. Each is a new history of the store: who plays it sets another `run` with it.

  /** All that is stored as of now, for `load()`: the store comes back older, or without its tail. */
  save(): unknown {
    const { records, published, key, tagKeys, isFounded } = this;
    return structuredClone({
      records,
      published,
      key,
      tagKeys,
      isFounded,
      list: this.members.save(),
      modes: this.modes.save(),
    });
  }

  load(saved: unknown): void {
    const { list, modes, ...rest } = structuredClone(saved) as { list: unknown; modes: unknown };
    this.members.load(list);
    this.modes.load(modes);
    Object.assign(this, rest);
  }

  /** The store comes back empty. */
  forgetAll(): void {
    this.load({ records: new Map(), published: new Map(), key: undefined, tagKeys: new Map(), isFounded: false });
  }

  // The steps.

  renew(renewal: Renewal, leaseMs: number): RenewalAnswer {
    const answer = this.members.renew(renewal, leaseMs, this.run, this.#clockMs());
    const modesRevision = this.modes.revision;
    return answer.kind === "renewed" && modesRevision > 0 ? { ...answer, modesRevision } : answer;
  }

  restore(run: Run, view: View, freshNonce: string, leaseMs: number): void {
    this.#expect(run);
    // The names go with the hash that is written anew: whoever holds one tells it again (R28).
    if (this.members.restore(view, freshNonce, leaseMs, this.#clockMs())) this.modes.load(undefined);
  }

  raiseEpoch(run: Run, above: number, freshNonce: string): void {
    this.#expect(run);
    this.members.raiseEpoch(above, freshNonce);
  }

  leave(run: Run, incarnation: string, freshNonce: string): void {
    this.#expect(run);
    this.members.leave(incarnation, freshNonce);
  }

  admitModes(run: Run, asked: AskedModes): AdmittedModes {
    this.#expect(run);
    return this.modes.admit(asked);
  }

  tellModes(run: Run, told: ToldModes): ToldAnswer {
    this.#expect(run);
    const listed = this.members.peek()?.view.members.map(({ incarnation }) => incarnation);
    return this.modes.tell(told, listed ?? []);
  }

  /** R12: where the key itself is gone, any record has it. */
  readKey(run: Run): { readonly key: ClusterKey | undefined; readonly isFounded: boolean } {
    this.#expect(run);
    const [beside] = this.tagKeys.values();
    return structuredClone({ key: this.key ?? beside, isFounded: this.isFounded });
  }

  /** First step of the founding: answers what stands. */
  proposeKey(run: Run, proposal: ClusterKey): ClusterKey {
    this.#expect(run);
    this.key ??= structuredClone(proposal);
    return structuredClone(this.key);
  }

  /** Second step, for every tag: the records that are not there, empty. */
  createRecords(run: Run, tag: number, key: ClusterKey): void {
    this.#expect(run);
    if (!this.tagKeys.has(tag)) this.tagKeys.set(tag, structuredClone(key));
    for (let partition = tag; partition < key.partitions; partition += this.tagsCount) {
      if (!this.records.has(partition)) this.records.set(partition, emptyRecord());
    }
  }

  /** Third and last step. */
  completeFounding(run: Run): void {
    this.#expect(run);
    this.isFounded = true;
  }

  restoreKey(run: Run, key: ClusterKey): void {
    this.#expect(run);
    this.key ??= structuredClone(key);
    this.isFounded = true;
  }

  standing(run: Run, partitions: readonly PartitionIndex[]): Standing[] {
    this.#expect(run);
    return partitions.map((partition) => standingOf(this.records.get(partition)));
  }

  /** @param isFounded as the caller knows: then a record that is not there was lost */
  take(
    run: Run,
    partitions: readonly PartitionIndex[],
    claim: Claim,
    isLoaded: boolean,
    isFounded: boolean,
  ): TakenAnswer[] {
    this.#expect(run);
    return partitions.map((partition) => {
      const standing = this.records.get(partition);
      const record = standing ?? emptyRecord();
      this.records.set(partition, record);
      return takeRecord(record, claim, isLoaded, standing === undefined && isFounded);
    });
  }

  raise(
    run: Run,
    claims: readonly { readonly partition: PartitionIndex; readonly claim: Claim }[],
    epoch: number,
  ): AppendAnswer[] {
    this.#expect(run);
    return claims.map(({ partition, claim }) => raiseRecord(this.records.get(partition), claim, epoch));
  }

  append(run: Run, appends: readonly Append[]): AppendAnswer[] {
    this.#expect(run);
    return appends.map((append) => appendToRecord(this.records.get(append.partition), append));
  }

  snapshot(run: Run, partition: PartitionIndex, claim: Claim, snapshot: Snapshot): SnapshotAnswer {
    this.#expect(run);
    return snapshotRecord(this.records.get(partition), claim, snapshot);
  }

  publish(region: string, { term, version, counts }: Published): void {
    const standing = this.published.get(region);
    const isNewer =
      standing === undefined || term > standing.term || (term === standing.term && version > standing.version);
    if (isNewer) this.published.set(region, { term, version, counts: structuredClone(counts) });
  }

  #expect(run: Run): void {
    if (run !== this.run) throw new OtherRunError(`The store's run is ${this.run}, not ${run}`);
  }
}

class ModelConnection implements SharedStore {
  readonly #model: SharedStoreModel;
  readonly #through: Through;
  /** R12: once known, a record that is not there was lost. */
  #isFounded = false;

  constructor(model: SharedStoreModel, through: Through) {
    this.#model = model;
    this.#through = through;
  }

  renew(renewal: Renewal, leaseMs: number): Promise<RenewalAnswer> {
    return this.#step("renew", () => this.#model.renew(renewal, leaseMs));
  }

  restore(run: Run, view: View, freshNonce: string, leaseMs: number): Promise<void> {
    return this.#step("restore", () => this.#model.restore(run, view, freshNonce, leaseMs));
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

  async readKey(run: Run): Promise<{ readonly key: ClusterKey | undefined; readonly isFounded: boolean }> {
    const answer = await this.#step("readKey", () => this.#model.readKey(run));
    this.#isFounded ||= answer.isFounded;
    return answer;
  }

  async found(run: Run, proposal: ClusterKey): Promise<ClusterKey> {
    const { key } = await this.readKey(run);
    const standing = await this.#step("found", () => this.#model.proposeKey(run, key ?? proposal));
    const tags = Array.from({ length: Math.min(this.#model.tagsCount, standing.partitions) }, (_, tag) => tag);
    const created = tags.map((tag) => this.#step("found", () => this.#model.createRecords(run, tag, standing), tag));
    for (const answer of await Promise.allSettled(created)) if (answer.status === "rejected") throw answer.reason;
    await this.#step("found", () => this.#model.completeFounding(run));
    this.#isFounded = true;
    return standing;
  }

  async restoreKey(run: Run, key: ClusterKey): Promise<void> {
    await this.#step("restoreKey", () => this.#model.restoreKey(run, key));
    this.#isFounded = true;
  }

  standing(run: Run, partitions: readonly PartitionIndex[]): Promise<Standing[]> {
    return this.#whole("standing", partitions, identity, (asked) => this.#model.standing(run, asked));
  }

  take(run: Run, partitions: readonly PartitionIndex[], claim: Claim, isLoaded: boolean): Promise<TakenAnswer[]> {
    return this.#whole("take", partitions, identity, (asked) =>
      this.#model.take(run, asked, claim, isLoaded, this.#isFounded),
    );
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
