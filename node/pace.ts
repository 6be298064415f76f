/** How soon a client should be heard from again: the service sets the pace. */

const JITTER = 0.2;
const RETRY_MS = 2000;

export class Pace {
  private readonly sessionMs: number;
  /** 0: idle, 1: the event loop has no time to spare. */
  load = 0;
  /** 0: none; 1: more comes than can be done. */
  strain = 0;

  constructor(sessionMs: number) {
    this.sessionMs = sessionMs;
  }

  /** A third of the session's life, longer under load, spread by ±20 %, half of it at the most; in milliseconds. */
  renewMs(): number {
    const base = (this.sessionMs / 3) * (1 + Math.max(this.load, this.strain) / 2);
    return Math.min(this.sessionMs / 2, base * (1 + JITTER * (2 * Math.random() - 1))) | 0;
  }

  /** Soon: what was counted but could not be stored should be said again. */
  retryMs(): number {
    return Math.min(this.renewMs(), RETRY_MS * (1 + JITTER * (2 * Math.random() - 1))) | 0;
  }
}
