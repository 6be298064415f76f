/**
 * The store cannot be written: reports are counted and answered with 202, readyz says so, and all heals by itself.
 *
 * A limit on the size of files (`prlimit`, of util-linux) is as good as a full disk, and can be lifted again. It needs no root.
 */

import { execFileSync, spawnSync } from "node:child_process";
import { describe, expect, test } from "vitest";

import { freePort } from "../../scripts/free-port.ts";
import { HttpClient } from "../support/http.ts";
import { type NodeProcess, startNode } from "../support/node-process.ts";
import { countsOf, freshPlayer, TTL_MS } from "../support/shared-node.ts";
import { until } from "../support/until.ts";

const PRLIMIT = "prlimit";
const canLimit = spawnSync(PRLIMIT, ["--version"]).status === 0;
if (!canLimit)
  console.warn("Skipped: a store that cannot be written. There is no prlimit on this machine (Debian: util-linux).");

/** Every write to a file fails from now on, whatever its size, or succeeds again. */
function setDiskFull(node: NodeProcess, isFull: boolean): void {
  execFileSync(PRLIMIT, ["--pid", String(node.pid), `--fsize=${isFull ? 0 : "unlimited"}:`]);
}

describe.skipIf(!canLimit)("A full disk", () => {
  test("turns 200 into 202, shows in readyz and metrics, heals by itself and loses nothing", async () => {
    await using node = await startNode();
    await using http = new HttpClient(node.url);
    const [before, during, moving, leaving, batched, after] = Array.from({ length: 6 }, freshPlayer) as [
      string,
      string,
      string,
      string,
      string,
      string,
    ];
    for (const player of [before, moving, leaving])
      expect((await http.report(player, { region: "CA", gamemode: "GM01" })).status).toBe(200);

    setDiskFull(node, true);
    const first = await until("a report is answered with 202", async () => {
      const answer = await http.report(during, { region: "CA", gamemode: "GM02" });
      expect([200, 202], answer.text).toContain(answer.status);
      if (answer.status === 202) return answer;
      // What was written ahead of the fault may still land: move on until the fault shows.
      expect((await http.remove(during)).status).toBeLessThan(300);
      return false;
    });
    expect(first.json).toEqual({
      profileId: during,
      region: "CA",
      gamemode: "GM02",
      changed: true,
      renewInMs: expect.any(Number),
    });
    expect(first.json.renewInMs, "short").toBeLessThan((TTL_MS / 3) * 0.8);
    expect(first.json.renewInMs).toBeGreaterThan(0);

    expect(await http.report(moving, { region: "FR", gamemode: "GM03" })).toMatchObject({
      status: 202,
      json: { changed: true },
    });
    expect((await http.remove(leaving)).status).toBe(202);
    expect(
      await http.reports([{ profileId: batched, region: "FR", gamemode: "GM03" }, { region: "XX" }]),
    ).toMatchObject({
      status: 202,
      json: { accepted: 1, remembered: 0, rejected: [{ index: 1, code: "400" }] },
    });
    // No answer overtakes the log: a repeated report is not remembered either.
    expect(await http.report(moving, { region: "FR", gamemode: "GM03" })).toMatchObject({
      status: 202,
      json: { changed: false },
    });

    // All of it is counted, and read as ever.
    expect((await http.profile(during)).json).toMatchObject({ gamemode: "GM02" });
    expect((await http.profile(leaving)).status).toBe(404);
    expect((await http.top("FR")).json).toMatchObject({ players: 2, gamemodes: [{ mode: "GM03", players: 2 }] });
    expect((await http.top("CA")).json).toMatchObject({ players: 2 });
    expect((await http.get("/livez")).status).toBe(200);
    const readiness = await http.get("/readyz");
    expect([readiness.status, readiness.json]).toEqual([
      200,
      { status: "degraded", reason: expect.stringMatching(/./) },
    ]);
    expect((await http.get("/metrics")).text).toMatch(/^headcount_\w+(\{[^}]*\})? [1-9]/m);

    setDiskFull(node, false);
    await until("the node is ready again", async () => (await http.get("/readyz")).json.status === "ready");
    await until(
      "reports are answered with 200 again",
      async () => (await http.report(after, { region: "CA", gamemode: "GM04" })).status === 200,
    );

    // A 200 after the fault vouches for everything before it.
    node.kill("SIGKILL");
    await node.exited;
    await using again = await startNode({ dataDir: node.dataDir });
    await using client = new HttpClient(again.url);
    expect((await client.profile(before)).json).toMatchObject({ region: "CA", gamemode: "GM01" });
    expect((await client.profile(during)).json).toMatchObject({ region: "CA", gamemode: "GM02" });
    expect((await client.profile(moving)).json).toMatchObject({ region: "FR", gamemode: "GM03" });
    expect((await client.profile(batched)).json).toMatchObject({ region: "FR", gamemode: "GM03" });
    expect((await client.profile(after)).json).toMatchObject({ region: "CA", gamemode: "GM04" });
    expect((await client.profile(leaving)).status).toBe(404);
    expect((await countsOf(client)).players).toBe(5);
  });

  test("is waited for by a node that stops, so that it stores everything once there is room", async () => {
    await using node = await startNode();
    const player = freshPlayer();
    let moves = 0;
    {
      await using http = new HttpClient(node.url);
      setDiskFull(node, true);
      await until(
        "a report is answered with 202",
        async () => (await http.report(player, { region: "CA", gamemode: `GM${++moves}` })).status === 202,
      );
    }
    node.kill("SIGTERM");
    await until("the node accepts no more", async () => {
      const answer = await fetch(`${node.url}/livez`).catch(() => undefined);
      await answer?.arrayBuffer();
      return answer === undefined;
    });
    setDiskFull(node, false);
    expect(await node.exited).toEqual({ code: 0, signal: null });

    await using again = await startNode({ dataDir: node.dataDir });
    await using client = new HttpClient(again.url);
    expect((await client.profile(player)).json).toMatchObject({ region: "CA", gamemode: `GM${moves}` });
  });
});

test("Redis is away at the start: the log has its address, and nobody outside is told", async () => {
  const [port, redisPort] = [await freePort(), await freePort()];
  let kill: ((signal: NodeJS.Signals) => boolean) | undefined;
  const starting = startNode({
    env: { HEADCOUNT_PORT: `${port}`, HEADCOUNT_REDIS_URL: `redis://127.0.0.1:${redisPort}` },
    onSpawn: (by) => (kill = by),
  }).catch(String);
  await using http = new HttpClient(`http://127.0.0.1:${port}`);
  const readiness = await until("it says why it is not ready", async () => {
    const answer = await http.get("/readyz").catch(() => undefined);
    return answer?.text.includes("cannot be reached") === true && answer;
  });
  const answers = [
    readiness,
    await http.get("/v1/players"),
    await http.get("/v1/regions"),
    await http.get("/v1/modes"),
    await http.get("/v1/regions/CA/gamemode"),
    await http.profile(freshPlayer()),
    await http.report(freshPlayer(), { region: "CA", gamemode: "GM01" }),
    await http.heartbeat(freshPlayer()),
    await http.remove(freshPlayer()),
    await http.reports([{ profileId: freshPlayer(), region: "CA", gamemode: "GM01" }]),
  ];
  for (const { status, headers, text } of answers) {
    expect([status, headers["retry-after"], headers["cache-control"]], text).toEqual([503, "1", "no-store"]);
    expect(text).not.toMatch(/\d{4,}|127\.0|ECONN|redis:/);
  }
  kill?.("SIGKILL");
  expect(await starting).toContain(`${redisPort}`);
});
