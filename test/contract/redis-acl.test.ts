/** Who Headcount is at Redis: users with the least rights that deploy/README.md lists, and what is said where one is missing. */
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";

import type { FoundedClaim } from "../../cluster/ports/record-store.ts";
import type { Login } from "../../node/redis/redis-url.ts";
import { RedisStore } from "../../node/redis/redis-store.ts";
import { take } from "../../simulator/item-at.ts";
import { KEY } from "../support/bound-store.ts";
import { byTag } from "../support/by-tag.ts";
import { PROJECT_DIR, startNode } from "../support/node-process.ts";
import { hasRedis, type RedisServer, startRedis, startRedisCluster, startSentinel } from "../support/redis-server.ts";
import { LEASE_MS, memberNamed, renewalOf, runOf, wholeRunOf } from "../support/renewals.ts";
import { until } from "../support/until.ts";

const README = readFileSync(join(PROJECT_DIR, "deploy/README.md"), "utf8");
const [, LINE] = take(2, /^ACL SETUSER headcount on >PASSWORD (.+)$/m.exec(README)!);
const [, CLUSTER_RIGHTS] = take(2, /in a Redis Cluster also `([^`]+)`/.exec(README)!);
const [, SENTINEL_LINE] = take(2, /^ACL SETUSER default (.+)$/m.exec(README)!);
const LOGIN: Login & { username: string } = {
  username: "headcount",
  password: "redis-pw hunter2",
  sentinelPassword: undefined,
};
const ALICE: FoundedClaim = { term: 1, incarnation: "alice", founding: "f" };

function connect(url: string, login: Login = LOGIN) {
  const store = RedisStore.connect({ url, login, cluster: "default", timeoutMs: 2000 });
  return Object.assign(store, { [Symbol.asyncDispose]: () => store.close() });
}

/** As the README says, with more rights, and some fewer. */
async function addUser(redis: RedisServer, more: readonly string[] = []): Promise<void> {
  await redis.ask((direct) =>
    direct.call("ACL", "SETUSER", LOGIN.username, "on", `>${LOGIN.password}`, ...LINE.split(" "), ...more),
  );
}

/** Every call that a node makes. */
async function useAll(store: RedisStore): Promise<void> {
  await store.check();
  await store.found(await wholeRunOf(store), KEY, "anew", "founded");
  const run = await wholeRunOf(store);
  await store.renew(renewalOf("alice"), LEASE_MS);
  await store.admitModes(run, { names: ["a"], candidates: [], modesMax: 1, revision: 0 });
  await store.admitModes(run, { names: ["b"], candidates: ["a"], modesMax: 1, revision: 1 });
  const told = {
    incarnation: "alice",
    revision: 2,
    settledRevision: 2,
    partitions: [],
    partitionCount: 1,
    held: ["c"],
  };
  await store.tellModes(run, told);
  const partitions = Array.from({ length: KEY.partitions }, (_, partition) => partition);
  await byTag(store).claim(run, partitions, ALICE, true);
  await store.beginRun(await runOf(store), "another");
  const appends = partitions.map((partition) => ({ partition, claim: ALICE, from: 0, message: Buffer.from("a") }));
  expect(new Set(await byTag(store).append(run, appends))).toEqual(new Set(["landed"]));
  await byTag(store).raise(
    run,
    partitions.map((partition) => ({ partition, claim: ALICE })),
    2,
  );
  await store.snapshot(run, 0, ALICE, { number: 1, covers: 1, coversAll: false, bytes: Buffer.from("S") });
  await store.standing(run, [0]);
  await store.read(run, [0]);
  await store.takeBack(run, {
    partition: 1,
    claim: { ...ALICE, term: 3 },
    notAbove: 2,
    covers: 1,
    bytes: Buffer.from("T"),
    mayBeAbsent: true,
  });
  const board = { term: 1, version: 1, modes: 1, since: undefined, players: [{ mode: "a", players: 1 }], gone: [] };
  await store.publish("CA", board);
  const since = { term: 1, version: 1 };
  await store.publish("CA", { ...board, version: 2, since, players: [{ mode: "b", players: 1 }], gone: ["a"] });
  expect(await store.texts.controls.write("", { mark: "1.a", text: "{}" })).toBe(true);
  expect(await store.texts.controls.write("", { mark: "1.b", text: "[]" })).toBe(false);
  expect(await store.texts.controls.read("")).toEqual({ mark: "1.a", text: "{}" });
  expect(await store.texts.controls.read("1.a")).toBeUndefined();
  await store.look();
  await store.adoptTags(run);
  const key = { ...KEY, hashKey: new Uint8Array(8).fill(9) };
  const view = { epoch: 1, nonce: "", members: ["gus", "hal", "ida"].map(memberNamed), expelled: [] };
  for (const incarnation of ["gus", "hal"])
    await store.vote(run, { incarnation, view, key, freshNonce: "v" }, LEASE_MS);
  expect(await store.adoptTags(await wholeRunOf(store)), "tags whose records are dropped").toBeGreaterThan(0);
  await store.raiseEpoch(await wholeRunOf(store), 5, "fresh");
  await store.leave(await wholeRunOf(store), "alice", "left");
  await store.memoryUsedRatio();
}

test("deploy/README.md lists every command that the scripts call", () => {
  const folder = join(PROJECT_DIR, "node/redis/lua");
  const source = readdirSync(folder).map((file) => readFileSync(join(folder, file), "utf8"));
  const called = source.join("").matchAll(/redis\.p?call\(\s*['"](\w+)/g);
  const rights = new Set([...called].map(([, command = ""]) => `+${command.toLowerCase()}`));
  expect(rights.size).toBeGreaterThan(5);
  expect(LINE.split(" ")).toEqual(expect.arrayContaining([...rights]));
});

describe.skipIf(!hasRedis)("a user with the least rights", () => {
  test("is enough for one Redis", async () => {
    await using redis = await startRedis();
    await addUser(redis);
    await using store = connect(redis.url);
    await useAll(store);
  });

  test("is enough for a database of its own, with the right to select it", async () => {
    await using redis = await startRedis();
    await addUser(redis, ["+select"]);
    await using store = connect(`${redis.url}/3`);
    await useAll(store);
  });

  test("is enough for a Redis Cluster, with the rights that it needs beside", async () => {
    await using cluster = await startRedisCluster();
    for (const master of cluster.masters) await addUser(master, CLUSTER_RIGHTS.split(" "));
    await using store = connect(cluster.url);
    await useAll(store);
  });

  test("is enough under Sentinel, which has a password of its own", async () => {
    await using setUp = await startSentinel();
    for (const server of [setUp.master, setUp.replica]) await addUser(server);
    await setUp.sentinel.ask((sentinel) =>
      sentinel.call("ACL", "SETUSER", "default", "resetpass", ">sentinel-pw", ...SENTINEL_LINE.split(" ")),
    );
    await using store = connect(setUp.url, { ...LOGIN, sentinelPassword: "sentinel-pw" });
    await useAll(store);
    await using other = connect(setUp.url);
    const message = await failureOf(other.check());
    expect(message).toContain("Sentinel does not accept the password (HEADCOUNT_REDIS_SENTINEL_PASSWORD)");
    expect(message).not.toContain("hunter2");
  });

  test.each(LINE.split(" ").filter((right) => right.startsWith("+")))(
    "needs %s, and is told that it misses it",
    async (right) => {
      await using redis = await startRedis();
      await addUser(redis, [right.replace("+", "-")]);
      await using store = connect(redis.url);
      const message = await failureOf(useAll(store));
      expect(message).toContain("Redis' user lacks a right (deploy/README.md has all that it needs)");
      expect(message).toContain(`'${right.slice(1)}'`);
      expect(message).not.toContain("hunter2");
    },
  );

  test("needs its keys", async () => {
    await using redis = await startRedis();
    await addUser(redis, ["resetkeys", "~headcount:other:*"]);
    await using store = connect(redis.url);
    expect(await failureOf(useAll(store))).toMatch(/lacks a right.*keys/);
  });
});

describe.skipIf(!hasRedis)("the log of a node", () => {
  test("is JSON whatever Redis does not permit, names the right, and never shows a password", async () => {
    await using redis = await startRedis();
    await addUser(redis);
    const env = {
      HEADCOUNT_REDIS_URL: redis.url,
      HEADCOUNT_REDIS_USERNAME: LOGIN.username,
      HEADCOUNT_REDIS_PASSWORD: LOGIN.password,
      HEADCOUNT_LEASE_MS: "300",
      HEADCOUNT_LOG_LEVEL: "trace",
    };
    await using node = await startNode({ env });
    await redis.ask((direct) => direct.call("ACL", "SETUSER", LOGIN.username, "-info"));
    await redis.ask((direct) => direct.call("CLIENT", "KILL", "USER", LOGIN.username));
    const readiness = await until("readyz names the right", async () => {
      const answer = await fetch(`${node.url}/readyz`);
      const text = await answer.text();
      return text.includes("'info'") && text;
    });
    await redis.ask((direct) => direct.call("ACL", "SETUSER", LOGIN.username, "resetpass", ">other"));
    await redis.ask((direct) => direct.call("CLIENT", "KILL", "USER", LOGIN.username));
    await until("the log tells the password's fault", () =>
      node.stderr.includes("does not accept the user or the password"),
    );
    for (const line of node.stderr.trimEnd().split("\n")) expect(() => JSON.parse(line) as unknown, line).not.toThrow();
    expect(node.stderr + node.stdout + readiness).not.toContain("hunter2");
    expect(node.stderr).toContain("lacks a right");
  });
});

test.skipIf(!hasRedis)("a password that a Redis Cluster does not ask for makes the client print nothing", async () => {
  await using cluster = await startRedisCluster();
  const printed = [vi.spyOn(console, "warn"), vi.spyOn(console, "error")];
  await using store = connect(cluster.url, { ...LOGIN, username: undefined });
  await useAll(store);
  for (const spy of printed) expect(spy).not.toHaveBeenCalled();
});

async function failureOf(call: Promise<unknown>): Promise<string> {
  return call.then(
    () => "",
    (error: unknown) => String(error),
  );
}
