/** Part 8: a steady load for minutes, with players who fall silent and others who come; memory is to be flat. */
import { setTimeout as sleep } from "node:timers/promises";
import type { SoakResult } from "./results.ts";
import type { Settings } from "./settings.ts";
import { playersOf } from "./snapshots.ts";
import { startHeadcount } from "./support/headcount.ts";
import { startPace } from "./support/pace.ts";
import type { Server } from "./support/servers.ts";
import { residentBytesOf } from "./support/usage.ts";

type Sample = SoakResult["samples"][number];

export async function measureSoak({ soak }: Settings): Promise<Omit<SoakResult, "date" | "isQuick">> {
  const server = await startHeadcount({ durability: "log" });
  const pace = startPace({ ...soak, url: server.url, path: "" });
  const samples = await sampleFor(server, soak.minutes * 60, soak.sampleSeconds);
  const { accepted, refused, seconds } = await pace.figures();
  await pace.stop();
  await server.stop();
  const { reportsPerSecond, settleMinutes } = soak;
  return { reportsPerSecond, acceptedPerSecond: accepted / seconds, refused, settleMinutes, samples };
}

async function sampleFor(server: Server, seconds: number, everySeconds: number): Promise<Sample[]> {
  const startedMs = performance.now();
  const samples: Sample[] = [];
  for (let second = 0; second <= seconds; second += everySeconds) {
    await sleep(Math.max(0, startedMs + second * 1000 - performance.now()));
    samples.push({ second, rssMiB: residentBytesOf(server.pid) / 2 ** 20, players: await playersOf(server) });
  }
  return samples;
}
