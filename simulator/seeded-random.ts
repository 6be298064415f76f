/** Random numbers from a seed: one seed is one run. Mulberry32 (Tommy Ettinger, public domain). */

import { randomInt } from "node:crypto";

export class SeededRandom {
  readonly seed: number;
  #state: number;

  constructor(seed: number) {
    this.seed = seed >>> 0;
    this.#state = this.seed;
  }

  /** From `HEADCOUNT_TEST_SEED` where it is set, to replay a run; else a new seed. */
  static fromEnvironment(): SeededRandom {
    const given = process.env["HEADCOUNT_TEST_SEED"];
    return new SeededRandom(given === undefined ? randomInt(2 ** 32) : Number(given));
  }

  /** 0 … below 1 */
  fraction(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number, 0 … below `bound`. */
  below(bound: number): number {
    return Math.floor(this.fraction() * bound);
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T;
  }

  /** A copy in random order (Fisher and Yates). */
  shuffled<T>(items: readonly T[]): T[] {
    const copy = [...items];
    for (let last = copy.length - 1; last > 0; last--) {
      const other = this.below(last + 1);
      [copy[last], copy[other]] = [copy[other] as T, copy[last] as T];
    }
    return copy;
  }
}
