import { afterAll, beforeAll, describe } from "vitest";
import { hasRedis, startRedisCluster } from "../support/redis-server.ts";
import { redisStoreContracts } from "./redis-store.ts";

describe.skipIf(!hasRedis)("Redis Cluster", () => {
  let cluster: Awaited<ReturnType<typeof startRedisCluster>>;
  beforeAll(async () => {
    cluster = await startRedisCluster();
  });
  afterAll(() => cluster?.[Symbol.asyncDispose]());

  redisStoreContracts("RedisStore on a Redis Cluster", () => cluster.url, { runs: 10 });
});
