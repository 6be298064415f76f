/** Look-ups of many players: friends, and the modes they are in. */
import { describe, expect, test } from "vitest";
import { startCluster } from "../support/cluster.ts";
import { type Answer, HttpClient } from "../support/http.ts";
import { startNode } from "../support/node-process.ts";
import { hasRedis } from "../support/redis-server.ts";
import { expectError, freshPlayer, shareNode } from "../support/shared-node.ts";
import { signedToken, TOKEN_SETTINGS_GIVEN } from "../support/signed-tokens.ts";

const lookUp = (http: HttpClient, profileIds: unknown, headers = {}): Promise<Answer> =>
  http.request("POST", "/v1/profiles/lookup", { json: { profileIds }, headers });
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
  const bearer = (claims: object) => ({ authorization: `Bearer ${signedToken(claims)}` });
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
