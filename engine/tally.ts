/**
 * One partition's count of players per cell (region, mode), and which cells changed.
 *   changes  Int32Array, changes noted   cell + 1: one came, -(cell + 1): one left
 * A report only notes its change. They are counted when somebody asks; if more were noted than there is room for, all
 * rows are counted instead. Counted at once, a report would wait for two more cache misses, for a sum that often
 * nobody asks for (docs/decisions/0002).
 *
 * Who follows a tally (`drain`) is handed the changes that were noted; room is made for as many as come between two
 * looks, so that a busy partition is not counted anew each time.
 */
import { CellCounts } from "./cell-counts.ts";

const CHANGES_MIN = 64;
const CHANGES_MAX = 4096;

export class Tally {
  private readonly counts: CellCounts;
  private changes = new Int32Array(CHANGES_MIN);
  /** How many changes were noted; above the room for them they no longer stand for all. */
  private changed = 0;
  /** How many of them were counted. */
  private counted = 0;
  private isFollowed = false;
  /** True where `changes` are not all that happened since the last drain. */
  private isLost = true;
  private readonly presences: () => Iterable<number>;

  /**
   * @param salt any number nobody outside knows: cells cannot be chosen to collide
   * @param presences the cell of each player, as of now
   */
  constructor(salt: number, presences: () => Iterable<number>) {
    this.counts = new CellCounts(salt);
    this.presences = presences;
  }

  get bytes(): number {
    return this.counts.bytes + this.changes.byteLength;
  }

  players(cell: number): number {
    this.count();
    return this.counts.players(cell);
  }

  /** Notes that a player came to a cell. */
  enter(cell: number): void {
    if (this.changed < this.changes.length) this.changes[this.changed] = cell + 1;
    this.changed++;
  }

  /** Notes that a player left a cell. */
  leave(cell: number): void {
    if (this.changed < this.changes.length) this.changes[this.changed] = -1 - cell;
    this.changed++;
  }

  /** Every cell with players in it, in no order. */
  cells(): Generator<readonly [cell: number, players: number]> {
    this.count();
    return this.counts.entries();
  }

  /** Whether `drain` has anything to say. */
  get hasChanges(): boolean {
    return this.changed > 0 || this.isLost;
  }

  /**
   * Hands over each cell that somebody came to or left since the last call, perhaps more than once.
   * @returns false where that is not known, the first time or after too many changes: any cell may have changed
   */
  drain(see: (cell: number) => void): boolean {
    const isOverflow = this.changed > this.changes.length;
    this.isFollowed = true;
    this.count();
    const { changes, changed, isLost } = this;
    this.changed = this.counted = 0;
    this.isLost = false;
    if (isOverflow && changes.length < CHANGES_MAX) this.changes = new Int32Array(changes.length * 2);
    if (isLost) return false;
    for (let at = 0; at < changed; at++) {
      const change = changes[at] as number;
      see(change > 0 ? change - 1 : -1 - change);
    }
    return true;
  }

  private count(): void {
    const { counts, changes, changed } = this;
    if (changed > changes.length) return this.countAll();
    for (let at = this.counted; at < changed; at++) {
      const change = changes[at] as number;
      if (change > 0) counts.add(change - 1, 1);
      else counts.add(-1 - change, -1);
    }
    this.counted = changed;
    if (!this.isFollowed) this.changed = this.counted = 0;
  }

  private countAll(): void {
    this.changed = this.counted = 0;
    this.isLost = true;
    this.counts.clear();
    for (const cell of this.presences()) this.counts.add(cell, 1);
  }
}
