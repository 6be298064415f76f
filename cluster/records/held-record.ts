/** What a claimant knows of one partition's record: one object from the claim to the drop. */
import { invariant } from "../../engine/invariant.ts";
import type { FoundedClaim, PartitionIndex } from "../ports/record-store.ts";

/**
 * `level`: the record has every row, but for those in the append under way. `ahead` (R4): more is known here than the record
 * says. `healing`: a snapshot of the whole is under way, and rows since its copy are kept for the log. `proving`: that has
 * landed, and the append behind it has not. `claim lost`: ahead, and the store does not know the claim any more, so it has to
 * be taken again before anything can be written (R15).
 *
 *   level ─► ahead ─► healing ─► proving ─► level
 *              ▲         │          │
 *              └─────────┴──────────┘ a fault            any ─► claim lost ─► healing, with another claim
 */
export type RecordState = "level" | "ahead" | "healing" | "proving" | "claim lost";

/** What the store said of a record as it was claimed. */
export interface Claimed {
  readonly partition: PartitionIndex;
  readonly claim: FoundedClaim;
  /** R2, R3: of a claim that stood already. */
  readonly length?: number;
  readonly snapshotNumber?: number;
  /** Bytes of its snapshot and log, as far as known. */
  readonly storedBytes?: number;
}

export class HeldRecord {
  readonly partition: PartitionIndex;
  #claim: FoundedClaim;
  /** R2: bytes sent since the claim was founded. It never falls. */
  length: number;
  /** R3: number of the newest snapshot that was sent, or that stood. */
  snapshotNumber: number;
  /** R14: the epoch that the claim was raised to. */
  raisedTo: number;
  /** Number of the commit that carries its newest rows. */
  commit = 0;
  /** How often a snapshot of the whole was begun. */
  healings = 0;
  isQueued = false;
  /** False once it was dropped: what was under way for it is told, and does nothing more. */
  isHeld = true;
  snapshotBytes: number;
  /** Bytes logged since the copy of the newest snapshot. */
  loggedBytes = 0;
  snapshotAtMs: number;
  #state: RecordState = "level";
  #copies = 0;
  #copy = 0;

  constructor({ partition, claim, length = 0, snapshotNumber = 0, storedBytes = 0 }: Claimed, nowMs: number) {
    this.partition = partition;
    this.#claim = claim;
    this.length = length;
    this.snapshotNumber = snapshotNumber;
    this.raisedTo = claim.term;
    this.snapshotBytes = storedBytes;
    this.snapshotAtMs = nowMs;
  }

  get claim(): FoundedClaim {
    return this.#claim;
  }

  get state(): RecordState {
    return this.#state;
  }

  /** R4. */
  get isAhead(): boolean {
    return this.#state !== "level";
  }

  /** Whether rows that come now are kept for the append behind the snapshot that heals it. */
  get isKeeping(): boolean {
    return this.#state === "healing" || this.#state === "proving";
  }

  /** A copy of its table is being encoded or written. */
  get isSnapshotting(): boolean {
    return this.#copy > 0;
  }

  /**
   * A copy of its table begins. One that has not been written yet is outdated from then on: it is older, and may be of another
   * claim.
   * @returns its number
   */
  beginCopy(): number {
    this.#copy = ++this.#copies;
    return this.#copy;
  }

  isNewestCopy(copy: number): boolean {
    return this.#copies === copy;
  }

  endCopy(copy: number): void {
    if (this.#copy === copy) this.#copy = 0;
  }

  /** R4: the record may lack something. */
  fall(): void {
    if (this.#state !== "claim lost") this.#state = "ahead";
  }

  /** R15: somebody has to take the partition again before it can be written. */
  loseClaim(): void {
    this.#state = "claim lost";
  }

  /** The store knows the claim again. */
  regainClaim(): void {
    if (this.#state === "claim lost") this.#state = "ahead";
  }

  /** R15: the partition was taken again, together with its table, from here on under another claim. */
  retake(claim: FoundedClaim): void {
    this.#claim = claim;
    this.raisedTo = claim.term;
    this.snapshotNumber = 1;
  }

  /** A snapshot of the whole begins; it sets the log's end past every length ever sent. */
  beginHealing(): void {
    invariant(this.#state === "ahead" || this.#state === "claim lost", "only what is ahead is healed");
    this.healings++;
    this.length += 4;
    this.#state = "healing";
  }

  /** A snapshot of the whole has landed. */
  beginProving(): void {
    invariant(this.#state === "healing", "what is proven was healed");
    this.#state = "proving";
  }

  /** The append behind it has landed. */
  level(): void {
    invariant(this.#state === "proving", "what is level was proven");
    this.#state = "level";
  }
}
