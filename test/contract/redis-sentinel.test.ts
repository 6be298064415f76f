import { afterAll, beforeAll, describe } from "vitest";
import { hasRedis, startSentinel } from "../support/redis-server.ts";
import { redisStoreContracts } from "./redis-store.ts";

describe.skipIf(!hasRedis)("Sentinel", () => {
  let setUp: Awaited<ReturnType<typeof startSentinel>>;
  beforeAll(async () => {
    setUp = await startSentinel();
  });
  afterAll(() => setUp?.[Symbol.asyncDispose]());

  redisStoreContracts("RedisStore under Sentinel", () => setUp.url, { runs: 10 });
});
