/**
 * The list of members with the cluster's key beside it, and the copies beside each tag's records, in memory: the plain
 * model of what `node/redis/lua/` does with them (R9, R12). Every method that names a run is one script.
 */
import { markOf } from "../../cluster/ports/mark.ts";
import type { AdmittedModes, AskedModes, ToldAnswer, ToldModes } from "../../cluster/ports/mode-name-store.ts";
import type { PartitionIndex } from "../../cluster/ports/record-store.ts";
import {
  type ClusterKey,
  type Look,
  OtherKeyError,
  OtherRunError,
  type Renewal,
  type RenewalAnswer,
  type Run,
  type Vote,
  type VoteAnswer,
} from "../../cluster/ports/shared-store.ts";
import { NO_VIEW, type View } from "../../cluster/ports/view.ts";
import { MemberListModel } from "./member-list-model.ts";
import { ModeNamesModel } from "./mode-names-model.ts";

/** A key as it lies beside the list, or beside a tag's records. */
export interface KeptKey {
  readonly key: ClusterKey;
  readonly mark: string;
  /** Rises each time that a key replaces another. */
  readonly generation: number;
}

/** Who asked for the key of a mark, and when, by the list's observed clock. */
interface Asked {
  readonly incarnation: string;
  readonly mark: string;
  readonly atMs: number;
}

/** In the place of a history or a mark that is not known, or not there. */
const UNKNOWN = "-";

export class KeyModel {
  /** R15: the master's name: set it whenever the store restarts, fails over or is another. Without spaces. */
  master = "run-1";
  /** Of the tags that another master has. */
  readonly tagMasters = new Map<number, string>();
  readonly tagsCount: number;
  readonly members = new MemberListModel();
  /** R28: beside the list, and lost with it. */
  readonly modes = new ModeNamesModel();
  /** R12: what lies beside the list. */
  kept: KeptKey | undefined;
  /** R9: another with each founding and each time that the list is written back. */
  history = UNKNOWN;
  votes: readonly Asked[] = [];
  /** R12: beside the records, by tag: a copy of the cluster's key. */
  tagKeys = new Map<number, KeptKey>();
  readonly #clockMs: () => number;

  constructor(clockMs: () => number, tagsCount: number) {
    this.#clockMs = clockMs;
    this.tagsCount = tagsCount;
  }

  get key(): ClusterKey | undefined {
    return this.kept?.key;
  }

  /** What stands. */
  get run(): Run {
    const masters = [...new Set([this.master, ...this.tagMasters.values()])].toSorted().join(",");
    return this.runOf(this.kept?.mark ?? UNKNOWN, this.history, masters);
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

  tagOf(partition: PartitionIndex): number {
    return partition % this.tagsCount;
  }

  /** The list is lost, and the key with it; the records stay. */
  forgetList(): void {
    this.members.load(undefined);
    this.modes.load(undefined);
    Object.assign(this, { kept: undefined, history: UNKNOWN, votes: [] });
  }

  // The steps.

  renew(renewal: Renewal, leaseMs: number): RenewalAnswer {
    const { kept } = this;
    if (kept !== undefined && kept.mark !== renewal.mark)
      return { kind: "other key", run: this.runOf(UNKNOWN, UNKNOWN), key: structuredClone(kept.key) };
    const answer = this.members.renew(renewal, leaseMs, this.runOf(renewal.mark), this.#clockMs());
    if (answer.kind === "other key") return answer;
    const tagRuns = this.tagRuns(renewal.mark);
    const { revision } = this.modes;
    const isListed = answer.kind === "renewed" || answer.kind === "accused";
    return isListed && revision > 0 ? { ...answer, tagRuns, modesRevision: revision } : { ...answer, tagRuns };
  }

  restore(run: Run, view: View, kept: KeptKey, freshNonce: string, leaseMs: number): void {
    this.expect(run);
    const isWritten = this.members.restore(view, freshNonce, leaseMs, this.#clockMs());
    if (!isWritten) return;
    this.#keep(kept, Math.max(kept.generation, this.kept?.generation ?? 0), freshNonce);
    this.modes.load(undefined); // whoever holds one tells it again (R28)
  }

  beginRun(run: Run, freshNonce: string): void {
    this.expect(run);
    if (this.kept !== undefined) this.history = `${this.kept.generation}.${freshNonce}`;
  }

  raiseEpoch(run: Run, above: number, freshNonce: string): void {
    this.expect(run);
    this.members.raiseEpoch(above, freshNonce);
  }

  leave(run: Run, incarnation: string, freshNonce: string): void {
    this.expect(run);
    this.members.leave(incarnation, freshNonce);
  }

  admitModes(run: Run, asked: AskedModes): AdmittedModes {
    this.expect(run);
    return this.modes.admit(asked);
  }

  tellModes(run: Run, told: ToldModes): ToldAnswer {
    this.expect(run);
    const listed = this.members.peek()?.view.members.map(({ incarnation }) => incarnation);
    return this.modes.tell(told, listed ?? []);
  }

  /** Without the copies. */
  look(): Look {
    const view = this.members.peek()?.view ?? NO_VIEW;
    return structuredClone({ run: this.run, key: this.key, copy: undefined, view });
  }

  readCopy(run: Run, tag: number): KeptKey | undefined {
    this.#expectMaster(run, tag);
    return structuredClone(this.tagKeys.get(tag));
  }

  /** First step of the founding. @returns whether that key stands, founded now or before */
  found(run: Run, kept: KeptKey, epoch: number, freshNonce: string): boolean {
    this.#expectMaster(run);
    if (this.kept !== undefined) return this.kept.mark === kept.mark;
    if (epoch === 0 && this.members.peek() !== undefined) return false;
    this.members.found(epoch, freshNonce, this.#clockMs());
    this.#keep(kept, kept.generation, freshNonce);
    return true;
  }

  vote(run: Run, { incarnation, view, freshNonce }: Vote, kept: KeptKey, leaseMs: number): VoteAnswer {
    this.#expectMaster(run);
    const standing = this.kept;
    if (standing === undefined || standing.mark === kept.mark) return "not needed";
    const { living, clockMs } = this.members.observe(leaseMs, this.#clockMs());
    if (view.members.length <= living) return "outnumbered";
    const others = this.votes.filter((asked) => asked.incarnation !== incarnation && clockMs - asked.atMs <= leaseMs);
    this.votes = [...others, { incarnation, mark: kept.mark, atMs: clockMs }];
    const names = new Set(view.members.map((member) => member.incarnation));
    const asked = this.votes.filter((vote) => vote.mark === kept.mark && names.has(vote.incarnation)).length;
    if (asked * 2 <= names.size) return "counted";
    if (asked <= living) return "tied";
    const epoch = Math.max(view.epoch, this.members.peek()?.view.epoch ?? 0) + 1;
    this.members.replace({ ...view, epoch, nonce: freshNonce }, leaseMs, this.#clockMs());
    this.modes.load(undefined);
    this.#keep(kept, Math.max(kept.generation, standing.generation) + 1, freshNonce);
    return "replaced";
  }

  /** @returns whether another key lay beside the tag's records, which are to be dropped then */
  protected adopt(run: Run, tag: number, kept: KeptKey): boolean {
    this.#expectMaster(run, tag);
    const standing = this.tagKeys.get(tag);
    if (standing?.mark === kept.mark) return false;
    if (standing !== undefined && standing.generation >= kept.generation)
      throw new OtherKeyError(`Tag ${tag} has a key of generation ${standing.generation}`);
    this.tagKeys.set(tag, structuredClone(kept));
    return standing !== undefined;
  }

  /** A tag that has no key gets a copy. */
  protected copy(tag: number, kept: KeptKey): void {
    if (!this.tagKeys.has(tag)) this.tagKeys.set(tag, structuredClone(kept));
  }

  /** R9, R12: of the list, or of a tag, which has no history. */
  protected expect(run: Run, tag?: number): void {
    const { history, mark } = partsOf(run);
    this.#expectMaster(run, tag);
    const kept = tag === undefined ? this.kept : this.tagKeys.get(tag);
    if (kept !== undefined && kept.mark !== mark) throw new OtherKeyError(`The mark is ${kept.mark}, not ${mark}`);
    const isKnown = this.history !== UNKNOWN && history !== UNKNOWN;
    if (tag === undefined && isKnown && history !== this.history)
      throw new OtherRunError(`The history is ${this.history}, not ${history}`);
  }

  protected expectAt(run: Run, partitions: readonly PartitionIndex[]): void {
    for (const tag of new Set(partitions.map((partition) => this.tagOf(partition)))) this.expect(run, tag);
  }

  protected saveKeys(): object {
    const { kept, history, votes, tagKeys } = this;
    return { kept, history, votes, tagKeys, list: this.members.save(), modes: this.modes.save() };
  }

  #expectMaster(run: Run, tag?: number): void {
    const { master } = partsOf(run);
    const standing = tag === undefined ? this.master : this.masterOf(tag);
    if (!master.split(",").includes(standing))
      throw new OtherRunError(`The store's master is ${standing}, not ${master}`);
  }

  #keep(kept: KeptKey, generation: number, nonce: string): void {
    this.kept = structuredClone({ ...kept, generation });
    this.history = `${generation}.${nonce}`;
    this.votes = [];
  }
}

/** The keys that a connection has met, by mark, with the highest generation heard of. */
export class KeysMet {
  readonly #met = new Map<string, KeptKey>();

  of(run: Run): KeptKey | undefined {
    return this.#met.get(partsOf(run).mark);
  }

  meet(key: ClusterKey, generation = 1): KeptKey {
    const mark = markOf(key.hashKey);
    const kept = { key, mark, generation: Math.max(generation, this.#met.get(mark)?.generation ?? 0) };
    this.#met.set(mark, kept);
    return kept;
  }

  /** R9: a history begins with the generation of the key. */
  hear(run: Run): void {
    const { history } = partsOf(run);
    const kept = this.of(run);
    if (kept !== undefined && history !== UNKNOWN) this.meet(kept.key, Number.parseInt(history, 10) || 1);
  }
}

/** The same master under the key of another mark, whatever the history. */
export function renamed(run: Run, mark: string): Run {
  return `${partsOf(run).master} ${UNKNOWN} ${mark}`;
}

function partsOf(run: Run): { master: string; history: string; mark: string } {
  const [, master, history, mark] = /^(\S+) (.*) (\S+)$/.exec(run) ?? [run, run, UNKNOWN, UNKNOWN];
  return { master, history, mark };
}
