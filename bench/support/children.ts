/**
 * Child processes pinned to a core. All of them end with this process, however it ends short of SIGKILL.
 */
import { spawn, spawnSync, type ChildProcess, type SpawnOptions } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Where contestants run, all their threads, and where the load on them comes from. */
export const SERVER_CORE = 0;
export const LOAD_CORE = 1;

const living = new Set<ChildProcess>();
const folders = new Set<string>();
let watched = false;

/** Whether processes can be pinned here: `taskset` and a second core are there. Without, figures are worth little. */
export const canPin = spawnSync("taskset", ["-c", "1", "true"]).status === 0;

/** Starts `command` on one core, all its threads with it. */
export function spawnOn(
  core: number,
  command: readonly [string, ...string[]],
  options: SpawnOptions = {},
): ChildProcess {
  watchOwnEnd();
  const [file, ...args]: readonly [string, ...string[]] = canPin
    ? ["taskset", "-c", String(core), ...command]
    : command;
  const child = spawn(file, args, { stdio: ["ignore", "pipe", "inherit"], ...options });
  living.add(child);
  child.once("exit", () => living.delete(child));
  return child;
}

/** Ends a child, stopped ones too; resolves once it is gone. */
export async function end(child: ChildProcess, signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "exit");
  child.kill("SIGCONT");
  child.kill(signal);
  await gone;
}

/** The first match of `pattern` in what the child prints; throws if it ends before. */
export function lineOf(child: ChildProcess, pattern: RegExp): Promise<RegExpExecArray> {
  return new Promise((resolve, reject) => {
    let text = "";
    child.stdout?.setEncoding("utf8").on("data", (chunk: string) => {
      text = (text + chunk).slice(-10_000);
      const found = pattern.exec(text);
      if (found !== null) resolve(found);
    });
    child.once("error", reject);
    child.once("exit", (code, signal) =>
      reject(new Error(`${child.spawnargs.join(" ")} ended (${signal ?? code}) before it said ${pattern}: ${text}`)),
    );
  });
}

/** A folder that goes away with this process. */
export function temporaryFolder(): string {
  watchOwnEnd();
  const folder = mkdtempSync(join(tmpdir(), "headcount-bench-"));
  folders.add(folder);
  return folder;
}

function watchOwnEnd(): void {
  if (watched) return;
  watched = true;
  process.once("exit", endEverything);
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => process.exit(130));
}

function endEverything(): void {
  for (const child of living) child.kill("SIGKILL");
  for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
}
