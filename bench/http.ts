/** Part 2: single reports over HTTP, one by one and pipelined, against the floor and against the designs on Redis. */
import type { HttpResult, HttpRun } from "./results.ts";
import type { Settings } from "./settings.ts";
import { fillByBatches, fillRedis } from "./support/fill.ts";
import { type Revision, startHeadcount, TODAY } from "./support/headcount.ts";
import { singleReports } from "./support/reports.ts";
import { startContestant, startOnRedis } from "./support/servers.ts";
import { type Contestant, measureSeries, type Spell, startAll, stopAll } from "./support/turns.ts";
import { pipelined, writeRequests } from "./support/wrk.ts";

/** It answers once whatever comes at once, so pipelines would wait for ever. */
const BARE_SOCKET = "bare socket";

export function httpContestants(players: number, revisions: readonly Revision[]): Contestant[] {
  const batches: Contestant["fill"] = (server) => fillByBatches(server, players);
  const redis: Contestant["fill"] = (server) => fillRedis(server, players);
  const nodes = revisions.flatMap((revision) =>
    (["log", "none"] as const).map((durability) => ({
      name: `${revision.name} ${durability}`,
      start: () => startHeadcount({ durability, revision }),
      fill: batches,
    })),
  );
  return [
    ...nodes,
    { name: "fastify floor", start: () => startContestant("fastify-floor-server.ts") },
    { name: "node:http", start: () => startContestant("node-http-server.ts") },
    { name: BARE_SOCKET, start: () => startContestant("bare-socket-server.ts") },
    { name: "redis lua", start: () => startOnRedis("redis-lua-server.ts"), fill: redis },
    { name: "redis watch", start: () => startOnRedis("redis-watch-server.ts"), fill: redis },
  ];
}

export async function measureHttp(
  { rounds, http }: Settings,
  revisions: readonly Revision[] = [TODAY],
): Promise<Omit<HttpResult, "date" | "isQuick">> {
  const running = await startAll(httpContestants(http.players, revisions));
  const singlesPath = await writeRequests(singleReports(http.players));
  const runs: HttpRun[] = [];
  for (const connections of http.connections) {
    const spell: Spell = { ...http, connections, requestsPath: singlesPath, isForLane: true };
    runs.push({ connections, pipelined: 1, contestants: await measureSeries(running, rounds, spell) });
  }
  const { connections, depth } = http.pipelined;
  const requestsPath = await writeRequests(pipelined(singleReports(http.players), depth));
  const nodes = running.filter(({ name }) => !name.startsWith("redis") && name !== BARE_SOCKET);
  const spell: Spell = { ...http, connections, requestsPath, isForLane: true };
  const series = await measureSeries(nodes, rounds, spell);
  // wrk fills in what slow answers kept it from sending, and takes each of a pipeline's answers for a round trip then.
  const contestants = series.map((one) => ({ ...one, p99Ms: [] }));
  runs.push({ connections, pipelined: depth, contestants });
  await stopAll(running);
  return { players: http.players, runs };
}
