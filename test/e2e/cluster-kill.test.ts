/** `kill -9` of nodes of a cluster under load: of one, of all, and of either side of a hand-off. */
import { expect, test } from "vitest";

import { itemAt, nonEmpty } from "../../simulator/item-at.ts";
import { LEASE_MS } from "../support/cluster-processes.ts";
import { shareScene } from "../support/cluster-scene.ts";
import { hasRedis } from "../support/redis-server.ts";
import { until } from "../support/until.ts";

const WHY = hasRedis ? "" : " (skipped: there is no redis-server here)";
/** Beyond the lease, for who waits for a dead node's players. */
const WAIT_BEYOND_LEASE_MS = 1500;
/** Below the deadline, so that nothing is answered with 202. */
const HANGS_MS = 300;

const scene = hasRedis ? shareScene() : undefined!;

test.runIf(hasRedis)(`kill -9 of one of three: nobody waits longer than the lease and 1.5 s${WHY}`, async () => {
  const { cluster } = scene;
  const [dead, ...others] = nonEmpty(cluster.ids.toReversed());
  const measured = await scene.underLoad(async () => {
    await cluster.kill(dead);
    await scene.untilAcknowledged();
    await cluster.untilSettled(others);
    await cluster.forget(dead);
  });
  const { waitMs, call, attempts } = measured.longestWait;
  expect(waitMs, `${call}\n${attempts.join("\n")}`).toBeLessThan(LEASE_MS + WAIT_BEYOND_LEASE_MS);
});

test.runIf(hasRedis)(
  `kill -9 of a node that joins, while players move to it: they are where they were${WHY}`,
  async () => {
    const { cluster } = scene;
    const others = cluster.ids;
    await scene.underLoad(async () => {
      const died = cluster.start("newcomer", {
        onSpawn: (kill) => void untilJoined(itemAt(others, 0), others.length + 1).then(() => kill("SIGKILL")),
      });
      await expect(died).rejects.toThrow("SIGKILL");
      await cluster.untilSettled();
    });
  },
);

test.runIf(hasRedis)(`kill -9 of a node whose players move to one that joins: they arrive there${WHY}`, async () => {
  const { cluster } = scene;
  const [old, ...others] = nonEmpty(cluster.ids);
  await scene.underLoad(async () => {
    const joined = cluster.start("newcomer");
    await untilJoined(old, others.length + 2);
    await cluster.kill(old);
    await joined;
    await cluster.forget(old);
    await cluster.untilSettled([...others, "newcomer"]);
  });
});

test.runIf(hasRedis)(`kill -9 of all, while they wait for Redis: started again they know everybody${WHY}`, async () => {
  const { cluster } = scene;
  const { ids } = cluster;
  await scene.underLoad(async () => {
    // What they acknowledge now they would take with them.
    const hangsSinceMs = performance.now();
    cluster.redis.signal("SIGSTOP");
    await until("clients wait", () => performance.now() > hangsSinceMs + HANGS_MS);
    await Promise.all(ids.map((id) => cluster.kill(id)));
    cluster.redis.signal("SIGCONT");
    await Promise.all([...ids, "another"].map((id) => cluster.start(id)));
    await cluster.untilSettled();
  });
});

/** The node has just learned that it has so many members: players begin to move. */
async function untilJoined(id: string, memberCount: number): Promise<void> {
  const look = async () => (await scene.cluster.view(id)).members.length === memberCount;
  await until(`${id} has ${memberCount} members`, look, { intervalMs: 2, limitMs: 30_000 });
}
