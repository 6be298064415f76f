/** Waiting for a condition, never for a fixed time. */

import { setTimeout as pause } from "node:timers/promises";

export interface UntilOptions {
  /** Longest wait; long enough for a busy machine, since only a failing test takes it. */
  readonly limitMs?: number;
  /** Between two looks. */
  readonly intervalMs?: number;
}

/**
 * Looks again and again until `look` gives something other than `undefined` or `false`, and returns that. Throws with
 * `what`, and with the last error where `look` itself threw, when the limit is reached.
 */
export async function until<T>(
  what: string,
  look: () => T | Promise<T>,
  { limitMs = 15_000, intervalMs = 10 }: UntilOptions = {},
): Promise<Exclude<T, undefined | false>> {
  const limitAtMs = performance.now() + limitMs;
  for (;;) {
    let failure: unknown;
    try {
      const seen = await look();
      if (seen !== undefined && seen !== false) return seen as Exclude<T, undefined | false>;
    } catch (error) {
      failure = error;
    }
    if (performance.now() > limitAtMs) {
      throw new Error(`Waited ${limitMs} ms in vain until ${what}`, failure === undefined ? {} : { cause: failure });
    }
    await pause(intervalMs);
  }
}
