// One run: reach the service, let the crowd loose on it, say each second how it goes, sum up.
import { setTimeout as pause } from "node:timers/promises";
import { compare } from "./check.ts";
import { playersOrigin } from "./addresses.ts";
import { Clients } from "./clients.ts";
import { Crowd } from "./crowd.ts";
import { Everyone } from "./everyone.ts";
import { type Farm, openFarm } from "./farm.ts";
import { type BotReading, progressLine, type Standing, summaryLines, whole } from "./lines.ts";
import { Link, reasonOf } from "./link.ts";
import { Meter, type Reading } from "./meter.ts";
import type { CrowdOptions } from "./options.ts";
import { Sender } from "./sender.ts";
import { loadWorld, type World } from "./world.ts";

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
  const world = loadWorld();
  const startMs = performance.now();
  const now = (): number => performance.now() - startMs;
  const meter = new Meter(0);
  const clients = clientsOf(options, link, meter);
  const { crowd, farm, everyone } = gather(options, world, clients);
  for (const line of greetingLines(options, world, farm)) screen.say(line);

  const botMeter = farm && new Meter(0);
  const sender = new Sender({ crowd: everyone, link: clients ?? link, meter, botMeter, now, ...options });
  const standing = (): Standing => {
    return { connected: crowd.connectedCount, silent: crowd.silentCount, behindMs: sender.behindMs(now()) };
  };
  const botReading = (read: (meter: Meter) => Reading): BotReading | undefined =>
    farm && botMeter && { reading: read(botMeter), connected: farm.bots.connectedCount };
  const lapOf = (each: Meter): Reading => each.lap(now());
  const totalOf = (each: Meter): Reading => each.total(now());

  const ticker = setInterval(
    () => screen.progress(progressLine(now() / 1_000, lapOf(meter), standing(), botReading(lapOf))),
    1_000,
  );
  sender.start();
  await untilStopped(options.seconds, stopSignal);
  clearInterval(ticker);
  await sender.stop();
  for (const line of summaryLines(totalOf(meter), standing(), botReading(totalOf))) screen.say(line);
  if (clients) screen.say(`clients  ${whole(clients.count)}, ${whole(clients.sessionCount)} of them with a session`);
  try {
    if (!options.check) return;
    for (const line of await compare(link, everyone, world, now, farm?.gamemode)) screen.say(line);
  } catch (error) {
    screen.warn(`check: the service could not be asked: ${reasonOf(error)}`);
  } finally {
    clients?.close();
  }
}

function clientsOf({ url, client, sessions }: CrowdOptions, link: Link, meter: Meter): Clients | undefined {
  if (!client && !sessions) return undefined;
  const onError = (reason: string): void => meter.called(`client ${reason}`);
  return new Clients({ url, link, hasSessions: sessions === true, onError });
}

interface Cast {
  readonly crowd: Crowd;
  readonly farm: Farm | undefined;
  readonly everyone: Crowd | Everyone;
}

function gather(options: CrowdOptions, world: World, clients: Clients | undefined): Cast {
  const { players, bots, seed } = options;
  const rampMs = rampSecondsOf(options) * 1_000;
  const sessionTtlMs = options.sessionTtl * 1_000;
  const crowd = new Crowd({
    world,
    seed,
    players,
    rampMs,
    sessionTtlMs,
    isHurried: options.rate !== undefined,
    isHeartbeatless: options.batch > 0,
    startHour: options.hour,
    onSilent: clients?.silence,
    originOf: bots === undefined ? undefined : playersOrigin(seed),
  });
  if (bots === undefined) return { crowd, farm: undefined, everyone: crowd };
  const farm = openFarm({ world, seed, players: bots, rampMs, sessionTtlMs });
  return { crowd, farm, everyone: new Everyone(crowd, farm.bots) };
}

function greetingLines(options: CrowdOptions, world: World, farm: Farm | undefined): string[] {
  const { players, bots, seed, url } = options;
  const greeting =
    `${whole(players)} players in ${world.regions.length} countries and ${world.gamemodes.length} modes come to ${nameOf(url)} ` +
    `within ${whole(rampSecondsOf(options))} s (seed ${seed}). Ctrl-C ends it.`;
  if (farm === undefined || bots === undefined) return [greeting];
  return [
    greeting,
    `${whole(bots)} bots push ${farm.gamemode} in ${farm.region}, from ${farm.prefixes.join(", ")}.`,
    "Addresses are sent as X-Forwarded-For: the node must trust this machine's (HEADCOUNT_TRUST_PROXY=127.0.0.1).",
  ];
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

function rampSecondsOf({ players, bots = 0, rate, rampSeconds }: CrowdOptions): number {
  const all = players + bots;
  const wanted = rampSeconds ?? Math.max(RAMP_SECONDS, all / RAMP_PLAYERS_A_SECOND);
  return rate === undefined ? wanted : Math.max(wanted, all / rate);
}

async function untilStopped(seconds: number | undefined, signal: AbortSignal): Promise<void> {
  const forEver = 2 ** 31 - 1; // as far as a timer knows
  await pause(seconds === undefined ? forEver : seconds * 1_000, undefined, { signal }).catch(() => {});
}
