/** Part 7: what snapshots of a million players do to the event loop, and how long a restart from the store takes. */
import { setTimeout as sleep } from "node:timers/promises";
import type { SnapshotsResult } from "./results.ts";
import type { Settings } from "./settings.ts";
import { temporaryFolder } from "./support/children.ts";
import { fillByBatches } from "./support/fill.ts";
import { LONG_SESSION, metricsOf, startHeadcount } from "./support/headcount.ts";
import type { LoopDelay } from "./support/loop-delay.ts";
import { startPace } from "./support/pace.ts";
import type { Server } from "./support/servers.ts";

type Pause = SnapshotsResult["pauses"][number];
type Restart = SnapshotsResult["restarts"][number];

/** Shortest pause between two snapshots of a partition. */
const PAUSES = { "no snapshots": 86_400_000, "default, 10 s": 10_000, "every second": 1_000 };

export async function measureSnapshots(settings: Settings): Promise<Omit<SnapshotsResult, "date" | "isQuick">> {
  const { players, reportsPerSecond, restarts: count, restartPlayers } = settings.snapshots;
  const pauses = await measurePauses(settings);
  const restarts: Restart[] = [];
  for (const size of restartPlayers) restarts.push(...(await measureRestarts(size, count)));
  return { players, reportsPerSecond, pauses, restarts };
}

/** Each turn has a fresh process: one that stood still meanwhile would find its store's deadlines passed. */
async function measurePauses({ rounds, snapshots }: Settings): Promise<Pause[]> {
  const names = Object.keys(PAUSES) as (keyof typeof PAUSES)[];
  const turns: Watched[][] = names.map(() => []);
  for (let round = 0; round < rounds; round++)
    for (const [at, name] of names.entries()) (turns[at] as Watched[]).push(await watchTurn(PAUSES[name], snapshots));
  return names.map((name, at) => ({
    name,
    p99Ms: (turns[at] as Watched[]).map(({ p99Ms }) => p99Ms),
    maxMs: (turns[at] as Watched[]).map(({ maxMs }) => maxMs),
    acceptedPerSecond: (turns[at] as Watched[]).map(({ acceptedPerSecond }) => acceptedPerSecond),
    snapshotsPerSecond: (turns[at] as Watched[]).map(({ snapshotsPerSecond }) => snapshotsPerSecond),
  }));
}

interface Watched extends LoopDelay {
  readonly acceptedPerSecond: number;
  readonly snapshotsPerSecond: number;
}

async function watchTurn(pauseMs: number, load: Settings["snapshots"]): Promise<Watched> {
  const { warmSeconds, seconds } = load;
  const env = { HEADCOUNT_SNAPSHOT_MS: String(pauseMs) };
  const server = await startHeadcount({ durability: "log", isWatched: true, env });
  await fillByBatches(server, load.players);
  const pace = startPace({ ...load, url: server.url, path: "", churnPerSecond: 0 });
  await sleep(warmSeconds * 1000);
  const before = await snapshotsOf(server);
  await server.loopDelay();
  await sleep(seconds * 1000);
  const delay = await server.loopDelay();
  const snapshotsPerSecond = ((await snapshotsOf(server)) - before) / seconds;
  const { accepted, seconds: passed } = await pace.figures();
  await pace.stop();
  await server.stop("SIGKILL");
  return { ...delay, acceptedPerSecond: accepted / passed, snapshotsPerSecond };
}

async function measureRestarts(players: number, restarts: number): Promise<Restart[]> {
  const folder = temporaryFolder();
  let server = await startHeadcount({ durability: "log", folder, env: LONG_SESSION });
  await fillByBatches(server, players);
  const done: Restart[] = [];
  for (const [name, signal] of [
    ["after SIGTERM", "SIGTERM"],
    ["after SIGKILL", "SIGKILL"],
  ] as const) {
    const readyMs: number[] = [];
    for (let round = 0; round < restarts; round++) {
      await fillByBatches(server, Math.ceil(players / 5)); // so that there is a log to replay
      await server.stop(signal);
      const before = performance.now();
      server = await startHeadcount({ durability: "log", folder, env: LONG_SESSION });
      await untilReady(server);
      readyMs.push(performance.now() - before);
    }
    done.push({ name, players, readyMs, playersAfter: await playersOf(server) });
  }
  await server.stop();
  return done;
}

async function untilReady(server: Server): Promise<void> {
  while ((await fetch(`${server.url}/readyz`)).status !== 200) await sleep(5);
}

/** Snapshots of partitions stored so far. */
async function snapshotsOf(server: Server): Promise<number> {
  return Number(/^headcount_snapshots_total (\d+)/m.exec(await metricsOf(server))?.[1]);
}

export async function playersOf(server: Server): Promise<number> {
  const answer = await fetch(`${server.url}/v1/players`);
  return ((await answer.json()) as { players: number }).players;
}
