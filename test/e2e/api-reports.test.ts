/** Batches: one call for many players. */

import { describe, expect, test } from "vitest";

import { JSON_TYPE, rawRequest } from "../support/http.ts";
import { expectError, freshPlayer, freshRegion, shareNode } from "../support/shared-node.ts";
import { until } from "../support/until.ts";

const shared = shareNode();

const BATCH_ROWS_MAX = 10_000;
const BATCH_BYTES_MAX = 2 * 1024 * 1024;

const post = (body: string) =>
  shared.http.request("POST", "/v1/reports", { headers: { "content-type": "application/json" }, body });
const removals = async (): Promise<number> =>
  Number(/^headcount_removals_total (\d+)/m.exec((await shared.http.get("/metrics")).text)?.[1]);
const rowsOf = (count: number, region: string) =>
  Array.from({ length: count }, (_, index) => ({ profileId: freshPlayer(), region, gamemode: `GM0${index % 10}` }));

describe("POST /v1/reports", () => {
  test("answers exactly the fields of the contract", async () => {
    const [first, second, region] = [freshPlayer(), freshPlayer(), freshRegion()];
    const answer = await shared.http.reports([
      { profileId: first, region, gamemode: "GM01" },
      { profileId: second, region: region.toLowerCase(), gamemode: "GM02", seq: 1 },
    ]);
    expect([answer.status, answer.headers["content-type"]]).toEqual([200, JSON_TYPE]);
    expect(answer.json).toEqual({ accepted: 2, remembered: 2, rejected: [] });
    expect((await shared.http.profile(first)).json).toMatchObject({ region, gamemode: "GM01" });
    expect((await shared.http.profile(second)).json).toMatchObject({ region, gamemode: "GM02" });
  });

  test("takes a single row", async () => {
    const answer = await shared.http.reports(rowsOf(1, freshRegion()));
    expect([answer.status, answer.json]).toEqual([200, { accepted: 1, remembered: 1, rejected: [] }]);
  });

  test("keeps the order for one player", async () => {
    const [player, other, region, abroad] = [freshPlayer(), freshPlayer(), freshRegion(), freshRegion()];
    const answer = await shared.http.reports([
      { profileId: player, region, gamemode: "GM01" },
      { profileId: other, region, gamemode: "GM07" },
      { profileId: player, region: abroad, gamemode: "GM02" },
      { profileId: player.toUpperCase(), region: abroad, gamemode: "GM03" },
      { profileId: other, region, gamemode: "GM08" },
    ]);
    expect(answer.json).toEqual({ accepted: 5, remembered: 5, rejected: [] });
    expect((await shared.http.profile(player)).json).toMatchObject({ region: abroad, gamemode: "GM03" });
    expect((await shared.http.top(region)).json.gamemodes).toEqual([{ mode: "GM08", rank: 1, players: 1, share: 1 }]);
    expect((await shared.http.top(abroad)).json.gamemodes).toEqual([{ mode: "GM03", rank: 1, players: 1, share: 1 }]);
  });

  test("a row with leave disconnects its player, in order, whether or not it was connected", async () => {
    const [comes, goes, back, unknown, region] = [
      freshPlayer(),
      freshPlayer(),
      freshPlayer(),
      freshPlayer(),
      freshRegion(),
    ];
    const at = (profileId: string) => ({ profileId, region, gamemode: "GM01" });
    expect((await shared.http.reports([at(goes), at(back)])).json).toMatchObject({ accepted: 2 });
    const before = await removals();
    const answer = await shared.http.reports([
      at(comes),
      { profileId: goes.toUpperCase(), leave: true },
      { profileId: back, leave: true, region: "not looked at", gamemode: 7 },
      at(back),
      { profileId: unknown, leave: true },
      { ...at(comes), leave: false },
    ]);
    expect([answer.status, answer.json]).toEqual([200, { accepted: 6, remembered: 6, rejected: [] }]);
    for (const [player, status] of [
      [comes, 200],
      [goes, 404],
      [back, 200],
      [unknown, 404],
    ] as const)
      expect((await shared.http.profile(player)).status).toBe(status);
    expect((await shared.http.top(region)).json.players).toBe(2);
    await until("both are counted", async () => (await removals()) === before + 2);
  });

  test("a leave with a seq below the newest is accepted and changes nothing; what is none is refused by itself", async () => {
    const [player, region] = [freshPlayer(), freshRegion()];
    const row = { profileId: player, region, gamemode: "GM01" };
    const answer = await shared.http.reports([
      { ...row, seq: 5 },
      { profileId: player, leave: true, seq: 4 },
      { ...row, leave: "yes" },
      { profileId: "nobody", leave: true },
      { profileId: player, leave: true, seq: -1 },
    ]);
    expect(answer.json).toMatchObject({ accepted: 2, remembered: 2 });
    expect(answer.json.rejected).toEqual([
      {
        index: 2,
        code: "400",
        reason: "malformed",
        message: 'leave must be true where the player leaves, else false or left out, got "yes"',
      },
      expect.objectContaining({ index: 3, message: expect.stringContaining("profileId must be a UUID") }),
      expect.objectContaining({ index: 4, message: expect.stringContaining("seq must be") }),
    ]);
    expect((await shared.http.profile(player)).status).toBe(200);
    expect((await shared.http.reports([{ profileId: player, leave: true, seq: 5 }])).json).toMatchObject({
      accepted: 1,
    });
    expect((await shared.http.profile(player)).status).toBe(404);
  });

  test("obeys seq: a row that is not above the newest is accepted and changes nothing", async () => {
    const [player, region] = [freshPlayer(), freshRegion()];
    const rows = [3, 2, 5, 5, 4].map((seq) => ({ profileId: player, region, gamemode: `GM0${seq}`, seq }));
    expect((await shared.http.reports(rows)).json).toEqual({ accepted: 5, remembered: 5, rejected: [] });
    expect((await shared.http.profile(player)).json).toMatchObject({ gamemode: "GM05" });
    const anew = [
      { profileId: player, region, gamemode: "GM00", seq: 0 },
      { profileId: player, region, gamemode: "GM01", seq: 1 },
    ];
    expect((await shared.http.reports(anew)).json).toMatchObject({ accepted: 2 });
    expect((await shared.http.profile(player)).json).toMatchObject({ gamemode: "GM01" });
  });

  test("counts a player once, however often it is in the batch", async () => {
    const [player, region] = [freshPlayer(), freshRegion()];
    const row = { profileId: player, region, gamemode: "GM01" };
    expect((await shared.http.reports(Array.from({ length: 100 }, () => row))).json).toEqual({
      accepted: 100,
      remembered: 100,
      rejected: [],
    });
    expect((await shared.http.top(region)).json).toMatchObject({
      players: 1,
      gamemodes: [{ mode: "GM01", players: 1 }],
    });
    expect((await shared.http.report(player, { region, gamemode: "GM01" })).json).toMatchObject({ changed: false });
  });

  test("refuses bad rows one by one, says which and why, and lets the good ones stand", async () => {
    const region = freshRegion();
    const good = () => ({ profileId: freshPlayer(), region, gamemode: "GM01" });
    const rows = [
      good(),
      { ...good(), region: "XX" },
      { ...good(), gamemode: "-" },
      good(),
      { ...good(), seq: 1.5 },
      { ...good(), profileId: "nobody" },
      { region, gamemode: "GM01" },
      good(),
    ];
    const { status, json } = await shared.http.reports(rows);
    expect(status).toBe(200);
    expect(json).toEqual({
      accepted: 3,
      remembered: 3,
      rejected: [
        {
          index: 1,
          code: "400",
          message: 'region must be an ISO 3166-1 alpha-2 code, or an ISO 3166-2 code such as US-CA, got "XX"',
          reason: "malformed",
        },
        {
          index: 2,
          code: "400",
          message: expect.stringMatching(/^gamemode must be .*, got "-"$/),
          reason: "malformed",
        },
        { index: 4, code: "400", message: expect.stringMatching(/^seq must be .*, got 1\.5$/), reason: "malformed" },
        {
          index: 5,
          code: "400",
          message: expect.stringMatching(/^profileId must be .*, got "nobody"$/),
          reason: "malformed",
        },
        { index: 6, code: "400", message: expect.stringMatching(/^profileId must be .*, got /), reason: "malformed" },
      ],
    });
    expect((await shared.http.top(region)).json).toMatchObject({ players: 3 });
  });

  test("says of a bad row what a single report would have been told", async () => {
    for (const bad of [{ region: "XX" }, { gamemode: "é" }, { gamemode: 5 }, { seq: -1 }, { region: null }]) {
      const report = { region: "CA", gamemode: "GM01", ...bad };
      const single = await shared.http.report(freshPlayer(), report);
      const batch = await shared.http.reports([{ profileId: freshPlayer(), ...report }]);
      expect(batch.json.rejected).toEqual([{ index: 0, ...single.json }]);
    }
  });

  test.each([null, 5, "row", true, [], [{}], {}])("refuses a row that is no report: %j", async (row) => {
    const region = freshRegion();
    const { status, json } = await shared.http.reports([...rowsOf(1, region), row, ...rowsOf(1, region)]);
    expect(status).toBe(200);
    expect(json).toMatchObject({
      accepted: 2,
      remembered: 2,
      rejected: [{ index: 1, code: "400", message: expect.stringMatching(/must be/), reason: "malformed" }],
    });
    expect((await shared.http.top(region)).json).toMatchObject({ players: 2 });
  });

  test("answers 200 also where every row is refused", async () => {
    const { status, json } = await shared.http.reports(
      Array.from({ length: 50 }, () => ({ profileId: freshPlayer(), region: "XX", gamemode: "GM01" })),
    );
    expect([status, json.accepted, json.remembered, json.rejected.length]).toEqual([200, 0, 0, 50]);
  });

  test("ignores fields it does not know", async () => {
    const region = freshRegion();
    const body = { extra: 1, reports: rowsOf(1, region).map((row) => ({ ...row, extra: [1] })) };
    const answer = await shared.http.request("POST", "/v1/reports", { json: body });
    expect(answer.json).toEqual({ accepted: 1, remembered: 1, rejected: [] });
  });

  test("takes 10,000 rows, refuses 10,001 and changes nothing then", async () => {
    const region = freshRegion();
    const rows = rowsOf(BATCH_ROWS_MAX, region);
    const full = await shared.http.reports(rows);
    expect([full.status, full.json]).toEqual([
      200,
      { accepted: BATCH_ROWS_MAX, remembered: BATCH_ROWS_MAX, rejected: [] },
    ]);
    expect((await shared.http.top(region)).json).toMatchObject({ players: BATCH_ROWS_MAX });

    const abroad = freshRegion();
    const over = await shared.http.reports([...rows, rows[0]].map((row) => ({ ...row, region: abroad })));
    expectError(over, 400, /^reports must be .*10,?000/);
    expect((await shared.http.top(abroad)).json).toMatchObject({ players: 0 });
    expect((await shared.http.top(region)).json).toMatchObject({ players: BATCH_ROWS_MAX });
  });

  test.each([
    "{}",
    '{"reports":[]}',
    '{"reports":null}',
    '{"reports":5}',
    '{"reports":"x"}',
    '{"reports":{"0":{}}}',
    '{"reports":true}',
  ])("refuses a body without rows: %s", async (body) => {
    expectError(await post(body), 400, /^reports must be .*, got /);
  });

  test.each(["[]", "null", "5", '"x"', '[{"profileId":"x"}]'])("refuses a body that is no object: %s", async (body) => {
    expectError(await post(body), 400, /must be .*, got /);
  });

  test("takes 2 MiB and no byte more", async () => {
    const region = freshRegion();
    const text = JSON.stringify({ reports: rowsOf(1, region) });
    const full = await post(text.padEnd(BATCH_BYTES_MAX));
    expect(full.status, full.text).toBe(200);
    // Who refuses a body hangs up, so that the answer can be lost with a body that is still being written: none is.
    const head = `POST /v1/reports HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n`;
    const refused = await rawRequest(shared.node.url, `${head}content-length: ${BATCH_BYTES_MAX + 1}\r\n\r\n`);
    expect(refused?.status).toBe(413);
    expect((await shared.http.top(region)).json).toMatchObject({ players: 1 });
  });
});
