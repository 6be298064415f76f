/** TLS to Redis with real certificates, by an authority that only `NODE_EXTRA_CA_CERTS`, or here the test, makes known. */
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { RedisStore } from "../../node/redis/redis-store.ts";
import { KEY } from "../support/bound-store.ts";
import { byTag } from "../support/by-tag.ts";
import { type Authority, hasOpenssl, makeAuthority } from "../support/certificates.ts";
import { freePort } from "../../scripts/free-port.ts";
import { startNode } from "../support/node-process.ts";
import { hasRedis, startRedis, startRedisCluster, startSentinelFor } from "../support/redis-server.ts";
import { LEASE_MS, renewalOf, wholeRunOf } from "../support/renewals.ts";

const LOCALHOST = "DNS:localhost";
const ADDRESS = "IP:127.0.0.1";
const NOT_NAMED = /the certificate of Redis names another host than it is reached by/;

function connect(url: string, timeoutMs = 3000) {
  const store = RedisStore.connect({ url, cluster: "test", timeoutMs });
  return Object.assign(store, { [Symbol.asyncDispose]: () => store.close() });
}

/** Founds, and writes to every tag. */
async function use(store: RedisStore): Promise<void> {
  await store.check();
  await store.found(await wholeRunOf(store), KEY, "anew", "founded");
  const run = await wholeRunOf(store);
  await store.renew(renewalOf("alice"), LEASE_MS);
  const partitions = Array.from({ length: KEY.partitions }, (_, partition) => partition);
  const claimed = await byTag(store).claim(run, partitions, { term: 1, incarnation: "alice", founding: "f" }, true);
  expect(new Set(claimed.map(({ kind }) => kind))).toEqual(new Set(["claimed"]));
}

describe.skipIf(!hasRedis || !hasOpenssl)("TLS", () => {
  const trusted = getCACertificates("default");
  let authority: Authority;
  beforeAll(async () => {
    authority = await makeAuthority();
    setDefaultCACertificates([...trusted, authority.text]);
  });
  afterAll(async () => {
    setDefaultCACertificates(trusted);
    await authority?.[Symbol.asyncDispose]();
  });

  /** A server with a port for TLS beside its plain one. */
  async function startTls(names: string, more: Readonly<Record<string, string>> = {}) {
    const port = await freePort();
    const redis = await startRedis({ "tls-port": `${port}`, ...authority.certify(names), ...more });
    return Object.assign(redis, { tlsPort: port });
  }

  async function startClusterTls(names: string, more: Readonly<Record<string, string>> = {}) {
    const certificate = authority.certify(names);
    const ports: number[] = [];
    const cluster = await startRedisCluster({
      settings: async () => {
        const port = await freePort();
        ports.push(port);
        return { "tls-port": `${port}`, "tls-cluster": "yes", ...certificate, ...more };
      },
    });
    return Object.assign(cluster, { ports });
  }

  describe("to one Redis", () => {
    test("by the name that its certificate has, and by the address", async () => {
      await using redis = await startTls(`${LOCALHOST},${ADDRESS}`);
      for (const host of ["localhost", "127.0.0.1"]) {
        await using store = connect(`rediss://${host}:${redis.tlsPort}`);
        await use(store);
      }
    });

    test("refuses a certificate for another host, also by address", async () => {
      await using redis = await startTls("DNS:redis.example");
      for (const host of ["localhost", "127.0.0.1"]) {
        await using store = connect(`rediss://${host}:${redis.tlsPort}`, 500);
        await expect(store.check()).rejects.toThrow(NOT_NAMED);
      }
    });

    test("refuses a certificate by an authority that is not known", async () => {
      await using redis = await startTls(LOCALHOST);
      setDefaultCACertificates(trusted);
      try {
        await using store = connect(`rediss://localhost:${redis.tlsPort}`, 500);
        await expect(store.check()).rejects.toThrow(
          /is not trusted here \(NODE_EXTRA_CA_CERTS names more authorities\)/,
        );
      } finally {
        setDefaultCACertificates([...trusted, authority.text]);
      }
    });

    test("says so where Redis does not speak it", async () => {
      await using redis = await startRedis();
      await using store = connect(`rediss://127.0.0.1:${redis.port}`, 500);
      await expect(store.check()).rejects.toThrow(/Redis does not speak TLS there|Redis cannot be reached/);
    });
  });

  describe("to a Redis Cluster", () => {
    test("by host name, where its nodes are told by their addresses", async () => {
      await using cluster = await startClusterTls(LOCALHOST);
      await using store = connect(cluster.ports.map((port) => `rediss://localhost:${port}`).join(","));
      await use(store);
    });

    test("by host name, where its nodes are told by theirs", async () => {
      const byName = { "cluster-announce-hostname": "localhost", "cluster-preferred-endpoint-type": "hostname" };
      await using cluster = await startClusterTls(LOCALHOST, byName);
      await using store = connect(`rediss://localhost:${cluster.ports[0]},localhost:${cluster.ports[1]}`);
      await use(store);
    });

    test("by address", async () => {
      await using cluster = await startClusterTls(ADDRESS);
      await using store = connect(cluster.ports.map((port) => `rediss://127.0.0.1:${port}`).join(","));
      await use(store);
    });

    test("refuses a certificate for another host", async () => {
      await using cluster = await startClusterTls("DNS:redis.example");
      await using store = connect(cluster.ports.map((port) => `rediss://localhost:${port}`).join(","), 500);
      await expect(store.check()).rejects.toThrow(NOT_NAMED);
    });
  });

  test("to Sentinel and to the master that it tells by its address", async () => {
    await using master = await startTls(LOCALHOST, { "tls-replication": "yes" });
    const port = await freePort();
    const settings = { "tls-port": `${port}`, "tls-replication": "yes", ...authority.certify(LOCALHOST) };
    await using sentinel = await startSentinelFor(
      master.tlsPort,
      Object.entries(settings).map(([name, value]) => `${name} ${value}`),
    );
    await sentinel.ask((direct) => direct.call("SENTINEL", "MASTER", "headcount"));
    await using store = connect(`rediss+sentinel://localhost:${port}/headcount`);
    await use(store);
  });

  test("from a node, whose authority NODE_EXTRA_CA_CERTS names", async () => {
    await using redis = await startTls(LOCALHOST);
    const env = {
      HEADCOUNT_REDIS_URL: `rediss://localhost:${redis.tlsPort}`,
      HEADCOUNT_LEASE_MS: "300",
      NODE_EXTRA_CA_CERTS: authority.path,
    };
    await using node = await startNode({ env });
    expect((await fetch(`${node.url}/readyz`)).status).toBe(200);
  });
});
