/**
 * The open file: the five calls on records, each durable when it returns, and the tidying between them.
 *
 * Synchronous, and only ever on the store's thread. After any error thrown here nobody knows what the file has: the
 * thread closes it and opens it again.
 */
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { crc32 } from "node:zlib";
import type { Claim, Founding, PartitionIndex, Snapshot, SnapshotAnswer } from "../../cluster/ports/record-store.ts";
import { FileSpace } from "./file-space.ts";
import { joined, type JoinedBytes } from "./joined-bytes.ts";
import { claimsOf, dropSegment, rowAt, setCommitNumber, type Words } from "./log-row.ts";
import {
  coverOf,
  decideAppend,
  decideSnapshot,
  isSame,
  noteClaimed,
  noteLanded,
  noteSnapshot,
} from "./record-index.ts";
import type { RecordIndex } from "./record-index.ts";
import { RecordReader } from "./record-reader.ts";
import { FORMAT, META, RECORDS, SNAPSHOTS, insertInto, upsertInto } from "./schema.ts";
import { ANSWERS, LANDED } from "./shared-calls.ts";

const ROWS_DELETED_MAX = 256; // in one transaction: some 2 ms

/** A claim's answers as they cross to the main thread. */
export interface ClaimsRead {
  /** What messages are read with: most are named by many. */
  readonly heads: JoinedBytes;
  readonly answers: readonly ClaimRead[];
}

export type ClaimRead =
  | {
      readonly kind: "claimed";
      readonly snapshot: Uint8Array<ArrayBuffer> | undefined;
      readonly log: JoinedBytes;
      /** Of each message which of the heads. */
      readonly headNumbers: readonly number[];
    }
  | { readonly kind: "refused"; readonly standing: Claim };

const NOT_YET_WRITTEN = 255;

export class RecordFile {
  readonly #database: DatabaseSync;
  readonly #index: RecordIndex;
  readonly #insertLog: StatementSync;
  readonly #upsertRecord: StatementSync;
  readonly #upsertSnapshot: StatementSync;
  readonly #deleteLog: StatementSync;
  readonly #reader: RecordReader;
  readonly #space: FileSpace;
  // The claims of the newest commit, kept since the next one mostly carries the same.
  #claimWords: Uint32Array = new Uint32Array(0);
  #claims: Claim[] = [];

  /** Takes over a file that was inspected; `index` is what the inspection derived. */
  constructor(path: string, index: RecordIndex) {
    const database = new DatabaseSync(path, { timeout: 0 });
    this.#database = database;
    this.#index = index;
    try {
      database.exec("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
      this.#insertLog = database.prepare(insertInto("log"));
      this.#upsertRecord = database.prepare(upsertInto("records"));
      this.#upsertSnapshot = database.prepare(upsertInto("snapshots"));
      this.#deleteLog = database.prepare("DELETE FROM log WHERE commit_number < ?");
      this.#reader = new RecordReader(database, index);
      this.#space = new FileSpace(database, path);
      this.#raiseFormat();
    } catch (error) {
      database.close();
      throw error;
    }
  }

  get bytesOnDisk(): number {
    return this.#space.bytesOnDisk;
  }

  found(proposal: Founding): Founding {
    const index = this.#index;
    if (index.founding === undefined) {
      const founding = { partitions: proposal.partitions, hashKey: proposal.hashKey.slice() };
      this.#database.prepare(insertInto("meta")).run(...META.write(founding));
      index.founding = founding;
    }
    return index.founding;
  }

  highestTerm(): number {
    return this.#index.highestTerm();
  }

  claim(partitions: readonly PartitionIndex[], claim: Claim): ClaimsRead {
    const standing = new Map<PartitionIndex, Claim>();
    this.#transaction(() => {
      for (const partition of partitions) {
        const stands = this.#index.find(partition)?.claim;
        if (isSame(stands, claim)) continue;
        if (stands !== undefined && stands.term >= claim.term) standing.set(partition, stands);
        else this.#writeRecord(partition, claim, this.#index.logStarts);
      }
    });
    const taken = partitions.filter((partition) => !standing.has(partition));
    for (const partition of taken) {
      const state = this.#index.stateOf(partition);
      if (!isSame(state.claim, claim)) noteClaimed(state, claim);
    }
    const logs = this.#reader.logsOf(taken);
    const numbers = new Map<Uint8Array, number>();
    const numberOf = (head: Uint8Array): number => {
      if (!numbers.has(head)) numbers.set(head, numbers.size);
      return numbers.get(head) as number;
    };
    const answers = partitions.map((partition): ClaimRead => {
      const stands = standing.get(partition);
      if (stands !== undefined) return { kind: "refused", standing: stands };
      const messages = logs.get(partition) ?? [];
      return {
        kind: "claimed",
        snapshot: this.#reader.snapshotOf(partition),
        log: joined(messages.map(({ bytes }) => bytes)),
        headNumbers: messages.map(({ head }) => numberOf(head)),
      };
    });
    return { heads: joined([...numbers.keys()]), answers };
  }

  /**
   * Writes the row in `words`; an answer for each segment goes to `answers`.
   * @returns true where every segment landed
   */
  append(words: Words, bytes: number, answers: Uint8Array): boolean {
    const index = this.#index;
    const count = rowAt.segmentCount(words);
    const claims = this.#claimsOf(words);
    let landed = 0;
    let isWritten = false;
    for (let segment = 0; segment < count; segment += 1) {
      const state = index.find(rowAt.partition(words, segment));
      const claim = claims[rowAt.claimIndex(words, segment)] as Claim;
      const decision = decideAppend(state, claim, rowAt.from(words, segment), rowAt.partBytes(words, segment));
      if (decision !== "superseded" && decision !== "behind") landed += 1;
      if (decision === "to write") isWritten = true;
      else dropSegment(words, segment);
      answers[segment] = decision === "to write" ? NOT_YET_WRITTEN : ANSWERS.indexOf(decision);
    }
    if (isWritten) {
      const commit = index.lastCommit + 1;
      setCommitNumber(words, commit);
      const row = words.u8.subarray(0, bytes);
      this.#insertLog.run(commit, row, crc32(row));
      index.lastCommit = commit;
      this.#space.noteAppend();
      for (let segment = 0; segment < count; segment += 1) {
        if (answers[segment] !== NOT_YET_WRITTEN) continue;
        answers[segment] = LANDED;
        const state = index.stateOf(rowAt.partition(words, segment));
        noteLanded(state, commit, rowAt.from(words, segment), rowAt.partBytes(words, segment));
      }
    }
    return landed === count;
  }

  snapshot(partition: PartitionIndex, claim: Claim, snapshot: Snapshot): SnapshotAnswer {
    const index = this.#index;
    const state = index.find(partition);
    const decision = decideSnapshot(state, claim, snapshot);
    if (decision !== "to write" || state === undefined) return decision === "to write" ? "behind" : decision;
    const cover = coverOf(state, snapshot, index.lastCommit);
    const { term, incarnation } = claim;
    const logStarts = Math.max(index.logStarts, index.firstNeeded(partition, cover.coversCommit));
    const deletedBefore = Math.min(logStarts, index.oldestRow + ROWS_DELETED_MAX);
    this.#transaction(() => {
      const { covers, coversCommit } = cover;
      this.#upsertSnapshot.run(
        ...SNAPSHOTS.write({
          partition,
          term,
          incarnation,
          number: snapshot.number,
          covers,
          coversCommit,
          bytes: snapshot.bytes,
        }),
      );
      this.#writeRecord(partition, claim, logStarts, { term, number: snapshot.number });
      if (deletedBefore > index.oldestRow) this.#deleteLog.run(deletedBefore);
    });
    noteSnapshot(state, snapshot.number, cover, index.lastCommit);
    index.logStarts = logStarts;
    index.logEnds = index.lastCommit;
    index.oldestRow = Math.max(index.oldestRow, deletedBefore);
    this.#space.noteLarge();
    return "landed";
  }

  /** Does one bounded piece of what can wait: checkpoint, rows that nobody needs, free pages. False where nothing is left. */
  tidy(): boolean {
    if (this.#space.checkpointIfDue()) return true;
    if (!this.#deleteIfDue() && !this.#space.vacuumIfDue()) return false;
    this.#space.noteLarge();
    return true;
  }

  /** @param isClean false where nobody knows what the file has: nothing more is written than SQLite itself does */
  close(isClean: boolean): void {
    try {
      if (isClean) {
        this.#writeLogEnds();
        this.#space.emptyWal();
      }
    } finally {
      this.#database.close();
    }
  }

  /** Deletes some rows that nobody needs. False where only few are left. */
  #deleteIfDue(): boolean {
    const index = this.#index;
    const deletedBefore = index.oldestRow + ROWS_DELETED_MAX;
    if (deletedBefore >= index.logStarts) return false;
    this.#deleteLog.run(deletedBefore);
    index.oldestRow = deletedBefore;
    return true;
  }

  #writeRecord(
    partition: PartitionIndex,
    claim: Claim,
    logStarts: number,
    snapshot?: { readonly term: number; readonly number: number },
  ): void {
    const state = this.#index.find(partition);
    this.#upsertRecord.run(
      ...RECORDS.write({
        partition,
        term: claim.term,
        incarnation: claim.incarnation,
        snapshotTerm: snapshot?.term ?? state?.snapshotClaim?.term ?? 0,
        snapshotNumber: snapshot?.number ?? state?.snapshotNumber ?? 0,
        logStarts,
        logEnds: this.#index.lastCommit,
        founding: this.#index.founding,
      }),
    );
  }

  /** Says in one record how far the log goes, so that the loss of its last rows is noticed. */
  #writeLogEnds(): void {
    const index = this.#index;
    const claimed = index.anyClaimed();
    if (claimed !== undefined && index.logEnds < index.lastCommit) this.#writeRecord(...claimed, index.logStarts);
  }

  /** From now on rows of this release's format are written: an older release is to refuse the file, not to call it damaged. */
  #raiseFormat(): void {
    const { founding } = this.#index;
    if (founding === undefined || this.#database.prepare("SELECT format FROM meta").get()?.["format"] === FORMAT)
      return;
    this.#database.prepare(upsertInto("meta")).run(...META.write(founding));
  }

  #transaction(write: () => void): void {
    this.#database.exec("BEGIN IMMEDIATE");
    try {
      write();
      this.#database.exec("COMMIT");
    } catch (error) {
      // SQLite may have rolled back by itself; the file is closed after this either way.
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      throw error;
    }
  }

  #claimsOf(words: Words): readonly Claim[] {
    const start = rowAt.claimsStart(words) >>> 2;
    const end = rowAt.headStart(words) >>> 2;
    const known = this.#claimWords;
    let isKnown = known.length === end - start;
    for (let at = start; isKnown && at < end; at += 1) isKnown = known[at - start] === words.u32[at];
    if (!isKnown) {
      this.#claimWords = words.u32.slice(start, end);
      this.#claims = claimsOf(words);
    }
    return this.#claims;
  }
}
