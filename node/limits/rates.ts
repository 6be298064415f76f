/** How often somebody may ask, by a key such as an address (engine/rate.ts). */
import { eachMs, leftAt, type Rate, waitMsOf } from "../../engine/rate.ts";
import { Recent } from "../recent.ts";

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
   * @param paid what was taken already as a part of it: that is given back first, else no allowance would ever be whole again for it
   */
  take(key: string, nowMs: number, cost = 1, paid = 0): Taken {
    if (paid > 0) this.spentUntilMs.set(key, this.spentUntil(key, nowMs) - paid * eachMs(this.rate));
    const verdict = this.ask(key, nowMs, cost);
    if (!verdict.isTaken) return verdict;
    const after = this.spentUntil(key, nowMs) + cost * eachMs(this.rate);
    this.spentUntilMs.set(key, after);
    return { ...verdict, left: leftAt(this.rate, after, nowMs) };
  }

  /** Whether so much would be taken; takes nothing. */
  ask(key: string, nowMs: number, cost = 1): Taken {
    const spentUntilMs = this.spentUntil(key, nowMs);
    const waitMs = waitMsOf(this.rate, spentUntilMs, nowMs, cost);
    return { isTaken: waitMs === 0, left: leftAt(this.rate, spentUntilMs, nowMs), waitMs };
  }

  private spentUntil(key: string, nowMs: number): number {
    return Math.max(this.spentUntilMs.get(key) ?? 0, nowMs);
  }
}
