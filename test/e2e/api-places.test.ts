/** Places: subdivisions are reported, and countries, subdivisions and areas are asked for. */
import { once } from "node:events";
import { until } from "../support/until.ts";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { AdminClient, adminSettings } from "../support/admin.ts";
import { type Answer, gamemodePath, HttpClient, JSON_TYPE, NO_CACHE } from "../support/http.ts";
import { startNode } from "../support/node-process.ts";
import { expectError, freshPlayer, RFC_3339_MS, shareNode } from "../support/shared-node.ts";
import { signedToken, TOKEN_SETTINGS_GIVEN } from "../support/signed-tokens.ts";

const shared = shareNode();
const players: string[] = [];

/** So many players in each mode of a region. */
async function connect(region: string, modes: Readonly<Record<string, number>>): Promise<void> {
  const rows = Object.entries(modes).flatMap(([gamemode, count]) =>
    Array.from({ length: count }, () => ({ profileId: freshPlayer(), region, gamemode })),
  );
  players.push(...rows.map(({ profileId }) => profileId));
  expect((await shared.http.reports(rows)).json).toMatchObject({ accepted: rows.length, rejected: [] });
}

async function everybodyLeaves(): Promise<void> {
  await Promise.all(players.splice(0).map((player) => shared.http.remove(player)));
}

const listed = async (of: string): Promise<Record<string, number>> => {
  const { json } = await shared.http.get(`/v1/regions?of=${of}`);
  const regions = json.regions as { readonly region: string; readonly players: number }[];
  return { players: json.players, ...Object.fromEntries(regions.map(({ region, players: count }) => [region, count])) };
};

describe("a region that is reported", () => {
  const written = [
    ["US-CA", "US-CA"],
    ["us-ca", "US-CA"],
    ["Fr-iDf", "FR-IDF"],
    ["gb-eng", "GB-ENG"],
    ["AD-02", "AD-02"],
    ["XK", "XK"],
    ["xk", "XK"],
    ["US-PR", "PR"],
    ["cn-hk", "HK"],
    ["FR-971", "GP"],
    ["NO-21", "SJ"],
    ["NL-BQ1", "BQ"],
  ] as const;
  test.each(written)(
    "as %s is given back as %s, in single reports, batches and by any way of reading them",
    async (code, region) => {
      const player = freshPlayer();
      const report = { region: code, gamemode: "GM01" };
      const plain = await shared.http.report(player, report);
      expect(plain.json).toMatchObject({ region, changed: true });
      const body = `{ "gamemode":"GM01", "region":${JSON.stringify(code).replace("-", String.raw`\u002d`)} }`; // for the slow way
      const headers = { "content-type": "application/json" };
      const spelt = await shared.http.request("POST", gamemodePath(player), { body, headers });
      expect([spelt.status, spelt.json.region, spelt.json.changed]).toEqual([200, region, false]);
      expect((await shared.http.profile(player)).json).toMatchObject({ region, gamemode: "GM01" });
      const rows = [{ profileId: player, ...report }];
      for (const more of [{}, { later: 1 }])
        // a field that is ignored, and that only the slow reader takes
        expect((await shared.http.reports(rows.map((row) => ({ ...row, ...more })))).json).toMatchObject({
          accepted: 1,
        });
      expect((await shared.http.report(player, report)).json).toMatchObject({ region, changed: false });
      expect((await shared.http.top(code)).json).toMatchObject({ region, players: 1 });
      await shared.http.remove(player);
    },
  );

  test.each(["US-ZZ", "US-", "US-CALI", "US_CA", "USCA", "XX-CA", "XK-01", "840", "150", "001", "CA-US", "US-ſ", "ſE"])(
    "may not be %j",
    async (region) => {
      const message = `region must be an ISO 3166-1 alpha-2 code, or an ISO 3166-2 code such as US-CA, got ${JSON.stringify(region)}`;
      const player = freshPlayer();
      expectError(await shared.http.report(player, { region, gamemode: "GM01" }), 400, message);
      const { json } = await shared.http.reports([{ profileId: player, region, gamemode: "GM01" }]);
      expect(json).toMatchObject({ accepted: 0, rejected: [{ index: 0, message, reason: "malformed" }] });
      expect((await shared.http.profile(player)).status).toBe(404);
    },
  );

  test("moves a player between subdivisions, and into and out of the rest of the country", async () => {
    const player = freshPlayer();
    for (const region of ["US-CA", "US-NV", "US", "US-NV"]) {
      expect((await shared.http.report(player, { region, gamemode: "GM01" })).json).toMatchObject({
        region,
        changed: true,
      });
      const counts = await Promise.all(
        ["US-CA", "US-NV", "US", "021", "001"].map(async (place) => (await shared.http.top(place)).json.players),
      );
      expect(counts).toEqual([Number(region === "US-CA"), Number(region === "US-NV"), 1, 1, 1]);
    }
    await shared.http.remove(player);
  });
});

describe("GET /v1/regions/{place}/gamemode", () => {
  beforeAll(async () => {
    await connect("US-CA", { GM01: 5, GM02: 2 });
    await connect("US-NV", { GM02: 4 });
    await connect("US", { GM03: 1 });
    await connect("MX", { GM01: 1 });
    await connect("PR", { GM01: 1 });
    await connect("TW", { GM01: 2 });
    await connect("XK", { GM01: 3 });
    await connect("AQ", { GM01: 1 });
  });
  afterAll(everybodyLeaves);

  test.each([
    ["US-CA", 7, { GM01: 5, GM02: 2 }],
    ["US-NV", 4, { GM02: 4 }],
    ["US-TX", 0, {}],
    ["US", 12, { GM02: 6, GM01: 5, GM03: 1 }],
    ["021", 12, { GM02: 6, GM01: 5, GM03: 1 }],
    ["003", 14, { GM01: 7, GM02: 6, GM03: 1 }],
    ["419", 2, { GM01: 2 }],
    ["019", 14, { GM01: 7, GM02: 6, GM03: 1 }],
    ["030", 2, { GM01: 2 }],
    ["039", 3, { GM01: 3 }],
    ["150", 3, { GM01: 3 }],
    ["009", 0, {}],
    ["001", 20, { GM01: 13, GM02: 6, GM03: 1 }],
  ])("%s has %i players, to whoever asks and however", async (place, all, modes) => {
    const path = `/v1/regions/${place}/gamemode`;
    const expected = {
      region: place,
      players: all,
      asOf: expect.stringMatching(RFC_3339_MS),
      gamemodes: Object.entries(modes).map(([mode, count], at) => ({
        mode,
        rank: at + 1,
        players: count,
        share: Math.round((count / all) * 10_000) / 10_000,
      })),
    };
    const answers = [
      await shared.http.get(path),
      await shared.http.get(path, NO_CACHE),
      await shared.http.get(path.toLowerCase()),
      await shared.http.get(path.replace(place[1] as string, `%${place.charCodeAt(1).toString(16)}`)),
    ];
    for (const { status, headers, json } of answers) {
      expect([status, headers["content-type"], headers["cache-control"]]).toEqual([
        200,
        JSON_TYPE,
        "public, max-age=1",
      ]);
      expect(json).toEqual(expected);
    }
    const tags = new Set(answers.map(({ headers }) => headers["etag"]));
    expect(tags.size).toBe(1);
    const known = { headers: { "if-none-match": String([...tags][0]) } };
    expect((await shared.http.get(path, known)).status).toBe(304);
    const head = await shared.http.request("HEAD", path);
    expect([head.status, head.text, head.headers["etag"]]).toEqual([200, "", [...tags][0]]);
  });

  test("gives as many modes as are asked for", async () => {
    for (const place of ["US-CA", "US", "001"])
      expect((await shared.http.get(`/v1/regions/${place}/gamemode?top=1`)).json.gamemodes).toHaveLength(1);
  });

  test("has another tag when something changed, and only then", async () => {
    const tagsOf = async (): Promise<unknown[]> =>
      Promise.all(
        ["US-CA", "US-NV", "021", "030"].map(async (place) => (await shared.http.top(place)).headers["etag"]),
      );
    const [california, nevada, northern, asia] = await tagsOf();
    const player = freshPlayer();
    await shared.http.report(player, { region: "US-CA", gamemode: "GM09" });
    const after = await tagsOf();
    expect([after[1], after[3]]).toEqual([nevada, asia]);
    expect([after[0], after[2]]).not.toContain(california);
    await shared.http.report(player, { region: "US-NV", gamemode: "GM09" });
    expect((await tagsOf())[2], "moved within").toBe(after[2]);
    await shared.http.remove(player);
    expect(await tagsOf()).toEqual([california, nevada, northern, asia]);
  });

  test.each(["840", "999", "1", "0001", "US-ZZ", "US-PR-", "XX", "ZZZ", "US-CALI", "constructor"])(
    "is refused for %s, whose expectation it names",
    async (place) => {
      const message = `region must be an ISO 3166-1 alpha-2 code, an ISO 3166-2 code such as US-CA, or a UN M49 area such as 150, got "${place}"`;
      expectError(await shared.http.get(`/v1/regions/${place}/gamemode`), 400, message);
    },
  );
});

describe("GET /v1/regions?of=", () => {
  beforeAll(async () => {
    await connect("US-CA", { GM01: 2 });
    await connect("US-NV", { GM01: 3 });
    await connect("US-TX", { GM02: 2 });
    await connect("US", { GM01: 1 });
    await connect("CA", { GM01: 2 });
    await connect("DE", { GM01: 1 });
  });
  afterAll(everybodyLeaves);

  test("a country lists its subdivisions with players, most first, and all its players", async () => {
    const { json } = await shared.http.get("/v1/regions?of=us");
    expect(json).toEqual({
      players: 8,
      regions: [
        { region: "US-NV", players: 3 },
        { region: "US-CA", players: 2 },
        { region: "US-TX", players: 2 },
      ],
    });
    expect(await listed("CA")).toEqual({ players: 2 });
    expect(await listed("AQ")).toEqual({ players: 0 });
    expect(await listed("US-PR"), "which is a country").toEqual({ players: 0 });
  });

  test("an area lists its countries with players", async () => {
    expect(await listed("021")).toEqual({ players: 10, US: 8, CA: 2 });
    expect(await listed("150")).toEqual({ players: 1, DE: 1 });
    expect(await listed("009")).toEqual({ players: 0 });
    const [all, world] = await Promise.all([shared.http.get("/v1/regions"), shared.http.get("/v1/regions?of=001")]);
    expect(world.text).toBe(all.text);
    expect(all.json.regions).toEqual([
      { region: "US", players: 8 },
      { region: "CA", players: 2 },
      { region: "DE", players: 1 },
    ]);
  });

  test("has a tag of its own, 304 and HEAD", async () => {
    const tags = new Set<unknown>();
    for (const query of ["", "?of=US", "?of=021", "?of=150"]) {
      const answer = await shared.http.get(`/v1/regions${query}`);
      tags.add(answer.headers["etag"]);
      const known = { headers: { "if-none-match": String(answer.headers["etag"]) } };
      expect((await shared.http.get(`/v1/regions${query}`, known)).status).toBe(304);
      const head = await shared.http.request("HEAD", `/v1/regions${query}`);
      expect([head.status, head.text, head.headers["etag"]]).toEqual([200, "", answer.headers["etag"]]);
      expect(answer.headers["cache-control"]).toBe("public, max-age=1");
    }
    expect(tags.size).toBe(4);
  });

  test.each(["US-CA", "XX", "840", "", "US,CA"])("is refused for %j", async (of) => {
    const message = `of must be an ISO 3166-1 alpha-2 code, or a UN M49 area such as 150, got ${JSON.stringify(of)}`;
    expectError(await shared.http.get(`/v1/regions?of=${of}`), 400, message);
  });

  test("and every other parameter is refused where it comes twice", async () => {
    expectError(await shared.http.get("/v1/regions?of=US&of=021"), 400, /^of must be .*, got an array of 2$/);
    expectError(
      await shared.http.get("/v1/regions/021/gamemode?top=1&top=2"),
      400,
      /^top must be .*, got an array of 2$/,
    );
  });
});

describe("GET /v1/places", () => {
  test("tells code, name and what holds it, of every country, subdivision and area", async () => {
    const { json } = await shared.http.get("/v1/places");
    const places = new Map((json as { place: string }[]).map((place) => [place.place, place]));
    expect(places.size).toBe(json.length);
    expect([250, 31]).toEqual([
      [...places.keys()].filter((code) => /^[A-Z]{2}$/.test(code)).length,
      [...places.keys()].filter((code) => /^\d{3}$/.test(code)).length,
    ]);
    expect(places.get("US-CA")).toEqual({ place: "US-CA", name: "California", in: ["US", "021", "003", "019", "001"] });
    expect(places.get("XK")).toEqual({ place: "XK", name: "Kosovo", in: ["039", "150", "001"] });
    expect(places.get("AQ")).toEqual({ place: "AQ", name: "Antarctica", in: ["001"] });
    expect(places.get("021")).toEqual({ place: "021", name: "Northern America", in: ["003", "019", "001"] });
    expect(places.get("001")).toEqual({ place: "001", name: "World", in: [] });
    expect(places.has("US-PR")).toBe(false);
  });

  test("may be kept for a day, has a tag, and comes packed to whoever takes that", async () => {
    const plain = await shared.http.get("/v1/places");
    expect(plain.headers).toMatchObject({
      "cache-control": "public, max-age=86400",
      etag: expect.stringMatching(/^W\/"[\w-]{27}"$/),
      vary: "Accept-Encoding",
    });
    const known = { headers: { "if-none-match": String(plain.headers["etag"]) } };
    expect((await shared.http.get("/v1/places", known)).status).toBe(304);
    const head = await shared.http.request("HEAD", "/v1/places");
    expect([head.status, head.headers["etag"]]).toEqual([200, plain.headers["etag"]]);
    const packed = await fetch(`${shared.node.url}/v1/places`, { headers: { "accept-encoding": "gzip" } });
    expect(packed.headers.get("content-encoding")).toBe("gzip");
    expect(await packed.json()).toEqual(plain.json);
  });
});

test("A player in a subdivision is judged by the country: who is offered what is up to the catalogue", async () => {
  const catalogue = { version: 1, modes: [{ mode: "GM01" }, { mode: "GM10", regions: ["US", "XK"] }] };
  const path = join(shared.node.dataDir, "catalogue.json");
  await writeFile(path, JSON.stringify(catalogue));
  await using node = await startNode({ env: { HEADCOUNT_CATALOGUE: path } });
  await using http = new HttpClient(node.url);
  const report = (region: string): Promise<Answer> => http.report(freshPlayer(), { region, gamemode: "GM10" });
  for (const region of ["US", "US-CA", "us-nv", "XK"]) expect((await report(region)).status, region).toBe(200);
  const message = 'region must be a country in which GM10 is offered (US, XK), got "FR-IDF"';
  expectError(await report("fr-idf"), 403, message);
  expect((await report("US-PR")).json).toMatchObject({ reason: "not-offered" });
  const offered = async (region: string): Promise<string[]> =>
    (await http.get(`/v1/modes?region=${region}`)).json.modes.map(({ mode }: { mode: string }) => mode);
  expect([await offered("US-CA"), await offered("FR-IDF"), await offered("US-PR")]).toEqual([
    ["GM01", "GM10"],
    ["GM01"],
    ["GM01"],
  ]);
});

test("Operators see every place too, exactly, where a privacy floor hides subdivisions from everybody else", async () => {
  const settings = { ...TOKEN_SETTINGS_GIVEN, HEADCOUNT_MIN_PLAYERS: "5", ...(await adminSettings()) };
  await using node = await startNode({ env: settings });
  await using http = new HttpClient(node.url);
  await using admin = new AdminClient(settings);
  const authorization = `Bearer ${signedToken({ scope: "reports:batch" })}`;
  const reports = ["US-CA", "US-CA", "US"].map((region) => ({ profileId: freshPlayer(), region, gamemode: "GM01" }));
  const batch = await http.request("POST", "/v1/reports", { json: { reports }, headers: { authorization } });
  expect(batch.json).toMatchObject({ accepted: 3 });
  const message = "subdivisions are not shown where there is a privacy floor: ask for a country or an area";
  for (const options of [{}, NO_CACHE])
    for (const path of [
      "/v1/regions/US-CA/gamemode",
      "/v1/regions/us-ca/gamemode?top=1",
      "/v1/regions/US-CA/gamemode/stream",
      "/v1/regions?of=US",
    ])
      expectError(await http.get(path, options), 403, message);
  expect(await watched(node.url, signedToken, ["US-CA", "US"])).toEqual([
    { type: "refused", ref: "US-CA", code: "403", reason: "forbidden", message },
    expect.objectContaining({ type: "top", region: "US", complete: false }),
  ]);
  const shown = [
    ["/v1/regions/US-CA/gamemode", 2],
    ["/v1/regions/US/gamemode", 3],
    ["/v1/regions/021/gamemode", 3],
    ["/v1/regions?of=US", 3],
    ["/v1/regions?of=021", 3],
  ] as const;
  for (const [path, count] of shown) {
    expect([path, (await admin.get(path)).json.players]).toEqual([path, count]);
    expect([path, (await admin.get(path, NO_CACHE)).json.players]).toEqual([path, count]);
    const head = await admin.request("HEAD", path);
    expect([path, head.status]).toEqual([path, 200]);
  }
  for (const path of ["/v1/regions/021/gamemode", "/v1/regions?of=021"])
    expect((await http.get(path)).json, "before the first whole minute").toMatchObject({ complete: false });
  expect((await admin.get("/v1/places")).text).toBe((await http.get("/v1/places")).text);
});

test("A player in a subdivision is still there after the node was killed", async () => {
  await using first = await startNode();
  const player = freshPlayer();
  await using http = new HttpClient(first.url);
  expect((await http.report(player, { region: "us-ca", gamemode: "GM01", seq: 3 })).status).toBe(200);
  await http.reports([{ profileId: freshPlayer(), region: "FR-IDF", gamemode: "GM02" }]);
  first.kill("SIGKILL");
  await first.exited;
  await using second = await startNode({ dataDir: first.dataDir });
  await using again = new HttpClient(second.url);
  expect((await again.profile(player)).json).toMatchObject({ region: "US-CA", gamemode: "GM01" });
  const playersIn = async (place: string): Promise<number> => (await again.top(place)).json.players;
  expect(await Promise.all(["US-CA", "US", "019", "FR-IDF", "150", "001"].map(playersIn))).toEqual([1, 1, 1, 1, 1, 2]);
});

/** What a session is told first of each place that it watches. */
async function watched(url: string, sign: typeof signedToken, places: readonly string[]): Promise<unknown[]> {
  const player = freshPlayer();
  const protocols = ["headcount.v1", `bearer.${sign({ sub: player })}`];
  const session = new WebSocket(`${url.replace("http", "ws")}/v1/session?profileId=${player}`, protocols);
  const told: unknown[] = [];
  session.addEventListener("message", ({ data }) => told.push(JSON.parse(String(data))));
  await once(session, "open");
  for (const place of places) session.send(JSON.stringify({ type: "watch", place, ref: place }));
  await until("all are answered", () => told.length === places.length);
  session.close();
  return told;
}
