/**
 * Redis is killed while players move between nodes, at a random instant, again and again.
 *
 * In turn a node joins and leaves. Redis dies in the midst of it, and comes back after a random while: with all that it had
 * acknowledged, or with nothing. Some rounds end with the death of all nodes, so that what Redis has then is proven too.
 */
import { itemAt } from "../../simulator/item-at.ts";
import { setTimeout as pause } from "node:timers/promises";

import { expect } from "vitest";

import { type ClusterProcesses, startClusterOn } from "./cluster-processes.ts";
import type { Scene } from "./cluster-scene.ts";
import { startRedis } from "./redis-server.ts";
import { until } from "./until.ts";

const NEWCOMER = "newcomer";
/** From the first sign of a move on; it takes some two seconds on a busy machine. */
const INSTANT_MAX_MS = 2000;
const AWAY_MAX_MS = 1500;
const NODES_DIE_RATIO = 0.25;

/** What it acknowledged is on disk. */
export async function startDurableCluster(): Promise<ClusterProcesses> {
  return startClusterOn(
    await startRedis({ "maxmemory-policy": "noeviction", appendonly: "yes", appendfsync: "always" }),
  );
}

/** @param note told what each round does, before it does it */
export async function redisKillRounds(scene: Scene, rounds: number, note: (round: string) => void): Promise<void> {
  const { cluster, random } = scene;
  for (let round = 1; round <= rounds; round++) {
    const [instantMs, awayMs] = [random.below(INSTANT_MAX_MS), random.below(2) * random.below(AWAY_MAX_MS)];
    const [isEmpty, doNodesDie] = [random.below(2) === 0, random.fraction() < NODES_DIE_RATIO];
    const isJoin = !cluster.ids.includes(NEWCOMER);
    note(
      `round ${round}: ${isJoin ? "a node joins" : "a node leaves"}, Redis dies ${instantMs} ms later, comes back ` +
        `${isEmpty ? "empty" : "whole"} after ${awayMs} ms${doNodesDie ? ", then all nodes die" : ""}`,
    );
    await scene.underLoad(async () => {
      const moved = isJoin ? join(cluster) : leave(cluster);
      moved.catch(() => {}); // told when it is awaited
      if (isJoin) await untilListed(cluster);
      await pause(instantMs); // the fault is the random moment
      await cluster.redis.kill();
      if (isEmpty) await cluster.redis.wipe();
      await pause(awayMs);
      await cluster.redis.start();
      await moved;
      await cluster.untilSettled();
    });
    if (!doNodesDie) continue;
    await Promise.all(cluster.ids.map((id) => cluster.kill(id)));
    await Promise.all(cluster.ids.map((id) => cluster.start(id)));
    await cluster.untilSettled();
    await scene.acknowledgements.expectKept(cluster.urls);
  }
}

async function join(cluster: ClusterProcesses): Promise<void> {
  await cluster.start(NEWCOMER);
}

async function leave(cluster: ClusterProcesses): Promise<void> {
  expect(await cluster.stop(NEWCOMER), cluster.node(NEWCOMER).stderr).toBe(0);
  await cluster.forget(NEWCOMER);
}

async function untilListed(cluster: ClusterProcesses): Promise<void> {
  const witness = itemAt(cluster.ids, 0);
  const isListed = async () => (await cluster.view(witness)).members.some(({ id }) => id === NEWCOMER);
  await until("the newcomer is listed", isListed, { intervalMs: 2, limitMs: 30_000 });
}
