/**
 * A clock that goes on while the machine stands still. The monotonic clock of a paused machine stops, so that what it knew
 * before looks fresh when it wakes; the wall clock does not. Where the wall clock went further than the other, by more
 * than clocks are ever slewed, this one goes with it; it never goes back.
 */

/** Between two looks; a wall clock is corrected by less, but for steps, which count as a pause too. */
const SLEW_MAX_MS = 100;

/**
 * @param nowMs a clock that never goes back, in milliseconds
 * @param wallMs milliseconds since 1970
 */
export function wakefulClock(nowMs: () => number, wallMs: () => number): () => number {
  let pausedMs = 0;
  let [lastNowMs, lastWallMs] = [nowMs(), wallMs()];
  return () => {
    const [now, wall] = [nowMs(), wallMs()];
    const aheadMs = wall - lastWallMs - (now - lastNowMs);
    if (aheadMs > SLEW_MAX_MS) pausedMs += aheadMs;
    lastNowMs = now;
    lastWallMs = wall;
    return now + pausedMs;
  };
}
