/**
 * How often something may happen: so much at once, and as much again within a window, which comes back little by little. Source: the
 * generic cell rate algorithm (ITU-T I.371): one number for each who is limited, the time until which the allowance is spent.
 */

/** So much at once, and as much again within the window. */
export interface Rate {
  readonly count: number;
  readonly windowMs: number;
}

/** A number that is a little too large after many sums must not refuse what is allowed. */
const ROUNDING_MS = 0.001;

/** Until one has come back. */
export function eachMs({ count, windowMs }: Rate): number {
  return windowMs / count;
}

/**
 * From when on so much may be taken; 0: now.
 * @param spentUntilMs not before now
 * @param cost what is more than all of the allowance is taken when all of it is there
 */
export function waitMsOf(rate: Rate, spentUntilMs: number, nowMs: number, cost = 1): number {
  const waitMs = spentUntilMs + Math.min(cost, rate.count) * eachMs(rate) - nowMs - rate.windowMs;
  return waitMs <= ROUNDING_MS ? 0 : waitMs;
}

/** What may be taken at once. */
export function leftAt({ count, windowMs }: Rate, spentUntilMs: number, nowMs: number): number {
  return Math.max(0, Math.floor((count * (windowMs - (spentUntilMs - nowMs))) / windowMs + 1e-6));
}
