/** The built package against real nodes: as a game installs it, a player's client and a game server's. */
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type * as Client from "../../client/index.ts";
import type * as Server from "../../client/server.ts";
import { AdminClient, adminSettings } from "../support/admin.ts";
import { installClient } from "../support/client-package.ts";
import { PROJECT_DIR, startNode } from "../support/node-process.ts";
import { freshPlayer, freshRegion, shareNode } from "../support/shared-node.ts";
import { signedToken, TOKEN_SETTINGS_GIVEN } from "../support/signed-tokens.ts";
import { until } from "../support/until.ts";

const shared = shareNode({ env: { HEADCOUNT_SESSION_TTL_MS: "1500" } });
let folder: Awaited<ReturnType<typeof installClient>>;
let Headcount: typeof Client.Headcount;
let HeadcountServer: typeof Server.HeadcountServer;

beforeAll(async () => {
  folder = await installClient();
  ({ Headcount } = (await import(pathToFileURL(join(folder.client, "dist/index.js")).href)) as typeof Client);
  ({ HeadcountServer } = (await import(pathToFileURL(join(folder.client, "dist/server.js")).href)) as typeof Server);
});
afterAll(() => folder[Symbol.asyncDispose]());

const placeOf = async (player: string): Promise<unknown> => {
  const { status, json } = await shared.http.profile(player);
  return status === 404 ? "nowhere" : `${json.region} ${json.gamemode}`;
};

test.each(["nodenext", "bundler"])("a strict project finds its types (%s)", (resolution) => {
  writeFileSync(
    join(folder.path, "game.ts"),
    `import { Headcount, HeadcountError, type Popular } from "@headcount/client";
     import { HeadcountServer } from "@headcount/client/server";
     const headcount = new Headcount({ url: ["https://a.example", "https://b.example"], token: async () => "" });
     export const top: Promise<Popular> = headcount.top("CA", { signal: AbortSignal.timeout(5_000) });
     headcount.play("CA", "GM01").catch((error: HeadcountError) => error.retryAfterMs satisfies number);
     export const end: () => void = headcount.watch("CA", ({ gamemodes }) => gamemodes[0]?.mode.length);
     void new HeadcountServer({ url: "https://a.example" }).report([{ profileId: "", leave: true }]);
     // @ts-expect-error a row without a region
     void new HeadcountServer({ url: "https://a.example" }).report([{ profileId: "", gamemode: "GM01" }]);`,
  );
  const module = resolution === "nodenext" ? "nodenext" : "esnext";
  const options = ["--noEmit", "--strict", "--target", "es2022", "--lib", "es2022,dom", "--types", ""];
  const tsc = join(PROJECT_DIR, "node_modules/.bin/tsc");
  const args = [...options, "--module", module, "--moduleResolution", resolution, "game.ts"];
  const { status, stdout } = spawnSync(tsc, args, { cwd: folder.path, encoding: "utf8" });
  expect([status, stdout]).toEqual([0, ""]);
});

describe("Headcount at a node", () => {
  test("plays, is renewed beyond a session's life, switches, leaves", async () => {
    const [player, region] = [freshPlayer(), freshRegion()];
    const client = new Headcount({ url: shared.node.url, profileId: player });
    expect(await client.play(region, "GM01")).toMatchObject({
      region,
      gamemode: "GM01",
      changed: true,
      remembered: true,
    });
    const since = performance.now();
    await until("three lives of a session have passed", async () => {
      expect(await placeOf(player)).toBe(`${region} GM01`);
      return performance.now() - since > 4_500;
    });
    await client.play(region, "GM02");
    expect([await placeOf(player), client.state]).toEqual([`${region} GM02`, "here"]);
    expect(await client.top(region)).toMatchObject({ region, players: 1, gamemodes: [{ mode: "GM02", players: 1 }] });
    await client.leave();
    expect(await placeOf(player)).toBe("nowhere");
    client.close();
  });

  test("watches a place change", async () => {
    const [player, region] = [freshPlayer(), freshRegion()];
    const client = new Headcount({ url: shared.node.url, profileId: player });
    const seen: string[] = [];
    client.watch(region, ({ gamemodes }) => seen.push(gamemodes.map(({ mode }) => mode).join()), { every: 250 });
    await until("the place is seen empty", () => seen.length === 1);
    await client.play(region, "GM01");
    await until("the mode is seen", () => seen.at(-1) === "GM01", { limitMs: 30_000 });
    expect(seen).toEqual(["", "GM01"]);
    await client.leave();
    client.close();
  });

  test("what a session may not watch for now is asked for again; what it may never watch is told, once", async () => {
    const settings = await adminSettings();
    await using node = await startNode({ env: settings });
    await using admin = new AdminClient(settings);
    const errors: string[] = [];
    const client = new Headcount({
      url: node.url,
      profileId: freshPlayer(),
      onError: ({ status, reason }) => errors.push(`${status} ${reason}`),
    });
    await client.play("CA", "GM01");
    await until("there is a session", () => client.hasSession());
    await admin.put("/admin/switches/streams", { enabled: false, reason: "a test" });
    await until("streams are off", async () => {
      const { status, body } = await fetch(`${node.url}/v1/regions/CA/gamemode/stream`);
      await body?.cancel();
      return status === 503;
    });
    const seen: string[] = [];
    client.watch("CA", ({ gamemodes }) => seen.push(gamemodes.map(({ mode }) => mode).join()), { every: 250 });
    await until("it is refused twice", () => errors.length >= 2, { limitMs: 60_000 });
    expect([new Set(errors), seen]).toEqual([new Set(["503 switched-off"]), []]);
    await admin.put("/admin/switches/streams", { enabled: true, reason: "a test" });
    await until("it is shown", () => seen.length === 1, { limitMs: 120_000 });
    await client.play("CA", "GM02");
    await until("the change is shown", () => seen.at(-1) === "GM02", { limitMs: 30_000 });
    errors.length = 0;
    client.watch("XX", () => {});
    await until("it is told", () => errors.length > 0);
    expect(errors).toEqual(["400 malformed"]);
    await client.leave();
    client.close();
  });

  test("watches a subdivision over its session, also one that is a country too", async () => {
    const client = new Headcount({ url: shared.node.url, profileId: freshPlayer() });
    await client.play("CA", "GM01");
    await until("there is a session", () => client.hasSession());
    const seen: string[] = [];
    for (const place of ["NO-21", "US-CA"])
      client.watch(place, ({ region, gamemodes }) => seen.push(`${place}: ${region} ${gamemodes[0]?.mode ?? ""}`), {
        every: 250,
      });
    await until("both are shown", () => seen.length === 2, { limitMs: 30_000 });
    const other = new Headcount({ url: shared.node.url, profileId: freshPlayer() });
    await other.play("SJ", "GM07");
    await until("the change is shown", () => seen.length === 3, { limitMs: 30_000 });
    expect([seen.slice(0, 2).toSorted(), seen[2]]).toEqual([["NO-21: SJ ", "US-CA: US-CA "], "NO-21: SJ GM07"]);
    await other.leave();
    for (const each of [client, other]) each.close();
  });

  test("a refusal carries the service's status, reason and message", async () => {
    const client = new Headcount({ url: shared.node.url, profileId: freshPlayer() });
    await expect(client.play("XX", "GM01")).rejects.toMatchObject({
      status: 400,
      reason: "malformed",
      retryAfterMs: 0,
    });
    await expect(client.top("nowhere")).rejects.toMatchObject({ status: 400, reason: "malformed" });
    client.close();
  });

  test("its token comes from a callback, again once it has ended", async () => {
    await using node = await startNode({ env: { ...TOKEN_SETTINGS_GIVEN, HEADCOUNT_JWT_CLOCK_TOLERANCE_MS: "0" } });
    const player = freshPlayer();
    const given: string[] = [];
    const token = (): string => {
      const exp = Math.floor(Date.now() / 1000) + (given.length === 0 ? -1 : 3_600);
      given.push(signedToken({ sub: player, exp, serial: given.length }));
      return given.at(-1)!;
    };
    const client = new Headcount({ url: node.url, profileId: player, token });
    expect(await client.play("CA", "GM01")).toMatchObject({ gamemode: "GM01" });
    expect(given.length).toBeGreaterThanOrEqual(2);
    await client.leave();
    client.close();
  });

  test.each([
    ["over a session", true],
    ["over HTTP", false],
  ])(
    "kill -9 of its node, and another at the next URL: the player is where it last was, %s",
    async (_way, sessions) => {
      const player = freshPlayer();
      const errors: string[] = [];
      await using first = await startNode();
      const client = new Headcount({
        url: [first.url, shared.node.url],
        profileId: player,
        sessions,
        onError: ({ reason }) => errors.push(reason),
      });
      await client.play("CA", "GM01");
      first.kill("SIGKILL");
      await first.exited;
      await client.play("US", "GM02");
      expect(await placeOf(player)).toBe("US GM02");
      // That a session was lost is no error: it comes back by itself.
      if (!sessions) expect(errors).toContain("unreachable");
      await client.leave();
      client.close();
    },
  );
});

describe("HeadcountServer at a node", () => {
  test("reports, tells what is refused, and sends what is left at the end", async () => {
    const region = freshRegion();
    const players = Array.from({ length: 2_500 }, freshPlayer);
    const server = new HeadcountServer({ url: shared.node.url });
    const rows = players.map((profileId) => ({ profileId, region, gamemode: "GM01" }));
    expect(await server.report(rows)).toEqual([]);
    expect((await shared.http.top(region)).json.gamemodes).toMatchObject([{ mode: "GM01", players: 2_500 }]);
    const bad = { profileId: players[0]!, region: "XX", gamemode: "GM01" };
    expect(await server.report([bad])).toMatchObject([{ row: bad, error: { status: 400, reason: "malformed" } }]);
    void server.report(rows.map((row) => ({ ...row, gamemode: "GM02" })));
    await server.close();
    expect((await shared.http.top(region)).json.gamemodes).toMatchObject([{ mode: "GM02", players: 2_500 }]);
    expect(server.counts).toMatchObject({ stored: 5_000, refused: 1, overflowed: 0 });
  });
});
