/**
 * R14: how long a licence is. It must be short, since whoever takes over waits for it, and long enough that a slow store
 * does not end it between two renewals: so it follows the pace of the renewals.
 */

const LICENCE_MIN_MS = 400;
/** A licence outlives so many of the slowest renewals. */
const RENEWALS_OUTLIVED = 4;
/** The slowest of so long counts. */
const WINDOW_MS = 10_000;
/** R14: renewals come so many times in a licence, so one may fail. */
const RENEWALS_A_LICENCE = 3;

interface Renewal {
  readonly answeredAtMs: number;
  readonly tookMs: number;
}

export class LicencePace {
  private readonly leaseMs: number;
  /** The slowest in the window, then the slowest of those after it, and so on. */
  private slowest: Renewal[] = [];

  constructor(leaseMs: number) {
    this.leaseMs = leaseMs;
  }

  /** A renewal was answered. */
  note(answeredAtMs: number, tookMs: number): void {
    this.slowest = this.slowest.filter((renewal) => renewal.tookMs > tookMs);
    this.slowest.push({ answeredAtMs, tookMs });
  }

  /** 400 ms, or four times the slowest renewal of the last ten seconds; at most half a lease. A whole number. */
  licenceMs(nowMs: number): number {
    while (nowMs - (this.slowest[0]?.answeredAtMs ?? nowMs) > WINDOW_MS) this.slowest.shift();
    const slowestMs = this.slowest[0]?.tookMs ?? 0;
    return Math.floor(Math.min(this.leaseMs / 2, Math.max(LICENCE_MIN_MS, Math.ceil(RENEWALS_OUTLIVED * slowestMs))));
  }

  /** From the sending of one renewal to that of the next. */
  renewalMs(nowMs: number): number {
    return this.licenceMs(nowMs) / RENEWALS_A_LICENCE;
  }
}
