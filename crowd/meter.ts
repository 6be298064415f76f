// What was sent, what came back, and how long it took: for the last second and for the whole run.
import { createHistogram } from "node:perf_hooks";
import type { MessageCause } from "./crowd.ts";

const LATENCY_MAX_US = 3_600e6;

export interface Reading {
  readonly seconds: number;
  readonly messages: number;
  readonly causes: ReadonlyMap<string, number>;
  /** By status, and by a word where there was none. */
  readonly answers: ReadonlyMap<string, number>;
  /** Milliseconds at a percentile, NaN without any. */
  latencyMs(percentile: number): number;
}

export class Meter {
  readonly #total: Period;
  #last: Period;

  constructor(nowMs: number) {
    this.#total = new Period(nowMs);
    this.#last = new Period(nowMs);
  }

  /** A call, or a row of a batch, came to its end: with this status, or for this reason without one. */
  called(answer: string): void {
    for (const period of [this.#total, this.#last]) period.called(answer);
  }

  /** So long after it was meant to go out it was over. */
  took(latencyMs: number): void {
    for (const period of [this.#total, this.#last]) period.took(latencyMs);
  }

  /** A message of a player reached the service, alone or in a batch. */
  delivered(cause: MessageCause): void {
    for (const period of [this.#total, this.#last]) period.delivered(cause);
  }

  /** Since the last time this was asked. */
  lap(nowMs: number): Reading {
    const reading = this.#last.read(nowMs);
    this.#last = new Period(nowMs);
    return reading;
  }

  total(nowMs: number): Reading {
    return this.#total.read(nowMs);
  }
}

class Period {
  readonly #startMs: number;
  readonly #latencyUs = createHistogram({ lowest: 1, highest: LATENCY_MAX_US, figures: 3 });
  readonly #causes = new Map<string, number>();
  readonly #answers = new Map<string, number>();
  #messages = 0;

  constructor(nowMs: number) {
    this.#startMs = nowMs;
  }

  called(answer: string): void {
    increment(this.#answers, answer);
  }

  took(latencyMs: number): void {
    this.#latencyUs.record(Math.min(Math.max(1, Math.round(latencyMs * 1_000)), LATENCY_MAX_US));
  }

  delivered(cause: MessageCause): void {
    this.#messages++;
    increment(this.#causes, cause);
  }

  read(nowMs: number): Reading {
    return {
      seconds: (nowMs - this.#startMs) / 1_000,
      messages: this.#messages,
      causes: this.#causes,
      answers: this.#answers,
      latencyMs: (percentile) => (this.#latencyUs.count === 0 ? NaN : this.#latencyUs.percentile(percentile) / 1_000),
    };
  }
}

function increment(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
