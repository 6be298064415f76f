/**
 * How often somebody may ask: so much at once, and as much again within a window, which comes back little by little. Source:
 * the generic cell rate algorithm (ITU-T I.371): one number for each key, the time until which its allowance is spent.
 */
import type { Rate } from "../limit-settings.ts";

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
  /** By key; the one that asked longest ago comes first. */
  private readonly spentUntilMs = new Map<string, number>();
  private readonly keysMax: number;

  /** @param keysMax keys that are remembered; one that is not has its whole allowance */
  constructor(rate: Rate, keysMax: number) {
    this.rate = rate;
    this.keysMax = keysMax;
  }

  /**
   * Takes of a key's allowance, or refuses and takes nothing.
   * @param cost more than all of the allowance counts as all of it
   */
  take(key: string, nowMs: number, cost = 1): Taken {
    const { count, windowMs } = this.rate;
    const eachMs = windowMs / count;
    const before = Math.max(this.spentUntilMs.get(key) ?? 0, nowMs);
    const after = before + Math.min(cost, count) * eachMs;
    const waitMs = after - nowMs - windowMs;
    // A number that is a little too large after many sums must not refuse what is allowed.
    if (waitMs > ROUNDING_MS) return { isTaken: false, left: leftAt(before, nowMs, this.rate), waitMs };
    this.spentUntilMs.delete(key);
    this.spentUntilMs.set(key, after);
    if (this.spentUntilMs.size > this.keysMax) this.spentUntilMs.delete(this.spentUntilMs.keys().next().value!);
    return { isTaken: true, left: leftAt(after, nowMs, this.rate), waitMs: 0 };
  }
}

function leftAt(spentUntilMs: number, nowMs: number, { count, windowMs }: Rate): number {
  return Math.max(0, Math.floor((count * (windowMs - (spentUntilMs - nowMs))) / windowMs + 1e-6));
}
