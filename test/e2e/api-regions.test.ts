/** What is popular: a region's top modes with its caching, all regions, all players. */

import { describe, expect, test } from "vitest";

import { type Answer, HttpClient, JSON_TYPE, NO_CACHE } from "../support/http.ts";
import { startNode } from "../support/node-process.ts";
import { countsOf, freshPlayer, freshRegion, RFC_3339_MS, shareNode } from "../support/shared-node.ts";
import { until } from "../support/until.ts";

const shared = shareNode();

/** Connects that many players to each mode. */
async function connect(region: string, modes: Readonly<Record<string, number>>): Promise<void> {
  const rows = Object.entries(modes).flatMap(([gamemode, players]) =>
    Array.from({ length: players }, () => ({ profileId: freshPlayer(), region, gamemode })),
  );
  const { json } = await shared.http.reports(rows);
  expect(json).toEqual({ accepted: rows.length, remembered: rows.length, rejected: [] });
}

const plain = (region: string, ifNoneMatch?: string): Promise<Answer> =>
  shared.http.get(
    `/v1/regions/${region}/gamemode`,
    ifNoneMatch === undefined ? {} : { headers: { "if-none-match": ifNoneMatch } },
  );

/** A plain answer may be 200 ms behind: gives the first that knows of so many players, after which it stays as it is. */
const settled = (region: string, players: number): Promise<Answer> =>
  until(`${region} shows ${players} players`, async () => {
    const answer = await plain(region);
    return answer.json.players === players && answer;
  });

const names = (answer: Answer): string[] => answer.json.gamemodes.map((row: { mode: string }) => row.mode);

describe("GET top modes", () => {
  test("answers exactly the fields of the contract", async () => {
    const region = freshRegion();
    await connect(region, { GM01: 600, GM02: 400, GM03: 234 });
    const answer = await shared.http.top(region);
    expect([answer.status, answer.headers["content-type"]]).toEqual([200, JSON_TYPE]);
    expect(answer.json).toEqual({
      region,
      players: 1234,
      asOf: expect.stringMatching(RFC_3339_MS),
      gamemodes: [
        { mode: "GM01", rank: 1, players: 600, share: 0.4862 },
        { mode: "GM02", rank: 2, players: 400, share: 0.3241 },
        { mode: "GM03", rank: 3, players: 234, share: 0.1896 },
      ],
    });
    expect((await settled(region, 1234)).json).toEqual({ ...answer.json, asOf: expect.stringMatching(RFC_3339_MS) });
  });

  test("is of now", async () => {
    const beforeMs = Date.now();
    const { json } = await shared.http.top(freshRegion());
    expect(Date.parse(json.asOf)).toBeGreaterThanOrEqual(beforeMs - 1000);
    expect(Date.parse(json.asOf)).toBeLessThanOrEqual(Date.now());
  });

  test("puts most players first, and equal counts in byte order of their names", async () => {
    const region = freshRegion();
    await connect(region, {
      zeta: 1,
      Zeta: 1,
      "0": 1,
      a: 1,
      "a.b": 1,
      "a-b": 1,
      aB: 1,
      a_b: 1,
      A: 1,
      GM10: 2,
      GM2: 2,
      GM1: 2,
      last: 3,
    });
    const answer = await shared.http.top(region, 100);
    expect(names(answer)).toEqual([
      "last",
      "GM1",
      "GM10",
      "GM2",
      "0",
      "A",
      "Zeta",
      "a",
      "a-b",
      "a.b",
      "aB",
      "a_b",
      "zeta",
    ]);
    expect(answer.json.gamemodes.map((row: { rank: number }) => row.rank)).toEqual([
      1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13,
    ]);
  });

  test("gives five without top, and as many as top says", async () => {
    const region = freshRegion();
    await connect(region, { A: 9, B: 8, C: 7, D: 6, E: 5, F: 4, G: 3 });
    expect(names(await shared.http.top(region))).toEqual(["A", "B", "C", "D", "E"]);
    expect(names(await shared.http.top(region, 1))).toEqual(["A"]);
    expect(names(await shared.http.top(region, 6))).toEqual(["A", "B", "C", "D", "E", "F"]);
    expect(names(await shared.http.top(region, 100))).toEqual(["A", "B", "C", "D", "E", "F", "G"]);
    // The share is of all players of the region, not only of those shown.
    expect((await shared.http.top(region, 1)).json).toMatchObject({ players: 42, gamemodes: [{ share: 0.2143 }] });
  });

  test("gives a hundred of more", async () => {
    const region = freshRegion();
    const modes = Array.from({ length: 120 }, (_, index) => `M${String(index).padStart(3, "0")}`);
    await connect(region, Object.fromEntries(modes.map((mode) => [mode, 1])));
    expect(names(await shared.http.top(region, 100))).toEqual(modes.slice(0, 100));
  });

  test.each([
    [{ A: 1 }, [1]],
    [{ A: 1, B: 1, C: 1 }, [0.3333, 0.3333, 0.3333]],
    [{ A: 2, B: 1 }, [0.6667, 0.3333]],
    [{ A: 7, B: 1 }, [0.875, 0.125]],
    [{ A: 2999, B: 1 }, [0.9997, 0.0003]],
    // Exactly between two: 1/32 = 0.03125 goes up.
    [{ A: 31, B: 1 }, [0.9688, 0.0313]],
  ])("gives shares to four decimals: %j", async (modes, shares) => {
    const region = freshRegion();
    await connect(region, modes);
    expect((await shared.http.top(region)).json.gamemodes.map((row: { share: number }) => row.share)).toEqual(shares);
  });

  test("answers 200 with an empty list for a region with no player", async () => {
    const region = freshRegion();
    const answer = await plain(region);
    expect([answer.status, answer.json]).toEqual([
      200,
      { region, players: 0, asOf: expect.stringMatching(RFC_3339_MS), gamemodes: [] },
    ]);
    expect(answer.headers["etag"]).toMatch(/^W\/"/);
  });

  test("leaves out modes with no player", async () => {
    const [player, region] = [freshPlayer(), freshRegion()];
    await connect(region, { GM01: 1 });
    await shared.http.report(player, { region, gamemode: "GM02" });
    expect(names(await shared.http.top(region, 100))).toEqual(["GM01", "GM02"]);
    await shared.http.report(player, { region, gamemode: "GM03" });
    expect(names(await shared.http.top(region, 100))).toEqual(["GM01", "GM03"]);
    await shared.http.remove(player);
    expect(names(await shared.http.top(region, 100))).toEqual(["GM01"]);
  });

  test("with no-cache includes every report acknowledged before", async () => {
    const region = freshRegion();
    for (let players = 1; players <= 100; players++) {
      await shared.http.report(freshPlayer(), { region, gamemode: "GM01" });
      expect((await shared.http.top(region)).json).toMatchObject({ players, gamemodes: [{ mode: "GM01", players }] });
    }
  });

  test("without no-cache follows within moments", async () => {
    const region = freshRegion();
    for (let players = 1; players <= 5; players++) {
      await shared.http.report(freshPlayer(), { region, gamemode: "GM01" });
      await settled(region, players);
    }
  });
});

describe("ETag of top modes", () => {
  test("is weak, comes with Cache-Control, and stays while nothing changes", async () => {
    const [player, region] = [freshPlayer(), freshRegion()];
    await connect(region, { GM01: 2 });
    await shared.http.report(player, { region, gamemode: "GM02" });
    const first = await settled(region, 3);
    expect(first.headers["etag"]).toMatch(/^W\/"[\x21\x23-\x7e]+"$/);
    expect(first.headers["cache-control"]).toBe("public, max-age=1");
    // Renewals change nothing; asOf moves on and is not part of it.
    const later = await until("asOf has moved on", async () => {
      await shared.http.report(player, { region, gamemode: "GM02" });
      await shared.http.heartbeat(player);
      const answer = await plain(region);
      expect(answer.headers["etag"]).toBe(first.headers["etag"]);
      return answer.json.asOf !== first.json.asOf && answer;
    });
    expect({ ...later.json, asOf: "" }).toEqual({ ...first.json, asOf: "" });
    expect((await shared.http.top(region)).headers["etag"]).toBe(first.headers["etag"]);
  });

  test("changes with the answer", async () => {
    const region = freshRegion();
    const seen = new Set<unknown>([(await settled(region, 0)).headers["etag"]]);
    for (let players = 1; players <= 5; players++) {
      await connect(region, { [`GM0${players}`]: 1 });
      seen.add((await settled(region, players)).headers["etag"]);
    }
    expect(seen.size).toBe(6);
  });

  test("changes where only players beyond the list do: it stands for all fields", async () => {
    const region = freshRegion();
    await connect(region, { A: 2, B: 1 });
    const before = await shared.http.top(region, 1);
    await connect(region, { B: 1, C: 1 });
    const after = await shared.http.top(region, 1);
    expect([names(before), names(after)]).toEqual([["A"], ["A"]]);
    expect(after.headers["etag"]).not.toBe(before.headers["etag"]);
  });

  test("differs between lists of different length", async () => {
    const region = freshRegion();
    await connect(region, { A: 2, B: 1 });
    expect((await shared.http.top(region, 1)).headers["etag"]).not.toBe(
      (await shared.http.top(region, 2)).headers["etag"],
    );
  });

  test("that matches If-None-Match gives 304 with Cache-Control and As-Of, and no body", async () => {
    const region = freshRegion();
    await connect(region, { GM01: 1 });
    const { headers } = await settled(region, 1);
    const answer = await plain(region, String(headers["etag"]));
    expect(answer).toMatchObject({
      status: 304,
      text: "",
      headers: { etag: headers["etag"], "cache-control": "public, max-age=1" },
    });
    expect(answer.headers["as-of"]).toMatch(RFC_3339_MS);
    expect(Date.parse(String(answer.headers["as-of"]))).toBeLessThanOrEqual(Date.now());
  });

  test("is compared weakly, in lists, and matches *", async () => {
    const region = freshRegion();
    await connect(region, { GM01: 1 });
    const etag = String((await settled(region, 1)).headers["etag"]);
    const opaque = etag.slice(2);
    const matching = [
      etag,
      opaque,
      "*",
      ` ${etag} `,
      `"x", ${etag}`,
      `${etag}, "x"`,
      `W/"x",W/"y",${etag},"z"`,
      `"a,b", ${etag}`,
      `, ${etag},`,
    ];
    for (const value of matching) expect((await plain(region, value)).status, value).toBe(304);
    const other = [
      '"x"',
      'W/"x"',
      "x",
      "",
      `"x${opaque.slice(1)}`,
      `${etag.slice(0, -1)}x"`,
      opaque.slice(1, -1),
      `"*"`,
      `"${opaque.slice(1, -1)},"`,
    ];
    for (const value of other) expect((await plain(region, value)).status, value).toBe(200);
  });

  test("that is no longer true gives 200", async () => {
    const region = freshRegion();
    await connect(region, { GM01: 1 });
    const old = String((await settled(region, 1)).headers["etag"]);
    await connect(region, { GM01: 1 });
    await settled(region, 2);
    const answer = await plain(region, old);
    expect([answer.status, answer.json.players]).toEqual([200, 2]);
  });

  test("works for authoritative answers too", async () => {
    const region = freshRegion();
    await connect(region, { GM01: 1 });
    const { headers } = await shared.http.top(region);
    const again = { headers: { ...NO_CACHE.headers, "if-none-match": String(headers["etag"]) } };
    expect((await shared.http.get(`/v1/regions/${region}/gamemode`, again)).status).toBe(304);
    await connect(region, { GM01: 1 });
    expect((await shared.http.get(`/v1/regions/${region}/gamemode`, again)).status).toBe(200);
  });

  test("is the same at every node that knows the same", async () => {
    await using other = await startNode();
    await using http = new HttpClient(other.url);
    const region = freshRegion();
    await connect(region, { GM01: 2, GM02: 1 });
    await http.reports(["GM02", "GM01", "GM01"].map((gamemode) => ({ profileId: freshPlayer(), region, gamemode })));
    const [here, there] = [await shared.http.top(region), await http.top(region)];
    expect({ ...there.json, asOf: "" }).toEqual({ ...here.json, asOf: "" });
    expect(there.headers["etag"]).toBe(here.headers["etag"]);
  });
});

describe("GET /v1/regions and /v1/players", () => {
  test("count everybody once, most players first, only regions with players", async () => {
    const [large, middle, small, empty] = [freshRegion(), freshRegion(), freshRegion(), freshRegion()];
    const gone = freshPlayer();
    await connect(large, { GM01: 3000, GM02: 2000 });
    await connect(middle, { GM01: 4000 });
    await connect(small, { GM01: 2 });
    await shared.http.report(gone, { region: empty, gamemode: "GM01" });
    await shared.http.remove(gone);
    const answer = await until("all are counted", async () => {
      const { regions } = await countsOf(shared.http);
      return regions[large] === 5000 && regions[middle] === 4000 && regions[small] === 2 && !(empty in regions);
    }).then(() => shared.http.get("/v1/regions"));
    expect([answer.status, answer.headers["content-type"]]).toEqual([200, JSON_TYPE]);
    const rows: { region: string; players: number }[] = answer.json.regions;
    expect(answer.json).toEqual({
      players: expect.any(Number),
      regions: rows.map(({ region, players }) => ({ region, players })),
    });
    expect(rows.slice(0, 2)).toEqual([
      { region: large, players: 5000 },
      { region: middle, players: 4000 },
    ]);
    expect(rows.map(({ players }) => players)).toEqual(rows.map(({ players }) => players).toSorted((a, b) => b - a));
    expect(rows.every(({ players }) => players > 0)).toBe(true);
    expect(rows.reduce((sum, { players }) => sum + players, 0)).toBe(answer.json.players);
    const players = await shared.http.get("/v1/players");
    expect([players.status, players.headers["content-type"], players.json]).toEqual([
      200,
      JSON_TYPE,
      { players: answer.json.players },
    ]);
  });

  test("say zero where nobody is", async () => {
    await using node = await startNode();
    await using http = new HttpClient(node.url);
    expect((await http.get("/v1/regions")).json).toEqual({ players: 0, regions: [] });
    expect((await http.get("/v1/players")).json).toEqual({ players: 0 });
  });
});
