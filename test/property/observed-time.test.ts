import fc from "fast-check";
import { expect, test } from "vitest";

import { ObservedTime } from "../../engine/observed-time.ts";

/** Pauses between looks: mostly short, some longer than the second that a look may add, some backwards. */
const anyPausesMs = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.nat(1000) },
    { weight: 3, arbitrary: fc.integer({ min: 1001, max: 100_000 }) },
    { weight: 1, arbitrary: fc.integer({ min: -5000, max: -1 }) },
  ),
  { maxLength: 300, size: "large" },
);

test("ObservedTime advances by a second a look at the most, never back, never ahead of the clock (R25)", () => {
  fc.assert(
    fc.property(anyPausesMs, fc.nat(10 ** 9), (pausesMs, startMs) => {
      const time = new ObservedTime(startMs);
      let [nowMs, latestMs] = [startMs, startMs];
      for (const pauseMs of pausesMs) {
        const before = time.tenths;
        nowMs += pauseMs;
        latestMs = Math.max(latestMs, nowMs);
        time.advance(nowMs);
        expect(time.tenths).toBeGreaterThanOrEqual(before);
        expect(time.tenths - before).toBeLessThanOrEqual(10);
        expect(time.tenths * 100).toBeLessThanOrEqual(latestMs - startMs);
      }
    }),
  );
});
test("ObservedTime.clockMs() is never after the true reading, and within a tenth of it for the last 60 gaps", () => {
  fc.assert(
    fc.property(anyPausesMs, (pausesMs) => {
      const time = new ObservedTime(0);
      const looks: { tenths: number; clockMs: number; gaps: number }[] = [];
      let [nowMs, latestMs, gaps] = [0, 0, 0];
      for (const pauseMs of pausesMs) {
        nowMs += pauseMs;
        if (nowMs - latestMs > 1000) gaps++;
        latestMs = Math.max(latestMs, nowMs);
        time.advance(nowMs);
        looks.push({ tenths: time.tenths, clockMs: latestMs, gaps });
      }
      for (const look of looks) {
        const clockMs = time.clockMs(look.tenths);
        expect(clockMs).toBeLessThanOrEqual(look.clockMs);
        // A tenth that began before a gap and ended behind it is told by the time before it.
        const isStraddling = time.clockMs(look.tenths + 1) - clockMs > 100;
        if (gaps - look.gaps < 60 && !isStraddling) expect(look.clockMs - clockMs).toBeLessThan(100);
      }
    }),
  );
});
