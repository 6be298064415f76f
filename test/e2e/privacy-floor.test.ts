/** The privacy floor over real processes: two nodes and a Redis, through one whole minute of the wall clock. */
import { expect, test } from "vitest";
import { itemAt } from "../../simulator/item-at.ts";
import { AdminClient, adminSettings } from "../support/admin.ts";
import { startCluster } from "../support/cluster.ts";
import { gamemodePath, HttpClient, NO_CACHE } from "../support/http.ts";
import { startNode } from "../support/node-process.ts";
import { hasRedis } from "../support/redis-server.ts";
import { freshPlayer } from "../support/shared-node.ts";
import { signedToken, TOKEN_SETTINGS_GIVEN } from "../support/signed-tokens.ts";
import { until } from "../support/until.ts";

const WHY = hasRedis ? "" : " (skipped: there is no redis-server here)";
const FLOOR = { ...TOKEN_SETTINGS_GIVEN, HEADCOUNT_MIN_PLAYERS: "5" };
const TOP = "/v1/regions/CA/gamemode?top=10";
const A_MINUTE = { limitMs: 90_000 };
const bearer = (claims: object) => ({ headers: { authorization: `Bearer ${signedToken(claims)}` } });

function minute(): number {
  return Math.floor(Date.now() / 60_000);
}

function rows(gamemode: string, players: number): { profileId: string; region: string; gamemode: string }[] {
  return Array.from({ length: players }, () => ({ profileId: freshPlayer(), region: "CA", gamemode }));
}

test.runIf(hasRedis)(`two nodes show one table a minute, and operators the counts${WHY}`, async () => {
  await using cluster = await startCluster({ nodes: 0, env: FLOOR });
  const startedAt = minute();
  const settings = await adminSettings();
  await using first = await startNode({ env: { ...cluster.env, HEADCOUNT_ID: "first" } });
  await using second = await startNode({ env: { ...cluster.env, ...settings, HEADCOUNT_ID: "second" } });
  await using admin = new AdminClient(settings);
  await using one = new HttpClient(first.url);
  await using other = new HttpClient(second.url);
  const nodes = [one, other];

  const early = (await one.get(TOP)).json;
  expect(early).toMatchObject({ players: 0, gamemodes: [] });
  // Nothing is published before a whole minute, and on a slow machine one may have come meanwhile.
  if (minute() === startedAt) expect(early.complete).toBe(false);
  const reports = [...rows("GM01", 12), ...rows("GM02", 3), ...rows("GM03", 3)];
  const batch = { ...bearer({ scope: "reports:batch" }), json: { reports } };
  expect((await one.request("POST", "/v1/reports", batch)).json).toMatchObject({ accepted: 18 });
  const shown = { players: 15, gamemodes: [{ mode: "GM01", players: 10, share: 0.6667 }], others: { players: 5 } };
  const tags = await until(
    "both nodes show the table",
    async () => {
      const answers = await Promise.all(nodes.map((node) => node.get(TOP)));
      return answers.every(({ json }) => json.players === 15) && answers.map(({ headers }) => headers.etag);
    },
    A_MINUTE,
  );
  expect(new Set(tags).size).toBe(1);
  for (const node of nodes) {
    for (const options of [{}, NO_CACHE]) expect((await node.get(TOP, options)).json).toMatchObject(shown);
    expect((await node.get(TOP)).json.complete).toBeUndefined();
    expect((await node.get("/v1/regions", NO_CACHE)).json.regions).toEqual([{ region: "CA", players: 15 }]);
    expect((await node.get("/v1/players")).json.players).toBe(15);
  }
  for (const path of ["/metrics", "/v1/cluster"]) expect((await fetch(`${first.url}${path}`)).status).toBe(404);
  for (const options of [{}, NO_CACHE]) {
    const counts = { players: 18, gamemodes: [{ players: 12 }, { players: 3 }, { players: 3 }] };
    expect((await admin.get(TOP, options)).json).toMatchObject(counts);
  }
  expect((await admin.get("/v1/players")).json.players).toBe(18);
  await until("metrics say that all regions are published", async () =>
    /headcount_regions_unpublished 0/.test((await admin.get("/metrics")).text),
  );
  const board = await until("the sorted set holds the table", async () => {
    const key = `headcount:${cluster.env["HEADCOUNT_CLUSTER"] ?? "default"}:regions:CA`;
    const flat = await cluster.redis.ask((redis) => redis.zrevrange(key, 0, -1, "WITHSCORES"));
    return flat.length > 0 && flat;
  });
  expect(board).toEqual(["GM01", "10"]);

  // A player may look up itself, and nobody else.
  const [player, stranger] = [itemAt(reports, 0).profileId, freshPlayer()];
  expect((await one.get(gamemodePath(player), bearer({ sub: player }))).status).toBe(200);
  expect((await one.get(gamemodePath(player), bearer({ sub: stranger }))).status).toBe(403);
  expect((await one.get(gamemodePath(player), bearer({ sub: stranger, scope: "profiles:read" }))).status).toBe(200);
});
