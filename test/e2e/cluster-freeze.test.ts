/** A node of a cluster that stands still beyond its lease, and a Redis that stands still, dies, and comes back empty. */
import { expect, test } from "vitest";

import { nonEmpty } from "../../simulator/item-at.ts";
import { LEASE_MS } from "../support/cluster-processes.ts";
import { shareScene } from "../support/cluster-scene.ts";
import { NO_CACHE } from "../support/http.ts";
import { hasRedis } from "../support/redis-server.ts";
import { until } from "../support/until.ts";

const WHY = hasRedis ? "" : " (skipped: there is no redis-server here)";
const LATE_CALLS = 40;

const scene = hasRedis
  ? shareScene({ expectedErrors: /Redis fails or refuses calls|Redis is well again|could not reach Redis/ })
  : undefined!;

test.runIf(hasRedis)(
  `SIGSTOP of one of three beyond its lease, and SIGCONT: it says nothing stale, and joins anew by itself${WHY}`,
  async () => {
    const { cluster, acknowledgements } = scene;
    const [frozen, ...others] = nonEmpty(cluster.ids);
    const before = await cluster.incarnationOf(frozen);
    const { url } = cluster.node(frozen);
    // Nobody else moves these, so that it is known where they are when it thaws.
    const moved = acknowledgements.players.slice(0, LATE_CALLS);
    await scene.underLoad(
      async () => {
        // Over connections that are open before, so that these questions are the first thing that it sees when it thaws.
        await acknowledgements.findAt(url, moved);
        cluster.node(frozen).kill("SIGSTOP");
        await cluster.untilSettled(others);
        await scene.untilAcknowledged();
        await Promise.all(moved.map((player) => acknowledgements.report(player)));
        const asked = acknowledgements.findAt(url, moved);
        const counted = cluster.http(frozen).get("/v1/regions/CA/gamemode", NO_CACHE);
        cluster.node(frozen).kill("SIGCONT");
        await asked;
        expect((await counted).status).toSatisfy((status: number) => [200, 503].includes(status));
        await until("it has another incarnation", async () => (await cluster.incarnationOf(frozen)) !== before);
        await cluster.untilSettled();
      },
      { except: moved },
    );
    expect(await cluster.metric(frozen, "expulsions_total")).toBeGreaterThan(0);
  },
);

test.runIf(hasRedis)(`SIGSTOP of Redis beyond all leases: 202 meanwhile, nobody is expelled${WHY}`, async () => {
  const { cluster } = scene;
  const before = await Promise.all(cluster.ids.map((id) => cluster.incarnationOf(id)));
  await scene.underLoad(async () => {
    const stoppedMs = performance.now();
    cluster.redis.signal("SIGSTOP");
    await untilDegraded();
    await until("all leases are over", () => performance.now() > stoppedMs + 2 * LEASE_MS);
    cluster.redis.signal("SIGCONT");
    await cluster.untilSettled();
  });
  expect(await Promise.all(cluster.ids.map((id) => cluster.incarnationOf(id)))).toEqual(before);
});

test.runIf(hasRedis)(
  `Redis killed and back empty: the nodes write everything back, also for their own death${WHY}`,
  async () => {
    const { cluster } = scene;
    const before = await Promise.all(cluster.ids.map((id) => cluster.incarnationOf(id)));
    await scene.underLoad(async () => {
      await cluster.redis.kill();
      await untilDegraded();
      await cluster.redis.start();
      await cluster.untilSettled();
    });
    expect(await Promise.all(cluster.ids.map((id) => cluster.incarnationOf(id)))).toEqual(before);
    await Promise.all(cluster.ids.map((id) => cluster.kill(id)));
    await Promise.all(cluster.ids.map((id) => cluster.start(id)));
    await cluster.untilSettled();
    await scene.acknowledgements.expectKept(cluster.urls);
  },
);

/** Every node says so, and what clients report is counted but not remembered. */
async function untilDegraded(): Promise<void> {
  const { cluster, client } = scene;
  for (const id of cluster.ids) {
    await until(`${id} is degraded`, async () => {
      const { status, reason = "" } = await cluster.readiness(id);
      return status === "degraded" && /./.test(reason);
    });
  }
  const { counted } = client.measured;
  await until("reports are answered with 202", () => client.measured.counted > counted);
}
