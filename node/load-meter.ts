/** Measures how busy the event loop is, for the pace that clients are asked to keep. */
import type { Pace } from "./pace.ts";

const WINDOW_MS = 1000;

export class LoadMeter {
  private readonly pace: Pace;
  private utilization = performance.eventLoopUtilization();
  private measuredMs = 0;

  constructor(pace: Pace) {
    this.pace = pace;
  }

  /** To be called some 50 times a second. */
  tick(nowMs: number): void {
    if (nowMs - this.measuredMs < WINDOW_MS) return;
    const now = performance.eventLoopUtilization();
    this.pace.load = performance.eventLoopUtilization(now, this.utilization).utilization ** 4; // felt near saturation only
    this.utilization = now;
    this.measuredMs = nowMs;
  }
}
