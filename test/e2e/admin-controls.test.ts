/** Switches, quarantine, blocks and usage of one node. */
import { describe, expect, test } from "vitest";
import { AdminClient, adminSettings } from "../support/admin.ts";
import { type Answer, gamemodePath, HttpClient } from "../support/http.ts";
import { startNode, temporaryFolder } from "../support/node-process.ts";
import { expectError, freshPlayer } from "../support/shared-node.ts";
import { ISSUER, signedToken, TOKEN_SETTINGS_GIVEN } from "../support/signed-tokens.ts";
import { until } from "../support/until.ts";

const PLAY = { region: "CA", gamemode: "GM01" };
const PROXIED = { HEADCOUNT_TRUST_PROXY: "127.0.0.1" };
const from = (address: string) => ({ headers: { "x-forwarded-for": address } });
/** Found out from a sentence, in the words of whoever wrote it. */
const OFF = { enabled: false, reason: 'a match server löops: "GM01"' };

describe.each(["on", "off"])("an operator, the fast lane %s", (lane) => {
  test("switches reports off, in words; heartbeats and disconnections go on, over a restart", async () => {
    await using folder = await temporaryFolder();
    const env = { ...(await adminSettings()), HEADCOUNT_FAST_LANE: lane };
    const player = freshPlayer();
    {
      await using node = await startNode({ env, dataDir: folder.path });
      await using http = new HttpClient(node.url);
      await using admin = new AdminClient(env);
      expect((await http.report(player, PLAY)).status).toBe(200);
      const changed = await admin.put("/admin/switches/reports", OFF);
      expect(changed.json).toEqual({ switch: "reports", ...OFF, since: expect.any(String) });
      await expectReportsOff(http, player);
      expect((await http.heartbeat(player)).status).toBe(204);
      expect((await http.top("CA")).status).toBe(200);
      expect((await http.get("/readyz")).json).toEqual({ status: "ready", switchedOff: ["reports"] });
      expect((await http.get("/metrics")).text).toContain('headcount_switch_on{switch="reports"} 0');
      expect(await node.stop()).toBe(0);
    }
    await using node = await startNode({ env, dataDir: folder.path });
    await using http = new HttpClient(node.url);
    await using admin = new AdminClient(env);
    await expectReportsOff(http, player);
    expect((await http.remove(player)).status).toBe(204);
    expect((await admin.get("/admin/switches")).json.switches.reports).toMatchObject(OFF);
    expect((await admin.put("/admin/switches/reports", { enabled: true })).json).toEqual({
      switch: "reports",
      enabled: true,
    });
    expect((await http.report(player, PLAY)).status).toBe(200);
    expect((await http.get("/readyz")).json).toEqual({ status: "ready" });
  });

  test("with reports off a batch still disconnects players, and its reports are rejected one by one", async () => {
    const env = { ...(await adminSettings()), HEADCOUNT_FAST_LANE: lane };
    await using node = await startNode({ env });
    await using http = new HttpClient(node.url);
    await using admin = new AdminClient(env);
    const [leaving, leavingToo, staying] = [freshPlayer(), freshPlayer(), freshPlayer()];
    const rows = [leaving, leavingToo, staying].map((profileId) => ({ profileId, ...PLAY }));
    expect((await http.reports(rows)).json).toMatchObject({ accepted: 3 });
    await admin.put("/admin/switches/reports", OFF);
    const off = { code: "503", reason: "switched-off", message: `reports are switched off: ${OFF.reason}` };
    const mixed = await http.reports([
      { profileId: staying, region: "US", gamemode: "GM02" },
      { profileId: leaving, leave: true },
      { profileId: staying, region: "XX", gamemode: "GM02" },
      { profileId: freshPlayer(), ...PLAY, entitlements: ["pass"] },
    ]);
    expect([mixed.status, mixed.json]).toEqual([
      200,
      {
        accepted: 1,
        remembered: 1,
        rejected: [
          { index: 0, ...off },
          { index: 2, code: "400", reason: "malformed", message: expect.any(String) },
          { index: 3, ...off },
        ],
      },
    ]);
    const escaped = `{"reports":[{"profileId":"${leavingToo}","l\\u0065ave":true}]}`;
    const headers = { "content-type": "application/json" };
    expect((await http.request("POST", "/v1/reports", { headers, body: escaped })).json).toMatchObject({ accepted: 1 });
    const found = [leaving, leavingToo, staying].map(async (player) => (await http.get(gamemodePath(player))).status);
    expect(await Promise.all(found)).toEqual([404, 404, 200]);
    expect((await http.top("CA")).json.players).toBe(1);
    // Without a row that leaves, all of it is refused at once, whatever it is.
    for (const body of [JSON.stringify({ reports: rows }), `{"reports":[{"leave":false},"\\\\"]}`, "{"]) {
      const refused = await http.request("POST", "/v1/reports", { headers, body });
      expectError(refused, 503, off.message);
      expect(refused.headers["retry-after"]).toBe("30");
    }
    await admin.put("/admin/switches/reports", { enabled: true });
    expect((await http.reports(rows)).json).toMatchObject({ accepted: 3, rejected: [] });
  });

  test("switches queries off until an instant; then they are on again by themselves", async () => {
    const env = { ...(await adminSettings()), HEADCOUNT_FAST_LANE: lane };
    await using node = await startNode({ env });
    await using http = new HttpClient(node.url);
    await using admin = new AdminClient(env);
    const untilInstant = new Date(Date.now() + 4000).toISOString();
    await admin.put("/admin/switches/queries", { enabled: false, reason: "maintenance", until: untilInstant });
    const player = freshPlayer();
    for (const path of [
      "/v1/regions/CA/gamemode",
      "/v1/regions",
      "/v1/players",
      "/v1/modes",
      "/v1/places",
      gamemodePath(player),
    ]) {
      const refused = await http.get(path);
      expectError(refused, 503, "queries are switched off: maintenance");
      expect(refused.json.reason).toBe("switched-off");
      expect(["1", "2", "3", "4"]).toContain(refused.headers["retry-after"]);
    }
    expect((await http.report(player, PLAY)).status).toBe(200);
    expect((await admin.get("/v1/players")).status, "operators need to see").toBe(200);
    await until("queries are on again", async () => (await http.get("/v1/players")).status === 200);
    expect(Date.now()).toBeGreaterThanOrEqual(Date.parse(untilInstant));
  });

  test("blocks a prefix: its reports are refused, nobody else's, and not its heartbeats", async () => {
    const env = { ...(await adminSettings()), ...PROXIED, HEADCOUNT_FAST_LANE: lane };
    await using node = await startNode({ env });
    await using http = new HttpClient(node.url);
    await using admin = new AdminClient(env);
    const player = freshPlayer();
    const report = (address: string): Promise<Answer> =>
      http.request("POST", gamemodePath(player), { ...from(address), json: PLAY });
    const both = ["203.0.113.7", "2001:db8:1:2::3"];
    for (const address of both) expect((await report(address)).status).toBe(200);
    expect((await admin.put("/admin/blocks/203.0.113.0/24", { reason: "a farm" })).json).toEqual({
      block: "203.0.113.0/24",
      kind: "prefix",
      reason: "a farm",
      since: expect.any(String),
    });
    expect((await admin.put("/admin/blocks/2001:DB8:1::%2F48")).json.block).toBe("2001:db8:1::/48");
    for (const address of both) {
      const refused = await report(address);
      expectError(refused, 403, "reports from here are blocked by the operator");
      expect(refused.json.reason).toBe("blocked");
      const reports = [{ profileId: freshPlayer(), ...PLAY }];
      expect((await http.request("POST", "/v1/reports", { ...from(address), json: { reports } })).status).toBe(403);
      expect((await http.request("PUT", `/v1/profiles/${player}/heartbeat`, from(address))).status).toBe(204);
    }
    for (const address of ["203.0.114.7", "2001:db8:2::1"]) expect((await report(address)).status).toBe(200);
    expect((await admin.get("/admin/blocks")).json.blocks).toHaveLength(2);
    expect((await admin.delete("/admin/blocks/203.0.113.0/24")).status).toBe(204);
    expect((await report("203.0.113.7")).status).toBe(200);
  });

  test("blocks an issuer of tokens", async () => {
    const env = { ...(await adminSettings()), ...TOKEN_SETTINGS_GIVEN, HEADCOUNT_FAST_LANE: lane };
    await using node = await startNode({ env });
    await using http = new HttpClient(node.url);
    await using admin = new AdminClient(env);
    const player = freshPlayer();
    const headers = { authorization: `Bearer ${signedToken({ sub: player })}` };
    const report = (): Promise<Answer> => http.request("POST", gamemodePath(player), { headers, json: PLAY });
    expect([(await report()).status, (await report()).status]).toEqual([200, 200]);
    const put = await admin.put(`/admin/blocks/${encodeURIComponent(ISSUER)}`);
    expect(put.json).toMatchObject({ block: ISSUER, kind: "issuer" });
    expectError(await report(), 403, "reports from here are blocked by the operator");
    expect((await http.request("PUT", `/v1/profiles/${player}/heartbeat`, { headers })).status).toBe(204);
    await admin.delete(`/admin/blocks/${encodeURIComponent(ISSUER)}`);
    expect((await report()).status).toBe(200);
  });

  test("takes a mode out of every board, of which as many are shown as before; its players stay counted", async () => {
    const env = { ...(await adminSettings()), HEADCOUNT_FAST_LANE: lane };
    await using node = await startNode({ env });
    await using http = new HttpClient(node.url);
    await using admin = new AdminClient(env);
    const reports = Array.from({ length: 110 }, (_, mode) => mode).flatMap((mode) =>
      Array.from({ length: mode === 0 ? 3 : 1 }, () => ({
        profileId: freshPlayer(),
        region: "CA",
        gamemode: `GM${mode}`,
      })),
    );
    await http.reports(reports);
    const before = await http.get("/v1/regions/CA/gamemode?top=100");
    expect(before.json.gamemodes[0]).toMatchObject({ mode: "GM0", rank: 1, players: 3 });
    await admin.put("/admin/quarantine/GM0", { reason: "pushed by bots" });
    await admin.put("/admin/quarantine/GM1");
    const known = { headers: { "if-none-match": String(before.headers["etag"]) } };
    const after = await http.get("/v1/regions/CA/gamemode?top=100", known);
    expect(after.status, "what the client knows stands no more").toBe(200);
    expect(after.json.players).toBe(112);
    expect(after.json.gamemodes).toHaveLength(100);
    expect(after.json.gamemodes[0]).toMatchObject({ rank: 1, players: 1 });
    expect(after.json.gamemodes.map(({ mode }: { mode: string }) => mode)).not.toContain("GM0");
    expect((await http.profile((reports[0] as { profileId: string }).profileId)).json.gamemode).toBe("GM0");
    expect((await admin.get("/admin/quarantine")).json.quarantine).toMatchObject([
      { mode: "GM0", reason: "pushed by bots" },
      { mode: "GM1" },
    ]);
    expect((await admin.delete("/admin/quarantine/GM0")).status).toBe(204);
    expect((await http.get("/v1/regions/CA/gamemode?top=1")).json.gamemodes).toMatchObject([{ mode: "GM0", rank: 1 }]);
  });

  test("sees which prefixes push a mode, and what was asked", async () => {
    const env = { ...(await adminSettings()), ...PROXIED, HEADCOUNT_FAST_LANE: lane };
    await using node = await startNode({ env });
    await using http = new HttpClient(node.url);
    await using admin = new AdminClient(env);
    const arrive = (address: string, gamemode: string): Promise<Answer> =>
      http.request("POST", gamemodePath(freshPlayer()), { ...from(address), json: { region: "CA", gamemode } });
    for (let bot = 0; bot < 90; bot++) await arrive(`203.0.113.${bot}`, "GM01");
    for (let player = 0; player < 10; player++) await arrive(`198.51.${player}.7`, "GM01");
    const reports = Array.from({ length: 30 }, () => ({ profileId: freshPlayer(), region: "CA", gamemode: "GM02" }));
    await http.request("POST", "/v1/reports", { ...from("192.0.2.1"), json: { reports } });
    const { node: name, hours, arrivals } = (await admin.get("/admin/usage?hours=1")).json;
    expect(name).toMatch(/./);
    expect(arrivals).toMatchObject([
      { mode: "GM01", arrivals: 100 },
      { mode: "GM02", arrivals: 30 },
    ]);
    expect(arrivals[0].prefixes[0]).toEqual({ source: "203.0.113.0/24", arrivals: 90, share: 0.9 });
    expect(arrivals[1].prefixes).toEqual([{ source: "192.0.2.0/24", arrivals: 30, share: 1 }]);
    expect(hours).toMatchObject([{ rows: 130, calls: { "POST /v1/reports": 1 } }]);
    expect((await admin.get("/metrics")).text).toMatch(/^headcount_arrivals_largest_share 0\.9$/m);
  });
});

test("a call that is wrong says what is wrong, and changes nothing", async () => {
  const env = await adminSettings();
  await using node = await startNode({ env });
  await using admin = new AdminClient(env);
  const wrong: readonly (readonly [Promise<Answer>, string | RegExp])[] = [
    [
      admin.put("/admin/switches/everything", OFF),
      'switch must be one of reports, queries, streams, sessions, scores, got "everything"',
    ],
    [admin.put("/admin/switches/reports", { enabled: "no" }), 'enabled must be true or false, got "no"'],
    [
      admin.put("/admin/switches/reports", { enabled: false }),
      "reason must be given where enabled is false, got nothing",
    ],
    [admin.put("/admin/switches/reports", { enabled: false, reason: "" }), /^reason must be 1 to 200 characters/],
    [admin.put("/admin/switches/reports", { enabled: false, reason: "a\nb" }), /^reason must be 1 to 200 characters/],
    [
      admin.put("/admin/switches/reports", { ...OFF, until: "tomorrow" }),
      'until must be an instant (RFC 3339), got "tomorrow"',
    ],
    [
      admin.put("/admin/switches/reports", { ...OFF, until: "2020-01-01T00:00:00Z" }),
      /^until must be an instant that is still to come/,
    ],
    [admin.put("/admin/switches/reports"), /./],
    [admin.put("/admin/quarantine/a%20b"), /^mode must be 1 to 64 of/],
    [admin.put("/admin/blocks/10.0.0.1/8"), /^block must be a prefix such as .* got "10\.0\.0\.1\/8"$/],
    [admin.put("/admin/blocks/0.0.0.0%2F0"), /^block must be a prefix such as/],
    [admin.delete("/admin/blocks/10.0.0.1/8"), /^block must be a prefix such as/],
    [admin.delete("/admin/blocks/10.0.0.0%2F7"), /^block must be a prefix such as/],
    [admin.delete("/admin/quarantine/a%20b"), /^mode must be 1 to 64 of/],
    [admin.get("/admin/usage?hours=49"), 'hours must be a whole number from 1 to 48, got "49"'],
  ];
  for (const [answer, message] of wrong) expectError(await answer, 400, message);
  const changes = [
    "/admin/switches/reports",
    "/admin/quarantine/GM01",
    "/admin/blocks/203.0.113.0%2F24",
    "/admin/blocks/203.0.113.0/24",
  ];
  for (const path of changes) {
    const long = await admin.request("PUT", path, { json: { enabled: true, reason: "x".repeat(5000) } });
    expect(long.status).toBe(413);
    const text = await admin.request("PUT", path, { headers: { "content-type": "text/plain" }, body: "x" });
    expect(text.status).toBe(415);
  }
  const { switches } = (await admin.get("/admin/switches")).json;
  expect(Object.values(switches)).toEqual(Array.from({ length: 5 }, () => ({ enabled: true })));
  expect((await admin.get("/admin/blocks")).json).toEqual({ blocks: [] });
  expect(node.stderr).not.toContain("an operator changed");
});

async function expectReportsOff(http: HttpClient, player: string): Promise<void> {
  const refused = await http.report(player, PLAY);
  expectError(refused, 503, `reports are switched off: ${OFF.reason}`);
  expect([refused.json.reason, refused.headers["retry-after"]]).toEqual(["switched-off", "30"]);
  const batch = await http.reports([{ profileId: player, ...PLAY }]);
  expect([batch.status, batch.json.reason]).toEqual([503, "switched-off"]);
}
