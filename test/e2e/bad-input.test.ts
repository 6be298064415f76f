/**
 * Bad input, from public corpora and from a generator: never a 5xx, never a change of counts.
 *
 * A model of ten lines says which values are good; whatever it refuses the service must refuse with 400.
 */

import * as fc from "fast-check";
import { afterEach, beforeAll, describe, expect, test } from "vitest";

import { iso31662 } from "iso-3166";
import { itemAt } from "../../simulator/item-at.ts";
import { jsonTexts, naughtyStrings, prototypePoisons, REGIONS, uuidLikes } from "../support/corpora.ts";
import { type Answer, gamemodePath, percentEncoded, rawRequest } from "../support/http.ts";
import { countsOf, expectError, freshPlayer, shareNode } from "../support/shared-node.ts";
import { until } from "../support/until.ts";

const shared = shareNode();

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const NIL_OR_MAX = /^[0-]+$|^[f-]+$/i;
const isProfileId = (value: unknown) => typeof value === "string" && UUID.test(value) && !NIL_OR_MAX.test(value);
const CODES = new Set([...REGIONS, "XK", ...iso31662.map(({ code }) => code)]);
const isRegion = (value: unknown) =>
  typeof value === "string" && /^[A-Za-z0-9-]+$/.test(value) && CODES.has(value.toUpperCase());
const isGamemode = (value: unknown) => typeof value === "string" && /^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$/.test(value);
const isSeq = (value: unknown) =>
  value === undefined || (Number.isInteger(value) && Number(value) >= 0 && Number(value) <= 4294967295);

const post = (path: string, body: string | Uint8Array): Promise<Answer> =>
  shared.http.request("POST", path, { headers: { "content-type": "application/json" }, body });

/** Does it for all, a few at a time. */
async function forAll<T>(items: readonly T[], action: (item: T) => Promise<void>, atOnce = 16): Promise<void> {
  const queue = items.values();
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      for (const item of queue) await action(item);
    }),
  );
}

/** A player who must still be alone, where it was, after every test. */
const witness = { profileId: freshPlayer(), region: "CA", gamemode: "witness", seq: 1000 };

beforeAll(async () => {
  await shared.http.report(witness.profileId, witness);
});

afterEach(async () => {
  expect((await shared.http.profile(witness.profileId)).json).toMatchObject({ region: "CA", gamemode: "witness" });
  await until("only the witness is counted", async () => {
    const { players, regions } = await countsOf(shared.http);
    return players === 1 && regions["CA"] === 1;
  });
  expect((await shared.http.top("CA", 100)).json).toMatchObject({
    players: 1,
    gamemodes: [{ mode: "witness", players: 1 }],
  });
  expect((await shared.http.get("/readyz")).json).toEqual({ status: "ready" });
});

describe("Naughty strings", () => {
  const strings = naughtyStrings();
  const report = { region: "CA", gamemode: "GM01" };

  test.each(["region", "gamemode", "seq"])("as %s of a report", async (field) => {
    await forAll(strings, async (value) => {
      const player = freshPlayer();
      const answer = await shared.http.report(player, { ...report, [field]: value });
      if (field === "gamemode" && isGamemode(value)) {
        expect([answer.status, answer.json.gamemode], value).toEqual([200, value]);
        expect((await shared.http.remove(player)).status).toBe(204);
      } else expectError(answer, 400, new RegExp(`^${field} must be `));
    });
  });

  test("as region, mode, seq and profile id of a batch", async () => {
    const players = new Set<string>();
    const rows = strings.flatMap((value) =>
      ["region", "gamemode", "seq", "profileId"].map((field) => ({
        profileId: freshPlayer(),
        ...report,
        [field]: value,
      })),
    );
    const isGood = (row: { profileId: string; region: unknown; gamemode: unknown; seq?: unknown }) =>
      isProfileId(row.profileId) && isRegion(row.region) && isGamemode(row.gamemode) && isSeq(row.seq);
    for (const row of rows.filter(isGood)) players.add(row.profileId);
    const { status, json } = await shared.http.reports(rows);
    expect([status, json.accepted]).toEqual([200, players.size]);
    expect(json.rejected.map(({ index }: { index: number }) => index)).toEqual(
      [...rows.keys()].filter((index) => !isGood(itemAt(rows, index))),
    );
    await forAll([...players], async (player) => void (await shared.http.remove(player)));
  });

  test("as rows of a batch, and as what should be the rows", async () => {
    const { status, json } = await shared.http.reports(strings);
    expect([status, json.accepted, json.rejected.length]).toEqual([200, 0, strings.length]);
    await forAll(strings, async (reports) =>
      expectError(await shared.http.request("POST", "/v1/reports", { json: { reports } }), 400, /^reports must be /),
    );
  });

  test("as names of fields", async () => {
    const player = freshPlayer();
    await forAll(strings, async (name) => {
      const { status } = await shared.http.report(
        player,
        Object.fromEntries([
          [name, 1],
          ["region", "XX"],
          ["gamemode", "GM01"],
        ]) as never,
      );
      expect(status, name).toBe(400);
    });
  });

  test("as the whole body, raw and as JSON", async () => {
    await forAll(strings, async (text) => {
      for (const path of [gamemodePath(freshPlayer()), "/v1/reports"]) {
        expectError(await post(path, text), 400, /./);
        expectError(await post(path, JSON.stringify(text)), 400, /./);
      }
    });
  });

  test("in paths and queries, every byte escaped", async () => {
    await forAll(strings.filter((value) => value !== "").map(percentEncoded), async (value) => {
      expectError(await shared.http.profile(value), 400, /^profileId must be /);
      expectError(await shared.http.heartbeat(value), 400, /^profileId must be /);
      expectError(await shared.http.remove(value), 400, /^profileId must be /);
      expectError(await shared.http.report(value, report), 400, /^profileId must be /);
      expectError(await shared.http.get(`/v1/regions/${value}/gamemode`), 400, /^region must be /);
      expectError(await shared.http.get(`/${value}`), 404, /./);
    });
    await forAll(strings, async (value) => {
      const { status } = await shared.http.get(`/v1/regions/US/gamemode?top=${percentEncoded(value)}`);
      // "1" is a good one; how other spellings of a whole number are taken is not promised.
      if (!/^[\s0-9eE.+x-]*$/u.test(value) || value === "") expect(status, value).toBe(400);
      else expect([200, 400], value).toContain(status);
      expect((await shared.http.get(`/v1/players?${percentEncoded(value)}=${percentEncoded(value)}`)).status).toBe(200);
    });
  });

  test("in paths as they are, over a bare connection", async () => {
    const lines = strings.map(
      (value) => `GET /v1/regions/${value}/gamemode HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n`,
    );
    await forAll(lines, async (bytes) => {
      const status = (await rawRequest(shared.node.url, bytes))?.status ?? 400;
      expect(status, bytes).toSatisfy((value: number) => value >= 400 && value < 500);
    });
  });

  test("in headers, as bytes", async () => {
    const names = [
      "if-none-match",
      "cache-control",
      "accept",
      "user-agent",
      "x-request-id",
      "traceparent",
      "cookie",
      "accept-encoding",
    ];
    const lines = strings.flatMap((value) => {
      const header = value.replaceAll(/[\r\n]/g, " ");
      return [
        `GET /v1/regions/US/gamemode HTTP/1.1\r\nhost: h\r\n${names.map((name) => `${name}: ${header}`).join("\r\n")}\r\nconnection: close\r\n\r\n`,
      ];
    });
    await forAll(lines, async (bytes) => {
      const status = (await rawRequest(shared.node.url, bytes))?.status ?? 400;
      expect([200, 304, 400, 431], bytes).toContain(status);
    });
  });
});

describe("JSONTestSuite", () => {
  const texts = jsonTexts();
  const isTooLarge = (bytes: Buffer, path: string) => path !== "/v1/reports" && bytes.length > 4096;

  test.each(["a report", "a batch"])("as the body of %s: none is one, and none is a defect", async (what) => {
    await forAll(texts, async ({ name, bytes }) => {
      const path = what === "a batch" ? "/v1/reports" : gamemodePath(freshPlayer());
      const answer = await post(path, bytes);
      expect(answer.status, name).toBe(isTooLarge(bytes, path) ? 413 : 400);
      expectError(answer, answer.status, /./);
    });
  });

  test.each(["region", "gamemode", "seq", "extra"])("as the value of %s: what is no JSON is refused", async (field) => {
    const good = { region: "CA", gamemode: "GM01", seq: 5, extra: 1 };
    await forAll(texts, async ({ name, bytes, expect: expected }) => {
      const player = freshPlayer();
      const members = Object.entries(good).map(([key, value]) =>
        Buffer.from(`${JSON.stringify(key)}:${key === field ? "" : JSON.stringify(value)}`),
      );
      const body = Buffer.concat(
        members
          .flatMap((member, index) => [
            Buffer.from(index === 0 ? "{" : ","),
            member,
            ...(member.at(-1) === 0x3a ? [bytes] : []),
          ])
          .concat(Buffer.from("}")),
      );
      const { status } = await post(gamemodePath(player), body);
      if (body.length > 4096) expect(status, name).toBe(413);
      else if (isJson(body)) expect([200, 400], name).toContain(status);
      else expect([400], name).toContain(status);
      if (expected === "reject" && status === 200) expect(isJson(body), name).toBe(true);
      if (status === 200) await shared.http.remove(player);
    });
  });

  test("as a row of a batch", async () => {
    await forAll(texts, async ({ name, bytes }) => {
      const body = Buffer.concat([Buffer.from('{"reports":['), bytes, Buffer.from("]}")]);
      const { status, json } = await post("/v1/reports", body);
      if (!isJson(body)) expect(status, name).toBe(400);
      else if (status === 200) expect(json.accepted, name).toBe(0);
      else expect(status, name).toBe(400);
    });
  });

  function isJson(bytes: Buffer): boolean {
    try {
      JSON.parse(bytes.toString("utf8"));
      return true;
    } catch {
      return false;
    }
  }
});

describe("Poisoned prototypes", () => {
  test("as the body", async () => {
    await forAll(prototypePoisons(), async (body) => {
      expectError(await post(gamemodePath(freshPlayer()), body), 400, /./);
      expectError(await post("/v1/reports", body), 400, /./);
    });
  });

  test("cannot lend a report its fields, and do not stay", async () => {
    const report = '"region":"CA","gamemode":"GM01"';
    for (const key of ["__proto__", "\\u005f_proto__", "constructor", "prototype"]) {
      for (const body of [
        `{"${key}":{${report}}}`,
        `{"${key}":{"prototype":{${report}}}}`,
        `{"region":"CA","${key}":{"gamemode":"GM01"}}`,
      ]) {
        expectError(await post(gamemodePath(freshPlayer()), body), 400, /./);
        const row = await post("/v1/reports", `{"reports":[{"profileId":"${freshPlayer()}",${body.slice(1, -1)}}]}`);
        expect(row.status === 400 || row.json.accepted === 0, body).toBe(true);
        const rows = await post("/v1/reports", `{"${key}":{"reports":[{"profileId":"${freshPlayer()}",${report}}]}}`);
        expectError(rows, 400, /./);
      }
      // Beside good fields it is either refused or ignored.
      const player = freshPlayer();
      const beside = await post(gamemodePath(player), `{${report},"${key}":{"seq":7,"changed":7,"polluted":7}}`);
      expect([200, 400]).toContain(beside.status);
      expect(beside.text).not.toContain("polluted");
      if (beside.status === 200) {
        expect(beside.json.changed).toBe(true);
        await shared.http.remove(player);
      }
    }
    expectError(await post(gamemodePath(freshPlayer()), "{}"), 400, /./);
    expect(Object.keys((await shared.http.profile(witness.profileId)).json).toSorted()).toEqual([
      "gamemode",
      "lastSeen",
      "profileId",
      "region",
    ]);
  });
});

test("UUIDs and their lookalikes are taken by form, whatever their version", async () => {
  const values = uuidLikes();
  const distinct = [...new Map(values.map((value) => [value.toLowerCase(), value])).values()];
  expect([distinct.length, distinct.filter(isProfileId).length]).toSatisfy(
    ([all, good]: [number, number]) => good > 50 && good < all,
  );
  await forAll(distinct, async (value) => {
    const path = percentEncoded(value);
    const answer = await shared.http.report(path, { region: "CA", gamemode: "GM01" });
    if (isProfileId(value)) {
      expect([answer.status, answer.json.profileId], value).toEqual([200, value.toLowerCase()]);
      expect((await shared.http.profile(path)).json, value).toMatchObject({ profileId: value.toLowerCase() });
      expect((await shared.http.remove(path)).status).toBe(204);
    } else if (value === "") expect([400, 404]).toContain(answer.status);
    else expectError(answer, 400, /^profileId must be /);
  });
});

describe("Arbitrary input", () => {
  const anyRegion = fc.oneof(
    fc.constantFrom(...REGIONS),
    fc.constantFrom("ca", "Us", "US-CA", "fr-idf", "US-ZZ", "150"),
    fc.string({ maxLength: 3 }),
    fc.jsonValue({ maxDepth: 2 }),
  );
  const anyGamemode = fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom("GM01", "GM02", "a.b:c-d_e") },
    fc.string({ unit: "binary", maxLength: 70 }),
    fc.jsonValue({ maxDepth: 2 }),
  );
  const anySeq = fc.oneof(
    { weight: 2, arbitrary: fc.nat() },
    fc.integer({ min: -2, max: 4294967297 }),
    fc.double(),
    fc.jsonValue({ maxDepth: 1 }),
  );
  const anyReport = fc.record(
    { region: anyRegion, gamemode: anyGamemode, seq: anySeq, extra: fc.jsonValue({ maxDepth: 2 }) },
    { requiredKeys: [] },
  );

  test("of reports is taken exactly where the model takes it", async () => {
    await fc.assert(
      fc.asyncProperty(anyReport, async (given) => {
        // As it arrives: JSON has no undefined, no infinity and no -0.
        const body = JSON.stringify(given);
        const report = JSON.parse(body);
        const [player, other] = [freshPlayer(), freshPlayer()];
        const isGood = isRegion(report.region) && isGamemode(report.gamemode) && isSeq(report.seq);
        const single = await post(gamemodePath(player), body);
        const batch = await post(
          "/v1/reports",
          `{"reports":[${body.replace(/\}$/, `${body === "{}" ? "" : ","}"profileId":"${other}"}`)}]}`,
        );
        // A body that names a prototype may be refused as a whole.
        if (!/"(__proto__|constructor)"/.test(body)) {
          expect(single.status, body).toBe(isGood ? 200 : 400);
          expect([batch.status, batch.json.accepted], body).toEqual([200, isGood ? 1 : 0]);
        }
        expect([200, 400], body).toContain(single.status);
        if (single.status === 200) {
          expect((await shared.http.profile(player)).json).toMatchObject({
            region: report.region.toUpperCase(),
            gamemode: report.gamemode,
          });
        }
        await Promise.all([shared.http.remove(player), shared.http.remove(other)]);
      }),
      { numRuns: 300 },
    );
  });

  test("of bytes is refused", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (bytes) => {
        for (const path of [gamemodePath(freshPlayer()), "/v1/reports"])
          expectError(await post(path, Buffer.from(bytes)), 400, /./);
      }),
      { numRuns: 200 },
    );
  });

  test("of paths is never a defect", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.oneof(
            fc.constantFrom("v1", "profiles", "regions", "gamemode", "CA", "heartbeat", ".."),
            fc.string({ unit: "binary" }),
          ),
          { maxLength: 5 },
        ),
        async (parts) => {
          const path = `/${parts.map(percentEncoded).join("/")}`;
          for (const method of ["GET", "DELETE", "PUT"]) {
            const { status } = await shared.http.request(method, path);
            expect(status, `${method} ${path}`).toSatisfy((value: number) => value < 500);
          }
        },
      ),
      { numRuns: 200 },
    );
  });
});
