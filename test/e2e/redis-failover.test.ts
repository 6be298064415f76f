/** Redis fails over under running nodes: a master that Sentinel replaces, and a master of a Redis Cluster (R15). */
import { itemAt } from "../../simulator/item-at.ts";
import { describe, expect, test } from "vitest";

import { type ClusterProcesses, startClusterOn } from "../support/cluster-processes.ts";
import { shareScene } from "../support/cluster-scene.ts";
import {
  hasRedis,
  type RedisServer,
  type SentinelSetUp,
  startRedisCluster,
  startSentinel,
} from "../support/redis-server.ts";
import { type Listed, Roll, statusesOf } from "../support/roll.ts";
import { until } from "../support/until.ts";

const WHY = hasRedis ? "" : " (skipped: there is no redis-server here)";
/** They wait most of the time, so all run at once. */
const testWithRedis = test.runIf(hasRedis).concurrent;
const IDS = ["a", "b"];
const FAILOVER_LIMIT_MS = 30_000;
const PLAYERS = 60;

describe.runIf(hasRedis)("Under three Sentinels", () => {
  const scene = hasRedis
    ? shareScene<SentinelSetUp>({
        start: async () => startClusterOn(await startSentinel(3), { ids: IDS }),
        expectedErrors: /Redis fails or refuses calls|could not reach Redis/,
      })
    : undefined!;

  test(`kill -9 of the master: 202 for a moment, then 200, no node restarts and nothing is lost${WHY}`, async () => {
    const { cluster, client, acknowledgements } = scene;
    const { master, replica } = cluster.redis;
    await untilReplicated(master);
    const before = await incarnationsOf(cluster);
    await scene.underLoad(async () => {
      const { counted } = client.measured;
      await master.kill();
      await until("reports are answered with 202", () => client.measured.counted > counted, {
        limitMs: FAILOVER_LIMIT_MS,
      });
      await untilMaster(replica);
      await cluster.untilSettled();
      expect(client.measured.counted).toBeGreaterThan(counted);
    });
    expect(await incarnationsOf(cluster)).toEqual(before);
    await restartAll(cluster);
    await acknowledgements.expectKept(cluster.urls);
  });
});

testWithRedis(`Sentinel: the master and a node die at once: what was replicated is there${WHY}`, async () => {
  await using cluster = await startClusterOn(await startSentinel(3), { ids: IDS });
  const { master } = cluster.redis;
  const roll = new Roll(PLAYERS);
  await roll.untilRemembered(cluster.http("a"));
  await untilReplicated(master);
  await Promise.all([master.kill(), cluster.kill("b")]);
  await cluster.untilSettled(["a"]);
  await roll.expectKept(cluster.http("a"));
  await roll.untilRemembered(cluster.http("a"));
});

testWithRedis(
  `Redis Cluster: kill -9 of a master: reports to the others' players are told 200 all the time${WHY}`,
  async () => {
    await using cluster = await startClusterOn(await startRedisCluster({ hasReplicas: true }), { ids: IDS });
    const { masters, replicas } = cluster.redis;
    const roll = new Roll(PLAYERS);
    await roll.untilRemembered(cluster.http("a"));
    const before = await incarnationsOf(cluster);
    const byMaster = await playersByMaster(roll.players, masters);
    const victim = await masterWithoutMembers(masters);
    const struck = byMaster.get(victim)!;
    const spared = roll.players.filter((player) => !struck.includes(player));
    await untilReplicated(victim);

    await victim.kill();
    let wasStruck = false;
    const look = async (): Promise<boolean> => {
      const [there, here] = await Promise.all([
        roll.report(cluster.http("a"), struck),
        roll.report(cluster.http("b"), spared),
      ]);
      expect([...statusesOf(here)]).toEqual([[200, spared.length]]);
      const isWell = statusesOf(there).get(200) === struck.length;
      wasStruck ||= !isWell;
      return wasStruck && isWell;
    };
    await until("its players are told 200 again", look, { limitMs: FAILOVER_LIMIT_MS, intervalMs: 50 });
    await untilMaster(itemAt(replicas, masters.indexOf(victim)));
    await cluster.untilSettled();
    expect(await incarnationsOf(cluster)).toEqual(before);
    await restartAll(cluster);
    await roll.expectKept(cluster.http("b"));
  },
);

async function incarnationsOf(cluster: Pick<ClusterProcesses, "ids" | "incarnationOf">): Promise<string[]> {
  return Promise.all(cluster.ids.map((id) => cluster.incarnationOf(id)));
}

async function restartAll(cluster: Pick<ClusterProcesses, "ids" | "kill" | "start" | "untilSettled">): Promise<void> {
  await Promise.all(cluster.ids.map((id) => cluster.kill(id)));
  await Promise.all(cluster.ids.map((id) => cluster.start(id)));
  await cluster.untilSettled();
}

/** All that it has acknowledged until now. */
async function untilReplicated(master: RedisServer): Promise<void> {
  const written = offsetOf(await infoOf(master));
  await until("the replica has it all", async () => {
    const acknowledged = /^slave0:.*offset=(\d+)/m.exec(await infoOf(master))?.[1];
    return acknowledged !== undefined && Number(acknowledged) >= written;
  });
}

async function untilMaster(replica: RedisServer): Promise<void> {
  await until("the replica is promoted", async () => (await infoOf(replica)).includes("role:master"), {
    limitMs: FAILOVER_LIMIT_MS,
  });
}

function infoOf(server: RedisServer): Promise<string> {
  return server.ask((redis) => redis.info("replication"));
}

function offsetOf(info: string): number {
  return Number(/^master_repl_offset:(\d+)/m.exec(info)![1]);
}

/** In whose logs they are. */
async function playersByMaster(
  players: readonly Listed[],
  masters: readonly RedisServer[],
): Promise<Map<RedisServer, Listed[]>> {
  const logs = await Promise.all(masters.map(logsOf));
  return Map.groupBy(players, ({ profileId }) => {
    const id = Buffer.from(profileId.replaceAll("-", ""), "hex").swap32(); // as rows have it
    const index = logs.findIndex((log) => log.includes(id));
    expect(index, `${profileId} is in some log`).toBeGreaterThanOrEqual(0);
    return itemAt(masters, index);
  });
}

async function logsOf(master: RedisServer): Promise<Buffer> {
  return master.ask(async (redis) => {
    const hashes = await Promise.all((await redis.keys("*records*")).map((key) => redis.hvalsBuffer(key)));
    return Buffer.concat(hashes.flat());
  });
}

/** One that has records only. */
async function masterWithoutMembers(masters: readonly RedisServer[]): Promise<RedisServer> {
  for (const master of masters) if ((await master.ask((redis) => redis.keys("*members*"))).length === 0) return master;
  throw new Error("Every master has a list of members");
}
