/** Goals 1 and 5: CPU time per report of one node, of three, and of the designs on Redis, at the same steady load. */
import { setTimeout as pause } from "node:timers/promises";
import { batchReports, singleReports } from "../support/reports.ts";
import { writeRequests } from "../support/wrk.ts";
import { cpuMsOf } from "../support/usage.ts";
import type { CostLoad, CostResult, SystemCost } from "./results.ts";
import type { CostSettings } from "./settings.ts";
import { startLoad } from "../support/steady-load.ts";
import { startDesign, startNodes, type System } from "./systems.ts";

export const ONE_NODE = "one node";
export const THREE_NODES = "three nodes";
export const RIVALS = {
  "redis lua, three web nodes": "redis-lua-server.ts",
  "redis watch, three web nodes": "redis-watch-server.ts",
} as const;

/** Of wrk's and everybody's customary hundreds; batches are few and large. */
const SINGLE_CONNECTIONS = 240;
const BATCH_CONNECTIONS = 24;

interface Load {
  readonly batch: number;
  readonly requestsPerSecond: number;
  readonly requestsPath: string;
  readonly connections: number;
  readonly systems: readonly System[];
}

interface Turn {
  readonly serversUs: number;
  readonly redisUs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly answeredPerSecond: number;
  readonly refused: number;
}

export async function measureCost(settings: CostSettings): Promise<CostResult> {
  const { players, rounds } = settings;
  const nodes = await Promise.all([startNodes(ONE_NODE, 1), startNodes(THREE_NODES, 3)]);
  const rivals = await Promise.all(Object.entries(RIVALS).map(([name, file]) => startDesign(name, file, 3)));
  for (const system of [...nodes, ...rivals]) await system.fill(2 * players);
  const loads = await loadsOf(settings, nodes, rivals);
  /** A system goes on with the players where its last turn ended, so that nearly every report moves one. */
  const next = new Map<string, number>();
  await heat(loads, settings, next);
  const turns = loads.map(({ systems }) => systems.map((): Turn[] => []));
  for (let round = 0; round < rounds; round++)
    for (const [at, load] of loads.entries())
      for (const [index, system] of load.systems.entries())
        ((turns[at] as Turn[][])[index] as Turn[]).push(await turnOf(system, load, settings, next));
  const idle = [];
  for (const system of nodes) idle.push({ name: system.name, serversMs: await idleOf(system, settings) });
  await Promise.all([...nodes, ...rivals].map((system) => system.stop()));
  return { players: 2 * players, loads: loads.map((load, at) => resultOf(load, turns[at] as Turn[][])), idle };
}

async function loadsOf(settings: CostSettings, nodes: readonly System[], rivals: readonly System[]): Promise<Load[]> {
  const { players, batch, batchesPerSecond, singlesPerSecond, rivalsPerSecond } = settings;
  const singlesPath = await writeRequests(singleReports(players));
  // Of other players: who was moved by a batch to where the next single report says would not move by it.
  const batchesPath = await writeRequests(batchReports(players, batch, players));
  const singles = singlesPerSecond.map((requestsPerSecond) => ({
    batch: 1,
    requestsPerSecond,
    requestsPath: singlesPath,
    connections: SINGLE_CONNECTIONS,
    systems: requestsPerSecond === rivalsPerSecond ? [...nodes, ...rivals] : nodes,
  }));
  const connections = BATCH_CONNECTIONS;
  return [
    ...singles,
    { batch, requestsPerSecond: batchesPerSecond, requestsPath: batchesPath, connections, systems: nodes },
  ];
}

/** Until the code of each system is compiled: three nodes have a third of the requests each to get there. */
async function heat(loads: readonly Load[], settings: CostSettings, next: Map<string, number>): Promise<void> {
  const { heatSeconds, warmSeconds } = settings;
  const heated = new Set<string>();
  for (const load of loads.toSorted((one, other) => other.requestsPerSecond - one.requestsPerSecond))
    for (const system of load.systems) {
      const place = `${system.name} ${load.requestsPath}`;
      if (!heated.has(place)) await turnOf(system, load, { seconds: heatSeconds, warmSeconds }, next);
      heated.add(place);
    }
}

async function turnOf(
  system: System,
  { batch, requestsPerSecond, requestsPath, connections }: Load,
  { warmSeconds, seconds }: Pick<CostSettings, "warmSeconds" | "seconds">,
  next: Map<string, number>,
): Promise<Turn> {
  const place = `${system.name} ${requestsPath}`;
  const first = next.get(place) ?? 0;
  const load = startLoad({ urls: system.urls, requestsPath, first, requestsPerSecond, connections, isSharing: false });
  await pause(warmSeconds * 1000);
  await load.figures();
  const before = cpuOf(system);
  await pause(seconds * 1000);
  const figures = await load.figures();
  const after = cpuOf(system);
  await load.stop();
  next.set(place, figures.next);
  const reports = Math.max(1, figures.answered * batch);
  return {
    serversUs: ((after.serversMs - before.serversMs) * 1000) / reports,
    redisUs: ((after.redisMs - before.redisMs) * 1000) / reports,
    p50Ms: figures.p50Ms,
    p99Ms: figures.p99Ms,
    answeredPerSecond: (figures.answered * batch) / figures.seconds,
    refused: figures.refused,
  };
}

function cpuOf({ pids, redisPid }: System): { serversMs: number; redisMs: number } {
  return { serversMs: cpuMsOf(pids), redisMs: cpuMsOf([redisPid]) };
}

async function idleOf({ pids }: System, { rounds, seconds }: CostSettings): Promise<number[]> {
  const shares: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const before = cpuMsOf(pids);
    await pause(seconds * 1000);
    shares.push((cpuMsOf(pids) - before) / seconds);
  }
  return shares;
}

function resultOf({ batch, requestsPerSecond, systems }: Load, turns: readonly (readonly Turn[])[]): CostLoad {
  return {
    batch,
    reportsPerSecond: batch * requestsPerSecond,
    systems: systems.map(({ name }, index): SystemCost => {
      const list = (key: keyof Turn): number[] => (turns[index] as readonly Turn[]).map((turn) => turn[key]);
      return {
        name,
        serversUs: list("serversUs"),
        redisUs: list("redisUs"),
        p50Ms: list("p50Ms"),
        p99Ms: list("p99Ms"),
        answeredPerSecond: list("answeredPerSecond"),
        refused: list("refused").reduce((sum, count) => sum + count, 0),
      };
    }),
  };
}
