/** The goals of the benchmarks, and whether a run reached them. A ratio is taken round by round; its median counts. */
import type { BatchesResult, EngineResult, LoadSeries, ReadsResult, Results } from "../results.ts";
import { ratiosOf, type Spread, spreadOf } from "../support/spread.ts";
import { growthOf } from "./growth.ts";

export interface Goal {
  readonly part: string;
  readonly text: string;
  readonly target: { readonly atLeast: number } | { readonly atMost: number };
  readonly reached: Spread;
  readonly digits: number;
  readonly isMet: boolean;
}

/** Every goal of the parts that were measured. */
export function goalsOf(results: Results): Goal[] {
  const { engine, http, batches, reads, snapshots, soak } = results;
  return [
    ...(engine ? engineGoals(engine) : []),
    ...(http?.runs.flatMap(({ connections, contestants }) => httpGoals(connections, contestants)) ?? []),
    ...(batches ? batchGoals(batches) : []),
    ...(reads ? readGoals(reads) : []),
    ...(snapshots ? snapshotGoals(snapshots) : []),
    ...(soak ? soakGoals(soak) : []),
  ];
}

function engineGoals({ sizes, memory, stops, commits = [] }: EngineResult): Goal[] {
  const large = memory.filter(({ players }) => players >= 100_000).map(({ tableBytes }) => tableBytes);
  const average = large.length > 0 ? [large.reduce((sum, bytes) => sum + bytes, 0) / large.length] : [];
  const most = Math.max(...memory.map(({ tableBytes, worstTableBytes }) => Math.max(tableBytes, worstTableBytes)));
  const stop = (doing: string, ms: readonly number[]): Goal[] =>
    atMost("engine", `longest stop while ${doing}, ${count(stops.players)} players, ms`, 5, ms);
  return [
    ...speedGoals(sizes, "headcount-batch", "in a batch"),
    ...speedGoals(sizes, "headcount", "by itself"),
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

function speedGoals(sizes: EngineResult["sizes"], name: string, how: string): Goal[] {
  const at = (players: number, contestant: string): readonly number[] =>
    sizes.find((size) => size.players === players)?.contestants.find((one) => one.name === contestant)?.nsPerReport ??
    [];
  const million = at(1e6, name);
  const againstFloor = ratiosOf(million, at(1e6, "bare-probe"));
  const againstMillion = ratiosOf(at(1e7, name), million);
  const againstRedis = ratiosOf(at(1e6, "redis-lua"), million);
  return [
    ...atMost("engine", `a report ${how}, 1 million players, times the bare probe`, 1.8, againstFloor),
    ...atMost("engine", `a report ${how}, 10 million players, times one at 1 million`, 1.5, againstMillion),
    ...atLeast("engine", `a report ${how}, 1 million players, times as fast as Lua in Redis`, 30, againstRedis, 1),
  ];
}

/** The least that each contest is to reach; `log` needs many connections to share its writes. */
function httpGoals(connections: number, contestants: readonly LoadSeries[]): Goal[] {
  const goal = (durability: string, rival: string, target: number): Goal[] => {
    const ratios = ratiosOf(perSecond(contestants, `headcount ${durability}`), perSecond(contestants, rival));
    return atLeast("http", `\`${durability}\` against ${rival}, ${connections} connections`, target, ratios);
  };
  return [
    ...goal("none", "fastify floor", 0.94),
    ...goal("log", "fastify floor", connections >= 256 ? 0.92 : 0.8),
    ...goal("log", "redis lua", 1.4),
    ...goal("log", "redis watch", 4),
  ];
}

function batchGoals({ contestants, batch }: BatchesResult): Goal[] {
  const reached = perSecond(contestants, "headcount log");
  return atLeast("batches", `\`log\`: reports/s on one core, in batches of ${count(batch)}`, 1e6, reached, 0);
}

function readGoals({ contestants }: ReadsResult): Goal[] {
  const busy = perSecond(contestants, "headcount, reports arriving");
  const goal = (rival: string): Goal[] =>
    atLeast("reads", `while reports arrive, against "${rival}"`, 0.9, ratiosOf(busy, perSecond(contestants, rival)));
  return [...goal("fastify constant, reports arriving"), ...goal("fastify constant, nothing else")];
}

function snapshotGoals({ pauses, restarts, players }: NonNullable<Results["snapshots"]>): Goal[] {
  const [without, ...withSnapshots] = pauses;
  return [
    ...withSnapshots.flatMap(({ name, p99Ms }) => {
      const apart = p99Ms.map((value, round) => value - (without?.p99Ms[round] ?? NaN));
      return atMost("snapshots", `p99 of event-loop delay, snapshots ${name}, less without, ms`, 5, apart);
    }),
    ...restarts.flatMap(({ name, readyMs }) => {
      const seconds = readyMs.map((ms) => ms / 1000);
      return atMost("snapshots", `restart with ${count(players)} players ${name}, seconds to ready`, 3, seconds);
    }),
  ];
}

function soakGoals(soak: NonNullable<Results["soak"]>): Goal[] {
  const { percent, minutes } = growthOf(soak);
  return atMost("soak", `memory grown in the last ${minutes.toFixed(1)} minutes, percent of it`, 5, [percent]);
}

function perSecond(contestants: readonly LoadSeries[], name: string): readonly number[] {
  const found = contestants.find((contestant) => contestant.name === name);
  if (found === undefined) throw new Error(`Cannot judge the results: no contestant is called "${name}"`);
  return found.perSecond;
}

export function atLeast(part: string, text: string, target: number, values: readonly number[], digits = 2): Goal[] {
  if (values.length === 0) return []; // not measured
  const reached = spreadOf(values);
  return [{ part, text, target: { atLeast: target }, reached, digits, isMet: reached.median >= target }];
}

export function atMost(part: string, text: string, target: number, values: readonly number[], digits = 2): Goal[] {
  if (values.length === 0) return [];
  const reached = spreadOf(values);
  return [{ part, text, target: { atMost: target }, reached, digits, isMet: reached.median <= target }];
}

function count(value: number): string {
  return value.toLocaleString("en");
}
