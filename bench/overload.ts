/**
 * Part 10: more than a node can do. Requests of all kinds come at random instants, whatever was answered, from half of what the node
 * can carry to five times that, and then half of it again.
 */
import type { OverloadResult } from "./results.ts";
import type { Settings } from "./settings.ts";
import { startAsked } from "./support/asked-child.ts";
import { fillByBatches } from "./support/fill.ts";
import type { FloodOptions, FloodStep, StepFigures } from "./support/flood-child.ts";
import { LONG_SESSION, startHeadcount } from "./support/headcount.ts";
import { singleReport } from "./support/reports.ts";
import type { Server } from "./support/servers.ts";
import { randomOf, uuidOf } from "./support/traffic.ts";
import { httpGet, httpPut, runWrk, writeRequests } from "./support/wrk.ts";

/** Of a hundred requests: heartbeats, reports, popular modes; the rest are look-ups. */
const [HEARTBEATS, REPORTS, READS] = [50, 30, 12];
const REQUESTS = 100_000;
/** Each player is kept count of, and none is refused: the few who play here send more than players do. */
const FREE_PLAYERS = { HEADCOUNT_RATE_PROFILE: "100000/10s" };
/** Times what wrk, which waits for answers, gets out of the node: where the most is served is looked for among these. */
const SOUGHT = [0.7, 1, 1.4, 2, 2.8, 4, 5.6];
/** Times the most that it serves. */
const TIMES = [0.5, 0.75, 1, 1.5, 2, 3, 5, 0.5] as const;

export async function measureOverload({
  rounds,
  overload,
}: Settings): Promise<Omit<OverloadResult, "date" | "isQuick">> {
  const { players, connections, warmSeconds, seconds } = overload;
  const server = await startHeadcount({ durability: "log", env: { ...LONG_SESSION, ...FREE_PLAYERS } });
  await fillByBatches(server, players);
  const requestsPath = await writeRequests(mixed(players));
  const flood = (perSecond: readonly number[]): Promise<readonly StepFigures[]> =>
    floodOnce(server, { requestsPath, connections, steps: perSecond.map((each) => stepOf(each, overload)) });
  const waiting = await runWrk({
    url: server.url,
    connections,
    seconds: warmSeconds + seconds,
    requestsPath,
    first: 0,
  });
  const sought = await flood(SOUGHT.map((times) => (times * waiting.requests) / waiting.seconds));
  const carried = Math.round(Math.max(...sought.map(({ acceptedPerSecond }) => acceptedPerSecond)));
  const measured: (readonly StepFigures[])[] = [];
  for (let round = 0; round < rounds; round++) measured.push(await flood(TIMES.map((times) => times * carried)));
  await server.stop();
  const steps = TIMES.map((times, at) => ({ times, rounds: measured.map((round) => round[at] as StepFigures) }));
  return { players, connections, carriedPerSecond: carried, steps };
}

function stepOf(perSecond: number, { warmSeconds, seconds }: Settings["overload"]): FloodStep {
  return { perSecond, warmSeconds, seconds };
}

async function floodOnce({ url }: Server, options: Omit<FloodOptions, "url">): Promise<readonly StepFigures[]> {
  const child = startAsked<readonly StepFigures[]>("flood-child.ts", { ...options, url });
  const figures = await child.figures();
  await child.stop();
  return figures;
}

function* mixed(players: number): Generator<string> {
  const random = randomOf(9);
  for (let count = 0; count < REQUESTS; count++) {
    const [player, draw] = [random() % players, random() % 100];
    const path = `/v1/profiles/${uuidOf(player)}`;
    if (draw < HEARTBEATS) yield httpPut(`${path}/heartbeat`);
    else if (draw < HEARTBEATS + REPORTS) yield singleReport(player, random);
    else yield httpGet(draw < HEARTBEATS + REPORTS + READS ? "/v1/regions/CA/gamemode" : `${path}/gamemode`);
  }
}
