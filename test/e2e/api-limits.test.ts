/** How often anybody may ask. */
import { describe, expect, test } from "vitest";
import { type Answer, gamemodePath, HttpClient } from "../support/http.ts";
import { startNode } from "../support/node-process.ts";
import { expectError, freshPlayer } from "../support/shared-node.ts";
import { signedToken, TOKEN_SETTINGS_GIVEN } from "../support/signed-tokens.ts";
import { until } from "../support/until.ts";

const PLAY = { region: "CA", gamemode: "GM01" };
const PROXIED = { HEADCOUNT_TRUST_PROXY: "127.0.0.1", HEADCOUNT_RATE_ADDRESS: "5/15s" };
const from = (address: string) => ({ "x-forwarded-for": address });

function report(http: HttpClient, headers: Readonly<Record<string, string>>): Promise<Answer> {
  return http.request("POST", gamemodePath(freshPlayer()), { headers, json: PLAY });
}
async function statusesOf(count: number, ask: () => Promise<Answer>): Promise<number[]> {
  const statuses: number[] = [];
  for (let asked = 0; asked < count; asked++) statuses.push((await ask()).status);
  return statuses;
}

describe.each(["on", "off"])("a node with a limit for addresses, the fast lane %s", (lane) => {
  const settings = { ...PROXIED, HEADCOUNT_FAST_LANE: lane };

  test("refuses who asks too often, says until when, and takes whoever waits so long", async () => {
    await using node = await startNode({ env: settings });
    await using http = new HttpClient(node.url);
    expect(await statusesOf(5, () => report(http, from("203.0.113.7")))).toEqual([200, 200, 200, 200, 200]);
    const refused = await report(http, from("198.51.100.9, 203.0.113.7"));
    const waitS = Number(refused.headers["retry-after"]);
    const told =
      /^requests without a good token from one address must be at most 5 in 15 s, got more: ask again in [123] s$/;
    expectError(refused, 429, told);
    expect(refused.json.reason).toBe("rate");
    expect(refused.headers["ratelimit"]).toBe(`"address";r=0;t=${waitS}`);
    expect(refused.headers["ratelimit-policy"]).toBe('"address";q=5;w=15');
    expect((await report(http, from("203.0.113.8"))).status, "another address").toBe(200);
    expect((await report(http, from("2001:db8::1"))).status).toBe(200);
    const refusedAtMs = performance.now();
    await until("it gets in", async () => (await report(http, from("203.0.113.7"))).status === 200);
    expect(performance.now() - refusedAtMs).toBeLessThan(waitS * 1000 + 2000);
  });

  test("counts all calls alike, but for operators' questions, loopback, and who cannot be told", async () => {
    await using node = await startNode({ env: settings });
    await using http = new HttpClient(node.url);
    const player = freshPlayer();
    const headers = from("203.0.113.7");
    const asked = [
      http.get("/v1/regions/CA/gamemode", { headers }),
      http.get("/v1/players", { headers }),
      http.request("PUT", `/v1/profiles/${player}/heartbeat`, { headers }),
      http.get("/openapi.json", { headers }),
      http.request("POST", "/v1/reports", { headers, json: { reports: [] } }),
    ];
    for (const answer of asked) expect((await answer).status).not.toBe(429);
    const refused: readonly (readonly [method: string, path: string])[] = [
      ["POST", gamemodePath(player)],
      ["GET", gamemodePath(player)],
      ["DELETE", gamemodePath(player)],
      ["PUT", `/v1/profiles/${player}/heartbeat`],
      ["POST", "/v1/reports"],
      ...[
        "/v1/regions/CA/gamemode",
        "/v1/regions",
        "/v1/players",
        "/v1/modes",
        "/v1/places",
        "/v1/regions/US-CA/gamemode",
        "/v1/node",
        "/v1/cluster",
        "/openapi.json",
      ].map((path) => ["GET", path] as const),
      ["GET", "/v1/nothing"],
      ["GET", "/%ff"],
    ];
    for (const [method, path] of refused) {
      const json = method === "POST" ? { json: PLAY } : {};
      expect([path, (await http.request(method, path, { headers, ...json })).status]).toEqual([path, 429]);
    }
    for (const path of ["/livez", "/readyz"]) expect((await http.get(path, { headers })).status).toBe(200);
    const preflight = { ...headers, origin: "https://game.example", "access-control-request-method": "POST" };
    expect((await http.request("OPTIONS", "/v1/players", { headers: preflight })).status).toBe(204);
    for (const unlimited of [{}, from("127.0.0.1"), from("unknown"), from("")])
      expect(await statusesOf(7, () => report(http, unlimited))).toEqual([200, 200, 200, 200, 200, 200, 200]);
    const told = [
      new RegExp(String.raw`^headcount_rate_refusals_total\{limit="address"\} ${refused.length}$`, "m"),
      /^headcount_clients_unknown_total [1-9]\d*$/m,
    ];
    await until("the metrics tell it", async () => {
      const { text } = await http.get("/metrics");
      return told.every((line) => line.test(text));
    });
  });

  test("does not count who shows a token that is known to be good", async () => {
    await using node = await startNode({ env: { ...settings, ...TOKEN_SETTINGS_GIVEN } });
    await using http = new HttpClient(node.url);
    const headers = { ...from("203.0.113.7"), authorization: `Bearer ${signedToken({ scope: "reports:batch" })}` };
    expect(await statusesOf(12, () => report(http, headers))).toEqual(Array.from({ length: 12 }, () => 200));
    const other = { ...headers, authorization: `Bearer ${signedToken({ scope: "reports:batch", jti: "unknown" })}` };
    const bad = { ...headers, authorization: `Bearer ${signedToken({ exp: 1 })}` };
    expect(await statusesOf(6, () => report(http, bad))).toEqual([401, 401, 401, 401, 429, 429]);
    expect((await report(http, other)).status, "a good token that was not seen here before").toBe(200);
    expect((await report(http, headers)).status).toBe(200);
  });
});

test("HEADCOUNT_RATE_TOKEN: rows of batches are counted by token, bad ones too", async () => {
  await using node = await startNode({ env: { ...TOKEN_SETTINGS_GIVEN, HEADCOUNT_RATE_TOKEN: "10/600s" } });
  await using http = new HttpClient(node.url);
  const [one, other] = ["one", "other"].map((jti) => signedToken({ scope: "reports:batch", jti })) as [string, string];
  const batch = (rows: number, token: string): Promise<Answer> => {
    const headers = { authorization: `Bearer ${token}` };
    const reports = Array.from({ length: rows }, () => ({ profileId: freshPlayer(), ...PLAY }));
    return http.request("POST", "/v1/reports", { headers, json: { reports: [...reports.slice(1), {}] } });
  };
  expect((await batch(6, one)).json).toMatchObject({ accepted: 5 });
  const refused = await batch(5, one);
  expectError(refused, 429, /^rows of batches with one token must be at most 10 in 600 s/);
  expect(refused.headers["ratelimit"]).toMatch(/^"token";r=4;t=\d+$/);
  expect((await batch(5, other)).status).toBe(200);
  expect((await batch(4, one)).status).toBe(200);
  const large = { authorization: `bearer  ${one}` };
  const unread = { headers: { ...large, "content-type": "application/json" }, body: "x".repeat(1_000_000) };
  expectError(await http.request("POST", "/v1/reports", unread), 429, /^rows of batches/);
});

test("without settings nobody on this machine is limited", async () => {
  await using node = await startNode();
  await using http = new HttpClient(node.url);
  const asked = await Promise.all(Array.from({ length: 6500 }, () => http.get("/v1/players")));
  expect(new Set(asked.map(({ status }) => status))).toEqual(new Set([200]));
});

describe.each(["on", "off"])("HEADCOUNT_RATE_PROFILE, the fast lane %s", (lane) => {
  test("refuses a player's reports and heartbeats beyond it, and takes whoever waits as told", async () => {
    await using node = await startNode({ env: { HEADCOUNT_RATE_PROFILE: "3/9s", HEADCOUNT_FAST_LANE: lane } });
    await using http = new HttpClient(node.url);
    const player = freshPlayer();
    const path = gamemodePath(player);
    const play = () => http.request("POST", path, { json: PLAY });
    const beat = () => http.request("PUT", `/v1/profiles/${player}/heartbeat`);
    expect([(await play()).status, (await beat()).status, (await play()).status]).toEqual([200, 204, 200]);
    const refusedAtMs = performance.now();
    const refused = await play();
    const waitS = Number(refused.headers["retry-after"]);
    expectError(
      refused,
      429,
      /^reports and heartbeats of one player must be at most 3 in 9 s, got more: ask again in [123] s$/,
    );
    expect(refused.json.reason).toBe("rate");
    expect(refused.headers["ratelimit"]).toBe(`"profile";r=0;t=${waitS}`);
    expect(refused.headers["ratelimit-policy"]).toBe('"profile";q=3;w=9');
    expect((await beat()).status).toBe(429);
    const reports = [player, player].map((profileId) => ({ profileId, ...PLAY }));
    const batch = await http.request("POST", "/v1/reports", { json: { reports } });
    expect(batch.json, "rows of batches are not counted").toEqual({ accepted: 2, remembered: 2, rejected: [] });
    expect((await http.get(path)).status, "look-ups are not counted").toBe(200);
    expect((await http.request("DELETE", path)).status, "nor are disconnections").toBe(204);
    await until("it gets in", async () => (await play()).status === 200);
    expect(performance.now() - refusedAtMs).toBeLessThan(waitS * 1000 + 2000);
    expect((await http.get("/metrics")).text).toMatch(/^headcount_rate_refusals_total\{limit="profile"\} [1-9]\d*$/m);
  });
});
test("HEADCOUNT_RATE_PROFILE=0: a player may report as often as it likes; by default ten times at once", async () => {
  const most = async (env: Readonly<Record<string, string>>): Promise<number> => {
    await using node = await startNode({ env });
    await using http = new HttpClient(node.url);
    const path = gamemodePath(freshPlayer());
    const statuses = await Promise.all(Array.from({ length: 40 }, () => http.request("POST", path, { json: PLAY })));
    return statuses.filter(({ status }) => status === 200).length;
  };
  expect(await most({ HEADCOUNT_RATE_PROFILE: "0" })).toBe(40);
  const taken = await most({});
  expect(taken).toBeGreaterThanOrEqual(10);
  expect(taken).toBeLessThan(20);
});
