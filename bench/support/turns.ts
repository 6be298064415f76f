/**
 * Contestants under load in turns: all are running, one at a time works and the others stand still. Round by round each
 * gets an unmeasured and a measured spell, so whatever disturbs the machine disturbs all of them.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { LoadSeries } from "../results.ts";
import { busyShare, coreTimes } from "./busy.ts";
import { LOAD_CORE, SERVER_CORE } from "./children.ts";
import type { Server, StartServer } from "./servers.ts";
import { runWrk, type WrkFigures } from "./wrk.ts";

/** Before it is stopped a contestant finishes what is in flight: an append that stood still counts as given up. */
const DRAIN_MS = 500;

export interface Contestant {
  readonly name: string;
  readonly start: StartServer;
  /** Brings it to the state in which it is measured. */
  readonly fill?: (server: Server) => Promise<void>;
}

export interface Running {
  readonly name: string;
  readonly server: Server;
  /** Which request is next: a turn goes on where the last one stopped. */
  next: number;
}

export interface Spell {
  readonly connections: number;
  readonly warmSeconds: number;
  readonly seconds: number;
  readonly requestsPath: string;
  /** What one request counts for, 1 unless told. */
  readonly units?: number;
}

export interface LoadFigures {
  readonly perSecond: number;
  readonly p99Ms: number;
  readonly refused: number;
  readonly serverBusy: number;
  readonly loadBusy: number;
}

/** Starts and fills them one after another; each stands still at the end. */
export async function startAll(contestants: readonly Contestant[]): Promise<Running[]> {
  const running: Running[] = [];
  for (const { name, start, fill } of contestants) {
    const server = await start();
    await fill?.(server);
    await sleep(DRAIN_MS);
    server.pause();
    running.push({ name, server, next: 0 });
  }
  return running;
}

export async function stopAll(running: readonly Running[]): Promise<void> {
  for (const { server } of running) await server.stop();
}

/** Gives each a turn per round; what it did in each, by contestant. */
export async function inTurns<T>(
  running: readonly Running[],
  rounds: number,
  turn: (contestant: Running) => Promise<T>,
): Promise<T[][]> {
  const done: T[][] = running.map(() => []);
  for (let round = 0; round < rounds; round++)
    for (const [at, contestant] of running.entries()) {
      contestant.server.resume();
      (done[at] as T[]).push(await turn(contestant));
      await sleep(DRAIN_MS);
      contestant.server.pause();
    }
  return done;
}

/** One contestant's turn under wrk. */
export async function runSpell(contestant: Running, spell: Spell): Promise<LoadFigures> {
  await load(contestant, spell, spell.warmSeconds);
  const [server, loader] = [coreTimes(SERVER_CORE), coreTimes(LOAD_CORE)];
  const figures = await load(contestant, spell, spell.seconds);
  return {
    perSecond: (figures.requests * (spell.units ?? 1)) / figures.seconds,
    p99Ms: figures.p99Ms,
    refused: figures.refused + figures.broken,
    serverBusy: busyShare(server, coreTimes(SERVER_CORE)),
    loadBusy: busyShare(loader, coreTimes(LOAD_CORE)),
  };
}

/** All turns of a contestant; call it while it still runs: it is asked for what wrk does not see. */
export async function seriesOf({ name, server }: Running, figures: readonly LoadFigures[]): Promise<LoadSeries> {
  server.resume();
  const unstored = (await server.answersUnstored?.()) ?? 0;
  server.pause();
  return {
    name,
    perSecond: figures.map(({ perSecond }) => perSecond),
    p99Ms: figures.map(({ p99Ms }) => p99Ms),
    refused: figures.reduce((sum, { refused }) => sum + refused, unstored),
    serverBusy: figures.map(({ serverBusy }) => serverBusy),
    loadBusy: figures.map(({ loadBusy }) => loadBusy),
  };
}

async function load(contestant: Running, spell: Spell, seconds: number): Promise<WrkFigures> {
  const { connections, requestsPath } = spell;
  const figures = await runWrk({
    url: contestant.server.url,
    connections,
    seconds,
    requestsPath,
    first: contestant.next,
  });
  contestant.next = figures.next;
  return figures;
}
