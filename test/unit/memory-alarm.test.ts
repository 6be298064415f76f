import type { Logger } from "pino";
import { expect, test } from "vitest";

import { MemoryAlarm } from "../../node/clustered/memory-alarm.ts";

test("MemoryAlarm tells once when Redis is 70 % full, and once when that is over (R16)", async () => {
  const told: string[] = [];
  const log = { error: () => told.push("full"), info: () => told.push("room") } as unknown as Logger;
  let ratio = 0.5;
  const alarm = new MemoryAlarm(() => Promise.resolve(ratio), log);
  let nowMs = 0;
  for (ratio of [0.5, 0.69, 0.7, 0.9, 0.69, 0.71, 0.66, 0.64, 0.5, 0.95]) {
    alarm.tick((nowMs += 10_000));
    await Promise.resolve();
    expect(alarm.ratio).toBe(ratio);
  }
  expect(told).toEqual(["full", "room", "full"]);
});

test("MemoryAlarm looks every ten seconds, and bears it when Redis is away", async () => {
  let looks = 0;
  const alarm = new MemoryAlarm(() => Promise.reject(new Error(`away, ${++looks}`)), undefined as unknown as Logger);
  for (let nowMs = 0; nowMs < 60_000; nowMs += 20) alarm.tick(nowMs);
  await Promise.resolve();
  expect(looks).toBe(6);
});
