/**
 * A cluster: a Redis and some nodes as processes of their own, ready, and gone when the scope ends.
 *
 *     await using cluster = await startCluster({ nodes: 3 });
 */
import { itemAt } from "../../simulator/item-at.ts";
import { type NodeProcess, startNode } from "./node-process.ts";
import { type RedisServer, startRedis } from "./redis-server.ts";
import { until } from "./until.ts";

/** Short, so that a cluster is founded and a dead node is noticed soon; long enough for a busy machine. */
const LEASE_MS = 1500;

export interface ClusterProcesses extends AsyncDisposable {
  readonly redis: RedisServer;
  readonly nodes: readonly NodeProcess[];
  /** Settings that a node needs to join. */
  readonly env: Readonly<Record<string, string>>;
}

export async function startCluster({
  nodes: count,
  env: more = {},
}: {
  readonly nodes: number;
  readonly env?: Readonly<Record<string, string>>;
}): Promise<ClusterProcesses> {
  await using stack = new AsyncDisposableStack();
  const redis = stack.use(await startRedis());
  const env = { HEADCOUNT_REDIS_URL: redis.url, HEADCOUNT_LEASE_MS: `${LEASE_MS}`, ...more };
  const start = (index: number): Promise<NodeProcess> =>
    startNode({ env: { ...env, HEADCOUNT_ID: `node-${index + 1}` } }).then((node) => stack.use(node));
  const nodes = await Promise.all(Array.from({ length: count }, (_, index) => start(index)));
  await untilAgreed(nodes);
  const owned = stack.move();
  return { redis, nodes, env, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** Every one of these nodes lists exactly these, and serves all that is its own. */
export async function untilAgreed(nodes: readonly NodeProcess[]): Promise<void> {
  await until("all nodes agree", async () => {
    const views = await Promise.all(nodes.map(viewOf));
    const isAgreed = views.every(({ epoch, members }) => epoch === itemAt(views, 0).epoch && members === nodes.length);
    return isAgreed && views.every(({ moving }) => moving === 0);
  });
}

async function viewOf({ url }: NodeProcess): Promise<{ epoch: number; members: number; moving: number }> {
  const [cluster, metrics] = await Promise.all([fetch(`${url}/v1/cluster`), fetch(`${url}/metrics`)]);
  const { epoch, members } = (await cluster.json()) as { epoch: number; members: unknown[] };
  const moving = Number(/^headcount_partitions_moving (\d+)$/m.exec(await metrics.text())?.[1]);
  return { epoch, members: members.length, moving };
}
