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
import { isListed, isListedPeer } from "../ports/view.ts";
import { newestMsOf, type ReadRecord, readRecord, sizeOf } from "../records/recovery.ts";
import type { RunGuard } from "../records/run-guard.ts";

/** A record as it was read. */
export interface RecordAhead {
  readonly standing: Standing;
  /** R15: under which it was read. */
  readonly run: Run | undefined;
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
  readonly atTurnEnd: (task: () => void) => void;
  readonly nowMs: () => number;
  readonly wallMs: () => number;
}

export interface ReadAheadOptions {
  readonly partitions: number;
  readonly leaseMs: number;
  /** Of all tables that are read ahead: what is beyond is loaded when it is claimed. */
  readonly bytesMax?: number;
}

const BYTES_MAX = 64 * 1024 * 1024;
/** Records of one call. */
const READ_AT_ONCE_MAX = 16;
/** So long tables are made in one turn of the event loop: this node goes on serving, and its renewals say who is dead. */
const TURN_MS = 10;

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
  private bytes = 0;
  private turnBeganMs = -Infinity;

  constructor(ports: ReadAheadPorts, options: ReadAheadOptions) {
    this.ports = ports;
    this.options = options;
    this.bytesMax = options.bytesMax ?? BYTES_MAX;
  }

  /** What was read of a partition whose holder is listed no more. */
  of(partition: PartitionIndex): RecordAhead | undefined {
    const ahead = this.records.get(partition);
    const holder = ahead?.standing.claim?.incarnation;
    return holder === undefined || isListed(this.ports.membership.view, holder) ? undefined : ahead;
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
    const { guard, nowMs } = this.ports;
    if (this.reading.has(tag)) return;
    this.reading.add(tag);
    for (let some = this.next(tag); some.length > 0; some = this.next(tag)) {
      for (const partition of some) this.asked.add(partition);
      const found = await guard.read(some).catch(() => []); // the store's faults are told by who writes to it
      const run = guard.runOf(tag);
      await this.turnEnd();
      for (const [index, each] of found.entries()) {
        await this.keep(some[index] as PartitionIndex, each, run);
        if (nowMs() - this.turnBeganMs >= TURN_MS) await this.turnEnd();
      }
    }
    this.reading.delete(tag);
  }

  private async turnEnd(): Promise<void> {
    await new Promise<void>((resolve) => this.ports.atTurnEnd(resolve));
    this.turnBeganMs = this.ports.nowMs();
  }

  private next(tag: number): PartitionIndex[] {
    const { guard } = this.ports;
    if (this.bytes >= this.bytesMax) return [];
    const isDue = (partition: PartitionIndex): boolean =>
      guard.tagOf(partition) === tag && !this.asked.has(partition) && guard.isOpenFor(partition);
    return this.expected().filter(isDue).slice(0, READ_AT_ONCE_MAX);
  }

  private async keep(
    partition: PartitionIndex,
    { standing, record }: FoundRecord,
    run: Run | undefined,
  ): Promise<void> {
    const holder = standing.claim?.incarnation;
    if (record === undefined || holder === undefined || !this.isAwaited(holder)) return;
    const { messages, damage } = await readRecord(record, this.ports.decompress);
    if (damage !== undefined || !this.isAwaited(holder)) return; // what is damaged is told when it is claimed
    const copy = this.copyOf(partition, messages);
    if (copy === undefined) return;
    this.drop(partition);
    this.records.set(partition, { standing, run, copy, newestMs: newestMsOf(messages), storedBytes: sizeOf(record) });
    this.bytes += copy.bytes;
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
