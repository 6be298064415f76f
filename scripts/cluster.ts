/**
 * `npm run cluster`: a Redis and three nodes on this machine, for trying a cluster out. Ends them all, in good order, on
 * Ctrl-C or SIGTERM, and leaves nothing behind. Settings (`HEADCOUNT_…`) of the caller reach the nodes, but for addresses.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { freePort } from "./free-port.ts";
import { NODE_FLAGS, NODE_VARIABLES } from "./start-line.ts";

const NODE_COUNT = 3;
const MAIN = join(import.meta.dirname, "../node/headcount.js");
const START_LIMIT_MS = 30_000;
const STOP_LIMIT_MS = 30_000;
const LOOK_EVERY_MS = 50;
/** Ctrl-C arrives twice (from the terminal and from npm): a second signal so soon is ignored. */
const REPEAT_WITHIN_MS = 1000;
/** Of a node that ended unasked. */
const LOG_LINES_SHOWN = 5;
const PLAYER = "6f0e4b1c-94a0-4c2e-8d55-0b9f3a7c1e21";

/** A process of the cluster. In a group of its own, so that Ctrl-C reaches only this script, which ends them in order. */
class Part {
  readonly name: string;
  readonly logPath: string;
  readonly exited: Promise<string>;
  private readonly child: ChildProcess;
  private isGone = false;

  /** @param folder where its log lies */
  constructor(name: string, folder: string, command: string, args: readonly string[], environment: NodeJS.ProcessEnv) {
    this.name = name;
    this.logPath = join(folder, `${name}.log`);
    const log = openSync(this.logPath, "a");
    this.child = spawn(command, args, { env: environment, stdio: ["ignore", log, log], detached: true });
    closeSync(log);
    this.exited = new Promise((resolve) => {
      const onGone = (how: string): void => {
        this.isGone = true;
        resolve(how);
      };
      this.child.once("error", (error) => onGone(error.message));
      this.child.once("exit", (code, signal) => onGone(signal ?? `exit code ${code}`));
    });
  }

  get pid(): number | undefined {
    return this.child.pid;
  }

  get isRunning(): boolean {
    return !this.isGone;
  }

  get log(): string {
    return readFileSync(this.logPath, "utf8");
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  /** SIGTERM, and SIGKILL where that does not do; resolves when it is gone. */
  async end(): Promise<void> {
    this.kill("SIGTERM");
    await Promise.race([this.exited, pause(STOP_LIMIT_MS, undefined, { ref: false })]);
    if (this.isRunning) this.kill("SIGKILL");
    await this.exited;
  }

  /** Looks until `look` gives something; rejects where the process ends before, or in vain. */
  async until<T>(what: string, look: () => T | undefined | Promise<T | undefined>): Promise<T> {
    const limitAtMs = performance.now() + START_LIMIT_MS;
    while (this.isRunning && performance.now() < limitAtMs) {
      const seen = await look();
      if (seen !== undefined) return seen;
      await pause(LOOK_EVERY_MS);
    }
    const why = this.isRunning ? `${what} did not happen in ${START_LIMIT_MS / 1000} s` : await this.exited;
    throw new Error(`${this.name} did not start (${why}). It said last:\n${lastLines(this.log)}`);
  }
}

const folder = await mkdtemp(join(tmpdir(), "headcount-cluster-"));
const parts: { redis?: Part; nodes: Part[] } = { nodes: [] };
let endingSinceMs: number | undefined;
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, onSignal);

try {
  await start();
} catch (error) {
  if (endingSinceMs === undefined) {
    console.error(`cluster: ${(error as Error).message}`);
    await end(1);
  }
}

async function start(): Promise<void> {
  console.log(`starting a Redis and ${NODE_COUNT} nodes: some ten seconds, a cluster is founded with care`);
  const { redis, url: redisUrl } = await startRedis();
  if (endingSinceMs !== undefined) return;
  const adminPort = process.env["HEADCOUNT_ADMIN_PORT"] ?? String(await freePort());
  parts.nodes = Array.from({ length: NODE_COUNT }, (_, index) =>
    spawnNode(`node-${index + 1}`, redisUrl, index === 0 ? adminPort : "0"),
  );
  const urls = await Promise.all(parts.nodes.map(untilReady));
  const admin = / admin (https?:\S+)/.exec((parts.nodes[0] as Part).log)?.[1];
  console.log(greeting(redisUrl, urls, admin));
  for (const part of [...parts.nodes, redis]) void part.exited.then((how) => tellEnd(part, how));
}

async function startRedis(): Promise<{ redis: Part; url: string }> {
  const port = await freePort();
  const settings = {
    port,
    bind: "127.0.0.1",
    dir: folder,
    save: "",
    appendonly: "yes",
    "maxmemory-policy": "noeviction",
  };
  const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const redis = new Part("redis", folder, "redis-server", args, { PATH: process.env["PATH"] });
  parts.redis = redis;
  try {
    await redis.until("an answer to PING", () => ping(port));
  } catch (error) {
    if (!(error as Error).message.includes("ENOENT")) throw error;
    throw new Error("there is no redis-server here (Debian: apt-get install redis-server)", { cause: error });
  }
  return { redis, url: `redis://127.0.0.1:${port}` };
}

/** @param adminPort one of the nodes has an admin listener: what is changed there all follow */
function spawnNode(id: string, redisUrl: string, adminPort: string): Part {
  const { HEADCOUNT_PEER_URL: _, ...environment } = process.env;
  return new Part(id, folder, process.execPath, [...NODE_FLAGS, MAIN], {
    ...environment,
    ...NODE_VARIABLES,
    HEADCOUNT_ID: id,
    HEADCOUNT_HOST: "127.0.0.1",
    HEADCOUNT_PORT: "0",
    HEADCOUNT_PEER_HOST: "127.0.0.1",
    HEADCOUNT_PEER_PORT: "0",
    HEADCOUNT_REDIS_URL: redisUrl,
    HEADCOUNT_ADMIN_PORT: adminPort,
  });
}

/** @returns the node's address */
async function untilReady(node: Part): Promise<string> {
  const url = await node.until("an address", () => / listens on (https?:\S+)/.exec(node.log)?.[1]);
  return node.until("readiness", async () => ((await isReady(url)) ? url : undefined));
}

async function isReady(url: string): Promise<boolean> {
  try {
    const answer = await fetch(`${url}/readyz`, { headers: { connection: "close" } });
    await answer.arrayBuffer();
    return answer.status === 200;
  } catch {
    return false; // not yet
  }
}

function greeting(redisUrl: string, urls: readonly string[], admin: string | undefined): string {
  const [first, second] = urls as [string, string];
  const lines = parts.nodes.map(({ name, pid }, index) => `  ${name.padEnd(8)} ${urls[index]}   pid ${pid}`);
  return `
${lines.join("\n")}
  redis    ${redisUrl}   pid ${parts.redis!.pid}
${admin === undefined ? "" : `  admin    ${admin}\n`}
  report to one   curl -X POST ${first}/v1/profiles/${PLAYER}/gamemode \\
                    -H 'content-type: application/json' -d '{"region":"CA","gamemode":"GM01"}'
  ask another     curl '${second}/v1/regions/CA/gamemode?top=5'
  who is there    curl ${second}/v1/cluster
  kill one        kill -9 ${(parts.nodes[0] as Part).pid}       and ask the others
  add one         HEADCOUNT_REDIS_URL=${redisUrl} HEADCOUNT_PORT=0 npm start
  logs            ${folder}

Ctrl-C ends them all.
`;
}

function tellEnd(part: Part, how: string): void {
  if (endingSinceMs !== undefined) return;
  const isKilled = how.startsWith("SIG");
  console.log(`${part.name} is gone (${how})${isKilled ? "" : `. It said last:\n${lastLines(part.log)}`}`);
}

function onSignal(): void {
  if (endingSinceMs === undefined) void end(0);
  else if (performance.now() - endingSinceMs > REPEAT_WITHIN_MS)
    for (const part of [...parts.nodes, parts.redis]) part?.kill("SIGKILL");
}

/** The nodes first: they store what they know. */
async function end(exitCode: number): Promise<void> {
  endingSinceMs = performance.now();
  if (parts.nodes.length > 0) console.log("ending the nodes, then Redis");
  await Promise.all(parts.nodes.map((node) => node.end()));
  await parts.redis?.end();
  await rm(folder, { recursive: true, force: true });
  process.exit(exitCode);
}

/** True where Redis answers. */
function ping(port: number): Promise<true | undefined> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => socket.write("PING\r\n"));
    socket.setTimeout(START_LIMIT_MS, () => socket.destroy());
    socket.once("data", (data) => {
      resolve(data.toString().startsWith("+PONG") ? true : undefined);
      socket.destroy();
    });
    socket.once("error", () => resolve(undefined));
    socket.once("close", () => resolve(undefined));
  });
}

function lastLines(text: string): string {
  return text
    .trim()
    .split("\n")
    .slice(-LOG_LINES_SHOWN)
    .map((line) => `  ${line}`)
    .join("\n");
}
