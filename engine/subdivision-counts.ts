/**
 * Players by cell (subdivision, mode). There are thousands of subdivisions, and they are seldom asked for: so there is one
 * table for all of them and no board, and whoever asks has one sorted.
 *   waiting   Int32Array    changes not counted yet, oldest first: cell, change
 *   players   Int32Array    by region
 *   versions  Float64Array  by region
 * A report only notes its change. They are counted together, so that their cache misses overlap.
 */
import type { PlaceBoard, Ranked } from "./board.ts";
import { CellCounts } from "./cell-counts.ts";
import { MODE_BITS } from "./modes.ts";
import { REGION_COUNT } from "./places.ts";

const WAITING_MAX = 8192;

export class SubdivisionCounts {
  private readonly waiting = new Int32Array(2 * WAITING_MAX);
  /** The first of those that wait, and behind the last. */
  private first = 0;
  private end = 0;
  private readonly players = new Int32Array(REGION_COUNT);
  private readonly versions = new Float64Array(REGION_COUNT);
  private readonly counts: CellCounts;
  private readonly modeNames: readonly string[];

  /**
   * @param modeNames name of each mode number; may grow
   * @param salt any number nobody outside knows: cells cannot be chosen to collide
   */
  constructor(modeNames: readonly string[], salt: number) {
    this.modeNames = modeNames;
    this.counts = new CellCounts(salt);
  }

  add(cell: number, change: number): void {
    if (this.end === 2 * WAITING_MAX) this.catchUp(Infinity);
    this.waiting[this.end++] = cell;
    this.waiting[this.end++] = change;
  }

  /**
   * Counts `changesMax` changes at the most.
   * @returns how many of them are left
   */
  catchUp(changesMax: number): number {
    const { waiting, counts, players, versions } = this;
    const last = Math.min(this.end, this.first + 2 * changesMax);
    const left = changesMax - (last - this.first) / 2;
    for (let at = this.first; at < last; at += 2) {
      const [cell, change] = [waiting[at] as number, waiting[at + 1] as number];
      const region = cell >>> MODE_BITS;
      counts.add(cell, change);
      (players[region] as number) += change;
      (versions[region] as number)++;
    }
    this.first = last;
    if (last === this.end) this.first = this.end = 0;
    return left;
  }

  /**
   * A subdivision's board as it is now, up to date; O(modes log modes) to read.
   * @param byMode players of each mode anywhere: only modes that somebody is in are looked up
   */
  of(region: number, byMode: Int32Array): PlaceBoard {
    this.catchUp(Infinity);
    const { modeNames, counts } = this;
    const count = (mode: number): number => counts.players((region << MODE_BITS) | mode);
    function* entries(): Generator<readonly [mode: string, players: number]> {
      for (let mode = 0; mode < byMode.length; mode++) {
        const players = byMode[mode] === 0 ? 0 : count(mode);
        if (players > 0) yield [modeNames[mode] as string, players];
      }
    }
    const top = (limit: number): Ranked[] =>
      Array.from(entries(), ([mode, players]) => ({ mode, players }))
        .sort((one, other) => other.players - one.players || (one.mode < other.mode ? -1 : 1))
        .slice(0, limit);
    return {
      players: this.players[region] as number,
      version: this.versions[region] as number,
      count,
      entries,
      top,
    };
  }
}
