/**
 * How often somebody may ask: so much at once, and as much again within a window, which comes back little by little. Source:
 * the generic cell rate algorithm (ITU-T I.371): one number for each key, the time until which its allowance is spent.
 */
import type { Rate } from "../limit-settings.ts";
import { Recent } from "../recent.ts";

const ROUNDING_MS = 0.001;

export interface Taken {
  readonly isTaken: boolean;
  /** What may be taken at once now. */
  readonly left: number;
  /** From when on what was refused is taken, if nobody else takes of it; 0 where it was taken. */
  readonly waitMs: number;
}

export class Rates {
  readonly rate: Rate;
  private readonly spentUntilMs: Recent<number>;

  /** @param keysMax keys that are remembered; one that is not has its whole allowance */
  constructor(rate: Rate, keysMax: number) {
    this.rate = rate;
    this.spentUntilMs = new Recent(keysMax);
  }

  /**
   * Takes of a key's allowance, or refuses and takes nothing.
   * @param cost what is more than all of the allowance is taken when all of it is there, and has to come back
   */
  take(key: string, nowMs: number, cost = 1): Taken {
    const verdict = this.ask(key, nowMs, cost);
    if (!verdict.isTaken) return verdict;
    const after = this.spentUntil(key, nowMs) + cost * this.eachMs;
    this.spentUntilMs.set(key, after);
    return { ...verdict, left: this.leftAt(after, nowMs) };
  }

  /** Whether so much would be taken; takes nothing. */
  ask(key: string, nowMs: number, cost = 1): Taken {
    const { count, windowMs } = this.rate;
    const spentUntilMs = this.spentUntil(key, nowMs);
    const waitMs = spentUntilMs + Math.min(cost, count) * this.eachMs - nowMs - windowMs;
    // A number that is a little too large after many sums must not refuse what is allowed.
    const isTaken = waitMs <= ROUNDING_MS;
    return { isTaken, left: this.leftAt(spentUntilMs, nowMs), waitMs: isTaken ? 0 : waitMs };
  }

  /** Until one has come back. */
  private get eachMs(): number {
    return this.rate.windowMs / this.rate.count;
  }

  private spentUntil(key: string, nowMs: number): number {
    return Math.max(this.spentUntilMs.get(key) ?? 0, nowMs);
  }

  private leftAt(spentUntilMs: number, nowMs: number): number {
    const { count, windowMs } = this.rate;
    return Math.max(0, Math.floor((count * (windowMs - (spentUntilMs - nowMs))) / windowMs + 1e-6));
  }
}
