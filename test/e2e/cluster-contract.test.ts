/** The contract with clients, call by call, each call at a node drawn at random: a client cannot tell three nodes from one. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { itemAt, nonEmpty } from "../../simulator/item-at.ts";
import { type ClusterProcesses, startCluster } from "../support/cluster.ts";
import { type Answer, gamemodePath, HttpClient, JSON_TYPE, NO_CACHE, type RequestOptions } from "../support/http.ts";
import { hasRedis } from "../support/redis-server.ts";
import { SeededRandom } from "../../simulator/seeded-random.ts";
import {
  errorsLogged,
  expectError,
  expectPace,
  freshPlayer,
  freshRegion,
  RFC_3339_MS,
} from "../support/shared-node.ts";
import { until } from "../support/until.ts";

const NIL = "00000000-0000-0000-0000-000000000000";

describe.skipIf(!hasRedis)("The contract at any node of three", () => {
  const random = SeededRandom.fromEnvironment();
  let cluster: ClusterProcesses;
  let clients: HttpClient[];

  beforeAll(async () => {
    cluster = await startCluster({ nodes: 3 });
    clients = cluster.nodes.map(({ url }) => new HttpClient(url));
  });

  afterAll(async () => {
    await using ending = cluster;
    for (const client of clients) await client[Symbol.asyncDispose]();
    const alive = ending.nodes.slice(0, 2); // the last test killed one
    const codes = await Promise.all(alive.map((node) => node.stop()));
    expect(codes, ending.nodes.map(({ stderr }) => stderr).join("\n")).toEqual([0, 0]);
    expect(ending.nodes.flatMap(errorsLogged)).toEqual([]);
  });

  const anyNode = (): HttpClient => random.pick(clients);
  const request = (method: string, path: string, options?: RequestOptions): Promise<Answer> =>
    anyNode().request(method, path, options);
  const report = (player: string, json: unknown): Promise<Answer> => request("POST", gamemodePath(player), { json });
  const top = (region: string, query = ""): Promise<Answer> =>
    request("GET", `/v1/regions/${region}/gamemode${query}`, NO_CACHE);

  test("POST gamemode connects, moves and renews; ids come back in lower case, regions in upper", async () => {
    const [player, region, other] = [freshPlayer(), freshRegion(), freshRegion()];
    const body = { profileId: player, region, gamemode: "GM01", changed: true, renewInMs: expect.any(Number) };
    const connected = await report(player.toUpperCase(), { region: region.toLowerCase(), gamemode: "GM01" });
    expect([connected.status, connected.json, connected.headers["content-type"]]).toEqual([200, body, JSON_TYPE]);
    expectPace(connected.json.renewInMs);
    expect((await report(player, { region, gamemode: "GM01" })).json).toEqual({ ...body, changed: false });
    expect((await report(player, { region: other, gamemode: "GM01" })).json).toEqual({ ...body, region: other });
    expect((await top(region)).json.players).toBe(0);
    expect((await top(other)).json.players).toBe(1);
  });

  test("seq orders the reports of a player whatever nodes take them, also across a removal", async () => {
    const [player, region] = [freshPlayer(), freshRegion()];
    const send = async (seq: number | undefined, gamemode: string): Promise<unknown> => {
      const { status, json } = await report(player, { region, gamemode, seq });
      return [status, json.gamemode, json.changed];
    };
    expect(await send(7, "GM07")).toEqual([200, "GM07", true]);
    expect(await send(6, "GM06")).toEqual([200, "GM07", false]);
    expect(await send(7, "GM07")).toEqual([200, "GM07", false]);
    expect(await send(undefined, "GMxx")).toEqual([200, "GMxx", true]);
    expect(await send(7, "GM07")).toEqual([200, "GMxx", false]);
    expect(await send(8, "GM08")).toEqual([200, "GM08", true]);
    expect((await request("DELETE", gamemodePath(player))).status).toBe(204);
    await send(8, "GM08");
    expect((await request("GET", gamemodePath(player))).status).toBe(404);
    expect(await send(0, "GM00")).toEqual([200, "GM00", true]);
    expect(await send(1, "GM01")).toEqual([200, "GM01", true]);
  });

  test("GET gamemode, PUT heartbeat and DELETE gamemode find the player, or say that it is not connected", async () => {
    const [player, region] = [freshPlayer(), freshRegion()];
    await report(player, { region, gamemode: "GM01" });
    const { status, json } = await request("GET", gamemodePath(player));
    expect([status, json]).toEqual([
      200,
      { profileId: player, region, gamemode: "GM01", lastSeen: expect.stringMatching(RFC_3339_MS) },
    ]);
    const renewed = await request("PUT", `/v1/profiles/${player}/heartbeat`);
    expect([renewed.status, renewed.text]).toEqual([204, ""]);
    expectPace(Number(renewed.headers["renew-in-ms"]));
    for (let time = 0; time < 3; time++) expect((await request("DELETE", gamemodePath(player))).status).toBe(204);
    for (let time = 0; time < 3; time++) {
      expectError(await request("GET", gamemodePath(player)), 404, /./);
      expectError(await request("PUT", `/v1/profiles/${player}/heartbeat`), 404, /./);
    }
    expect((await top(region)).json).toMatchObject({ players: 0, gamemodes: [] });
  });

  test("POST reports takes good rows wherever their players are, in order for each, and tells bad ones by place", async () => {
    const [region, other] = [freshRegion(), freshRegion()];
    const [mover, late] = [freshPlayer(), freshPlayer()];
    const good = Array.from({ length: 300 }, () => ({ profileId: freshPlayer(), region, gamemode: "GM01" }));
    const reports: unknown[] = [
      { profileId: mover, region, gamemode: "GM01" },
      { profileId: late, region, gamemode: "GM02", seq: 9 },
      { profileId: NIL, region, gamemode: "GM01" },
      ...good,
      { profileId: late, region, gamemode: "GM03", seq: 8 },
      { profileId: freshPlayer(), region: "XX", gamemode: "GM01" },
      { profileId: mover, region: other, gamemode: "GM04" },
      null,
      ...good.slice(0, 100).map(({ profileId }) => ({ profileId, leave: true })),
    ];
    const { status, json } = await request("POST", "/v1/reports", { json: { reports } });
    expect([status, json.accepted, json.remembered]).toEqual([200, 404, 404]);
    expect(json.rejected.map(({ index, code }: { index: number; code: string }) => [index, code])).toEqual([
      [2, "400"],
      [304, "400"],
      [306, "400"],
    ]);
    expect((await top(region)).json.gamemodes).toEqual([
      { mode: "GM01", rank: 1, players: 200, share: 0.995 },
      { mode: "GM02", rank: 2, players: 1, share: 0.005 },
    ]);
    expect((await top(other)).json).toMatchObject({ players: 1, gamemodes: [{ mode: "GM04" }] });
  });

  test("GET a region's modes ranks by players, then by name, under one ETag; 304 tells as of when", async () => {
    const region = freshRegion();
    const modes = ["b", "B", "a", "c", "c"];
    const reports = modes.map((gamemode) => ({ profileId: freshPlayer(), region, gamemode }));
    await request("POST", "/v1/reports", { json: { reports } });
    const first = await top(region, "?top=3");
    expect(first.json).toEqual({
      region,
      players: 5,
      asOf: expect.stringMatching(RFC_3339_MS),
      gamemodes: [
        { mode: "c", rank: 1, players: 2, share: 0.4 },
        { mode: "B", rank: 2, players: 1, share: 0.2 },
        { mode: "a", rank: 3, players: 1, share: 0.2 },
      ],
    });
    const tag = String(first.headers["etag"]);
    expect([tag, first.headers["cache-control"]]).toEqual([expect.stringMatching(/^W\/"/), "public, max-age=1"]);
    for (const client of clients) {
      const path = `/v1/regions/${region}/gamemode?top=3`;
      const known = await until("the node knows it too", async () => {
        const answer = await client.get(path, { headers: { "if-none-match": tag } });
        return answer.status === 304 && answer;
      });
      expect(known).toMatchObject({ text: "", headers: { etag: tag, "cache-control": "public, max-age=1" } });
      expect(known.headers["as-of"]).toMatch(RFC_3339_MS);
    }
    expect((await top(region, "?top=2")).headers["etag"]).not.toBe(tag);
    expect((await top(region)).json.gamemodes).toHaveLength(4);
  });

  test.each([
    ["GET", gamemodePath("nobody"), {}, 400, /^profileId must be/],
    ["GET", gamemodePath(NIL), {}, 400, /^profileId must be/],
    ["GET", "/v1/regions/XX/gamemode", {}, 400, /^region must be/],
    ["GET", "/v1/regions/CA/gamemode?top=101", {}, 400, /^top must be/],
    ["POST", gamemodePath(freshPlayer()), { json: { region: "CA", gamemode: "-" } }, 400, /^gamemode must be/],
    ["POST", gamemodePath(freshPlayer()), { json: { region: "CA", gamemode: "A", seq: -1 } }, 400, /^seq must be/],
    ["POST", "/v1/reports", { json: { reports: [] } }, 400, /./],
    ["POST", gamemodePath(freshPlayer()), { json: { region: "CA", gamemode: "A", more: "x".repeat(5000) } }, 413, /./],
    ["POST", gamemodePath(freshPlayer()), { body: "{}", headers: { "content-type": "text/plain" } }, 415, /./],
    ["GET", gamemodePath(freshPlayer()), {}, 404, /./],
    ["GET", "/v1/nothing", {}, 404, /./],
  ])("%s %s %j answers %i at every node, in the same words", async (method, path, options, status, message) => {
    const answers = await Promise.all(clients.map((client) => client.request(method, path, options as RequestOptions)));
    for (const answer of answers) {
      expectError(answer, status, message);
      expect(answer.text).toBe(itemAt(answers, 0).text);
    }
  });

  test("GET /v1/regions and /v1/players give whole sums, the same at every node soon", async () => {
    const region = freshRegion();
    await report(freshPlayer(), { region, gamemode: "GM01" });
    const all = await until("all know the same", async () => {
      const answers = await Promise.all(clients.map((client) => client.get("/v1/regions")));
      return answers.every(({ text }) => text === itemAt(answers, 0).text && text.includes(region)) && answers;
    });
    const [one, ...others] = nonEmpty(all);
    expect(others).toHaveLength(2);
    const counts: number[] = one.json.regions.map(({ players }: { players: number }) => players);
    expect(counts).toEqual(counts.toSorted((more, fewer) => fewer - more));
    expect(counts.every((players) => players > 0)).toBe(true);
    const players = counts.reduce((sum, each) => sum + each, 0);
    expect(one.json).toEqual({ players, regions: expect.any(Array) }); // neither incomplete nor stale
    for (const client of clients) expect((await client.get("/v1/players")).json).toEqual({ players });
  });

  test("GET /livez, /readyz, /v1/node and /openapi.json answer at every node, each for itself", async () => {
    const texts = new Set<string>();
    for (const [index, client] of clients.entries()) {
      expect((await client.get("/livez")).status).toBe(200);
      expect((await client.get("/readyz")).json).toEqual({ status: "ready" });
      const { json } = await client.get("/v1/node");
      expect(json).toMatchObject({ id: `node-${index + 1}`, version: itemAt(cluster.nodes, index).version });
      texts.add((await client.get("/openapi.json")).text.replaceAll(itemAt(cluster.nodes, index).url, ""));
    }
    expect(texts.size).toBe(1);
  });

  test("A node that dies costs answers at most for a while: marked, or 503 with Retry-After, never a wrong 404", async () => {
    const region = freshRegion();
    const players = Array.from({ length: 30 }, freshPlayer);
    const reports = players.map((profileId) => ({ profileId, region, gamemode: "GM01" }));
    await request("POST", "/v1/reports", { json: { reports } });
    itemAt(cluster.nodes, 2).kill("SIGKILL");
    await itemAt(cluster.nodes, 2).exited;
    const survivors = clients.slice(0, 2);
    const finds = await Promise.all(players.map((player) => random.pick(survivors).profile(player)));
    for (const answer of finds) {
      expect([200, 503]).toContain(answer.status);
      if (answer.status === 503) expect(Number(answer.headers["retry-after"])).toBeGreaterThan(0);
    }
    for (const client of survivors) {
      const whole = await until("the answer is whole", async () => {
        const { status, json } = await client.top(region);
        return status === 200 && json.complete === undefined && json.stale === undefined && json;
      });
      expect(whole.players).toBe(30);
      const statuses = await until("all are answered", async () => {
        const all = await Promise.all(players.map((player) => client.profile(player)));
        return all.every(({ status }) => status !== 503) && all.map(({ status }) => status);
      });
      expect(new Set(statuses)).toEqual(new Set([200]));
    }
  });
});
