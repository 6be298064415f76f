/** Where a player is, as values of the contract: every region and mode, their boundaries, and what is refused. */
import { describe, expect, test } from "vitest";
import { REGIONS } from "../support/corpora.ts";
import { percentEncoded } from "../support/http.ts";
import { countsOf, expectError, freshPlayer, shareNode } from "../support/shared-node.ts";
import { until } from "../support/until.ts";

const shared = shareNode();

describe("region", () => {
  test("may be any of the 249 countries, in either case, and is given back in upper case", async () => {
    expect(REGIONS).toHaveLength(249);
    const player = freshPlayer();
    for (const region of REGIONS) {
      const answer = await shared.http.report(player, { region: region.toLowerCase(), gamemode: "GM01" });
      expect(answer.json, region).toMatchObject({ region, changed: true });
      expect((await shared.http.top(region)).json, region).toMatchObject({ region, players: 1 });
      const lower = await shared.http.get(`/v1/regions/${region.toLowerCase()}/gamemode`);
      expect([lower.status, lower.json.region], region).toEqual([200, region]);
    }
    const mixed = await shared.http.report(player, { region: "cA", gamemode: "GM01" });
    expect(mixed.json).toMatchObject({ region: "CA" });
    await shared.http.remove(player);
  });

  test("may be none of the other pairs of letters", async () => {
    const letters = Array.from("ABCDEFGHIJKLMNOPQRSTUVWXYZ");
    const pairs = letters.flatMap((first) => letters.map((second) => first + second));
    const countries = new Set(REGIONS);
    const player = freshPlayer();
    const { status, json } = await shared.http.reports(
      pairs.map((region) => ({ profileId: player, region, gamemode: "GM01" })),
    );
    expect([status, json.accepted]).toEqual([200, 250]);
    const refused = pairs.filter((region) => !countries.has(region) && region !== "XK");
    expect(json.rejected.map(({ index }: { index: number }) => pairs[index])).toEqual(refused);
    expect(json.rejected.map(({ message }: { message: string }) => message)).toEqual(
      refused.map(
        (region) => `region must be an ISO 3166-1 alpha-2 code, or an ISO 3166-2 code such as US-CA, got "${region}"`,
      ),
    );
    await shared.http.remove(player);
  });

  test("that is refused has the message of the contract", async () => {
    const message = 'region must be an ISO 3166-1 alpha-2 code, or an ISO 3166-2 code such as US-CA, got "XX"';
    const answer = await shared.http.report(freshPlayer(), { region: "XX", gamemode: "GM01" });
    expectError(answer, 400, message);
    expect(answer.text).toBe(`{"code":"400","message":${JSON.stringify(message)},"reason":"malformed"}`);
    expectError(
      await shared.http.get("/v1/regions/XX/gamemode"),
      400,
      'region must be an ISO 3166-1 alpha-2 code, an ISO 3166-2 code such as US-CA, or a UN M49 area such as 150, got "XX"',
    );
  });

  // Reserved, transitional, withdrawn and made-up codes; and letters whose upper case is a country: "ß" would be SS, "ﬆ" ST.
  const others = [
    "EU",
    "UK",
    "ZZ",
    "QM",
    "AC",
    "SU",
    "YU",
    "AN",
    "CS",
    "",
    "C",
    "CAN",
    "CA ",
    " CA",
    "C\u0000",
    "124",
    "1A",
    "C-",
    "ÇA",
  ];
  const lookalikes = [
    "ß",
    "ﬆ",
    "ﬁ",
    "ıd",
    "ſe",
    "СА",
    "ＣＡ",
    "\u212aE",
    "CA\u0301",
    "CA\n",
    "__proto__",
    "constructor",
    "toString",
  ];
  test.each([...others, ...lookalikes])("is refused: %j", async (region) => {
    const message = /^region must be an ISO 3166-1 alpha-2 code, .*, got "/;
    const player = freshPlayer();
    expectError(await shared.http.report(player, { region, gamemode: "GM01" }), 400, message);
    expect((await shared.http.profile(player)).status).toBe(404);
    if (region !== "")
      expectError(await shared.http.get(`/v1/regions/${percentEncoded(region)}/gamemode`), 400, message);
  });

  test.each([null, 5, 0, true, {}, ["CA"], [["CA"]], undefined])(
    "is refused where it is no string: %j",
    async (region) => {
      const message = /^region must be an ISO 3166-1 alpha-2 code, or an ISO 3166-2 code such as US-CA, got /;
      expectError(await shared.http.report(freshPlayer(), { region, gamemode: "GM01" }), 400, message);
      const batch = await shared.http.reports([{ profileId: freshPlayer(), region, gamemode: "GM01" }]);
      expect(batch.json).toMatchObject({
        accepted: 0,
        rejected: [{ index: 0, code: "400", message: expect.stringMatching(message), reason: "malformed" }],
      });
    },
  );

  test("may be percent-encoded in a path", async () => {
    expect((await shared.http.get("/v1/regions/%43%61/gamemode")).json).toMatchObject({ region: "CA" });
  });
});

describe("gamemode", () => {
  const ALLOWED = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-";

  const accepted = [
    "G",
    "0",
    "z",
    "a".repeat(64),
    `0${ALLOWED.slice(0, 63)}`,
    `9${ALLOWED.slice(-63)}`,
    "a._:-",
    "A--",
    "1.0",
  ];
  test.each(accepted)("is accepted, and given back as it came: %s", async (gamemode) => {
    const player = freshPlayer();
    expect((await shared.http.report(player, { region: "CA", gamemode })).json).toMatchObject({
      gamemode,
      changed: true,
    });
    expect((await shared.http.profile(player)).json).toMatchObject({ gamemode });
    expect((await shared.http.top("CA", 100)).json).toMatchObject({ gamemodes: [{ mode: gamemode, players: 1 }] });
    await shared.http.remove(player);
  });

  test.each(["constructor", "hasOwnProperty", "toString", "valueOf", "null", "undefined", "NaN"])(
    "is only a name, whatever JavaScript calls so: %s",
    async (gamemode) => {
      const player = freshPlayer();
      expect((await shared.http.report(player, { region: "TV", gamemode })).json).toMatchObject({
        gamemode,
        changed: true,
      });
      expect((await shared.http.top("TV", 100)).json.gamemodes).toEqual([
        { mode: gamemode, rank: 1, players: 1, share: 1 },
      ]);
      await shared.http.remove(player);
      expect((await shared.http.top("TV", 100)).json.gamemodes).toEqual([]);
    },
  );

  test("has a case that matters", async () => {
    const [lower, upper] = [freshPlayer(), freshPlayer()];
    await shared.http.report(lower, { region: "NR", gamemode: "gm" });
    await shared.http.report(upper, { region: "NR", gamemode: "GM" });
    expect((await shared.http.top("NR")).json.gamemodes.map((row: { mode: string }) => row.mode)).toEqual(["GM", "gm"]);
    expect((await shared.http.report(upper, { region: "NR", gamemode: "gm" })).json).toMatchObject({ changed: true });
    await Promise.all([shared.http.remove(lower), shared.http.remove(upper)]);
  });

  const others = Array.from({ length: 128 }, (_, code) => String.fromCharCode(code)).filter(
    (character) => !ALLOWED.includes(character),
  );
  const refused = [
    "",
    "a".repeat(65),
    ".a",
    "_a",
    ":a",
    "-a",
    "GM01\n",
    "GM 01",
    "é",
    "GMé",
    "ＧＭ",
    "a\u0301",
    "👍",
    "a\ud800",
    "__proto__",
  ];
  test.each(refused)("is refused: %j", async (gamemode) => {
    const player = freshPlayer();
    expectError(await shared.http.report(player, { region: "CA", gamemode }), 400, /^gamemode must be .*64.*, got "/);
    expect((await shared.http.profile(player)).status).toBe(404);
  });

  test("is refused with any other ASCII character in it", async () => {
    const rows = others.map((character) => ({ profileId: freshPlayer(), region: "CA", gamemode: `a${character}b` }));
    const { json } = await shared.http.reports(rows);
    expect(json.accepted).toBe(0);
    expect(json.rejected.map(({ index }: { index: number }) => index)).toEqual([...rows.keys()]);
  });

  test.each([null, 5, 0, false, {}, ["GM01"], undefined])("is refused where it is no string: %j", async (gamemode) => {
    expectError(await shared.http.report(freshPlayer(), { region: "CA", gamemode }), 400, /^gamemode must be .*, got /);
    const batch = await shared.http.reports([{ profileId: freshPlayer(), region: "CA", gamemode }]);
    expect(batch.json).toMatchObject({
      accepted: 0,
      rejected: [{ index: 0, code: "400", message: expect.stringMatching(/^gamemode must be /), reason: "malformed" }],
    });
  });
});

test("Bad values leave nobody behind", async () => {
  await until("only the players of this test are counted", async () => {
    const { players } = await countsOf(shared.http);
    return players === 0;
  });
});
