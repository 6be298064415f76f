/** How much disk the open file and its write-ahead log take, and what gives some of it back: checkpoints and free pages. */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { statSync } from "node:fs";
import { PAGE_BYTES } from "./schema.ts";
import { growWal } from "./wal.ts";

const WAL_BYTES_MIN = 1 << 20;
const WAL_BYTES_MAX = 8 << 20; // a checkpoint of it takes some 10 ms
const WAL_SHARE = 8; // the write-ahead log may grow to an eighth of the data
const FREE_SHARE = 4; // a quarter of the file may be free pages, the log's next rows want them
const FREE_BYTES_MIN = 1 << 20;
const PAGES_VACUUMED_MAX = 128; // in one transaction
const WRITES_UNMEASURED_MAX = 16;

export class FileSpace {
  readonly #database: DatabaseSync;
  readonly #walPath: string;
  readonly #pageCount: StatementSync;
  readonly #freePages: StatementSync;
  readonly #walFrames: StatementSync;
  /** Appends since the write-ahead log was last measured; a larger write counts as many. */
  #writes = 0;
  /** Where it is checkpointed. SQLite's own checkpoint stands behind, at twice the largest. */
  #walBytesMax = 0;
  #dataBytes = 0;
  #freeBytes = 0;

  /** Empties the write-ahead log that the last process left, and makes room in it. */
  constructor(database: DatabaseSync, path: string) {
    this.#database = database;
    this.#walPath = `${path}-wal`;
    this.#pageCount = database.prepare("PRAGMA page_count");
    this.#freePages = database.prepare("PRAGMA freelist_count");
    this.#walFrames = database.prepare("PRAGMA wal_checkpoint(NOOP)");
    this.emptyWal();
    this.#measure();
    database.exec(`PRAGMA wal_autocheckpoint = ${Math.ceil((2 * WAL_BYTES_MAX) / PAGE_BYTES)}`);
    growWal(this.#walPath, this.#walBytesMax);
  }

  get bytesOnDisk(): number {
    return this.#dataBytes + (statSync(this.#walPath, { throwIfNoEntry: false })?.size ?? 0);
  }

  /** An append was written. */
  noteAppend(): void {
    this.#writes += 1;
  }

  /** Something larger was written, or deleted. */
  noteLarge(): void {
    this.#writes += WRITES_UNMEASURED_MAX;
    this.#measure();
  }

  /** Checkpoints where the write-ahead log has grown too long. False where too little was written to look. */
  checkpointIfDue(): boolean {
    if (this.#writes < WRITES_UNMEASURED_MAX) return false;
    this.#writes = 0;
    const { log, checkpointed } = this.#walFrames.get() as { log: number; checkpointed: number };
    if ((log - checkpointed) * PAGE_BYTES > this.#walBytesMax) this.#checkpoint("PASSIVE");
    return true;
  }

  /** Gives some free pages back to the system. False where there are few. */
  vacuumIfDue(): boolean {
    if (this.#freeBytes <= Math.max(FREE_BYTES_MIN, this.#dataBytes / FREE_SHARE)) return false;
    this.#database.exec(`PRAGMA incremental_vacuum(${PAGES_VACUUMED_MAX})`);
    return true;
  }

  emptyWal(): void {
    this.#checkpoint("TRUNCATE");
  }

  #checkpoint(mode: "PASSIVE" | "TRUNCATE"): void {
    this.#database.exec(`PRAGMA wal_checkpoint(${mode})`);
  }

  #measure(): void {
    this.#dataBytes = Number(this.#pageCount.get()?.["page_count"]) * PAGE_BYTES;
    this.#freeBytes = Number(this.#freePages.get()?.["freelist_count"]) * PAGE_BYTES;
    const walBytesMax = Math.min(WAL_BYTES_MAX, Math.max(WAL_BYTES_MIN, this.#dataBytes / WAL_SHARE));
    // Not at every small change: what the limit cuts off has to be grown again.
    if (walBytesMax < this.#walBytesMax * 2 && walBytesMax > this.#walBytesMax / 2) return;
    this.#walBytesMax = walBytesMax;
    this.#database.exec(`PRAGMA journal_size_limit = ${2 * walBytesMax}`);
  }
}
