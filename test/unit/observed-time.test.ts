import { expect, test } from "vitest";

import { ObservedTime } from "../../engine/observed-time.ts";

test("ObservedTime counts whole tenths of a second from its start", () => {
  const time = new ObservedTime(5000);
  expect(time.tenths).toBe(0);
  time.advance(5099);
  expect(time.tenths).toBe(0);
  time.advance(5100);
  expect(time.tenths).toBe(1);
  time.advance(6099);
  expect(time.tenths).toBe(10);
});
test("ObservedTime.advance() keeps what is less than a tenth for the next look", () => {
  const time = new ObservedTime(0);
  for (let nowMs = 30; nowMs <= 990; nowMs += 30) time.advance(nowMs);
  expect(time.tenths).toBe(9);
});
test.each([
  [1000, 10],
  [1001, 10],
  [60_000, 10],
])("ObservedTime.advance() after %i ms without a look observes %i tenths (R25)", (passedMs, tenths) => {
  const time = new ObservedTime(100);
  time.advance(100 + passedMs);
  expect(time.tenths).toBe(tenths);
});
test("ObservedTime.advance() takes a clock that goes back for one that stands still", () => {
  const time = new ObservedTime(1000);
  time.advance(1500);
  time.advance(200);
  expect(time.tenths).toBe(5);
  time.advance(1500);
  expect(time.tenths).toBe(5);
  time.advance(1600);
  expect(time.tenths).toBe(6);
  expect(time.clockMs(6)).toBe(1600);
});
test("ObservedTime.clockMs() is exact while every look came within a second", () => {
  const time = new ObservedTime(7000);
  for (let nowMs = 7000; nowMs <= 12_000; nowMs += 1000) time.advance(nowMs);
  expect([time.clockMs(-30), time.clockMs(0), time.clockMs(1), time.clockMs(50)]).toEqual([4000, 7000, 7100, 12_000]);
});
test("ObservedTime.clockMs() knows where time was held back", () => {
  const time = new ObservedTime(0);
  time.advance(900); //   observed   900
  time.advance(10_000); // observed 1900, held back by 8100
  time.advance(10_500); // observed 2400
  time.advance(20_500); // observed 3400, held back by 17,100
  expect(time.tenths).toBe(34);
  expect([9, 18, 19, 24, 33, 34].map((tenths) => time.clockMs(tenths))).toEqual([
    900, 1800, 10_000, 10_500, 11_400, 20_500,
  ]);
});
test("ObservedTime.clockMs() forgets the oldest of more than 64 gaps, which only makes it earlier", () => {
  const time = new ObservedTime(0);
  for (let look = 1; look <= 70; look++) time.advance(look * 3000); // each held back by 2 s
  expect(time.tenths).toBe(700);
  // The start and 63 gaps are kept: of the first seven looks only the start is known.
  expect([0, 10, 79].map((tenths) => time.clockMs(tenths))).toEqual([0, 1000, 7900]);
  for (let look = 8; look <= 70; look++) expect(time.clockMs(look * 10), `look ${look}`).toBe(look * 3000);
});
