/** The values of the contract: each form, its boundaries, and what is refused with which words. */

import { randomUUID } from "node:crypto";
import { describe, expect, test } from "vitest";

import { REGIONS } from "../support/corpora.ts";
import { gamemodePath, percentEncoded } from "../support/http.ts";
import { countsOf, expectError, freshPlayer, shareNode } from "../support/shared-node.ts";
import { until } from "../support/until.ts";

const shared = shareNode();

const NIL = "00000000-0000-0000-0000-000000000000";
const MAX = "ffffffff-ffff-ffff-ffff-ffffffffffff";
/** Shown in an error: how JSON writes a value. */
const shown = (value: unknown): string => JSON.stringify(value);

describe("profileId", () => {
  test("is taken in either case and given back in lower case: one player", async () => {
    const player = "abcdef01-2345-4678-9abc-def012345678";
    const mixed = "ABCDEF01-2345-4678-9abc-def012345678";
    const first = await shared.http.report(player.toUpperCase(), { region: "CA", gamemode: "GM01" });
    expect(first.json).toMatchObject({ profileId: player, changed: true });
    expect((await shared.http.report(mixed, { region: "CA", gamemode: "GM01" })).json).toMatchObject({
      profileId: player,
      changed: false,
    });
    expect((await shared.http.profile(mixed)).json).toMatchObject({ profileId: player });
    expect((await shared.http.heartbeat(mixed)).status).toBe(204);
    expect((await shared.http.reports([{ profileId: mixed, region: "CA", gamemode: "GM02" }])).json).toMatchObject({
      accepted: 1,
    });
    expect((await shared.http.profile(player)).json).toMatchObject({ gamemode: "GM02" });
    expect((await shared.http.remove(mixed)).status).toBe(204);
    expect((await shared.http.profile(player)).status).toBe(404);
  });

  test("may be of any version and variant", async () => {
    for (const nibble of "0123456789abcdef") {
      for (const player of [
        `12345678-1234-${nibble}234-8234-123456789abc`,
        `12345678-1234-4234-${nibble}234-123456789abc`,
      ]) {
        expect((await shared.http.report(player, { region: "CA", gamemode: "GM01" })).json).toMatchObject({
          profileId: player,
        });
        expect((await shared.http.remove(player)).status).toBe(204);
      }
    }
  });

  const neighbours = ["00000000-0000-0000-0000-000000000001", "ffffffff-ffff-ffff-ffff-fffffffffffe"];
  test.each(neighbours)("may be next to nil and max: %s", async (player) => {
    expect((await shared.http.report(player, { region: "CA", gamemode: "GM01" })).status).toBe(200);
    expect((await shared.http.profile(player)).json).toMatchObject({ profileId: player });
    await shared.http.remove(player);
  });

  const malformed = [
    NIL,
    MAX,
    MAX.toUpperCase(),
    "1",
    "12345678123442348234123456789abc",
    "12345678-1234-4234-8234-123456789ab",
    "12345678-1234-4234-8234-123456789abcd",
    "12345678-1234-4234-8234-123456789abg",
    "1234567-81234-4234-8234-123456789abc",
    "12345678-1234-4234-8234_123456789abc",
    "{12345678-1234-4234-8234-123456789abc}",
    "urn:uuid:12345678-1234-4234-8234-123456789abc",
    " 12345678-1234-4234-8234-123456789abc",
    "12345678-1234-4234-8234-123456789abc\n",
    "１2345678-1234-4234-8234-123456789abc",
    "12345678-1234-4234-8234-123456789abc,12345678-1234-4234-8234-123456789abc",
  ];
  test.each(malformed)("is refused where it is no UUID, or nil or max: %j", async (value) => {
    const path = percentEncoded(value);
    const message = `, got ${shown(value.slice(0, 64))}`;
    for (const answer of [
      await shared.http.report(path, { region: "CA", gamemode: "GM01" }),
      await shared.http.profile(path),
      await shared.http.heartbeat(path),
      await shared.http.remove(path),
    ]) {
      expectError(answer, 400, /^profileId must be a.* UUID\b/);
      expect(answer.json.message).toContain(message.slice(0, 60));
    }
    const batch = await shared.http.reports([{ profileId: value, region: "CA", gamemode: "GM01" }]);
    expect(batch.json).toMatchObject({
      accepted: 0,
      rejected: [{ index: 0, code: "400", message: expect.stringMatching(/^profileId must be /) }],
    });
  });

  test.each([100, 101, 500, 4000])("is refused with 400 also where it is %i characters long", async (length) => {
    expectError(await shared.http.profile("a".repeat(length)), 400, /^profileId must be a.* UUID\b/);
  });

  test.each([null, 5, true, {}, [randomUUID()], undefined])(
    "is refused in a batch where it is no string: %j",
    async (profileId) => {
      const { json } = await shared.http.reports([{ profileId, region: "CA", gamemode: "GM01" }]);
      expect(json).toMatchObject({
        accepted: 0,
        rejected: [{ index: 0, code: "400", message: expect.stringMatching(/^profileId must be /) }],
      });
    },
  );
});

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
    expect([status, json.accepted]).toEqual([200, 249]);
    const refused = pairs.filter((region) => !countries.has(region));
    expect(json.rejected.map(({ index }: { index: number }) => pairs[index])).toEqual(refused);
    expect(json.rejected.map(({ message }: { message: string }) => message)).toEqual(
      refused.map((region) => `region must be an ISO 3166-1 alpha-2 code, got "${region}"`),
    );
    await shared.http.remove(player);
  });

  test("that is refused has the message of the contract", async () => {
    const message = 'region must be an ISO 3166-1 alpha-2 code, got "XX"';
    const answer = await shared.http.report(freshPlayer(), { region: "XX", gamemode: "GM01" });
    expectError(answer, 400, message);
    expect(answer.text).toBe(`{"code":"400","message":${JSON.stringify(message)}}`);
    expectError(await shared.http.get("/v1/regions/XX/gamemode"), 400, message);
  });

  // Reserved, transitional, withdrawn and made-up codes; and letters whose upper case is a country: "ß" would be SS, "ﬆ" ST.
  const others = [
    "XK",
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
    const message = /^region must be an ISO 3166-1 alpha-2 code, got "/;
    const player = freshPlayer();
    expectError(await shared.http.report(player, { region, gamemode: "GM01" }), 400, message);
    expect((await shared.http.profile(player)).status).toBe(404);
    if (region !== "")
      expectError(await shared.http.get(`/v1/regions/${percentEncoded(region)}/gamemode`), 400, message);
  });

  test.each([null, 5, 0, true, {}, ["CA"], [["CA"]], undefined])(
    "is refused where it is no string: %j",
    async (region) => {
      const message = /^region must be an ISO 3166-1 alpha-2 code, got /;
      expectError(await shared.http.report(freshPlayer(), { region, gamemode: "GM01" }), 400, message);
      const batch = await shared.http.reports([{ profileId: freshPlayer(), region, gamemode: "GM01" }]);
      expect(batch.json).toMatchObject({
        accepted: 0,
        rejected: [{ index: 0, code: "400", message: expect.stringMatching(message) }],
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
      rejected: [{ index: 0, code: "400", message: expect.stringMatching(/^gamemode must be /) }],
    });
  });
});

describe("seq", () => {
  test.each([0, 1, 4294967295])("may be %i", async (seq) => {
    const player = freshPlayer();
    expect((await shared.http.report(player, { region: "CA", gamemode: "GM01", seq })).json).toMatchObject({
      changed: true,
    });
    await shared.http.remove(player);
  });

  test("is a number however JSON writes it", async () => {
    const player = freshPlayer();
    const send = (seq: string, gamemode: string) =>
      shared.http.request("POST", gamemodePath(player), {
        headers: { "content-type": "application/json" },
        body: `{"region":"CA","gamemode":"${gamemode}","seq":${seq}}`,
      });
    expect((await send("1e1", "GM01")).json).toMatchObject({ changed: true });
    expect((await send("10.0", "GM02")).json).toMatchObject({ changed: false, gamemode: "GM01" });
    await shared.http.remove(player);
  });

  const malformed = [-1, 4294967296, 1.5, 1e300, "1", "", null, true, {}, [1]];
  test.each(malformed)("is refused where it is no whole number from 0 to 4294967295: %j", async (seq) => {
    const player = freshPlayer();
    expectError(
      await shared.http.report(player, { region: "CA", gamemode: "GM01", seq }),
      400,
      /^seq must be .*4294967295.*, got /,
    );
    expect((await shared.http.profile(player)).status).toBe(404);
    const batch = await shared.http.reports([{ profileId: player, region: "CA", gamemode: "GM01", seq }]);
    expect(batch.json).toMatchObject({
      accepted: 0,
      rejected: [{ index: 0, code: "400", message: expect.stringMatching(/^seq must be /) }],
    });
  });
});

describe("top", () => {
  test.each(["1", "5", "100"])("may be %s", async (top) => {
    expect((await shared.http.get(`/v1/regions/CA/gamemode?top=${top}`)).status).toBe(200);
  });

  const malformed = [
    "0",
    "101",
    "-1",
    "1.5",
    "abc",
    "",
    "NaN",
    "Infinity",
    "99999999999999999999",
    "5,6",
    "%35x",
    "0x5",
    "null",
    "true",
  ];
  test.each(malformed)("is refused where it is no whole number from 1 to 100: %j", async (top) => {
    expectError(
      await shared.http.get(`/v1/regions/CA/gamemode?top=${top}`),
      400,
      /^top must be .*\b1\b.*\b100\b.*, got /,
    );
  });

  test.each(["top=5&top=6", "top[]=5", "top[a]=5", "top"])(
    "is refused where it is given otherwise: %s",
    async (query) => {
      const { status } = await shared.http.get(`/v1/regions/CA/gamemode?${query}`);
      // `top[]` and `top[a]` are names of their own to a plain query string: ignored like every unknown parameter.
      expect(status).toBe(query.startsWith("top[") ? 200 : 400);
    },
  );
});

describe("an error's message", () => {
  test("cuts what came to 64 characters", async () => {
    const { json } = await shared.http.report(freshPlayer(), { region: "A".repeat(3000), gamemode: "GM01" });
    expect(json.message).toMatch(/^region must be an ISO 3166-1 alpha-2 code, got "A{60,64}[^A]{0,3}$/);
    const batch = await shared.http.reports([
      { profileId: freshPlayer(), region: "CA", gamemode: "-".repeat(100_000) },
    ]);
    expect(batch.json.rejected[0].message).toMatch(/, got "-{60,64}[^-]{0,3}$/);
    const deep = await shared.http.report(freshPlayer(), { region: { a: ["B".repeat(3000)] }, gamemode: "GM01" });
    expect(deep.json.message.length).toBeLessThan(130);
  });

  test("escapes control characters", async () => {
    const region = "\u0000\u0007\b\t\n\r\u001b[31m\u007f\u0080\u0085\u009f";
    for (const answer of [
      await shared.http.report(freshPlayer(), { region, gamemode: "GM01" }),
      await shared.http.get(`/v1/regions/${percentEncoded(region)}/gamemode`),
      await shared.http.profile(percentEncoded(region)),
    ]) {
      expectError(answer, 400, /, got "/);
      // eslint-disable-next-line no-control-regex
      expect(answer.json.message).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
      expect(answer.json.message).toContain("[31m");
    }
  });

  test("names the field that is wrong, whichever it is", async () => {
    const wrong = { region: "XX", gamemode: "-", seq: -1 };
    for (const [field, value] of Object.entries(wrong)) {
      const report = { region: "CA", gamemode: "GM01", seq: 1, [field]: value };
      expectError(
        await shared.http.report(freshPlayer(), report),
        400,
        new RegExp(`^${field} must be .*, got ${value === -1 ? "-1" : shown(value)}$`),
      );
    }
  });
});

test("Bad values leave nobody behind", async () => {
  await shared.http.remove("12345678-1234-4234-8234-123456789abc");
  await until("only the players of this test are counted", async () => {
    const { players } = await countsOf(shared.http);
    return players === 0;
  });
});
