import { expect, test } from "vitest";

import { LOOK_MS, Unsettled } from "../../simulator/unsettled.ts";

const RISE_MS = 500;

/** Nobody serves a partition from `beganMs` until `freeMs`; what was disturbed is over long before. */
function hold(unsettled: Unsettled, beganMs: number, freeMs: number): void {
  unsettled.begin(beganMs);
  unsettled.look(freeMs - LOOK_MS, false, true);
  unsettled.look(freeMs, false, false);
}
function held(): Unsettled {
  const unsettled = new Unsettled();
  unsettled.look(1000, false, false);
  hold(unsettled, 9000, 12_000);
  return unsettled;
}

test("Unsettled: a marked answer may stand until counts have had their time to rise", () => {
  const unsettled = held();
  unsettled.look(12_100, false, false);
  expect(unsettled.sinceMs(11_900, RISE_MS)).toBe(9000);
  expect(unsettled.sinceMs(12_499, RISE_MS)).toBe(9000);
  expect(unsettled.sinceMs(12_500, RISE_MS)).toBe(Infinity);
  expect(unsettled.sinceMs(12_100, 100)).toBe(Infinity);
});
test("Unsettled: counts rise while a disturbance dies away, so it may stand no longer than that", () => {
  const unsettled = held();
  unsettled.begin(20_000);
  unsettled.begin(21_000);
  unsettled.look(21_000, true, true);
  unsettled.look(23_000, true, false);
  expect(unsettled.sinceMs(23_000, RISE_MS)).toBe(20_000);
  unsettled.look(23_100, false, false);
  expect(unsettled.sinceMs(23_100, RISE_MS)).toBe(Infinity);
});
test("Unsettled: what had not risen when the next disturbance began has stood since the one before", () => {
  const unsettled = held();
  unsettled.begin(12_499);
  expect(unsettled.sinceMs(20_000, RISE_MS)).toBe(9000);
  expect(unsettled.sinceMs(20_000, 400)).toBe(12_499);
});
test("Unsettled: what had risen has stood since the last disturbance, however long ago the others were", () => {
  const unsettled = held();
  unsettled.begin(12_500);
  expect(unsettled.sinceMs(20_000, RISE_MS)).toBe(12_500);
  unsettled.look(20_000, false, false);
  unsettled.begin(200_000);
  expect(unsettled.sinceMs(200_000, RISE_MS)).toBe(200_000);
});
