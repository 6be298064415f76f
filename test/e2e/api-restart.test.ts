/** Starting, stopping and starting again: what was acknowledged stays. */

import { readdir, readFile, writeFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { describe, expect, test } from "vitest";

import { itemAt, take } from "../../simulator/item-at.ts";
import { gamemodePath, HttpClient } from "../support/http.ts";
import { type NodeProcess, runToExit, startNode } from "../support/node-process.ts";
import { countsOf, errorsLogged, freshPlayer } from "../support/shared-node.ts";
import { until } from "../support/until.ts";

const ends: readonly (readonly [
  signal: NodeJS.Signals,
  exit: { code: number | null; signal: NodeJS.Signals | null },
])[] = [
  ["SIGTERM", { code: 0, signal: null }],
  ["SIGINT", { code: 0, signal: null }],
  ["SIGKILL", { code: null, signal: "SIGKILL" }],
];

describe.concurrent.each(ends)("A node that ends by %s", (signal, exit) => {
  test("starts again with its players, their order and its removals, twice", async () => {
    await using first = await startNode();
    const [still, moved, removed, silent, sequenced] = Array.from({ length: 5 }, freshPlayer) as [
      string,
      string,
      string,
      string,
      string,
    ];
    const crowd = Array.from({ length: 500 }, (_, index) => ({
      profileId: freshPlayer(),
      region: "DE",
      gamemode: `GM0${index % 5}`,
    }));
    let seenMs = 0;
    {
      await using http = new HttpClient(first.url);
      for (const player of [still, moved, removed, silent])
        await http.report(player, { region: "CA", gamemode: "GM01" });
      await http.report(sequenced, { region: "NA", gamemode: "GM07", seq: 7 });
      await http.report(moved, { region: "FR", gamemode: "GM02" });
      await http.remove(removed);
      await http.reports(crowd);
      await http.heartbeat(silent);
      seenMs = Date.now();
    }
    first.kill(signal);
    expect(await first.exited).toEqual(exit);
    expect(errorsLogged(first)).toEqual([]);

    let { dataDir } = first;
    for (let restarts = 0; restarts < 2; restarts++) {
      await using node = await startNode({ dataDir });
      dataDir = node.dataDir;
      await using http = new HttpClient(node.url);
      expect((await http.profile(still)).json).toMatchObject({ region: "CA", gamemode: "GM01" });
      expect((await http.profile(moved)).json).toMatchObject({ region: "FR", gamemode: "GM02" });
      expect((await http.profile(removed)).status).toBe(404);
      expect((await http.profile(sequenced)).json).toMatchObject({ region: "NA", gamemode: "GM07" });
      // The player was heard of then or later: not after it was last heard of at all.
      expect(Date.parse((await http.profile(silent)).json.lastSeen)).toBeLessThanOrEqual(seenMs);
      expect((await http.report(sequenced, { region: "CA", gamemode: "GM01", seq: 7 })).json).toMatchObject({
        changed: false,
        region: "NA",
      });
      expect((await http.top("CA")).json).toMatchObject({ players: 2, gamemodes: [{ mode: "GM01", players: 2 }] });
      expect((await http.top("DE")).json.gamemodes.map((row: { players: number }) => row.players)).toEqual([
        100, 100, 100, 100, 100,
      ]);
      expect(await countsOf(http)).toEqual({ players: 504, regions: { DE: 500, CA: 2, FR: 1, NA: 1 } });
      node.kill(signal);
      expect(await node.exited).toEqual(exit);
    }
  });
});

test.concurrent("Each start is a new incarnation of the same node", async () => {
  await using first = await startNode();
  const identity = async (node: NodeProcess) => {
    await using http = new HttpClient(node.url);
    return (await http.get("/v1/node")).json;
  };
  const before = await identity(first);
  expect(await first.stop()).toBe(0);
  await using second = await startNode({ dataDir: first.dataDir });
  const after = await identity(second);
  expect(after.incarnation).not.toBe(before.incarnation);
});

test.concurrent("SIGTERM lets what is in flight finish, and stores it", async () => {
  await using node = await startNode();
  const player = freshPlayer();
  const body = JSON.stringify({ region: "CA", gamemode: "GM01" });
  const socket = connect(node.port, "127.0.0.1").setEncoding("utf8");
  let received = "";
  socket.on("data", (text) => (received += text)).on("error", () => {});
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  socket.write(
    `POST ${gamemodePath(player)} HTTP/1.1\r\nhost: h\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\nexpect: 100-continue\r\n\r\n`,
  );
  // "100 Continue" proves that the request has begun before the signal comes.
  await until("the node asks for the body", () => received.includes("100 Continue"));
  node.kill("SIGTERM");
  await until("the node accepts no more", async () => {
    try {
      await fetch(`${node.url}/livez`, { headers: { connection: "close" } });
      return false;
    } catch {
      return true;
    }
  });
  socket.write(body);
  await closed;
  expect(received).toMatch(/HTTP\/1\.1 200 OK/);
  expect(await node.exited).toEqual({ code: 0, signal: null });

  await using again = await startNode({ dataDir: node.dataDir });
  await using http = new HttpClient(again.url);
  expect((await http.profile(player)).json).toMatchObject({ region: "CA", gamemode: "GM01" });
});

test("SIGTERM under load: every answer given holds, and nobody waits for a timeout", async () => {
  await using node = await startNode({ env: { HEADCOUNT_RATE_PROFILE: "0" } });
  const clients = 40;
  const http = new HttpClient(node.url, clients);
  const players = Array.from({ length: clients }, () => ({ profileId: freshPlayer(), answered: 0, sent: 0 }));
  const modeOf = (count: number) => `load-${count % 500}`;
  let answers = 0;
  const driving = players.map(async (player) => {
    for (;;) {
      player.sent++;
      const answer = await http
        .report(player.profileId, { region: "CA", gamemode: modeOf(player.sent), seq: player.sent })
        .catch(() => undefined);
      if (answer === undefined) return; // the connection was closed, or no new one accepted
      expect([200, 503], answer.text).toContain(answer.status);
      if (answer.status === 503) return;
      player.answered = player.sent;
      answers++;
    }
  });
  await until("the load is under way", () => answers > 2000);
  const signalledAtMs = performance.now();
  node.kill("SIGTERM");
  await Promise.all(driving);
  // The client keeps its connections: it is the node that has to end them.
  expect(await node.exited).toEqual({ code: 0, signal: null });
  expect(performance.now() - signalledAtMs).toBeLessThan(8000);
  expect(errorsLogged(node)).toEqual([]);
  await http[Symbol.asyncDispose]();

  await using again = await startNode({ dataDir: node.dataDir });
  await using client = new HttpClient(again.url);
  for (const { profileId, answered, sent } of players) {
    const { json } = await client.profile(profileId);
    expect([modeOf(answered), modeOf(sent)], profileId).toContain(json.gamemode);
  }
});

test.concurrent("SIGTERM does not wait for clients that only keep their connection", async () => {
  await using node = await startNode();
  await using http = new HttpClient(node.url);
  await http.get("/livez");
  const idle = connect(node.port, "127.0.0.1").on("error", () => {});
  await new Promise<void>((resolve) => idle.once("connect", () => resolve()));
  expect(await node.stop()).toBe(0);
  idle.destroy();
});

test.concurrent("HEADCOUNT_DURABILITY=snapshot stores everything when it is stopped", async () => {
  const env = { HEADCOUNT_DURABILITY: "snapshot" };
  await using node = await startNode({ env });
  const player = freshPlayer();
  {
    await using http = new HttpClient(node.url);
    expect((await http.report(player, { region: "CA", gamemode: "GM01", seq: 3 })).status).toBe(200);
  }
  expect(await node.stop()).toBe(0);
  expect(node.stderr).toContain("stored everything");
  await using again = await startNode({ env, dataDir: node.dataDir });
  await using http = new HttpClient(again.url);
  expect((await http.profile(player)).json).toMatchObject({ region: "CA", gamemode: "GM01" });
  expect((await http.report(player, { region: "CA", gamemode: "GM02", seq: 3 })).json).toMatchObject({
    changed: false,
  });
});

test.concurrent("HEADCOUNT_DURABILITY=none serves all the same, and does not say that it stored anything", async () => {
  await using node = await startNode({ env: { HEADCOUNT_DURABILITY: "none" } });
  await using http = new HttpClient(node.url);
  const player = freshPlayer();
  expect((await http.report(player, { region: "CA", gamemode: "GM01" })).status).toBe(200);
  expect((await http.reports([{ profileId: player, region: "FR", gamemode: "GM01" }])).status).toBe(200);
  expect((await http.profile(player)).json).toMatchObject({ region: "FR" });
  expect((await http.remove(player)).status).toBe(204);
  expect(await node.stop()).toBe(0);
  expect(node.stderr).toContain("stopped");
  expect(node.stderr).not.toContain("stored");
});

test.concurrent("A second process on the same folder is refused in one plain line, and the first goes on", async () => {
  await using node = await startNode();
  await using http = new HttpClient(node.url);
  const player = freshPlayer();
  await http.report(player, { region: "CA", gamemode: "GM01" });
  const second = await runToExit({ dataDir: node.dataDir });
  expect(second.code).toBeGreaterThan(0);
  expect(second.stdout).toBe("");
  expect(second.stderr.trimEnd().split("\n")).toHaveLength(1);
  expect(second.stderr).toContain(node.dataDir);
  expect(second.stderr).not.toMatch(/^\{|\bat .*:\d+:\d+/m);
  expect((await http.report(player, { region: "CA", gamemode: "GM02" })).status).toBe(200);
  expect((await http.get("/readyz")).json).toEqual({ status: "ready" });
  expect(await node.stop()).toBe(0);
  await using third = await startNode({ dataDir: node.dataDir });
  await using client = new HttpClient(third.url);
  expect((await client.profile(player)).json).toMatchObject({ gamemode: "GM02" });
});

test.concurrent("A port that is taken stops the start in one plain line", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  try {
    const { port } = server.address() as { port: number };
    const { code, stderr } = await runToExit({ env: { HEADCOUNT_PORT: String(port) } });
    expect(code).toBeGreaterThan(0);
    const plain = stderr
      .trimEnd()
      .split("\n")
      .filter((line) => !line.startsWith("{"));
    expect(plain).toEqual([expect.stringContaining(String(port))]);
  } finally {
    server.close();
  }
});

test.concurrent("The number of partitions is fixed when the folder is made", async () => {
  await using node = await startNode({ env: { HEADCOUNT_PARTITIONS: "16" } });
  expect(await node.stop()).toBe(0);
  const other = await runToExit({ dataDir: node.dataDir, env: { HEADCOUNT_PARTITIONS: "32" } });
  expect(other.code).toBeGreaterThan(0);
  expect(
    other.stderr
      .trimEnd()
      .split("\n")
      .filter((line) => !line.startsWith("{")),
  ).toEqual([expect.stringMatching(/HEADCOUNT_PARTITIONS.*\b16\b.*\b32\b|HEADCOUNT_PARTITIONS.*\b32\b.*\b16\b/)]);
});

test.concurrent("A damaged file stops the start, unchanged; HEADCOUNT_REPAIR=1 goes on with what is left, and invents nothing", async () => {
  await using node = await startNode();
  const rows = Array.from({ length: 3000 }, (_, index) => ({
    profileId: freshPlayer(),
    region: "DE",
    gamemode: `GM${index % 7}`,
  }));
  {
    await using http = new HttpClient(node.url);
    expect((await http.reports(rows)).json).toMatchObject({ remembered: 3000 });
  }
  expect(await node.stop()).toBe(0);

  const files = await Promise.all(
    (await readdir(node.dataDir)).map(async (name) => {
      const path = join(node.dataDir, name);
      return { path, bytes: await readFile(path) };
    }),
  );
  const [largest] = take(
    1,
    files.toSorted((a, b) => b.bytes.length - a.bytes.length),
  );
  const damaged = Buffer.from(largest.bytes);
  // A few bytes here and there, since not every place holds data.
  for (let at = 6000; at < damaged.length; at += 4096) damaged.fill(0xa5, at, at + 100);
  await writeFile(largest.path, damaged);

  const refused = await runToExit({ dataDir: node.dataDir });
  expect(refused.code).toBeGreaterThan(0);
  expect(refused.stdout).toBe("");
  expect(refused.stderr).toContain(node.dataDir);
  expect(refused.stderr).toContain("HEADCOUNT_REPAIR=1");
  expect(refused.stderr).not.toMatch(/\bat .*:\d+:\d+/);
  expect(damaged.equals(await readFile(largest.path))).toBe(true);

  await using repaired = await startNode({ dataDir: node.dataDir, env: { HEADCOUNT_REPAIR: "1" } });
  await using http = new HttpClient(repaired.url);
  let connected = 0;
  await Promise.all(
    rows.map(async ({ profileId, region, gamemode }) => {
      const { status, json } = await http.profile(profileId);
      expect([200, 404]).toContain(status);
      if (status === 404) return;
      expect(json, profileId).toMatchObject({ region, gamemode });
      connected++;
    }),
  );
  expect(await countsOf(http)).toEqual({ players: connected, regions: connected === 0 ? {} : { DE: connected } });
  expect((await http.report(itemAt(rows, 0).profileId, { region: "CA", gamemode: "GM1" })).status).toBe(200);
  expect(await repaired.stop()).toBe(0);
  await using again = await startNode({ dataDir: node.dataDir });
  await using client = new HttpClient(again.url);
  expect((await client.profile(itemAt(rows, 0).profileId)).json).toMatchObject({ region: "CA" });
});
