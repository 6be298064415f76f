/**
 * R1, R10: a peer whose port was found closed is expelled when its licence is over, half a second later. In that time this
 * node reads the records of the partitions that it will own then, so that claims without content are all that is left to do.
 * Nothing is claimed before, since the peer may live. What was read counts only if the claim's answer says that the record
 * still is what was read.
 */
import type { Engine } from "../../engine/engine.ts";
import { RecordCopy } from "../../engine/record-copy.ts";
import type { Membership } from "../members/membership.ts";
import { type Placement, placementOf } from "../members/placement.ts";
import { isSameClaim, type PartitionIndex } from "../ports/record-store.ts";
import type { FoundRecord, Run, Standing } from "../ports/shared-records.ts";
import { isListed, isListedPeer, type View } from "../ports/view.ts";
import { newestMsOf, type ReadRecord, readRecord, sizeOf } from "../records/recovery.ts";
import type { RunGuard } from "../records/run-guard.ts";
import type { Turns } from "./turns.ts";

/** A record as it was read. */
export interface RecordAhead {
  readonly standing: Standing;
  /** R15: under which it was read. */
  readonly run: Run;
  /** The table that it makes. */
  readonly copy: RecordCopy;
  /** When the newest of its rows were written, in milliseconds since 1970; -Infinity where it has none. */
  readonly newestMs: number;
  readonly storedBytes: number;
}

export interface ReadAheadPorts {
  readonly engine: Engine;
  readonly membership: Pick<Membership, "view" | "me">;
  readonly guard: Pick<RunGuard, "read" | "runOf" | "tagOf" | "isOpenFor">;
  readonly placement: () => Placement;
  readonly decompress: (snapshot: Uint8Array) => Promise<Uint8Array>;
  readonly turns: Turns;
  readonly nowMs: () => number;
  readonly wallMs: () => number;
}

export interface ReadAheadOptions {
  readonly partitions: number;
  readonly leaseMs: number;
  /** Of all that is read ahead, tables and records that wait to become one: what is beyond is loaded when it is claimed. */
  readonly bytesMax?: number;
}

const BYTES_MAX = 64 * 1024 * 1024;
/** Records of one call. */
const READ_AT_ONCE_MAX = 16;

export class ReadAhead {
  private readonly ports: ReadAheadPorts;
  private readonly options: ReadAheadOptions;
  private readonly bytesMax: number;
  /** Peers whose port was found closed, and when. */
  private readonly closed = new Map<string, number>();
  private readonly records = new Map<PartitionIndex, RecordAhead>();
  /** Partitions that were read, or could not be, since their owner's port was found closed. */
  private readonly asked = new Set<PartitionIndex>();
  /** Tags with a call under way. */
  private readonly reading = new Set<number>();
  /** Partitions that no view since has given to another than who held them and this node. */
  private readonly untaken = new Set<PartitionIndex>();
  private epoch: number;
  private bytes = 0;

  constructor(ports: ReadAheadPorts, options: ReadAheadOptions) {
    this.ports = ports;
    this.options = options;
    this.bytesMax = options.bytesMax ?? BYTES_MAX;
    this.epoch = ports.membership.view.epoch;
  }

  /** What was read of a partition whose holder is listed no more. */
  of(partition: PartitionIndex): RecordAhead | undefined {
    const ahead = this.records.get(partition);
    const holder = ahead?.standing.claim?.incarnation;
    return holder === undefined || isListed(this.ports.membership.view, holder) ? undefined : ahead;
  }

  /**
   * What stands of a partition whose holder is listed no more, as if the store were asked now: no other run and no view that is
   * known or was left out can have brought another claim since.
   */
  standingOf(partition: PartitionIndex): Standing | undefined {
    const { guard } = this.ports;
    const ahead = this.of(partition);
    const isSure = this.untaken.has(partition) && ahead?.run === guard.runOf(guard.tagOf(partition));
    return isSure ? ahead?.standing : undefined;
  }

  /** Whoever owns a partition by a view may have claimed it: so may anybody by a view that this node has not seen. */
  onView(): void {
    const { membership, placement } = this.ports;
    const { view, me } = membership;
    const isNext = view.epoch === this.epoch + 1;
    this.epoch = view.epoch;
    for (const partition of this.untaken) {
      const owner = placement().partitionOwner(partition);
      const holder = this.records.get(partition)?.standing.claim?.incarnation;
      if (!isNext || (owner !== me.incarnation && owner !== holder)) this.untaken.delete(partition);
    }
  }

  /** A peer's port was found closed. */
  onClosed(incarnation: string): void {
    const { membership, placement, guard, nowMs } = this.ports;
    if (!isListedPeer(membership.view, membership.me.incarnation, incarnation)) return;
    this.closed.set(incarnation, nowMs());
    for (const partition of placement().partitionsOf(incarnation)) {
      this.drop(partition);
      this.asked.delete(partition);
    }
    for (const tag of new Set(this.expected().map((partition) => guard.tagOf(partition)))) void this.readTag(tag);
  }

  /** Forgets peers that nobody has expelled for a lease, and what was read of theirs. */
  tick(): void {
    if (this.closed.size === 0) return;
    const nowMs = this.ports.nowMs();
    for (const [incarnation, atMs] of this.closed) {
      if (nowMs - atMs <= this.options.leaseMs) continue;
      this.closed.delete(incarnation);
      for (const [partition, { standing }] of this.records)
        if (standing.claim?.incarnation === incarnation) this.drop(partition);
    }
    if (this.closed.size === 0) this.asked.clear();
  }

  /** It is served, or what was read of it is not what stands. */
  drop(partition: PartitionIndex): void {
    const copy = this.records.get(partition)?.copy;
    if (copy === undefined) return;
    copy.drop();
    this.bytes -= copy.bytes;
    this.records.delete(partition);
    this.untaken.delete(partition);
  }

  /** What this node will own, once those are expelled whose port was found closed, of what they own now. */
  private expected(): PartitionIndex[] {
    const { membership, placement } = this.ports;
    const { view, me } = membership;
    const isClosed = (incarnation: string | undefined): boolean =>
      incarnation !== undefined && this.closed.has(incarnation);
    const members = view.members.filter(({ incarnation }) => !isClosed(incarnation));
    const after = placementOf({ ...view, members }, this.options.partitions);
    return after.partitionsOf(me.incarnation).filter((partition) => isClosed(placement().partitionOwner(partition)));
  }

  private async readTag(tag: number): Promise<void> {
    if (this.reading.has(tag)) return;
    this.reading.add(tag);
    try {
      for (let some = this.next(tag); some.length > 0; some = this.next(tag)) if (!(await this.readSome(some))) break;
    } finally {
      this.reading.delete(tag);
    }
  }

  /** @returns false where the store does not answer, or there is no more room */
  private async readSome(partitions: readonly PartitionIndex[]): Promise<boolean> {
    const { guard, membership, turns } = this.ports;
    const { view } = membership;
    for (const partition of partitions) this.asked.add(partition);
    try {
      const { run, found } = await guard.read(partitions);
      for (const [index, each] of found.entries()) {
        while (turns.isOver) await turns.next();
        if (!(await this.keep(partitions[index] as PartitionIndex, each, run, view))) return false;
      }
      return true;
    } catch {
      // What is not read ahead is loaded when it is claimed, and whoever does that tells what is wrong.
      for (const partition of partitions) if (!this.records.has(partition)) this.asked.delete(partition);
      return false;
    }
  }

  private next(tag: number): PartitionIndex[] {
    const { guard } = this.ports;
    if (this.bytes >= this.bytesMax) return [];
    const isDue = (partition: PartitionIndex): boolean =>
      guard.tagOf(partition) === tag && !this.asked.has(partition) && guard.isOpenFor(partition);
    return this.expected().filter(isDue).slice(0, READ_AT_ONCE_MAX);
  }

  /** @param asked the view when the store was asked. @returns false where there is no room for it */
  private async keep(partition: PartitionIndex, found: FoundRecord, run: Run, asked: View): Promise<boolean> {
    const { decompress, turns, membership, placement } = this.ports;
    const { standing, record } = found;
    const holder = standing.claim?.incarnation;
    if (record === undefined || holder === undefined || !this.isAwaited(holder)) return true;
    const storedBytes = sizeOf(record);
    if (!this.hasRoom(storedBytes)) return false;
    this.bytes += storedBytes;
    const read = await readRecord(record, decompress);
    while (turns.isOver) await turns.next();
    this.bytes -= storedBytes;
    if (read.damage !== undefined || !this.isAwaited(holder)) return true; // what is damaged is told when it is claimed
    const copy = this.copyOf(partition, read.messages);
    if (copy === undefined) return true;
    this.drop(partition);
    if (!this.hasRoom(copy.bytes)) {
      copy.drop();
      return false;
    }
    this.records.set(partition, { standing, run, copy, newestMs: newestMsOf(read.messages), storedBytes });
    this.bytes += copy.bytes;
    if (asked === membership.view && placement().partitionOwner(partition) === holder) this.untaken.add(partition);
    return true;
  }

  private hasRoom(bytes: number): boolean {
    return this.bytes + bytes <= this.bytesMax;
  }

  /** Whether its port was found closed, and it is not expelled yet: after that its records are claimed with what they hold. */
  private isAwaited(incarnation: string): boolean {
    return this.closed.has(incarnation) && isListed(this.ports.membership.view, incarnation);
  }

  /** @returns undefined where the rows cannot be taken in */
  private copyOf(partition: PartitionIndex, messages: ReadRecord["messages"]): RecordCopy | undefined {
    const copy = new RecordCopy(this.ports.engine, partition);
    try {
      for (const message of messages) copy.replay(message, Math.max(0, this.ports.wallMs() - message.writtenAtMs));
      return copy;
    } catch {
      copy.drop();
      return undefined;
    }
  }
}

/** R1: whether the record that was claimed is what was read, byte for byte. */
export function isAsRead({ standing, run }: RecordAhead, before: Standing, claimedRun: Run | undefined): boolean {
  if (before.claim === undefined || !isSameClaim(standing.claim, before.claim) || run !== claimedRun) return false;
  return before.length === standing.length && before.snapshotNumber === standing.snapshotNumber;
}
