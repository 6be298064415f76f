/**
 * The main thread's end of the store's thread: starts it, hands calls over, and says when it died.
 */
import { Worker, MessageChannel, type MessagePort } from "node:worker_threads";
import { StoreUnavailableError } from "../../cluster/ports/record-store.ts";
import type {
  AppendAnswer,
  Claim,
  Commit,
  Founding,
  PartitionIndex,
  Snapshot,
} from "../../cluster/ports/record-store.ts";
import { DamagedStoreError, FolderInUseError, type Loss } from "./damage.ts";
import { LogRowWriter, wordsOf, type Words } from "./log-row.ts";
import {
  ANSWERED,
  ANSWERS,
  ASKED,
  ALL_LANDED,
  CALLS,
  FAILED,
  OUTCOME,
  ROW_BYTES,
  SLOT,
  newSharedCalls,
  sharedCallsOf,
  type SharedCalls,
} from "./shared-calls.ts";

/** Of the thread's heap. Much of it is needed only at start: a list of what the log has of a sixteenth of all players. */
const LIMITS = { maxYoungGenerationSizeMb: 4, maxOldGenerationSizeMb: 1024 };
const SLOT_BYTES = 64 * 1024; // a common row has 5 kB; a larger one brings a larger slot

export interface ThreadData {
  readonly folder: string;
  readonly repair: boolean;
  /** True where a store that was open goes on: its caller holds everything in memory. */
  readonly isReopening: boolean;
  /** What the cluster was founded with, where that is known: a repair then need not find it. */
  readonly founding: Founding | undefined;
  readonly port: MessagePort;
  readonly calls: SharedArrayBuffer;
  readonly slot: SharedArrayBuffer;
}

export interface SnapshotRequest {
  readonly kind: "snapshot";
  readonly partition: PartitionIndex;
  readonly claim: Claim;
  readonly snapshot: Snapshot;
}

export type Request =
  | { readonly kind: "found"; readonly proposal: Founding }
  | { readonly kind: "highest term" }
  | { readonly kind: "claim"; readonly partitions: readonly PartitionIndex[]; readonly claim: Claim }
  | SnapshotRequest;
export type Call =
  | { readonly kind: "request"; readonly id: number; readonly request: Request }
  | { readonly kind: "slot"; readonly slot: SharedArrayBuffer }
  | { readonly kind: "close" };

export type FromThread =
  | { readonly kind: "opened"; readonly loss: Loss | undefined }
  | { readonly kind: "damaged"; readonly loss: Loss }
  | { readonly kind: "in use" }
  | { readonly kind: "not opened"; readonly reason: string }
  | { readonly kind: "repaired"; readonly loss: Loss }
  | { readonly kind: "displaced"; readonly reason: string }
  | { readonly kind: "done"; readonly id: number; readonly value: unknown }
  | { readonly kind: "failed"; readonly id: number; readonly reason: string }
  | { readonly kind: "append failed"; readonly reason: string }
  | { readonly kind: "closed" };

export interface WorkerOptions {
  readonly folder: string;
  readonly repair: boolean;
  readonly isReopening: boolean;
  readonly founding: Founding | undefined;
  /** Damage found while the store was open: the thread went on without it. */
  readonly onRepaired: (loss: Loss) => void;
  /** The files were removed or replaced while they were open: the next call writes what it is given to fresh ones. */
  readonly onDisplaced: (reason: string) => void;
}

interface Pending {
  readonly action: string;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

export class StoreWorker {
  readonly #port: MessagePort;
  readonly #shared: SharedCalls;
  readonly #writer = new LogRowWriter();
  readonly #pending = new Map<number, Pending>();
  #slot: Words;
  #append: Pending | undefined;
  #appendFailure = "";
  #asked = 0;
  #nextId = 1;
  #isAlive = true;
  /** Settles when the thread has ended, however it did. */
  readonly ended: Promise<void>;

  private constructor(worker: Worker, port: MessagePort, calls: SharedArrayBuffer, slot: SharedArrayBuffer) {
    this.#port = port;
    this.#shared = sharedCallsOf(calls);
    this.#slot = wordsOf(slot);
    this.ended = new Promise((resolve) => {
      worker.once("exit", () => {
        this.#die("the store's thread ended");
        port.close();
        resolve();
      });
    });
    worker.on("error", (error) => this.#die(`the store's thread failed: ${error.message}`));
  }

  /** @returns the worker, with the loss where a repair was made */
  static async start(options: WorkerOptions): Promise<{ worker: StoreWorker; loss: Loss | undefined }> {
    const { folder, repair, isReopening, founding } = options;
    const { port1, port2 } = new MessageChannel();
    const calls = newSharedCalls();
    const slot = new SharedArrayBuffer(SLOT_BYTES);
    const workerData: ThreadData = { folder, repair, isReopening, founding, port: port2, calls, slot };
    const file = new URL("./sqlite-thread.ts", import.meta.url);
    const thread = new Worker(file, { workerData, transferList: [port2], name: "store", resourceLimits: LIMITS });
    const worker = new StoreWorker(thread, port1, calls, slot);
    const first = await new Promise<FromThread>((resolve, reject) => {
      worker.#pending.set(0, { action: "open the store", resolve: resolve as Pending["resolve"], reject });
      port1.on("message", (message: FromThread) => worker.#receive(message, options));
    });
    if (first.kind === "opened") return { worker, loss: first.loss };
    port1.close();
    await worker.ended;
    if (first.kind === "damaged") throw new DamagedStoreError(folder, first.loss);
    if (first.kind === "in use") throw new FolderInUseError(folder);
    throw new StoreUnavailableError(
      `Cannot open the store in ${folder}: ${first.kind === "not opened" ? first.reason : first.kind}`,
    );
  }

  get isAlive(): boolean {
    return this.#isAlive;
  }

  get figures(): Float64Array {
    return this.#shared.figures;
  }

  /** One at a time: the next only when this has settled. */
  append(commit: Commit): Promise<AppendAnswer[]> {
    const { words } = this.#shared;
    const bytes = this.#writer.measure(commit);
    if (bytes > this.#slot.u8.length) this.#growSlot(bytes);
    words[ROW_BYTES] = this.#writer.write(commit, this.#slot);
    const { length } = commit.appends;
    const before = this.#asked;
    this.#asked = (before + 1) | 0;
    Atomics.store(words, ASKED, this.#asked);
    this.#ring();
    return new Promise((resolve, reject) => {
      this.#append = { action: "append", resolve: resolve as Pending["resolve"], reject };
      const answered = Atomics.waitAsync(words, ANSWERED, before);
      if (answered.async) void answered.value.then(() => this.#settleAppend(length));
      else this.#settleAppend(length);
    });
  }

  /** @param action for the error's message */
  call<T>(action: string, request: Request): Promise<T> {
    return new Promise((resolve, reject) => {
      if (!this.#isAlive) throw new StoreUnavailableError(`Cannot ${action}: the store's thread ended`);
      const id = this.#nextId;
      this.#nextId += 1;
      this.#pending.set(id, { action, resolve: resolve as Pending["resolve"], reject });
      this.#post({ kind: "request", id, request });
    });
  }

  /** What was called before is answered first. */
  async close(): Promise<void> {
    if (this.#isAlive) this.#post({ kind: "close" });
    await this.ended;
  }

  #settleAppend(count: number): void {
    const append = this.#append;
    if (append === undefined) return;
    const outcome = this.#shared.words[OUTCOME];
    if (outcome === FAILED) return this.#failAppend();
    this.#append = undefined;
    const answers = new Array<AppendAnswer>(count);
    if (outcome === ALL_LANDED) answers.fill("landed");
    else
      for (let index = 0; index < count; index += 1)
        answers[index] = ANSWERS[this.#shared.answers[index] as number] as AppendAnswer;
    append.resolve(answers);
  }

  /** The outcome and its reason come by two ways: whichever is second rejects. */
  #failAppend(): void {
    const append = this.#append;
    if (append === undefined || this.#appendFailure === "" || this.#shared.words[OUTCOME] !== FAILED) return;
    if (Atomics.load(this.#shared.words, ANSWERED) !== this.#asked) return;
    this.#append = undefined;
    append.reject(unavailable("append", this.#appendFailure));
    this.#appendFailure = "";
  }

  #receive(message: FromThread, told: Pick<WorkerOptions, "onRepaired" | "onDisplaced">): void {
    switch (message.kind) {
      case "done":
        return this.#take(message.id)?.resolve(message.value);
      case "failed": {
        const pending = this.#take(message.id);
        return pending?.reject(unavailable(pending.action, message.reason));
      }
      case "append failed":
        this.#appendFailure = message.reason || "no reason given";
        return this.#failAppend();
      case "repaired":
        return told.onRepaired(message.loss);
      case "displaced":
        return told.onDisplaced(message.reason);
      case "closed":
        // Everything answered before has come by now; the thread ends when it sees the port closed.
        return this.#port.close();
      default:
        return this.#take(0)?.resolve(message);
    }
  }

  #take(id: number): Pending | undefined {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    return pending;
  }

  #growSlot(bytes: number): void {
    const slot = new SharedArrayBuffer(2 ** Math.ceil(Math.log2(bytes)));
    this.#slot = wordsOf(slot);
    this.#post({ kind: "slot", slot });
    Atomics.add(this.#shared.words, SLOT, 1);
  }

  #post(call: Call): void {
    this.#port.postMessage(call);
    this.#ring();
  }

  #ring(): void {
    const { words } = this.#shared;
    Atomics.add(words, CALLS, 1);
    Atomics.notify(words, CALLS);
  }

  #die(reason: string): void {
    this.#isAlive = false;
    const all = [...this.#pending.values()];
    if (this.#append !== undefined) all.push(this.#append);
    this.#pending.clear();
    this.#append = undefined;
    for (const { action, reject } of all) reject(unavailable(action, reason));
  }
}

function unavailable(action: string, reason: string): StoreUnavailableError {
  return new StoreUnavailableError(`Cannot ${action}: ${reason}`, `Cannot ${action}: the log says why`);
}
