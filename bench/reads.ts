/** Part 4: heartbeats, and reads of a region's top modes while reports arrive, against a Fastify route that sends a constant. */
import type { ReadsResult } from "./results.ts";
import type { Settings } from "./settings.ts";
import { fillByBatches } from "./support/fill.ts";
import { LONG_SESSION, type Revision, startHeadcount, TODAY } from "./support/headcount.ts";
import { startPace } from "./support/pace.ts";
import { startContestant } from "./support/servers.ts";
import {
  type Contestant,
  inTurns,
  type LoadFigures,
  measureSeries,
  type Running,
  runSpell,
  seriesOf,
  type Spell,
  startAll,
  stopAll,
} from "./support/turns.ts";
import { topRequests } from "./support/reads.ts";
import { uuidOf } from "./support/traffic.ts";
import { httpPut, writeRequests } from "./support/wrk.ts";

const BUSY = ", reports arriving";
const QUIET = ", nothing else";

/** A contestant, and where reports go while it is read: nowhere where there is no path. */
interface Reader extends Contestant {
  readonly reportsPath?: string;
}

type ReadFigures = LoadFigures & { readonly acceptedPerSecond: number };

export async function measureReads(
  { rounds, reads }: Settings,
  revisions: readonly Revision[] = [TODAY],
): Promise<Omit<ReadsResult, "date" | "isQuick">> {
  const { connections, players, reportsPerSecond } = reads;
  const readers = readersOf(players, revisions);
  const running = await startAll(readers);
  const spell = { ...reads, requestsPath: await writeRequests(topRequests()), isForLane: true };
  const beat = { ...reads, requestsPath: await writeRequests(heartbeats(players)), isForLane: true };
  const quiet = running.filter((_, at) => readers[at]?.reportsPath === undefined);
  const beats = await measureSeries(quiet, rounds, beat);
  const figures = await inTurns(running, rounds, (contestant) => {
    const reportsPath = readers.find(({ name }) => name === contestant.name)?.reportsPath;
    return readWhileReporting(contestant, spell, reportsPath);
  });
  const contestants = [];
  for (const [at, contestant] of running.entries())
    contestants.push({
      ...(await seriesOf(contestant, figures[at] as ReadFigures[])),
      acceptedPerSecond: (figures[at] as ReadFigures[]).map(({ acceptedPerSecond }) => acceptedPerSecond),
    });
  await stopAll(running);
  const name = (text: string): string => text.replace(QUIET, "");
  return {
    connections,
    reportsPerSecond,
    contestants,
    heartbeats: beats.map((series) => ({ ...series, name: name(series.name) })),
  };
}

function readersOf(players: number, revisions: readonly Revision[]): Reader[] {
  const floor: Contestant["start"] = () => startContestant("fastify-floor-server.ts");
  const fill: Contestant["fill"] = (server) => fillByBatches(server, players);
  const nodes = revisions.flatMap((revision) => {
    const start: Contestant["start"] = () => startHeadcount({ durability: "log", revision, env: LONG_SESSION });
    return [
      { name: revision.name + BUSY, start, fill, reportsPath: "" },
      { name: revision.name + QUIET, start, fill },
    ];
  });
  return [
    ...nodes,
    { name: `fastify constant${BUSY}`, start: floor, reportsPath: "/validated" },
    { name: `fastify constant${QUIET}`, start: floor },
  ];
}

async function readWhileReporting(
  contestant: Running,
  spell: Settings["reads"] & Spell,
  reportsPath?: string,
): Promise<ReadFigures> {
  if (reportsPath === undefined) return { ...(await runSpell(contestant, spell)), acceptedPerSecond: 0 };
  const pace = startPace({ ...spell, url: contestant.server.url, path: reportsPath, churnPerSecond: 0 });
  const figures = await runSpell(contestant, spell);
  const { accepted, seconds } = await pace.figures();
  await pace.stop();
  return { ...figures, acceptedPerSecond: accepted / seconds };
}

function* heartbeats(players: number): Generator<string> {
  for (let player = 0; player < players; player++) yield httpPut(`/v1/profiles/${uuidOf(player)}/heartbeat`);
}
