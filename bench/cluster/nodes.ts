/** A cluster as it is: processes of `node/headcount.js` over a Redis of their own, all on the servers' core. */
import type { ChildProcess } from "node:child_process";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { end, lineOf, SERVER_CORE, spawnOn, temporaryFolder } from "../support/children.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { freePort } from "../../scripts/free-port.ts";
import { NODE_FLAGS, NODE_VARIABLES } from "../../scripts/start-line.ts";

export interface RunningNode {
  readonly id: string;
  readonly url: string;
  readonly pid: number;
  /** Resolves once the process is gone. */
  stop(signal: NodeJS.Signals): Promise<void>;
  signal(signal: NodeJS.Signals): void;
}

const NODE_MAIN = fileURLToPath(new URL("../../node/headcount.js", import.meta.url));
const READY_WITHIN_MS = 60_000;
const LOOK_EVERY_MS = 20;

export class Cluster {
  readonly redis: RedisServer;
  /** Those that run. */
  nodes: RunningNode[] = [];
  private readonly env: Readonly<Record<string, string>>;
  private started = 0;

  /** @param env more settings, by the names of the environment */
  private constructor(redis: RedisServer, env: Readonly<Record<string, string>>) {
    this.redis = redis;
    this.env = env;
  }

  /** Starts Redis and nodes; all are ready then. */
  static async start(nodeCount: number, env: Readonly<Record<string, string>> = {}): Promise<Cluster> {
    const cluster = new Cluster(await startRedis(SERVER_CORE, await freePort()), env);
    await Promise.all(Array.from({ length: nodeCount }, () => cluster.add()));
    return cluster;
  }

  get urls(): string[] {
    return this.nodes.map(({ url }) => url);
  }

  get pids(): number[] {
    return this.nodes.map(({ pid }) => pid);
  }

  /** Starts one more node; resolves once it is ready. */
  async add(nodeArgs: readonly string[] = []): Promise<RunningNode> {
    const node = await this.spawn(nodeArgs);
    await untilReady(node.url);
    return node;
  }

  /** Starts one more node; resolves once it listens. */
  async spawn(nodeArgs: readonly string[] = []): Promise<RunningNode> {
    const id = `node-${++this.started}`;
    const env = {
      ...process.env,
      ...NODE_VARIABLES,
      HEADCOUNT_ID: id,
      HEADCOUNT_PORT: "0",
      HEADCOUNT_REDIS_URL: `redis://127.0.0.1:${this.redis.port}`,
      HEADCOUNT_DATA_DIR: temporaryFolder(),
      HEADCOUNT_LOG_LEVEL: "fatal",
      ...this.env,
    };
    const child = spawnOn(SERVER_CORE, [process.execPath, ...NODE_FLAGS, ...nodeArgs, NODE_MAIN], { env });
    const [, url = ""] = await lineOf(child, / listens on (http:\S+)/);
    const node = this.nodeOf(child, id, url);
    this.nodes.push(node);
    return node;
  }

  async stop(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.stop("SIGKILL")));
    await this.redis.stop();
  }

  private nodeOf(child: ChildProcess, id: string, url: string): RunningNode {
    child.stdout?.resume();
    const node: RunningNode = {
      id,
      url,
      pid: child.pid ?? 0,
      stop: async (signal) => {
        await end(child, signal);
        this.nodes = this.nodes.filter((other) => other !== node);
      },
      signal: (signal) => void child.kill(signal),
    };
    return node;
  }
}

export async function isReady(url: string): Promise<boolean> {
  try {
    const answer = await fetch(`${url}/readyz`);
    await answer.arrayBuffer();
    return answer.status === 200;
  } catch {
    return false;
  }
}

async function untilReady(url: string): Promise<void> {
  const limitMs = performance.now() + READY_WITHIN_MS;
  while (!(await isReady(url))) {
    if (performance.now() > limitMs) throw new Error(`The node at ${url} is not ready after ${READY_WITHIN_MS} ms`);
    await pause(LOOK_EVERY_MS);
  }
}
