/**
 * The partitions' records in a store that several nodes share (R1 to R4, R14, R15).
 *
 * Records lie under hash tags: partition p under tag p % tagsCount. A call names partitions of one tag, so that it is one
 * atomic script, and so that a tag that is away holds up no other. Each names the run that its caller believes in and
 * rejects with `OtherRunError` under another; it rejects with `StoreUnavailableError` where nobody knows what became of it.
 */
import { invariant } from "../../engine/invariant.ts";
import type {
  Append,
  AppendAnswer,
  Commit,
  FoundedAppend,
  FoundedClaim,
  PartitionIndex,
  PartitionRecord,
  Snapshot,
  SnapshotAnswer,
} from "./record-store.ts";

/**
 * R9, R12, R15: what every call names and is refused without: the master that has the hash, the history of the list, and the
 * mark of the key. The master's name changes when it restarts, fails over or is another; the history with each founding
 * and each time that the list is written back. Opaque.
 */
export type Run = string;

/** Who has a record, as the store says. */
export interface Standing {
  /** `undefined` where nobody ever claimed it. */
  readonly claim: FoundedClaim | undefined;
  /** R14: the epoch up to which its claimant raised it; its own term where it was not raised. */
  readonly raisedTo: number;
  /** R2: bytes sent since the claim was founded. */
  readonly length: number;
  /** R3: number of the newest snapshot of this claim; 0: none. */
  readonly snapshotNumber: number;
  /** R15: the record is not there: founding makes every record, so the store lost it. */
  readonly isAbsent: boolean;
}

/**
 * R1. `before`: what stood until this instant. `record` only where it was asked for. `isLost`: the store had lost the record
 * when this claim took it.
 */
export type SharedClaimAnswer =
  | {
      readonly kind: "claimed";
      readonly before: Standing;
      readonly record: PartitionRecord | undefined;
      readonly isLost: boolean;
    }
  | { readonly kind: "refused"; readonly standing: Standing };

/** A record, and who had it when it was read. */
export interface FoundRecord {
  readonly standing: Standing;
  /** `undefined` where there is none. */
  readonly record: PartitionRecord | undefined;
}

/** One partition's part of a group commit: the log of each lies by itself, so that it is a message that can be read so. */
export interface SharedAppend extends Omit<Append, "bytes"> {
  readonly claim: FoundedClaim;
  /** Not changed by the caller, whatever becomes of the append: it may be sent again. */
  readonly message: Uint8Array;
}

/** A commit without a head, part by part. */
export function sharedAppendsOf({ appends, headBytes, content }: Commit<FoundedAppend>): SharedAppend[] {
  invariant(headBytes === 0, "each part can be read by itself");
  let at = 0;
  return appends.map(({ partition, claim, from, bytes }) => {
    const message = content.subarray(at, at + bytes);
    at += bytes;
    return { partition, claim, from, message };
  });
}

/** R15: a claim together with the whole table that its claimant has. */
export interface TakingBack {
  readonly partition: PartitionIndex;
  /** For a term above what the record is raised to. */
  readonly claim: FoundedClaim;
  /** The term under which the table was held: a record under a higher one counts instead. */
  readonly notAbove: number;
  /** The record's length from then on. */
  readonly covers: number;
  /** The snapshot, number 1, covering the whole log; `undefined`: nothing is stored (durability `none`). */
  readonly bytes: Uint8Array | undefined;
  /** R15: false where a record that is not there is refused: nobody knows whether somebody has a newer table of it. */
  readonly mayBeAbsent: boolean;
}

export type TakenBackAnswer = { readonly kind: "claimed" } | { readonly kind: "refused"; readonly standing: Standing };

export interface SharedRecords {
  /** How many tags there are; known once the key is. */
  readonly tagsCount: number;

  /** Who has these records, without claiming them. In the order asked. */
  standing(run: Run, partitions: readonly PartitionIndex[]): Promise<Standing[]>;
  /** The same with snapshot and log. In the order asked. */
  read(run: Run, partitions: readonly PartitionIndex[]): Promise<FoundRecord[]>;
  /**
   * R1: claims records for a term above what they are raised to. The very same claim again (its answer was lost) is answered
   * as claimed, with itself as `before`.
   * @param isLoaded whether to answer snapshot and log
   * @param mayBeAbsent R15: of these partitions also a record that is not there is claimed; of the others it is refused, and
   * nothing is written
   */
  claim(
    run: Run,
    partitions: readonly PartitionIndex[],
    claim: FoundedClaim,
    isLoaded: boolean,
    mayBeAbsent?: ReadonlySet<PartitionIndex>,
  ): Promise<SharedClaimAnswer[]>;
  /**
   * R15: takes a record and replaces it by the claimant's table, at once, unless it stands under a higher term than the
   * table, or is not there and may not be.
   */
  takeBack(run: Run, taking: TakingBack): Promise<TakenBackAnswer>;
  /** R14: raises one's own claims to an epoch, never lowers them. */
  raise(
    run: Run,
    claims: readonly { readonly partition: PartitionIndex; readonly claim: FoundedClaim }[],
    epoch: number,
  ): Promise<AppendAnswer[]>;
  /** R2. Rejects with `StoreFullError` where the store has no memory left. */
  append(run: Run, appends: readonly SharedAppend[]): Promise<AppendAnswer[]>;
  /** R3. */
  snapshot(run: Run, partition: PartitionIndex, claim: FoundedClaim, snapshot: Snapshot): Promise<SnapshotAnswer>;
}
