/** Part 5: how late a single report is answered when half of what the contestant can take arrives at random instants. */
import { setTimeout as sleep } from "node:timers/promises";
import type { LatencyResult } from "./results.ts";
import type { Settings } from "./settings.ts";
import { fillByBatches } from "./support/fill.ts";
import { type Revision, startHeadcount, TODAY } from "./support/headcount.ts";
import { singleReports } from "./support/reports.ts";
import { startContestant } from "./support/servers.ts";
import { spreadOf } from "./support/spread.ts";
import type { SteadyFigures } from "./support/steady-child.ts";
import { startLoad } from "./support/steady-load.ts";
import {
  type Contestant,
  inTurns,
  measureSeries,
  type Running,
  type Spell,
  startAll,
  stopAll,
} from "./support/turns.ts";
import { writeRequests } from "./support/wrk.ts";

const OF_CAPACITY = 0.5;

export async function measureLatency(
  { rounds, latency }: Settings,
  revisions: readonly Revision[] = [TODAY],
): Promise<Omit<LatencyResult, "date" | "isQuick">> {
  const { players, connections } = latency;
  const running = await startAll(contestantsOf(players, revisions));
  const spell: Spell = { ...latency, requestsPath: await writeRequests(singleReports(players)), isForLane: true };
  const capacities = await measureSeries(running, rounds, spell);
  const rates = capacities.map(({ perSecond }) => Math.round(spreadOf(perSecond).median * OF_CAPACITY));
  const figures = await inTurns(running, rounds, (contestant) =>
    sendAtRandom(contestant, spell, rates[running.indexOf(contestant)] as number),
  );
  await stopAll(running);
  const contestants = running.map(({ name }, at) => {
    const turns = figures[at] as SteadyFigures[];
    return {
      name,
      sentPerSecond: rates[at] as number,
      p50Ms: turns.map(({ p50Ms }) => p50Ms),
      p99Ms: turns.map(({ p99Ms }) => p99Ms),
      refused: turns.reduce((sum, { refused }) => sum + refused, 0),
    };
  });
  return { players, connections, contestants };
}

function contestantsOf(players: number, revisions: readonly Revision[]): Contestant[] {
  const fill: Contestant["fill"] = (server) => fillByBatches(server, players);
  const nodes = revisions.map((revision) => ({
    name: `${revision.name} log`,
    start: () => startHeadcount({ durability: "log", revision }),
    fill,
  }));
  return [...nodes, { name: "fastify floor", start: () => startContestant("fastify-floor-server.ts") }];
}

async function sendAtRandom(contestant: Running, spell: Spell, requestsPerSecond: number): Promise<SteadyFigures> {
  const { connections, requestsPath, warmSeconds, seconds } = spell;
  const load = startLoad({
    urls: [contestant.server.url],
    requestsPath,
    first: contestant.next,
    requestsPerSecond,
    connections,
    isSharing: false,
  });
  await sleep(warmSeconds * 1000);
  await load.figures();
  await sleep(seconds * 1000);
  const figures = await load.figures();
  await load.stop();
  contestant.next = figures.next;
  return figures;
}
