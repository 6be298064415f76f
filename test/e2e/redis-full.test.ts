/** A Redis that is full under running nodes: nothing is evicted, nothing is stored, all heals when there is memory again (R4, R16). */
import { expect, test } from "vitest";

import { type ClusterProcesses, startCluster } from "../support/cluster-processes.ts";
import { hasRedis } from "../support/redis-server.ts";
import { REGION, Roll, statusesOf } from "../support/roll.ts";
import { freshPlayer } from "../support/shared-node.ts";
import { until } from "../support/until.ts";

const WHY = hasRedis ? "" : " (skipped: there is no redis-server here)";
const PLAYERS = 60;
/** Less than it uses when it is empty. */
const TOO_LITTLE = "512kb";
const ALARM_LIMIT_MS = 20_000;

test.runIf(hasRedis)(`a full Redis: 202, told once, and 200 when there is memory again${WHY}`, async () => {
  await using cluster = await startCluster({ ids: ["a", "b"] });
  const [a, b] = [cluster.http("a"), cluster.http("b")];
  const roll = new Roll(PLAYERS);
  await roll.introduce(a);

  await setMemory(cluster, TOO_LITTLE);
  await until("everybody is told 202", async () => statusesOf(await roll.report(b)).get(202) === PLAYERS);
  const answer = await a.report(freshPlayer(), { region: REGION, gamemode: "GM05" });
  expect(answer.status, "a mode that nobody can agree on now").toBe(503);
  for (const id of cluster.ids) {
    await until(`${id} says why`, async () => {
      const { status, reason = "" } = await cluster.readiness(id);
      return status === "degraded" && reason.includes("maxmemory");
    });
    await until(
      `${id} tells the metric and the log`,
      async () => (await cluster.metric(id, "redis_memory_ratio")) > 1,
      {
        limitMs: ALARM_LIMIT_MS,
      },
    );
  }
  expect(statusesOf(await roll.report(a))).toEqual(new Map([[202, PLAYERS]]));
  for (const id of cluster.ids) {
    expect(linesOf(cluster, id, "Redis fills up")).toHaveLength(1);
    expect(linesOf(cluster, id, "Redis fails or refuses calls").length).toBeLessThanOrEqual(2);
  }

  await setMemory(cluster, "0");
  await roll.untilRemembered(b);
  await cluster.untilSettled();
  for (const id of cluster.ids)
    await until(`${id} tells the end`, () => linesOf(cluster, id, "Redis is well again").length === 1);
  await Promise.all(cluster.ids.map((id) => cluster.kill(id)));
  await Promise.all(cluster.ids.map((id) => cluster.start(id)));
  await roll.expectKept(cluster.http("a"));
});

async function setMemory({ redis }: ClusterProcesses, limit: string): Promise<void> {
  await redis.ask((connection) => connection.config("SET", "maxmemory", limit));
}

function linesOf(cluster: ClusterProcesses, id: string, text: string): string[] {
  return cluster
    .node(id)
    .stderr.split("\n")
    .filter((line) => line.includes(text));
}
