/**
 * The store as the cluster sees it: a partition's record (claim, snapshot, log), changed only together and atomically.
 *
 * Two implementations keep this contract and pass the same suite (`test/contract/record-store.ts`): SQLite on one
 * machine, Redis for many. Everything thrown is a `StoreUnavailableError`; every refusal is a value.
 */

/** Which partition: 0 … partitions - 1. */
export type PartitionIndex = number;

/** Who may write a record: the higher term wins, and within a term only the incarnation that claimed it writes. */
export interface Claim {
  /** The epoch under which the partition was taken, a whole number from 1. */
  readonly term: number;
  /** The process that took it: a UUID made at its start. */
  readonly incarnation: string;
}

/**
 * A claim of a store that several nodes share. Every time a record is claimed it gets a fresh founding id, so that a
 * record which the store lost and somebody claimed again is not taken for the one before (R1, R2).
 */
export interface FoundedClaim extends Claim {
  /** A UUID made for this claim; empty where one process alone writes the store. */
  readonly founding: string;
}

/** Whether two claims are one. */
export function isSameClaim(one: FoundedClaim | undefined, other: FoundedClaim): boolean {
  return one?.term === other.term && one.incarnation === other.incarnation && one.founding === other.founding;
}

/** A partition's record as of the instant of its claim. */
export interface PartitionRecord {
  /** The newest snapshot's bytes, or `undefined` where none was ever taken. */
  readonly snapshot: Uint8Array | undefined;
  /** What was appended since that snapshot, oldest first. */
  readonly log: readonly LogMessage[];
}

/** One partition's part of a commit, as it was handed to `append`. */
export interface LogMessage {
  /** What all parts of its commit are read with, the same array for all of them; NO_HEAD where there is none. */
  readonly head: Uint8Array;
  readonly bytes: Uint8Array;
}

export const NO_HEAD: Uint8Array = new Uint8Array(0);

export type ClaimAnswer =
  | { readonly kind: "claimed"; readonly record: PartitionRecord }
  | { readonly kind: "refused"; readonly standing: Claim };

/** One partition's part of a group commit. */
export interface Append {
  readonly partition: PartitionIndex;
  readonly claim: Claim;
  /** R2: the length this append continues, in bytes since the claim was founded. */
  readonly from: number;
  /** How long its part of the content is; 0: it only proves its claim (R14). */
  readonly bytes: number;
}

export interface FoundedAppend extends Append {
  readonly claim: FoundedClaim;
}

/** A group commit. */
export interface Commit<A extends Append = Append> {
  readonly appends: readonly A[];
  /** Bytes at the front of the content that all parts are read with; 0 where each is read by itself. */
  readonly headBytes: number;
  /** The head, then the parts in the order of the appends. Not changed by the caller until the append has settled. */
  readonly content: Uint8Array;
}

/**
 * R2. `landed`: durable (also where a retry finds that it had landed). `superseded`: a higher term stands.
 * `behind`: the record is shorter than `from`, ends in between, or knows no such claim: the store lost something.
 */
export type AppendAnswer = "landed" | "superseded" | "behind";

export interface Snapshot {
  /** R3: above the number that stands in the record, which counts the snapshots of this claim from 1. */
  readonly number: number;
  /** The log up to this length, in bytes since the claim was founded, is replaced by this snapshot. */
  readonly covers: number;
  /** R4: true where the whole log is replaced, whatever its length, and the length set to `covers`. */
  readonly coversAll: boolean;
  readonly bytes: Uint8Array;
}

/** R3: a snapshot of this claim with this number or a higher one stands already: its number. */
export interface Outnumbered {
  readonly standing: number;
}

export type SnapshotAnswer = AppendAnswer | Outnumbered;

/** R12: what a cluster is founded with, once; it never changes after. */
export interface Founding {
  /** How many partitions: a power of two, 16 to 4096. */
  readonly partitions: number;
  /** The key of the players' hash, 8 bytes: nobody outside may know it. */
  readonly hashKey: Uint8Array;
}

export interface RecordStore {
  /**
   * True where all records share one file: a fault in one is a fault in all, and all are snapshotted to heal it. Then a commit
   * has one head for all its parts.
   */
  readonly isOneFile: boolean;
  /** R12: founds the cluster with `proposal` where nothing is there yet; answers what stands. */
  found(proposal: Founding): Promise<Founding>;
  /** The highest term that any record carries; 0 where none was ever claimed. */
  highestTerm(): Promise<number>;
  /** R1: takes these partitions under one claim, for a term above the one that stands or one's own again. Answers in the order asked. */
  claim(partitions: readonly PartitionIndex[], claim: Claim): Promise<ClaimAnswer[]>;
  /** R2: durable once resolved; one atomic write for all. At most one append of a partition is under way. Answers in the order asked. */
  append(commit: Commit): Promise<AppendAnswer[]>;
  /** R3: replaces the snapshot and the part of the log that it covers, at once. Durable once resolved. */
  snapshot(partition: PartitionIndex, claim: Claim, snapshot: Snapshot): Promise<SnapshotAnswer>;
  /** Releases what the store holds; nothing may be called after. */
  close(): Promise<void>;
}

/** The store did not do what was asked, or nobody knows whether it did. Counted, retried within bounds, never fatal. */
export class StoreUnavailableError extends Error {
  override readonly name: string = "StoreUnavailableError";
  /** The same for those who may not see addresses, nor what the store's programs say. */
  readonly told: string;

  constructor(message: string, told = message) {
    super(message);
    this.told = told;
  }
}

/** What anybody may be told of a fault. */
export function toldOf(fault: unknown): string {
  return fault instanceof StoreUnavailableError ? fault.told : "the store fails: the log says how";
}

/** R4: the store has no memory left for what was asked; nothing was done. */
export class StoreFullError extends StoreUnavailableError {
  override readonly name = "StoreFullError";
}
