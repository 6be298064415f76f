/** Who is not heard of for a session's life is disconnected by the service. */

import { expect, test } from "vitest";

import { HttpClient } from "../support/http.ts";
import { startNode } from "../support/node-process.ts";
import { countsOf, expectPace, freshPlayer, freshRegion, shareNode } from "../support/shared-node.ts";
import { until } from "../support/until.ts";

const TTL_MS = 1200;
const shared = shareNode({ env: { HEADCOUNT_SESSION_TTL_MS: String(TTL_MS) } });
const isConnected = async (player: string): Promise<boolean> => {
  const { status } = await shared.http.profile(player);
  expect([200, 404]).toContain(status);
  return status === 200;
};

test.concurrent("A silent player is disconnected, not before its time, and is counted nowhere", async () => {
  const [player, region] = [freshPlayer(), freshRegion()];
  const sentAtMs = performance.now();
  const { json } = await shared.http.report(player, { region, gamemode: "GM01" });
  expectPace(json.renewInMs, TTL_MS);
  await until("the player is disconnected", async () => !(await isConnected(player)));
  expect(performance.now() - sentAtMs).toBeGreaterThanOrEqual(TTL_MS);
  expect((await shared.http.heartbeat(player)).status).toBe(404);
  expect((await shared.http.top(region)).json).toMatchObject({ players: 0, gamemodes: [] });
  await until("no count includes the player", async () => !(region in (await countsOf(shared.http)).regions));
  expect((await shared.http.report(player, { region, gamemode: "GM01" })).json).toMatchObject({ changed: true });
});

test.concurrent("Sessions renewed by a heartbeat, a repeated report, a move or a batch go on while a silent one ends", async () => {
  const [silent, beating, repeating, moving, batched] = Array.from({ length: 5 }, freshPlayer) as [
    string,
    string,
    string,
    string,
    string,
  ];
  const region = freshRegion();
  const row = (profileId: string) => ({ profileId, region, gamemode: "GM01" });
  await shared.http.reports([silent, beating, repeating, moving, batched].map(row));
  let moves = 0;
  let endings = 0;
  // Twice over, so that the renewed ones live longer than a session with all its slack.
  let current = silent;
  await until("two silent players in a row are disconnected", async () => {
    expect((await shared.http.heartbeat(beating)).status).toBe(204);
    expect((await shared.http.report(repeating, { region, gamemode: "GM01" })).json).toMatchObject({ changed: false });
    expect((await shared.http.report(moving, { region, gamemode: `GM0${++moves % 2}` })).json).toMatchObject({
      changed: true,
    });
    expect((await shared.http.reports([row(batched)])).json).toMatchObject({ accepted: 1 });
    if (await isConnected(current)) return false;
    current = freshPlayer();
    await shared.http.report(current, { region, gamemode: "GM01" });
    return ++endings === 2;
  });
  for (const player of [beating, repeating, moving, batched]) expect(await isConnected(player)).toBe(true);
});

test.concurrent("Reports with a stale seq and reads are no sign of life", async () => {
  const [player, region] = [freshPlayer(), freshRegion()];
  await shared.http.report(player, { region, gamemode: "GM01", seq: 5 });
  await until("the player is disconnected in spite of stale reports", async () => {
    if (!(await isConnected(player))) return true;
    const { json } = await shared.http.report(player, { region, gamemode: "GM02", seq: 4 });
    // Changed only where the session ended between the two calls: then there was no newer seq to be older than.
    return json.changed;
  });
});

test.concurrent("Players outlive a crash by a grace, and expire then", async () => {
  const env = { HEADCOUNT_SESSION_TTL_MS: "1000", HEADCOUNT_LEASE_MS: "1000", HEADCOUNT_REQUEST_DEADLINE_MS: "500" };
  await using node = await startNode({ env });
  const players = Array.from({ length: 50 }, freshPlayer);
  {
    await using http = new HttpClient(node.url);
    await http.reports(players.map((profileId) => ({ profileId, region: "CA", gamemode: "GM01" })));
  }
  node.kill("SIGKILL");
  await node.exited;
  await using again = await startNode({ env, dataDir: node.dataDir });
  await using http = new HttpClient(again.url);
  expect((await http.top("CA")).json).toMatchObject({ players: 50 });
  await until("those not heard of again have expired", async () => (await countsOf(http)).players === 0);
  for (const player of players) expect((await http.profile(player)).status).toBe(404);
});
