import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { loadPairs, pairsTable } from "../../bench/against.ts";
import {
  ENGINE_CONTESTANTS,
  type EngineContestant,
  type EngineContestantName,
} from "../../bench/contestants/engine-contestant.ts";
import { boardsOf, connectLua } from "../../bench/contestants/redis-lua.ts";
import { httpContestants } from "../../bench/http.ts";
import { goalsOf } from "../../bench/report/goals.ts";
import { growthOf } from "../../bench/report/growth.ts";
import { loadTable } from "../../bench/report/load.ts";
import { resultsMarkdown } from "../../bench/report/markdown.ts";
import { overloadPlot, resultsPlot, soakPlot } from "../../bench/report/plots.ts";
import { type LoadSeries, RESULTS_FORM, type Results } from "../../bench/results.ts";
import { checkOut } from "../../bench/support/checkout.ts";
import { startHeadcount, TODAY } from "../../bench/support/headcount.ts";
import { hasRedis, startRedis } from "../../bench/support/redis-server.ts";
import { batchBody, batchReports, singleReports } from "../../bench/support/reports.ts";
import type { Server } from "../../bench/support/servers.ts";
import { ratiosOf, spreadOf } from "../../bench/support/spread.ts";
import { assertInLane, measureSeries, startAll, stopAll } from "../../bench/support/turns.ts";
import { endedChildrenCpuMs, residentBytesOf } from "../../bench/support/usage.ts";
import { hasWrk, pipelined, writeRequests } from "../../bench/support/wrk.ts";
import { emptyStream, fillConnects, fillReports, MODES, type ReportStream } from "../../bench/support/traffic.ts";
import { COUNTRY_CODES } from "../../engine/places.ts";
import { itemAt, take } from "../../simulator/item-at.ts";
import { sampleResults } from "../support/bench-results.ts";

const PLAYERS = 300;
/** So many that none of them reports too often. */
const MANY_PLAYERS = 20_000;
const PROCESS_TIMEOUT_MS = 60_000;

describe("engine contestants", () => {
  const names = Object.keys(ENGINE_CONTESTANTS) as EngineContestantName[];

  test.for(names)(
    "%s counts as one plain Map from player to place does",
    { timeout: PROCESS_TIMEOUT_MS },
    async (name, { skip }) => {
      skip(name === "redis-lua" && !hasRedis, "redis-server is missing");
      const redis = name === "redis-lua" ? await startRedis(1) : undefined;
      const open = await ENGINE_CONTESTANTS[name]();
      const contestant: EngineContestant = await open(PLAYERS, redis?.socketPath ?? "");
      const places = new Map<number, string>();
      const streams = [fillConnects(emptyStream(PLAYERS), 0, PLAYERS, 1), fillReports(emptyStream(1_000), PLAYERS, 2)];
      for (const stream of streams) {
        await contestant.apply(contestant.prepare(stream));
        setPlaces(places, stream);
      }
      expect(sorted(await contestant.counts())).toEqual(countsOf(places.values()));
      contestant.close?.();
      await redis?.stop();
    },
  );
});

describe("HTTP contestants", () => {
  const running: Server[] = [];
  afterAll(() => Promise.all(running.map((server) => server.stop())));

  /** Those that keep what they are told, and how their counts are read. */
  const readers: Record<string, (server: Server) => Promise<Map<string, number>>> = {
    "headcount log": topsOf,
    "headcount none": topsOf,
    "redis lua": boardsIn,
    "redis watch": boardsIn,
  };

  test.for(httpContestants(PLAYERS, [TODAY]))(
    "$name answers every report with 200, and counts where it counts",
    { timeout: PROCESS_TIMEOUT_MS },
    async ({ name, start, fill }, { skip }) => {
      skip(name.startsWith("redis") && !hasRedis, "redis-server is missing");
      const server = await start();
      running.push(server);
      await fill?.(server);
      const places = new Map<string, string>();
      await Promise.all(
        Array.from(singleReports(PLAYERS))
          .slice(0, PLAYERS)
          .map((request) => send(server, request, places)),
      );
      const counts = await readers[name]?.(server);
      if (counts !== undefined) expect(sorted(counts)).toEqual(countsOf(places.values()));
      await server.stop();
    },
  );
});

describe("reports over HTTP", () => {
  test("singleReports() and batchReports() move every player in the second pass", () => {
    const bodies = Array.from(singleReports(50), (request) => request.split("\r\n\r\n")[1]);
    expect(bodies).toHaveLength(100);
    for (let player = 0; player < 50; player++) expect(bodies[player]).not.toBe(bodies[player + 50]);
    const batches = Array.from(batchReports(20, 10));
    expect(batches).toHaveLength(4);
    expect(batches[0]).not.toBe(batches[2]);
  });

  test("batchBody() is a body of the batch call", () => {
    const { reports } = JSON.parse(batchBody(3, 6, () => 0)) as { reports: { profileId: string }[] };
    expect(reports.map(({ profileId }) => profileId.length)).toEqual([36, 36, 36]);
  });
});

describe("load", () => {
  test("pipelined() puts requests together, in order, and drops what does not fill a write", () => {
    expect([...pipelined(["a", "b", "c", "d", "e"], 2)]).toEqual(["ab", "cd"]);
  });

  test(
    "measureSeries() tells the CPU time of a node and of its load, one by one and pipelined, and sees the fast lane taken",
    { timeout: PROCESS_TIMEOUT_MS },
    async ({ skip }) => {
      skip(!hasWrk, "wrk is missing");
      const running = await startAll([{ name: "a node", start: () => startHeadcount({ durability: "none" }) }]);
      for (const requests of [singleReports(MANY_PLAYERS), pipelined(singleReports(MANY_PLAYERS), 4)]) {
        const requestsPath = await writeRequests(requests);
        const spell = { connections: 2, warmSeconds: 1, seconds: 1, requestsPath, isForLane: true };
        const [series] = take(1, await measureSeries(running, 1, spell));
        expect(series.refused).toBe(0);
        for (const values of [series.perSecond, series.cpuUs, series.loadCpuUs])
          expect(itemAt(values, 0)).toBeGreaterThan(0);
      }
      await stopAll(running);
    },
  );

  test("assertInLane() wants every answered request in the fast lane, where there is one", () => {
    const requests = { requests: 100 };
    expect(() => assertInLane("a node", requests, 50, 150)).not.toThrow();
    expect(() => assertInLane("a node", requests, undefined, undefined)).not.toThrow();
    expect(() => assertInLane("a node", requests, 50, 149)).toThrow(
      'Cannot measure "a node": of 100 requests its fast lane took only 99',
    );
  });

  test("residentBytesOf() and endedChildrenCpuMs() read what the system says of processes", () => {
    expect(residentBytesOf(process.pid)).toBeGreaterThan(10 * 2 ** 20);
    const before = endedChildrenCpuMs();
    spawnSync(process.execPath, ["-e", "for (const end = Date.now() + 100; Date.now() < end; );"]);
    expect(endedChildrenCpuMs()).toBeGreaterThan(before);
  });
});

describe("another revision", () => {
  const other = { name: "headcount at 1a2b3c4", root: "" };

  test("checkOut() lays out a commit with the packages of today, and nothing of it stays in the repository", ({
    skip,
  }) => {
    skip(spawnSync("git", ["rev-parse", "HEAD"]).status !== 0, "this is no repository");
    const worktrees = (): string => spawnSync("git", ["worktree", "list"], { encoding: "utf8" }).stdout;
    const before = worktrees();
    const { name, root } = checkOut("HEAD");
    expect(name).toMatch(/^headcount at [0-9a-f]{7,}$/);
    expect(existsSync(join(root, "node", "headcount.js"))).toBe(true);
    expect(existsSync(join(root, "node_modules", "fastify"))).toBe(true);
    expect(worktrees()).toBe(before);
    expect(() => checkOut("no-such-revision")).toThrow("Cannot check out the revision");
  });

  test("loadPairs() puts a contestant's figures beside those of the other revision", () => {
    const [ours, floor] = take(2, sampleResults().reads?.heartbeats ?? []);
    const then = { ...ours, name: other.name, cpuUs: [20, 22], loadBusy: [0.95, 0.95] };
    const pairs = loadPairs(other, [ours, floor, then]);
    expect(pairs.map(({ contestant, figure }) => `${contestant}: ${figure}`)).toEqual([
      "headcount: µs of CPU each",
      "headcount: a second",
      "headcount: p99, ms",
    ]);
    expect(pairs.map(({ isComparable }) => isComparable)).toEqual([true, false, true]);
    expect(pairsTable(pairs, other)).toContain(
      "| headcount | µs of CPU each | 21.00 (20.00 – 22.00) | 10.50 (10.00 – 11.00) | 0.50 |",
    );
    const untold = [ours, floor, then].map((one) => ({ ...one, p99Ms: [] }));
    expect(loadPairs(other, untold).map(({ figure }) => figure)).toEqual(["µs of CPU each", "a second"]);
    expect(() => loadPairs(other, [floor, then])).toThrow('no contestant is called "headcount"');
  });
});

describe("report", () => {
  test("spreadOf() gives the middle, or the mean of the two middle ones", () => {
    expect(spreadOf([3, 1, 2])).toEqual({ min: 1, median: 2, max: 3 });
    expect(spreadOf([4, 1, 2, 3])).toEqual({ min: 1, median: 2.5, max: 4 });
    expect(() => spreadOf([])).toThrow(RangeError);
  });

  test("ratiosOf() compares round by round", () => {
    expect(ratiosOf([2, 9], [1, 3])).toEqual([2, 3]);
  });

  test("growthOf() fits a line to what came after settling", () => {
    const samples = [0, 60, 120, 180, 240].map((second) => ({
      second,
      rssMiB: second < 120 ? 500 : 100 + second / 60,
      players: 1,
    }));
    const { mibPerMinute, percent, minutes } = growthOf({ samples, settleMinutes: 2 });
    expect(mibPerMinute).toBeCloseTo(1);
    expect(percent).toBeCloseTo((2 / 102) * 100);
    expect(minutes).toBe(2);
  });

  test("goalsOf() judges the median against the goal", () => {
    const goals = goalsOf(sampleResults());
    const probe = goals.find(({ text }) => text.includes("times the bare probe"));
    expect(probe).toMatchObject({ target: { atMost: 1.8 }, reached: { median: 1.4 }, isMet: true });
    const watch = goals.find(({ text }) => text === "`log` against redis watch, 64 connections, by CPU");
    expect(watch).toMatchObject({ target: { atLeast: 8 }, reached: { median: 2 }, isMet: false });
    const bytes = goals.find(({ part }) => part === "memory");
    expect(bytes).toMatchObject({ target: { atMost: 75 }, reached: { median: 65 }, isMet: true });
  });

  test("goalsOf() compares CPU always, and throughput only where the load's core had room on both sides", () => {
    const texts = (loadBusy: readonly number[]): string[] => {
      const results = sampleResults();
      const contestants = results.http?.runs[0]?.contestants ?? [];
      const runs = [
        {
          connections: 64,
          pipelined: 1,
          contestants: contestants.map((one): LoadSeries =>
            one.name === "headcount none" ? { ...one, loadBusy } : one,
          ),
        },
      ];
      const http = { date: "", isQuick: false, players: 1, runs };
      return goalsOf({ form: RESULTS_FORM, machine: results.machine, http }).map(({ text }) => text);
    };
    const byThroughput = "`none` against fastify floor, 64 connections, by throughput";
    expect(texts([0.5, 0.6])).toContain(byThroughput);
    expect(texts([0.95, 0.96])).not.toContain(byThroughput);
    expect(texts([0.95, 0.96])).toContain("`none` against fastify floor, 64 connections, by CPU");
  });

  test("loadTable() names those whose load's core was full", () => {
    const [first, second] = take(2, sampleResults().reads?.heartbeats ?? []);
    const full = { ...first, loadBusy: [0.9, 0.99] };
    expect(loadTable("heartbeat", [first, second], "fastify constant")).toContain("Throughput is compared");
    expect(loadTable("heartbeat", [full, second], "fastify constant")).toContain(
      "Throughput is not compared where the load's core was 90 % busy or more: headcount.",
    );
  });

  test("resultsMarkdown() shows every goal and every part", () => {
    const text = resultsMarkdown(sampleResults());
    for (const title of [
      "Goals",
      "Engine",
      "Single reports over HTTP",
      "Batches",
      "Heartbeats and reads of top modes",
      "Latency at half of capacity",
      "Memory of a node",
      "Snapshots and restart",
      "Soak",
    ])
      expect(text).toContain(`\n## ${title}\n`);
    expect(text.match(/\| (met|\*\*not met\*\*) \|/g)).toHaveLength(goalsOf(sampleResults()).length);
    expect(text).not.toMatch(/NaN|undefined|Infinity/);
  });

  test("resultsMarkdown() does with some of the parts", () => {
    const { machine, http } = sampleResults();
    const text = resultsMarkdown({ form: RESULTS_FORM, machine, ...(http ? { http } : {}) });
    expect(text).toContain("## Single reports over HTTP");
    expect(text).not.toContain("## Engine");
  });

  test("resultsPlot() and soakPlot() are SVG without a broken number", () => {
    const results: Results = sampleResults();
    const { soak, overload } = results;
    const plots = [resultsPlot(results) ?? "", soak ? soakPlot(soak) : "", overload ? overloadPlot(overload) : ""];
    for (const plot of plots) {
      expect(plot).toMatch(/^<svg [^]*<\/svg>\n$/);
      expect(plot).not.toMatch(/NaN|undefined|Infinity/);
    }
  });
});

function setPlaces(places: Map<number, string>, { count, players, regions, modes }: ReportStream): void {
  for (let row = 0; row < count; row++)
    places.set(itemAt(players, row), `${COUNTRY_CODES[itemAt(regions, row)]}/${MODES[itemAt(modes, row)]}`);
}

function countsOf(places: Iterable<string>): [string, number][] {
  const counts = new Map<string, number>();
  for (const place of places) counts.set(place, (counts.get(place) ?? 0) + 1);
  return sorted(counts);
}

function sorted(counts: Map<string, number>): [string, number][] {
  return [...counts].toSorted(([a], [b]) => (a < b ? -1 : 1));
}

/** Sends one of the requests written for wrk, and notes where its player is to be now. */
async function send(server: Server, request: string, places: Map<string, string>): Promise<void> {
  const [head, body] = take(2, request.split("\r\n\r\n"));
  const path = itemAt(head.split(" "), 1);
  const { region, gamemode } = JSON.parse(body) as { region: string; gamemode: string };
  places.set(path, `${region}/${gamemode}`);
  const headers = { "content-type": "application/json" };
  const answer = await fetch(server.url + path, { method: "POST", headers, body });
  expect(answer.status).toBe(200);
  expect(Object.keys((await answer.json()) as object).toSorted()).toEqual([
    "changed",
    "gamemode",
    "profileId",
    "region",
    "renewInMs",
  ]);
}

async function topsOf(server: Server): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  for (const region of COUNTRY_CODES) {
    const answer = await fetch(`${server.url}/v1/regions/${region}/gamemode?top=100`, {
      headers: { "cache-control": "no-cache" },
    });
    const { gamemodes } = (await answer.json()) as { gamemodes: { mode: string; players: number }[] };
    for (const { mode, players } of gamemodes) counts.set(`${region}/${mode}`, players);
  }
  return counts;
}

async function boardsIn({ redisSocketPath = "" }: Server): Promise<Map<string, number>> {
  const redis = connectLua(redisSocketPath);
  const counts = await boardsOf(redis);
  redis.disconnect();
  return counts;
}
