/**
 * Presence of one partition's players: an open-addressing table of rows in one typed array.
 *   rows    Int32Array, 7 words a player     id0 id1 id2 id3 | cell | seen | seq
 *             id0 … id3  profile id, 128 bits, big-endian; all zero: a free row
 *             cell       region << 12 | mode, or NOWHERE for a player who was removed (R27)
 *             seen       last seen, tenths of a second of observed time
 *             seq        newest sequence number applied, 0: none
 * 28 bytes a row. While it grows 0.68 to 0.85 full: 33 to 42 bytes a player; down to half full where players went: 56. At most 2^20 - 1 players a partition.
 *
 * The rows are the table: a search ends at its row, where an index beside dense rows would add a second cache miss
 * (docs/decisions/0001). Linear probing, and a removal closes its gap, so there are no tombstones.
 * Source: Knuth, The Art of Computer Programming 3, 6.4, algorithm R.
 */
import { halfSipHash, type HashKey } from "./half-sip-hash.ts";
import { invariant } from "./invariant.ts";

export const ROW_WORDS = 7;
export const CELL = 4;
export const SEEN = 5;
export const SEQ = 6;
/** The cell of a player who was removed: counted nowhere. */
export const NOWHERE = -1;

const PLAYERS_MAX = (1 << 20) - 1;
/** The table of nobody: one free row, shared by all that are empty and never written. */
const EMPTY = new Int32Array(ROW_WORDS);
const FULL_RATIO = 0.85; // 3.8 rows looked at for a player who is there, most of them in one cache line
const CLOSED_RATIO = 0.7; // in the middle: it neither grows nor shrinks soon
const SPARSE_RATIO = 0.5;
const GROWTH = 1.25; // each row is placed anew four times on its way
const SHRINKAGE = 0.72;
const SPREAD = 0x9e3779b1; // odd, golden ratio: the partition is in the hash's top bits, the rest must decide the place
invariant(SPARSE_RATIO < FULL_RATIO / GROWTH, "a table that has grown is not sparse at once");
invariant(SPARSE_RATIO < CLOSED_RATIO && CLOSED_RATIO < FULL_RATIO, "a table whose gaps were closed is neither");
invariant(SPARSE_RATIO / SHRINKAGE < FULL_RATIO / 1.1, "a table that has shrunk is not full at once");

export class PresenceTable {
  /** `capacity` rows of ROW_WORDS words; replaced by another array when the table grows or shrinks. */
  rows = EMPTY;
  /** Players in it, removed ones who are still remembered too. */
  size = 0;
  private capacity = 1;
  private readonly key: HashKey;

  constructor(key: HashKey) {
    this.key = key;
  }

  get bytes(): number {
    return this.rows === EMPTY ? 0 : this.rows.byteLength;
  }

  /** Where the player's row begins in `rows`, or less than 0. `hash` is the id's keyed hash. */
  find(hash: number, id0: number, id1: number, id2: number, id3: number): number {
    const { rows } = this;
    const end = rows.length;
    let base = this.home(hash);
    for (;;) {
      if (rows[base] === id0 && rows[base + 1] === id1 && rows[base + 2] === id2 && rows[base + 3] === id3) return base;
      if (isFree(rows, base)) return ~base;
      base += ROW_WORDS;
      if (base === end) base = 0;
    }
  }

  /**
   * Adds a player who is not in the table; the caller fills cell, seen and seq. Rows may be elsewhere afterwards.
   * @returns where the row begins, or -1 where the partition is full
   */
  insert(hash: number, id0: number, id1: number, id2: number, id3: number): number {
    if (this.size === PLAYERS_MAX) return -1;
    if (this.size + 1 > this.capacity * FULL_RATIO) this.resize(Math.ceil(this.capacity * GROWTH));
    const base = ~this.find(hash, id0, id1, id2, id3);
    const { rows } = this;
    rows[base] = id0;
    rows[base + 1] = id1;
    rows[base + 2] = id2;
    rows[base + 3] = id3;
    this.size++;
    return base;
  }

  /** Makes room for `players` in all at once, so that filling it does not grow it step by step. */
  reserve(players: number): void {
    const capacity = Math.ceil(players / FULL_RATIO);
    if (capacity > this.capacity) this.resize(Math.max(capacity, Math.ceil(this.capacity * GROWTH)));
  }

  /** Removes the row that begins at `gap`. Rows behind it may move up into the gap, those at the very front to the end. */
  remove(gap: number): void {
    const { rows } = this;
    for (let base = this.after(gap); !isFree(rows, base); base = this.after(base)) {
      if (this.distance(this.homeOf(base), base) < this.distance(gap, base)) continue;
      rows.copyWithin(gap, base, base + ROW_WORDS);
      gap = base;
    }
    rows.fill(0, gap, gap + ROW_WORDS);
    this.size--;
    if (this.size < this.capacity * SPARSE_RATIO) this.resize(Math.floor(this.capacity * SHRINKAGE));
  }

  /** Frees the row that begins at `base` and leaves its gap. Until `closeGaps()` nobody may be searched. */
  free(base: number): void {
    this.rows.fill(0, base, base + ROW_WORDS);
    this.size--;
  }

  /** Places all rows anew, in a table of the right size for them. */
  closeGaps(): void {
    this.resize(this.size === 0 ? 1 : Math.ceil(this.size / CLOSED_RATIO));
  }

  isFree(base: number): boolean {
    return isFree(this.rows, base);
  }

  /**
   * Reads the row where a search for `hash` begins, so that it is in the cache when it is needed.
   * @returns what it read, of no meaning
   */
  touch(hash: number): number {
    return this.rows[this.home(hash)] as number;
  }

  private home(hash: number): number {
    return Math.imul(((Math.imul(hash, SPREAD) >>> 0) * this.capacity * 2 ** -32) | 0, ROW_WORDS);
  }

  private homeOf(base: number): number {
    const { rows } = this;
    return this.home(hashOfRow(this.key, rows, base));
  }

  private after(base: number): number {
    return base + ROW_WORDS === this.rows.length ? 0 : base + ROW_WORDS;
  }

  /** Words from one place on to another, around the end. */
  private distance(from: number, to: number): number {
    return to >= from ? to - from : to - from + this.rows.length;
  }

  private resize(capacity: number): void {
    const old = this.rows;
    this.capacity = capacity;
    this.rows = capacity === 1 ? EMPTY : new Int32Array(capacity * ROW_WORDS);
    for (let from = 0; from < old.length; from += ROW_WORDS) {
      if (isFree(old, from)) continue;
      const [id0, id1, id2, id3] = [
        old[from] as number,
        old[from + 1] as number,
        old[from + 2] as number,
        old[from + 3] as number,
      ];
      const base = ~this.find(halfSipHash(this.key, id0, id1, id2, id3), id0, id1, id2, id3);
      for (let word = 0; word < ROW_WORDS; word++) this.rows[base + word] = old[from + word] as number;
    }
  }
}

/** The rows of a table that are taken, moved together at the front of `words`. */
export function takenRows(words: Int32Array): { words: Int32Array; count: number } {
  let end = 0;
  for (let base = 0; base < words.length; base += ROW_WORDS) {
    if (isFree(words, base)) continue;
    words.copyWithin(end, base, base + ROW_WORDS);
    end += ROW_WORDS;
  }
  return { words, count: end / ROW_WORDS };
}

/** The keyed hash of the id in the row that begins at `base`. */
export function hashOfRow(key: HashKey, rows: Int32Array, base: number): number {
  return halfSipHash(
    key,
    rows[base] as number,
    rows[base + 1] as number,
    rows[base + 2] as number,
    rows[base + 3] as number,
  );
}

function isFree(rows: Int32Array, base: number): boolean {
  return rows[base] === 0 && rows[base + 1] === 0 && rows[base + 2] === 0 && rows[base + 3] === 0;
}
