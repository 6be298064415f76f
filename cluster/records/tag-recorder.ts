/**
 * Keeps the records of one tag up to date: what an answer of the store means for a record (R2, R4), snapshots (R3), and the
 * pauses after a fault. Each tag has its own, so a tag that is away holds up no other.
 */
import type { Engine } from "../../engine/engine.ts";
import type { Partition } from "../../engine/partition.ts";
import type { RowBuffer } from "../../engine/row-buffer.ts";
import { type AppendAnswer, type SnapshotAnswer, StoreFullError } from "../ports/record-store.ts";
import { CommitQueue, type Part } from "./commit-queue.ts";
import type { HeldRecord } from "./held-record.ts";
import type { Fate, RecorderOptions, RecorderPorts, RecorderTotals } from "./recorder.ts";
import { isSnapshotDue } from "./snapshot-due.ts";

export type TagOptions = Pick<RecorderOptions, "durability" | "snapshotMs" | "sessionMs" | "deadlineMs">;

/** How a copy of the whole reaches the store; answers as a snapshot does. */
export type Write = (snapshot: { readonly covers: number; readonly bytes: Uint8Array }) => Promise<SnapshotAnswer>;

/** Rows of one partition that are kept while a snapshot heals it. */
const ROWS_KEPT_MAX = 4096;
const SNAPSHOTS_AT_ONCE = 2; // one is encoded while the other is written
const RETRY_FIRST_MS = 100;
const RETRY_LAST_MS = 1000;

export class TagRecorder {
  readonly commits: CommitQueue;
  /** Records that are ahead (R4). */
  aheadCount = 0;
  private readonly records: HeldRecord[] = [];
  private readonly engine: Engine;
  private readonly ports: RecorderPorts;
  private readonly options: TagOptions;
  private readonly totals: RecorderTotals;
  private snapshotting = 0;
  /** Index of the record to be looked at next. */
  private next = 0;
  private retryMs = 0;
  private retryAtMs = -Infinity;
  /** R4: it refused an append for want of memory, and has taken none since. */
  private isFull = false;

  constructor(engine: Engine, ports: RecorderPorts, options: TagOptions, totals: RecorderTotals) {
    this.engine = engine;
    this.ports = ports;
    this.options = options;
    this.totals = totals;
    this.commits = new CommitQueue(
      {
        append: (parts) => ports.store.append(parts),
        drainLog: (partition) => engine.drainLog(partition, this.writtenAtMs()),
        atTurnEnd: (task) => ports.atTurnEnd(task),
        nowMs: () => ports.nowMs(),
        onAnswered: (parts, answers, tookMs) => this.onAnswered(parts, answers, tookMs),
        onFailed: (records, error) => this.onFailed(records, error),
        onSent: (rows, bytes) => {
          totals.rows += rows;
          totals.bytes += bytes;
        },
        isCounted: (record) => this.isCounted(record),
      },
      options.deadlineMs,
    );
  }

  add(record: HeldRecord): void {
    this.records.push(record);
    if (record.isAhead) this.aheadCount++;
  }

  drop(record: HeldRecord): void {
    this.records.splice(this.records.indexOf(record), 1);
    if (record.isAhead) this.aheadCount--;
    this.commits.drop(record);
    (this.engine.partitions[record.partition] as Partition).unlogged.clear();
  }

  /** R5: see `Recorder.whenRemembered`. */
  whenRemembered(record: HeldRecord, rows: number, settle: (fate: Fate) => void): void {
    if (this.isNone) return settle("remembered");
    const { unlogged } = this.engine.partitions[record.partition] as Partition;
    if (this.isAway && unlogged.count > 0 && !record.isAhead) this.fall([record]);
    if (record.isAhead) {
      this.keepForHealing(record, unlogged);
      return settle("counted");
    }
    const isCounted = this.isCounted(record);
    if (unlogged.count > 0) {
      this.commits.push(record, rows);
      if (!isCounted) return this.commits.waitForNext(record, settle);
    } else if (!isCounted && this.commits.waitForNewest(record, settle)) return;
    settle(isCounted ? "counted" : "remembered");
  }

  /** R14: see `Recorder.whenProven`. */
  whenProven(record: HeldRecord, settle: (fate: Fate) => void): void {
    if (this.isAway || record.isAhead || this.isCounted(record))
      return this.whenRemembered(record, 0, () => settle("counted"));
    this.commits.push(record, 0);
    this.commits.waitForNext(record, settle);
  }

  /** R4: these records may lack something; all of them where they share one file. With durability `none` nothing is ever ahead. */
  fall(records: readonly HeldRecord[]): void {
    if (this.isNone) return;
    for (const record of this.ports.store.isOneFile ? this.records : records) {
      this.change(record, () => record.fall());
      (this.engine.partitions[record.partition] as Partition).unlogged.clear();
    }
    this.commits.takeOut(({ isAhead, state }) => isAhead && state !== "proving"); // what proves has to be sent
  }

  /** R15: nobody knows whether the store still has these claims: they have to be taken again. */
  loseClaims(records: readonly HeldRecord[]): void {
    this.fall(records);
    for (const record of records) this.change(record, () => record.loseClaim());
  }

  /** The store can be written again, as far as is known: healing does not wait for its pause to end. */
  resume(): void {
    this.retryMs = 0;
    this.retryAtMs = -Infinity;
  }

  tick(nowMs: number): void {
    this.commits.tick();
    this.startSnapshots(nowMs);
  }

  get isIdle(): boolean {
    return this.commits.isIdle && this.snapshotting === 0 && this.aheadCount === 0;
  }

  /**
   * Writes a copy of a record's whole table; rows that come meanwhile are kept for the append behind it.
   * @param write sends it to the store; where the claim was lost, together with another claim (R15)
   * @returns what became of it; `undefined` where the record was dropped meanwhile, or nobody knows
   */
  async heal(record: HeldRecord, write: Write): Promise<SnapshotAnswer | undefined> {
    const partition = this.engine.partitions[record.partition] as Partition;
    const isLost = record.state === "claim lost";
    record.isSnapshotting = true;
    this.snapshotting++;
    if (record.isAhead) {
      record.beginHealing();
      partition.unlogged.clear();
    }
    const covers = record.length;
    record.snapshotAtMs = this.ports.nowMs();
    const { loggedBytes } = record;
    record.loggedBytes = 0;
    partition.isTouched = false;
    const underWay = this.commits.settled;
    try {
      const bytes = await this.ports.encode(this.engine.copy(record.partition, this.writtenAtMs()));
      await underWay; // it covers what that append carries, which may reach the store on another way
      if (!this.isHeld(record)) return undefined;
      const answer = await write({ covers, bytes });
      if (!this.isHeld(record)) return undefined;
      this.onSnapshot(record, answer, bytes.length);
      return answer;
    } catch (error) {
      this.noteFault(error);
      if (!this.isHeld(record)) return undefined;
      partition.isTouched = true;
      record.loggedBytes += loggedBytes;
      if (isLost) this.loseClaims([record]);
      else this.fall([record]);
      return undefined;
    } finally {
      record.isSnapshotting = false;
      this.snapshotting--;
    }
  }

  /** R4: whether what was applied is not remembered. */
  private isCounted(record: HeldRecord): boolean {
    if (this.isNone) return false;
    return record.isAhead || (this.ports.store.isOneFile && this.aheadCount > 0);
  }

  /** R4: then nothing is stored, so nothing is ever ahead. */
  private get isNone(): boolean {
    return this.options.durability === "none";
  }

  private change(record: HeldRecord, verb: () => void): void {
    const wasAhead = record.isAhead;
    verb();
    this.aheadCount += Number(record.isAhead) - Number(wasAhead);
  }

  /** While a shared store fails, rows are not sent: their partitions are ahead at once, and a snapshot looks for its return. */
  private get isAway(): boolean {
    return this.retryMs > 0 && this.aheadCount > 0 && !this.ports.store.isOneFile;
  }

  private isHeld(record: HeldRecord): boolean {
    return this.records.includes(record);
  }

  /** R4: from the copy of the snapshot that heals it on, rows are kept for the log; before that it covers them. */
  private keepForHealing(record: HeldRecord, unlogged: RowBuffer): void {
    if (unlogged.count > ROWS_KEPT_MAX && record.isKeeping) this.fall([record]); // it took too long: heal anew
    if (!record.isKeeping) unlogged.clear();
  }

  private writtenAtMs(): number {
    return this.engine.writtenAtMs(this.ports.nowMs(), this.ports.wallMs());
  }

  private onAnswered(parts: readonly Part[], answers: readonly AppendAnswer[], tookMs: number): void {
    this.totals.commits++;
    this.totals.commitMs = tookMs;
    this.isFull = false;
    for (const [index, { record, claim, proves, message }] of parts.entries()) {
      if (!this.isHeld(record) || record.claim !== claim) continue; // dropped, or taken again, since
      const answer = answers[index] as AppendAnswer;
      if (answer === "landed") record.loggedBytes += message.length;
      const isProven = answer === "landed" && record.state === "proving" && record.healings === proves;
      if (isProven) this.level(record);
      else this.noteAnswer(record, answer);
    }
  }

  private onFailed(records: readonly HeldRecord[], error: unknown): void {
    this.noteFault(error);
    this.fall(records.filter((record) => this.isHeld(record)));
  }

  private noteAnswer(record: HeldRecord, answer: AppendAnswer): void {
    if (answer === "superseded") this.ports.onSuperseded(record.partition);
    if (answer !== "behind") return;
    this.totals.faults++;
    this.ports.onStoreFault(new Error(`The store lost a part of the log of partition ${record.partition}`));
    this.fall([record]);
  }

  private noteFault(error: unknown): void {
    this.totals.faults++;
    if (error instanceof StoreFullError) this.isFull = true;
    this.retryMs = Math.min(RETRY_LAST_MS, this.retryMs === 0 ? RETRY_FIRST_MS : this.retryMs * 2);
    this.retryAtMs = this.ports.nowMs() + this.retryMs;
    this.ports.onStoreFault(error);
  }

  private startSnapshots(nowMs: number): void {
    // While the store fails one probe at a time looks for its return.
    const limit = this.retryMs > 0 ? 1 : SNAPSHOTS_AT_ONCE;
    if (nowMs < this.retryAtMs || this.commits.isStuck) return;
    for (let looked = 0; looked < this.records.length && this.snapshotting < limit; looked++) {
      const record = this.records[this.next % this.records.length] as HeldRecord;
      this.next = (this.next + 1) % this.records.length;
      const { isTouched } = this.engine.partitions[record.partition] as Partition;
      if (isSnapshotDue(record, isTouched, this.options, nowMs)) void this.takeSnapshot(record);
    }
  }

  /** One job of a partition at a time, so that an older copy never follows a newer one. */
  private async takeSnapshot(record: HeldRecord): Promise<void> {
    const isWhole = record.isAhead;
    const storedBytes = record.snapshotBytes + record.loggedBytes;
    const answer = await this.heal(record, async ({ covers, bytes }) => {
      if (this.isFull && isWhole && bytes.length >= storedBytes) await this.askForRoom(record);
      const number = ++record.snapshotNumber;
      return this.ports.store.snapshot(record.partition, record.claim, { number, covers, isWhole, bytes });
    });
    if (answer === "behind" && isWhole && this.isHeld(record)) await this.reclaim(record);
    this.startSnapshots(this.ports.nowMs());
  }

  /** R4: a store that takes snapshots but no appends, as a full Redis does, would fill up further. Rejects where it is. */
  private async askForRoom({ partition, claim, length: from }: HeldRecord): Promise<void> {
    await this.ports.store.append([{ partition, claim, from, message: new Uint8Array(0) }]);
    this.isFull = false;
  }

  private async reclaim(record: HeldRecord): Promise<void> {
    // Alone it cannot be taken again; shared, the next snapshot may land at once.
    if (this.ports.store.isOneFile)
      this.noteFault(new Error(`The store lost the claim of partition ${record.partition}`));
    this.loseClaims([record]);
    try {
      if (await this.ports.reclaim(record)) record.regainClaim();
    } catch (error) {
      this.noteFault(error);
      record.regainClaim();
    }
  }

  private onSnapshot(record: HeldRecord, answer: SnapshotAnswer, bytes: number): void {
    if (typeof answer === "object") return this.onOutnumbered(record, answer.standing);
    if (answer !== "landed") {
      this.noteAnswer(record, answer);
      if (record.state === "healing") this.fall([record]);
      return;
    }
    this.totals.snapshots++;
    this.totals.snapshotBytes += bytes - record.snapshotBytes;
    record.snapshotBytes = bytes;
    if (record.state !== "healing") {
      this.retryMs = 0;
      return;
    }
    record.beginProving();
    this.commits.push(record, (this.engine.partitions[record.partition] as Partition).unlogged.count);
  }

  /** R3: numbers go on above the one that stands, after a pause. */
  private onOutnumbered(record: HeldRecord, standing: number): void {
    record.snapshotNumber = Math.max(record.snapshotNumber, standing);
    this.noteFault(new Error(`Snapshot of partition ${record.partition} refused: number ${standing} stands`));
    this.fall([record]);
  }

  /** R4: what was kept since the copy has landed; what came since goes with the next append. */
  private level(record: HeldRecord): void {
    this.change(record, () => record.level());
    this.retryMs = 0;
    if (this.aheadCount === 0) this.ports.onStoreHealed();
    const { count } = (this.engine.partitions[record.partition] as Partition).unlogged;
    if (count > 0) this.commits.push(record, count);
  }
}
