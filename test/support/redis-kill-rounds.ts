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
import type { NodeProcess } from "./node-process.ts";
import { startRedis } from "./redis-server.ts";
import { until } from "./until.ts";

const NEWCOMER = "newcomer";
/** From the first sign of a move on; it takes some two seconds on a busy machine. */
const INSTANT_MAX_MS = 2000;
const AWAY_MAX_MS = 1500;
const NODES_DIE_RATIO = 0.25;

/** A node that stands still for longer than a lease loses what Redis loses then; a busy machine must not come near that. */
const ENV = { HEADCOUNT_LEASE_MS: "4000", HEADCOUNT_REQUEST_DEADLINE_MS: "2000" };

/** What it acknowledged is on disk. */
export async function startDurableCluster(): Promise<ClusterProcesses> {
  const redis = await startRedis({ "maxmemory-policy": "noeviction", appendonly: "yes", appendfsync: "always" });
  return startClusterOn(redis, { env: ENV });
}

/** What one of them does. */
interface Round {
  readonly isJoin: boolean;
  readonly instantMs: number;
  readonly awayMs: number;
  readonly isEmpty: boolean;
  readonly doNodesDie: boolean;
}

/** @param note told what each round does, before it does it */
export async function redisKillRounds(scene: Scene, rounds: number, note: (round: string) => void): Promise<void> {
  const { cluster, random } = scene;
  const told: string[] = [];
  let leaver: NodeProcess | undefined;
  for (let number = 1; number <= rounds; number++) {
    const round = {
      isJoin: !cluster.ids.includes(NEWCOMER),
      instantMs: random.below(INSTANT_MAX_MS),
      awayMs: random.below(2) * random.below(AWAY_MAX_MS),
      isEmpty: random.below(2) === 0,
      doNodesDie: random.fraction() < NODES_DIE_RATIO,
    };
    told.push(`round ${number}: ${wordsOf(round)}`);
    note(told.at(-1)!);
    leaver = round.isJoin ? undefined : cluster.node(NEWCOMER);
    await redisKillRound(scene, round).catch((error: unknown) => {
      const logs = [leaver, ...cluster.ids.map((id) => cluster.node(id))].map((node) => node?.stderr ?? "");
      throw new Error([...told, ...logs, String(error)].join("\n"), { cause: error });
    });
  }
}

async function redisKillRound(scene: Scene, round: Round): Promise<void> {
  const { cluster } = scene;
  await scene.underLoad(async () => {
    const moved = round.isJoin ? join(cluster) : leave(cluster);
    moved.catch(() => {}); // told when it is awaited
    if (round.isJoin) await untilListed(cluster);
    await pause(round.instantMs); // the fault is the random moment
    await cluster.redis.kill();
    if (round.isEmpty) await cluster.redis.wipe();
    await pause(round.awayMs);
    await cluster.redis.start();
    await moved;
    await cluster.untilSettled();
  });
  if (!round.doNodesDie) return;
  await Promise.all(cluster.ids.map((id) => cluster.kill(id)));
  await Promise.all(cluster.ids.map((id) => cluster.start(id)));
  await cluster.untilSettled();
  await scene.acknowledgements.expectKept(cluster.urls);
}

function wordsOf({ isJoin, instantMs, awayMs, isEmpty, doNodesDie }: Round): string {
  const move = isJoin ? "a node joins" : "a node leaves";
  const back = `comes back ${isEmpty ? "empty" : "whole"} after ${awayMs} ms`;
  return `${move}, Redis dies ${instantMs} ms later, ${back}${doNodesDie ? ", then all nodes die" : ""}`;
}

async function join(cluster: ClusterProcesses): Promise<void> {
  await cluster.start(NEWCOMER);
}

async function leave(cluster: ClusterProcesses): Promise<void> {
  expect(await cluster.stop(NEWCOMER), "the exit code of who leaves").toBe(0);
  await cluster.forget(NEWCOMER);
}

async function untilListed(cluster: ClusterProcesses): Promise<void> {
  const witness = itemAt(cluster.ids, 0);
  const isListed = async () => (await cluster.view(witness)).members.some(({ id }) => id === NEWCOMER);
  await until("the newcomer is listed", isListed, { intervalMs: 2, limitMs: 30_000 });
}
