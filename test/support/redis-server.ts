/**
 * Redis servers as processes of their own, gone when the scope ends: one, a master with a replica under Sentinel, and a
 * Redis Cluster of three masters. Nothing is kept on disk unless settings say so.
 *
 *     await using redis = await startRedis();
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { Redis } from "ioredis";

import { itemAt, take } from "../../simulator/item-at.ts";
import { freePort } from "../../scripts/free-port.ts";
import { temporaryFolder } from "./node-process.ts";
import { until } from "./until.ts";

export const hasRedis = spawnSync("redis-server", ["--version"]).status === 0;

const HOST = "127.0.0.1";
const MASTER_NAME = "headcount";
const SLOTS_COUNT = 16_384;

type Settings = Readonly<Record<string, string>>;

/** One server; `kill()` and `start()` as often as need be, on the same port and in the same folder. */
export class RedisServer implements AsyncDisposable {
  readonly port: number;
  readonly #folder: Awaited<ReturnType<typeof temporaryFolder>>;
  readonly #args: readonly string[];
  #child: ChildProcess | undefined;

  constructor(port: number, folder: Awaited<ReturnType<typeof temporaryFolder>>, args: readonly string[]) {
    this.port = port;
    this.#folder = folder;
    this.#args = args;
  }

  get url(): string {
    return `redis://${HOST}:${this.port}`;
  }

  async start(): Promise<void> {
    const child = spawn("redis-server", this.#args, { cwd: this.#folder.path, stdio: ["ignore", "pipe", "inherit"] });
    this.#child = child;
    living.add(child);
    child.once("exit", () => living.delete(child));
    child.stdout.resume();
    await until(`Redis on port ${this.port} answers`, async () => {
      if (child.exitCode !== null) throw new Error(`redis-server ended with ${child.exitCode}`);
      return (await this.ask((redis) => redis.ping())) === "PONG";
    });
  }

  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  /** `kill -9`; resolves when it is gone. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGKILL");
    await once(child, "exit");
  }

  /** What it kept on disk is gone. Only while it does not run. */
  async wipe(): Promise<void> {
    for (const name of await readdir(this.#folder.path)) await rm(join(this.#folder.path, name), { recursive: true });
  }

  /** Asks over a connection of its own. */
  async ask<T>(question: (redis: Redis) => Promise<T>): Promise<T> {
    const redis = new Redis(this.port, HOST, { lazyConnect: true, retryStrategy: () => null });
    redis.on("error", () => {}); // the question's promise tells it
    try {
      await redis.connect();
      return await question(redis);
    } finally {
      redis.disconnect();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await this.#folder[Symbol.asyncDispose]();
  }
}

/** @param settings as in redis.conf, on top of a free port and nothing kept on disk */
export async function startRedis(settings: Settings = {}): Promise<RedisServer> {
  const port = await freePort();
  const all = { port: `${port}`, bind: HOST, save: "", appendonly: "no", "enable-debug-command": "yes", ...settings };
  return startServer(
    port,
    Object.entries(all).flatMap(([name, value]) => [`--${name}`, value]),
  );
}

export interface SentinelSetUp extends AsyncDisposable {
  readonly url: string;
  readonly master: RedisServer;
  readonly replica: RedisServer;
  /** The first of them. */
  readonly sentinel: RedisServer;
}

/**
 * A Sentinel for a master that is there, at a port of its own.
 * @param more lines of its sentinel.conf
 * @param quorum of Sentinels that must find the master silent
 */
export async function startSentinelFor(
  masterPort: number,
  more: readonly string[] = [],
  quorum = 1,
): Promise<RedisServer> {
  const port = await freePort();
  const folder = await temporaryFolder();
  const config = join(folder.path, "sentinel.conf");
  const lines = [
    `port ${port}`,
    `bind ${HOST}`,
    ...more,
    `sentinel monitor ${MASTER_NAME} ${HOST} ${masterPort} ${quorum}`,
    `sentinel down-after-milliseconds ${MASTER_NAME} 300`,
    `sentinel failover-timeout ${MASTER_NAME} 3000`,
  ];
  await writeFile(config, `${lines.join("\n")}\n`);
  const sentinel = new RedisServer(port, folder, [config, "--sentinel"]);
  await sentinel.start();
  return sentinel;
}

/** A master with one replica, and Sentinels that promote the replica when more than half find the master silent for 0.3 s. */
export async function startSentinel(sentinelsCount = 1): Promise<SentinelSetUp> {
  await using servers = new AsyncDisposableStack();
  const master = servers.use(await startRedis());
  const replica = servers.use(
    await startRedis({ replicaof: `${HOST} ${master.port}`, "repl-diskless-sync-delay": "0" }),
  );
  await untilFollows(replica);
  const sentinels: RedisServer[] = [];
  for (let number = 0; number < sentinelsCount; number += 1) {
    const quorum = Math.floor(sentinelsCount / 2) + 1;
    sentinels.push(servers.use(await startSentinelFor(master.port, [], quorum)));
  }
  for (const sentinel of sentinels) {
    const known = (what: string) =>
      sentinel.ask(async (redis) => ((await redis.call("SENTINEL", what, MASTER_NAME)) as unknown[]).length);
    await until(
      "Sentinel knows the replica and the other Sentinels",
      async () => (await known("REPLICAS")) === 1 && (await known("SENTINELS")) === sentinelsCount - 1,
    );
  }
  const stack = servers.move();
  return {
    url: `redis+sentinel://${sentinels.map(({ port }) => `${HOST}:${port}`).join(",")}/${MASTER_NAME}`,
    master,
    replica,
    sentinel: itemAt(sentinels, 0),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

export async function untilFollows(replica: RedisServer): Promise<void> {
  await until("the replica follows", () =>
    replica.ask(async (redis) => (await redis.info("replication")).includes("master_link_status:up")),
  );
}

export interface RedisCluster extends AsyncDisposable {
  readonly url: string;
  readonly masters: readonly RedisServer[];
  /** One for each master, in the same order, where there are any. */
  readonly replicas: readonly RedisServer[];
}

export interface RedisClusterOptions {
  /** Of each server, on top. */
  readonly settings?: () => Settings | Promise<Settings>;
  readonly hasReplicas?: boolean;
}

/** Three masters that share the slots. */
export async function startRedisCluster({
  settings: more = () => ({}),
  hasReplicas = false,
}: RedisClusterOptions = {}): Promise<RedisCluster> {
  await using servers = new AsyncDisposableStack();
  const all: RedisServer[] = [];
  const busPorts: number[] = [];
  for (let number = 0; number < (hasReplicas ? 6 : 3); number += 1) {
    const busPort = await freePort();
    busPorts.push(busPort);
    const settings = { "cluster-enabled": "yes", "cluster-port": `${busPort}`, "cluster-node-timeout": "1000" };
    const server = await startRedis({ ...settings, "cluster-require-full-coverage": "no", ...(await more()) });
    all.push(servers.use(server));
  }
  const [masters, replicas] = [all.slice(0, 3), all.slice(3)];
  for (const [index, master] of masters.entries()) {
    const [from, to] = take(
      2,
      [index, index + 1].map((part) => Math.floor((part * SLOTS_COUNT) / masters.length)),
    );
    await master.ask(async (redis) => {
      await redis.call("CLUSTER", "ADDSLOTSRANGE", from, to - 1);
      await redis.call("CLUSTER", "SET-CONFIG-EPOCH", index + 1);
    });
  }
  await itemAt(masters, 0).ask(async (redis) => {
    for (const [index, { port }] of all.entries()) {
      if (index > 0) await redis.call("CLUSTER", "MEET", HOST, port, itemAt(busPorts, index));
    }
  });
  await untilClusterIsWhole(all);
  for (const [index, replica] of replicas.entries()) await follow(replica, itemAt(masters, index));
  const stack = servers.move();
  return {
    url: masters.map((master) => master.url).join(","),
    masters,
    replicas,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

async function untilClusterIsWhole(servers: readonly RedisServer[]): Promise<void> {
  const told = [
    "cluster_state:ok",
    `cluster_slots_assigned:${SLOTS_COUNT}`,
    `cluster_known_nodes:${servers.length}`,
    "cluster_size:3",
  ];
  for (const server of servers) {
    await until("the Redis Cluster is whole", () =>
      server.ask(async (redis) => {
        const info = String(await redis.call("CLUSTER", "INFO"));
        return told.every((line) => info.includes(line));
      }),
    );
  }
}

async function follow(replica: RedisServer, master: RedisServer): Promise<void> {
  const id = await master.ask(async (redis) => String(await redis.call("CLUSTER", "MYID")));
  await replica.ask((redis) => redis.call("CLUSTER", "REPLICATE", id));
  await untilFollows(replica);
}

async function startServer(port: number, args: readonly string[]): Promise<RedisServer> {
  const server = new RedisServer(port, await temporaryFolder(), args);
  try {
    await server.start();
    return server;
  } catch (error) {
    await server[Symbol.asyncDispose]();
    throw error;
  }
}

const living = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of living) child.kill("SIGKILL");
});
