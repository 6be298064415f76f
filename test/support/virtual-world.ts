/** The client's world with a clock that only `run` moves, so that hours of failures take no time and one seed is one run. */
import type { World } from "../../client/world.ts";
import type { SeededRandom } from "../../simulator/seeded-random.ts";

interface Timer {
  readonly atMs: number;
  readonly serial: number;
  readonly run: () => void;
}

export const EPOCH_MS = Date.UTC(2026, 0, 1);

export class VirtualClock {
  /** Milliseconds since the beginning. */
  nowMs = 0;
  #serial = 0;
  /** A binary heap: whatever is due first is at 0. */
  readonly #heap: Timer[] = [];
  readonly #cancelled = new Set<unknown>();
  readonly #random: SeededRandom;

  constructor(random: SeededRandom) {
    this.#random = random;
  }

  /** Timers that are set and neither due nor cancelled. */
  get timerCount(): number {
    return this.#heap.filter(({ serial }) => !this.#cancelled.has(serial)).length;
  }

  /** The part of a world that has to do with time and chance. */
  get world(): Pick<World, "now" | "random" | "setTimeout" | "clearTimeout"> {
    return {
      now: () => EPOCH_MS + this.nowMs,
      random: () => this.#random.fraction(),
      setTimeout: (run, ms) => this.after(ms, run),
      clearTimeout: (timer) => void this.#cancelled.add(timer),
    };
  }

  after(ms: number, run: () => void): number {
    // As timers everywhere: what they cannot wait for is due at once.
    const waitMs = ms >= 2 ** 31 || !(ms > 0) ? 0 : ms;
    const timer = { atMs: this.nowMs + waitMs, serial: ++this.#serial, run };
    this.#heap.push(timer);
    for (let at = this.#heap.length - 1; at > 0;) {
      const parent = (at - 1) >> 1;
      if (!isBefore(timer, this.#heap[parent]!)) break;
      [this.#heap[at], this.#heap[parent]] = [this.#heap[parent]!, timer];
      at = parent;
    }
    return timer.serial;
  }

  /** Lets so much time pass, and what was due in it happen. What is due at the same time happens before any promise goes on. */
  async run(ms: number): Promise<void> {
    const endMs = this.nowMs + ms;
    await settled();
    while (this.#heap[0] !== undefined && this.#heap[0].atMs <= endMs) {
      this.nowMs = this.#heap[0].atMs;
      while (this.#heap[0] !== undefined && this.#heap[0].atMs <= this.nowMs) {
        const { serial, run } = this.#pop();
        if (!this.#cancelled.delete(serial)) run();
      }
      await settled();
    }
    this.nowMs = endMs;
  }

  #pop(): Timer {
    const heap = this.#heap;
    const first = heap[0]!;
    const last = heap.pop()!;
    if (heap.length === 0) return first;
    heap[0] = last;
    for (let at = 0; ;) {
      const left = 2 * at + 1;
      if (left >= heap.length) break;
      const child = left + 1 < heap.length && isBefore(heap[left + 1]!, heap[left]!) ? left + 1 : left;
      if (!isBefore(heap[child]!, last)) break;
      [heap[at], heap[child]] = [heap[child]!, last];
      at = child;
    }
    return first;
  }
}

function isBefore(one: Timer, other: Timer): boolean {
  return one.atMs < other.atMs || (one.atMs === other.atMs && one.serial < other.serial);
}

/** All promises that can go on have gone on. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 2; turn++) await new Promise((resolve) => setImmediate(resolve));
}
