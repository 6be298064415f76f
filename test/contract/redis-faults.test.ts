/** What the store says when Redis is down, frozen, full, restarted, failed over or unfit. */
import { describe, expect, test } from "vitest";
import { type FoundedClaim, StoreUnavailableError } from "../../cluster/ports/record-store.ts";
import { OtherRunError } from "../../cluster/ports/shared-store.ts";
import { UnfitRedisError } from "../../node/redis/redis-errors.ts";
import { RedisStore } from "../../node/redis/redis-store.ts";
import { itemAt, take } from "../../simulator/item-at.ts";
import { KEY } from "../support/bound-store.ts";
import { texts } from "../support/claimed-records.ts";
import { hasRedis, startRedis, startRedisCluster, startSentinel } from "../support/redis-server.ts";
import { LEASE_MS, renewalOf, wholeRunOf } from "../support/renewals.ts";
import { until } from "../support/until.ts";

const ALICE: FoundedClaim = { term: 1, incarnation: "alice", founding: "f" };
const append = (from: number, text: string, partition = 0) => [
  { partition, claim: ALICE, from, message: Buffer.from(text) },
];

function connect(url: string, timeoutMs = 5000) {
  const store = RedisStore.connect({ url, cluster: "test", timeoutMs });
  return Object.assign(store, { [Symbol.asyncDispose]: () => store.close() });
}

/** A founded cluster with a member and a claim of partition 0. */
async function inUse(store: RedisStore): Promise<string> {
  await store.check();
  await store.found(await wholeRunOf(store), KEY, "anew", "founded");
  const run = await wholeRunOf(store);
  await store.renew(renewalOf("alice"), LEASE_MS);
  await store.claim(run, [0], ALICE, false);
  return run;
}

const logOf = async (store: RedisStore, run: string) => {
  const [answer] = take(1, await store.claim(run, [0], ALICE, true));
  return answer.kind === "claimed" ? texts(answer.record?.log ?? []) : answer;
};
/** What a renewal says of the runs. */
async function told(store: RedisStore) {
  const answer = await store.renew(renewalOf("alice"), LEASE_MS);
  if (answer.kind === "other key") throw new Error("Another key stands");
  return answer;
}
const failureOf = (call: Promise<unknown>): Promise<unknown> => call.catch((error: unknown) => error);

describe.skipIf(!hasRedis)("RedisStore", () => {
  describe("R15 under another run", () => {
    test("a restart that lost everything: the old run is refused, then the list is gone", async () => {
      await using redis = await startRedis();
      await using store = connect(redis.url);
      const run = await inUse(store);
      await redis.kill();
      await redis.start();
      await until("the store is back", () => store.check().then(() => true));
      await expect(store.append(run, append(0, "a"))).rejects.toThrow(OtherRunError);
      const answer = await store.renew(renewalOf("alice", { epoch: 1, isJoining: false }), LEASE_MS);
      expect(answer.kind).toBe("gone");
      expect(answer.run).not.toBe(run);
      expect(await store.look()).toMatchObject({ key: undefined, copy: undefined, view: { epoch: 0 } });
      expect(await store.claim(answer.run, [0], ALICE, false, new Set([0]))).toMatchObject([
        { kind: "claimed", isLost: true },
      ]);
    });

    test("a restart that lost nothing is another run too", async () => {
      await using redis = await startRedis({ appendonly: "yes", appendfsync: "always" });
      await using store = connect(redis.url);
      const run = await inUse(store);
      expect(await store.append(run, append(0, "kept"))).toEqual(["landed"]);
      await redis.kill();
      await redis.start();
      await until("the store is back", () => store.check().then(() => true));
      await expect(store.append(run, append(4, "a"))).rejects.toThrow(OtherRunError);
      const answer = await store.renew(renewalOf("alice", { revision: 1 }), LEASE_MS);
      expect(answer).toMatchObject({ kind: "renewed", list: { view: { epoch: 1 }, revision: 2 } });
      expect(await logOf(store, answer.run)).toEqual(["kept"]);
    });

    test("a failover that lost the tail: the old run is refused, then appends are behind", async () => {
      await using setUp = await startSentinel();
      await using store = connect(setUp.url);
      const run = await inUse(store);
      expect(await store.append(run, append(0, "kept"))).toEqual(["landed"]);
      await setUp.master.ask((redis) => redis.wait(1, 5000));
      setUp.replica.signal("SIGSTOP");
      // More than the sockets hold: what comes after stays in the master.
      await setUp.master.ask(async (redis) => {
        for (let count = 0; count < 8; count += 1) await redis.set("filler", Buffer.alloc(8 << 20));
      });
      expect(await store.append(run, append(4, "lost"))).toEqual(["landed"]);
      await setUp.master.kill();
      setUp.replica.signal("SIGCONT");
      const answer = await until("the replica is the master", () =>
        store.renew(renewalOf("alice", { revision: 1 }), LEASE_MS),
      );
      expect(answer).toMatchObject({ kind: "renewed" });
      expect(answer.run).not.toBe(run);
      await until("the store is back", () => store.check().then(() => true));
      await expect(store.append(run, append(8, "a"))).rejects.toThrow(OtherRunError);
      expect(await store.append(answer.run, append(8, "a"))).toEqual(["behind"]);
      expect(await logOf(store, answer.run)).toEqual(["kept"]);
      expect(
        await store.snapshot(answer.run, 0, ALICE, {
          number: 1,
          covers: 100,
          coversAll: true,
          bytes: Buffer.from("S"),
        }),
      ).toBe("landed");
    });

    test("of a Redis Cluster each tag has that of its master", async () => {
      await using cluster = await startRedisCluster();
      await using store = connect(cluster.url);
      await inUse(store);
      const { run, tagRuns: runs } = await told(store);
      expect(new Set(runs).size).toBe(cluster.masters.length);
      const infos = await Promise.all(cluster.masters.map((each) => each.ask((direct) => direct.info("replication"))));
      // Not the one with the list: without that no tag's run would be the same.
      const lost = itemAt(
        cluster.masters,
        infos.findIndex((info) => !info.includes(itemAt(run.split(" "), 0))),
      );
      await lost.kill();
      const partitions = Array.from({ length: 16 }, (_, partition) => partition);
      const raise = (partition: number) => store.raise(itemAt(runs, partition), [{ partition, claim: ALICE }], 1);
      const answers = await until("a tag of the lost master is away, the others are not", async () => {
        const raised = await Promise.allSettled(partitions.map(raise));
        return raised.some(({ status }) => status === "rejected") && raised;
      });
      const isThere = answers.map(({ status }) => status === "fulfilled");
      expect(isThere).toContain(true);
      await lost.start();
      const after = await until("all masters are back", async () => {
        const { tagRuns } = await told(store);
        return tagRuns.some((each, tag) => each !== runs[tag]) && tagRuns;
      });
      expect(partitions.map((partition) => after[partition] === runs[partition])).toEqual(isThere);
      const away = isThere.indexOf(false);
      await until(
        "the connection for appends is back, and its master tells that it is another",
        async () => (await failureOf(store.append(itemAt(runs, away), append(0, "a", away)))) instanceof OtherRunError,
      );
    });
  });

  describe("while Redis is", () => {
    test("down, rejects at once, and is back by itself", async () => {
      await using redis = await startRedis();
      await using store = connect(redis.url);
      const run = await inUse(store);
      const pending = failureOf(store.append(run, append(0, "a")));
      await redis.kill();
      expect([["landed"], expect.any(StoreUnavailableError)]).toContainEqual(await pending);
      const failure = await until("the connection is gone", async () => {
        const tried = await failureOf(store.append(run, append(0, "a")));
        return tried instanceof StoreUnavailableError && tried.message.includes("ECONNREFUSED") && tried;
      });
      expect(failure.message).toMatch(
        /^Cannot append: Redis cannot be reached: connect ECONNREFUSED 127\.0\.0\.1:\d+$/,
      );
      await expect(store.renew(renewalOf("alice"), LEASE_MS)).rejects.toThrow(
        "Cannot renew the lease: Redis cannot be reached",
      );
      await redis.start();
      await until("the store is back", () => store.check().then(() => true));
      expect(await store.renew(renewalOf("alice"), LEASE_MS)).toMatchObject({ kind: "gone" });
    });

    test("not there from the start, says so, and connects when it comes", async () => {
      await using redis = await startRedis();
      await redis.kill();
      await using store = connect(redis.url, 500);
      await expect(store.check()).rejects.toThrow(/^Cannot connect: Redis cannot be reached: connect ECONNREFUSED/);
      await redis.start();
      await until("the store is there", () => store.check().then(() => true));
    });

    test("frozen, gives up in the time it was given, and is back by itself", async () => {
      await using redis = await startRedis();
      await using store = connect(redis.url, 300);
      const run = await inUse(store);
      redis.signal("SIGSTOP");
      const sinceMs = performance.now();
      await expect(store.append(run, append(0, "a"))).rejects.toThrow("Cannot append: Redis has not answered in time");
      expect(performance.now() - sinceMs).toBeLessThan(3000);
      redis.signal("SIGCONT");
      const answers = await until("the store is back", () => store.append(run, append(0, "a")));
      expect(answers).toEqual(["landed"]);
      expect(await logOf(store, run)).toEqual(["a"]);
    });

    test("R16 full, refuses appends; leases, claims and snapshots go on", async () => {
      await using redis = await startRedis({ maxmemory: "100mb" });
      await using store = connect(redis.url);
      const run = await inUse(store);
      expect(await store.memoryUsedRatio()).toBeLessThan(0.5);
      await redis.ask((direct) => direct.set("filler", Buffer.alloc(4 << 20)));
      await redis.ask((direct) => direct.config("SET", "maxmemory", "2mb"));
      expect(await store.memoryUsedRatio()).toBeGreaterThan(1);
      await expect(store.append(run, append(0, "a"))).rejects.toThrow("Cannot append: Redis is full (maxmemory)");
      const players = [{ mode: "a", players: 1 }];
      const board = { term: 1, version: 1, modes: 1, since: undefined, players, gone: [] };
      await expect(store.publish("CA", board)).rejects.toThrow(StoreUnavailableError);
      expect(await store.renew(renewalOf("bea"), LEASE_MS)).toMatchObject({ kind: "renewed" });
      await store.raiseEpoch(run, 5, "fresh");
      await store.leave(run, "bea", "left");
      expect(await store.claim(run, [0, 1], ALICE, true)).toMatchObject([{ kind: "claimed" }, { kind: "claimed" }]);
      expect(await store.raise(run, [{ partition: 0, claim: ALICE }], 5)).toEqual(["landed"]);
      const snapshot = { number: 1, covers: 0, coversAll: true, bytes: new Uint8Array(100_000) };
      expect(await store.snapshot(run, 0, ALICE, snapshot)).toBe("landed");
    });
  });

  describe("check()", () => {
    test("R16 refuses a Redis that evicts", async () => {
      await using redis = await startRedis({ maxmemory: "100mb", "maxmemory-policy": "allkeys-lru" });
      await using store = connect(redis.url);
      const failure = await failureOf(store.check());
      expect(failure).toBeInstanceOf(UnfitRedisError);
      expect(String(failure)).toContain("maxmemory-policy is allkeys-lru");
    });
    test("refuses one node of a Redis Cluster, and several addresses that are none", async () => {
      await using node = await startRedis({ "cluster-enabled": "yes" });
      await using store = connect(node.url);
      await expect(store.check()).rejects.toThrow("it is part of a Redis Cluster: name several of its nodes");
      await using redis = await startRedis();
      await using other = connect(`${redis.url},${redis.url}`, 500);
      await expect(other.check()).rejects.toThrow("Cannot connect: it is no Redis Cluster: name one address");
    });
    test("refuses a database that is not there, and takes one that is", async () => {
      await using redis = await startRedis();
      await using store = connect(`${redis.url}/99`);
      const failure = await failureOf(store.check());
      expect(failure).toBeInstanceOf(UnfitRedisError);
      expect(String(failure)).toContain("it has no database 99");
      await using other = connect(`${redis.url}/3`);
      await other.check();
    });
    test("says that a password is wrong, and not which", async () => {
      await using redis = await startRedis();
      await redis.ask((direct) => direct.config("SET", "requirepass", "right"));
      await using store = connect(redis.url.replace("//", "//:hush@"), 500);
      const failure = await failureOf(store.check());
      expect(String(failure)).toContain("Redis does not accept the user or the password");
      expect(String(failure)).not.toContain("hush");
    });
  });
});
