/**
 * Keeps the records of the partitions held here up to date in the store: group commit (R2), snapshots (R3), what
 * happens when the store fails (R4), and when an answer may leave (R5). A state machine: the store, the encoder, the
 * clock and the end of the turn come in; nothing here waits or sleeps.
 */
import type { Engine, TableCopy } from "../../engine/engine.ts";
import type { RowBuffer } from "../../engine/row-buffer.ts";
import type { Append, Claim, PartitionIndex, RecordStore, SnapshotAnswer } from "../ports/record-store.ts";
import type { SharedAppendAnswer } from "../ports/shared-store.ts";
import { isSnapshotDue, newState, type RecordState, type SnapshotOptions } from "./record-state.ts";

/** What may be told of a change: `remembered`, it outlives this process; `counted`, it cannot be stored just now. */
export type Remembrance = "remembered" | "counted";
/** `lost`: the partition is not held here any more, so nobody knows what became of the change. */
export type Fate = Remembrance | "lost";

/** What the recorder needs of a store, alone or shared. */
export interface RecorderStore extends Pick<RecordStore, "isOneFile" | "snapshot"> {
  append(appends: readonly Append[]): Promise<SharedAppendAnswer[]>;
}

export interface RecorderPorts {
  readonly store: RecorderStore;
  /** Encodes a snapshot off this thread; the copy's buffer is given away. */
  encode(copy: TableCopy): Promise<Uint8Array>;
  /** Runs a task when all that is ready now has been handled. */
  atTurnEnd(task: () => void): void;
  /** Milliseconds of a clock that never goes back. */
  nowMs(): number;
  /** Milliseconds since 1970. */
  wallMs(): number;
  /** Told of each fault of the store, and when it is over. */
  onStoreFault(error: unknown): void;
  onStoreHealed(): void;
  /** R6: another process took the partition. */
  onSuperseded(partition: PartitionIndex): void;
  /** R2: the store knows no such claim: it is taken again, so that a snapshot can heal the record. */
  reclaim(partition: PartitionIndex, claim: Claim): Promise<void>;
}

export interface RecorderOptions extends SnapshotOptions {
  /** Of all partitions from the start; undefined where each is adopted when it was taken. */
  readonly claim: Claim | undefined;
  /** An append that takes longer is given up: its partitions are ahead (R4). */
  readonly deadlineMs: number;
}

/** What the recorder did since it was made, for metrics. */
export interface RecorderTotals {
  commits: number;
  rows: number;
  bytes: number;
  snapshots: number;
  snapshotBytes: number;
  faults: number;
  /** Longest and latest time a commit took, in milliseconds. */
  commitMs: number;
}

interface Waiter {
  readonly partition: PartitionIndex;
  readonly settle: (fate: Fate) => void;
}

interface Commit {
  readonly number: number;
  readonly appends: readonly Append[];
  waiters: Waiter[];
  readonly sentAtMs: number;
  /** When the oldest of its rows came: so long its client has been waiting. */
  readonly sinceMs: number;
  isGivenUp: boolean;
  /** Resolves when the store has answered or failed. */
  settled: Promise<void>;
}

/** Rows that may wait for the store, 28 bytes each; past it reports are refused. */
const ROWS_WAITING_MAX = 1 << 18;
/** Rows of one partition that are kept while a snapshot heals it. */
const ROWS_HEALING_MAX = 4096;
const SNAPSHOTS_AT_ONCE = 2; // one is encoded while the other is written
const RETRY_FIRST_MS = 100;
const RETRY_LAST_MS = 1000;

export class Recorder {
  readonly totals: RecorderTotals = {
    commits: 0,
    rows: 0,
    bytes: 0,
    snapshots: 0,
    snapshotBytes: 0,
    faults: 0,
    commitMs: 0,
  };
  /** Partitions that are ahead (R4). */
  aheadCount = 0;
  private readonly engine: Engine;
  private readonly ports: RecorderPorts;
  private readonly options: RecorderOptions;
  private readonly states: RecordState[];
  private readonly madeAtMs: number;
  private queue: PartitionIndex[] = [];
  private waiters: Waiter[] = [];
  private rowsWaiting = 0;
  /** When the oldest that waits came. */
  private waitingSinceMs = 0;
  private isFlushPlanned = false;
  private commits = 0;
  private inFlight: Commit | undefined;
  private snapshotting = 0;
  private nextSnapshot = 0;
  private retryMs = 0;
  private retryAtMs = -Infinity;

  constructor(engine: Engine, ports: RecorderPorts, options: RecorderOptions) {
    this.engine = engine;
    this.ports = ports;
    this.options = options;
    const nowMs = ports.nowMs();
    this.madeAtMs = nowMs;
    const spreadMs = options.sessionMs / 3 / engine.partitions.length; // else all would be due at the same time
    this.states = engine.partitions.map((_, partition) => newState(options.claim, nowMs - partition * spreadMs));
  }

  /** True while no more rows can be taken: reports are refused. */
  get isFull(): boolean {
    return this.rowsWaiting >= ROWS_WAITING_MAX;
  }

  get rowsQueued(): number {
    return this.rowsWaiting;
  }

  /** The longest time since a partition's snapshot, in milliseconds, of those that changed since. */
  get snapshotLagMs(): number {
    const nowMs = this.ports.nowMs();
    let lagMs = 0;
    for (const [partition, state] of this.states.entries())
      if (state.claim !== undefined && this.engine.partitions[partition].isTouched)
        lagMs = Math.max(lagMs, nowMs - Math.max(state.snapshotAtMs, this.madeAtMs));
    return lagMs;
  }

  /**
   * R5: calls `settle` once every row that the partition has applied so far is in the log, perhaps at once.
   * To be called after every change, with the number of rows it may have brought.
   */
  whenRemembered(partition: PartitionIndex, rows: number, settle: (fate: Fate) => void): void {
    const state = this.states[partition];
    const { unlogged } = this.engine.partitions[partition];
    if (state.claim === undefined) return settle("lost");
    if (this.isAway && unlogged.count > 0 && !state.isAhead) this.fallAhead([partition]);
    if (state.isAhead) {
      this.keepForHealing(state, unlogged);
      return settle("counted");
    }
    const isCounted = this.isAhead(state);
    if (unlogged.count > 0) {
      this.enqueue(partition, rows);
      if (!isCounted) return void this.waiters.push({ partition, settle });
    } else if (!isCounted && this.inFlight !== undefined && state.commit === this.inFlight.number)
      return void this.inFlight.waiters.push({ partition, settle });
    settle(isCounted ? "counted" : "remembered");
  }

  /**
   * R14: calls `settle` once an append that is sent from now on has landed, which proves that the claim still stands;
   * `counted` where the store cannot be written. Brings whatever waits for the log with it.
   */
  whenProven(partition: PartitionIndex, settle: (fate: Fate) => void): void {
    const state = this.states[partition];
    if (state.claim === undefined) return settle("lost");
    if (this.isAway || this.isAhead(state)) return this.whenRemembered(partition, 0, () => settle("counted"));
    this.enqueue(partition, 0);
    this.waiters.push({ partition, settle });
  }

  /**
   * Begins to write a partition's record, just claimed.
   * @param length R2: bytes sent under this claim before, 0 for a new one; else the record is in doubt, so it is ahead
   */
  adopt(partition: PartitionIndex, claim: Claim, length = 0): void {
    this.drop(partition);
    this.states[partition] = newState(claim, this.ports.nowMs());
    this.states[partition].length = length;
    if (length > 0) this.fallAhead([partition]);
  }

  /** Stops writing a partition's record; who waits for it is told `lost`. */
  drop(partition: PartitionIndex): void {
    const state = this.states[partition];
    if (state.claim === undefined) return;
    if (state.isAhead) this.aheadCount--;
    this.states[partition] = newState(undefined, -Infinity);
    this.engine.partitions[partition].unlogged.clear();
    this.queue = this.queue.filter((queued) => queued !== partition);
    if (this.queue.length === 0) this.rowsWaiting = 0;
    const { inFlight } = this;
    const lost = [...(inFlight?.waiters ?? []), ...this.waiters].filter((waiter) => waiter.partition === partition);
    if (inFlight !== undefined) inFlight.waiters = inFlight.waiters.filter((waiter) => waiter.partition !== partition);
    this.waiters = this.waiters.filter((waiter) => waiter.partition !== partition);
    for (const { settle } of lost) settle("lost");
  }

  /** R2: bytes sent under the present claim. */
  lengthOf(partition: PartitionIndex): number {
    return this.states[partition].length;
  }

  /** R4: whether the partition knows more than its record. */
  isPartitionAhead(partition: PartitionIndex): boolean {
    return this.states[partition].isAhead;
  }

  /** R15: the store is of another run, so nobody knows what it still has: every partition is ahead. */
  doubtStore(): void {
    this.doubt([...this.states.keys()]);
  }

  /** R2: the store lost something of these partitions' records, or may have. */
  doubt(partitions: readonly PartitionIndex[]): void {
    this.fallAhead(partitions.filter((partition) => this.states[partition].claim !== undefined));
  }

  /** The store can be written again, as far as is known: healing does not wait for its pause to end. */
  resume(): void {
    this.retryMs = 0;
    this.retryAtMs = -Infinity;
  }

  /** Gives up what takes too long, and takes the snapshots that are due. To be called some 50 times a second. */
  tick(): void {
    const nowMs = this.ports.nowMs();
    const { inFlight } = this;
    if (inFlight !== undefined && !inFlight.isGivenUp && nowMs - inFlight.sinceMs > this.options.deadlineMs)
      this.giveUp(inFlight);
    // What waits behind an append that hangs is not answered by it either.
    if (this.queue.length > 0 && nowMs - this.waitingSinceMs > this.options.deadlineMs) this.fallAhead(this.queue);
    this.startSnapshots(nowMs);
  }

  /** Settles once everything is stored, ages too, or `withinMs` have passed; false then. */
  async drain(withinMs: number, pause: () => Promise<void>): Promise<boolean> {
    const untilMs = this.ports.nowMs() + withinMs;
    this.hurry([...this.states.keys()]);
    while (this.ports.nowMs() < untilMs) {
      this.tick();
      if (this.isIdle) return true;
      await pause();
    }
    return false;
  }

  /** These partitions are due for a snapshot, for the ages in it too. */
  hurry(partitions: readonly PartitionIndex[]): void {
    for (const partition of partitions) this.states[partition].snapshotAtMs = -Infinity;
  }

  /** Whether everything is stored, and the snapshots taken that were hurried. */
  get isIdle(): boolean {
    const isWritten = this.inFlight === undefined && this.queue.length === 0 && this.snapshotting === 0;
    return isWritten && this.aheadCount === 0 && this.states.every((_, partition) => !this.isUnstored(partition));
  }

  private isUnstored(partition: PartitionIndex): boolean {
    const { isTouched } = this.engine.partitions[partition];
    const { claim, snapshotAtMs } = this.states[partition];
    return isTouched && claim !== undefined && snapshotAtMs === -Infinity && this.options.durability !== "none";
  }

  /** While a shared store fails, rows are not sent: their partitions are ahead at once, and a snapshot looks for its return. */
  private get isAway(): boolean {
    return this.retryMs > 0 && this.aheadCount > 0 && !this.ports.store.isOneFile;
  }

  private isAhead(state: RecordState): boolean {
    return state.isAhead || (this.ports.store.isOneFile && this.aheadCount > 0);
  }

  /** R4: from the copy of the snapshot that heals it on, rows are kept for the log; before that it covers them. */
  private keepForHealing(state: RecordState, unlogged: RowBuffer): void {
    if (unlogged.count > ROWS_HEALING_MAX) state.isHealing = false; // it took too long: heal anew
    if (!state.isHealing) unlogged.clear();
  }

  private enqueue(partition: PartitionIndex, rows: number): void {
    const state = this.states[partition];
    if (this.queue.length === 0) this.waitingSinceMs = this.ports.nowMs();
    if (!state.isQueued) this.queue.push(partition);
    state.isQueued = true;
    this.rowsWaiting += rows;
    this.planFlush();
  }

  private planFlush(): void {
    if (this.isFlushPlanned || this.inFlight !== undefined) return;
    this.isFlushPlanned = true;
    this.ports.atTurnEnd(() => {
      this.isFlushPlanned = false;
      this.flush();
    });
  }

  /** Group commit: one append with the rows of all partitions since the last. */
  private flush(): void {
    if (this.inFlight !== undefined || this.queue.length === 0) return;
    const number = ++this.commits;
    const { queue: partitions, waiters } = this;
    this.queue = [];
    this.waiters = [];
    const appends = partitions.map((partition) => this.appendOf(partition, number));
    this.totals.rows += this.rowsWaiting;
    this.rowsWaiting = 0;
    const sentAtMs = this.ports.nowMs();
    const commit: Commit = {
      number,
      appends,
      waiters,
      sentAtMs,
      sinceMs: this.waitingSinceMs,
      isGivenUp: false,
      settled: Promise.resolve(),
    };
    this.inFlight = commit;
    commit.settled = this.ports.store.append(appends).then(
      (answers) => this.onAppended(commit, answers),
      (error: unknown) => this.onAppendFailed(commit, error),
    );
  }

  private appendOf(partition: PartitionIndex, commit: number): Append {
    const state = this.states[partition];
    const message = this.engine.drainLog(partition, this.writtenAtMs());
    const from = state.length;
    state.isQueued = false;
    state.commit = commit;
    state.length += message.length;
    state.loggedBytes += message.length;
    this.totals.bytes += message.length;
    return { partition, claim: state.claim as Claim, from, message };
  }

  private writtenAtMs(): number {
    return this.engine.writtenAtMs(this.ports.nowMs(), this.ports.wallMs());
  }

  private onAppended(commit: Commit, answers: readonly SharedAppendAnswer[]): void {
    this.totals.commits++;
    this.totals.commitMs = this.ports.nowMs() - commit.sentAtMs;
    for (const [index, answer] of answers.entries()) this.noteAnswer(commit.appends[index], answer);
    this.finish(commit);
  }

  private onAppendFailed(commit: Commit, error: unknown): void {
    this.noteFault(error);
    this.giveUpOn(commit);
    this.finish(commit);
  }

  private finish(commit: Commit): void {
    this.inFlight = undefined;
    this.settle(commit.waiters);
    this.flush();
  }

  /** R4: what hangs is given up; its answer no longer counts, but nothing else is appended before it came. */
  private giveUp(commit: Commit): void {
    commit.isGivenUp = true;
    this.noteFault(new Error(`Gave up an append after ${this.options.deadlineMs} ms`));
    this.giveUpOn(commit);
    this.settle(commit.waiters.splice(0));
  }

  private giveUpOn({ appends }: Commit): void {
    this.fallAhead(appends.filter((append) => this.isCurrent(append)).map(({ partition }) => partition));
  }

  /** False where the partition was dropped, or taken anew, since the claim was used. */
  private isCurrent({ partition, claim }: Pick<Append, "partition" | "claim">): boolean {
    return this.states[partition].claim === claim;
  }

  private settle(waiters: readonly Waiter[]): void {
    for (const { partition, settle } of waiters)
      settle(this.isAhead(this.states[partition]) ? "counted" : "remembered");
  }

  private noteAnswer(
    { partition, claim }: Pick<Append, "partition" | "claim">,
    answer: SharedAppendAnswer | SnapshotAnswer,
  ): void {
    if (!this.isCurrent({ partition, claim })) return;
    if (answer === "superseded") this.ports.onSuperseded(partition);
    if (answer !== "behind" && answer !== "unheard") return;
    this.totals.faults++;
    const what = answer === "behind" ? "The store lost a part of the log" : "The store did not answer for the log";
    this.ports.onStoreFault(new Error(`${what} of partition ${partition}`));
    this.fallAhead([partition]);
  }

  /** R4: these partitions are ahead; all of them where they share one file. */
  private fallAhead(partitions: readonly PartitionIndex[]): void {
    for (const partition of this.ports.store.isOneFile ? this.states.keys() : partitions) {
      const state = this.states[partition];
      state.isHealing = false;
      state.isQueued = false;
      if (!state.isAhead) this.aheadCount++;
      state.isAhead = true;
      this.engine.partitions[partition].unlogged.clear();
    }
    this.queue = this.queue.filter((queued) => !this.states[queued].isAhead);
    if (this.queue.length === 0) this.rowsWaiting = 0;
    const { waiters } = this;
    this.waiters = waiters.filter(({ partition }) => !this.states[partition].isAhead);
    this.settle(waiters.filter(({ partition }) => this.states[partition].isAhead));
  }

  private noteFault(error: unknown): void {
    this.totals.faults++;
    this.retryMs = Math.min(RETRY_LAST_MS, this.retryMs === 0 ? RETRY_FIRST_MS : this.retryMs * 2);
    this.retryAtMs = this.ports.nowMs() + this.retryMs;
    this.ports.onStoreFault(error);
  }

  private startSnapshots(nowMs: number): void {
    // While the store fails one probe at a time looks for its return.
    const limit = this.retryMs > 0 ? 1 : SNAPSHOTS_AT_ONCE;
    if (nowMs < this.retryAtMs || (this.inFlight?.isGivenUp ?? false)) return;
    for (let looked = 0; looked < this.states.length && this.snapshotting < limit; looked++) {
      const partition = this.nextSnapshot;
      this.nextSnapshot = (partition + 1) % this.states.length;
      const { isTouched } = this.engine.partitions[partition];
      if (isSnapshotDue(this.states[partition], isTouched, this.options, nowMs))
        void this.takeSnapshot(partition, nowMs);
    }
  }

  /** One job of a partition at a time, so that an older copy never follows a newer one. */
  private async takeSnapshot(partition: PartitionIndex, nowMs: number): Promise<void> {
    const state = this.states[partition];
    const claim = state.claim as Claim;
    const isWhole = state.isAhead;
    state.isSnapshotting = true;
    this.snapshotting++;
    if (isWhole) this.beginHealing(partition);
    const covers = state.length;
    const number = ++state.snapshotNumber;
    state.snapshotAtMs = nowMs;
    state.loggedBytes = 0;
    this.engine.partitions[partition].isTouched = false;
    const underWay = this.inFlight?.settled;
    try {
      const bytes = await this.ports.encode(this.engine.copy(partition, this.writtenAtMs()));
      await underWay; // it covers what that append carries, which may reach the store on another way
      const snapshot = { number, covers, isWhole, bytes };
      const answer = await this.ports.store.snapshot(partition, claim, snapshot);
      if (this.isCurrent({ partition, claim })) this.onSnapshot({ partition, claim }, answer, bytes.length);
      if (answer === "behind" && isWhole && this.isCurrent({ partition, claim })) {
        // Alone it cannot be taken again; shared, the next snapshot may land at once.
        if (this.ports.store.isOneFile) this.noteFault(new Error(`The store lost the claim of partition ${partition}`));
        await this.ports.reclaim(partition, claim);
      }
    } catch (error) {
      this.noteFault(error);
      if (this.isCurrent({ partition, claim })) {
        this.engine.partitions[partition].isTouched = true;
        this.fallAhead([partition]);
      }
    } finally {
      state.isSnapshotting = false;
      this.snapshotting--;
    }
    this.startSnapshots(this.ports.nowMs());
  }

  /** R4: sets the log's end past every length this claim ever sent. */
  private beginHealing(partition: PartitionIndex): void {
    const state = this.states[partition];
    state.length += 4;
    state.isHealing = true;
    this.engine.partitions[partition].unlogged.clear();
  }

  private onSnapshot(of: Pick<Append, "partition" | "claim">, answer: SnapshotAnswer, bytes: number): void {
    const { partition } = of;
    const state = this.states[partition];
    this.noteAnswer(of, answer);
    if (answer !== "landed") return;
    this.totals.snapshots++;
    this.totals.snapshotBytes += bytes - state.snapshotBytes;
    state.snapshotBytes = bytes;
    this.retryMs = 0;
    if (state.isHealing) this.endHealing(partition);
  }

  private endHealing(partition: PartitionIndex): void {
    const state = this.states[partition];
    state.isHealing = false;
    state.isAhead = false;
    this.aheadCount--;
    if (this.aheadCount === 0) this.ports.onStoreHealed();
    const { count } = this.engine.partitions[partition].unlogged;
    if (count > 0) this.enqueue(partition, count);
  }
}
