/**
 * What the nodes share, kept in Redis: one server, the master that Sentinel names, or a Redis Cluster.
 *
 * Every change is one Lua script on one hash, so it is done whole or not at all; each says first which run of Redis it
 * believes in (R15). The list of members, appends, bulk reads, and what is published have connections of their own (R16).
 */
import type { AdmittedModes, AskedModes, ToldAnswer, ToldModes } from "../../cluster/ports/mode-name-store.ts";
import type { AppendAnswer, SnapshotAnswer } from "../../cluster/ports/record-store.ts";
import type {
  FoundRecord,
  Run,
  SharedClaimAnswer,
  SharedRecords,
  Standing,
  TakenBackAnswer,
} from "../../cluster/ports/shared-records.ts";
import {
  type ClusterKey,
  type Look,
  OtherRunError,
  type PublishAnswer,
  type PublishedBoard,
  type Renewal,
  type RenewalAnswer,
  type SharedStore,
  type Vote,
  type VoteAnswer,
} from "../../cluster/ports/shared-store.ts";
import type { View } from "../../cluster/ports/view.ts";
import type { Connection, Ends } from "./connection.ts";
import { Fleet } from "./fleet.ts";
import { memoryRatio, refuseUnfit } from "./fitness.ts";
import { KeyShelf } from "./key-shelf.ts";
import { MasterRuns } from "./master-runs.ts";
import { RedisText } from "./redis-text.ts";
import { RedisRecords } from "./redis-records.ts";
import { type Login, parseRedisUrl, withLogin } from "./redis-url.ts";
import { encodeRun } from "./run.ts";
import { scriptNamed } from "./scripts.ts";
import {
  decodeModes,
  decodeRenewal,
  encodeExpelled,
  encodeMember,
  encodeMembers,
  type ModesAnswer,
  namesIn,
} from "./wire.ts";

export interface RedisStoreOptions {
  /** As `parseRedisUrl()` reads it. */
  readonly url: string;
  /** Said beside the URL. */
  readonly login?: Login;
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
/** R9: a renewal that names an old history is answered with the present one, and sent again. */
const HISTORIES_MAX = 3;

const SCRIPTS = {
  renew: scriptNamed("renew"),
  restore: scriptNamed("restore"),
  beginRun: scriptNamed("begin-run"),
  raiseEpoch: scriptNamed("raise-epoch"),
  leave: scriptNamed("leave"),
  admitMode: scriptNamed("admit-mode"),
  tellModes: scriptNamed("tell-modes"),
  publish: scriptNamed("publish"),
};

export class RedisStore implements SharedStore {
  readonly #prefix: string;
  readonly #isRedisCluster: boolean;
  readonly #database: number;
  readonly #clockMs: (() => number) | undefined;
  readonly #connections = new Fleet();
  readonly #leases: Connection;
  readonly #records: RedisRecords;
  readonly #shelf: KeyShelf;
  readonly #masters: MasterRuns;
  readonly #publishing: Connection;
  /** What all nodes follow. */
  readonly texts: { readonly controls: RedisText; readonly catalogue: RedisText };

  private constructor({ url, login, cluster, timeoutMs, bulkTimeoutMs = 5 * timeoutMs, clockMs }: RedisStoreOptions) {
    const parsed = login === undefined ? parseRedisUrl(url) : withLogin(parseRedisUrl(url), login);
    this.#prefix = `headcount:${cluster}:`;
    this.#isRedisCluster = parsed.kind === "cluster";
    this.#database = parsed.kind === "standalone" ? parsed.database : 0;
    this.#clockMs = clockMs;
    const connect = (name: string, limitMs: number): Connection =>
      this.#connections.open(parsed, { name: `headcount-${cluster}-${name}`, timeoutMs: limitMs });
    this.#leases = connect("leases", timeoutMs);
    const [appends, bulk] = [connect("appends", timeoutMs), connect("bulk", bulkTimeoutMs)];
    const recordsKey = (tag: number): string => `${this.#prefix}{${cluster}-${tag}}:records`;
    this.#shelf = new KeyShelf(this.#isRedisCluster ? CLUSTER_TAGS_COUNT : 1, {
      leases: this.#leases,
      bulk,
      membersKey: this.#membersKey,
      recordsKey,
      readMasters: () => this.#readMasters(),
      clock: () => this.#clock(),
    });
    this.#masters = new MasterRuns(this.#leases, this.#membersKey, () =>
      Array.from({ length: this.#shelf.tagsCount }, (_, tag) => recordsKey(tag)),
    );
    this.#records = new RedisRecords(this.#shelf, recordsKey, { leases: this.#leases, appends, bulk });
    this.#publishing = connect("publish", timeoutMs);
    const textOf = (name: string): RedisText => new RedisText(this.#publishing, `${this.#prefix}${name}`);
    this.texts = { controls: textOf("controls"), catalogue: textOf("catalogue") };
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
    await this.#connections.untilReady();
    await this.#leases.select(this.#database);
    const [servers, memories] = await Promise.all([
      this.#leases.info("look at Redis", "server"),
      this.#leases.info("look at Redis", "memory"),
    ]);
    refuseUnfit(servers, memories, this.#isRedisCluster);
  }

  /** By which addresses this machine and Redis reach each other just now. */
  get ends(): Ends[] {
    return this.#leases.ends;
  }

  /** R16: memory used of what Redis may use, 0 to 1 and a little more, of its fullest master; 0 without a limit. */
  async memoryUsedRatio(): Promise<number> {
    return memoryRatio(await this.#leases.info("read the memory used", "memory"));
  }

  // The list of members.

  async renew(renewal: Renewal, leaseMs: number): Promise<RenewalAnswer> {
    const { member, mark, isJoining, epoch, nonce, freshNonce, revision, licenceMs, number, held } = renewal;
    const { accused, closed, closedStill, called } = renewal;
    const about = [member.incarnation, encodeMember(member), isJoining ? "1" : "0", `${epoch}`, nonce, freshNonce];
    const named = [accused, closed, closedStill, called].map((incarnations) => incarnations.join(" "));
    const told = [`${leaseMs}`, ...about, `${revision}`, `${licenceMs}`, `${number}`, ...named, this.#clock()];
    if (held !== undefined) told.push(held);
    let masters = await this.#masters.read(false);
    let isAnew = false;
    for (let count = 0; count < HISTORIES_MAX; count++) {
      const { history } = this.#shelf;
      const run = encodeRun(masters.list, history, mark);
      const runs = { run, tagRuns: masters.tags.map((each) => encodeRun(each, history, mark)) };
      let answer: unknown;
      try {
        answer = await this.#leases.call("renew the lease", SCRIPTS.renew, [this.#membersKey], [run, ...told]);
      } catch (error) {
        if (isAnew || !(error instanceof OtherRunError)) throw error;
        [isAnew, masters] = [true, await this.#masters.read(true)];
        continue;
      }
      const [kind, ...rest] = answer as [Buffer, ...Buffer[]];
      switch (kind.toString()) {
        case "other history":
          this.#shelf.hear((rest[0] as Buffer).toString(), mark);
          break;
        case "other key":
          return {
            kind: "other key",
            run: encodeRun(masters.list),
            key: this.#shelf.learn(rest[0] as Buffer),
          };
        default:
          return { ...runs, ...decodeRenewal(kind.toString(), rest) };
      }
    }
    throw new OtherRunError("Cannot renew the lease: the list was written back again and again");
  }

  async restore(run: Run, view: View, key: ClusterKey, freshNonce: string, leaseMs: number): Promise<void> {
    const { text, generation } = this.#shelf.keep(key);
    const about = [`${leaseMs}`, `${view.epoch}`, view.nonce, freshNonce, encodeExpelled(view), this.#clock()];
    const args = [run, ...about, text, `${generation}`, ...encodeMembers(view)];
    await this.#leases.call("write the view back", SCRIPTS.restore, [this.#membersKey], args);
  }

  async beginRun(run: Run, freshNonce: string): Promise<void> {
    await this.#leases.call("begin another run", SCRIPTS.beginRun, [this.#membersKey], [run, freshNonce]);
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
    return { ...decodeModes(answer as ModesAnswer), refused: namesIn((answer as ModesAnswer)[5]) };
  }

  async tellModes(run: Run, told: ToldModes): Promise<ToldAnswer> {
    const { incarnation, revision, settledRevision, partitionCount, partitions, held } = told;
    const about = [incarnation, `${revision}`, `${settledRevision}`, `${partitionCount}`];
    const args = [run, ...about, partitions.join(","), held.join(" ")];
    const answer = await this.#leases.call("tell modes", SCRIPTS.tellModes, [this.#membersKey], args);
    return { ...decodeModes(answer as ModesAnswer), returned: namesIn((answer as ModesAnswer)[5]) };
  }

  // The cluster's key (R12).

  look(): Promise<Look> {
    return this.#shelf.look();
  }

  found(run: Run, key: ClusterKey, from: "anew" | "a copy", freshNonce: string): Promise<boolean> {
    return this.#shelf.found(run, key, from, freshNonce);
  }

  vote(run: Run, vote: Vote, leaseMs: number): Promise<VoteAnswer> {
    return this.#shelf.vote(run, vote, leaseMs);
  }

  adoptTags(run: Run): Promise<number> {
    return this.#shelf.adoptTags(run);
  }

  // Records: all partitions of a call are of one tag.

  get tagsCount(): number {
    return this.#records.tagsCount;
  }

  standing(...asked: Parameters<SharedRecords["standing"]>): Promise<Standing[]> {
    return this.#records.standing(...asked);
  }

  read(...asked: Parameters<SharedRecords["read"]>): Promise<FoundRecord[]> {
    return this.#records.read(...asked);
  }

  claim(...asked: Parameters<SharedRecords["claim"]>): Promise<SharedClaimAnswer[]> {
    return this.#records.claim(...asked);
  }

  takeBack(...asked: Parameters<SharedRecords["takeBack"]>): Promise<TakenBackAnswer> {
    return this.#records.takeBack(...asked);
  }

  raise(...asked: Parameters<SharedRecords["raise"]>): Promise<AppendAnswer[]> {
    return this.#records.raise(...asked);
  }

  append(...asked: Parameters<SharedRecords["append"]>): Promise<AppendAnswer[]> {
    return this.#records.append(...asked);
  }

  snapshot(...asked: Parameters<SharedRecords["snapshot"]>): Promise<SnapshotAnswer> {
    return this.#records.snapshot(...asked);
  }

  // For people and dashboards.

  async publish(
    region: string,
    { term, version, modes, since, players, gone }: PublishedBoard,
  ): Promise<PublishAnswer> {
    const board = `${this.#prefix}regions:${region}`;
    const guard = `${this.#prefix}published:{${board}}`; // in the board's slot
    const about = [`${term}`, `${version}`, `${modes}`, since === undefined ? "" : `${since.term} ${since.version}`];
    const set = players.flatMap((each) => [`${each.players}`, each.mode]);
    const args = [...about, `${gone.length}`, ...gone, ...set];
    const answer = await this.#publishing.call("publish", SCRIPTS.publish, [board, guard], args);
    return (answer as Buffer).toString() as PublishAnswer;
  }

  async close(): Promise<void> {
    this.#connections.close();
  }

  get #membersKey(): string {
    return `${this.#prefix}members`;
  }

  #clock(): string {
    return this.#clockMs === undefined ? "" : `${this.#clockMs()}`;
  }

  /** R15: the ids of all masters, sorted, so that slots may move. */
  async #readMasters(): Promise<string> {
    const { list, tags } = await this.#masters.read(true);
    return [...new Set([list, ...tags])].toSorted().join(",");
  }
}
