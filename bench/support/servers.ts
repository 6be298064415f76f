/** The contestants that speak HTTP: each a process of its own, all its threads on one core, its Redis there too. */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { end, lineOf, SERVER_CORE, spawnOn } from "./children.ts";
import type { LoopDelay } from "./loop-delay.ts";
import { startRedis } from "./redis-server.ts";

export interface Server {
  readonly url: string;
  readonly pid: number;
  /** All its processes, its Redis among them: what they take is what a request costs. */
  readonly pids: readonly number[];
  /** Where its Redis listens, if it has one. */
  readonly redisSocketPath?: string;
  /** Stands still while others are measured, so that what it does beside its answers disturbs nobody. */
  /** Where its metrics are, of a node. */
  readonly metricsUrl?: string;
  pause(): void;
  resume(): void;
  stop(signal?: NodeJS.Signals): Promise<void>;
  /** Answers 202, "counted, but not stored": a 2xx that is no success here. */
  answersUnstored?(): Promise<number>;
  /** Requests so far that took the fast lane; `undefined` where the node is older than that lane. */
  requestsInLane?(): Promise<number | undefined>;
  /** Asks loop-delay.ts in it, where it was loaded, for the event-loop delay since the last time. */
  loopDelay(): Promise<LoopDelay>;
}

export type StartServer = () => Promise<Server>;

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
    pids: [...server.pids, redis.pid],
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

/** Where the child says that it listens. */
export async function urlOf(child: ChildProcess): Promise<string> {
  const [, url = ""] = await lineOf(child, / listens on (http:\S+)/);
  return url;
}

export function serverOf(child: ChildProcess, url: string): Server {
  const pid = child.pid ?? 0;
  return {
    url,
    pid,
    pids: [pid],
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
