/** One player: reports, their order, the profile, the heartbeat and the removal. */

import { describe, expect, test } from "vitest";

import { itemAt } from "../../simulator/item-at.ts";
import { gamemodePath, JSON_TYPE } from "../support/http.ts";
import {
  countsOf,
  expectError,
  expectPace,
  freshPlayer,
  freshRegion,
  RFC_3339_MS,
  shareNode,
  TTL_MS,
} from "../support/shared-node.ts";
import { until } from "../support/until.ts";

const shared = shareNode();

const modesOf = async (region: string): Promise<Record<string, number>> => {
  const { json } = await shared.http.top(region, 100);
  return Object.fromEntries(json.gamemodes.map((row: { mode: string; players: number }) => [row.mode, row.players]));
};

const lastSeenMs = async (player: string): Promise<number> =>
  Date.parse((await shared.http.profile(player)).json.lastSeen);

describe("POST gamemode", () => {
  test("answers 200 with exactly the fields of the contract", async () => {
    const [player, region] = [freshPlayer(), freshRegion()];
    const answer = await shared.http.report(player, { region, gamemode: "GM01" });
    expect([answer.status, answer.headers["content-type"]]).toEqual([200, JSON_TYPE]);
    expect(answer.json).toEqual({
      profileId: player,
      region,
      gamemode: "GM01",
      changed: true,
      renewInMs: expect.any(Number),
    });
    expectPace(answer.json.renewInMs);
  });

  test("counts a player where it is and nowhere else", async () => {
    const [player, other, region, abroad] = [freshPlayer(), freshPlayer(), freshRegion(), freshRegion()];
    const steps = [
      { report: { region, gamemode: "GM01" }, changed: true, home: { GM01: 1 }, away: {} },
      { report: { region, gamemode: "GM01" }, changed: false, home: { GM01: 1 }, away: {} },
      { report: { region, gamemode: "GM02" }, changed: true, home: { GM02: 1 }, away: {} },
      { report: { region: abroad, gamemode: "GM02" }, changed: true, home: {}, away: { GM02: 1 } },
      { report: { region: abroad, gamemode: "GM02" }, changed: false, home: {}, away: { GM02: 1 } },
      { report: { region, gamemode: "GM01" }, changed: true, home: { GM01: 1 }, away: {} },
    ];
    for (const { report, changed, home, away } of steps) {
      expect((await shared.http.report(player, report)).json).toMatchObject({ ...report, changed });
      expect([await modesOf(region), await modesOf(abroad)]).toEqual([home, away]);
      expect((await shared.http.profile(player)).json).toMatchObject(report);
    }
    await shared.http.report(other, { region, gamemode: "GM01" });
    expect(await modesOf(region)).toEqual({ GM01: 2 });
  });

  test("sets a pace of a third of the session's life, spread by a fifth, never above half", async () => {
    const paces: number[] = [];
    const region = freshRegion();
    for (let count = 0; count < 100; count++) {
      const { json } = await shared.http.report(freshPlayer(), { region, gamemode: "GM01" });
      expectPace(json.renewInMs);
      paces.push(json.renewInMs);
    }
    // Longer under load, so only the shorter half is held to the fifth.
    const sorted = paces.toSorted((a, b) => a - b);
    expect(sorted[50]).toBeLessThanOrEqual((TTL_MS / 3) * 1.2);
    expect(new Set(paces).size, "jittered").toBeGreaterThan(10);
    expect(sorted.at(-1)! - itemAt(sorted, 0), "spread").toBeGreaterThan(TTL_MS / 30);
  });

  test.each([
    "application/json",
    "application/json; charset=utf-8",
    "application/json;charset=UTF-8",
    "Application/JSON",
  ])("takes a body of type %s", async (type) => {
    const body = JSON.stringify({ region: "CA", gamemode: "GM01" });
    const answer = await shared.http.request("POST", gamemodePath(freshPlayer()), {
      headers: { "content-type": type },
      body,
    });
    expect(answer.status, answer.text).toBe(200);
  });

  test("ignores fields it does not know, white space and the order of fields", async () => {
    const [player, region] = [freshPlayer(), freshRegion()];
    const body = ` \n{"extra":{"region":"XX"},"gamemode":"GM01",\t"seq":3,"region":"${region}","profileId":"${freshPlayer()}"}\r\n`;
    const answer = await shared.http.request("POST", gamemodePath(player), {
      headers: { "content-type": "application/json" },
      body,
    });
    expect([answer.status, answer.json.profileId]).toEqual([200, player]);
    expect(await modesOf(region)).toEqual({ GM01: 1 });
  });

  test.each(["[]", '"CA"', "5", "null", "true", "{}", '[{"region":"CA","gamemode":"GM01"}]'])(
    "refuses a body that is no report: %s",
    async (body) => {
      const player = freshPlayer();
      const answer = await shared.http.request("POST", gamemodePath(player), {
        headers: { "content-type": "application/json" },
        body,
      });
      expectError(answer, 400, /\bmust be\b.*, got /);
      expect((await shared.http.profile(player)).status).toBe(404);
    },
  );

  test("refused changes nothing", async () => {
    const [player, region] = [freshPlayer(), freshRegion()];
    await shared.http.report(player, { region, gamemode: "GM01", seq: 5 });
    for (const bad of [{ region: "XX" }, { gamemode: "" }, { seq: -1 }]) {
      expectError(await shared.http.report(player, { region, gamemode: "GM02", seq: 9, ...bad }), 400, /must be/);
    }
    expect((await shared.http.profile(player)).json).toMatchObject({ region, gamemode: "GM01" });
    expect((await shared.http.report(player, { region, gamemode: "GM02", seq: 6 })).json).toMatchObject({
      changed: true,
    });
  });
});

describe("seq", () => {
  test("not above the newest changes nothing and shows what stands", async () => {
    const [player, region, abroad] = [freshPlayer(), freshRegion(), freshRegion()];
    await shared.http.report(player, { region, gamemode: "GM05", seq: 5 });
    for (const seq of [5, 4, 1]) {
      const stale = await shared.http.report(player, { region: abroad, gamemode: "GM99", seq });
      expect([stale.status, stale.json]).toEqual([
        200,
        { profileId: player, region, gamemode: "GM05", changed: false, renewInMs: expect.any(Number) },
      ]);
    }
    expect([await modesOf(region), await modesOf(abroad)]).toEqual([{ GM05: 1 }, {}]);
    expect((await shared.http.report(player, { region, gamemode: "GM06", seq: 6 })).json).toMatchObject({
      changed: true,
      gamemode: "GM06",
    });
  });

  test("that is sent again answers changed false: a retry is safe", async () => {
    const [player, region] = [freshPlayer(), freshRegion()];
    const report = { region, gamemode: "GM01", seq: 7 };
    expect((await shared.http.report(player, report)).json).toMatchObject({ changed: true });
    expect((await shared.http.report(player, report)).json).toMatchObject({ changed: false, region, gamemode: "GM01" });
    expect(await modesOf(region)).toEqual({ GM01: 1 });
  });

  test("stays as it was where a report has none", async () => {
    const [player, region] = [freshPlayer(), freshRegion()];
    await shared.http.report(player, { region, gamemode: "GM01", seq: 5 });
    expect((await shared.http.report(player, { region, gamemode: "GM02" })).json).toMatchObject({
      changed: true,
      gamemode: "GM02",
    });
    expect((await shared.http.report(player, { region, gamemode: "GM03", seq: 5 })).json).toMatchObject({
      changed: false,
      gamemode: "GM02",
    });
    expect((await shared.http.report(player, { region, gamemode: "GM03", seq: 6 })).json).toMatchObject({
      changed: true,
      gamemode: "GM03",
    });
  });

  test("stays known where a report with it moved nothing", async () => {
    const [player, region] = [freshPlayer(), freshRegion()];
    await shared.http.report(player, { region, gamemode: "GM01", seq: 1 });
    expect((await shared.http.report(player, { region, gamemode: "GM01", seq: 8 })).json).toMatchObject({
      changed: false,
    });
    expect((await shared.http.report(player, { region, gamemode: "GM02", seq: 7 })).json).toMatchObject({
      changed: false,
      gamemode: "GM01",
    });
  });

  test("0 begins anew", async () => {
    const [player, region] = [freshPlayer(), freshRegion()];
    await shared.http.report(player, { region, gamemode: "GM01", seq: 4294967295 });
    expect((await shared.http.report(player, { region, gamemode: "GM02", seq: 4294967295 })).json).toMatchObject({
      changed: false,
    });
    expect((await shared.http.report(player, { region, gamemode: "GM03", seq: 0 })).json).toMatchObject({
      changed: true,
      gamemode: "GM03",
    });
    expect((await shared.http.report(player, { region, gamemode: "GM04", seq: 0 })).json).toMatchObject({
      changed: true,
      gamemode: "GM04",
    });
    expect((await shared.http.report(player, { region, gamemode: "GM05", seq: 1 })).json).toMatchObject({
      changed: true,
      gamemode: "GM05",
    });
    expect((await shared.http.report(player, { region, gamemode: "GM06", seq: 1 })).json).toMatchObject({
      changed: false,
      gamemode: "GM05",
    });
  });

  test("not above the newest does not renew the session", async () => {
    const [player, clock, region] = [freshPlayer(), freshPlayer(), freshRegion()];
    await shared.http.report(player, { region, gamemode: "GM01", seq: 5 });
    const seenMs = await lastSeenMs(player);
    await until("time has moved on enough to show in lastSeen", async () => {
      await shared.http.report(clock, { region, gamemode: "GM01" });
      return (await lastSeenMs(clock)) > seenMs + 200;
    });
    await shared.http.report(player, { region, gamemode: "GM02", seq: 5 });
    expect(await lastSeenMs(player)).toBeLessThanOrEqual(seenMs + 100);
    await shared.http.report(player, { region, gamemode: "GM01", seq: 6 });
    expect(await lastSeenMs(player)).toBeGreaterThan(seenMs + 100);
  });

  test("of a removed player is still known: an older report that comes late connects nobody", async () => {
    const [player, region] = [freshPlayer(), freshRegion()];
    await shared.http.report(player, { region, gamemode: "GM01", seq: 5 });
    await shared.http.remove(player);
    const late = await shared.http.report(player, { region, gamemode: "GM01", seq: 5 });
    expect([late.status, late.json]).toEqual([
      200,
      { profileId: player, region: null, gamemode: null, changed: false, renewInMs: expect.any(Number) },
    ]);
    expect((await shared.http.profile(player)).status).toBe(404);
    expect(await modesOf(region)).toEqual({});
    expect((await shared.http.report(player, { region, gamemode: "GM01", seq: 6 })).json).toMatchObject({
      changed: true,
      region,
    });
  });

  test.each([{ seq: 0 }, {}])("of a removed player does not keep out a report with %j", async (seq) => {
    const [player, region] = [freshPlayer(), freshRegion()];
    await shared.http.report(player, { region, gamemode: "GM01", seq: 5 });
    await shared.http.remove(player);
    expect((await shared.http.report(player, { region, gamemode: "GM01", ...seq })).json).toMatchObject({
      changed: true,
      region,
    });
    expect((await shared.http.profile(player)).status).toBe(200);
  });
});

describe("GET gamemode", () => {
  test("answers exactly the fields of the contract", async () => {
    const [player, region] = [freshPlayer(), freshRegion()];
    const sentAtMs = Date.now();
    await shared.http.report(player, { region, gamemode: "GM01" });
    const answeredAtMs = Date.now();
    const answer = await shared.http.profile(player);
    expect([answer.status, answer.headers["content-type"]]).toEqual([200, JSON_TYPE]);
    expect(answer.json).toEqual({
      profileId: player,
      region,
      gamemode: "GM01",
      lastSeen: expect.stringMatching(RFC_3339_MS),
    });
    // The player was heard of then or later, so it may be a little early and never late.
    expect(Date.parse(answer.json.lastSeen)).toBeGreaterThanOrEqual(sentAtMs - 1000);
    expect(Date.parse(answer.json.lastSeen)).toBeLessThanOrEqual(answeredAtMs);
  });

  test("is not a sign of life", async () => {
    const [player, clock, region] = [freshPlayer(), freshPlayer(), freshRegion()];
    await shared.http.report(player, { region, gamemode: "GM01" });
    const seenMs = await lastSeenMs(player);
    await until("time has moved on enough to show in lastSeen", async () => {
      await shared.http.profile(player);
      await shared.http.report(clock, { region, gamemode: "GM01" });
      return (await lastSeenMs(clock)) > seenMs + 300;
    });
    expect(await lastSeenMs(player)).toBeLessThanOrEqual(seenMs + 100);
  });

  test("answers 404 where the player is not connected", async () => {
    expectError(await shared.http.profile(freshPlayer()), 404, /./);
  });
});

describe("PUT heartbeat", () => {
  test("answers 204 with the pace, renews the session and moves nothing", async () => {
    const [player, region] = [freshPlayer(), freshRegion()];
    await shared.http.report(player, { region, gamemode: "GM01" });
    const seenMs = await lastSeenMs(player);
    const answer = await until("a heartbeat shows in lastSeen", async () => {
      const beat = await shared.http.heartbeat(player);
      expect(beat.status).toBe(204);
      return (await lastSeenMs(player)) > seenMs && beat;
    });
    expect(answer.text).toBe("");
    expect(answer.headers["renew-in-ms"]).toMatch(/^\d+$/);
    expectPace(Number(answer.headers["renew-in-ms"]));
    expect(await modesOf(region)).toEqual({ GM01: 1 });
  });

  test("answers 404 where the player is not connected: report again", async () => {
    const player = freshPlayer();
    const why = `^profileId must be a player who is connected, got "${player}": never reported, disconnected, or silent for 90 s; report again$`;
    expectError(await shared.http.heartbeat(player), 404, new RegExp(why));
    expectError(await shared.http.profile(player), 404, new RegExp(why));
    await shared.http.report(player, { region: "CA", gamemode: "GM01" });
    expect((await shared.http.heartbeat(player)).status).toBe(204);
    await shared.http.remove(player);
    expectError(await shared.http.heartbeat(player), 404, /./);
    expect((await shared.http.profile(player)).status).toBe(404);
  });
});

describe("DELETE gamemode", () => {
  test("answers 204, also where the player is not connected", async () => {
    const [player, region] = [freshPlayer(), freshRegion()];
    expect(await shared.http.remove(player)).toMatchObject({ status: 204, text: "" });
    await shared.http.report(player, { region, gamemode: "GM01" });
    expect(await shared.http.remove(player)).toMatchObject({ status: 204, text: "" });
    expect(await shared.http.remove(player)).toMatchObject({ status: 204, text: "" });
    expect((await shared.http.profile(player)).status).toBe(404);
    expect(await modesOf(region)).toEqual({});
  });

  test("takes the player out of every count", async () => {
    const [player, region] = [freshPlayer(), freshRegion()];
    await shared.http.report(player, { region, gamemode: "GM01" });
    const before = await until("the player is counted", async () => {
      const counts = await countsOf(shared.http);
      return counts.regions[region] === 1 && counts;
    });
    await shared.http.remove(player);
    await until("the player is counted no more", async () => {
      const counts = await countsOf(shared.http);
      return counts.players === before.players - 1 && !(region in counts.regions);
    });
  });

  test("and a report connect again", async () => {
    const [player, region] = [freshPlayer(), freshRegion()];
    for (let round = 0; round < 3; round++) {
      expect((await shared.http.report(player, { region, gamemode: "GM01" })).json).toMatchObject({ changed: true });
      expect((await shared.http.remove(player)).status).toBe(204);
    }
  });
});

test.each(["PUT", "DELETE"])("%s without a body may name a JSON content type", async (method) => {
  const player = freshPlayer();
  await shared.http.report(player, { region: "CA", gamemode: "GM01" });
  const path = method === "PUT" ? `/v1/profiles/${player}/heartbeat` : gamemodePath(player);
  const answer = await shared.http.request(method, path, { headers: { "content-type": "application/json" } });
  expect(answer.status, answer.text).toBe(204);
});
