// One run: reach the service, let the crowd loose on it, say each second how it goes, sum up.
import { setTimeout as pause } from "node:timers/promises";
import { compare } from "./check.ts";
import { Crowd } from "./crowd.ts";
import { progressLine, type Standing, summaryLines, whole } from "./lines.ts";
import { Link, reasonOf } from "./link.ts";
import { Meter } from "./meter.ts";
import type { CrowdOptions } from "./options.ts";
import { Sender } from "./sender.ts";
import { loadWorld } from "./world.ts";

/** Where a run shows itself. */
export interface Screen {
  /** How it goes just now; the next one may take its place. */
  progress(line: string): void;
  say(line: string): void;
  warn(line: string): void;
}

const RAMP_SECONDS = 10;
const RAMP_PLAYERS_A_SECOND = 5_000; // what one process can send, and one node take, with room to spare
const REACH = { tries: 10, pauseMs: 200, pauseMaxMs: 5_000 };

/**
 * @param stopSignal ends the run as `--seconds` does
 * @returns the exit code: 1 if the service was never reached
 */
export async function runCrowd(options: CrowdOptions, screen: Screen, stopSignal: AbortSignal): Promise<0 | 1> {
  const link = new Link(options.url, options.connections);
  const stops = [stopSignal, ...(options.seconds === undefined ? [] : [AbortSignal.timeout(options.seconds * 1_000)])];
  try {
    if (!(await reach(link, options.url, screen, AbortSignal.any(stops)))) return 1;
    await sendCrowd(options, link, screen, stopSignal);
    return 0;
  } finally {
    await link.destroy();
  }
}

async function sendCrowd(options: CrowdOptions, link: Link, screen: Screen, stopSignal: AbortSignal): Promise<void> {
  const { players, rate, seed, url } = options;
  const world = loadWorld();
  const rampMs = rampSecondsOf(options) * 1_000;
  const sessionTtlMs = options.sessionTtl * 1_000;
  const isHurried = rate !== undefined;
  const isHeartbeatless = options.batch > 0;
  const crowd = new Crowd({
    world,
    seed,
    players,
    rampMs,
    sessionTtlMs,
    isHurried,
    isHeartbeatless,
    startHour: options.hour,
  });
  screen.say(
    `${whole(players)} players in ${world.regions.length} countries and ${world.gamemodes.length} modes come to ${nameOf(url)} ` +
      `within ${whole(rampMs / 1_000)} s (seed ${seed}). Ctrl-C ends it.`,
  );

  const startMs = performance.now();
  const now = (): number => performance.now() - startMs;
  const meter = new Meter(0);
  const sender = new Sender({ crowd, link, meter, now, ...options });
  const standing = (): Standing => {
    return { connected: crowd.connectedCount, silent: crowd.silentCount, behindMs: sender.behindMs(now()) };
  };

  const ticker = setInterval(() => screen.progress(progressLine(now() / 1_000, meter.lap(now()), standing())), 1_000);
  sender.start();
  await untilStopped(options.seconds, stopSignal);
  clearInterval(ticker);
  await sender.stop();
  for (const line of summaryLines(meter.total(now()), standing())) screen.say(line);
  if (!options.check) return;
  try {
    for (const line of await compare(link, crowd, world, now)) screen.say(line);
  } catch (error) {
    screen.warn(`check: the service could not be asked: ${reasonOf(error)}`);
  }
}

/** Any answer will do: a service that is still starting is reached, and its 503 are counted. */
async function reach(link: Link, url: URL, screen: Screen, signal: AbortSignal): Promise<boolean> {
  let pauseMs = REACH.pauseMs;
  for (let tries = 1; !signal.aborted; tries++) {
    try {
      await link.call("GET", "/v1/node", {});
      return true;
    } catch (error) {
      const next = tries < REACH.tries ? `trying again in ${pauseMs / 1_000} s` : "giving up: is it running?";
      screen.warn(`${nameOf(url)} does not answer (${reasonOf(error)}), ${next}`);
      if (tries >= REACH.tries) return false;
    }
    await pause(pauseMs, undefined, { signal }).catch(() => {});
    pauseMs = Math.min(2 * pauseMs, REACH.pauseMaxMs);
  }
  screen.warn(`${nameOf(url)} was never reached`);
  return false;
}

function nameOf(url: URL): string {
  return url.href.replace(/\/$/, "");
}

function rampSecondsOf({ players, rate, rampSeconds }: CrowdOptions): number {
  const wanted = rampSeconds ?? Math.max(RAMP_SECONDS, players / RAMP_PLAYERS_A_SECOND);
  return rate === undefined ? wanted : Math.max(wanted, players / rate);
}

async function untilStopped(seconds: number | undefined, signal: AbortSignal): Promise<void> {
  const forEver = 2 ** 31 - 1; // as far as a timer knows
  await pause(seconds === undefined ? forEver : seconds * 1_000, undefined, { signal }).catch(() => {});
}
