/** The goals of the benchmarks, and whether a run reached them. A ratio is taken round by round; its median counts. */
import {
  type BatchesResult,
  type ByPart,
  ofParts,
  type EngineResult,
  type HttpRun,
  type LatencyResult,
  type LoadSeries,
  type MemoryResult,
  type ReadsResult,
  type Results,
  type FloorResult,
  type RulesResult,
  type TokensResult,
} from "../results.ts";
import { ratiosOf } from "../support/spread.ts";
import { atLeast, atMost, count, type Goal } from "./goal.ts";
import { growthOf } from "./growth.ts";
import { goodnessGoals, named } from "./load.ts";
import { idleGoals, overloadGoals } from "./overload.ts";
import { sessionGoals } from "./sessions.ts";
import { streamsGoals } from "./streams.ts";

/** Bytes of resident memory that a player may take, by case. */
const BYTES_MAX: Readonly<Record<string, number>> = {
  "none 1,000,000": 75,
  "log 1,000,000": 115,
  "log 10,000,000": 90,
};

/** What each part is to reach. */
const GOALS: ByPart<Goal> = {
  engine: engineGoals,
  http: ({ runs }) => runs.flatMap((run) => (run.pipelined === 1 ? singleGoals(run) : pipelinedGoals(run))),
  batches: batchGoals,
  reads: readGoals,
  latency: latencyGoals,
  memory: memoryGoals,
  snapshots: snapshotGoals,
  soak: soakGoals,
  tokens: tokenGoals,
  rules: rulesGoals,
  floor: floorGoals,
  overload: overloadGoals,
  idle: idleGoals,
  sessions: sessionGoals,
  streams: streamsGoals,
};

/** Every goal of the parts that were measured. */
export function goalsOf(results: Results): Goal[] {
  return ofParts(results, GOALS);
}

function tokenGoals({ contestants, arrivals }: TokensResult): Goal[] {
  const [without, byConnection, byHash] = ["no tokens", "known by the connection", "known by the hash"].map((name) =>
    named(contestants, name),
  ) as [LoadSeries, LoadSeries, LoadSeries];
  const cost = (what: string, target: number, series: LoadSeries): readonly Goal[] =>
    atMost(
      "tokens",
      `CPU of a report, its token ${what}, times without tokens`,
      target,
      ratiosOf(series.cpuUs, without.cpuUs),
    );
  return [
    ...cost("known by the connection", 1.03, byConnection),
    ...cost("known by the hash", 1.15, byHash),
    ...atMost(
      "tokens",
      `p99 of the others while ${count(arrivals.strangers)} players arrive with unknown tokens, ms`,
      250,
      arrivals.p99Ms,
      0,
    ),
  ];
}

function rulesGoals({ singles, batches }: RulesResult): Goal[] {
  return [["one by one", singles] as const, ["in batches", batches] as const].flatMap(([how, series]) =>
    atMost(
      "rules",
      `CPU of a report ${how}, with a catalogue of 200 modes, times without`,
      1.03,
      ratiosOf(named(series, "200 modes").cpuUs, named(series, "no catalogue").cpuUs),
    ),
  );
}

function floorGoals({ quiet, busy }: FloorResult): Goal[] {
  return [["with nothing else", quiet] as const, ["while reports arrive", busy] as const].flatMap(([when, series]) =>
    atMost(
      "floor",
      `CPU of a read ${when}, with a privacy floor, times without`,
      1.03,
      ratiosOf(named(series, "floor").cpuUs, named(series, "no floor").cpuUs),
    ),
  );
}

function engineGoals({ sizes, memory, stops, commits = [] }: EngineResult): Goal[] {
  const large = memory.filter(({ players }) => players >= 100_000).map(({ tableBytes }) => tableBytes);
  const average = large.length > 0 ? [large.reduce((sum, bytes) => sum + bytes, 0) / large.length] : [];
  const most = Math.max(...memory.map(({ tableBytes, worstTableBytes }) => Math.max(tableBytes, worstTableBytes)));
  const stop = (doing: string, ms: readonly number[]): Goal[] =>
    atMost("engine", `longest stop while ${doing}, ${count(stops.players)} players, ms`, 5, ms);
  return [
    ...speedGoals(sizes, "headcount-batch", "in a batch", 1.8),
    ...speedGoals(sizes, "headcount", "by itself", 2.6),
    ...atMost("engine", "bytes a player, rows and indexes, average from 100,000 to 10 million", 48, average, 1),
    ...atMost(
      "engine",
      `bytes a player, rows and indexes, most at any size from ${count(memory[0]?.players ?? 0)}`,
      64,
      [most],
      1,
    ),
    ...commits
      .filter(({ rows }) => rows === 256)
      .flatMap(({ oneFileNs, floorNs }) =>
        atMost(
          "engine",
          "a row of a commit of 256 encoded and handed over, times one message of all",
          5,
          ratiosOf(oneFileNs, floorNs),
        ),
      ),
    ...stop("growing", stops.growMs),
    ...stop("removing", stops.deleteMs),
    ...stop("sweeping", stops.sweepMs),
  ];
}

function speedGoals(sizes: EngineResult["sizes"], name: string, how: string, probeMax: number): Goal[] {
  const at = (players: number, contestant: string): readonly number[] =>
    sizes.find((size) => size.players === players)?.contestants.find((one) => one.name === contestant)?.nsPerReport ??
    [];
  const million = at(1e6, name);
  const againstFloor = ratiosOf(million, at(1e6, "bare-probe"));
  const againstMillion = ratiosOf(at(1e7, name), million);
  const againstRedis = ratiosOf(at(1e6, "redis-lua"), million);
  return [
    ...atMost("engine", `a report ${how}, 1 million players, times the bare probe`, probeMax, againstFloor),
    ...atMost("engine", `a report ${how}, 10 million players, times one at 1 million`, 1.5, againstMillion),
    ...atLeast("engine", `a report ${how}, 1 million players, times as fast as Lua in Redis`, 30, againstRedis, 1),
  ];
}

/** Many connections share the log's writes, so it is to add less there. */
function singleGoals({ connections, contestants }: HttpRun): readonly Goal[] {
  const [log, none] = ["headcount log", "headcount none"].map((name) => named(contestants, name)) as [
    LoadSeries,
    LoadSeries,
  ];
  const isMany = connections >= 256;
  const at = `${connections} connections`;
  const goal = (durability: "log" | "none", rival: string, target: number): readonly Goal[] => {
    const ours = durability === "log" ? log : none;
    return goodnessGoals("http", `\`${durability}\` against ${rival}, ${at}`, target, ours, named(contestants, rival));
  };
  const added = log.cpuUs.map((us, round) => us - (none.cpuUs[round] as number));
  return [
    ...goal("log", "fastify floor", isMany ? 2.1 : 1.8),
    ...goal("none", "fastify floor", 2.4),
    ...atMost("http", `CPU that the log adds to a report, ${at}, µs`, isMany ? 3 : 6, added),
    ...goal("log", "redis lua", isMany ? 2.2 : 1.8),
    ...goal("log", "redis watch", 8),
  ];
}

function pipelinedGoals({ pipelined, contestants }: HttpRun): readonly Goal[] {
  const { cpuUs } = named(contestants, "headcount log");
  return atMost("http", `\`log\`, pipelined by ${pipelined}, µs of CPU a report`, 7, cpuUs);
}

function batchGoals({ contestants, batch, players }: BatchesResult): readonly Goal[] {
  const parsing = named(contestants, "node:http, JSON.parse");
  const goal = (durability: string, target: number): readonly Goal[] => {
    const text = `\`${durability}\` against parsing alone, batches of ${count(batch)}, ${count(players)} players`;
    return goodnessGoals("batches", text, target, named(contestants, `headcount ${durability}`), parsing);
  };
  const { perSecond } = named(contestants, "headcount none");
  return [
    ...goal("none", 0.75),
    ...goal("log", 0.45),
    ...atLeast("batches", "`none`: reports/s on one core of a quiet machine", 1e6, perSecond, 0),
  ];
}

function readGoals({ contestants, heartbeats, reportsPerSecond }: ReadsResult): readonly Goal[] {
  const goal = (text: string, target: number, among: readonly LoadSeries[], how: string): readonly Goal[] =>
    goodnessGoals("reads", text, target, named(among, `headcount${how}`), named(among, `fastify constant${how}`));
  return [
    ...goal("heartbeat against a constant Fastify route", 2.2, heartbeats, ""),
    ...goal(
      `top modes while ${count(reportsPerSecond)} reports/s arrive, against a constant Fastify route`,
      2,
      contestants,
      ", reports arriving",
    ),
  ];
}

function latencyGoals({ contestants }: LatencyResult): readonly Goal[] {
  const [ours, floor] = ["headcount log", "fastify floor"].map((name) => contestants.find((one) => one.name === name));
  const beyondMs = ours?.p99Ms.map((ms, round) => ms - (floor?.p99Ms[round] ?? NaN)) ?? [];
  return atMost("latency", "p99 of a report at half of capacity, less the floor's at half of its own, ms", 3, beyondMs);
}

function memoryGoals({ cases }: MemoryResult): readonly Goal[] {
  return cases.flatMap((one) => {
    const name = `${one.name.replace("headcount ", "")} ${count(one.players)}`;
    const target = BYTES_MAX[name];
    return target === undefined
      ? []
      : atMost("memory", `resident bytes a player, ${name} players`, target, residentPerPlayer(one), 0);
  });
}

export function residentPerPlayer({ players, emptyBytes, fullBytes }: MemoryResult["cases"][number]): number[] {
  return fullBytes.map((full, round) => (full - (emptyBytes[round] as number)) / players);
}

function snapshotGoals({ pauses, restarts }: NonNullable<Results["snapshots"]>): Goal[] {
  const [without, ...withSnapshots] = pauses;
  return [
    ...withSnapshots.flatMap(({ name, p99Ms }) => {
      const apart = p99Ms.map((value, round) => value - (without?.p99Ms[round] ?? NaN));
      return atMost("snapshots", `p99 of event-loop delay, snapshots ${name}, less without, ms`, 5, apart);
    }),
    ...restarts.flatMap(({ name, players, readyMs }) => {
      const seconds = readyMs.map((ms) => ms / 1000);
      return atMost(
        "snapshots",
        `restart with ${count(players)} players ${name}, seconds to ready`,
        players > 1e6 ? 5 : 3,
        seconds,
      );
    }),
  ];
}

function soakGoals(soak: NonNullable<Results["soak"]>): Goal[] {
  const { percent, minutes } = growthOf(soak);
  return atMost("soak", `memory grown in the last ${minutes.toFixed(1)} minutes, percent of it`, 3, [percent]);
}
