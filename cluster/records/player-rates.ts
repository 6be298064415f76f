/**
 * How often each player may report or send a heartbeat, kept by the player's owner, so that asking more nodes allows no more. A
 * table of fixed size: who does not fit pushes out who has spent least, and whoever is not in it has the whole allowance.
 */
import { eachMs, type Rate, waitMsOf } from "../../engine/rate.ts";

/** Places that one player may have. */
const WAYS = 4;
/** Of that many places; 262,144 players who have spent something within the window, in 3 MB. */
const SETS = 65_536;
const MS_IN_S = 1000;

export class PlayerRates {
  private readonly rate: Rate;
  private readonly nowMs: () => number;
  private readonly hashes = new Int32Array(WAYS * SETS);
  /** Until when each has spent the allowance. */
  private readonly spentUntilMs = new Float64Array(WAYS * SETS);

  constructor(rate: Rate, nowMs: () => number) {
    this.rate = rate;
    this.nowMs = nowMs;
  }

  /**
   * Takes one of a player's allowance, or refuses and takes nothing.
   * @param hash the player's keyed hash: without the key nobody finds players that share a place
   * @returns in how many seconds it is taken, if nobody else takes of it; 0: it was taken
   */
  take(hash: number): number {
    const nowMs = this.nowMs();
    const place = this.placeOf(hash);
    const spentUntilMs = this.hashes[place] === hash ? Math.max(this.spentUntilMs[place] as number, nowMs) : nowMs;
    const waitMs = waitMsOf(this.rate, spentUntilMs, nowMs);
    if (waitMs > 0) return Math.ceil(waitMs / MS_IN_S);
    this.hashes[place] = hash;
    this.spentUntilMs[place] = spentUntilMs + eachMs(this.rate);
    return 0;
  }

  /** The player's own place, or else the one of the set that is least spent. */
  private placeOf(hash: number): number {
    const first = (hash & (SETS - 1)) * WAYS;
    let least = first;
    for (let place = first; place < first + WAYS; place++) {
      if (this.hashes[place] === hash) return place;
      if ((this.spentUntilMs[place] as number) < (this.spentUntilMs[least] as number)) least = place;
    }
    return least;
  }
}
