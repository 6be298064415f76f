import { afterAll, beforeAll, describe } from "vitest";
import { hasRedis, startRedis } from "../support/redis-server.ts";
import { redisStoreContracts } from "./redis-store.ts";

describe.skipIf(!hasRedis)("standalone", () => {
  let redis: Awaited<ReturnType<typeof startRedis>>;
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(() => redis?.[Symbol.asyncDispose]());

  redisStoreContracts("RedisStore on one Redis", () => redis.url);
});
