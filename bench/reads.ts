/** Part 4: reads of a region's top modes while reports arrive, against a Fastify route that sends a constant. */
import { REGIONS } from "../engine/regions.ts";
import type { ReadsResult } from "./results.ts";
import type { Settings } from "./settings.ts";
import { fillByBatches } from "./support/fill.ts";
import { startPace } from "./support/pace.ts";
import { startContestant, startHeadcount } from "./support/servers.ts";
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
import { placeOf, randomOf } from "./support/traffic.ts";
import { httpGet, writeRequests } from "./support/wrk.ts";

const REQUESTS = 10_000;

/** A contestant, and where reports go while it is read: nowhere where there is no path. */
interface Reader extends Contestant {
  readonly reportsPath?: string;
}

type ReadFigures = LoadFigures & { readonly acceptedPerSecond: number };

export async function measureReads({ rounds, reads }: Settings): Promise<Omit<ReadsResult, "date" | "isQuick">> {
  const readers = readersOf(reads.players);
  const spell = { ...reads, requestsPath: await writeRequests(topRequests()) };
  const running = await startAll(readers);
  const figures = await inTurns(running, rounds, (contestant) => {
    const reportsPath = readers.find(({ name }) => name === contestant.name)?.reportsPath;
    return readWhileReporting(contestant, spell, reportsPath);
  });
  const contestants = await Promise.all(
    running.map(async (contestant, at) => ({
      ...(await seriesOf(contestant, figures[at] as ReadFigures[])),
      acceptedPerSecond: (figures[at] as ReadFigures[]).map(({ acceptedPerSecond }) => acceptedPerSecond),
    })),
  );
  await stopAll(running);
  return { connections: reads.connections, reportsPerSecond: reads.reportsPerSecond, contestants };
}

function readersOf(players: number): Reader[] {
  const headcount: Contestant["start"] = () => startHeadcount({ durability: "log" });
  const floor: Contestant["start"] = () => startContestant("fastify-floor-server.ts");
  const fill: Contestant["fill"] = (server) => fillByBatches(server, players);
  return [
    { name: "headcount, reports arriving", start: headcount, fill, reportsPath: "" },
    { name: "headcount, nothing else", start: headcount, fill },
    { name: "fastify constant, reports arriving", start: floor, reportsPath: "/validated" },
    { name: "fastify constant, nothing else", start: floor },
  ];
}

async function readWhileReporting(
  contestant: Running,
  spell: Settings["reads"] & { requestsPath: string },
  reportsPath?: string,
): Promise<ReadFigures> {
  if (reportsPath === undefined) return { ...(await runSpell(contestant, spell)), acceptedPerSecond: 0 };
  const pace = startPace({ ...spell, url: contestant.server.url, path: reportsPath, churnPerSecond: 0 });
  const figures = await runSpell(contestant, spell);
  const { accepted, seconds } = await pace.figures();
  await pace.stop();
  return { ...figures, acceptedPerSecond: accepted / seconds };
}

/** Regions are asked for as often as they have players. */
function* topRequests(): Generator<string> {
  const random = randomOf(4);
  for (const region of REGIONS) yield httpGet(`/v1/regions/${region}/gamemode?top=5`);
  for (let at = 0; at < REQUESTS; at++) yield httpGet(`/v1/regions/${placeOf(random()).region}/gamemode?top=5`);
}
