/** R16: tells in the log when Redis fills up, long before it refuses to be written. */
import type { Logger } from "pino";

const LOOK_EVERY_MS = 10_000;
const ALARM_RATIO = 0.7;
/** It is over when so much less is used: what stands at the border is not told again and again. */
const RELIEF_RATIO = 0.65;

export class MemoryAlarm {
  /** Memory used of what Redis may use, as of the last look. */
  ratio = 0;
  private readonly usedRatio: () => Promise<number>;
  private readonly log: Logger;
  private isRaised = false;
  private nextAtMs = 0;

  constructor(usedRatio: () => Promise<number>, log: Logger) {
    this.usedRatio = usedRatio;
    this.log = log;
  }

  /** To be called often; looks now and then. */
  tick(nowMs: number): void {
    if (nowMs < this.nextAtMs) return;
    this.nextAtMs = nowMs + LOOK_EVERY_MS;
    this.usedRatio().then(
      (ratio) => this.note(ratio),
      () => {}, // that Redis is away is told by those who need it
    );
  }

  private note(ratio: number): void {
    this.ratio = ratio;
    const usedPercent = Math.round(ratio * 100);
    if (!this.isRaised && ratio >= ALARM_RATIO) {
      this.isRaised = true;
      this.log.error(
        { usedPercent },
        "Redis fills up: give it more memory (maxmemory) before it refuses to be written",
      );
    } else if (this.isRaised && ratio < RELIEF_RATIO) {
      this.isRaised = false;
      this.log.info({ usedPercent }, "Redis has room again");
    }
  }
}
