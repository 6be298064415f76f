/** Part 2: single reports over HTTP, against the floor and against the designs on Redis. */
import type { HttpResult } from "./results.ts";
import type { Settings } from "./settings.ts";
import { fillByBatches, fillRedis } from "./support/fill.ts";
import { singleReports } from "./support/reports.ts";
import { startContestant, startHeadcount, startOnRedis } from "./support/servers.ts";
import {
  type Contestant,
  inTurns,
  type LoadFigures,
  type Running,
  runSpell,
  seriesOf,
  startAll,
  stopAll,
} from "./support/turns.ts";
import { writeRequests } from "./support/wrk.ts";

export function httpContestants(players: number): Contestant[] {
  const batches: Contestant["fill"] = (server) => fillByBatches(server, players);
  const redis: Contestant["fill"] = (server) => fillRedis(server, players);
  return [
    { name: "headcount log", start: () => startHeadcount({ durability: "log" }), fill: batches },
    { name: "headcount none", start: () => startHeadcount({ durability: "none" }), fill: batches },
    { name: "fastify floor", start: () => startContestant("fastify-floor-server.ts") },
    { name: "node:http", start: () => startContestant("node-http-server.ts") },
    { name: "redis lua", start: () => startOnRedis("redis-lua-server.ts"), fill: redis },
    { name: "redis watch", start: () => startOnRedis("redis-watch-server.ts"), fill: redis },
  ];
}

export async function measureHttp({ rounds, http }: Settings): Promise<Omit<HttpResult, "date" | "isQuick">> {
  const requestsPath = await writeRequests(singleReports(http.players));
  const running = await startAll(httpContestants(http.players));
  const runs: HttpResult["runs"][number][] = [];
  for (const connections of http.connections)
    runs.push({ connections, contestants: await measureAt(running, rounds, { ...http, connections, requestsPath }) });
  await stopAll(running);
  return { players: http.players, runs };
}

async function measureAt(
  running: readonly Running[],
  rounds: number,
  spell: Parameters<typeof runSpell>[1],
): Promise<HttpResult["runs"][number]["contestants"]> {
  const figures = await inTurns(running, rounds, (contestant) => runSpell(contestant, spell));
  return Promise.all(running.map((contestant, at) => seriesOf(contestant, figures[at] as LoadFigures[])));
}
