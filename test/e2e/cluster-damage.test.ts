/** A record in Redis whose bytes are damaged: its owner tells it, its players get 503, and on request it is done without. */
import { itemAt } from "../../simulator/item-at.ts";
import { expect, test } from "vitest";

import { startCluster } from "../support/cluster-processes.ts";
import type { HttpClient } from "../support/http.ts";
import { hasRedis, type RedisServer } from "../support/redis-server.ts";
import { type Listed, REGION, Roll, statusesOf } from "../support/roll.ts";
import { errorsLogged } from "../support/shared-node.ts";
import { until } from "../support/until.ts";

const WHY = hasRedis ? "" : " (skipped: there is no redis-server here)";
const PLAYERS = 160;

test.runIf(hasRedis)(
  `a damaged record is told, waited for, and with HEADCOUNT_REPAIR=1 done without${WHY}`,
  async () => {
    await using cluster = await startCluster({ ids: ["a", "b"], env: { HEADCOUNT_PARTITIONS: "16" } });
    const roll = new Roll(PLAYERS);
    await roll.untilRemembered(cluster.http("a"));
    for (const id of cluster.ids) expect(await cluster.stop(id)).toBe(0); // so there are snapshots
    const partition = await damageOne(cluster.redis);

    await Promise.all(cluster.ids.map((id) => cluster.start(id)));
    const found = await until("the owner cannot read it", async () => {
      const owners: string[] = [];
      for (const id of cluster.ids) if ((await cluster.metric(id, "partitions_unreadable")) === 1) owners.push(id);
      return owners.length === 1 && owners;
    });
    const owner = itemAt(found, 0);
    expect(errorsLogged(cluster.node(owner)).map((line) => JSON.parse(line))).toMatchObject([
      { partition, reason: expect.stringContaining("snapshot"), msg: expect.stringContaining("HEADCOUNT_REPAIR=1") },
    ]);
    expect(await cluster.readiness(owner)).toMatchObject({
      status: "degraded",
      reason: expect.stringMatching(/record/),
    });
    const [a, b] = [cluster.http("a"), cluster.http("b")];
    const struck = await unanswered(a, roll.players);
    const spared = roll.players.filter((player) => !struck.includes(player));
    expect(struck).not.toHaveLength(0);
    expect(statusesOf(await roll.report(b, struck))).toEqual(new Map([[503, struck.length]]));
    expect(statusesOf(await roll.report(b, spared))).toEqual(new Map([[200, spared.length]]));
    for (const http of [a, b])
      expect((await http.top(REGION)).json).toMatchObject({ complete: false, players: spared.length });

    for (const id of cluster.ids) {
      expect(await cluster.stop(id)).toBe(0);
      await cluster.start(id, { env: { HEADCOUNT_REPAIR: "1" } });
    }
    await cluster.untilSettled();
    const lost = await Promise.all(cluster.ids.map((id) => cluster.metric(id, "partitions_lost_total")));
    expect(
      lost.toSorted((one, other) => one - other),
      "told once",
    ).toEqual([0, 1]);
    const { gone } = await roll.expectNothingInvented(cluster.http("b"));
    expect(gone).toEqual(struck);
    await roll.untilRemembered(cluster.http("a"));

    await Promise.all(cluster.ids.map((id) => cluster.kill(id)));
    await Promise.all(cluster.ids.map((id) => cluster.start(id)));
    await roll.expectKept(cluster.http("b"));
    for (const id of cluster.ids) expect(errorsLogged(cluster.node(id))).toEqual([]);
  },
);

/** Overwrites one snapshot. @returns its partition */
async function damageOne(redis: RedisServer): Promise<number> {
  return redis.ask(async (connection) => {
    const key = itemAt(await connection.keys("*records*"), 0);
    const snapshots = (await connection.hkeys(key)).filter((field) => /^s\d+$/.test(field));
    const snapshot = itemAt(snapshots, 0);
    await connection.hset(key, snapshot, "no snapshot");
    return Number(snapshot.slice(1));
  });
}

/** Those of whom nobody says where they are. */
async function unanswered(http: HttpClient, players: readonly Listed[]): Promise<Listed[]> {
  const asked = players.map(async (player) => [player, await http.profile(player.profileId)] as const);
  return (await Promise.all(asked)).flatMap(([player, { status }]) => (status === 503 ? [player] : []));
}
