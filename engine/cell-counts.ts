/**
 * Players by cell (region, mode): open addressing, no slot is taken where nobody is.
 *   slots    Int32Array, 2 words a cell, a power of two of cells   cell + 1 (0: free) | players
 * 12 to 24 bytes a cell while it grows, 48 at the most before it shrinks. A cell taken out closes its gap, as in
 * PresenceTable.
 */
import { invariant } from "./invariant.ts";

const CELLS_MIN = 16;
const MIX = 0x9e3779b1; // odd, golden ratio: spreads cells that differ in few bits

export class CellCounts {
  private slots = new Int32Array(CELLS_MIN * 2);
  private mask = CELLS_MIN - 1;
  private taken = 0;
  private readonly salt: number;

  /** @param salt any number nobody outside knows: cells cannot be chosen to collide */
  constructor(salt: number) {
    this.salt = salt;
  }

  get bytes(): number {
    return this.slots.byteLength;
  }

  players(cell: number): number {
    return this.slots[this.find(cell) + 1] as number;
  }

  /** Every cell with players in it, in no order. It must not change meanwhile. */
  *entries(): Generator<readonly [cell: number, players: number]> {
    const { slots } = this;
    for (let at = 0; at < slots.length; at += 2) {
      const slot = slots[at] as number;
      if (slot !== 0) yield [slot - 1, slots[at + 1] as number];
    }
  }

  /** Adds to the players of a cell, or takes away. */
  add(cell: number, change: number): void {
    const at = this.find(cell);
    this.put(at, cell, (this.slots[at + 1] as number) + change);
  }

  /**
   * Sets the players of a cell.
   * @returns how many there were
   */
  set(cell: number, players: number): number {
    const at = this.find(cell);
    const before = this.slots[at + 1] as number;
    this.put(at, cell, players);
    return before;
  }

  clear(): void {
    this.slots = new Int32Array(CELLS_MIN * 2);
    this.mask = CELLS_MIN - 1;
    this.taken = 0;
  }

  private put(at: number, cell: number, players: number): void {
    invariant(players >= 0, "no count is negative");
    const { slots } = this;
    const isTaken = slots[at] !== 0;
    if (players === 0) {
      if (isTaken) this.vacate(at);
      return;
    }
    slots[at + 1] = players;
    if (isTaken) return;
    slots[at] = cell + 1;
    if (++this.taken * 3 > this.mask * 2) this.resize((this.mask + 1) * 2);
  }

  /** Where the cell stands, or the free slot where it would. */
  private find(cell: number): number {
    const { slots, mask } = this;
    let home = this.home(cell);
    while (slots[home * 2] !== cell + 1 && slots[home * 2] !== 0) home = (home + 1) & mask;
    return home * 2;
  }

  private home(cell: number): number {
    const hash = Math.imul(cell ^ this.salt, MIX);
    return (hash ^ (hash >>> 15)) & this.mask;
  }

  /** Frees a slot and closes the gap, as PresenceTable does. */
  private vacate(freed: number): void {
    const { slots, mask } = this;
    let gap = freed >> 1;
    for (let at = (gap + 1) & mask; slots[at * 2] !== 0; at = (at + 1) & mask) {
      if (((at - this.home((slots[at * 2] as number) - 1)) & mask) < ((at - gap) & mask)) continue;
      slots[gap * 2] = slots[at * 2] as number;
      slots[gap * 2 + 1] = slots[at * 2 + 1] as number;
      gap = at;
    }
    slots[gap * 2] = 0;
    slots[gap * 2 + 1] = 0;
    if (--this.taken * 6 < mask && mask >= CELLS_MIN) this.resize((mask + 1) / 2);
  }

  private resize(cells: number): void {
    const old = this.slots;
    this.slots = new Int32Array(cells * 2);
    this.mask = cells - 1;
    for (let from = 0; from < old.length; from += 2) {
      const slot = old[from] as number;
      if (slot === 0) continue;
      const at = this.find(slot - 1);
      this.slots[at] = slot;
      this.slots[at + 1] = old[from + 1] as number;
    }
  }
}
