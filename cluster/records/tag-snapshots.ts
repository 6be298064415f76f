/** Snapshots of the records of one tag: which is taken next (R3), and how one heals what is ahead (R4). */
import type { Engine } from "../../engine/engine.ts";
import type { Partition } from "../../engine/partition.ts";
import type { SnapshotAnswer } from "../ports/record-store.ts";
import type { CommitQueue } from "./commit-queue.ts";
import type { HeldRecord } from "./held-record.ts";
import type { RecorderPorts, RecorderTotals } from "./recorder.ts";
import { isSnapshotDue, type SnapshotOptions } from "./snapshot-due.ts";
import type { TagFaults } from "./tag-faults.ts";

/** How a copy of the whole reaches the store; answers as a snapshot does, `undefined` where it was not sent after all. */
export type Write = (snapshot: {
  readonly covers: number;
  readonly bytes: Uint8Array;
}) => Promise<SnapshotAnswer | undefined>;

export interface TagSnapshotsPorts {
  readonly engine: Engine;
  readonly world: RecorderPorts;
  readonly options: SnapshotOptions;
  readonly totals: RecorderTotals;
  /** All of the tag. */
  readonly records: readonly HeldRecord[];
  readonly commits: Pick<CommitQueue, "isStuck" | "settled">;
  readonly faults: TagFaults;
  readonly writtenAtMs: () => number;
  /** R4: the record may lack something. */
  readonly fall: (record: HeldRecord) => void;
  /** R15: the store does not know the claim. */
  readonly loseClaim: (record: HeldRecord) => void;
  /** R4: a snapshot of what was ahead has landed. */
  readonly onHealed: (record: HeldRecord) => void;
  /** The store did not write the record. */
  readonly onRefused: (record: HeldRecord, answer: "superseded" | "behind") => void;
}

const NOTHING = new Uint8Array(0);
const AT_ONCE = 2; // one is encoded while the other is written

export class TagSnapshots {
  private readonly ports: TagSnapshotsPorts;
  private underWay = 0;
  /** Index of the record to be looked at next. */
  private next = 0;

  constructor(ports: TagSnapshotsPorts) {
    this.ports = ports;
  }

  get isIdle(): boolean {
    return this.underWay === 0;
  }

  /** Takes those that are due. */
  start(nowMs: number): void {
    const { engine, records, commits, faults, options } = this.ports;
    // While the store fails one probe at a time looks for its return.
    const limit = faults.isFailing ? 1 : AT_ONCE;
    if (faults.isPaused(nowMs) || commits.isStuck) return;
    for (let looked = 0; looked < records.length && this.underWay < limit; looked++) {
      const record = records[this.next % records.length] as HeldRecord;
      this.next = (this.next + 1) % records.length;
      const { isTouched } = engine.partitions[record.partition] as Partition;
      if (isSnapshotDue(record, isTouched, options, nowMs)) void this.take(record);
    }
  }

  /**
   * Writes a copy of a record's whole table; rows that come meanwhile are kept for the append behind it.
   * @param write sends it to the store; where the claim was lost, together with another claim (R15)
   * @returns what became of it; `undefined` where the record was dropped or copied anew meanwhile, or nobody knows
   */
  async heal(record: HeldRecord, write: Write): Promise<SnapshotAnswer | undefined> {
    const isLost = record.state === "claim lost";
    const { loggedBytes } = record;
    const copy = record.beginCopy();
    const covers = this.begin(record);
    const appended = this.ports.commits.settled;
    const isOver = (): boolean => !record.isHeld || !record.isNewestCopy(copy);
    const undo = (): undefined => {
      this.partitionOf(record).isTouched = true;
      record.loggedBytes += loggedBytes;
      if (isLost) this.ports.loseClaim(record);
      else this.ports.fall(record);
    };
    try {
      const bytes = await this.ports.world.encode(this.ports.engine.copy(record.partition, this.ports.writtenAtMs()));
      await appended; // it covers what that append carries, which may reach the store on another way
      if (isOver()) return undefined;
      const { length } = bytes; // they are given away
      const answer = await write({ covers, bytes });
      if (isOver()) return undefined;
      if (answer === undefined) return undo();
      this.onAnswered(record, answer, length);
      return answer;
    } catch (error) {
      this.ports.faults.note(error);
      return isOver() ? undefined : undo();
    } finally {
      record.endCopy(copy);
      this.underWay--;
    }
  }

  /** @returns the length that the copy covers */
  private begin(record: HeldRecord): number {
    const partition = this.partitionOf(record);
    this.underWay++;
    if (record.isAhead) {
      record.beginHealing();
      partition.unlogged.clear();
    }
    record.snapshotAtMs = this.ports.world.nowMs();
    record.loggedBytes = 0;
    partition.isTouched = false;
    return record.length;
  }

  /** One copy of a partition at a time, so that an older one never follows a newer one. */
  private async take(record: HeldRecord): Promise<void> {
    const { world } = this.ports;
    const coversAll = record.isAhead;
    const storedBytes = record.snapshotBytes + record.loggedBytes;
    const answer = await this.heal(record, async ({ covers, bytes }) => {
      const { claim } = record;
      if (this.ports.faults.isFull && coversAll && bytes.length >= storedBytes) await this.askForRoom(record);
      if (record.claim !== claim) return undefined; // it was taken again meanwhile
      const number = ++record.snapshotNumber;
      return world.store.snapshot(record.partition, claim, { number, covers, coversAll, bytes });
    });
    if (answer === "behind" && coversAll && record.isHeld) await this.reclaim(record);
    this.start(world.nowMs());
  }

  /** R4: a store that takes snapshots but no appends, as a full Redis does, would fill up further. Rejects where it is. */
  private async askForRoom({ partition, claim, length: from }: HeldRecord): Promise<void> {
    const { world, faults } = this.ports;
    await world.store.append({ appends: [{ partition, claim, from, bytes: 0 }], headBytes: 0, content: NOTHING });
    faults.isFull = false;
  }

  private async reclaim(record: HeldRecord): Promise<void> {
    const { world, faults, loseClaim } = this.ports;
    // Alone nobody should have taken it away, so it is told; shared, the next snapshot may land at once.
    if (world.store.isOneFile) faults.note(new Error(`The store lost the claim of partition ${record.partition}`));
    loseClaim(record);
    try {
      if (await world.reclaim(record)) record.regainClaim();
    } catch (error) {
      faults.note(error);
      record.regainClaim();
    }
  }

  private onAnswered(record: HeldRecord, answer: SnapshotAnswer, bytes: number): void {
    const { totals, faults } = this.ports;
    if (typeof answer === "object") return this.onOutnumbered(record, answer.standing);
    if (answer !== "landed") {
      this.ports.onRefused(record, answer);
      if (record.state === "healing") this.ports.fall(record);
      return;
    }
    totals.snapshots++;
    totals.snapshotBytes += bytes - record.snapshotBytes;
    record.snapshotBytes = bytes;
    if (record.state !== "healing") return faults.onWritten();
    this.ports.onHealed(record);
  }

  /** R3: numbers go on above the one that stands, after a pause. */
  private onOutnumbered(record: HeldRecord, standing: number): void {
    record.snapshotNumber = Math.max(record.snapshotNumber, standing);
    this.ports.faults.note(new Error(`Snapshot of partition ${record.partition} refused: number ${standing} stands`));
    this.ports.fall(record);
  }

  private partitionOf({ partition }: HeldRecord): Partition {
    return this.ports.engine.partitions[partition] as Partition;
  }
}
