/** How streams and sessions end that their node ends: spread, so that their clients do not come back, or go elsewhere, all at once. */

/** When a client should come again. */
const [RETRY_MIN_MS, RETRY_MAX_MS] = [1000, 5000];
/** The goodbyes of a node that ends are spread over so much time. */
const DRAIN_MS = 1000;
const DRAIN_STEPS = 50;

/** In so many milliseconds a client should come again whose connection broke, or is ended. */
export function retryMs(): number {
  return spread(RETRY_MIN_MS, RETRY_MAX_MS);
}

/** A whole number between the two. */
export function spread(leastMs: number, mostMs: number): number {
  return Math.round(leastMs + Math.random() * (mostMs - leastMs));
}

/** Ends all of them, a few at a time; resolves when each was told. */
export async function endAll<One>(all: One[], end: (one: One) => void): Promise<void> {
  const perStep = Math.ceil(all.length / DRAIN_STEPS);
  while (all.length > 0) {
    for (const one of all.splice(-perStep)) end(one);
    await new Promise((resolve) => setTimeout(resolve, DRAIN_MS / DRAIN_STEPS));
  }
}
