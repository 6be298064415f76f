/**
 * What the nodes share, kept in Redis: one server, the master that Sentinel names, or a Redis Cluster.
 *
 * Every change is one Lua script on one hash, so it is done whole or not at all; each says first which run of Redis it
 * believes in (R15). The list of members, appends and bulk reads have connections of their own (R16).
 */
import {
  type Append,
  type Claim,
  type PartitionIndex,
  type Snapshot,
  type SnapshotAnswer,
  StoreUnavailableError,
} from "../../cluster/ports/record-store.ts";
import type { AdmittedModes, AskedModes, ToldAnswer, ToldModes } from "../../cluster/ports/mode-name-store.ts";
import type {
  ClusterKey,
  Renewal,
  RenewalAnswer,
  Run,
  SharedAppendAnswer,
  SharedStore,
  Standing,
  TakenAnswer,
} from "../../cluster/ports/shared-store.ts";
import type { View } from "../../cluster/ports/view.ts";
import { allByTag, heardByTag } from "./by-tag.ts";
import { Connection } from "./connection.ts";
import { memoryRatio, refuseUnfit } from "./fitness.ts";
import { parseRedisUrl } from "./redis-url.ts";
import { scriptNamed } from "./scripts.ts";
import {
  type KeptKey,
  asBuffer,
  decodeAnswers,
  decodeKey,
  decodeList,
  decodeModes,
  decodeRenewed,
  decodeSnapshotAnswer,
  decodeStanding,
  decodeTaken,
  encodeClaim,
  encodeKey,
  encodeMember,
  namesIn,
} from "./wire.ts";

export interface RedisStoreOptions {
  /** As `parseRedisUrl()` reads it. */
  readonly url: string;
  /** The cluster's name: all keys begin with `headcount:<cluster>:`. */
  readonly cluster: string;
  /** Longest wait for a renewal, a claim or an append. */
  readonly timeoutMs: number;
  /** Longest wait for whole records and snapshots; without it five times as long. */
  readonly bulkTimeoutMs?: number;
  /** For tests: stands in for Redis' own clock, in milliseconds. */
  readonly clockMs?: () => number;
}

/** Of a Redis Cluster: enough to spread the records evenly, few enough for one call each. */
const CLUSTER_TAGS_COUNT = 16;
const EXPELLED_MAX = 256;

const SCRIPTS = {
  renew: scriptNamed("renew"),
  restore: scriptNamed("restore"),
  raiseEpoch: scriptNamed("raise-epoch"),
  leave: scriptNamed("leave"),
  admitMode: scriptNamed("admit-mode"),
  tellModes: scriptNamed("tell-modes"),
  readKey: scriptNamed("read-key"),
  proposeKey: scriptNamed("propose-key"),
  createRecords: scriptNamed("create-records"),
  completeFounding: scriptNamed("complete-founding"),
  standing: scriptNamed("standing"),
  take: scriptNamed("take"),
  raise: scriptNamed("raise"),
  append: scriptNamed("append"),
  snapshot: scriptNamed("snapshot"),
  publish: scriptNamed("publish"),
};

export class RedisStore implements SharedStore {
  readonly #prefix: string;
  readonly #cluster: string;
  readonly #isRedisCluster: boolean;
  readonly #database: number;
  readonly #clockMs: (() => number) | undefined;
  readonly #leases: Connection;
  readonly #appends: Connection;
  readonly #bulk: Connection;
  /** As the cluster was founded with; until that is known, as it would be founded here. */
  #tagsCount: number;
  /** R12: once known, a record that is not there was lost. */
  #isFounded = false;

  private constructor({ url, cluster, timeoutMs, bulkTimeoutMs = 5 * timeoutMs, clockMs }: RedisStoreOptions) {
    const parsed = parseRedisUrl(url);
    this.#prefix = `headcount:${cluster}:`;
    this.#cluster = cluster;
    this.#isRedisCluster = parsed.kind === "cluster";
    this.#database = parsed.kind === "standalone" ? parsed.database : 0;
    this.#tagsCount = this.#isRedisCluster ? CLUSTER_TAGS_COUNT : 1;
    this.#clockMs = clockMs;
    const connect = (name: string, limitMs: number): Connection =>
      new Connection(parsed, { name: `headcount-${cluster}-${name}`, timeoutMs: limitMs });
    this.#leases = connect("leases", timeoutMs);
    this.#appends = connect("appends", timeoutMs);
    this.#bulk = connect("bulk", bulkTimeoutMs);
  }

  /**
   * Begins to connect; calls reject with `StoreUnavailableError` until that is done, and whenever Redis is away.
   * @throws {TypeError} where the URL is none of the forms
   */
  static connect(options: RedisStoreOptions): RedisStore {
    return new RedisStore(options);
  }

  /**
   * Waits for the connections and looks whether this Redis may be used; to be called at the start, again and again
   * where it rejects with a `StoreUnavailableError`.
   * @throws {UnfitRedisError} (rejects) too old, may evict, of another kind than the URL says, or without that database
   */
  async check(): Promise<void> {
    await Promise.all([this.#leases, this.#appends, this.#bulk].map((connection) => connection.untilReady()));
    await this.#leases.select(this.#database);
    const [servers, memories] = await Promise.all([
      this.#leases.info("look at Redis", "server"),
      this.#leases.info("look at Redis", "memory"),
    ]);
    refuseUnfit(servers, memories, this.#isRedisCluster);
  }

  /** R16: memory used of what Redis may use, 0 to 1 and a little more, of its fullest master; 0 without a limit. */
  async memoryUsedRatio(): Promise<number> {
    return memoryRatio(await this.#leases.info("read the memory used", "memory"));
  }

  // The list of members.

  async renew(renewal: Renewal, leaseMs: number): Promise<RenewalAnswer> {
    const run = await this.#readRun();
    const { member, isJoining, epoch, nonce, freshNonce, revision, accused, refused, held } = renewal;
    const args = [
      run,
      `${leaseMs}`,
      member.incarnation,
      encodeMember(member),
      isJoining ? "1" : "0",
      `${epoch}`,
      nonce,
    ];
    const told = [freshNonce, `${revision}`, held, accused.join(" "), refused.join(" "), this.#clock()];
    const answer = await this.#leases.call("renew the lease", SCRIPTS.renew, [this.#membersKey], [...args, ...told]);
    const [kind, ...list] = answer as Buffer[];
    switch (kind.toString()) {
      case "renewed":
        return decodeRenewed(run, list);
      case "gone":
        return { kind: "gone", run };
      default:
        return { kind: kind.toString() as "expelled" | "absent", run, list: decodeList(list) };
    }
  }

  async restore(run: Run, view: View, freshNonce: string, leaseMs: number): Promise<void> {
    const expelled = view.expelled.slice(-EXPELLED_MAX).map((name) => `${name} `);
    const members = view.members.flatMap((member) => [member.incarnation, encodeMember(member)]);
    const about = [`${leaseMs}`, `${view.epoch}`, view.nonce, freshNonce, expelled.join(""), this.#clock()];
    await this.#leases.call("write the view back", SCRIPTS.restore, [this.#membersKey], [run, ...about, ...members]);
  }

  async raiseEpoch(run: Run, above: number, freshNonce: string): Promise<void> {
    await this.#leases.call("raise the epoch", SCRIPTS.raiseEpoch, [this.#membersKey], [run, `${above}`, freshNonce]);
  }

  async leave(run: Run, incarnation: string, freshNonce: string): Promise<void> {
    await this.#leases.call("leave", SCRIPTS.leave, [this.#membersKey], [run, incarnation, freshNonce]);
  }

  // The names of modes (R28).

  async admitModes(run: Run, { names, candidates, modesMax, revision }: AskedModes): Promise<AdmittedModes> {
    const args = [run, `${modesMax}`, `${revision}`, candidates.join(" "), names.join(" ")];
    const answer = await this.#leases.call("admit a mode", SCRIPTS.admitMode, [this.#membersKey], args);
    return { ...decodeModes(answer as Buffer[]), refused: namesIn((answer as Buffer[])[5]) };
  }

  async tellModes(run: Run, told: ToldModes): Promise<ToldAnswer> {
    const { incarnation, revision, settledRevision, partitionCount, partitions, held } = told;
    const about = [incarnation, `${revision}`, `${settledRevision}`, `${partitionCount}`];
    const args = [run, ...about, partitions.join(","), held.join(" ")];
    const answer = await this.#leases.call("tell modes", SCRIPTS.tellModes, [this.#membersKey], args);
    return { ...decodeModes(answer as Buffer[]), returned: namesIn((answer as Buffer[])[5]) };
  }

  // The cluster's key (R12).

  async readKey(run: Run): Promise<{ readonly key: ClusterKey | undefined; readonly isFounded: boolean }> {
    const { kept, isFounded } = await this.#readKeptKey(run);
    return { key: kept?.key, isFounded };
  }

  async found(run: Run, proposal: ClusterKey): Promise<ClusterKey> {
    const proposed = (await this.#readKeptKey(run)).kept ?? { key: proposal, tagsCount: this.#tagsCount };
    const args = [run, encodeKey(proposed)];
    const standing = (await this.#leases.call("found", SCRIPTS.proposeKey, [this.#keyKey], args)) as Buffer;
    const { key } = this.#learn(decodeKey(standing));
    const partitions = Array.from({ length: key.partitions }, (_, partition) => partition);
    await allByTag({ parts: partitions, partitionOf: identity, tagsCount: this.#tagsCount }, async (tag, own) => {
      await this.#bulk.call(
        "found",
        SCRIPTS.createRecords,
        [this.#recordsKey(tag)],
        [run, standing, ...own.map(String)],
      );
      return [];
    });
    await this.restoreKey(run, key);
    return key;
  }

  async restoreKey(run: Run, key: ClusterKey): Promise<void> {
    const args = [run, encodeKey({ key, tagsCount: this.#tagsCount })];
    await this.#leases.call("found", SCRIPTS.completeFounding, [this.#keyKey], args);
    this.#isFounded = true;
  }

  // Records.

  standing(run: Run, partitions: readonly PartitionIndex[]): Promise<Standing[]> {
    return allByTag(this.#parts(partitions, identity), async (tag, own) => {
      const args = [run, ...own.map(String)];
      const states = await this.#leases.call("read claims", SCRIPTS.standing, [this.#recordsKey(tag)], args);
      return (states as (Buffer | null)[]).map(decodeStanding);
    });
  }

  take(run: Run, partitions: readonly PartitionIndex[], claim: Claim, isLoaded: boolean): Promise<TakenAnswer[]> {
    const connection = isLoaded ? this.#bulk : this.#leases;
    return allByTag(this.#parts(partitions, identity), async (tag, own) => {
      const args = [run, encodeClaim(claim), isLoaded ? "1" : "0", this.#isFounded ? "1" : "0", ...own.map(String)];
      const answers = await connection.call("take records", SCRIPTS.take, [this.#recordsKey(tag)], args);
      return (answers as (Buffer | null)[][]).map((answer) => decodeTaken(answer, isLoaded));
    });
  }

  raise(
    run: Run,
    claims: readonly { readonly partition: PartitionIndex; readonly claim: Claim }[],
    epoch: number,
  ): Promise<SharedAppendAnswer[]> {
    return heardByTag(this.#parts(claims, partitionOf), async (tag, own) => {
      const args = [run, `${epoch}`];
      for (const { partition, claim } of own) args.push(`${partition}`, encodeClaim(claim));
      const answers = await this.#leases.call("raise claims", SCRIPTS.raise, [this.#recordsKey(tag)], args);
      return decodeAnswers(answers as Buffer);
    });
  }

  append(run: Run, appends: readonly Append[]): Promise<SharedAppendAnswer[]> {
    return heardByTag(this.#parts(appends, partitionOf), async (tag, own) => {
      const lines = own.map(({ partition, claim, from }) => `${partition} ${encodeClaim(claim)} ${from}\n`);
      const args = [run, lines.join(""), ...own.map(({ message }) => asBuffer(message))];
      const answers = await this.#appends.call("append", SCRIPTS.append, [this.#recordsKey(tag)], args);
      return decodeAnswers(answers as Buffer);
    });
  }

  async snapshot(run: Run, partition: PartitionIndex, claim: Claim, snapshot: Snapshot): Promise<SnapshotAnswer> {
    const { number, covers, isWhole, bytes } = snapshot;
    const about = [`${partition}`, encodeClaim(claim), `${number}`, `${covers}`, isWhole ? "1" : "0"];
    const key = this.#recordsKey(partition % this.#tagsCount);
    const answer = await this.#bulk.call("snapshot", SCRIPTS.snapshot, [key], [run, ...about, asBuffer(bytes)]);
    return decodeSnapshotAnswer(answer as Buffer);
  }

  // For people and dashboards.

  async publish(
    region: string,
    term: number,
    version: number,
    counts: readonly { readonly mode: string; readonly players: number }[],
  ): Promise<void> {
    const board = `${this.#prefix}regions:${region}`;
    const guard = `${this.#prefix}published:{${board}}`; // in the board's slot
    const args = [`${term}`, `${version}`, ...counts.flatMap(({ mode, players }) => [`${players}`, mode])];
    await this.#bulk.call("publish", SCRIPTS.publish, [board, guard], args);
  }

  async close(): Promise<void> {
    for (const connection of [this.#leases, this.#appends, this.#bulk]) connection.close();
  }

  get #membersKey(): string {
    return `${this.#prefix}members`;
  }

  get #keyKey(): string {
    return `${this.#prefix}key`;
  }

  #recordsKey(tag: number): string {
    return `${this.#prefix}{${this.#cluster}-${tag}}:records`;
  }

  #clock(): string {
    return this.#clockMs === undefined ? "" : `${this.#clockMs()}`;
  }

  #parts<Part>(parts: readonly Part[], partitionOfPart: (part: Part) => PartitionIndex) {
    return { parts, partitionOf: partitionOfPart, tagsCount: this.#tagsCount };
  }

  /** R15: asks every master. Sorted, so that slots may move. */
  async #readRun(): Promise<Run> {
    const infos = await this.#leases.info("read the run", "replication");
    const ids = infos.map((info) => {
      const id = /^master_replid:(?<id>[\da-f]+)/m.exec(info)?.groups?.["id"];
      if (id === undefined || !/^role:master/m.test(info)) {
        throw new StoreUnavailableError("Cannot read the run: this Redis is a replica just now");
      }
      return id;
    });
    return ids.toSorted().join(",");
  }

  async #readKeptKey(run: Run): Promise<{ readonly kept: KeptKey | undefined; readonly isFounded: boolean }> {
    const [bytes, founded] = await this.#readKeyAt(run, this.#keyKey);
    this.#isFounded ||= founded !== null;
    if (bytes !== null) return { kept: this.#learn(decodeKey(bytes)), isFounded: founded !== null };
    const tags = Array.from({ length: this.#tagsCount }, (_, tag) => tag);
    const beside = await allByTag({ parts: tags, partitionOf: identity, tagsCount: tags.length }, async (tag) => [
      (await this.#readKeyAt(run, this.#recordsKey(tag)))[0],
    ]);
    const found = beside.find((each) => each !== null);
    return { kept: found && this.#learn(decodeKey(found)), isFounded: founded !== null };
  }

  async #readKeyAt(run: Run, at: string): Promise<readonly [key: Buffer | null, founded: Buffer | null]> {
    const found = await this.#leases.call("read the cluster's key", SCRIPTS.readKey, [at], [run]);
    return found as [Buffer | null, Buffer | null];
  }

  #learn(kept: KeptKey): KeptKey {
    this.#tagsCount = kept.tagsCount;
    return kept;
  }
}

function identity<T>(value: T): T {
  return value;
}

function partitionOf({ partition }: { readonly partition: PartitionIndex }): PartitionIndex {
  return partition;
}
