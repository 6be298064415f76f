/** The partitions' records in Redis: one script for each call, on the hash of their tag (R1 to R4, R14, R15). */
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
  SharedRecords,
  Standing,
  TakenBackAnswer,
  TakingBack,
} from "../../cluster/ports/shared-records.ts";
import type { Connection } from "./connection.ts";
import type { KeyShelf } from "./key-shelf.ts";
import { markOfRun } from "./run.ts";
import { scriptNamed } from "./scripts.ts";
import {
  asBuffer,
  decodeAnswers,
  decodeClaimAnswer,
  decodeFound,
  decodeSnapshotAnswer,
  decodeStanding,
  decodeTakenBack,
  encodeClaim,
  type TakingAnswer,
} from "./wire.ts";

const SCRIPTS = {
  standing: scriptNamed("standing"),
  read: scriptNamed("read"),
  claim: scriptNamed("claim"),
  takeBack: scriptNamed("take-back"),
  raise: scriptNamed("raise"),
  append: scriptNamed("append"),
  snapshot: scriptNamed("snapshot"),
};
const NONE: ReadonlySet<PartitionIndex> = new Set();

/** R16: what is small and urgent, what is logged, and what is large does not wait for one another. */
export interface RecordConnections {
  readonly leases: Connection;
  readonly appends: Connection;
  readonly bulk: Connection;
}

export class RedisRecords implements SharedRecords {
  readonly #shelf: KeyShelf;
  readonly #recordsKey: (tag: number) => string;
  readonly #connections: RecordConnections;

  constructor(shelf: KeyShelf, recordsKey: (tag: number) => string, connections: RecordConnections) {
    this.#shelf = shelf;
    this.#recordsKey = recordsKey;
    this.#connections = connections;
  }

  get tagsCount(): number {
    return this.#shelf.tagsCount;
  }

  async standing(run: Run, partitions: readonly PartitionIndex[]): Promise<Standing[]> {
    if (partitions.length === 0) return [];
    const args = [run, ...partitions.map(String)];
    const states = await this.#connections.leases.call(
      "read claims",
      SCRIPTS.standing,
      [this.#keyOf(partitions[0] as number)],
      args,
    );
    return (states as (Buffer | null)[]).map(decodeStanding);
  }

  async read(run: Run, partitions: readonly PartitionIndex[]): Promise<FoundRecord[]> {
    if (partitions.length === 0) return [];
    const [args, key] = [[run, ...partitions.map(String)], this.#keyOf(partitions[0] as number)];
    const answers = await this.#connections.bulk.call("read records", SCRIPTS.read, [key], args);
    return (answers as TakingAnswer[]).map(decodeFound);
  }

  async claim(
    run: Run,
    partitions: readonly PartitionIndex[],
    claim: FoundedClaim,
    isLoaded: boolean,
    mayBeAbsent: ReadonlySet<PartitionIndex> = NONE,
  ): Promise<SharedClaimAnswer[]> {
    if (partitions.length === 0) return [];
    const connection = isLoaded ? this.#connections.bulk : this.#connections.leases;
    const { text, generation } = this.#shelf.keptAs(markOfRun(run));
    const about = [run, encodeClaim(claim), isLoaded ? "1" : "0", text, `${generation}`];
    const asked = partitions.flatMap((partition) => [`${partition}`, mayBeAbsent.has(partition) ? "1" : "0"]);
    const args = [...about, ...asked];
    const answers = await connection.call("claim records", SCRIPTS.claim, [this.#keyOf(partitions[0] as number)], args);
    return (answers as TakingAnswer[]).map((answer) => decodeClaimAnswer(answer, isLoaded));
  }

  async takeBack(run: Run, taking: TakingBack): Promise<TakenBackAnswer> {
    const { partition, claim, notAbove, covers, bytes, mayBeAbsent } = taking;
    const { text, generation } = this.#shelf.keptAs(markOfRun(run));
    const about = [run, text, `${generation}`, `${partition}`, encodeClaim(claim), `${notAbove}`, `${covers}`];
    const table = bytes === undefined ? ["0"] : ["1", asBuffer(bytes)];
    const args = [...about, mayBeAbsent ? "1" : "0", ...table];
    const answer = await this.#connections.bulk.call(
      "take a record back",
      SCRIPTS.takeBack,
      [this.#keyOf(partition)],
      args,
    );
    return decodeTakenBack(answer as TakingAnswer);
  }

  async raise(
    run: Run,
    claims: readonly { readonly partition: PartitionIndex; readonly claim: FoundedClaim }[],
    epoch: number,
  ): Promise<AppendAnswer[]> {
    const [first] = claims;
    if (first === undefined) return [];
    const args = [run, `${epoch}`];
    for (const { partition, claim } of claims) args.push(`${partition}`, encodeClaim(claim));
    const key = this.#keyOf(first.partition);
    return decodeAnswers((await this.#connections.leases.call("raise claims", SCRIPTS.raise, [key], args)) as Buffer);
  }

  async append(run: Run, appends: readonly SharedAppend[]): Promise<AppendAnswer[]> {
    const [first] = appends;
    if (first === undefined) return [];
    const lines = appends.map(({ partition, claim, from }) => `${partition} ${encodeClaim(claim)} ${from}\n`);
    const args = [run, lines.join(""), ...appends.map(({ message }) => asBuffer(message))];
    const key = this.#keyOf(first.partition);
    return decodeAnswers((await this.#connections.appends.call("append", SCRIPTS.append, [key], args)) as Buffer);
  }

  async snapshot(
    run: Run,
    partition: PartitionIndex,
    claim: FoundedClaim,
    snapshot: Snapshot,
  ): Promise<SnapshotAnswer> {
    const { number, covers, coversAll, bytes } = snapshot;
    const about = [`${partition}`, encodeClaim(claim), `${number}`, `${covers}`, coversAll ? "1" : "0"];
    const args = [run, ...about, asBuffer(bytes)];
    const answer = await this.#connections.bulk.call("snapshot", SCRIPTS.snapshot, [this.#keyOf(partition)], args);
    return decodeSnapshotAnswer(answer as Buffer);
  }

  #keyOf(partition: PartitionIndex): string {
    return this.#recordsKey(partition % this.#shelf.tagsCount);
  }
}
