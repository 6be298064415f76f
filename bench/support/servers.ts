/** The contestants that speak HTTP: each a process of its own, all its threads on one core, its Redis there too. */
import type { ChildProcess, StdioOptions } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { end, lineOf, SERVER_CORE, spawnOn, temporaryFolder } from "./children.ts";
import type { LoopDelay } from "./loop-delay.ts";
import { startRedis } from "./redis-server.ts";

export interface Server {
  readonly url: string;
  readonly pid: number;
  /** Where its Redis listens, if it has one. */
  readonly redisSocketPath?: string;
  /** Stands still while others are measured, so that what it does beside its answers disturbs nobody. */
  pause(): void;
  resume(): void;
  stop(signal?: NodeJS.Signals): Promise<void>;
  /** Answers 202, "counted, but not stored": a 2xx that is no success here. */
  answersUnstored?(): Promise<number>;
  /** Asks loop-delay.ts in it, where it was loaded, for the event-loop delay since the last time. */
  loopDelay(): Promise<LoopDelay>;
}

export type StartServer = () => Promise<Server>;

const NODE_MAIN = fileURLToPath(new URL("../../node/headcount.js", import.meta.url));
const LOOP_DELAY = new URL("loop-delay.ts", import.meta.url).href;

export interface HeadcountOptions {
  readonly durability: "log" | "snapshot" | "none";
  readonly folder?: string;
  /** More settings, by the names of the environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Whether its event loop is watched from inside, see loop-delay.ts. */
  readonly isWatched?: boolean;
}

/** A node of Headcount as it is, with an embedded store in `folder` or a fresh one. */
export async function startHeadcount(options: HeadcountOptions): Promise<Server> {
  const env = {
    ...process.env,
    HEADCOUNT_PORT: "0",
    HEADCOUNT_DATA_DIR: options.folder ?? temporaryFolder(),
    HEADCOUNT_DURABILITY: options.durability,
    HEADCOUNT_LOG_LEVEL: "warn",
    ...options.env,
  };
  const watch = options.isWatched ? ["--import", LOOP_DELAY] : [];
  const stdio: StdioOptions = ["ignore", "pipe", "inherit", ...(options.isWatched ? ["ipc" as const] : [])];
  const child = spawnOn(SERVER_CORE, [process.execPath, ...watch, NODE_MAIN], { env, stdio });
  const server = serverOf(child, await urlOf(child));
  return {
    ...server,
    answersUnstored: async () =>
      sumOf(await metricsOf(server), /^headcount_http_requests_total\{.*status="202".*\} (\d+)/gm),
  };
}

export async function metricsOf({ url }: Server): Promise<string> {
  return (await fetch(`${url}/metrics`)).text();
}

function sumOf(metrics: string, pattern: RegExp): number {
  return Array.from(metrics.matchAll(pattern)).reduce((sum, [, value]) => sum + Number(value), 0);
}

/** One of the servers in contestants/, by file name. */
export async function startContestant(file: string): Promise<Server> {
  const child = spawnScript(file);
  return serverOf(child, await urlOf(child));
}

export async function startOnRedis(file: string): Promise<Server> {
  const redis = await startRedis(SERVER_CORE);
  const child = spawnScript(file, redis.socketPath);
  const server = serverOf(child, await urlOf(child));
  return {
    ...server,
    redisSocketPath: redis.socketPath,
    pause: () => signalAll([child.pid ?? 0, redis.pid], "SIGSTOP"),
    resume: () => signalAll([redis.pid, child.pid ?? 0], "SIGCONT"),
    stop: async () => {
      await server.stop();
      await redis.stop();
    },
  };
}

function spawnScript(file: string, ...args: string[]): ChildProcess {
  const path = fileURLToPath(new URL(`../contestants/${file}`, import.meta.url));
  return spawnOn(SERVER_CORE, [process.execPath, path, ...args]);
}

async function urlOf(child: ChildProcess): Promise<string> {
  const [, url = ""] = await lineOf(child, / listens on (http:\S+)/);
  return url;
}

function serverOf(child: ChildProcess, url: string): Server {
  const pid = child.pid ?? 0;
  return {
    url,
    pid,
    pause: () => signalAll([pid], "SIGSTOP"),
    resume: () => signalAll([pid], "SIGCONT"),
    stop: (signal) => end(child, signal),
    async loopDelay() {
      const answered = once(child, "message");
      child.send("delay");
      const [delay] = (await answered) as [LoopDelay];
      return delay;
    },
  };
}

function signalAll(pids: readonly number[], signal: NodeJS.Signals): void {
  for (const pid of pids) process.kill(pid, signal);
}
