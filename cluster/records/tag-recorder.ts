/**
 * Keeps the records of one tag up to date: what an append's answer means for a record (R2, R4), and when somebody may be
 * answered (R5, R14). Each tag has its own, with its own snapshots and pauses, so a tag that is away holds up no other.
 */
import type { Engine } from "../../engine/engine.ts";
import { LogEncoder } from "../../engine/log-codec.ts";
import type { Partition } from "../../engine/partition.ts";
import type { RowBuffer } from "../../engine/row-buffer.ts";
import type { AppendAnswer } from "../ports/record-store.ts";
import { CommitQueue, type Part } from "./commit-queue.ts";
import type { HeldRecord } from "./held-record.ts";
import type { Fate, RecorderOptions, RecorderPorts, RecorderTotals } from "./recorder.ts";
import { TagFaults } from "./tag-faults.ts";
import { TagSnapshots, type Write } from "./tag-snapshots.ts";

export type TagOptions = Pick<RecorderOptions, "durability" | "snapshotMs" | "sessionMs" | "deadlineMs">;

/** Rows of one partition that are kept while a snapshot heals it. */
const ROWS_KEPT_MAX = 4096;

export class TagRecorder {
  readonly commits: CommitQueue;
  /** Records that are ahead (R4). */
  aheadCount = 0;
  private readonly records: HeldRecord[] = [];
  private readonly engine: Engine;
  private readonly ports: RecorderPorts;
  private readonly options: TagOptions;
  private readonly totals: RecorderTotals;
  private readonly faults: TagFaults;
  private readonly snapshots: TagSnapshots;

  constructor(engine: Engine, ports: RecorderPorts, options: TagOptions, totals: RecorderTotals) {
    this.engine = engine;
    this.ports = ports;
    this.options = options;
    this.totals = totals;
    this.faults = new TagFaults(ports, totals);
    const encoder = new LogEncoder(); // one append is under way at a time, so its room is free again at the next
    const encode = encoder[ports.store.isOneFile ? "together" : "apart"].bind(encoder);
    const hasRows = (partition: number): boolean => (engine.partitions[partition] as Partition).unlogged.count > 0;
    this.commits = new CommitQueue(
      {
        append: (commit) => ports.store.append(commit),
        drainLog: (partitions) => engine.drainLog(partitions, this.writtenAtMs(), encode),
        hasRows,
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
    this.snapshots = new TagSnapshots({
      engine,
      world: ports,
      options,
      totals,
      records: this.records,
      commits: this.commits,
      faults: this.faults,
      writtenAtMs: () => this.writtenAtMs(),
      fall: (record) => this.fall([record]),
      loseClaim: (record) => this.loseClaims([record]),
      onHealed: (record) => this.prove(record),
      onRefused: (record, answer) => this.onRefused(record, answer),
    });
  }

  add(record: HeldRecord): void {
    this.records.push(record);
    if (record.isAhead) this.aheadCount++;
  }

  drop(record: HeldRecord): void {
    record.isHeld = false;
    this.records.splice(this.records.indexOf(record), 1);
    if (record.isAhead) this.aheadCount--;
    this.commits.drop(record);
    this.unloggedOf(record).clear();
  }

  /** R5: see `Recorder.whenRemembered`. */
  whenRemembered(record: HeldRecord, rows: number, settle: (fate: Fate) => void, untilMs: number): void {
    if (this.isNone) return settle("remembered");
    const unlogged = this.unloggedOf(record);
    if (this.isAway && unlogged.count > 0 && !record.isAhead) this.fall([record]);
    if (record.isAhead) {
      this.keepForHealing(record, unlogged);
      return settle("counted");
    }
    const isCounted = this.isCounted(record);
    if (unlogged.count > 0) {
      this.commits.push(record, rows);
      if (!isCounted) return this.commits.waitForNext(record, settle, untilMs);
    } else if (!isCounted && this.commits.waitForNewest(record, settle, untilMs)) return;
    settle(isCounted ? "counted" : "remembered");
  }

  /** R14: see `Recorder.whenProven`. */
  whenProven(record: HeldRecord, settle: (fate: Fate) => void, untilMs: number): void {
    if (this.isAway || record.isAhead || this.isCounted(record))
      return this.whenRemembered(record, 0, () => settle("counted"), untilMs);
    this.commits.push(record, 0);
    this.commits.waitForNext(record, settle, untilMs);
  }

  /** R4: these records may lack something; all of them where they share one file. With durability `none` nothing is ever ahead. */
  fall(records: readonly HeldRecord[]): void {
    if (this.isNone) return;
    for (const record of this.ports.store.isOneFile ? this.records : records) {
      this.change(record, () => record.fall());
      this.unloggedOf(record).clear();
    }
    this.commits.takeOut(({ isAhead, state }) => isAhead && state !== "proving"); // what proves has to be sent
  }

  /** R4: see `Recorder.onStoreLost`. */
  onStoreLost(error: Error): void {
    this.faults.tell(error);
    this.fall(this.records);
  }

  /** R15: nobody knows whether the store still has these claims: they have to be taken again. */
  loseClaims(records: readonly HeldRecord[]): void {
    this.fall(records);
    for (const record of records) this.change(record, () => record.loseClaim());
  }

  /** The store can be written again, as far as is known: healing does not wait for its pause to end. */
  resume(): void {
    this.faults.resume();
  }

  tick(nowMs: number): void {
    this.commits.tick();
    this.snapshots.start(nowMs);
  }

  get isIdle(): boolean {
    return this.commits.isIdle && this.snapshots.isIdle && this.aheadCount === 0;
  }

  /** See `TagSnapshots.heal`. */
  async heal(record: HeldRecord, write: Write): ReturnType<TagSnapshots["heal"]> {
    return this.snapshots.heal(record, write);
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
    return this.faults.isFailing && this.aheadCount > 0 && !this.ports.store.isOneFile;
  }

  /** R4: from the copy of the snapshot that heals it on, rows are kept for the log; before that it covers them. */
  private keepForHealing(record: HeldRecord, unlogged: RowBuffer): void {
    if (unlogged.count > ROWS_KEPT_MAX && record.isKeeping) this.fall([record]); // it took too long: heal anew
    if (!record.isKeeping) unlogged.clear();
  }

  private unloggedOf({ partition }: HeldRecord): RowBuffer {
    return (this.engine.partitions[partition] as Partition).unlogged;
  }

  private writtenAtMs(): number {
    return this.engine.writtenAtMs(this.ports.nowMs(), this.ports.wallMs());
  }

  private onAnswered(parts: readonly Part[], answers: readonly AppendAnswer[], tookMs: number): void {
    this.totals.commits++;
    this.totals.commitMs = tookMs;
    this.faults.isFull = false;
    for (const [index, { record, claim, proves, bytes }] of parts.entries()) {
      if (!record.isHeld || record.claim !== claim) continue; // dropped, or taken again, since
      const answer = answers[index] as AppendAnswer;
      if (answer === "landed") record.loggedBytes += bytes;
      const isProven = answer === "landed" && record.state === "proving" && record.healings === proves;
      if (isProven) this.level(record);
      else if (answer !== "landed") this.onRefused(record, answer);
    }
  }

  private onFailed(records: readonly HeldRecord[], error: unknown): void {
    this.faults.note(error);
    this.fall(records.filter(({ isHeld }) => isHeld));
  }

  private onRefused(record: HeldRecord, answer: "superseded" | "behind"): void {
    if (answer === "superseded") return this.ports.onSuperseded(record.partition);
    this.faults.tell(new Error(`The store lost a part of the log of partition ${record.partition}`));
    this.fall([record]);
  }

  /** R4: the snapshot has landed; the append behind it carries what was kept since its copy. */
  private prove(record: HeldRecord): void {
    record.beginProving();
    this.commits.push(record, this.unloggedOf(record).count);
  }

  /** R4: what was kept since the copy has landed; what came since goes with the next append. */
  private level(record: HeldRecord): void {
    this.change(record, () => record.level());
    this.faults.onWritten();
    if (this.aheadCount === 0) this.ports.onStoreHealed();
    const { count } = this.unloggedOf(record);
    if (count > 0) this.commits.push(record, count);
  }
}
