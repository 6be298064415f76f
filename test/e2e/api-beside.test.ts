/** One request is enough: what is popular beside a report, and beside a heartbeat. */
import { describe, expect, test } from "vitest";
import { AdminClient, adminSettings } from "../support/admin.ts";
import { startCluster } from "../support/cluster.ts";
import { type Answer, gamemodePath, HttpClient } from "../support/http.ts";
import { startNode } from "../support/node-process.ts";
import { hasRedis } from "../support/redis-server.ts";
import { expectError, expectPace, freshPlayer, freshRegion, shareNode } from "../support/shared-node.ts";
import { signedToken, TOKEN_SETTINGS_GIVEN } from "../support/signed-tokens.ts";
import { until } from "../support/until.ts";

const report = (http: HttpClient, player: string, json: object, query = "?top=5", headers = {}): Promise<Answer> =>
  http.request("POST", `${gamemodePath(player)}${query}`, { json, headers });
const heartbeat = (http: HttpClient, player: string, query = "?top=5", headers = {}): Promise<Answer> =>
  http.request("PUT", `/v1/profiles/${player}/heartbeat${query}`, { headers });

describe.each(["on", "off"])("beside a report and a heartbeat, the fast lane %s", (lane) => {
  const shared = shareNode({ env: { HEADCOUNT_FAST_LANE: lane } });

  test("comes what the GET answers for the country that stands, under its tag", async () => {
    const { http } = shared;
    const [region, other, player] = [freshRegion(), freshRegion(), freshPlayer()];
    await http.report(freshPlayer(), { region, gamemode: "GM02" });
    const first = await report(http, player, { region, gamemode: "GM01", seq: 5 });
    expect(Object.keys(first.json)).toEqual([
      "profileId",
      "region",
      "gamemode",
      "changed",
      "renewInMs",
      "tag",
      "popular",
    ]);
    const top = await http.get(`/v1/regions/${region}/gamemode`);
    const stands = { ...top.json, asOf: expect.any(String) };
    expect([first.json.tag, first.json.popular]).toEqual([top.headers["etag"], stands]);
    const late = await report(http, player, { region: other, gamemode: "GM01", seq: 4 });
    expect([late.json.changed, late.json.popular]).toEqual([false, stands]);
    const renewed = await heartbeat(http, player);
    expect([renewed.status, Object.keys(renewed.json)]).toEqual([200, ["renewInMs", "tag", "popular"]]);
    expect([renewed.json.tag, renewed.json.popular]).toEqual([top.headers["etag"], stands]);
    expectPace(renewed.json.renewInMs);
    const one = await report(http, player, { region, gamemode: "GM01" }, "?top=1");
    expect(one.json.popular).toMatchObject({ players: 2, gamemodes: [{ mode: "GM01", rank: 1 }] });
  });

  test("is left out where it is not asked for, and where the player stands nowhere", async () => {
    const { http } = shared;
    const [region, player] = [freshRegion(), freshPlayer()];
    expect((await report(http, player, { region, gamemode: "GM01", seq: 7 }, "")).json).not.toHaveProperty("tag");
    expect((await heartbeat(http, player, "?known=x")).status).toBe(204);
    await http.remove(player);
    const late = await report(http, player, { region, gamemode: "GM01", seq: 6 });
    expect(late.json).toEqual({
      profileId: player,
      region: null,
      gamemode: null,
      changed: false,
      renewInMs: expect.any(Number),
    });
    expectError(await heartbeat(http, player), 404, /^profileId must be a player who is connected/);
  });

  test("is not sent again to whoever names its tag, however that is written", async () => {
    const { http } = shared;
    const [region, player] = [freshRegion(), freshPlayer()];
    const { tag } = (await report(http, player, { region, gamemode: "GM01" })).json;
    const bare = String(tag).replaceAll(/^W\/"|"$/g, "");
    for (const known of [encodeURIComponent(tag), bare, `W/%22${bare}%22`, `%22${bare}%22`]) {
      const answer = await heartbeat(http, player, `?top=5&known=${known}`);
      expect([known, answer.status, answer.text]).toEqual([known, 204, ""]);
      expectPace(Number(answer.headers["renew-in-ms"]));
    }
    await http.report(freshPlayer(), { region, gamemode: "GM01" });
    const changed = await heartbeat(http, player, `?top=5&known=${bare}`);
    expect([changed.status, changed.json.popular.players]).toEqual([200, 2]);
  });

  test.each([
    ["?top=0", /^top must be a whole number from 1 to 100, got "0"/],
    ["?top=101", /^top must be/],
    ["?top=5&top=5", /^top must be .*, got an array of 2/],
    ["?top=5&include=blah", `include must be left out, since there is nothing more to include, got "blah"`],
    ["?top=5&known=a&include=trend", /^include must be left out, .*, got "trend"/],
    ["?include=peak", /^include must be left out, .*, got "peak"/],
    ["?include=&include=", /^include must be left out, .*, got an array of 2/],
  ])("%s is refused", async (query, message) => {
    const player = freshPlayer();
    expectError(await report(shared.http, player, { region: "CA", gamemode: "GM01" }, query), 400, message);
    expectError(await heartbeat(shared.http, player, query), 400, message);
  });

  test("a tag that is none of ours is refused for its length, and where it comes twice", async () => {
    const message = /^known must be a tag as it was answered, at most 128 characters, got/;
    expectError(await heartbeat(shared.http, freshPlayer(), `?top=5&known=${"x".repeat(129)}`), 400, message);
    expectError(await heartbeat(shared.http, freshPlayer(), "?top=5&known=a&known=b"), 400, message);
  });
});

test("modes in quarantine are left out, and nothing comes where queries are switched off", async () => {
  const env = { ...(await adminSettings()), HEADCOUNT_RATE_PROFILE: "0" };
  await using node = await startNode({ env });
  await using http = new HttpClient(node.url);
  await using admin = new AdminClient(env);
  const player = freshPlayer();
  await report(http, player, { region: "CA", gamemode: "GM01" });
  expect((await admin.put("/admin/quarantine/GM01")).status).toBe(200);
  await until("it is hidden", async () => (await heartbeat(http, player)).json.popular.gamemodes.length === 0);
  await admin.put("/admin/switches/queries", { enabled: false, reason: "maintenance" });
  await until("it is switched off", async () => (await heartbeat(http, player)).status === 204);
  expect((await report(http, player, { region: "CA", gamemode: "GM01" })).json).not.toHaveProperty("popular");
});

test("with a privacy floor no more is told than what is published", async () => {
  const env = { ...TOKEN_SETTINGS_GIVEN, HEADCOUNT_MIN_PLAYERS: "5" };
  await using node = await startNode({ env });
  await using http = new HttpClient(node.url);
  const player = freshPlayer();
  const headers = { authorization: `Bearer ${signedToken({ sub: player })}` };
  const reported = await report(http, player, { region: "CA", gamemode: "GM01" }, "?top=5", headers);
  expect(reported.json.popular).toMatchObject({ players: 0, gamemodes: [] });
  expect((await heartbeat(http, player, "?top=5", headers)).json.popular).toMatchObject({ players: 0, gamemodes: [] });
});

test.skipIf(!hasRedis)("in a cluster every node knows where the player stands, whoever owns it", async () => {
  await using cluster = await startCluster({ nodes: 3, env: { HEADCOUNT_RATE_PROFILE: "0" } });
  const clients = cluster.nodes.map(({ url }) => new HttpClient(url));
  const region = freshRegion();
  const players = Array.from({ length: 6 }, freshPlayer);
  for (const [at, player] of players.entries()) {
    const answer = await report(clients[at % 3] as HttpClient, player, { region, gamemode: "GM01" });
    expect(answer.json.popular.region).toBe(region);
  }
  for (const client of clients)
    for (const player of players) {
      const answer = await until("all are counted", async () => {
        const seen = await heartbeat(client, player);
        return seen.json.popular.players === players.length && seen;
      });
      const top = await client.get(`/v1/regions/${region}/gamemode`);
      expect(answer.json.tag).toBe(top.headers["etag"]);
      expect((await heartbeat(client, player, `?top=5&known=${encodeURIComponent(answer.json.tag)}`)).status).toBe(204);
    }
  for (const client of clients) await client[Symbol.asyncDispose]();
});
