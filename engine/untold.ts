/**
 * Changes to cells (country, mode) that boards have not been told yet. Each cell is told once, however often it changed in between.
 *   changes   Int32Array   the sum of its changes, by mode << 8 | country: all countries of a mode lie together
 *   isNoted   Uint8Array   whether it is in the list of those to tell
 * 5 MiB reserved, of which only what is used is ever touched.
 */
import { invariant } from "./invariant.ts";
import { MODE_BITS } from "./modes.ts";
import { COUNTRIES } from "./places.ts";

const COUNTRY_BITS = 8;
const COUNTRY_MASK = (1 << COUNTRY_BITS) - 1;
invariant(COUNTRIES <= 1 << COUNTRY_BITS, "every country has a number");

export class Untold {
  private readonly changes = new Int32Array(1 << (COUNTRY_BITS + MODE_BITS));
  private readonly isNoted = new Uint8Array(1 << (COUNTRY_BITS + MODE_BITS));
  private readonly noted: number[] = [];

  add(country: number, mode: number, change: number): void {
    const cell = (mode << COUNTRY_BITS) | country;
    (this.changes[cell] as number) += change;
    if (this.isNoted[cell] !== 0) return;
    this.isNoted[cell] = 1;
    this.noted.push(cell);
  }

  /**
   * Tells of `cellsMax` cells at the most.
   * @returns how many of them are left
   */
  tell(cellsMax: number, tell: (country: number, mode: number, change: number) => void): number {
    const { changes, isNoted, noted } = this;
    let left = cellsMax;
    for (; left > 0 && noted.length > 0; left--) {
      const cell = noted.pop() as number;
      const change = changes[cell] as number;
      changes[cell] = isNoted[cell] = 0;
      if (change !== 0) tell(cell & COUNTRY_MASK, cell >>> COUNTRY_BITS, change);
    }
    return left;
  }
}
