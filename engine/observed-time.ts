/**
 * Time as far as we looked (R25): nobody ages while the process stands still, so each look advances it by a second
 * at the most. Counted in tenths of a second from the start; it remembers where it was held back, so that
 * "last seen" can be told in the clock's time.
 */
const STEP_MAX_MS = 1000;
/** Where observed time was held back; the oldest are merged, which can only make "last seen" earlier. */
const GAPS_MAX = 64;

interface Gap {
  readonly fromMs: number;
  readonly aheadMs: number;
}

export class ObservedTime {
  /** Tenths of a second observed so far, whole. */
  tenths = 0;
  private observedMs = 0;
  private lastMs: number;
  /** From observed time `fromMs` on the clock is `aheadMs` further than the observed time. */
  private readonly gaps: [Gap, ...Gap[]];

  /** @param nowMs reading of a clock that never goes back, in milliseconds */
  constructor(nowMs: number) {
    this.lastMs = nowMs;
    this.gaps = [{ fromMs: -Infinity, aheadMs: nowMs }];
  }

  /**
   * Looks at the clock.
   * @param isHeld true where nothing can be observed, so that no time passes
   */
  advance(nowMs: number, isHeld = false): void {
    const passedMs = Math.max(0, nowMs - this.lastMs);
    const stepMaxMs = isHeld ? 0 : STEP_MAX_MS;
    this.lastMs = Math.max(nowMs, this.lastMs);
    this.observedMs += Math.min(passedMs, stepMaxMs);
    this.tenths = Math.floor(this.observedMs / 100);
    if (passedMs > stepMaxMs) this.hold();
  }

  /** The latest clock reading, in milliseconds, that is certainly not after the observed time `tenths`. */
  clockMs(tenths: number): number {
    const observedMs = tenths * 100;
    const gap = this.gaps.findLast(({ fromMs }) => fromMs <= observedMs);
    return observedMs + (gap ?? this.gaps[0]).aheadMs;
  }

  private hold(): void {
    const gap = { fromMs: this.observedMs, aheadMs: this.lastMs - this.observedMs };
    if (this.gaps.at(-1)?.fromMs === gap.fromMs) this.gaps.pop(); // held on: still the same gap
    this.gaps.push(gap);
    if (this.gaps.length > GAPS_MAX) this.gaps.splice(1, 1);
  }
}
