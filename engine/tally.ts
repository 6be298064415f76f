/**
 * One partition's count of players per cell (region, mode): open addressing, no entry where nobody is.
 *   slots    Int32Array, 2 words a cell, a power of two of cells   cell + 1 (0: free) | players
 *   changes  Int32Array, changes not counted yet                   cell + 1: one came, -(cell + 1): one left
 * A report only notes its change. They are counted when somebody asks; if more were noted than there is room for, all
 * rows are counted instead. Counted at once, a report would wait for two more cache misses, for a sum that often
 * nobody asks for (docs/decisions/0002).
 */
import { invariant } from "./invariant.ts";

const CELLS_MIN = 16;
const CHANGES_MAX = 64;
const MIX = 0x9e3779b1; // odd, golden ratio: spreads cells that differ in few bits

export class Tally {
  private slots = new Int32Array(CELLS_MIN * 2);
  private mask = CELLS_MIN - 1;
  private taken = 0;
  private readonly changes = new Int32Array(CHANGES_MAX);
  /** How many changes were noted; above CHANGES_MAX they no longer stand for all. */
  private changed = 0;
  private readonly salt: number;
  private readonly presences: () => Iterable<number>;

  /**
   * @param salt any number nobody outside knows: cells cannot be chosen to collide
   * @param presences the cell of each player, as of now
   */
  constructor(salt: number, presences: () => Iterable<number>) {
    this.salt = salt;
    this.presences = presences;
  }

  get bytes(): number {
    return this.slots.byteLength + this.changes.byteLength;
  }

  players(cell: number): number {
    this.count();
    return this.slots[this.find(cell) + 1];
  }

  /** Notes that a player came to a cell. */
  enter(cell: number): void {
    if (this.changed < CHANGES_MAX) this.changes[this.changed] = cell + 1;
    this.changed++;
  }

  /** Notes that a player left a cell. */
  leave(cell: number): void {
    if (this.changed < CHANGES_MAX) this.changes[this.changed] = -1 - cell;
    this.changed++;
  }

  /** Every cell with players in it, in no order. */
  *cells(): Generator<readonly [cell: number, players: number]> {
    this.count();
    const { slots } = this;
    for (let at = 0; at < slots.length; at += 2) if (slots[at] !== 0) yield [slots[at] - 1, slots[at + 1]];
  }

  private count(): void {
    const { changes, changed } = this;
    this.changed = 0;
    if (changed > CHANGES_MAX) return this.countAll();
    for (let at = 0; at < changed; at++) {
      const change = changes[at];
      if (change > 0) this.add(change - 1);
      else this.subtract(-1 - change);
    }
  }

  private countAll(): void {
    this.slots = new Int32Array(CELLS_MIN * 2);
    this.mask = CELLS_MIN - 1;
    this.taken = 0;
    for (const cell of this.presences()) this.add(cell);
  }

  private add(cell: number): void {
    const at = this.find(cell);
    const { slots } = this;
    slots[at + 1]++;
    if (slots[at] !== 0) return;
    slots[at] = cell + 1;
    if (++this.taken * 3 > this.mask * 2) this.resize((this.mask + 1) * 2);
  }

  private subtract(cell: number): void {
    const at = this.find(cell);
    const { slots } = this;
    invariant(slots[at] !== 0, "no count is negative");
    if (--slots[at + 1] === 0) this.vacate(at);
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
      if (((at - this.home(slots[at * 2] - 1)) & mask) < ((at - gap) & mask)) continue;
      slots[gap * 2] = slots[at * 2];
      slots[gap * 2 + 1] = slots[at * 2 + 1];
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
      if (old[from] === 0) continue;
      const at = this.find(old[from] - 1);
      this.slots[at] = old[from];
      this.slots[at + 1] = old[from + 1];
    }
  }
}
