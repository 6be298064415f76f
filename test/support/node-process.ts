/**
 * A node of Headcount as a process of its own, started as an operator starts it, and gone when the test is over.
 *
 *     await using node = await startNode({ env: { HEADCOUNT_SESSION_TTL_MS: "1200" } });
 *
 * No `HEADCOUNT_*` of the caller reaches it, so a developer's own settings change no test.
 */

import { type ChildProcessByStdio, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";

import { Agent, request } from "undici";
import { take } from "../../simulator/item-at.ts";
import { until } from "./until.ts";

export const PROJECT_DIR = fileURLToPath(new URL("../..", import.meta.url));
const MAIN = join(PROJECT_DIR, "node/headcount.js");
const LISTENS = /^Headcount (\S+) listens on (https?:\/\/[\d.]+:(\d+))\s*$/m;
const START_LIMIT_MS = 30_000;
const STOP_LIMIT_MS = 30_000;
/** Takes any certificate. */
const anybody = new Agent({ connect: { rejectUnauthorized: false } });

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface NodeProcess extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  /** As it stands in the line printed at the start. */
  readonly version: string;
  readonly pid: number;
  readonly dataDir: string;
  /** Everything printed so far. */
  readonly stdout: string;
  /** The log so far: JSON lines. */
  readonly stderr: string;
  /** Resolves when the process is gone. */
  readonly exited: Promise<Exit>;
  kill(signal: NodeJS.Signals): boolean;
  /** SIGTERM; gives the exit code, `null` where a signal ended it. */
  stop(): Promise<number | null>;
}

export interface StartOptions {
  /** Settings on top of a free port and the data folder; `undefined` takes one away. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** A folder to use and to leave in place; without it a fresh one, deleted afterwards. */
  readonly dataDir?: string;
  /** The command, with its first arguments, that runs the node: `ip netns exec …`. */
  readonly runBy?: readonly string[];
  /** Told as soon as there is a process, long before it is ready. */
  readonly onSpawn?: (kill: (signal: NodeJS.Signals) => boolean) => void;
}

/** Starts a node and resolves when it is ready. Rejects with what it printed where it does not get there. */
export async function startNode({ env = {}, dataDir, runBy, onSpawn }: StartOptions = {}): Promise<NodeProcess> {
  const folder = dataDir === undefined ? await temporaryFolder() : undefined;
  const run = new Run([], { HEADCOUNT_DATA_DIR: dataDir ?? folder!.path, HEADCOUNT_PORT: "0", ...env }, runBy);
  onSpawn?.((signal) => run.kill(signal));
  try {
    const [, version, url, port] = take(4, await untilListening(run));
    const node: NodeProcess = {
      url: url,
      port: Number(port),
      version: version,
      pid: run.pid,
      dataDir: dataDir ?? folder!.path,
      get stdout() {
        return run.stdout;
      },
      get stderr() {
        return run.stderr;
      },
      exited: run.exited,
      kill: (signal) => run.kill(signal),
      stop: async () => {
        run.kill("SIGTERM");
        return (await run.exitedWithin(STOP_LIMIT_MS)).code;
      },
      [Symbol.asyncDispose]: async () => {
        await run.end();
        await folder?.[Symbol.asyncDispose]();
      },
    };
    await untilReady(node, run);
    return node;
  } catch (error) {
    await run.end();
    await folder?.[Symbol.asyncDispose]();
    throw error;
  }
}

/** Runs `node/headcount.js` to its end: for starts that must fail, and for `--help`. A node that serves instead is an error. */
export async function runToExit({
  args = [],
  env = {},
  dataDir,
}: StartOptions & { readonly args?: readonly string[] } = {}): Promise<
  Exit & { readonly stdout: string; readonly stderr: string }
> {
  await using folder = await temporaryFolder();
  const run = new Run(args, { HEADCOUNT_DATA_DIR: dataDir ?? join(folder.path, "data"), HEADCOUNT_PORT: "0", ...env });
  try {
    const exit = await Promise.race([
      run.exitedWithin(START_LIMIT_MS),
      untilListening(run).then(
        () => Promise.reject(new Error(`The node started, but should not have:\n${run.printed}`)),
        () => run.exited,
      ),
    ]);
    return { ...exit, stdout: run.stdout, stderr: run.stderr };
  } finally {
    await run.end();
  }
}

/** Starts a node and kills it after `delayMs`, wherever it is by then: the fault is the random moment, nothing is awaited. */
export async function killDuringStart(
  { env = {}, dataDir }: StartOptions & { readonly dataDir: string },
  delayMs: number,
): Promise<void> {
  const run = new Run([], { HEADCOUNT_DATA_DIR: dataDir, HEADCOUNT_PORT: "0", ...env });
  const timer = setTimeout(() => run.kill("SIGKILL"), delayMs);
  try {
    await run.exitedWithin(START_LIMIT_MS);
  } finally {
    clearTimeout(timer);
    await run.end();
  }
}

/** A fresh folder, deleted when the scope ends. */
export async function temporaryFolder(): Promise<{ readonly path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), "headcount-test-"));
  return {
    path,
    [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true, maxRetries: 5 }),
  };
}

/** One process, with what it prints. */
class Run {
  stdout = "";
  stderr = "";
  readonly pid: number;
  readonly exited: Promise<Exit>;
  readonly #child: ChildProcessByStdio<null, Readable, Readable>;
  #hasExited = false;

  constructor(
    args: readonly string[],
    settings: Readonly<Record<string, string | undefined>>,
    runBy: readonly string[] = [],
  ) {
    if (!existsSync(MAIN)) throw new Error(`Cannot start a node: ${MAIN} does not exist`);
    const [command = process.execPath, ...rest] = [...runBy, process.execPath, MAIN, ...args];
    this.#child = spawn(command, rest, {
      cwd: PROJECT_DIR,
      env: environment(settings),
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.pid = this.#child.pid ?? -1;
    this.#child.stdout.setEncoding("utf8").on("data", (text: string) => (this.stdout += text));
    this.#child.stderr.setEncoding("utf8").on("data", (text: string) => (this.stderr += text));
    living.add(this);
    // "close" comes after the last of its output, "exit" may come before.
    this.exited = new Promise((resolve, reject) => {
      this.#child.once("error", reject);
      this.#child.once("close", (code, signal) => resolve({ code, signal }));
    });
    this.exited
      .finally(() => {
        this.#hasExited = true;
        living.delete(this);
      })
      .catch(() => {});
  }

  get hasExited(): boolean {
    return this.#hasExited;
  }

  get printed(): string {
    return `stdout:\n${this.stdout}\nstderr:\n${this.stderr}`;
  }

  kill(signal: NodeJS.Signals): boolean {
    return this.#child.kill(signal);
  }

  async exitedWithin(limitMs: number): Promise<Exit> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(new Error(`The node did not exit within ${limitMs} ms.\n${this.printed}`)),
        limitMs,
      );
    });
    try {
      return await Promise.race([this.exited, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Makes sure that it is gone. */
  async end(): Promise<void> {
    if (!this.#hasExited) this.kill("SIGKILL");
    await this.exited.catch(() => {});
  }
}

/** Those that a crashed or timed-out test left behind go with the test's process. */
const living = new Set<Run>();
process.on("exit", () => {
  for (const run of living) run.kill("SIGKILL");
});

function environment(settings: Readonly<Record<string, string | undefined>>): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(([name]) => !/^(HEADCOUNT_|VITEST|NODE_)/.test(name));
  return { ...Object.fromEntries(inherited), ...settings };
}

function untilListening(run: Run): Promise<RegExpExecArray> {
  return untilOrExit(run, "it prints where it listens", () => LISTENS.exec(run.stdout) ?? undefined);
}

async function untilReady(node: NodeProcess, run: Run): Promise<void> {
  await untilOrExit(run, "/readyz answers 200", async () => {
    const answer = await request(`${node.url}/readyz`, { dispatcher: anybody, headers: { connection: "close" } });
    await answer.body.dump();
    return answer.statusCode === 200;
  });
}

async function untilOrExit<T>(
  run: Run,
  what: string,
  look: () => T | Promise<T>,
): Promise<Exclude<T, undefined | false>> {
  const seen = await until(what, () => (run.hasExited ? "exited" : look()), { limitMs: START_LIMIT_MS }).catch(
    (error: unknown) => {
      throw new Error(`${String(error)}\n${run.printed}`, { cause: error });
    },
  );
  if (seen === "exited") {
    const { code, signal } = await run.exited;
    throw new Error(`The node exited with ${signal ?? code} before ${what}.\n${run.printed}`);
  }
  return seen;
}
