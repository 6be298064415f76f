/** Both contracts of a store on a Redis that is there already: every store opened is a cluster of its own. */
import { randomUUID } from "node:crypto";
import { Cluster, Redis } from "ioredis";
import { afterAll } from "vitest";
import { RedisStore } from "../../node/redis/redis-store.ts";
import { type RedisUrl, parseRedisUrl } from "../../node/redis/redis-url.ts";
import { bindRun } from "../support/bound-store.ts";
import { recordStoreContract } from "./record-store.ts";
import { sharedStoreContract } from "./shared-store.ts";

const TIMEOUT_MS = 10_000; // a busy machine is not a fault

export function redisStoreContracts(name: string, url: () => string, { runs = 25 } = {}): void {
  let direct: Redis | Cluster | undefined;
  afterAll(() => direct?.disconnect());
  const newName = (): string => randomUUID().slice(0, 13);
  const open = async (cluster: string, clockMs?: () => number): Promise<RedisStore> => {
    const store = RedisStore.connect({ url: url(), cluster, timeoutMs: TIMEOUT_MS, ...(clockMs && { clockMs }) });
    await store.check();
    return store;
  };

  recordStoreContract(
    name,
    async () => {
      const cluster = newName();
      let store = await bindRun(await open(cluster));
      return {
        store,
        reopen: async () => {
          await store.close();
          store = await bindRun(await open(cluster));
          return store;
        },
        discard: () => store.close(),
      };
    },
    { runs },
  );

  sharedStoreContract(
    name,
    async (clockMs) => {
      const cluster = newName();
      const first = await open(cluster, clockMs);
      const stores = [first];
      direct ??= connectTo(parseRedisUrl(url()));
      const redis = direct;
      const tagsCount = redis instanceof Cluster ? 16 : 1;
      return {
        store: first,
        another: async () => {
          const opened = await open(cluster, clockMs);
          stores.push(opened);
          return opened;
        },
        loseRecord: async (partition) => {
          await redis.del(`headcount:${cluster}:{${cluster}-${partition % tagsCount}}:records`);
        },
        loseList: async () => {
          await redis.del(`headcount:${cluster}:members`);
        },
        board: async (region) => {
          const flat = await redis.zrevrange(`headcount:${cluster}:regions:${region}`, 0, -1, "WITHSCORES");
          const places = flat.filter((_, index) => index % 2 === 0);
          return places.map((mode, index) => ({ mode, players: Number(flat[2 * index + 1]) }));
        },
        discard: async () => {
          for (const store of stores) await store.close();
        },
      };
    },
    { runs },
  );
}

/** Past the store, to break things and to look at them. */
function connectTo(url: RedisUrl): Redis | Cluster {
  const places = (addresses: readonly { readonly host: string; readonly port: number }[]) =>
    addresses.map((address) => ({ ...address }));
  if (url.kind === "cluster") return new Cluster(places(url.addresses));
  return new Redis(url.kind === "standalone" ? url.address : { sentinels: places(url.sentinels), name: url.master });
}
