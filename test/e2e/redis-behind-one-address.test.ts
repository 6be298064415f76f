/**
 * Redis behind one address: a cloud's primary endpoint, a balancer, a name. The replica is promoted, the old master becomes
 * its replica and keeps its connections. Every connection of the node must find the new master.
 */
import { expect, test } from "vitest";

import { startBalancer } from "../support/balancer.ts";
import { HttpClient } from "../support/http.ts";
import { startNode } from "../support/node-process.ts";
import { hasRedis, startRedis, untilFollows } from "../support/redis-server.ts";
import { freshPlayer } from "../support/shared-node.ts";
import { until } from "../support/until.ts";

test.skipIf(!hasRedis)(
  "a failover behind one address: 202 for a moment, then 200, and again on the way back",
  async () => {
    const quickly = { "repl-diskless-sync-delay": "0" };
    await using one = await startRedis(quickly);
    await using other = await startRedis({ ...quickly, replicaof: `127.0.0.1 ${one.port}` });
    await untilFollows(other);
    await using balancer = await startBalancer(one.port);
    const env = { HEADCOUNT_REDIS_URL: `redis://127.0.0.1:${balancer.port}`, HEADCOUNT_LEASE_MS: "1000" };
    await using node = await startNode({ env });
    await using client = new HttpClient(node.url);
    // Another player each time: a report that changes nothing is answered from memory, whatever Redis is.
    const report = async () => (await client.report(freshPlayer(), { region: "CA", gamemode: "GM01" })).status;
    expect(await report()).toBe(200);

    for (const [from, to] of [
      [one, other],
      [other, one],
    ] as const) {
      await to.ask((redis) => redis.call("REPLICAOF", "NO", "ONE"));
      await from.ask((redis) => redis.call("REPLICAOF", "127.0.0.1", to.port));
      balancer.target = to.port;
      await until("reports are remembered again", async () => (await report()) === 200, {
        limitMs: 10_000,
      });
      const clients = await from.ask(async (redis) => String(await redis.client("LIST")));
      expect(clients.match(/name=headcount\S*/g), "no connection stays at the old master").toBeNull();
      await untilFollows(from);
    }
  },
);
