/** Look-ups of many players: friends, and the modes they are in. */
import { describe, expect, test } from "vitest";
import { AdminClient, adminSettings } from "../support/admin.ts";
import { startCluster } from "../support/cluster.ts";
import { type Answer, HttpClient } from "../support/http.ts";
import { startNode } from "../support/node-process.ts";
import { hasRedis } from "../support/redis-server.ts";
import { expectError, freshPlayer, shareNode } from "../support/shared-node.ts";
import { signedToken, TOKEN_SETTINGS_GIVEN } from "../support/signed-tokens.ts";
import { until } from "../support/until.ts";

const lookUp = (http: HttpClient, profileIds: unknown, headers = {}): Promise<Answer> =>
  http.request("POST", "/v1/profiles/lookup", { json: { profileIds }, headers });
const some = (count: number): string[] => Array.from({ length: count }, freshPlayer);
const bearer = (claims: object) => ({ authorization: `Bearer ${signedToken(claims)}` });
const NOBODY = { profiles: [], gamemodes: [], unknown: 0 };

describe("POST /v1/profiles/lookup", () => {
  const shared = shareNode();

  test("tells who is connected, in the order asked, and how many are in each mode", async () => {
    const players = Array.from({ length: 5 }, freshPlayer);
    const [ann, bob, cy, dee, gone] = players as [string, string, string, string, string];
    const rows = [
      [dee, "b"],
      [ann, "GM02"],
      [bob, "GM02"],
      [cy, "a"],
      [gone, "a"],
    ] as const;
    await shared.http.reports(rows.map(([profileId, gamemode]) => ({ profileId, region: "CA", gamemode })));
    await shared.http.remove(gone);
    const asked = [cy, gone, bob.toUpperCase(), freshPlayer(), ann, cy, dee];
    const { status, json } = await lookUp(shared.http, asked);
    expect(status).toBe(200);
    const told = (profileId: string, gamemode: string) => ({ profileId, region: "CA", gamemode });
    expect(json).toEqual({
      profiles: [told(cy, "a"), told(bob, "GM02"), told(ann, "GM02"), told(cy, "a"), told(dee, "b")],
      gamemodes: [
        { mode: "GM02", players: 2 },
        { mode: "a", players: 1 }, // who is named twice counts once
        { mode: "b", players: 1 },
      ],
      unknown: 0,
    });
    expect(Object.keys(json)).toEqual(["profiles", "gamemodes", "unknown"]);
  });

  test("takes 500 and no more, and names what is wrong", async () => {
    const many = Array.from({ length: 500 }, freshPlayer);
    expect((await lookUp(shared.http, many)).json).toEqual(NOBODY);
    expectError(
      await lookUp(shared.http, [...many, freshPlayer()]),
      400,
      "profileIds must be an array of 1 to 500 profile ids, got an array of 501",
    );
    expectError(await lookUp(shared.http, []), 400, /^profileIds must be .*, got an array of 0/);
    expectError(await lookUp(shared.http, "x"), 400, /^profileIds must be .*, got "x"/);
    expectError(await lookUp(shared.http, undefined), 400, /^profileIds must be .*, got nothing/);
    expectError(await lookUp(shared.http, [freshPlayer(), "x"]), 400, /^profileIds\[1\] must be a UUID .*, got "x"/);
    expectError(await lookUp(shared.http, [7]), 400, /^profileIds\[0\] must be a UUID .*, got 7/);
    const headers = { "content-type": "application/json" };
    expectError(
      await shared.http.request("POST", "/v1/profiles/lookup", { body: "x".repeat(40_000), headers }),
      413,
      /^body must be at most 32768 bytes/,
    );
    expectError(
      await shared.http.request("POST", "/v1/profiles/lookup", { body: "[]", headers }),
      400,
      /^body must be a JSON object/,
    );
    expectError(await shared.http.request("POST", "/v1/profiles/lookup", { body: "{}" }), 415, /^content-type/);
  });
});

test("a token may look up its own player, and others with profiles:read", async () => {
  await using node = await startNode({ env: { ...TOKEN_SETTINGS_GIVEN, HEADCOUNT_MIN_PLAYERS: "5" } });
  await using http = new HttpClient(node.url);
  const [own, other] = [freshPlayer(), freshPlayer()];
  expectError(await lookUp(http, [own]), 401, /^authorization must be/);
  expect((await lookUp(http, [own, own], bearer({ sub: own }))).json).toEqual(NOBODY);
  const refused = await lookUp(http, [own, other], bearer({ sub: own }));
  expectError(
    refused,
    403,
    `profileIds must be the sub of the token, or its scope must have profiles:read, got "${other}"`,
  );
  expect(refused.headers["www-authenticate"]).toContain('scope="profiles:read"');
  expect((await lookUp(http, [own, other], bearer({ sub: own, scope: "profiles:read" }))).json).toEqual(NOBODY);
});

describe("each player of a look-up counts", () => {
  const PROXIED = { HEADCOUNT_TRUST_PROXY: "127.0.0.1" };
  const from = (address: string) => ({ "x-forwarded-for": address });
  const LOOKED_UP = "requests without a good token from one address, with each player of a look-up as one,";

  test("against the limit of the address, once however often it is named; what is refused costs nothing", async () => {
    await using node = await startNode({ env: { ...PROXIED, HEADCOUNT_RATE_ADDRESS: "100/600s" } });
    await using http = new HttpClient(node.url);
    const one = from("203.0.113.7");
    const players = some(60);
    expect((await lookUp(http, [...players, ...players.map((each) => each.toUpperCase())], one)).status).toBe(200);
    const headers = { ...one, authorization: "Bearer of.no.use" }; // no tokens are asked for: they change nothing
    for (let count = 0; count < 3; count++) {
      const refused = await lookUp(http, players, headers);
      expectError(refused, 429, new RegExp(`^${LOOKED_UP} must be at most 100 in 600 s, got more: ask again in`));
      expect(refused.json.reason).toBe("rate");
      expect(refused.headers["ratelimit"]).toMatch(/^"address";r=40;t=1[12]\d$/);
      expect(Number(refused.headers["retry-after"])).toBeGreaterThan(110); // 20 have to come back, each in 6 s
    }
    expect((await lookUp(http, players, from("203.0.113.8"))).status, "another address").toBe(200);
    expect((await lookUp(http, players)).status, "nobody is named").toBe(200);
    expectError(await lookUp(http, [...some(20), "x"], one), 400, /^profileIds\[20\]/); // a request as any other
    expect((await lookUp(http, some(40), one)).status).toBe(429);
    expect((await lookUp(http, some(39), one)).status).toBe(200);
    expectError(await lookUp(http, some(1), one), 429, /^requests without a good token from one address must be/);
  });

  test("more than all of the allowance is taken when all of it is there, and has to come back", async () => {
    await using node = await startNode({ env: { ...PROXIED, HEADCOUNT_RATE_ADDRESS: "20/10s" } });
    await using http = new HttpClient(node.url);
    const headers = from("203.0.113.7");
    expect((await lookUp(http, some(1), headers)).status).toBe(200);
    const players = some(60);
    await until("all of the allowance is there", async () => (await lookUp(http, players, headers)).status === 200);
    const refused = await lookUp(http, some(1), headers);
    expect(refused.headers["ratelimit"]).toMatch(/^"address";r=0;t=\d+$/);
    expect(Number(refused.headers["retry-after"])).toBeGreaterThan(10); // 41 have to come back, each in 500 ms
  });

  test("against the limit of the token, with the rows of its batches, and not against the address", async () => {
    const env = {
      ...TOKEN_SETTINGS_GIVEN,
      ...PROXIED,
      HEADCOUNT_RATE_TOKEN: "10/600s",
      HEADCOUNT_RATE_ADDRESS: "5/600s",
    };
    await using node = await startNode({ env });
    await using http = new HttpClient(node.url);
    const scope = "profiles:read reports:batch";
    const one = { ...from("203.0.113.7"), ...bearer({ scope }) };
    expect((await lookUp(http, some(6), one)).status).toBe(200);
    const refused = await lookUp(http, some(5), one);
    expectError(refused, 429, /^rows of batches and players of look-ups with one token must be at most 10 in 600 s/);
    expect(refused.headers["ratelimit"]).toMatch(/^"token";r=4;t=\d+$/);
    expect((await lookUp(http, some(9), { ...one, ...bearer({ scope, jti: "2" }) })).status).toBe(200);
    const reports = some(4).map((profileId) => ({ profileId, region: "CA", gamemode: "GM01" }));
    expect((await http.request("POST", "/v1/reports", { headers: one, json: { reports } })).status).toBe(200);
    expect((await lookUp(http, some(1), one)).status).toBe(429);
    expect((await lookUp(http, some(500), { ...one, ...bearer({ scope, jti: "3" }) })).status, "all is there").toBe(
      200,
    );
  });
});

test("are refused while operators have switched queries off", async () => {
  const settings = await adminSettings();
  await using node = await startNode({ env: settings });
  await using http = new HttpClient(node.url);
  await using admin = new AdminClient(settings);
  expect((await lookUp(http, some(3))).json).toEqual(NOBODY);
  await admin.put("/admin/switches/queries", { enabled: false, reason: "a test" });
  const refused = await until("queries are off", async () => {
    const answer = await lookUp(http, some(3));
    return answer.status !== 200 && answer;
  });
  expect([refused.status, refused.json.reason]).toEqual([503, "switched-off"]);
});

test.skipIf(!hasRedis)(
  "in a cluster any node finds players of all owners; whose owner is gone is unknown, not absent",
  async () => {
    await using cluster = await startCluster({
      nodes: 3,
      env: { HEADCOUNT_REQUEST_DEADLINE_MS: "500" },
    });
    const clients = cluster.nodes.map(({ url }) => new HttpClient(url));
    const [one] = clients as [HttpClient];
    const players = Array.from({ length: 60 }, freshPlayer);
    const rows = players.map((profileId) => ({ profileId, region: "CA", gamemode: "GM01" }));
    expect((await one.reports(rows)).json.accepted).toBe(60);
    for (const client of clients)
      expect((await lookUp(client, players)).json).toEqual({
        profiles: rows,
        gamemodes: [{ mode: "GM01", players: 60 }],
        unknown: 0,
      });
    cluster.nodes[2]?.kill("SIGSTOP"); // nothing is refused: nobody answers
    const { status, json } = await lookUp(one, players);
    cluster.nodes[2]?.kill("SIGCONT");
    expect(status).toBe(200);
    expect(json.unknown).toBeGreaterThan(0);
    expect(json.profiles.length + json.unknown).toBe(60);
    for (const client of clients) await client[Symbol.asyncDispose]();
  },
);
