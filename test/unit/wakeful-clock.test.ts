import { expect, test } from "vitest";
import { wakefulClock } from "../../cluster/members/wakeful-clock.ts";

test("wakefulClock() goes on while the machine stood still, and only then", () => {
  let [now, wall] = [1000, 50_000];
  const clock = wakefulClock(
    () => now,
    () => wall,
  );
  const pass = (nowMs: number, wallMs: number): number => {
    now += nowMs;
    wall += wallMs;
    return clock();
  };
  expect([pass(0, 0), pass(500, 500), pass(500, 450), pass(500, 590)]).toEqual([1000, 1500, 2000, 2500]);
  expect(pass(0, 3200), "a paused machine").toBe(5700);
  expect([pass(100, 100), pass(100, -60_000), pass(100, 100)], "a wall clock set back").toEqual([5800, 5900, 6000]);
});
