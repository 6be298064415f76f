/**
 * Runs tasks that may take long, such as reading 2 MiB of JSON: in each turn of the event loop as many as fit into a few
 * milliseconds, and at least one. Otherwise all that are ready would run in one turn, and every other client would wait for them.
 */

export interface SlicesLimits {
  /** A task that has waited so long is told that it is late, in milliseconds. */
  readonly waitMs: number;
  /** Of all tasks that wait, together. */
  readonly bytesMax: number;
}

interface Waiting {
  readonly bytes: number;
  readonly sinceMs: number;
  readonly run: (isLate: boolean) => void;
}

const SLICE_MS = 5;

export class Slices {
  private readonly limits: SlicesLimits;
  private readonly waiting: Waiting[] = [];
  private bytes = 0;
  private isPlanned = false;

  constructor(limits: SlicesLimits) {
    this.limits = limits;
  }

  /**
   * @param bytes that the task holds until it runs
   * @param run called once; where it is late, it should do as little as it can
   * @returns false where too much waits: it is never called
   */
  add(bytes: number, run: (isLate: boolean) => void): boolean {
    if (this.bytes + bytes > this.limits.bytesMax) return false;
    this.bytes += bytes;
    this.waiting.push({ bytes, sinceMs: performance.now(), run });
    this.plan();
    return true;
  }

  private plan(): void {
    if (this.isPlanned) return;
    this.isPlanned = true;
    setImmediate(() => {
      this.isPlanned = false;
      const untilMs = performance.now() + SLICE_MS;
      do this.runNext();
      while (this.waiting.length > 0 && performance.now() < untilMs);
      if (this.waiting.length > 0) this.plan();
    });
  }

  private runNext(): void {
    const next = this.waiting.shift();
    if (next === undefined) return;
    this.bytes -= next.bytes;
    next.run(performance.now() - next.sinceMs > this.limits.waitMs);
  }
}
