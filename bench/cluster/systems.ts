/** The systems whose CPU time is compared: clusters of Headcount, and the designs on Redis with as many web nodes. */
import { fileURLToPath } from "node:url";
import { end, lineOf, SERVER_CORE, spawnOn } from "../support/children.ts";
import { fillByBatches, fillRedis } from "../support/fill.ts";
import { startRedis } from "../support/redis-server.ts";
import { Cluster } from "./nodes.ts";

export interface System {
  readonly name: string;
  readonly urls: readonly string[];
  /** Processes, Redis not among them. */
  readonly pids: readonly number[];
  readonly redisPid: number;
  fill(players: number): Promise<void>;
  stop(): Promise<void>;
}

/** Nobody falls silent while another system has its turn. */
export const LONG_SESSION = { HEADCOUNT_SESSION_TTL_MS: "3600000" };

export async function startNodes(name: string, nodeCount: number): Promise<System> {
  const cluster = await Cluster.start(nodeCount, LONG_SESSION);
  return {
    name,
    urls: cluster.urls,
    pids: cluster.pids,
    redisPid: cluster.redis.pid,
    fill: (players) => fillByBatches({ url: cluster.urls[0] as string }, players),
    stop: () => cluster.stop(),
  };
}

/** Web nodes that keep everything in one Redis, asked over its Unix socket. */
export async function startDesign(name: string, file: string, nodeCount: number): Promise<System> {
  const redis = await startRedis(SERVER_CORE);
  const path = fileURLToPath(new URL(`../contestants/${file}`, import.meta.url));
  const children = Array.from({ length: nodeCount }, () =>
    spawnOn(SERVER_CORE, [process.execPath, path, redis.socketPath]),
  );
  const urls = await Promise.all(
    children.map(async (child) => (await lineOf(child, / listens on (http:\S+)/))[1] ?? ""),
  );
  return {
    name,
    urls,
    pids: children.map(({ pid }) => pid ?? 0),
    redisPid: redis.pid,
    fill: (players) => fillRedis({ redisSocketPath: redis.socketPath }, players),
    stop: async () => {
      await Promise.all(children.map((child) => end(child)));
      await redis.stop();
    },
  };
}
