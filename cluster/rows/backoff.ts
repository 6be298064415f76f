/** Pauses after calls to a peer that were not answered: doubled each time, up to a fifth of a second. */
const FIRST_MS = 20;
const LAST_MS = 200;

/** @param beforeMs the last pause; 0 after a call that was answered */
export function backoffAfter(beforeMs: number): number {
  return Math.min(LAST_MS, Math.max(FIRST_MS, beforeMs * 2));
}
