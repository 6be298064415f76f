/** What clients are told whose reports the rules of modes refuse, over HTTP alone, with the fast lane and without. */
import { afterEach, describe, expect, test } from "vitest";
import { regionOf } from "../../engine/places.ts";
import { StubRules } from "../support/stub-rules.ts";
import { signedToken, TOKEN_SETTINGS_GIVEN } from "../support/signed-tokens.ts";
import { openWay, type Way } from "../support/two-ways.ts";

const PLAYER = "6f0e4b1c-94a0-4c2e-8d55-0b9f3a7c1e21";
const OTHER = "6f0e4b1c-94a0-4c2e-8d55-0b9f3a7c1e22";
const RETIRED_MS = Date.UTC(2026, 11, 1);
const MODES = [
  { mode: "GM01", name: "Team battle" },
  { mode: "GM02", from: ["GM01"] },
  { mode: "GM03", retiredMs: RETIRED_MS },
  { mode: "GM04", regions: [regionOf("US"), regionOf("CA")] },
  { mode: "GM10", requires: ["season-pass", "beta"] },
];

interface Answer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

describe.each(["on", "off"] as const)("fast lane %s", (lane) => {
  const rules = new StubRules();
  let way: Way | undefined;
  afterEach(async () => {
    await way?.[Symbol.asyncDispose]();
    way = undefined;
  });
  const open = async (settings: Readonly<Record<string, string>> = {}): Promise<void> => {
    rules.now = RETIRED_MS - 1;
    rules.set(MODES, { refusesUnknown: true });
    way = await openWay(lane, settings, undefined, {}, rules);
  };
  const ask = async (method: string, path: string, body?: object, token?: string): Promise<Answer> => {
    const headers = {
      ...(body !== undefined && { "content-type": "application/json" }),
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
    };
    const text = body === undefined ? null : JSON.stringify(body);
    const answer = await fetch(`http://127.0.0.1:${way?.port}${path}`, { method, headers, body: text });
    const told = await answer.text();
    return { status: answer.status, body: told === "" ? {} : (JSON.parse(told) as Answer["body"]) };
  };
  const report = (gamemode: string, region = "CA", token?: string, more: object = {}): Promise<Answer> =>
    ask("POST", `/v1/profiles/${PLAYER}/gamemode`, { region, gamemode, ...more }, token);
  const where = async (): Promise<unknown> => (await ask("GET", `/v1/profiles/${PLAYER}/gamemode`)).body["gamemode"];

  test("a mode that the catalogue does not have is 400", async () => {
    await open();
    expect(await report("GM99")).toEqual({
      status: 400,
      body: { code: "400", message: 'gamemode must be a mode of the catalogue, got "GM99"', reason: "unknown-mode" },
    });
    expect((await ask("GET", `/v1/profiles/${PLAYER}/gamemode`)).status).toBe(404);
  });

  test("a mode that asks for what the player does not have is 403", async () => {
    await open();
    expect(await report("GM10")).toEqual({
      status: 403,
      body: {
        code: "403",
        message: "gamemode GM10 needs season-pass, beta, which the player's token or row does not have",
        reason: "not-entitled",
      },
    });
  });

  test("a mode that is not offered in the country is 403", async () => {
    await open();
    expect(await report("GM04", "gb")).toEqual({
      status: 403,
      body: {
        code: "403",
        message: 'region must be a country in which GM04 is offered (US, CA), got "GB"',
        reason: "not-offered",
      },
    });
    expect((await report("GM04", "us")).status).toBe(200);
  });

  test("nobody comes into a retired mode, and who stands in it stays and renews until it moves", async () => {
    await open();
    expect((await report("GM03")).status).toBe(200);
    rules.now = RETIRED_MS;
    expect(await report("GM03")).toMatchObject({ status: 200, body: { changed: false } });
    expect((await ask("PUT", `/v1/profiles/${PLAYER}/heartbeat`)).status).toBe(204);
    const refused = {
      status: 403,
      body: {
        code: "403",
        message: 'gamemode must be one that is not retired (this one is since 2026-12-01T00:00:00.000Z), got "GM03"',
        reason: "retired",
      },
    };
    expect(await report("GM03", "US")).toEqual(refused);
    expect((await report("GM01")).status).toBe(200);
    expect(await report("GM03")).toEqual(refused);
    expect(await where()).toBe("GM01");
  });

  test("a switch that the rules forbid is 409, and leaving opens no other way in", async () => {
    await open();
    const refused = {
      status: 409,
      body: {
        code: "409",
        message:
          'gamemode must be one that the player may come into from where it is now: GM02 only from GM01, got "GM02"',
        reason: "switch-forbidden",
      },
    };
    expect(await report("GM02")).toEqual(refused);
    expect((await report("GM04")).status).toBe(200);
    expect(await report("GM02")).toEqual(refused);
    expect(await where(), "what is refused changes nothing").toBe("GM04");
    expect((await ask("DELETE", `/v1/profiles/${PLAYER}/gamemode`)).status).toBe(204);
    expect(await report("GM02")).toEqual(refused);
    expect((await report("GM01")).status).toBe(200);
    expect((await report("GM02")).status).toBe(200);
    expect(await report("GM02"), "no switch").toMatchObject({ status: 200, body: { changed: false } });
  });

  test("a report whose seq is late is answered as late under any rules", async () => {
    await open();
    await report("GM01", "CA", undefined, { seq: 5 });
    rules.set([], { refusesUnknown: true });
    expect(await report("GM01", "CA", undefined, { seq: 5 })).toMatchObject({ status: 200, body: { changed: false } });
    expect((await report("GM01", "CA", undefined, { seq: 6 })).status).toBe(400);
  });

  test("a catalogue that changes is in force from the next report on", async () => {
    await open();
    expect((await report("GM01")).status).toBe(200);
    rules.set([{ mode: "GM01", regions: [regionOf("US")] }]);
    expect((await report("GM01")).status).toBe(403);
    expect((await report("GM99")).status, "unknown ones are taken now").toBe(200);
  });

  test("rows of a batch are judged in their order, and rejected with code, reason and message", async () => {
    await open();
    const rows = [
      { profileId: PLAYER, region: "CA", gamemode: "GM02" },
      { profileId: PLAYER, region: "CA", gamemode: "GM01" },
      { profileId: PLAYER, region: "CA", gamemode: "GM02" },
      { profileId: OTHER, region: "GB", gamemode: "GM04" },
      { profileId: OTHER, region: "CA", gamemode: "GM99" },
      { profileId: OTHER, region: "CA", gamemode: "GM10" },
    ];
    const { status, body } = await ask("POST", "/v1/reports", { reports: rows });
    expect([status, body["accepted"], body["remembered"]]).toEqual([200, 2, 2]);
    const rejected = body["rejected"] as Readonly<Record<string, string>>[];
    expect(rejected.map(({ index, code, reason }) => [index, code, reason])).toEqual([
      [0, "409", "switch-forbidden"],
      [3, "403", "not-offered"],
      [4, "400", "unknown-mode"],
      [5, "403", "not-entitled"],
    ]);
    expect(rejected[3]?.["message"]).toBe(
      "gamemode GM10 needs season-pass, beta, which the player's token or row does not have",
    );
    expect(await where()).toBe("GM02");
  });

  test("a batch is trusted where no tokens are asked for; a single report has no entitlements", async () => {
    await open();
    const entitlements = ["season-pass", "beta", "more"];
    expect((await report("GM10", "CA", undefined, { entitlements })).status).toBe(403);
    const rows = [
      { profileId: PLAYER, region: "CA", gamemode: "GM10", entitlements },
      { profileId: OTHER, region: "CA", gamemode: "GM10", entitlements: ["beta"] },
      { profileId: OTHER, region: "CA", gamemode: "GM10" },
      { profileId: OTHER, region: "CA", gamemode: "GM10", entitlements: ["no form!"] },
      { profileId: OTHER, region: "CA", gamemode: "GM10", entitlements: "season-pass" },
    ];
    const { body } = await ask("POST", "/v1/reports", { reports: rows });
    const rejected = body["rejected"] as Readonly<Record<string, string>>[];
    expect(rejected.map(({ index, reason }) => [index, reason])).toEqual([
      [1, "not-entitled"],
      [2, "not-entitled"],
      [3, "malformed"],
      [4, "malformed"],
    ]);
    expect(rejected[0]?.["message"], "only what is missing").toContain("needs season-pass, which");
    expect(rejected[3]?.["message"]).toBe(
      'entitlements must be an array of up to 64 entitlements, each 1 to 64 of A-Z a-z 0-9 . _ : -, got "season-pass"',
    );
    expect(await where()).toBe("GM10");
  });

  test("a token's entitlements hold for its player, and for rows of its batches that say nothing themselves", async () => {
    await open(TOKEN_SETTINGS_GIVEN);
    const plain = signedToken({ sub: PLAYER, entitlements: ["beta", 7, "no form!"] });
    const entitled = signedToken({ sub: PLAYER, entitlements: ["beta", "season-pass"] });
    for (let again = 0; again < 2; again++) {
      // The second time the token is known, so that the lane may take it.
      expect(await report("GM10", "CA", plain)).toMatchObject({
        status: 403,
        body: { message: "gamemode GM10 needs season-pass, which the player's token or row does not have" },
      });
      expect((await report("GM10", "CA", entitled)).status).toBe(200);
    }
    const gateway = signedToken({ scope: "reports:batch", entitlements: ["beta", "season-pass"] });
    const rows = [
      { profileId: OTHER, region: "CA", gamemode: "GM10" },
      { profileId: OTHER, region: "US", gamemode: "GM10", entitlements: [] },
      { profileId: OTHER, region: "US", gamemode: "GM10", entitlements: ["season-pass", "beta"] },
    ];
    const { body } = await ask("POST", "/v1/reports", { reports: rows }, gateway);
    expect(body).toMatchObject({ accepted: 2, rejected: [{ index: 1, reason: "not-entitled" }] });
    if (lane === "on") expect(way?.connections.ways.lane).toBeGreaterThan(0);
  });

  test("refusals are counted by why", async () => {
    await open();
    await report("GM99");
    await report("GM02");
    await ask("POST", "/v1/reports", { reports: [{ profileId: OTHER, region: "CA", gamemode: "GM99" }] });
    const text = await (await fetch(`http://127.0.0.1:${way?.port}/metrics`)).text();
    expect(text).toContain('headcount_reports_refused_total{reason="unknown_mode"} 2');
    expect(text).toContain('headcount_reports_refused_total{reason="switch_forbidden"} 1');
    expect(text).toContain('headcount_reports_refused_total{reason="retired"} 0');
  });
});
