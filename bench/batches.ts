/** Part 3: batches of 1,000 reports, against the floor of parsing their JSON. */
import type { BatchesResult } from "./results.ts";
import type { Settings } from "./settings.ts";
import { fillByBatches } from "./support/fill.ts";
import { batchReports } from "./support/reports.ts";
import { startContestant, startHeadcount } from "./support/servers.ts";
import { type Contestant, inTurns, type LoadFigures, runSpell, seriesOf, startAll, stopAll } from "./support/turns.ts";
import { writeRequests } from "./support/wrk.ts";

const BATCH = 1_000;

export async function measureBatches({ rounds, batches }: Settings): Promise<Omit<BatchesResult, "date" | "isQuick">> {
  const { players, connections } = batches;
  const fill: Contestant["fill"] = (server) => fillByBatches(server, players);
  const running = await startAll([
    { name: "headcount log", start: () => startHeadcount({ durability: "log" }), fill },
    { name: "headcount none", start: () => startHeadcount({ durability: "none" }), fill },
    { name: "node:http, JSON.parse", start: () => startContestant("node-http-server.ts") },
    { name: "fastify, JSON parser", start: () => startContestant("fastify-floor-server.ts") },
  ]);
  const spell = { ...batches, units: BATCH, requestsPath: await writeRequests(batchReports(players, BATCH)) };
  const figures = await inTurns(running, rounds, (contestant) => runSpell(contestant, spell));
  const contestants = await Promise.all(
    running.map((contestant, at) => seriesOf(contestant, figures[at] as LoadFigures[])),
  );
  await stopAll(running);
  return { batch: BATCH, connections, contestants };
}
