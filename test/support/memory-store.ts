/**
 * A store in memory that keeps the contract of `cluster/ports/record-store.ts`, and breaks it when told to.
 *
 * The plain model beside the real stores: nothing here is clever. Everything is copied on the way in and out, as if
 * it had been on disk. The fault switches say what a real store does on a bad day; each takes effect on the next call.
 */
import { isSameClaim, StoreFullError, StoreUnavailableError } from "../../cluster/ports/record-store.ts";
import type {
  AppendAnswer,
  Claim,
  ClaimAnswer,
  Commit,
  FoundedClaim,
  Founding,
  PartitionIndex,
  RecordStore,
  Snapshot,
  SnapshotAnswer,
} from "../../cluster/ports/record-store.ts";
import {
  appendToRecord,
  emptyRecord,
  logOf,
  type RecordModel,
  snapshotRecord,
} from "../../simulator/redis/record-model.ts";

export class MemoryStore implements RecordStore {
  readonly isOneFile: boolean;
  #founding: Founding | undefined;
  #records = new Map<PartitionIndex, RecordModel>();
  #failures = 0;
  #answersToLose = 0;
  #refusesSnapshots = false;
  #isFull = false;
  #isHanging: (partition: PartitionIndex) => boolean = () => false;
  #isGone = false;
  #hanging: { readonly released: Promise<void>; readonly release: () => void } | undefined;
  /** How many calls of each kind came, refused and failed ones too. */
  readonly calls = { found: 0, claim: 0, append: 0, snapshot: 0 };

  constructor(options: { readonly isOneFile?: boolean } = {}) {
    this.isOneFile = options.isOneFile ?? true;
  }

  // The faults.

  /** The next `count` appends throw and nothing of them lands. */
  failNextAppends(count = 1): void {
    this.#failures = count;
  }

  /** The next `count` appends or snapshots land, but their callers are told that the store is unavailable. */
  loseNextAnswers(count = 1): void {
    this.#answersToLose = count;
  }

  /** Every call waits, before it does anything, until `release()`. */
  hang(): void {
    if (this.#hanging !== undefined) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#hanging = { released: promise, release: resolve };
  }

  /** Appends hang for ever that name one of these partitions. */
  hangOnly(isHanging: (partition: PartitionIndex) => boolean): void {
    this.#isHanging = isHanging;
  }

  release(): void {
    this.#hanging?.release();
    this.#hanging = undefined;
  }

  /** Every call throws until `comeBack()`; what was there stays. */
  goAway(): void {
    this.#isGone = true;
  }

  comeBack(): void {
    this.#isGone = false;
  }

  /** Snapshots throw until told otherwise. */
  refuseSnapshots(refuses = true): void {
    this.#refusesSnapshots = refuses;
  }

  /** R4: appends are refused for want of memory, as a full Redis does, until told otherwise. */
  fill(isFull = true): void {
    this.#isFull = isFull;
  }

  /** Loses the newest `count` messages of the partition, as a store that came back with an older disk does. */
  forgetTail(partition: PartitionIndex, count = 1): void {
    const record = this.#records.get(partition);
    if (record === undefined) return;
    for (const lost of record.log.splice(Math.max(0, record.log.length - count))) {
      if (isSameClaim(record.claim, lost.claim)) record.length = Math.min(record.length, lost.end - lost.bytes.length);
    }
  }

  /** Loses everything, the founding too. */
  forgetAll(): void {
    this.#founding = undefined;
    this.#records.clear();
  }

  // The contract.

  async found(proposal: Founding): Promise<Founding> {
    this.calls.found += 1;
    await this.#answering("found");
    this.#founding ??= { partitions: proposal.partitions, hashKey: proposal.hashKey.slice() };
    return { partitions: this.#founding.partitions, hashKey: this.#founding.hashKey.slice() };
  }

  async highestTerm(): Promise<number> {
    await this.#answering("read the highest term");
    return Math.max(0, ...[...this.#records.values()].map((record) => record.raisedTo));
  }

  async claim(partitions: readonly PartitionIndex[], claim: Claim): Promise<ClaimAnswer[]> {
    this.calls.claim += 1;
    await this.#answering("claim");
    return partitions.map((partition) => this.#claimOne(partition, founded(claim)));
  }

  async append({ appends, headBytes, content }: Commit): Promise<AppendAnswer[]> {
    this.calls.append += 1;
    await this.#answering("append");
    if (appends.some(({ partition }) => this.#isHanging(partition))) await new Promise<never>(() => undefined);
    if (this.#isFull) throw new StoreFullError("Cannot append: told to be full");
    if (this.#failures > 0) {
      this.#failures -= 1;
      throw new StoreUnavailableError("Cannot append: told to fail");
    }
    const head = content.slice(0, headBytes);
    let at = headBytes;
    const answers = appends.map(({ partition, claim, from, bytes }) => {
      const message = content.subarray(at, (at += bytes));
      return appendToRecord(this.#records.get(partition), { claim: founded(claim), from, message }, head);
    });
    this.#loseAnswer("append");
    return answers;
  }

  async snapshot(partition: PartitionIndex, claim: Claim, snapshot: Snapshot): Promise<SnapshotAnswer> {
    this.calls.snapshot += 1;
    await this.#answering("snapshot");
    if (this.#refusesSnapshots) throw new StoreUnavailableError("Cannot snapshot: told to refuse");
    const answer = snapshotRecord(this.#records.get(partition), founded(claim), snapshot);
    this.#loseAnswer("snapshot");
    return answer;
  }

  async close(): Promise<void> {}

  async #answering(action: string): Promise<void> {
    await this.#hanging?.released;
    if (this.#isGone) throw new StoreUnavailableError(`Cannot ${action}: told to be away`);
  }

  #loseAnswer(action: string): void {
    if (this.#answersToLose === 0) return;
    this.#answersToLose -= 1;
    throw new StoreUnavailableError(`Cannot ${action}: told to lose the answer`);
  }

  #claimOne(partition: PartitionIndex, claim: FoundedClaim): ClaimAnswer {
    const record = this.#records.get(partition) ?? emptyRecord();
    if (!isSameClaim(record.claim, claim)) {
      const { term, incarnation } = record.claim ?? NOBODY;
      if (claim.term <= term) return { kind: "refused", standing: { term, incarnation } };
      Object.assign(record, { claim, raisedTo: claim.term, length: 0, snapshotNumber: 0 });
      this.#records.set(partition, record);
    }
    return { kind: "claimed", record: { snapshot: record.snapshot?.slice(), log: logOf(record) } };
  }
}

const NOBODY: Claim = { term: 0, incarnation: "" };

function founded(claim: Claim): FoundedClaim {
  return { founding: "", ...claim };
}
