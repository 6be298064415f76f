/** Fills a partition that was claimed from its record (R1, R26): as the claim's answer brought it, or as it was read ahead. */
import type { DecodedRows } from "../../engine/codec.ts";
import type { Engine } from "../../engine/engine.ts";
import type { PartitionIndex } from "../ports/record-store.ts";
import type { SharedClaimAnswer } from "../ports/shared-records.ts";
import { newestMsOf, type ReadRecord, readRecord, sizeOf } from "../records/recovery.ts";
import type { RecordAhead } from "./read-ahead.ts";

export type FillingEvent =
  | { readonly kind: "unreadable record"; readonly partition: PartitionIndex; readonly reason: string }
  | { readonly kind: "lost partition"; readonly partition: PartitionIndex; readonly reason: string };

export interface FillingPorts {
  readonly engine: Engine;
  readonly decompress: (snapshot: Uint8Array) => Promise<Uint8Array>;
  readonly nowMs: () => number;
  readonly wallMs: () => number;
  readonly tell: (event: FillingEvent) => void;
}

export interface FillingOptions {
  readonly sessionMs: number;
  readonly graceMs: number;
  /** Whether to go on without what is damaged in a record. */
  readonly isRepair: boolean;
}

/** What is in a partition that was filled. */
export interface Filled {
  /** R26: until then nobody knows who is still there. */
  readonly doubtUntilMs: number;
  /** R4: what is damaged must be replaced before anything is promised again. */
  readonly isAhead: boolean;
  readonly storedBytes: number;
}

export class Filling {
  /** Partitions whose record the store had lost (R12). */
  lost = 0;
  /** Why records cannot be read that this node should serve from. */
  readonly unreadable = new Map<PartitionIndex, string>();
  private readonly ports: FillingPorts;
  private readonly options: FillingOptions;

  constructor(ports: FillingPorts, options: FillingOptions) {
    this.ports = ports;
    this.options = options;
  }

  /** What a claim's answer brought. */
  async read(answer: SharedClaimAnswer): Promise<ReadRecord> {
    const record = answer.kind === "claimed" ? answer.record : undefined;
    return record === undefined ? { messages: [], damage: undefined } : readRecord(record, this.ports.decompress);
  }

  /** @returns undefined where it cannot be read: its players are answered by nobody until somebody mends the record */
  fill(
    partition: PartitionIndex,
    { record, isLost }: SharedClaimAnswer & { readonly kind: "claimed" },
    { messages, damage }: ReadRecord,
  ): Filled | undefined {
    if (isLost) this.noteLoss(partition, "the store has no record of it");
    const refusal = damage ?? this.refill(partition, messages);
    if (refusal !== undefined && !(this.options.isRepair && this.refill(partition, messages) === undefined)) {
      this.noteUnreadable(partition, refusal);
      return undefined;
    }
    if (refusal !== undefined) this.noteLoss(partition, refusal.message);
    return this.filled(newestMsOf(messages), { isAhead: refusal !== undefined, storedBytes: sizeOf(record) });
  }

  fillAhead({ copy, newestMs, storedBytes }: RecordAhead): Filled {
    copy.install(this.options.graceMs);
    return this.filled(newestMs, { isAhead: false, storedBytes });
  }

  private filled(newestMs: number, what: Omit<Filled, "doubtUntilMs">): Filled {
    const { wallMs, nowMs } = this.ports;
    // R26: where all were silent longer than a session, nobody knows who is still there until the grace is over.
    const isDoubtful = newestMs > -Infinity && wallMs() - newestMs > this.options.sessionMs;
    return { ...what, doubtUntilMs: isDoubtful ? nowMs() + this.options.graceMs : -Infinity };
  }

  /** @returns why these rows cannot be taken */
  private refill(partition: PartitionIndex, messages: readonly DecodedRows[]): Error | undefined {
    try {
      this.ports.engine.recover(partition, messages, this.ports.wallMs(), this.options.graceMs);
      return undefined;
    } catch (error) {
      return error as Error;
    }
  }

  private noteUnreadable(partition: PartitionIndex, { message: reason }: Error): void {
    if (!this.unreadable.has(partition)) this.ports.tell({ kind: "unreadable record", partition, reason });
    this.unreadable.set(partition, reason);
  }

  private noteLoss(partition: PartitionIndex, reason: string): void {
    this.lost++;
    this.ports.tell({ kind: "lost partition", partition, reason });
  }
}
