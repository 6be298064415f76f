/** A cluster knows at most 1024 distinct modes, so that nobody can fill it with made-up ones. */

import { expect, test } from "vitest";

import { itemAt } from "../../simulator/item-at.ts";
import { HttpClient } from "../support/http.ts";
import { startNode } from "../support/node-process.ts";
import { countsOf, expectError, freshPlayer } from "../support/shared-node.ts";
import { until } from "../support/until.ts";

const MODES_MAX = 1024;
const rows = (count: number, from = 0) =>
  Array.from({ length: count }, (_, index) => ({
    profileId: freshPlayer(),
    region: "CA",
    gamemode: `made.up-${from + index}`,
  }));

test.concurrent("The 1025th distinct mode is refused, and says why", async () => {
  await using node = await startNode();
  await using http = new HttpClient(node.url);
  const first = rows(MODES_MAX - 1);
  expect((await http.reports(first)).json).toEqual({
    accepted: MODES_MAX - 1,
    remembered: MODES_MAX - 1,
    rejected: [],
  });
  // What is refused for another reason, or known already, takes no room.
  for (const bad of [{ region: "XX" }, { seq: -1 }]) {
    expectError(await http.report(freshPlayer(), { region: "CA", gamemode: "refused", ...bad }), 400, /must be/);
  }
  expect((await http.report(freshPlayer(), { region: "FR", gamemode: "made.up-0" })).status).toBe(200);
  expect((await http.report(freshPlayer(), { region: "FR", gamemode: "last" })).status).toBe(200);

  const [player, newcomer] = [itemAt(first, 0).profileId, freshPlayer()];
  for (const profileId of [player, newcomer]) {
    const refused = await http.report(profileId, { region: "CA", gamemode: "one.more" });
    expectError(refused, 503, /1,?024/);
    expect(refused.headers["retry-after"]).toBe("1");
    const { json } = await http.reports([{ profileId, region: "CA", gamemode: "one.more" }, ...first.slice(1, 3)]);
    expect(json).toMatchObject({
      accepted: 2,
      rejected: [{ index: 0, code: "503", message: expect.stringMatching(/1,?024/), reason: "no-room" }],
    });
  }
  // Who was refused is where it was.
  expect((await http.profile(player)).json).toMatchObject({ gamemode: "made.up-0" });
  expect((await http.profile(newcomer)).status).toBe(404);
  expect((await http.report(newcomer, { region: "CA", gamemode: "last" })).status).toBe(200);
  expect((await http.top("CA")).json).toMatchObject({ players: MODES_MAX });
});

test.concurrent.each(["log", "none"])(
  "One player who goes through modes without end leaves room for the others: %s",
  async (durability) => {
    await using node = await startNode({ env: { HEADCOUNT_DURABILITY: durability } });
    await using http = new HttpClient(node.url);
    const profileId = freshPlayer();
    for (let round = 0; round < 5; round++) {
      const { json } = await http.reports(rows(2 * MODES_MAX, round * 10_000).map((row) => ({ ...row, profileId })));
      expect(json).toEqual({ accepted: 2 * MODES_MAX, remembered: 2 * MODES_MAX, rejected: [] });
      expect((await http.report(freshPlayer(), { region: "CA", gamemode: `real-${round}` })).status).toBe(200);
    }
    await http.reports(rows(10_000, 100_000).map((row) => ({ ...row, profileId })));
    expect((await http.report(freshPlayer(), { region: "CA", gamemode: "last" })).status).toBe(200);
    const again = [
      { profileId, region: "CA", gamemode: "first" },
      ...rows(9000, 200_000).map((row) => ({ ...row, profileId })),
      { profileId, region: "CA", gamemode: "first" },
    ];
    const { json } = await http.reports(again);
    expect(json.rejected.every(({ code }: { code: string }) => code === "503")).toBe(true);
    expect((await http.top("CA", 10)).json).toMatchObject({ players: 7 });
    expect((await http.report(profileId, { region: "CA", gamemode: "first" })).status).toBe(200);
    expect((await http.top("CA", 10)).json.gamemodes.map(({ mode }: { mode: string }) => mode)).toEqual([
      "first",
      "last",
      ...[0, 1, 2, 3, 4].map((round) => `real-${round}`),
    ]);
  },
);

test.concurrent("A mode that its only player leaves makes room at once", async () => {
  await using node = await startNode();
  await using http = new HttpClient(node.url);
  const [first, ...others] = rows(MODES_MAX);
  await http.reports([first, ...others]);
  expectError(await http.report(freshPlayer(), { region: "CA", gamemode: "one.more" }), 503, /1,?024/);
  await http.remove(first!.profileId);
  expect((await http.report(freshPlayer(), { region: "CA", gamemode: "one.more" })).status).toBe(200);
});

test.concurrent("The limit and the modes outlive a restart", async () => {
  await using node = await startNode();
  {
    await using http = new HttpClient(node.url);
    await http.reports(rows(MODES_MAX));
  }
  node.kill("SIGKILL");
  await node.exited;
  await using again = await startNode({ dataDir: node.dataDir });
  await using http = new HttpClient(again.url);
  expect((await http.top("CA")).json).toMatchObject({ players: MODES_MAX });
  expectError(await http.report(freshPlayer(), { region: "CA", gamemode: "one.more" }), 503, /1,?024/);
  expect((await http.report(freshPlayer(), { region: "CA", gamemode: "made.up-7" })).status).toBe(200);
});

test.concurrent("A mode in which nobody has been for a session's life is forgotten and makes room", async () => {
  await using node = await startNode({ env: { HEADCOUNT_SESSION_TTL_MS: "1500" } });
  await using http = new HttpClient(node.url);
  const players = rows(MODES_MAX);
  await http.reports(players);
  expectError(await http.report(freshPlayer(), { region: "CA", gamemode: "one.more" }), 503, /1,?024/);
  await until("the players have gone silent and a mode was forgotten", async () => {
    const { status } = await http.report(freshPlayer(), { region: "FR", gamemode: "one.more" });
    return status === 200;
  });
  await until("all are forgotten", async () => {
    const { json } = await http.reports(rows(500, 5000));
    return json.accepted === 500;
  });
  expect((await countsOf(http)).regions).not.toHaveProperty("XX");
  expect((await http.top("FR")).json).toMatchObject({ gamemodes: [{ mode: "one.more" }] });
});
