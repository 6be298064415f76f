/** Two machines that set HEADCOUNT_REDIS_URL and nothing else; the machines are network namespaces (skipped without). */
import { expect, test } from "vitest";

import { Network, STORE, whyNoNetwork } from "../support/network.ts";
import { startNode } from "../support/node-process.ts";
import { hasRedis, startRedis } from "../support/redis-server.ts";

const SECRET = "a-secret-of-the-test-only";

test.skipIf(!hasRedis || whyNoNetwork !== undefined)(
  "a node beside a Redis on another machine: refused on loopback, else reached by the address that reaches Redis",
  async () => {
    using network = new Network(["a"]);
    await using redis = await startRedis({ bind: "0.0.0.0", "protected-mode": "no" });
    const runBy = network.runBy("a");
    const url = { HEADCOUNT_REDIS_URL: `redis://${STORE}:${redis.port}`, HEADCOUNT_LEASE_MS: "300" };
    await expect(startNode({ env: url, runBy })).rejects.toThrow(
      /exited with 1 [^]*stderr:\nheadcount: HEADCOUNT_PEER_HOST must be an address by which the other nodes reach .*\n$/,
    );
    const address = network.addressOf("a");
    const beyond = { HEADCOUNT_HOST: address, HEADCOUNT_PEER_HOST: "0.0.0.0", HEADCOUNT_PEER_SECRET: SECRET };
    await using node = await startNode({ env: { ...url, ...beyond }, runBy });
    expect(node.url).toContain(address);
    const members = await redis.ask((direct) => direct.hvals("headcount:default:members"));
    expect(members.join("\n")).toMatch(new RegExp(`"peerUrl":"http://${address.replaceAll(".", "\\.")}:\\d+"`));
  },
);
