/** The examples of client/examples, each run as its reader would, at a real node. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join } from "node:path";
import { text } from "node:stream/consumers";
import { runInNewContext } from "node:vm";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseAst } from "vitest/node";
import { hasBrowser, startBrowser } from "../support/browser.ts";
import { installClient } from "../support/client-package.ts";
import { freshPlayer, freshRegion, shareNode } from "../support/shared-node.ts";
import { until } from "../support/until.ts";

/** Short sessions: who says goodbye in a way that a node does not know yet is still gone soon. */
const shared = shareNode({ env: { HEADCOUNT_SESSION_TTL_MS: "2000", HEADCOUNT_CORS_ORIGINS: "*" } });
const HAS_MONO = ["mcs", "mono"].every((command) => spawnSync(command, ["--version"]).status === 0);
let game: Awaited<ReturnType<typeof installClient>>;

beforeAll(async () => {
  game = await installClient();
});
afterAll(() => game[Symbol.asyncDispose]());

async function placeOf(player: string): Promise<string> {
  const { status, json } = await shared.http.profile(player);
  return status === 404 ? "nowhere" : `${json.region} ${json.gamemode}`;
}
const untilAt = (player: string, place: string): Promise<unknown> =>
  until(`${player} is at ${place}`, async () => (await placeOf(player)) === place, { limitMs: 30_000 });

test("game-server.js reports who joins and leaves, and sends what is left when it ends", async () => {
  const [first, second, region] = [freshPlayer(), freshPlayer(), freshRegion()];
  const server = spawn(process.execPath, [join(game.client, "examples/game-server.js"), shared.node.url]);
  const [said, complained] = [text(server.stdout), text(server.stderr)];
  server.stdin.write(`join ${first} ${region} GM01\njoin ${second} ${region} GM02\njump\n`);
  await Promise.all([untilAt(first, `${region} GM01`), untilAt(second, `${region} GM02`)]);
  server.stdin.end(`leave ${first}\n`);
  expect((await once(server, "exit"))[0]).toBe(0);
  expect(await said).toMatch(/^reported: \{"stored":\d+,/);
  expect(await complained).toContain('got "jump"');
  await Promise.all([untilAt(first, "nowhere"), untilAt(second, "nowhere")]);
});

/** The part of Colyseus that a room sees: its lifecycle, and a clock that ends with the room. */
const COLYSEUS = `export class Room { clock = { setInterval: (run, ms) => setInterval(run, ms) }; }`;

test("colyseus-room.js counts the players of a room (Colyseus's lifecycle, played by the test)", async () => {
  const colyseus = join(game.path, "node_modules/colyseus");
  mkdirSync(colyseus, { recursive: true });
  writeFileSync(join(colyseus, "package.json"), '{"type":"module","exports":"./index.js"}');
  writeFileSync(join(colyseus, "index.js"), COLYSEUS);
  const [player, guest, region] = [freshPlayer(), freshPlayer(), freshRegion()];
  const play = `
    import { HeadcountRoom, headcount } from ${JSON.stringify(join(game.client, "examples/colyseus-room.js"))};
    const room = new HeadcountRoom();
    room.onCreate({ gamemode: "GM07" });
    room.onJoin({ sessionId: "a" }, {}, { profileId: "${player}", region: "${region}" });
    room.onJoin({ sessionId: "b" }, { profileId: "${guest}", region: "${region}" });
    process.stdin.once("data", async () => {
      for (const sessionId of ["a", "b", "unknown"]) room.onLeave({ sessionId });
      await headcount.close();
      process.exit(0);
    });`;
  writeFileSync(join(game.path, "play.mjs"), play);
  const server = spawn(process.execPath, [join(game.path, "play.mjs")], {
    env: { ...process.env, HEADCOUNT_URL: shared.node.url },
    stdio: ["pipe", "ignore", "inherit"],
  });
  await Promise.all([untilAt(player, `${region} GM07`), untilAt(guest, `${region} GM07`)]);
  server.stdin.end("leave");
  expect((await once(server, "exit"))[0]).toBe(0);
  await Promise.all([untilAt(player, "nowhere"), untilAt(guest, "nowhere")]);
});

describe("nakama-match.js", () => {
  const source = (): string => readFileSync(join(game.client, "examples/nakama-match.js"), "utf8");

  interface Match {
    readonly [hook: string]: (...values: unknown[]) => { state: MatchState };
  }
  interface MatchState {
    readonly due: object;
  }

  /** Nakama's call is synchronous, so a process makes it. */
  const httpRequest = (url: string, method: string, headers: object, body: string): { code: number; body: string } => {
    const call = `const answer = await fetch(${JSON.stringify(url)}, ${JSON.stringify({ method: method.toUpperCase(), headers, body })});
      console.log(JSON.stringify({ code: answer.status, body: await answer.text() }));`;
    return JSON.parse(spawnSync(process.execPath, ["--input-type=module", "-e", call], { encoding: "utf8" }).stdout);
  };

  function load(request: typeof httpRequest) {
    let match: Match = {};
    const warnings: string[] = [];
    const context: Record<string, unknown> = {};
    runInNewContext(`${source()}; this.InitModule = InitModule;`, context);
    const logger = { warn: (form: string) => warnings.push(form) };
    (context["InitModule"] as (...values: unknown[]) => void)(
      {},
      logger,
      {},
      { registerMatch: (_: string, hooks: Match) => (match = hooks) },
    );
    const ctx = { env: { HEADCOUNT_URL: shared.node.url } };
    let state: unknown;
    const call = (hook: string, tick: number, ...values: unknown[]): MatchState => (
      ({ state } = match[hook]!(ctx, logger, { httpRequest: request }, {}, tick, state, ...values)),
      state as MatchState
    );
    ({ state } = match["matchInit"]!(ctx, logger, {}, { gamemode: "GM08" }));
    return { call, warnings };
  }

  test("is what Nakama's runtime understands: ES5", () => {
    const modern =
      /^(Arrow|Class|Template|Spread|Rest|Await|Yield|Import|Export|ForOf|ObjectPattern|ArrayPattern|Chain|Private)/;
    const found: string[] = [];
    const visit = (node: Record<string, unknown>): void => {
      if (modern.test(String(node["type"]))) found.push(String(node["type"]));
      if (node["type"] === "VariableDeclaration" && node["kind"] !== "var") found.push(String(node["kind"]));
      if (node["shorthand"] === true || node["async"] === true || node["generator"] === true)
        found.push("shorthand, async");
      for (const value of Object.values(node).flat())
        if (typeof (value as { type?: unknown } | null)?.type === "string") visit(value as Record<string, unknown>);
    };
    visit(parseAst(source(), { lang: "js" }) as unknown as Record<string, unknown>);
    expect(found).toEqual([]);
  });

  test("counts who joined a match, and no more after the leave (Nakama's calls, played by the test)", async () => {
    const [userId, region] = [freshPlayer(), freshRegion()];
    const { call } = load(httpRequest);
    call("matchJoinAttempt", 1, { userId }, { region });
    call("matchJoin", 1, [{ userId }]);
    expect(call("matchLoop", 1, []).due).toEqual({});
    expect(await placeOf(userId)).toBe(`${region} GM08`);
    call("matchLeave", 2, [{ userId }]);
    expect(call("matchLoop", 2, []).due).toEqual({});
    await untilAt(userId, "nowhere");
  });

  test("keeps what the service could not take, the latest row of each player, and tries less often", () => {
    const answers: (number | Error)[] = [new Error("refused"), 503, 202];
    const ticks: number[] = [];
    let tick = 1;
    const { call, warnings } = load((_url, _method, _headers, body) => {
      ticks.push(tick);
      const answer = answers.shift() ?? 200;
      if (answer instanceof Error) throw answer;
      expect(JSON.parse(body)).toEqual({ reports: [{ profileId: "a", region: "CA", gamemode: "GM08" }] });
      return { code: answer, body: '{"accepted":1,"remembered":1,"rejected":[]}' };
    });
    call("matchJoinAttempt", tick, { userId: "a" }, { region: "CA" });
    call("matchJoin", tick, [{ userId: "a" }]);
    for (; tick < 29; tick++) call("matchLoop", tick, []);
    expect([ticks.length, warnings.length]).toEqual([4, 3]);
    expect(ticks.at(-1)).toBeLessThanOrEqual(1 + 2 + 4 + 8);
  });
});

test.runIf(hasBrowser)(
  `browser.html plays, watches and leaves in a real browser${hasBrowser ? "" : " (skipped: there is no chromium-headless-shell here)"}`,
  async () => {
    const types: Record<string, string> = { ".html": "text/html", ".js": "text/javascript" };
    const files = createServer(({ url }, response) => {
      const file = join(game.client, new URL(url ?? "", "http://x").pathname);
      try {
        response.writeHead(200, { "content-type": types[extname(file)] }).end(readFileSync(file));
      } catch {
        response.writeHead(404).end();
      }
    }).listen(0, "127.0.0.1");
    await once(files, "listening");
    const [player, region] = [freshPlayer(), freshRegion()];
    try {
      const { port } = files.address() as AddressInfo;
      const query = new URLSearchParams({ url: shared.node.url, profileId: player, region });
      await using browser = await startBrowser();
      const page = await browser.newPage();
      await page.goto(`http://127.0.0.1:${port}/examples/browser.html?${query.toString()}`);
      const isShown = `document.getElementById("region")?.textContent === ${JSON.stringify(region)}`;
      await until("the page is there", () => page.evaluate<boolean>(isShown), { limitMs: 60_000 });
      await page.evaluate('document.querySelector("#play button").click()');
      await untilAt(player, `${region} GM01`);
      await until("the page shows it", () =>
        page.evaluate<boolean>('document.getElementById("state").textContent === "here"'),
      );
      await until(
        "the board shows it",
        () => page.evaluate<boolean>('document.getElementById("modes").innerText.startsWith("GM01\\t1")'),
        { limitMs: 30_000 },
      );
      await page.evaluate('document.getElementById("leave").click()');
      await untilAt(player, "nowhere");
    } finally {
      files.close();
      files.closeAllConnections();
    }
  },
);

const UNITY = `HeadcountClient.cs compiles, plays, renews and leaves${HAS_MONO ? "" : " (skipped: no mcs and mono; apt-get install mono-mcs libmono-system-net-http4.0-cil)"}`;
test.skipIf(!HAS_MONO)(UNITY, async () => {
  const [player, region] = [freshPlayer(), freshRegion()];
  writeFileSync(
    join(game.path, "Game.cs"),
    `using System;
     static class Game {
       static void Main(string[] args) {
         var client = new HeadcountClient(new[] { "http://127.0.0.1:1", args[0] }, new Guid(args[1]));
         client.Failed += error => Console.Error.WriteLine(error.Status + " " + error.Message);
         string line;
         while ((line = Console.ReadLine()) != null) {
           var words = line.Split(' ');
           if (words.Length == 2) client.Play(words[0], words[1]); else if (line == "state") Console.WriteLine(client.State); else client.Leave();
         }
         client.LeaveAsync(TimeSpan.FromSeconds(10)).Wait();
         Console.WriteLine("left " + client.State);
       }
     }`,
  );
  const sources = [join(game.client, "examples/HeadcountClient.cs"), "Game.cs"];
  const compiled = spawnSync("mcs", ["-warnaserror", "-r:System.Net.Http", "-out:Game.exe", ...sources], {
    cwd: game.path,
    encoding: "utf8",
  });
  expect([compiled.status, compiled.stdout, compiled.stderr]).toEqual([0, "", ""]);
  const unity = spawn("mono", ["Game.exe", shared.node.url, player], { cwd: game.path });
  const [said, complained] = [text(unity.stdout), text(unity.stderr)];
  unity.stdin.write(`${region} GM01\n`);
  await untilAt(player, `${region} GM01`);
  const since = performance.now();
  await until("two lives of a session have passed", async () => {
    expect(await placeOf(player)).toBe(`${region} GM01`);
    return performance.now() - since > 4_000;
  });
  unity.stdin.write(`XX GM02\n`);
  unity.stdin.write(`${region} GM03\n`);
  await untilAt(player, `${region} GM03`);
  unity.stdin.end("state\n");
  expect((await once(unity, "exit"))[0]).toBe(0);
  expect(await placeOf(player)).toBe("nowhere");
  expect(await said).toBe("Here\nleft Away\n");
  expect(await complained).toContain("0 http://127.0.0.1:1 does not answer");
});
