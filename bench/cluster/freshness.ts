/** Goal 3: from the `200` of a report at one node until another node's answer shows it, while others report. */
import { setTimeout as pause } from "node:timers/promises";
import { COUNTRY_CODES } from "../../engine/places.ts";
import { fillByBatches } from "../support/fill.ts";
import { singleReports } from "../support/reports.ts";
import { randomOf, uuidOf } from "../support/traffic.ts";
import { httpGet, httpPost, writeRequests } from "../support/wrk.ts";
import { HttpConnection } from "../support/http-connection.ts";
import { Cluster } from "./nodes.ts";
import type { FreshnessResult } from "./results.ts";
import type { FreshnessSettings } from "./settings.ts";
import { startLoad } from "../support/steady-load.ts";
import { LONG_SESSION } from "./systems.ts";

const CONNECTIONS = 60;
const WARM_MS = 2_000;
/** Between two looks: it is part of what is measured. */
const LOOK_EVERY_MS = 2;
const GIVE_UP_MS = 5_000;

export async function measureFreshness(settings: FreshnessSettings): Promise<FreshnessResult> {
  const { players, reportsPerSecond, rounds, probes, seconds } = settings;
  const cluster = await Cluster.start(3, LONG_SESSION);
  await fillByBatches({ url: cluster.urls[0] as string }, players);
  const requestsPath = await writeRequests(singleReports(players));
  const load = startLoad({
    urls: cluster.urls,
    requestsPath,
    first: 0,
    requestsPerSecond: reportsPerSecond,
    connections: CONNECTIONS,
    isSharing: true,
  });
  await pause(WARM_MS);
  const delays: number[][] = [];
  for (let round = 0; round < rounds; round++) {
    const untilMs = performance.now() + seconds * 1000;
    const found = Array.from({ length: probes }, (_, probe) =>
      probeUntil(cluster.urls, players, probe, round, untilMs),
    );
    delays.push((await Promise.all(found)).flat().toSorted((a, b) => a - b));
  }
  await load.stop();
  await cluster.stop();
  const percentile = (share: number): number[] =>
    delays.map((sorted) => sorted[Math.floor(sorted.length * share)] ?? NaN);
  return {
    reportsPerSecond,
    samples: delays.reduce((sum, { length }) => sum + length, 0),
    p50Ms: percentile(0.5),
    p99Ms: percentile(0.99),
    maxMs: delays.map((sorted) => sorted.at(-1) ?? NaN),
  };
}

/** One player, in a mode nobody else is in, moves from region to region; how long each move took to be seen. */
async function probeUntil(
  urls: readonly string[],
  players: number,
  probe: number,
  round: number,
  untilMs: number,
): Promise<number[]> {
  const random = randomOf(1_000 * round + probe);
  const connections = urls.map((url) => new HttpConnection(url, () => undefined));
  const delaysMs: number[] = [];
  const mode = `probe-${probe}`;
  for (let region = probe; performance.now() < untilMs; region = (region + 1) % COUNTRY_CODES.length) {
    const entry = random() % urls.length;
    const other = (entry + 1 + (random() % (urls.length - 1))) % urls.length;
    const body = `{"region":"${COUNTRY_CODES[region]}","gamemode":"${mode}"}`;
    const report = httpPost(`/v1/profiles/${uuidOf(players + 1 + probe)}/gamemode`, body);
    const { status } = await ask(connections[entry] as HttpConnection, report);
    if (status === 200)
      delaysMs.push(await delayUntilShown(connections[other] as HttpConnection, COUNTRY_CODES[region] as string, mode));
  }
  for (const connection of connections) connection.close();
  return delaysMs;
}

async function delayUntilShown(connection: HttpConnection, region: string, mode: string): Promise<number> {
  const sinceMs = performance.now();
  const request = httpGet(`/v1/regions/${region}/gamemode?top=100`);
  for (;;) {
    const { body } = await ask(connection, request);
    const delayMs = performance.now() - sinceMs;
    if (body.includes(`"${mode}"`) || delayMs > GIVE_UP_MS) return delayMs;
    await pause(LOOK_EVERY_MS);
  }
}

function ask(connection: HttpConnection, request: string): Promise<{ status: number; body: string }> {
  return new Promise((resolve) => connection.send(request, (status, body) => resolve({ status, body })));
}
