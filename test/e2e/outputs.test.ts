/** What a node only tells, it tells where it can: no output that is full, closed or read by nobody ends it or holds it up. */

import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, constants, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";

import { freePort } from "../../scripts/free-port.ts";
import { HttpClient } from "../support/http.ts";
import { PROJECT_DIR, temporaryFolder } from "../support/node-process.ts";
import { freshPlayer } from "../support/shared-node.ts";
import { until } from "../support/until.ts";

const HAS_FULL = process.platform === "linux";

/**
 * Starts a node with this output for its greeting and its log, and holds it to what any node promises.
 * @param output a file; `closed`: a pipe whose reader is gone
 * @param isOnlyGreeting the log has somebody who reads it
 * @returns how many lines of its log it dropped
 */
async function droppedOf(output: number | "closed", isOnlyGreeting = false): Promise<number> {
  await using folder = await temporaryFolder();
  const port = await freePort();
  const stdio = output === "closed" ? "pipe" : output;
  const node = spawn(process.execPath, [join(PROJECT_DIR, "node/headcount.js")], {
    env: { ...process.env, HEADCOUNT_PORT: String(port), HEADCOUNT_DATA_DIR: folder.path },
    stdio: ["ignore", stdio, stdio],
  });
  onTestFinished(() => void node.kill("SIGKILL"));
  node.stdout?.destroy();
  if (isOnlyGreeting) node.stderr?.resume();
  else node.stderr?.destroy();
  const exited = once(node, "exit");
  await using http = new HttpClient(`http://127.0.0.1:${port}`);
  await until("it is ready", async () => (await http.get("/readyz")).status === 200);
  expect((await http.report(freshPlayer(), { region: "CA", gamemode: "GM01" })).status).toBe(200);
  const metrics = await http.get("/metrics");
  node.kill("SIGTERM");
  expect(await exited, "it ends in good order").toEqual([0, null]);
  return Number(/^headcount_log_lines_dropped_total (\d+)$/m.exec(metrics.text)?.[1]);
}

/** A pipe that is full, and that nobody reads. */
async function fullPipe(folder: string): Promise<number> {
  const path = join(folder, "pipe");
  execFileSync("mkfifo", [path]);
  const pipe = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  onTestFinished(() => closeSync(pipe));
  const bytes = new Uint8Array(4096);
  expect(() => {
    for (;;) writeSync(pipe, bytes);
  }).toThrow("EAGAIN");
  return pipe;
}

test.skipIf(!HAS_FULL)("A node whose log lies on a full disk serves, and counts the lines it dropped", async () => {
  const full = openSync("/dev/full", "w");
  onTestFinished(() => closeSync(full));
  expect(await droppedOf(full)).toBeGreaterThan(0);
});

test("A node whose outputs are closed serves, and counts the lines it dropped", async () => {
  expect(await droppedOf("closed")).toBeGreaterThan(0);
});

test("A node whose standard output is closed counts its greeting as dropped", async () => {
  expect(await droppedOf("closed", true)).toBe(1);
});

test("A node whose outputs go into a full pipe serves, and keeps the lines for whoever reads", async () => {
  await using folder = await temporaryFolder();
  expect(await droppedOf(await fullPipe(folder.path))).toBe(0);
});

test.skipIf(!HAS_FULL)(
  "A node that does not start exits with 1 where it cannot say why, and --help with 0",
  async () => {
    const full = openSync("/dev/full", "w");
    onTestFinished(() => closeSync(full));
    const codeOf = (...args: readonly string[]): number | null =>
      spawnSync(process.execPath, [join(PROJECT_DIR, "node/headcount.js"), ...args], {
        env: { ...process.env, HEADCOUNT_PORT: "none" },
        stdio: ["ignore", full, full],
      }).status;
    expect(codeOf()).toBe(1);
    expect(codeOf("--help")).toBe(0);
  },
);
