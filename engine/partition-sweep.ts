/**
 * One partition's part of the rolling scan: forgets who has been silent too long, going on where the last call stopped.
 *
 * Few silent players are removed one by one. Many, as after a network failed, are removed at once, and the other rows are placed
 * anew. One by one each of them would be slower than the last: the scan comes from the end, so what is left lies in the front;
 * places follow the order of hashes, so there it stays when the table shrinks, and a search passes nearly all of it.
 */
import { type PresenceTable, ROW_WORDS } from "./presence-table.ts";

/** A row forgotten costs about as much as this many rows looked at (0.3 µs to 20 ns). */
export const SWEEP_FORGET_COST = 16;
/** Where more of a table than this share, and than so many rows, are to be forgotten in a pass, all who are silent are. */
const SINGLY_SHARE = 32;
const SINGLY_MIN = 64;
/** To forget all of them costs, a row of the table, about as much as this many rows looked at. */
const ALL_COST = 8;

/** A partition, as far as the scan needs it. */
export interface Swept {
  readonly table: PresenceTable;
  /** Whether the player in the row that begins at `base` is to be forgotten. */
  isOverdue(base: number, now: number): boolean;
  /** Told before a row goes. */
  beforeForgotten(base: number, now: number): void;
}

export class PartitionSweep {
  private readonly partition: Swept;
  /** Where the next call goes on, 0: at the end of the table. */
  private at = 0;
  /** One by one, in this pass. */
  private forgotten = 0;

  constructor(partition: Swept) {
    this.partition = partition;
  }

  /**
   * @param budget rows to look at, at the most; a row forgotten counts as SWEEP_FORGET_COST
   * @returns what is left of the budget; above 0 where the pass over this partition is complete
   */
  goOn(now: number, budget: number): number {
    const { partition } = this;
    const { table } = partition;
    const singlyMax = Math.max(SINGLY_MIN, table.size / SINGLY_SHARE);
    if (this.at === 0) this.forgotten = 0;
    // From the end: the rows that move up into a gap have been looked at already.
    let base = this.at === 0 ? table.rows.length : this.at;
    for (; base > 0 && budget > 0; budget--) {
      base = Math.min(base, table.rows.length) - ROW_WORDS;
      if (table.isFree(base) || !partition.isOverdue(base, now)) continue;
      if (++this.forgotten > singlyMax) return Math.max(1, budget - this.forgetAll(now));
      partition.beforeForgotten(base, now);
      table.remove(base);
      budget -= SWEEP_FORGET_COST;
    }
    this.at = base;
    return base === 0 ? Math.max(1, budget) : 0;
  }

  /** @returns what it cost, in rows looked at */
  private forgetAll(now: number): number {
    const { partition } = this;
    const { table } = partition;
    const { rows } = table;
    for (let base = 0; base < rows.length; base += ROW_WORDS) {
      if (table.isFree(base) || !partition.isOverdue(base, now)) continue;
      partition.beforeForgotten(base, now);
      table.free(base);
    }
    table.closeGaps();
    this.at = 0;
    return (rows.length / ROW_WORDS) * ALL_COST;
  }
}
