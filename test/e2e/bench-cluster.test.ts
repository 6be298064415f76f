/** The benchmarks of a cluster with tiny inputs: that they work, not how fast anything is. */
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { measureCost } from "../../bench/cluster/cost.ts";
import { measureFailover } from "../../bench/cluster/failover.ts";
import { measureFreshness } from "../../bench/cluster/freshness.ts";
import { itemAt } from "../../simulator/item-at.ts";

// Founding waits two leases, and so does who follows a death: short ones will do.
beforeAll(() => {
  vi.stubEnv("HEADCOUNT_LEASE_MS", "600");
});
afterAll(() => {
  vi.unstubAllEnvs();
});

test.concurrent("measureCost() has every system answer, and sees its CPU time", async () => {
  const { loads, idle } = await measureCost({
    rounds: 1,
    players: 500,
    singlesPerSecond: [400],
    rivalsPerSecond: 400,
    batch: 50,
    batchesPerSecond: 20,
    heatSeconds: 0.1,
    warmSeconds: 0.1,
    seconds: 0.5,
  });
  expect(loads.map(({ systems }) => systems.length)).toEqual([4, 2]);
  for (const { name, serversUs, answeredPerSecond } of loads.flatMap(({ systems }) => systems)) {
    expect(serversUs[0], name).toBeGreaterThan(0);
    expect(answeredPerSecond[0], name).toBeGreaterThan(0);
  }
  expect(idle).toHaveLength(2);
});

test.concurrent("measureFailover() sees every client through a death, joins and a drain", async () => {
  const { events } = await measureFailover({
    rounds: 1,
    players: 500,
    requestsPerSecond: 100,
    settleSeconds: 0,
    seconds: 0.2,
  });
  for (const { name, requests, longestMs } of events) {
    expect(
      requests.every((count) => count > 0),
      name,
    ).toBe(true);
    expect(
      longestMs.every((ms) => ms > 0),
      name,
    ).toBe(true);
  }
});

// Not beside others: it counts what it sees in two seconds.
test("measureFreshness() sees moves arrive at another node", async () => {
  const { samples, p50Ms, maxMs } = await measureFreshness({
    rounds: 1,
    players: 500,
    reportsPerSecond: 50,
    probes: 1,
    seconds: 2,
  });
  expect(samples).toBeGreaterThan(3);
  expect(maxMs[0]).toBeGreaterThanOrEqual(itemAt(p50Ms, 0));
});
