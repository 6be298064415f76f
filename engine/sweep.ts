/**
 * The rolling scan for who has been silent too long: one pass over all partitions a second, a bounded piece a call, going
 * on where the last call stopped.
 */
import type { Partition } from "./partition.ts";

const PAUSE_TENTHS = 10;

export class Sweep {
  private readonly partitions: readonly Partition[];
  /** The partition that the pass has come to; behind the last where it is complete. */
  private at = 0;
  private beganAt = 0;

  constructor(partitions: readonly Partition[]) {
    this.partitions = partitions;
  }

  /**
   * @param now tenths of a second of observed time
   * @param budget rows to look at; a row forgotten counts as SWEEP_FORGET_COST
   */
  goOn(now: number, budget: number): void {
    if (this.at === this.partitions.length) {
      if (now - this.beganAt < PAUSE_TENTHS) return;
      this.at = 0;
      this.beganAt = now;
    }
    while (this.at < this.partitions.length && budget > 0) {
      budget = (this.partitions[this.at] as Partition).sweep(now, budget);
      if (budget > 0) this.at++;
    }
  }
}
