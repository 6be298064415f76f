/**
 * When what marked answers say may stand still: from a disturbance until that is over, no call hangs, and every partition is
 * served. While nobody serves a partition no board that was taken meanwhile is whole, and what was known before stands,
 * marked (R22, R31).
 */
interface Period {
  readonly beganMs: number;
  /** From then on nothing held counts up; Infinity while it lasts. */
  freeMs: number;
}

/** So often it is looked. */
export const LOOK_MS = 100;
/** Nobody asks for what was longer ago. */
const REMEMBERED_MS = 60_000;

export class Unsettled {
  private periods: Period[] = [{ beganMs: 0, freeMs: Infinity }];
  private freeMs = 0;

  /** Something is disturbed. */
  begin(nowMs: number): void {
    if (this.periods.at(-1)?.freeMs === Infinity) return;
    this.periods = this.periods.filter(({ freeMs }) => nowMs - freeMs < REMEMBERED_MS);
    this.periods.push({ beganMs: nowMs, freeMs: Infinity });
  }

  /** @param isHeld whether a call hangs or somebody must yet serve a partition */
  look(nowMs: number, isDisturbed: boolean, isHeld: boolean): void {
    if (isHeld) this.freeMs = nowMs + LOOK_MS; // at the latest, where the next look finds it free
    const last = this.periods.at(-1);
    if (!isHeld && !isDisturbed && last?.freeMs === Infinity) last.freeMs = this.freeMs;
  }

  /**
   * Since when an answer may stand that comes now. What held it up is over for it only once counts have had their time to
   * rise since: whoever serves a partition at last tells the owners of its countries (R21), these the owners of areas (R31),
   * and each pushes its board when that is whole (R22, R23). Where the next disturbance began before that, it has stood
   * since the one before.
   * @param riseMs how far an unmarked answer about that place may be behind where nothing is disturbed
   * @returns Infinity where it does not stand still
   */
  sinceMs(nowMs: number, riseMs: number): number {
    let sinceMs = Infinity;
    for (const { beganMs, freeMs } of this.periods.toReversed()) {
      if (freeMs + riseMs <= Math.min(nowMs, sinceMs)) break;
      sinceMs = beganMs;
    }
    return sinceMs;
  }
}
