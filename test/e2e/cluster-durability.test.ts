/** What a cluster promises with `HEADCOUNT_DURABILITY` `snapshot` and `none`, after `kill -9` of one node and of all. */
import { expect, test } from "vitest";

import { type ClusterProcesses, startCluster } from "../support/cluster-processes.ts";
import { hasRedis } from "../support/redis-server.ts";
import { Roll } from "../support/roll.ts";
import { errorsLogged } from "../support/shared-node.ts";
import { until } from "../support/until.ts";

const WHY = hasRedis ? "" : " (skipped: there is no redis-server here)";
/** They wait most of the time, so all run at once. */
const testWithRedis = test.runIf(hasRedis).concurrent;
const PLAYERS = 100;
const NEVER_MS = "86400000";

const start = (durability: string, snapshotMs: string) =>
  startCluster({
    ids: ["a", "b"],
    env: { HEADCOUNT_DURABILITY: durability, HEADCOUNT_SNAPSHOT_MS: snapshotMs },
  });

testWithRedis(`durability snapshot: what a snapshot has survives one node, and all${WHY}`, async () => {
  await using cluster = await start("snapshot", "200");
  const roll = new Roll(PLAYERS);
  await roll.untilRemembered(cluster.http("a"));
  await untilSnapshotted(cluster);
  await cluster.kill("b");
  await cluster.untilSettled(["a"]);
  await roll.expectKept(cluster.http("a"));

  await cluster.start("b");
  await cluster.untilSettled();
  await roll.untilRemembered(cluster.http("b"));
  await untilSnapshotted(cluster);
  await restartAll(cluster);
  await roll.expectKept(cluster.http("a"));
});

testWithRedis.each([
  { durability: "snapshot", what: "what no snapshot has" },
  { durability: "none", what: "all that a node had" },
])(
  `durability $durability: $what goes with its node, and nothing else; counts are whole${WHY}`,
  async ({ durability }) => {
    await using cluster = await start(durability, NEVER_MS);
    const roll = new Roll(PLAYERS);
    await roll.untilRemembered(cluster.http("a"));
    await cluster.kill("b");
    await cluster.untilSettled(["a"]);
    const { there, gone } = await roll.expectNothingInvented(cluster.http("a"));
    expect(there.length).toBeGreaterThan(PLAYERS / 4);
    expect(gone.length).toBeGreaterThan(PLAYERS / 4);

    // Who is moved in good order is not lost.
    await roll.untilRemembered(cluster.http("a"));
    await cluster.start("b");
    await cluster.untilSettled();
    await roll.expectKept(cluster.http("b"));
    for (const id of cluster.ids) expect(errorsLogged(cluster.node(id))).toEqual([]);

    await restartAll(cluster);
    const left = await roll.expectNothingInvented(cluster.http("a"));
    expect(left.there).toEqual([]);
    await roll.untilRemembered(cluster.http("b"));
    await roll.expectKept(cluster.http("a"));
  },
);

async function untilSnapshotted(cluster: ClusterProcesses): Promise<void> {
  for (const id of cluster.ids)
    await until(`${id} has stored everything`, async () => (await cluster.metric(id, "snapshot_lag_seconds")) === 0);
}

async function restartAll(cluster: ClusterProcesses): Promise<void> {
  await Promise.all(cluster.ids.map((id) => cluster.kill(id)));
  await Promise.all(cluster.ids.map((id) => cluster.start(id)));
  await cluster.untilSettled();
}
