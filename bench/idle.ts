/** Part 11: connections that do nothing. How late a report is answered beside them and without them, in turns. */
import { setTimeout as sleep } from "node:timers/promises";
import type { IdleResult } from "./results.ts";
import type { Settings } from "./settings.ts";
import { startAsked } from "./support/asked-child.ts";
import { fillByBatches } from "./support/fill.ts";
import { LONG_SESSION, startHeadcount } from "./support/headcount.ts";
import type { IdleFigures } from "./support/idle-child.ts";
import { singleReports } from "./support/reports.ts";
import type { Server } from "./support/servers.ts";
import { startLoad } from "./support/steady-load.ts";
import { residentBytesOf } from "./support/usage.ts";
import { writeRequests } from "./support/wrk.ts";

export async function measureIdle({ rounds, idle }: Settings): Promise<Omit<IdleResult, "date" | "isQuick">> {
  const { players, connections, idleConnections, reportsPerSecond, warmSeconds, seconds } = idle;
  const server = await startHeadcount({ durability: "log", env: LONG_SESSION });
  await fillByBatches(server, players);
  const requestsPath = await writeRequests(singleReports(players));
  const p99Of = async (): Promise<number> => {
    const load = startLoad({
      urls: [server.url],
      requestsPath,
      first: 0,
      requestsPerSecond: reportsPerSecond,
      connections,
      isSharing: false,
    });
    await sleep(warmSeconds * 1000);
    await load.figures();
    await sleep(seconds * 1000);
    const { p99Ms } = await load.figures();
    await load.stop();
    return p99Ms;
  };
  const [withoutMs, besideMs, bytes]: [number[], number[], number[]] = [[], [], []];
  for (let round = 0; round < rounds; round++) {
    withoutMs.push(await p99Of());
    const before = bytesOf(server);
    const child = startAsked<IdleFigures>("idle-child.ts", { url: server.url, connections: idleConnections });
    const { open } = await child.figures();
    if (open < idleConnections) throw new Error(`Cannot measure beside idle connections: only ${open} are open`);
    bytes.push((bytesOf(server) - before) / idleConnections);
    besideMs.push(await p99Of());
    if ((await child.figures()).open < idleConnections) throw new Error("Idle connections were closed meanwhile");
    await child.stop();
  }
  await server.stop();
  return { players, connections, idleConnections, reportsPerSecond, withoutMs, besideMs, bytes };
}

function bytesOf({ pids }: Server): number {
  return pids.reduce((sum, pid) => sum + residentBytesOf(pid), 0);
}
