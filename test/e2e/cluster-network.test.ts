/** Cut networks, in network namespaces: a node cut from everybody but its clients, and cuts of one direction only. */
import { afterAll, beforeEach, expect, test } from "vitest";

import { ClusterProcesses, LEASE_MS } from "../support/cluster-processes.ts";
import { shareScene } from "../support/cluster-scene.ts";
import { Network, STORE, whyNoNetwork } from "../support/network.ts";
import { hasRedis, startRedis } from "../support/redis-server.ts";
import { until } from "../support/until.ts";

const isPossible = hasRedis && whyNoNetwork === undefined;
const WHY = isPossible ? "" : ` (skipped: ${whyNoNetwork ?? "there is no redis-server here"})`;
const CALLS_WHILE_CUT = 40;
const HOSTS = ["a", "b", "c"];

let network: Network;
// Before the scene's own, so that it comes after it: nodes that stop need their network.
afterAll(() => network?.[Symbol.dispose]());
const scene = isPossible
  ? shareScene({ start, expectedErrors: /Redis fails or refuses calls|Redis is well again/ })
  : undefined!;

beforeEach(({ onTestFinished }) => onTestFinished(() => network.heal()));

test.runIf(isPossible)(
  `a node cut from Redis and its peers says nothing stale, and joins anew when healed${WHY}`,
  async () => {
    const { cluster, acknowledgements } = scene;
    const before = await cluster.incarnationOf("c");
    const moved = acknowledgements.players.slice(0, CALLS_WHILE_CUT);
    await scene.underLoad(
      async () => {
        for (const other of [STORE, ...["a", "b"].map((host) => network.addressOf(host))]) {
          network.cut(network.addressOf("c"), other);
          network.cut(other, network.addressOf("c"));
        }
        await untilExpelled("c", "a");
        const { json } = await cluster.http("c").get("/v1/regions/CA/gamemode");
        expect(json).toMatchObject({ stale: true, players: expect.any(Number) });
        await Promise.all(moved.map((player) => acknowledgements.report(player)));
        await acknowledgements.findAt(cluster.node("c").url, moved);
        network.heal();
        await acknowledgements.findAt(cluster.node("c").url, moved);
        await cluster.untilSettled();
      },
      { except: moved },
    );
    expect(await cluster.incarnationOf("c")).not.toBe(before);
  },
);

test.runIf(isPossible)(
  `a node that Redis hears but does not reach is no owner for long, and is back when healed${WHY}`,
  async () => {
    const { cluster } = scene;
    await scene.underLoad(async () => {
      network.cut(STORE, network.addressOf("b"));
      await untilExpelled("b", "a");
      await scene.untilAcknowledged();
      network.heal();
      await cluster.untilSettled();
    });
  },
);

test.runIf(isPossible)(`a node that one other hears no more stays: one node's word expels nobody${WHY}`, async () => {
  const { cluster } = scene;
  const before = await Promise.all(HOSTS.map((id) => cluster.incarnationOf(id)));
  await scene.underLoad(async () => {
    const cutMs = performance.now();
    network.cut(network.addressOf("a"), network.addressOf("b"));
    await until("two leases are over", () => performance.now() > cutMs + 2 * LEASE_MS);
    await scene.untilAcknowledged();
    network.heal();
    await cluster.untilSettled();
  });
  expect(await Promise.all(HOSTS.map((id) => cluster.incarnationOf(id)))).toEqual(before);
});

async function start(): Promise<ClusterProcesses> {
  network = new Network(HOSTS);
  const redis = await startRedis({
    bind: `127.0.0.1 ${STORE}`,
    "protected-mode": "no",
    "maxmemory-policy": "noeviction",
  });
  const cluster = new ClusterProcesses(redis, {
    HEADCOUNT_REDIS_URL: `redis://${STORE}:${redis.port}`,
    HEADCOUNT_PEER_SECRET: "one-secret-for-all-of-these",
  });
  try {
    await Promise.all(
      HOSTS.map((host) => {
        const address = network.addressOf(host);
        const env = { HEADCOUNT_HOST: address, HEADCOUNT_PEER_HOST: address };
        return cluster.start(host, { env, runBy: network.runBy(host) });
      }),
    );
    await cluster.untilSettled();
    return cluster;
  } catch (error) {
    await cluster[Symbol.asyncDispose]();
    throw error;
  }
}

async function untilExpelled(id: string, witness: string): Promise<void> {
  await until(`${witness} does not list ${id}`, async () => {
    const { members } = await scene.cluster.view(witness);
    return members.every((member) => member.id !== id);
  });
}
