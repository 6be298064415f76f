/** The values of the contract: each form, its boundaries, and what is refused with which words. */
import { randomUUID } from "node:crypto";
import { describe, expect, test } from "vitest";
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
      rejected: [{ index: 0, code: "400", message: expect.stringMatching(/^profileId must be /), reason: "malformed" }],
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
        rejected: [
          { index: 0, code: "400", message: expect.stringMatching(/^profileId must be /), reason: "malformed" },
        ],
      });
    },
  );
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
      rejected: [{ index: 0, code: "400", message: expect.stringMatching(/^seq must be /), reason: "malformed" }],
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
    expect(json.message).toMatch(/^region must be an ISO 3166-1 alpha-2 code, .*, got "A{60,64}[^A]{0,3}$/);
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
