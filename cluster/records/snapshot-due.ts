/** When a snapshot of a partition is due (R3). */
import type { HeldRecord } from "./held-record.ts";

export type Durability = "log" | "snapshot" | "none";

export interface SnapshotOptions {
  readonly durability: Durability;
  /** Shortest pause between two snapshots of a partition. */
  readonly snapshotMs: number;
  readonly sessionMs: number;
}

/** A log shorter than this does not call for a snapshot by its length. */
const LOG_BYTES_MIN = 4096;
/** A log longer than this and than its snapshot is replaced at once, without a pause: it bounds the folder. */
const LOG_BYTES_MAX = 65_536;

/**
 * R3: due when the log exceeds a quarter of the snapshot, or within a third of the session's life; at once where the
 * partition is ahead (R4) or its log outgrows the snapshot.
 */
export function isSnapshotDue(
  record: HeldRecord,
  isTouched: boolean,
  options: SnapshotOptions,
  nowMs: number,
): boolean {
  if (record.isSnapshotting) return false;
  if (record.isAhead) return record.state === "ahead";
  if (!isTouched || options.durability === "none") return false;
  if (record.loggedBytes > Math.max(LOG_BYTES_MAX, record.snapshotBytes)) return true;
  const pausedMs = nowMs - record.snapshotAtMs;
  if (pausedMs < options.snapshotMs) return false;
  const isLogLong = record.loggedBytes > Math.max(LOG_BYTES_MIN, record.snapshotBytes / 4);
  return isLogLong || options.durability === "snapshot" || pausedMs > options.sessionMs / 3;
}
