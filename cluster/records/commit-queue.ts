/**
 * Group commit of one tag (R2, R5): rows that wait for the log, one append under way with the rows of all its partitions, and
 * everybody who waits for one of them. What an answer means for a record is decided in tag-recorder.ts.
 */
import type { EncodedLog } from "../../engine/log-codec.ts";
import type { AppendAnswer, Commit, FoundedAppend } from "../ports/record-store.ts";
import type { HeldRecord } from "./held-record.ts";
import type { Fate } from "./recorder.ts";

/** One partition's part of an append. */
export interface Part extends FoundedAppend {
  readonly record: HeldRecord;
  /** R4: which healing of the record it proves; 0: none. */
  readonly proves: number;
}

export interface CommitPorts {
  readonly append: (commit: Commit<Part>) => Promise<readonly AppendAnswer[]>;
  /** What these partitions have for the log, encoded; it waits no longer then. */
  readonly drainLog: (partitions: readonly number[]) => EncodedLog;
  /** Whether a partition has something for the log. */
  readonly hasRows: (partition: number) => boolean;
  readonly atTurnEnd: (task: () => void) => void;
  readonly nowMs: () => number;
  /** The store answered: what became of each part, and how long that took. */
  readonly onAnswered: (parts: readonly Part[], answers: readonly AppendAnswer[], tookMs: number) => void;
  /** Nobody knows what became of these records' rows; none where only claims were to be proven. */
  readonly onFailed: (records: readonly HeldRecord[], error: unknown) => void;
  /** R4: whether what was applied is not remembered. */
  readonly isCounted: (record: HeldRecord) => boolean;
  readonly onSent: (rows: number, bytes: number) => void;
}

interface Waiter {
  readonly record: HeldRecord;
  readonly settle: (fate: Fate) => void;
  /** When it is told that its row is counted, whatever becomes of the append. */
  readonly untilMs: number;
}

/** An append under way. */
interface Sent {
  readonly number: number;
  readonly parts: readonly Part[];
  waiters: Waiter[];
  readonly sentAtMs: number;
  isGivenUp: boolean;
  /** Resolves when the store has answered or failed. */
  settled: Promise<void>;
}

export class CommitQueue {
  /** Rows that wait for the store, not counting those under way. */
  rowsWaiting = 0;
  private readonly ports: CommitPorts;
  private readonly deadlineMs: number;
  private queue: HeldRecord[] = [];
  private waiters: Waiter[] = [];
  /** When the oldest that waits came. */
  private waitingSinceMs = 0;
  private isFlushPlanned = false;
  private commits = 0;
  private inFlight: Sent | undefined;

  /** @param deadlineMs an append that takes longer is given up (R4) */
  constructor(ports: CommitPorts, deadlineMs: number) {
    this.ports = ports;
    this.deadlineMs = deadlineMs;
  }

  get isIdle(): boolean {
    return this.inFlight === undefined && this.queue.length === 0;
  }

  /** Whether an append that was given up is still under way: nothing else may be sent before it has ended. */
  get isStuck(): boolean {
    return this.inFlight?.isGivenUp ?? false;
  }

  /** Resolves when the append that is under way now has ended. */
  get settled(): Promise<void> | undefined {
    return this.inFlight?.settled;
  }

  /** Sends what a partition has for the log, or nothing but a proof of its claim, with the next append. */
  push(record: HeldRecord, rows: number): void {
    if (this.queue.length === 0) this.waitingSinceMs = this.ports.nowMs();
    if (!record.isQueued) this.queue.push(record);
    record.isQueued = true;
    this.rowsWaiting += rows;
    this.planFlush();
  }

  /** Calls `settle` when the append has ended that the next flush sends. */
  waitForNext(record: HeldRecord, settle: (fate: Fate) => void, untilMs: number): void {
    this.waiters.push(this.waiterOf(record, settle, untilMs));
  }

  /** Calls `settle` when the append has ended that carries a record's newest rows. False where none is under way. */
  waitForNewest(record: HeldRecord, settle: (fate: Fate) => void, untilMs: number): boolean {
    const { inFlight } = this;
    if (inFlight === undefined || record.commit !== inFlight.number) return false;
    inFlight.waiters.push(this.waiterOf(record, settle, untilMs));
    return true;
  }

  /**
   * R4: gives up the append that takes too long. Its answer no longer counts, but nothing else is sent before it came. Who
   * waited for the one before too may be late although this one is not: it is told that its row is counted.
   */
  tick(): void {
    const nowMs = this.ports.nowMs();
    const { inFlight } = this;
    const isLate = inFlight !== undefined && !inFlight.isGivenUp && nowMs - inFlight.sentAtMs > this.deadlineMs;
    if (isLate) {
      inFlight.isGivenUp = true;
      const error = new Error(`Gave up an append after ${this.deadlineMs} ms`);
      this.ports.onFailed(recordsAtRisk(inFlight), error);
      this.settle(inFlight.waiters.splice(0), recordsOf(inFlight));
    }
    // What waits behind an append that hangs is not answered by it either.
    if (this.queue.length > 0 && nowMs - this.waitingSinceMs > this.deadlineMs) {
      const waiting = this.queue.filter(({ partition }) => this.ports.hasRows(partition));
      this.ports.onFailed(waiting, new Error(`The log has not been written for ${this.deadlineMs} ms`));
    }
    if (inFlight !== undefined) inFlight.waiters = this.tellLate(inFlight.waiters, nowMs);
    this.waiters = this.tellLate(this.waiters, nowMs);
  }

  /** These records are ahead or gone: their rows are not sent, and who waits for them is told. */
  takeOut(isOut: (record: HeldRecord) => boolean): void {
    for (const record of this.queue) if (isOut(record)) record.isQueued = false;
    this.queue = this.queue.filter((record) => !isOut(record));
    if (this.queue.length === 0) this.rowsWaiting = 0;
    const out = this.waiters.filter(({ record }) => isOut(record));
    this.waiters = this.waiters.filter(({ record }) => !isOut(record));
    this.settle(out, NONE);
  }

  /** A record is dropped: nobody knows what became of what it had under way. */
  drop(dropped: HeldRecord): void {
    const isDropped = ({ record }: Waiter): boolean => record === dropped;
    const { inFlight } = this;
    const lost = [...(inFlight?.waiters ?? []), ...this.waiters].filter(isDropped);
    if (inFlight !== undefined) inFlight.waiters = inFlight.waiters.filter((waiter) => !isDropped(waiter));
    this.waiters = this.waiters.filter((waiter) => !isDropped(waiter));
    this.takeOut((record) => record === dropped);
    for (const { settle } of lost) settle("lost");
  }

  private waiterOf(record: HeldRecord, settle: (fate: Fate) => void, untilMs: number): Waiter {
    return { record, settle, untilMs: Math.min(untilMs, this.ports.nowMs() + this.deadlineMs) };
  }

  /** @returns those who can wait longer */
  private tellLate(waiters: Waiter[], nowMs: number): Waiter[] {
    const isLate = ({ untilMs }: Waiter): boolean => nowMs > untilMs;
    if (!waiters.some(isLate)) return waiters;
    for (const { settle } of waiters.filter(isLate)) settle("counted");
    return waiters.filter((waiter) => !isLate(waiter));
  }

  private planFlush(): void {
    if (this.isFlushPlanned || this.inFlight !== undefined) return;
    this.isFlushPlanned = true;
    this.ports.atTurnEnd(() => {
      this.isFlushPlanned = false;
      this.flush();
    });
  }

  private flush(): void {
    if (this.inFlight !== undefined || this.queue.length === 0) return;
    const number = ++this.commits;
    const { queue, waiters } = this;
    this.queue = [];
    this.waiters = [];
    const commit = this.commitOf(queue, number);
    const { appends: parts, content } = commit;
    this.ports.onSent(this.rowsWaiting, content.length);
    this.rowsWaiting = 0;
    const sentAtMs = this.ports.nowMs();
    const sent: Sent = { number, parts, waiters, sentAtMs, isGivenUp: false, settled: Promise.resolve() };
    this.inFlight = sent;
    sent.settled = this.carryOut(sent, commit);
  }

  private async carryOut(sent: Sent, commit: Commit<Part>): Promise<void> {
    let answers: Awaited<ReturnType<CommitPorts["append"]>>;
    try {
      answers = await this.ports.append(commit);
    } catch (error) {
      this.ports.onFailed(recordsAtRisk(sent), error);
      this.finish(sent, recordsOf(sent));
      return;
    }
    this.ports.onAnswered(sent.parts, answers, this.ports.nowMs() - sent.sentAtMs);
    const isLanded = answers.every((answer) => answer === "landed");
    this.finish(sent, isLanded ? NONE : recordsOf(sent).filter((_, index) => answers[index] !== "landed"));
  }

  private commitOf(records: readonly HeldRecord[], number: number): Commit<Part> {
    // R14: without rows it only proves the claim, and writes nothing; what heals has to be written (R4).
    const [written, proofs]: [HeldRecord[], HeldRecord[]] = [[], []];
    for (const record of records)
      (this.ports.hasRows(record.partition) || record.state === "proving" ? written : proofs).push(record);
    const { headBytes, partBytes, bytes } = this.ports.drainLog(written.map(({ partition }) => partition));
    const appends = [
      ...written.map((record, index) => partOf(record, number, partBytes[index] as number)),
      ...proofs.map((record) => partOf(record, number, 0)),
    ];
    return { appends, headBytes, content: bytes };
  }

  /** @param unwritten of which the append did not land, as far as is known */
  private finish(sent: Sent, unwritten: readonly HeldRecord[]): void {
    this.inFlight = undefined;
    this.settle(sent.waiters, unwritten);
    this.flush();
  }

  private settle(waiters: readonly Waiter[], unwritten: readonly HeldRecord[]): void {
    const isUnwritten = new Set(unwritten);
    for (const { record, settle } of waiters)
      settle(isUnwritten.has(record) || this.ports.isCounted(record) ? "counted" : "remembered");
  }
}

const NONE: readonly HeldRecord[] = [];

function partOf(record: HeldRecord, commit: number, bytes: number): Part {
  const { partition, claim, length: from } = record;
  record.isQueued = false;
  record.commit = commit;
  record.length += bytes;
  return { record, partition, claim, from, bytes, proves: record.state === "proving" ? record.healings : 0 };
}

function recordsOf({ parts }: Sent): HeldRecord[] {
  return parts.map(({ record }) => record);
}

/** Those with rows on their way, and those whose healing is to be proven: an empty append that is lost loses nothing. */
function recordsAtRisk({ parts }: Sent): HeldRecord[] {
  return parts.filter(({ bytes, proves }) => bytes > 0 || proves > 0).map(({ record }) => record);
}
