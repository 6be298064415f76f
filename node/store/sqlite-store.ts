/**
 * The embedded store: one SQLite file in a folder of its own, written by a thread of its own.
 */
import type {
  AppendAnswer,
  Claim,
  ClaimAnswer,
  Commit,
  Founding,
  PartitionIndex,
  RecordStore,
  Snapshot,
  SnapshotAnswer,
} from "../../cluster/ports/record-store.ts";
import { NO_HEAD, StoreUnavailableError } from "../../cluster/ports/record-store.ts";
import type { Loss } from "./damage.ts";
import { reasonOf } from "../reason.ts";
import { separated } from "./joined-bytes.ts";
import type { ClaimsRead } from "./record-file.ts";
import { BYTES_ON_DISK, COMMITS, LAST_COMMIT_MS } from "./shared-calls.ts";
import { StoreWorker, type Request } from "./store-worker.ts";

const RESTART_PAUSE_MS = 1000;

export interface SqliteStoreOptions {
  /** Made where it is missing; nobody else may use it. */
  readonly folder: string;
  /** Where the file is damaged: goes on with what can be read, and keeps a copy of the rest. */
  readonly repair: boolean;
  /** Damage found while the store is open: it went on without what it says. */
  readonly onRepaired?: (loss: Loss) => void;
  /** Its files were removed or replaced while they were open: all that was written is lost, unless it is written again. */
  readonly onDisplaced?: (reason: string) => void;
}

export interface StoreStats {
  /** Group commits since the store was opened. */
  readonly commits: number;
  readonly lastCommitMs: number;
  readonly bytesOnDisk: number;
  readonly lastError: string | undefined;
}

export class SqliteStore implements RecordStore {
  readonly isOneFile = true;
  /** What a repair at open could not keep; undefined where nothing was damaged. */
  readonly loss: Loss | undefined;
  readonly #options: SqliteStoreOptions;
  #worker: StoreWorker;
  #founding: Founding | undefined;
  #restart: Promise<StoreWorker> | undefined;
  #restartsAtMs = 0;
  #newestAppend: Promise<unknown> | undefined;
  #closing: Promise<void> | undefined;
  #commitsBefore = 0;
  #lastError: string | undefined;

  private constructor(options: SqliteStoreOptions, worker: StoreWorker, loss: Loss | undefined) {
    this.#options = options;
    this.#worker = worker;
    this.loss = loss;
  }

  /**
   * @throws {FolderInUseError} where another process has the folder
   * @throws {DamagedStoreError} where the file is damaged and `repair` is false; then nothing was changed
   * @throws {StoreUnavailableError} where the machine does not let us
   */
  static async open(options: SqliteStoreOptions): Promise<SqliteStore> {
    const { worker, loss } = await StoreWorker.start({
      ...optionsOf(options),
      repair: options.repair,
      isReopening: false,
      founding: undefined,
    });
    return new SqliteStore(options, worker, loss);
  }

  get stats(): StoreStats {
    const { figures } = this.#worker;
    return {
      commits: this.#commitsBefore + (figures[COMMITS] as number),
      lastCommitMs: figures[LAST_COMMIT_MS] as number,
      bytesOnDisk: figures[BYTES_ON_DISK] as number,
      lastError: this.#lastError,
    };
  }

  async found(proposal: Founding): Promise<Founding> {
    this.#founding = await this.#call<Founding>("found", { kind: "found", proposal });
    return this.#founding;
  }

  highestTerm(): Promise<number> {
    return this.#call("read the highest term", { kind: "highest term" });
  }

  async claim(partitions: readonly PartitionIndex[], claim: Claim): Promise<ClaimAnswer[]> {
    return claimAnswersOf(await this.#call<ClaimsRead>("claim", { kind: "claim", partitions, claim }));
  }

  append(commit: Commit): Promise<AppendAnswer[]> {
    // The thread takes one at a time; partitions of another append may come meanwhile and wait here.
    const before = this.#newestAppend;
    const append =
      before === undefined && this.#closing === undefined && this.#worker.isAlive
        ? this.#worker.append(commit)
        : this.#appendAfter(before, commit);
    this.#newestAppend = append;
    const settled = (): void => {
      if (this.#newestAppend === append) this.#newestAppend = undefined;
    };
    append.then(settled, (error: unknown) => {
      this.#lastError = reasonOf(error);
      settled();
    });
    return append;
  }

  snapshot(partition: PartitionIndex, claim: Claim, snapshot: Snapshot): Promise<SnapshotAnswer> {
    return this.#call("snapshot", { kind: "snapshot", partition, claim, snapshot });
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #appendAfter(before: Promise<unknown> | undefined, commit: Commit): Promise<AppendAnswer[]> {
    await before?.catch(() => {});
    return (await this.#live("append")).append(commit);
  }

  async #call<T>(action: string, request: Request): Promise<T> {
    try {
      const worker = await this.#live(action);
      return await worker.call<T>(action, request);
    } catch (error) {
      this.#lastError = reasonOf(error);
      throw error;
    }
  }

  /** The thread, another where it died. */
  async #live(action: string): Promise<StoreWorker> {
    if (this.#closing !== undefined) throw new StoreUnavailableError(`Cannot ${action}: the store is closed`);
    if (this.#worker.isAlive) return this.#worker;
    const nowMs = performance.now();
    if (this.#restart === undefined && nowMs < this.#restartsAtMs)
      throw new StoreUnavailableError(`Cannot ${action}: the store's thread ended`);
    this.#restartsAtMs = nowMs + RESTART_PAUSE_MS;
    this.#restart ??= this.#replaceWorker().finally(() => (this.#restart = undefined));
    return this.#restart;
  }

  async #replaceWorker(): Promise<StoreWorker> {
    await this.#worker.ended;
    this.#commitsBefore += this.#worker.figures[COMMITS] as number;
    const { worker, loss } = await StoreWorker.start({
      ...optionsOf(this.#options),
      repair: true,
      isReopening: true,
      founding: this.#founding,
    });
    this.#worker = worker;
    if (loss !== undefined) this.#options.onRepaired?.(loss);
    return worker;
  }

  async #close(): Promise<void> {
    await this.#newestAppend?.catch(() => {});
    await this.#restart?.catch(() => {});
    await this.#worker.close();
  }
}

/** The answers as the contract wants them: each message a view of the bytes that crossed over. */
export function claimAnswersOf({ heads, answers }: ClaimsRead): ClaimAnswer[] {
  const known = separated(heads).map((head) => (head.length === 0 ? NO_HEAD : head));
  return answers.map((answer) => {
    if (answer.kind === "refused") return answer;
    const { snapshot, headNumbers } = answer;
    const log = separated(answer.log).map((bytes, index) => ({
      head: known[headNumbers[index] as number] as Uint8Array,
      bytes,
    }));
    return { kind: "claimed", record: { snapshot, log } };
  });
}

function optionsOf({ folder, onRepaired = () => {}, onDisplaced = () => {} }: SqliteStoreOptions) {
  return { folder, onRepaired, onDisplaced };
}
