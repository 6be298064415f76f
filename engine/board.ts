/**
 * One place's players per mode, and its modes in a heap, most players first, equal counts by name ascending.
 *   heap      Int32Array   modes with players, heap order: nothing below a mode ranks above it
 *   place     Int32Array   where a mode is in the heap, plus 1; 0: not there
 *   counts    Int32Array   players by mode
 * `set` is O(log modes), the top K is read best-first in O(K log K).
 * Source: Frederickson, An optimal algorithm for selection in a min-heap, 1993 (its simple first form).
 */
import { invariant } from "./invariant.ts";

export interface Ranked {
  readonly mode: string;
  readonly players: number;
}

export interface PlaceBoard {
  /** Players in the place, all modes together. */
  readonly players: number;
  /** Rises whenever a count changes. */
  readonly version: number;
  /** Players of a mode. */
  count(mode: number): number;
  /** The `limit` modes with the most players, best first. */
  top(limit: number): Ranked[];
  /** The modes with players in them, in no order. The board must not change meanwhile. */
  entries(): Iterable<readonly [mode: string, players: number]>;
}

export class Board implements PlaceBoard {
  players = 0;
  version = 0;
  private size = 0;
  private heap = new Int32Array(8);
  private place = new Int32Array(8);
  private counts = new Int32Array(8);
  private readonly names: readonly string[];

  /** @param names name of each mode number; may grow, a name in use does not change */
  constructor(names: readonly string[]) {
    this.names = names;
  }

  count(mode: number): number {
    return mode < this.counts.length ? (this.counts[mode] as number) : 0;
  }

  /** Sets the players of a mode. */
  set(mode: number, players: number): void {
    if (mode >= this.counts.length) this.grow(mode + 1);
    invariant(players >= 0, "no count is negative");
    const change = players - (this.counts[mode] as number);
    if (change === 0) return;
    this.counts[mode] = players;
    this.players += change;
    this.version++;
    if (this.place[mode] === 0) this.append(mode);
    const at = (this.place[mode] as number) - 1;
    if (change > 0) this.rise(at);
    else this.sink(at);
    if (players === 0) this.drop((this.place[mode] as number) - 1);
  }

  top(limit: number): Ranked[] {
    const best: Ranked[] = [];
    // The next best is always a child of one already taken: keep those, best first, by their place in the heap.
    const candidates = this.size > 0 ? [0] : [];
    while (best.length < limit && candidates.length > 0) {
      const at = candidates.shift() as number;
      const mode = this.heap[at] as number;
      best.push({ mode: this.names[mode] as string, players: this.counts[mode] as number });
      for (const child of [2 * at + 1, 2 * at + 2]) if (child < this.size) this.addCandidate(candidates, child);
    }
    return best;
  }

  *entries(): Generator<readonly [mode: string, players: number]> {
    for (let at = 0; at < this.size; at++) {
      const mode = this.heap[at] as number;
      yield [this.names[mode] as string, this.counts[mode] as number];
    }
  }

  private addCandidate(candidates: number[], at: number): void {
    let [low, high] = [0, candidates.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      const other = this.heap[candidates[middle] as number] as number;
      if (this.ranksAbove(this.heap[at] as number, other)) high = middle;
      else low = middle + 1;
    }
    candidates.splice(low, 0, at);
  }

  private ranksAbove(mode: number, other: number): boolean {
    const difference = (this.counts[mode] as number) - (this.counts[other] as number);
    return difference !== 0 ? difference > 0 : (this.names[mode] as string) < (this.names[other] as string);
  }

  private append(mode: number): void {
    this.heap[this.size] = mode;
    this.place[mode] = ++this.size;
  }

  private drop(at: number): void {
    const mode = this.heap[at] as number;
    const last = this.heap[--this.size] as number;
    this.place[mode] = 0;
    if (mode === last) return;
    this.put(last, at);
    this.rise(at);
    this.sink((this.place[last] as number) - 1);
  }

  private put(mode: number, at: number): void {
    this.heap[at] = mode;
    this.place[mode] = at + 1;
  }

  private rise(at: number): void {
    const mode = this.heap[at] as number;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.ranksAbove(mode, this.heap[parent] as number)) break;
      this.put(this.heap[parent] as number, at);
      at = parent;
    }
    this.put(mode, at);
  }

  private sink(at: number): void {
    const mode = this.heap[at] as number;
    for (let child = 2 * at + 1; child < this.size; child = 2 * at + 1) {
      if (child + 1 < this.size && this.ranksAbove(this.heap[child + 1] as number, this.heap[child] as number)) child++;
      if (!this.ranksAbove(this.heap[child] as number, mode)) break;
      this.put(this.heap[child] as number, at);
      at = child;
    }
    this.put(mode, at);
  }

  private grow(modes: number): void {
    const length = 2 ** Math.ceil(Math.log2(modes));
    const longer = (old: Int32Array): Int32Array<ArrayBuffer> => {
      const array = new Int32Array(length);
      array.set(old);
      return array;
    };
    this.heap = longer(this.heap);
    this.place = longer(this.place);
    this.counts = longer(this.counts);
  }
}
