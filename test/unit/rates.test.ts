import fc from "fast-check";
import { expect, test } from "vitest";
import { Rates } from "../../node/limits/rates.ts";

const SECOND = 1000;

test("a key may take all of its allowance at once, and then as it comes back", () => {
  const rates = new Rates({ count: 10, windowMs: 10 * SECOND }, 100);
  for (let left = 9; left >= 0; left--) expect(rates.take("a", 500)).toEqual({ isTaken: true, left, waitMs: 0 });
  expect(rates.take("a", 500)).toEqual({ isTaken: false, left: 0, waitMs: SECOND });
  expect(rates.take("b", 500).isTaken, "another's allowance is its own").toBe(true);
  expect(rates.take("a", 1499).isTaken).toBe(false);
  expect(rates.take("a", 1500)).toEqual({ isTaken: true, left: 0, waitMs: 0 });
  expect(rates.take("a", 60 * SECOND).left, "no more than all comes back").toBe(9);
});
test("what costs more than all of the allowance is taken when all of it is there", () => {
  const rates = new Rates({ count: 100, windowMs: SECOND }, 100);
  expect(rates.take("a", 0, 1000).isTaken).toBe(true);
  expect(rates.take("a", 9999, 1000), "all of it has to come back").toMatchObject({ isTaken: false, waitMs: 1 });
  expect(rates.ask("a", 9010).isTaken, "one has").toBe(true);
  expect(rates.ask("a", 9009).isTaken).toBe(false);
  expect(rates.take("a", 10_000, 1000).isTaken).toBe(true);
});
test("what was paid of a cost is a part of it, and given back where the whole is refused", () => {
  const rates = new Rates({ count: 100, windowMs: SECOND }, 100);
  rates.take("a", 0);
  expect(rates.take("a", 0, 60, 1)).toMatchObject({ isTaken: true, left: 40 });
  rates.take("a", 0);
  expect(rates.take("a", 0, 60, 1)).toEqual({ isTaken: false, left: 40, waitMs: 200 });
  rates.take("b", 0);
  expect(rates.take("b", 0, 1000, 1).isTaken, "more than all of it").toBe(true);
  rates.take("c", 0);
  expect(rates.take("c", 9 * SECOND, 60, 1).left, "what came back meanwhile is given back once").toBe(40);
});
test("a key that was not heard of for long is forgotten, and has its whole allowance again", () => {
  const rates = new Rates({ count: 1, windowMs: SECOND }, 4);
  for (const key of ["a", "b", "c"]) rates.take(key, 0); // a, b and c become the old ones
  expect(rates.take("a", 0).isTaken, "used again").toBe(false);
  for (const key of ["d", "e"]) rates.take(key, 0); // a, d and e do
  expect(["a", "b", "d"].map((key) => rates.take(key, 0).isTaken)).toEqual([false, true, false]);
});

const anyRate = fc.record({
  count: fc.integer({ min: 1, max: 1e6 }),
  windowMs: fc.integer({ min: 1, max: 100 }).map((s) => s * SECOND),
});
const anyAsking = fc.array(
  fc.record({ afterMs: fc.double({ min: 0, max: 5000, noNaN: true }), cost: fc.integer({ min: 1, max: 50 }) }),
  {
    maxLength: 200,
  },
);

test("within any window no more is taken than twice the allowance, and who waits as told gets in", () => {
  fc.assert(
    fc.property(anyRate, anyAsking, (rate, asking) => {
      const rates = new Rates(rate, 10);
      const taken: { atMs: number; cost: number }[] = [];
      let nowMs = 1e9;
      for (const { afterMs, cost } of asking) {
        nowMs += afterMs;
        const { isTaken, waitMs, left } = rates.take("a", nowMs, cost);
        expect(left).toBeLessThanOrEqual(rate.count);
        if (isTaken) taken.push({ atMs: nowMs, cost: Math.min(cost, rate.count) });
        else {
          expect(waitMs).toBeGreaterThan(0);
          nowMs += Math.ceil(waitMs / SECOND) * SECOND; // as Retry-After says
          expect(rates.take("a", nowMs, cost).isTaken).toBe(true);
          taken.push({ atMs: nowMs, cost: Math.min(cost, rate.count) });
        }
      }
      for (const { atMs } of taken) {
        const within = taken.filter((each) => each.atMs >= atMs && each.atMs < atMs + rate.windowMs);
        expect(within.reduce((sum, { cost }) => sum + cost, 0)).toBeLessThanOrEqual(2 * rate.count);
      }
    }),
  );
});
