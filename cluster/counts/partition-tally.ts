/**
 * What is known of one source here: what a partition's claimant said of its players in the regions of this node, or a
 * country's owner of all players there, under (term, version).
 */
import { CellCounts } from "../../engine/cell-counts.ts";
import { invariant } from "../../engine/invariant.ts";
import { REGION_COUNT } from "../../engine/places.ts";
import type { StatedTally } from "./counts-messages.ts";

const REGION_BITS = 13; // a cell is mode << REGION_BITS | region
invariant(REGION_COUNT <= 1 << REGION_BITS, "every region has a number");

/** Told of each count that changed. Modes by the numbers of `CountedModes`. */
export type OnCount = (region: number, mode: number, before: number, after: number) => void;

export class PartitionTally {
  /** Of the claim; 0 before one has spoken. */
  term = 0;
  version = 0;
  /** The epoch in which it last told all its cells: it has spoken for every region that was taken until then (R22). */
  spokenEpoch = 0;
  /** R26: its players are in doubt. */
  isDoubtful = false;
  /** R21: its owner cannot read its record. */
  isUnreadable = false;
  /** R21: the epoch in which that was last said. No board waits for it since, but its players may be missing. */
  unreadableEpoch = 0;
  private counts: CellCounts;
  private readonly salt: number;

  /** @param salt any number nobody outside knows */
  constructor(salt: number) {
    this.salt = salt;
    this.counts = new CellCounts(salt);
  }

  get isIncomplete(): boolean {
    return this.isDoubtful || this.isUnreadable;
  }

  /** Boards of regions that were taken until this epoch do not wait for it. */
  get answeredEpoch(): number {
    return this.isUnreadable ? Math.max(this.spokenEpoch, this.unreadableEpoch) : this.spokenEpoch;
  }

  /**
   * Sets the cells that a message names; where those are all, nobody is in the others.
   * @param modes the number of each mode that the message names
   */
  set(
    { cells, isAllCells }: StatedTally,
    modes: readonly number[],
    isCounted: (region: number) => boolean,
    onCount: OnCount,
  ) {
    const before = this.counts;
    if (isAllCells) this.counts = new CellCounts(this.salt);
    for (let at = 0; at < cells.length; at += 3) {
      const [region, mode, players] = [
        cells[at] as number,
        modes[cells[at + 1] as number] as number,
        cells[at + 2] as number,
      ];
      if (!isCounted(region)) continue;
      const cell = (mode << REGION_BITS) | region;
      const known = this.counts.set(cell, players) + (isAllCells ? before.set(cell, 0) : 0);
      if (known !== players) onCount(region, mode, known, players);
    }
    if (isAllCells) for (const [cell, known] of before.entries()) onCount(regionOf(cell), modeOf(cell), known, 0);
  }

  /** Tells every cell with players in it. */
  each(see: (region: number, mode: number, players: number) => void): void {
    for (const [cell, players] of this.counts.entries()) see(regionOf(cell), modeOf(cell), players);
  }

  /** Forgets what was said of all other regions; tells the mode of each cell. */
  forget(isKept: (region: number) => boolean, onForgotten: (mode: number) => void): void {
    const kept = new CellCounts(this.salt);
    for (const [cell, players] of this.counts.entries()) {
      if (isKept(regionOf(cell))) kept.set(cell, players);
      else onForgotten(modeOf(cell));
    }
    this.counts = kept;
  }
}

function regionOf(cell: number): number {
  return cell & ((1 << REGION_BITS) - 1);
}

function modeOf(cell: number): number {
  return cell >>> REGION_BITS;
}
