import fc from "fast-check";
import { expect, test } from "vitest";
import { PlayerRates } from "../../cluster/records/player-rates.ts";

const SECOND = 1000;
const RATE = { count: 10, windowMs: 10 * SECOND };

test("a player may spend all of the allowance at once, and then as it comes back; another's is another's", () => {
  let nowMs = 5000;
  const rates = new PlayerRates(RATE, () => nowMs);
  for (let count = 0; count < 10; count++) expect(rates.take(7)).toBe(0);
  expect(rates.take(7)).toBe(1);
  expect(rates.take(7 + 65_536), "one of the same set").toBe(0);
  nowMs += 999;
  expect(rates.take(7)).toBe(1);
  nowMs += 1;
  expect(rates.take(7)).toBe(0);
  expect(rates.take(7)).toBe(1);
});

test("who has no hash to speak of is a player like any other", () => {
  const rates = new PlayerRates({ count: 1, windowMs: SECOND }, () => 0);
  expect([rates.take(0), rates.take(0), rates.take(-1), rates.take(-1)]).toEqual([0, 1, 0, 1]);
});

test("a wait is told in whole seconds, and long ones are told whole", () => {
  const rates = new PlayerRates({ count: 1, windowMs: 99_999 * SECOND }, () => 0);
  expect([rates.take(1), rates.take(1)]).toEqual([0, 99_999]);
});

/** Players of two sets, fewer in each than it has places: nobody is pushed out. */
const anyHash = fc.constantFrom(1, 1 + 65_536, 1 - 65_536 * 8, 2, 2 + 65_536);
const anyAsking = fc.array(fc.record({ hash: anyHash, afterMs: fc.double({ min: 0, max: 3000, noNaN: true }) }), {
  maxLength: 300,
});
const anyRate = fc.record({
  count: fc.integer({ min: 1, max: 50 }),
  windowMs: fc.integer({ min: 1, max: 30 }).map((s) => s * SECOND),
});

test("within any window nobody gets more than twice the allowance, and who waits as told gets in", () => {
  fc.assert(
    fc.property(anyRate, anyAsking, (rate, asking) => {
      let nowMs = 0;
      const rates = new PlayerRates(rate, () => nowMs);
      const taken = new Map<number, number[]>();
      for (const { hash, afterMs } of asking) {
        nowMs += afterMs;
        const waitS = rates.take(hash);
        const times = taken.get(hash) ?? [];
        taken.set(hash, times);
        if (waitS === 0) times.push(nowMs);
        else {
          nowMs += waitS * SECOND;
          expect(rates.take(hash)).toBe(0);
          times.push(nowMs);
        }
        // All at once, and what has come back since.
        const within = times.filter((atMs) => atMs > nowMs - rate.windowMs).length;
        expect(within).toBeLessThanOrEqual(2 * rate.count);
        const most = rate.count + ((nowMs - (times[0] ?? 0)) * rate.count) / rate.windowMs;
        expect(times.length).toBeLessThanOrEqual(most + 1e-3);
      }
    }),
  );
});

test("whoever is pushed out has spent least, and has the whole allowance again", () => {
  let nowMs = 0;
  const rates = new PlayerRates(RATE, () => nowMs);
  const [spender, ...others] = [1, 2, 3, 4, 5].map((turn) => 9 + turn * 65_536) as [number, ...number[]];
  for (let count = 0; count < 10; count++) rates.take(spender);
  for (const other of others) {
    nowMs++;
    rates.take(other);
  }
  expect(rates.take(spender), "four others with less do not push it out").toBe(1);
});
