/** Redis slow under load: each call takes 50 ms, then 350 ms, then a second. Slow is not gone. */
import { itemAt } from "../../simulator/item-at.ts";
import { expect, onTestFinished, test } from "vitest";

import { type RedisSetUp, startClusterOn } from "../support/cluster-processes.ts";
import { shareScene } from "../support/cluster-scene.ts";
import { hasRedis, startRedis } from "../support/redis-server.ts";
import { type SlowWay, startSlowWay } from "../support/slow-way.ts";
import { until } from "../support/until.ts";

const WHY = hasRedis ? "" : " (skipped: there is no redis-server here)";
/** Some hundred calls a second, whatever each of them takes. */
const SLOWNESSES = [
  { delayMs: 50, clients: 16 },
  { delayMs: 350, clients: 80 },
  { delayMs: 1000, clients: 200 },
];
const CALLS_MIN = 400;
const FORWARDED_MIN = 100;
const REFUSED_RATIO_MAX = 0.1;
/** As they are without settings: the lease is three times as long as a call, the deadline twice. */
const ENV = { HEADCOUNT_LEASE_MS: "3000", HEADCOUNT_REQUEST_DEADLINE_MS: "2000" };

interface SlowRedis extends RedisSetUp {
  readonly way: SlowWay;
}

const scene = hasRedis
  ? shareScene({
      start: async () => startClusterOn(await startSlowRedis(), { env: ENV }),
      expectedErrors: /Redis fails or refuses calls/,
    })
  : undefined!;

for (const { delayMs, clients } of SLOWNESSES)
  test.runIf(hasRedis)(
    `Redis slow under load, ${delayMs} ms a call: hardly a report is refused, and all is well afterwards${WHY}`,
    async () => {
      const { cluster, client } = scene;
      const before = await incarnations();
      const load = async (): Promise<void> => {
        await slowDown(delayMs);
        client.measureAnew();
        const rowsBefore = await forwarded();
        const isEnough = async () =>
          client.measured.calls >= CALLS_MIN && (await forwarded()) >= rowsBefore + FORWARDED_MIN;
        await until("many are answered, and many of them through other nodes", isEnough, { limitMs: 30_000 });
        const { calls, refusals } = client.measureAnew();
        const refusedReports = refusals.filter((refusal) => /^(POST|a row of a batch)/.test(refusal));
        expect(refusedReports.length, refusedReports.slice(0, 20).join("\n")).toBeLessThan(calls * REFUSED_RATIO_MAX);
        await cluster.redis.way.delay(0);
        await untilReady();
      };
      await scene.underLoad(load, { clients });
      expect(await incarnations()).toEqual(before);
    },
  );

test.runIf(hasRedis)(
  `Redis slow under load, and kill -9 of all nodes: started again they know everybody${WHY}`,
  async () => {
    const { cluster } = scene;
    const { delayMs, clients } = itemAt(SLOWNESSES, 1);
    const kill = async (): Promise<void> => {
      await slowDown(delayMs);
      await scene.untilAcknowledged();
      await Promise.all(cluster.ids.map((id) => cluster.kill(id)));
      await cluster.redis.way.delay(0);
      await Promise.all(cluster.ids.map((id) => cluster.start(id)));
      await cluster.untilSettled();
    };
    await scene.underLoad(kill, { clients });
  },
);

async function startSlowRedis(): Promise<SlowRedis> {
  await using parts = new AsyncDisposableStack();
  const redis = parts.use(await startRedis({ "maxmemory-policy": "noeviction" }));
  const way = parts.use(await startSlowWay(redis.port));
  const stack = parts.move();
  return { url: `redis://127.0.0.1:${way.port}`, way, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

/** Until the test is over at the latest. */
async function slowDown(delayMs: number): Promise<void> {
  const { way } = scene.cluster.redis;
  onTestFinished(() => way.delay(0));
  await way.delay(delayMs);
}

async function forwarded(): Promise<number> {
  const { cluster } = scene;
  const rows = await Promise.all(cluster.ids.map((id) => cluster.metric(id, "peer_batch_rows_total")));
  return rows.reduce((sum, count) => sum + count, 0);
}

async function incarnations(): Promise<string[]> {
  return Promise.all(scene.cluster.ids.map((id) => scene.cluster.incarnationOf(id)));
}

async function untilReady(): Promise<void> {
  for (const id of scene.cluster.ids)
    await until(`${id} is ready`, async () => (await scene.cluster.readiness(id)).status === "ready");
}
