import { describe, expect, test } from "vitest";
import { cpuMsOf } from "../../bench/support/usage.ts";
import { clusterGoals } from "../../bench/cluster/goals.ts";
import { measureGrowth, PAPER } from "../../bench/cluster/growth.ts";
import { clusterMarkdown } from "../../bench/cluster/markdown.ts";
import { QUICK } from "../../bench/cluster/settings.ts";
import { VirtualCluster } from "../../bench/cluster/virtual-cluster.ts";
import { itemAt } from "../../simulator/item-at.ts";
import { sampleClusterResults } from "../support/cluster-bench-results.ts";

describe("growth", () => {
  test("measureGrowth() counts what a small cluster says, as on paper where nothing is going on", async () => {
    const { sizes, placements } = await measureGrowth(QUICK.growth);
    const { nodes, reports, answered, ...size } = itemAt(sizes, 0);
    expect(answered).toBe(reports);
    expect(size.idleMessagesPerSecond).toBe(PAPER.idleMessagesPerSecond(nodes));
    expect(size).toMatchObject({ viewsPerJoin: 2, viewsPerDrain: 2, viewsPerKill: 1 });
    expect(size.movedPerJoin).toBeGreaterThan(0);
    for (const placed of placements)
      expect(placed.balance).toBeLessThanOrEqual(PAPER.balance(placed.nodes, placed.partitions));
  });

  test("VirtualCluster forwards as large batches as the formula says", async () => {
    const cluster = new VirtualCluster(64, 3);
    await cluster.start(3);
    await cluster.report(10_000, 30_000, 300);
    await cluster.run(100);
    expect(cluster.failed).toBe(0);
    const rowsPerBatch = cluster.forwardedRows / cluster.traffic.rows.calls;
    expect(cluster.forwardedRows / cluster.remembered).toBeCloseTo(PAPER.forwardedShare(3), 1);
    expect(rowsPerBatch / PAPER.rowsPerBatch(3, 30_000, 1.25)).toBeGreaterThan(0.8);
    expect(rowsPerBatch / PAPER.rowsPerBatch(3, 30_000, 1.25)).toBeLessThan(1.4);
  });
});

describe("report", () => {
  test("clusterGoals() judges ratios by their median and waits by the worst", () => {
    const goals = clusterGoals(sampleClusterResults());
    const goal = (text: string): unknown => goals.find((each) => each.text.includes(text));
    expect(goal("three nodes to one, single reports")).toMatchObject({ reached: { median: 1.2 }, isMet: true });
    expect(goal("three nodes to one, batches")).toMatchObject({ reached: { median: 2.5 }, isMet: false });
    expect(goal("redis lua")).toMatchObject({ reached: { median: 70 / 90 }, isMet: true });
    expect(goal("redis watch")).toMatchObject({ reached: { median: 0.35 }, isMet: true });
    expect(goal("a forwarded report to one that is at home")).toMatchObject({
      reached: { median: (3 * 1.2 - 1) / 2 },
      isMet: true,
    });
    expect(goal("CPU with nothing to do")).toMatchObject({ reached: { median: 2 }, isMet: false });
    expect(goal("kill -9: longest wait")).toMatchObject({ target: { atMost: 900 }, isMet: true });
    expect(goal("join: longest wait")).toMatchObject({ reached: { median: 0.5, max: 51 }, isMet: false });
    expect(goal("rolling restart: longest wait")).toMatchObject({ reached: { max: 0 }, isMet: true });
    expect(goal("drain: requests refused")).toMatchObject({ reached: { max: 1 }, isMet: false });
    expect(goal("rolling restart: requests refused")).toMatchObject({ reached: { max: 0 }, isMet: true });
    expect(goal("of Redis' core, 100 members")).toMatchObject({ reached: { median: 2.2 }, isMet: false });
  });

  test("clusterMarkdown() shows every goal and every part", () => {
    const text = clusterMarkdown(sampleClusterResults());
    for (const title of [
      "Goals",
      "CPU time per report",
      "When a node dies, comes or goes",
      "Freshness",
      "Growth",
      "Renewals",
    ])
      expect(text).toContain(`\n## ${title}\n`);
    expect(text.match(/\| (met|\*\*not met\*\*) \|/g)).toHaveLength(clusterGoals(sampleClusterResults()).length);
    expect(text).not.toMatch(/NaN|undefined|Infinity/);
  });

  test("clusterMarkdown() does with some of the parts", () => {
    const { machine, freshness } = sampleClusterResults();
    const text = clusterMarkdown({ machine, ...(freshness ? { freshness } : {}) });
    expect(text).toContain("## Freshness");
    expect(text).not.toContain("## Growth");
  });
});

test("cpuMsOf() rises as a process works", () => {
  const before = cpuMsOf([process.pid]);
  const begin = process.cpuUsage();
  while (process.cpuUsage(begin).user < 30_000) Math.sqrt(before);
  expect(cpuMsOf([process.pid, process.pid])).toBeGreaterThan(2 * before);
});
