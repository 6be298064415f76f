/** Part 3: batches of 1,000 reports, against the floor of parsing their JSON. */
import type { BatchesResult } from "./results.ts";
import type { Settings } from "./settings.ts";
import { fillByBatches } from "./support/fill.ts";
import { LONG_SESSION, type Revision, startHeadcount, TODAY } from "./support/headcount.ts";
import { batchReports } from "./support/reports.ts";
import { startContestant } from "./support/servers.ts";
import { type Contestant, measureSeries, startAll, stopAll } from "./support/turns.ts";
import { writeRequests } from "./support/wrk.ts";

const BATCH = 1_000;

export async function measureBatches(
  { rounds, batches }: Settings,
  revisions: readonly Revision[] = [TODAY],
): Promise<Omit<BatchesResult, "date" | "isQuick">> {
  const { players, connections } = batches;
  const running = await startAll(contestantsOf(players, revisions));
  const requestsPath = await writeRequests(batchReports(players, BATCH));
  const contestants = await measureSeries(running, rounds, { ...batches, units: BATCH, requestsPath });
  await stopAll(running);
  return { players, batch: BATCH, connections, contestants };
}

function contestantsOf(players: number, revisions: readonly Revision[]): Contestant[] {
  const fill: Contestant["fill"] = (server) => fillByBatches(server, players);
  const nodes = revisions.flatMap((revision) =>
    (["log", "none"] as const).map((durability) => ({
      name: `${revision.name} ${durability}`,
      start: () => startHeadcount({ durability, revision, env: LONG_SESSION }),
      fill,
    })),
  );
  return [
    ...nodes,
    { name: "node:http, JSON.parse", start: () => startContestant("node-http-server.ts") },
    { name: "fastify, JSON parser", start: () => startContestant("fastify-floor-server.ts") },
  ];
}
