/**
 * The cluster's key in Redis (R12): beside the list of members, with a copy beside each tag's records. Remembers the keys
 * that it has met, so that scripts which write them get their text and their generation.
 */
import type { ClusterKey, Look, Run, Vote, VoteAnswer } from "../../cluster/ports/shared-store.ts";
import { markOf } from "../../cluster/ports/mark.ts";
import { NO_VIEW } from "../../cluster/ports/view.ts";
import type { Connection } from "./connection.ts";
import { encodeRun, generationOf, markOfRun, mastersOf, UNKNOWN } from "./run.ts";
import { scriptNamed } from "./scripts.ts";
import { decodeKey, decodeList, encodeExpelled, encodeKey, encodeMembers } from "./wire.ts";

export interface KeyShelfPorts {
  readonly leases: Connection;
  readonly bulk: Connection;
  readonly membersKey: string;
  readonly recordsKey: (tag: number) => string;
  /** R15: the replication ids of all masters. */
  readonly readMasters: () => Promise<string>;
  /** For tests: stands in for Redis' own clock; else empty. */
  readonly clock: () => string;
}

/** A key as the scripts take it. */
interface Kept {
  readonly text: string;
  /** The highest that was heard of. */
  readonly generation: number;
}

const SCRIPTS = {
  look: scriptNamed("look"),
  readCopy: scriptNamed("read-copy"),
  found: scriptNamed("found"),
  createRecords: scriptNamed("create-records"),
  vote: scriptNamed("vote"),
  adoptTag: scriptNamed("adopt-tag"),
};
const NOT_MET: Kept = { text: "", generation: 1 };

export class KeyShelf {
  /** As the cluster was founded with; until that is known, as it would be founded here. */
  tagsCount: number;
  /** R9: of the list, as it was last heard of. */
  history = UNKNOWN;
  private readonly ports: KeyShelfPorts;
  private readonly kept = new Map<string, Kept>();

  constructor(tagsCount: number, ports: KeyShelfPorts) {
    this.tagsCount = tagsCount;
    this.ports = ports;
  }

  /** The key of that mark; with an empty text where it was not met here. */
  keptAs(mark: string): Kept {
    return this.kept.get(mark) ?? NOT_MET;
  }

  /** The list stands under this history and the key of this mark. */
  hear(history: string, mark: string): void {
    this.history = history;
    if (history !== UNKNOWN) this.remember(mark, this.keptAs(mark).text, generationOf(history));
  }

  /** A key that stands in the store. */
  learn(bytes: Buffer, generation = 1): ClusterKey {
    const { key, tagsCount } = decodeKey(bytes);
    this.tagsCount = tagsCount;
    this.remember(markOf(key.hashKey), bytes.toString(), generation);
    return key;
  }

  /** A key that is to be written. */
  keep(key: ClusterKey): Kept {
    const mark = markOf(key.hashKey);
    if (this.keptAs(mark).text === "") this.remember(mark, encodeKey({ key, tagsCount: this.tagsCount }), 1);
    return this.keptAs(mark);
  }

  async look(): Promise<Look> {
    const { ports } = this;
    const masters = await ports.readMasters();
    const args = [encodeRun(masters)];
    const answer = await ports.leases.call("look at the cluster", SCRIPTS.look, [ports.membersKey], args);
    const [history, mark, standing, list] = answer as [Buffer | null, Buffer | null, Buffer | null, Buffer[]];
    const run = encodeRun(masters, history?.toString(), mark?.toString());
    const view = list.length === 0 ? NO_VIEW : decodeList(list.slice(3)).view;
    if (standing === null) return { run, key: undefined, copy: await this.readCopies(run), view };
    const key = this.learn(standing);
    this.hear(history?.toString() ?? UNKNOWN, markOf(key.hashKey));
    return { run, key, copy: undefined, view };
  }

  async found(run: Run, key: ClusterKey, from: "anew" | "a copy", freshNonce: string): Promise<boolean> {
    const { leases, bulk, membersKey, recordsKey, clock } = this.ports;
    const mark = markOf(key.hashKey);
    const { text, generation } = this.keep(key);
    const epoch = from === "anew" ? "0" : "1";
    const about = [text, `${generation}`, epoch, freshNonce, from === "anew" ? "0" : "1", clock()];
    const args = [encodeRun(mastersOf(run), UNKNOWN, mark), ...about];
    const history = (await leases.call("found", SCRIPTS.found, [membersKey], args)) as Buffer | null;
    if (history === null) return false;
    this.hear(history.toString(), mark);
    if (from === "a copy") return true;
    const tags = Array.from({ length: Math.min(this.tagsCount, key.partitions) }, (_, tag) => tag);
    const creations = tags.map((tag) => {
      const own = Array.from({ length: key.partitions }, (_, partition) => partition).filter(
        (partition) => partition % this.tagsCount === tag,
      );
      const made = [encodeRun(mastersOf(run), UNKNOWN, mark), text, `${generation}`, ...own.map(String)];
      return bulk.call("found", SCRIPTS.createRecords, [recordsKey(tag)], made);
    });
    await allSettled(creations);
    return true;
  }

  async vote(run: Run, { incarnation, view, key, freshNonce }: Vote, leaseMs: number): Promise<VoteAnswer> {
    const { leases, membersKey, clock } = this.ports;
    const { text, generation } = this.keep(key);
    const args = [encodeRun(mastersOf(run), UNKNOWN, markOf(key.hashKey)), `${leaseMs}`, incarnation];
    const about = [`${view.epoch}`, freshNonce, encodeExpelled(view), clock(), text, `${generation}`];
    const all = [...args, ...about, ...encodeMembers(view)];
    return String(await leases.call("ask for the key", SCRIPTS.vote, [membersKey], all)) as VoteAnswer;
  }

  async adoptTags(run: Run): Promise<number> {
    const { leases, recordsKey } = this.ports;
    const { text, generation } = this.keptAs(markOfRun(run));
    if (text === "") return 0;
    const args = [encodeRun(await this.ports.readMasters(), this.history, markOfRun(run)), text, `${generation}`];
    const tags = Array.from({ length: this.tagsCount }, (_, tag) => tag);
    const adopted = await allSettled(
      tags.map((tag) => leases.call("bring a tag to the key", SCRIPTS.adoptTag, [recordsKey(tag)], args)),
    );
    return adopted.filter((dropped) => Number(dropped) === 1).length;
  }

  /** The key of the highest generation that lies beside any tag's records. */
  private async readCopies(run: Run): Promise<ClusterKey | undefined> {
    const { leases, recordsKey } = this.ports;
    const tags = Array.from({ length: this.tagsCount }, (_, tag) => tag);
    const read = await allSettled(
      tags.map((tag) => leases.call("read the cluster's key", SCRIPTS.readCopy, [recordsKey(tag)], [run])),
    );
    const copies = (read as [Buffer | null, Buffer | null][]).flatMap(([bytes, generation]) =>
      bytes === null ? [] : [{ bytes, generation: Number(generation ?? 1) }],
    );
    const [newest] = copies.toSorted((one, other) => other.generation - one.generation);
    return newest && this.learn(newest.bytes, newest.generation);
  }

  private remember(mark: string, text: string, generation: number): void {
    this.kept.set(mark, { text, generation: Math.max(generation, this.keptAs(mark).generation) });
  }
}

/** Resolves when all have ended, so that nothing of them is under way afterwards; rejects where any failed. */
async function allSettled<T>(calls: readonly Promise<T>[]): Promise<T[]> {
  const answers = await Promise.allSettled(calls);
  return answers.map((answer) => {
    if (answer.status === "rejected") throw answer.reason;
    return answer.value;
  });
}
