/**
 * Keeps the records of the partitions held here up to date in the store: group commit (R2), snapshots (R3), what happens
 * when the store fails (R4), and when an answer may leave (R5). A state machine: the store, the encoder, the clock and the
 * end of the turn come in; nothing here waits or sleeps. The work is done tag by tag (tag-recorder.ts).
 */
import type { Engine, TableCopy } from "../../engine/engine.ts";
import type { Partition } from "../../engine/partition.ts";
import type {
  AppendAnswer,
  Commit,
  FoundedAppend,
  FoundedClaim,
  PartitionIndex,
  RecordStore,
} from "../ports/record-store.ts";
import { type Claimed, HeldRecord } from "./held-record.ts";
import type { SnapshotOptions } from "./snapshot-due.ts";
import { TagRecorder } from "./tag-recorder.ts";
import type { TagSnapshots, Write } from "./tag-snapshots.ts";

/** What may be told of a change: `remembered`, it outlives this process; `counted`, it cannot be stored just now. */
export type Remembrance = "remembered" | "counted";
/** `lost`: the partition is not held here any more, so nobody knows what became of the change. */
export type Fate = Remembrance | "lost";

/** What the recorder needs of a store, alone or shared. A call names partitions of one tag. */
export interface RecorderStore extends Pick<RecordStore, "isOneFile"> {
  append(commit: Commit<FoundedAppend>): Promise<readonly AppendAnswer[]>;
  /** The bytes are given away. */
  snapshot(
    partition: PartitionIndex,
    claim: FoundedClaim,
    snapshot: Parameters<RecordStore["snapshot"]>[2],
  ): ReturnType<RecordStore["snapshot"]>;
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
  /** Told of each fault of the store, and when nothing of a tag is ahead any more. */
  onStoreFault(error: unknown): void;
  onStoreHealed(): void;
  /** R6: another process took the partition. */
  onSuperseded(partition: PartitionIndex): void;
  /**
   * R2: the store knows no such claim. True where it stands again, so that a snapshot can heal the record; false where
   * somebody else sees to it (R15).
   */
  reclaim(record: HeldRecord): Promise<boolean>;
}

export interface RecorderOptions extends SnapshotOptions {
  /** Of all partitions from the start; undefined where each is adopted when it was taken. */
  readonly claim: FoundedClaim | undefined;
  /** How many tags the records lie under. */
  readonly tagsCount: number;
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
  /** Time the latest commit took, in milliseconds. */
  commitMs: number;
}

/** Rows that may wait for the store, 28 bytes each; past it reports are refused. */
const ROWS_WAITING_MAX = 1 << 18;

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
  private readonly engine: Engine;
  private readonly ports: RecorderPorts;
  private readonly options: RecorderOptions;
  private readonly records: (HeldRecord | undefined)[];
  private readonly tags: readonly TagRecorder[];
  private readonly madeAtMs: number;

  constructor(engine: Engine, ports: RecorderPorts, options: RecorderOptions) {
    this.engine = engine;
    this.ports = ports;
    this.options = options;
    this.madeAtMs = ports.nowMs();
    this.tags = Array.from({ length: options.tagsCount }, () => new TagRecorder(engine, ports, options, this.totals));
    this.records = engine.partitions.map(() => undefined);
    const { claim } = options;
    if (claim === undefined) return;
    const spreadMs = options.sessionMs / 3 / engine.partitions.length; // else all would be due at the same time
    for (const partition of engine.partitions.keys()) {
      const record = this.adopt({ partition, claim });
      record.snapshotAtMs = this.madeAtMs - partition * spreadMs;
    }
  }

  /** Partitions that are ahead (R4). */
  get aheadCount(): number {
    return this.options.durability === "none" ? 0 : this.tags.reduce((sum, { aheadCount }) => sum + aheadCount, 0);
  }

  /** True while no more rows can be taken: reports are refused. */
  get isFull(): boolean {
    return this.rowsQueued >= ROWS_WAITING_MAX;
  }

  /** Of the rows that may be queued. */
  get queuedShare(): number {
    return this.rowsQueued / ROWS_WAITING_MAX;
  }

  get rowsQueued(): number {
    let rows = 0;
    for (const { commits } of this.tags) rows += commits.rowsWaiting;
    return rows;
  }

  /** The longest time since a partition's snapshot, in milliseconds, of those that changed since. */
  get snapshotLagMs(): number {
    const nowMs = this.ports.nowMs();
    let lagMs = 0;
    for (const [partition, record] of this.records.entries())
      if (record !== undefined && (this.engine.partitions[partition] as Partition).isTouched)
        lagMs = Math.max(lagMs, nowMs - Math.max(record.snapshotAtMs, this.madeAtMs));
    return lagMs;
  }

  /** The record of a partition that is held here. */
  recordOf(partition: PartitionIndex): HeldRecord | undefined {
    return this.records[partition];
  }

  /**
   * R5: calls `settle` once every row that the partition has applied so far is in the log, perhaps at once.
   * To be called after every change, with the number of rows it may have brought.
   * @param untilMs `counted` is told then at the latest, and within a deadline: who waits may have waited before
   */
  whenRemembered(partition: PartitionIndex, rows: number, settle: (fate: Fate) => void, untilMs = Infinity): void {
    const record = this.records[partition];
    if (record === undefined) return settle("lost");
    this.tagOf(partition).whenRemembered(record, rows, settle, untilMs);
  }

  /**
   * R14: calls `settle` once an append that is sent from now on has landed, which proves that the claim still stands;
   * `counted` where the store cannot be written. Brings whatever waits for the log with it.
   * @param untilMs as for `whenRemembered`
   */
  whenProven(partition: PartitionIndex, settle: (fate: Fate) => void, untilMs = Infinity): void {
    const record = this.records[partition];
    if (record === undefined) return settle("lost");
    this.tagOf(partition).whenProven(record, settle, untilMs);
  }

  /**
   * Begins to write a partition's record, as the store said that it stands.
   * @param state R15: `claim lost` where it was claimed under another run than the present one
   */
  adopt(claimed: Claimed, state: "level" | "ahead" | "claim lost" = "level"): HeldRecord {
    const { partition } = claimed;
    this.drop(partition);
    const record = new HeldRecord(claimed, this.ports.nowMs());
    if (state === "ahead" && this.options.durability !== "none") record.fall();
    if (state === "claim lost") record.loseClaim();
    this.records[partition] = record;
    this.tagOf(partition).add(record);
    return record;
  }

  /** Stops writing a partition's record; who waits for it is told `lost`. */
  drop(partition: PartitionIndex): void {
    const record = this.records[partition];
    if (record === undefined) return;
    this.records[partition] = undefined;
    this.tagOf(partition).drop(record);
  }

  /** R4: whether the partition knows more than its record. */
  isPartitionAhead(partition: PartitionIndex): boolean {
    return this.options.durability !== "none" && (this.records[partition]?.isAhead ?? false);
  }

  /** R15: nobody knows what the store still has under these tags, so all of it has to be taken again. */
  loseClaims(isOf: (partition: PartitionIndex) => boolean): void {
    for (const record of this.records)
      if (record !== undefined && isOf(record.partition)) this.tagOf(record.partition).loseClaims([record]);
  }

  /** R4: what was written is lost, as far as is known, though no call failed: everything is snapshotted. */
  onStoreLost(error: Error): void {
    for (const tag of this.tags) tag.onStoreLost(error);
  }

  /** R15: writes a partition's whole table in a way of the caller's own; see `TagSnapshots.heal`. */
  async heal(record: HeldRecord, write: Write): ReturnType<TagSnapshots["heal"]> {
    return this.tagOf(record.partition).heal(record, write);
  }

  /** A tag can be written again, as far as is known: healing does not wait for its pause to end. */
  resume(tag: number): void {
    this.tags[tag]?.resume();
  }

  /** Gives up what takes too long, and takes the snapshots that are due. To be called some 50 times a second. */
  tick(): void {
    const nowMs = this.ports.nowMs();
    for (const tag of this.tags) tag.tick(nowMs);
  }

  /** Settles once everything is stored, ages too, or `withinMs` have passed; false then. */
  async drain(withinMs: number, pause: () => Promise<void>): Promise<boolean> {
    const untilMs = this.ports.nowMs() + withinMs;
    this.hurry([...this.records.keys()]);
    while (this.ports.nowMs() < untilMs) {
      this.tick();
      if (this.isIdle) return true;
      await pause();
    }
    return false;
  }

  /** These partitions are due for a snapshot, for the ages in it too. */
  hurry(partitions: readonly PartitionIndex[]): void {
    for (const partition of partitions) {
      const record = this.records[partition];
      if (record !== undefined) record.snapshotAtMs = -Infinity;
    }
  }

  /** Whether everything is stored, and the snapshots taken that were hurried. */
  get isIdle(): boolean {
    const isNone = this.options.durability === "none";
    if (!this.tags.every((tag) => tag.isIdle || (isNone && tag.commits.isIdle))) return false;
    return isNone || this.records.every((record) => record === undefined || !this.isUnstored(record));
  }

  private isUnstored({ partition, snapshotAtMs }: HeldRecord): boolean {
    return (this.engine.partitions[partition] as Partition).isTouched && snapshotAtMs === -Infinity;
  }

  private tagOf(partition: PartitionIndex): TagRecorder {
    return this.tags[partition % this.tags.length] as TagRecorder;
  }
}
