/**
 * Nodes of one cluster as processes of their own over a real Redis, all gone when the scope ends.
 *
 *     await using cluster = await startCluster({ ids: ["a", "b", "c"] });
 *     await cluster.kill("b");
 */
import { AdminClient, adminSettings } from "./admin.ts";
import { HttpClient } from "./http.ts";
import { type NodeProcess, type StartOptions, startNode } from "./node-process.ts";
import { type RedisServer, startRedis } from "./redis-server.ts";
import { until } from "./until.ts";

/** Short, so that deaths are noticed soon; twice what a renewal may be late on a busy machine. */
export const LEASE_MS = 1500;
const DEADLINE_MS = 1000;
export const PARTITIONS = 128;

interface MemberShown {
  readonly id: string;
  readonly incarnation: string;
  readonly url: string;
  readonly partitions: number;
  readonly state: string;
}

export interface ViewShown {
  readonly epoch: number;
  readonly members: readonly MemberShown[];
}

/** Where nodes find Redis: one server, or whatever stands for it. */
export interface RedisSetUp extends AsyncDisposable {
  readonly url: string;
}

/** What a node is started with beyond its id. */
type NodeOptions = Pick<StartOptions, "env" | "runBy" | "onSpawn">;

export class ClusterProcesses<SetUp extends RedisSetUp = RedisServer> implements AsyncDisposable {
  readonly redis: SetUp;
  private readonly env: Readonly<Record<string, string>>;
  /** The dead too, until one of the same id is started: a client does not know. */
  private readonly nodes = new Map<string, NodeProcess>();
  private readonly admins = new Map<string, AdminClient>();
  private readonly clients = new Map<string, HttpClient>();
  private readonly starting = new Set<Promise<unknown>>();

  constructor(redis: SetUp, env: Readonly<Record<string, string>>) {
    this.redis = redis;
    this.env = {
      HEADCOUNT_REDIS_URL: redis.url,
      HEADCOUNT_LEASE_MS: `${LEASE_MS}`,
      HEADCOUNT_REQUEST_DEADLINE_MS: `${DEADLINE_MS}`,
      HEADCOUNT_PARTITIONS: `${PARTITIONS}`,
      HEADCOUNT_SNAPSHOT_MS: "500",
      HEADCOUNT_RATE_PROFILE: "0", // the same players report again and again
      ...env,
    };
  }

  get deadlineMs(): number {
    return Number(this.env["HEADCOUNT_REQUEST_DEADLINE_MS"]);
  }

  get ids(): string[] {
    return [...this.nodes.keys()];
  }

  get urls(): string[] {
    return [...this.nodes.values()].map(({ url }) => url);
  }

  node(id: string): NodeProcess {
    const node = this.nodes.get(id);
    if (node === undefined) throw new Error(`There is no node ${id}`);
    return node;
  }

  /** Resolves when it is ready. One of the same id must be gone. */
  async start(id: string, options: NodeOptions = {}): Promise<NodeProcess> {
    const started = this.startOne(id, options);
    this.starting.add(started);
    return started.finally(() => this.starting.delete(started));
  }

  private async startOne(id: string, { env = {}, ...options }: NodeOptions): Promise<NodeProcess> {
    const all: Record<string, string | undefined> = { ...this.env, HEADCOUNT_ID: id, ...env };
    const admin = all["HEADCOUNT_AUTH"] === undefined ? undefined : await adminSettings();
    const node = await startNode({ ...options, env: { ...all, ...admin } });
    await this.forget(id);
    this.nodes.set(id, node);
    this.clients.set(id, new HttpClient(node.url));
    if (admin !== undefined) this.admins.set(id, new AdminClient(admin));
    return node;
  }

  /** `kill -9`; resolves when it is gone. */
  async kill(id: string): Promise<void> {
    const node = this.node(id);
    node.kill("SIGKILL");
    await node.exited;
  }

  /** SIGTERM; gives the exit code. */
  async stop(id: string): Promise<number | null> {
    return this.node(id).stop();
  }

  /** Takes away a node that is gone, or ends it. */
  async forget(id: string): Promise<void> {
    await this.clients.get(id)?.[Symbol.asyncDispose]();
    await this.admins.get(id)?.[Symbol.asyncDispose]();
    this.admins.delete(id);
    await this.nodes.get(id)?.[Symbol.asyncDispose]();
    this.clients.delete(id);
    this.nodes.delete(id);
  }

  http(id: string): HttpClient {
    const client = this.clients.get(id);
    if (client === undefined) throw new Error(`There is no node ${id}`);
    return client;
  }

  /** Where a node tells of itself and its cluster: with tokens, at the admin listener. */
  private details(id: string): Pick<HttpClient, "get"> {
    return this.admins.get(id) ?? this.http(id);
  }

  async view(id: string): Promise<ViewShown> {
    return (await this.details(id).get("/v1/cluster")).json;
  }

  async incarnationOf(id: string): Promise<string> {
    return (await this.http(id).get("/v1/node")).json.incarnation;
  }

  async readiness(id: string): Promise<{ readonly status: string; readonly reason?: string }> {
    return (await this.http(id).get("/readyz")).json;
  }

  /** A metric without labels, as it is now: what a node tells may have been collected before it was asked. */
  async metric(id: string, name: string): Promise<number> {
    const ask = async (): Promise<string> => (await this.details(id).get("/metrics")).text;
    const before = await ask();
    const text = await until("metrics are collected anew", async () => {
      const told = await ask();
      return told !== before && told; // each collection counts the request before it
    });
    const value = new RegExp(`^headcount_${name} (\\S+)$`, "m").exec(text)?.[1];
    if (value === undefined) throw new Error(`There is no metric headcount_${name}:\n${text}`);
    return Number(value);
  }

  /** All of these list each other and nobody else, are ready, and nothing is on its way. */
  async untilSettled(ids: readonly string[] = this.ids): Promise<void> {
    for (const id of ids) {
      await until(
        `${id} is one of ${ids.length} and settled`,
        async () => {
          const [view, { status }] = [await this.view(id), await this.readiness(id)];
          const listed = view.members.map((member) => member.id).toSorted();
          const found = `${status}, lists ${listed.join(" ")}, moving ${await this.metric(id, "partitions_moving")}`;
          const expected = `ready, lists ${ids.toSorted().join(" ")}, moving 0`;
          if (found !== expected) throw new Error(`${found}\n${this.node(id).stderr}`);
          return true;
        },
        { limitMs: 20_000, intervalMs: 50 },
      );
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled(this.starting); // one may have failed while others are on their way
    await Promise.all(this.ids.map((id) => this.forget(id)));
    await this.redis[Symbol.asyncDispose]();
  }
}

export interface ClusterOptions {
  readonly ids?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** Resolves when all are ready. */
export async function startCluster(options: ClusterOptions = {}): Promise<ClusterProcesses> {
  return startClusterOn(await startRedis({ "maxmemory-policy": "noeviction" }), options);
}

/** The same on a Redis that is there; it ends with the cluster. */
export async function startClusterOn<SetUp extends RedisSetUp>(
  redis: SetUp,
  { ids = ["a", "b", "c"], env = {} }: ClusterOptions = {},
): Promise<ClusterProcesses<SetUp>> {
  const cluster = new ClusterProcesses(redis, env);
  try {
    await Promise.all(ids.map((id) => cluster.start(id)));
    await cluster.untilSettled();
    return cluster;
  } catch (error) {
    await cluster[Symbol.asyncDispose]();
    throw error;
  }
}
