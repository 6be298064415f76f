/** What the recorder knows of one partition's record, and when a snapshot of it is due (R3). */
import type { Claim } from "../ports/record-store.ts";

export type Durability = "log" | "snapshot" | "none";

export interface SnapshotOptions {
  readonly durability: Durability;
  /** Shortest pause between two snapshots of a partition. */
  readonly snapshotMs: number;
  readonly sessionMs: number;
}

export interface RecordState {
  /** Under which it is written; undefined where it is not held. */
  claim: Claim | undefined;
  /** R2: bytes sent under this claim. */
  length: number;
  /** Number of the commit that carries its newest rows. */
  commit: number;
  isQueued: boolean;
  /** R4: more is known here than its record says. */
  isAhead: boolean;
  /** R4: a snapshot that ends being ahead is under way, and rows since its copy are kept for the log. */
  isHealing: boolean;
  isSnapshotting: boolean;
  /** R3: number of the newest snapshot of this claim. */
  snapshotNumber: number;
  snapshotBytes: number;
  snapshotAtMs: number;
  /** Bytes logged since the copy of the newest snapshot. */
  loggedBytes: number;
}

/** A log shorter than this does not call for a snapshot by its length. */
const LOG_BYTES_MIN = 4096;
/** A log longer than this and than its snapshot is replaced at once, without a pause: it bounds the folder. */
const LOG_BYTES_MAX = 65_536;

export function newState(claim: Claim | undefined, snapshotAtMs: number): RecordState {
  return {
    claim,
    length: 0,
    commit: 0,
    isQueued: false,
    isAhead: false,
    isHealing: false,
    isSnapshotting: false,
    snapshotNumber: 0,
    snapshotBytes: 0,
    snapshotAtMs,
    loggedBytes: 0,
  };
}

/**
 * R3: due when the log exceeds a quarter of the snapshot, or within a third of the session's life; at once where the
 * partition is ahead (R4) or its log outgrows the snapshot.
 */
export function isSnapshotDue(
  state: RecordState,
  isTouched: boolean,
  options: SnapshotOptions,
  nowMs: number,
): boolean {
  if (state.isSnapshotting || state.claim === undefined) return false;
  if (state.isAhead) return true;
  if (!isTouched || options.durability === "none") return false;
  if (state.loggedBytes > Math.max(LOG_BYTES_MAX, state.snapshotBytes)) return true;
  const pausedMs = nowMs - state.snapshotAtMs;
  if (pausedMs < options.snapshotMs) return false;
  const isLogLong = state.loggedBytes > Math.max(LOG_BYTES_MIN, state.snapshotBytes / 4);
  return isLogLong || options.durability === "snapshot" || pausedMs > options.sessionMs / 3;
}
