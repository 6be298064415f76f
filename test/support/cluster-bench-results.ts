/** Made-up figures of a cluster's benchmarks, for what reads them. */
import type { ClusterResults } from "../../bench/cluster/results.ts";

const MEASURED = { date: "2026-01-01T00:00:00.000Z", isQuick: false };

export function sampleClusterResults(): ClusterResults {
  const system = (
    name: string,
    us: number,
  ): NonNullable<ClusterResults["cost"]>["loads"][number]["systems"][number] => ({
    name,
    serversUs: [us, us],
    redisUs: [10, 10],
    p50Ms: [1, 1],
    p99Ms: [2, 2],
    answeredPerSecond: [5_000, 5_001],
    refused: 0,
  });
  return {
    machine: { cpu: "a CPU", cores: 2, memoryGiB: 4, system: "a system", isPinned: true, versions: { Node: "24.0.0" } },
    cost: {
      ...MEASURED,
      players: 100,
      loads: [
        {
          batch: 1,
          reportsPerSecond: 2_500,
          systems: [
            system("one node", 50),
            system("three nodes", 60),
            system("redis lua, three web nodes", 80),
            system("redis watch, three web nodes", 190),
          ],
        },
        { batch: 1_000, reportsPerSecond: 1e5, systems: [system("one node", 2), system("three nodes", 5)] },
      ],
      idle: [
        { name: "one node", serversMs: [10, 10] },
        { name: "three nodes", serversMs: [60, 60] },
      ],
    },
    failover: {
      ...MEASURED,
      players: 1e6,
      requestsPerSecond: 1_000,
      leaseMs: 3_000,
      events: (["nothing", "kill -9", "join", "drain", "rolling restart"] as const).map((name) => ({
        name,
        longestMs: [400, name === "join" ? 501 : 450],
        p99Ms: [100, 100],
        requests: [10_000, 10_000],
        refused: [0, name === "drain" ? 10 : 0],
        counted: [0, 0],
      })),
    },
    freshness: { ...MEASURED, reportsPerSecond: 3_000, samples: 500, p50Ms: [60], p99Ms: [120], maxMs: [140] },
    growth: {
      ...MEASURED,
      legMs: 0.25,
      storeMs: 0.5,
      sizes: [
        {
          nodes: 3,
          partitions: 256,
          players: 1e6,
          reportsPerSecond: 33_333,
          reports: 33_000,
          answered: 33_000,
          rowMessages: 0.25,
          rowBytes: 62,
          rowsPerBatch: 5.3,
          countMessagesPerSecond: 600,
          countBytesPerSecond: 6e5,
          idleMessagesPerSecond: 120,
          idleBytesPerSecond: 7e4,
          storeCallsPerReport: 0.2,
          viewsPerJoin: 1,
          viewsPerDrain: 2,
          viewsPerKill: undefined,
          movedPerJoin: 0.25,
        },
      ],
      placements: [{ nodes: 3, partitions: 256, balance: 1.05, movedTimesNodes: 0.99 }],
    },
    renewals: {
      ...MEASURED,
      everyMs: 100,
      sizes: [
        { members: 3, scriptUs: [20, 20], runUs: [0, 0] },
        { members: 100, scriptUs: [20, 22], runUs: [1, 1] },
      ],
    },
  };
}
