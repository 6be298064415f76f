/** Three nodes over one Redis, as clients and operators see them: any node takes any request, and all say the same. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { itemAt, take } from "../../simulator/item-at.ts";
import { type ClusterProcesses, startCluster } from "../support/cluster.ts";
import { HttpClient, NO_CACHE } from "../support/http.ts";
import { runToExit } from "../support/node-process.ts";
import { hasRedis, startRedis } from "../support/redis-server.ts";
import { errorsLogged, expectPace, freshPlayer, freshRegion } from "../support/shared-node.ts";
import { until } from "../support/until.ts";

const SECRET = "what-only-these-nodes-know";

describe.skipIf(!hasRedis)("A cluster of three nodes", () => {
  let cluster: ClusterProcesses;
  let clients: HttpClient[];

  beforeAll(async () => {
    cluster = await startCluster({ nodes: 3, env: { HEADCOUNT_PEER_SECRET: SECRET } });
    clients = cluster.nodes.map(({ url }) => new HttpClient(url));
  });

  afterAll(async () => {
    await using ending = cluster;
    for (const client of clients) await client[Symbol.asyncDispose]();
    for (const node of ending.nodes) {
      expect(await node.stop(), `exit code; log:\n${node.stderr}`).toBe(0);
      expect(errorsLogged(node)).toEqual([]);
      expect(node.stderr + node.stdout).not.toContain(SECRET);
    }
  });

  test("takes every call about a player at every node", async () => {
    const region = freshRegion();
    for (let player = 0; player < 12; player++) {
      const id = freshPlayer();
      const [one, two, three] = take(
        3,
        [0, 1, 2].map((step) => itemAt(clients, (player + step) % 3)),
      );
      const report = await one.report(id, { region, gamemode: "GM01", seq: 5 });
      expect([report.status, report.json]).toEqual([
        200,
        { profileId: id, region, gamemode: "GM01", changed: true, renewInMs: expect.any(Number) },
      ]);
      expectPace(report.json.renewInMs);
      expect((await two.report(id, { region, gamemode: "GM02", seq: 4 })).json).toMatchObject({
        gamemode: "GM01",
        changed: false,
      });
      expect((await three.profile(id)).json).toMatchObject({ profileId: id, region, gamemode: "GM01" });
      expect(Date.parse((await three.profile(id)).json.lastSeen)).toBeLessThanOrEqual(Date.now());
      expect((await two.heartbeat(id)).status).toBe(204);
      expect((await three.remove(id, 4)).status, "a newer seq was seen at another node").toBe(204);
      expect((await one.profile(id)).json).toMatchObject({ gamemode: "GM01" });
      expect((await one.remove(id, 5)).status).toBe(204);
      expect((await two.profile(id)).status).toBe(404);
      expect((await three.heartbeat(id)).status).toBe(404);
    }
  });

  test("counts a player who moves about its nodes once, where it was last", async () => {
    const [region, other] = [freshRegion(), freshRegion()];
    const id = freshPlayer();
    for (let move = 0; move < 9; move++)
      await itemAt(clients, move % 3).report(id, { region: move % 2 === 0 ? region : other, gamemode: `GM0${move}` });
    for (const client of clients) {
      expect((await client.top(region)).json).toMatchObject({ players: 1, gamemodes: [{ mode: "GM08", players: 1 }] });
      expect((await client.top(other)).json).toMatchObject({ players: 0, gamemodes: [] });
    }
  });

  test("answers a no-cache read at any node with every report acknowledged before", async () => {
    const region = freshRegion();
    for (let players = 1; players <= 30; players++) {
      await itemAt(clients, players % 3).report(freshPlayer(), { region, gamemode: "GM01" });
      const { json } = await itemAt(clients, (players + 1) % 3).top(region);
      expect(json).toEqual({
        region,
        players,
        asOf: expect.any(String),
        gamemodes: [{ mode: "GM01", rank: 1, players, share: 1 }],
      });
    }
  });

  test("answers plain reads alike at every node, with one ETag", async () => {
    const region = freshRegion();
    await itemAt(clients, 0).reports(
      Array.from({ length: 60 }, (_, index) => ({ profileId: freshPlayer(), region, gamemode: `GM${index % 7}` })),
    );
    const path = `/v1/regions/${region}/gamemode?top=7`;
    const answers = await until("all know all", async () => {
      const all = await Promise.all(clients.map((client) => client.get(path)));
      return all.every(({ json }) => json.players === 60) && all;
    });
    const [first] = take(1, answers);
    expect(first.json.complete ?? first.json.stale).toBeUndefined();
    for (const { json, headers } of answers) {
      expect({ ...json, asOf: "" }).toEqual({ ...first.json, asOf: "" });
      expect(headers["etag"]).toBe(first.headers["etag"]);
      expect(Math.abs(Date.now() - Date.parse(json.asOf))).toBeLessThan(5000);
    }
    expect((await itemAt(clients, 0).get(path, NO_CACHE)).headers["etag"]).toBe(first.headers["etag"]);
    const known = { headers: { "if-none-match": String(first.headers["etag"]) } };
    for (const client of clients) expect((await client.get(path, known)).status).toBe(304);
  });

  test("takes batches with players of all nodes, and bad rows", async () => {
    const region = freshRegion();
    const rows: unknown[] = Array.from({ length: 1000 }, () => ({
      profileId: freshPlayer(),
      region,
      gamemode: "GM01",
    }));
    rows[500] = { profileId: "nobody", region, gamemode: "GM01" };
    const { status, json } = await itemAt(clients, 1).reports(rows);
    expect([status, json.accepted, json.remembered]).toEqual([200, 999, 999]);
    expect(json.rejected).toEqual([
      { index: 500, code: "400", message: expect.stringContaining("profileId"), reason: "malformed" },
    ]);
    expect((await itemAt(clients, 2).top(region)).json.players).toBe(999);
  });

  test("sums players and regions of all nodes", async () => {
    const [region, other] = [freshRegion(), freshRegion()];
    for (let player = 0; player < 9; player++)
      await itemAt(clients, player % 3).report(freshPlayer(), {
        region: player < 6 ? region : other,
        gamemode: "GM01",
      });
    const sums = await until("all know all", async () => {
      const all = await Promise.all(clients.map((client) => client.get("/v1/regions")));
      const ofRegion = (json: { regions: { region: string; players: number }[] }, code: string) =>
        json.regions.find((each) => each.region === code)?.players;
      const isThere = all.every(({ json }) => ofRegion(json, region) === 6 && ofRegion(json, other) === 3);
      return isThere && all.map(({ json }) => json.players as number);
    });
    for (const [index, client] of clients.entries())
      expect((await client.get("/v1/players")).json).toEqual({ players: sums[index] });
  });

  test("shows the same members, who share everything", async () => {
    const { json } = await itemAt(clients, 0).get("/v1/cluster");
    expect(json.members.map(({ id }: { id: string }) => id).toSorted()).toEqual(["node-1", "node-2", "node-3"]);
    expect(json.members.map(({ state }: { state: string }) => state)).toEqual(["ready", "ready", "ready"]);
    const sum = (of: "partitions" | "regions"): number =>
      json.members.reduce((total: number, member: Record<typeof of, number>) => total + member[of], 0);
    expect([sum("partitions"), sum("regions")]).toEqual([256, 250]);
    for (const [index, client] of clients.entries()) {
      expect((await client.get("/v1/cluster")).json).toEqual(json);
      const { json: node } = await client.get("/v1/node");
      expect(json.members).toContainEqual(
        expect.objectContaining({ id: node.id, incarnation: node.incarnation, url: itemAt(cluster.nodes, index).url }),
      );
      expect((await client.get("/readyz")).json).toEqual({ status: "ready" });
    }
  });

  test("publishes a region's board as a sorted set", async () => {
    const region = freshRegion();
    for (let player = 0; player < 3; player++)
      await itemAt(clients, player).report(freshPlayer(), { region, gamemode: player < 2 ? "GM01" : "GM02" });
    await until("Redis has it", async () => {
      const key = `headcount:default:regions:${region}`;
      const board = await cluster.redis.ask((redis) => redis.zrevrange(key, 0, -1, "WITHSCORES"));
      return board.join(" ") === "GM01 2 GM02 1";
    });
  });

  test("tells Prometheus of its place", async () => {
    for (const client of clients) {
      const { text } = await client.get("/metrics");
      const valueOf = (name: string): number => Number(new RegExp(`^headcount_${name} (\\S+)$`, "m").exec(text)?.[1]);
      expect(valueOf("members")).toBe(3);
      expect(valueOf("partitions_served")).toBe(valueOf("partitions_owned"));
      expect(valueOf("partitions_lost_total")).toBe(0);
      expect(valueOf("expulsions_total")).toBe(0);
      expect(valueOf("peer_batches_total")).toBeGreaterThan(0);
      for (const line of text.split("\n").filter((each) => each !== "" && !each.startsWith("#")))
        expect(line).toMatch(/^headcount_[a-z0-9_]+(\{(?:\w+="[^"]*",?)+\})? \S+$/);
    }
  });

  test.each([
    ["another secret", { HEADCOUNT_PEER_SECRET: "what-these-do-not-know" }, /HEADCOUNT_PEER_SECRET must be the same/],
    ["no secret", { HEADCOUNT_PEER_SECRET: undefined }, /HEADCOUNT_PEER_SECRET must be the same/],
    ["other partitions", { HEADCOUNT_PARTITIONS: "64" }, /HEADCOUNT_PARTITIONS must be 256, .*, got "64"/],
    [
      "another session",
      { HEADCOUNT_SESSION_TTL_MS: "60000" },
      /HEADCOUNT_SESSION_TTL_MS must be 90000, .* got "60000"/,
    ],
    ["another lease", { HEADCOUNT_LEASE_MS: "2000" }, /HEADCOUNT_LEASE_MS must be 1500, .*, got "2000"/],
  ])("does not let a node in that has %s, and tells it why in one line", async (_what, env, expected) => {
    const { code, stdout, stderr } = await runToExit({
      env: { ...cluster.env, HEADCOUNT_PEER_SECRET: SECRET, HEADCOUNT_LOG_LEVEL: "silent", ...env },
    });
    expect(code).toBeGreaterThan(0);
    expect(stdout).toBe("");
    expect(stderr.trimEnd().split("\n")).toEqual([expect.stringMatching(expected)]);
    expect(stderr).not.toContain(SECRET);
    expect((await itemAt(clients, 0).get("/v1/cluster")).json.members).toHaveLength(3);
  });
});

test.skipIf(!hasRedis)("A Redis that may throw keys away stops the start in one line", async () => {
  await using redis = await startRedis({ "maxmemory-policy": "allkeys-lru" });
  const { code, stderr } = await runToExit({
    env: { HEADCOUNT_REDIS_URL: redis.url, HEADCOUNT_LOG_LEVEL: "silent" },
  });
  expect(code).toBeGreaterThan(0);
  expect(stderr.trimEnd().split("\n")).toEqual([expect.stringMatching(/HEADCOUNT_REDIS_URL.*noeviction/)]);
});
