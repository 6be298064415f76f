/**
 * Contestants under load in turns: all are running, one at a time works and the others stand still. Round by round each
 * gets an unmeasured and a measured spell, so whatever disturbs the machine disturbs all of them.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { LoadSeries } from "../results.ts";
import { busyShare, type CoreTimes, coreTimes } from "./busy.ts";
import { LOAD_CORE, SERVER_CORE } from "./children.ts";
import type { Server, StartServer } from "./servers.ts";
import { cpuMsOf } from "./usage.ts";
import { runWrk, type WrkFigures } from "./wrk.ts";

/** Before it is stopped a contestant finishes what is in flight: an append that stood still counts as given up. */
const DRAIN_MS = 500;

export interface Contestant {
  readonly name: string;
  readonly start: StartServer;
  /** Brings it to the state in which it is measured. */
  readonly fill?: (server: Server) => Promise<void>;
}

export interface Running {
  readonly name: string;
  readonly server: Server;
  /** Which request is next: a turn goes on where the last one stopped. */
  next: number;
}

export interface Spell {
  readonly connections: number;
  readonly warmSeconds: number;
  readonly seconds: number;
  readonly requestsPath: string;
  /** What one request counts for, 1 unless told. */
  readonly units?: number;
  /** Whether a node of Headcount is to take every request in its fast lane. */
  readonly isForLane?: boolean;
}

export interface LoadFigures {
  readonly perSecond: number;
  /** CPU time that one report or read took of the contestant, all its processes together. */
  readonly cpuUs: number;
  /** CPU time that one request took of the load. */
  readonly loadCpuUs: number;
  readonly p99Ms: number;
  readonly refused: number;
  readonly serverBusy: number;
  readonly loadBusy: number;
}

/** Starts and fills them one after another; each stands still at the end. */
export async function startAll(contestants: readonly Contestant[]): Promise<Running[]> {
  const running: Running[] = [];
  for (const { name, start, fill } of contestants) {
    const server = await start();
    await fill?.(server);
    await sleep(DRAIN_MS);
    server.pause();
    running.push({ name, server, next: 0 });
  }
  return running;
}

/**
 * Two of each, in the order a, b, b, a. Of two alike nodes the one that started later was up to a fifth dearer in one run
 * and cheaper in the next; where a difference of some percent matters neither may have the better place.
 */
export function twice(contestants: readonly Contestant[]): Contestant[] {
  return [...contestants, ...contestants.toReversed()];
}

/** What was measured of {@link twice}, as of one contestant each: the mean of both in every round. */
export function pooled(series: readonly LoadSeries[]): LoadSeries[] {
  const half = series.slice(0, series.length / 2);
  return half.map((one, at) => poolTwo(one, series[series.length - 1 - at] as LoadSeries));
}

function poolTwo(one: LoadSeries, other: LoadSeries): LoadSeries {
  const mean = (of: (series: LoadSeries) => readonly number[]): number[] =>
    of(one).map((value, round) => (value + (of(other)[round] as number)) / 2);
  return {
    name: one.name,
    perSecond: mean(({ perSecond }) => perSecond),
    cpuUs: mean(({ cpuUs }) => cpuUs),
    loadCpuUs: mean(({ loadCpuUs }) => loadCpuUs),
    p99Ms: mean(({ p99Ms }) => p99Ms),
    refused: one.refused + other.refused,
    serverBusy: mean(({ serverBusy }) => serverBusy),
    loadBusy: mean(({ loadBusy }) => loadBusy),
  };
}

export async function stopAll(running: readonly Running[]): Promise<void> {
  for (const { server } of running) await server.stop();
}

/** Gives each a turn per round; what it did in each, by contestant. */
export async function inTurns<T>(
  running: readonly Running[],
  rounds: number,
  turn: (contestant: Running) => Promise<T>,
): Promise<T[][]> {
  const done: T[][] = running.map(() => []);
  for (let round = 0; round < rounds; round++)
    for (const [at, contestant] of running.entries()) {
      contestant.server.resume();
      (done[at] as T[]).push(await turn(contestant));
      await sleep(DRAIN_MS);
      contestant.server.pause();
    }
  return done;
}

/** Rounds of turns under wrk, all alike. */
export async function measureSeries(running: readonly Running[], rounds: number, spell: Spell): Promise<LoadSeries[]> {
  const figures = await inTurns(running, rounds, (contestant) => runSpell(contestant, spell));
  const series: LoadSeries[] = [];
  for (const [at, contestant] of running.entries())
    series.push(await seriesOf(contestant, figures[at] as LoadFigures[]));
  return series;
}

/** One contestant's turn under wrk. */
export async function runSpell(contestant: Running, spell: Spell): Promise<LoadFigures> {
  const { server } = contestant;
  await load(contestant, spell, spell.warmSeconds);
  const inLane = await requestsInLane(contestant, spell);
  let before = readingOf(server);
  const figures = await load(contestant, spell, spell.seconds, () => (before = readingOf(server)));
  const after = readingOf(server);
  assertInLane(contestant.name, figures, inLane, await requestsInLane(contestant, spell));
  const units = figures.requests * (spell.units ?? 1);
  return {
    perSecond: units / figures.seconds,
    cpuUs: ((after.cpuMs - before.cpuMs) * 1000) / units,
    loadCpuUs: (figures.cpuMs * 1000) / figures.requests,
    p99Ms: figures.p99Ms,
    refused: figures.refused + figures.broken,
    serverBusy: busyShare(before.serverCore, after.serverCore),
    loadBusy: busyShare(before.loadCore, after.loadCore),
  };
}

function readingOf({ pids }: Server): { cpuMs: number; serverCore: CoreTimes; loadCore: CoreTimes } {
  return { cpuMs: cpuMsOf(pids), serverCore: coreTimes(SERVER_CORE), loadCore: coreTimes(LOAD_CORE) };
}

async function requestsInLane({ server }: Running, { isForLane }: Spell): Promise<number | undefined> {
  const isOff = process.env["HEADCOUNT_FAST_LANE"] === "off"; // the nodes inherit it
  return isForLane && !isOff ? server.requestsInLane?.() : undefined;
}

/** What was measured is the fast lane only if the requests went through it. */
export function assertInLane(
  name: string,
  { requests }: Pick<WrkFigures, "requests">,
  before?: number,
  after?: number,
): void {
  if (before === undefined || after === undefined || after - before >= requests) return;
  throw new Error(`Cannot measure "${name}": of ${requests} requests its fast lane took only ${after - before}`);
}

/** All turns of a contestant; call it while it still runs: it is asked for what wrk does not see. */
export async function seriesOf({ name, server }: Running, figures: readonly LoadFigures[]): Promise<LoadSeries> {
  server.resume();
  const unstored = (await server.answersUnstored?.()) ?? 0;
  server.pause();
  return {
    name,
    perSecond: figures.map(({ perSecond }) => perSecond),
    cpuUs: figures.map(({ cpuUs }) => cpuUs),
    loadCpuUs: figures.map(({ loadCpuUs }) => loadCpuUs),
    p99Ms: figures.map(({ p99Ms }) => p99Ms),
    refused: figures.reduce((sum, { refused }) => sum + refused, unstored),
    serverBusy: figures.map(({ serverBusy }) => serverBusy),
    loadBusy: figures.map(({ loadBusy }) => loadBusy),
  };
}

async function load(contestant: Running, spell: Spell, seconds: number, onBegin?: () => void): Promise<WrkFigures> {
  const { connections, requestsPath } = spell;
  const figures = await runWrk({
    url: contestant.server.url,
    connections,
    seconds,
    requestsPath,
    first: contestant.next,
    ...(onBegin ? { onBegin } : {}),
  });
  contestant.next = figures.next;
  return figures;
}
