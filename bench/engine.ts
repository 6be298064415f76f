/** Part 1: the engine in its process, against a bare probe, a plain Map and Redis, each in a process of its own. */
import { once } from "node:events";
import type { ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import { ENGINE_CONTESTANTS, type EngineContestantName } from "./contestants/engine-contestant.ts";
import type { CommitCost, EngineResult, EngineSize, EngineStops, MemorySample } from "./results.ts";
import type { EngineSettings, Settings } from "./settings.ts";
import { end, lineOf, LOAD_CORE, SERVER_CORE, spawnOn } from "./support/children.ts";
import type { EngineAnswers, EngineQuestion } from "./support/engine-child.ts";
import type { Stops } from "./support/engine-stops-child.ts";
import { startRedis } from "./support/redis-server.ts";

interface Opened {
  readonly name: EngineContestantName;
  readonly bytesPerPlayer: number;
  readonly reports: number;
  readonly nsPerReport: number[];
  readonly child: ChildProcess;
}

export async function measureEngine({ rounds, engine }: Settings): Promise<Omit<EngineResult, "date" | "isQuick">> {
  const sizes: EngineSize[] = [];
  for (const players of engine.players) sizes.push(await measureSize(engine, players, rounds));
  const commits = await lastLine<CommitCost[]>("commits-child.ts", String(rounds));
  return { sizes, commits, memory: await measureMemory(engine), stops: await measureStops(engine.stopPlayers, rounds) };
}

/** All contestants at one size: filled, then in turns, then asked whether they agree. */
async function measureSize(settings: EngineSettings, players: number, rounds: number): Promise<EngineSize> {
  const redis = players <= settings.redisPlayersMax ? await startRedis(LOAD_CORE) : undefined;
  const opened: Opened[] = [];
  for (const name of Object.keys(ENGINE_CONTESTANTS) as EngineContestantName[])
    if (name !== "redis-lua" || redis !== undefined)
      opened.push(await open(settings, name, players, redis?.socketPath ?? ""));
  for (let round = 0; round <= rounds; round++)
    for (const { child, reports, nsPerReport } of opened) {
      const figures = await ask<"round">(child, { ask: "round", reports, seed: round });
      if (round > 0) nsPerReport.push(figures.nsPerReport); // the first is for the compiler
    }
  const isAgreed = await areAgreed(opened);
  for (const { child } of opened) await end(child);
  await redis?.stop();
  const contestants = opened.map(({ name, bytesPerPlayer, nsPerReport }) => ({ name, bytesPerPlayer, nsPerReport }));
  return { players, isAgreed, contestants };
}

async function open(
  settings: EngineSettings,
  name: EngineContestantName,
  players: number,
  redisSocketPath: string,
): Promise<Opened> {
  const child = spawnScript("engine-child.ts", [], true);
  const { bytesPerPlayer } = await ask<"open">(child, { ask: "open", name, players, redisSocketPath });
  const reports = name === "redis-lua" ? settings.redisReports : settings.reports;
  return { name, bytesPerPlayer, reports, nsPerReport: [], child };
}

/** Whether those who got the same reports count the same. */
async function areAgreed(opened: readonly Opened[]): Promise<boolean> {
  const texts = new Map<number, string>();
  for (const { child, reports } of opened) {
    const { text } = await ask<"counts">(child, { ask: "counts" });
    if ((texts.get(reports) ?? text) !== text) return false;
    texts.set(reports, text);
  }
  return true;
}

async function ask<K extends EngineQuestion["ask"]>(
  child: ChildProcess,
  question: EngineQuestion,
): Promise<EngineAnswers[K]> {
  const ended = new AbortController();
  const answered = Promise.race([
    once(child, "message", { signal: ended.signal }),
    once(child, "exit", { signal: ended.signal }).then(() => [{ error: "the process ended" }]),
  ]);
  child.send(question);
  const [{ value, error }] = (await answered) as [{ value: EngineAnswers[K]; error?: string }];
  ended.abort();
  if (error !== undefined) throw new Error(`Cannot ${question.ask} an engine contestant: ${error}`);
  return value;
}

async function measureMemory({ smallSizes, sweep }: EngineSettings): Promise<MemorySample[]> {
  const { from, to, steps } = sweep;
  const sizes = Array.from({ length: steps }, (_, step) => Math.round(from * (to / from) ** (step / (steps - 1))));
  return lastLine<MemorySample[]>("engine-memory-child.ts", JSON.stringify([...smallSizes, ...sizes]));
}

async function measureStops(players: number, rounds: number): Promise<EngineStops> {
  const found: Stops[] = [];
  for (let round = 0; round < rounds; round++)
    found.push(await lastLine<Stops>("engine-stops-child.ts", String(players)));
  return {
    players,
    growMs: found.map(({ growMs }) => growMs),
    deleteMs: found.map(({ deleteMs }) => deleteMs),
    sweepMs: found.map(({ sweepMs }) => sweepMs),
  };
}

/** What a script in support/ prints: one line of JSON. */
async function lastLine<T>(script: string, ...args: string[]): Promise<T> {
  const [line] = await lineOf(spawnScript(script, args, false), /^[[{].*[\]}]$/m);
  return JSON.parse(line) as T;
}

function spawnScript(script: string, args: readonly string[], isAsked: boolean): ChildProcess {
  const path = fileURLToPath(new URL(`support/${script}`, import.meta.url));
  // A plain Map of 10 million objects needs more heap than Node allows unless told.
  const command: [string, ...string[]] = [process.execPath, "--expose-gc", "--max-old-space-size=12000", path, ...args];
  return spawnOn(SERVER_CORE, command, {
    stdio: ["ignore", isAsked ? "inherit" : "pipe", "inherit", ...(isAsked ? ["ipc" as const] : [])],
  });
}
