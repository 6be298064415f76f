import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { expect, onTestFinished, test } from "vitest";

import { PROJECT_DIR, temporaryFolder } from "../support/node-process.ts";
import { until } from "../support/until.ts";

test.each([
  ["SIGTERM to npm", "SIGTERM", (pid: number) => pid],
  ["SIGINT to npm", "SIGINT", (pid: number) => pid],
  // The terminal sends it to npm and to the node, and npm passes its own on: the node gets two at once.
  ["Ctrl-C in a terminal", "SIGINT", (pid: number) => -pid],
] as const)(
  "npm start: %s ends the node in good order, exit code 0, nothing left behind",
  async (_, signal, target) => {
    await using folder = await temporaryFolder();
    const { npm, output } = npmStart({ HEADCOUNT_PORT: "0", HEADCOUNT_DATA_DIR: folder.path });
    const exited = new Promise((resolve) => npm.once("close", (code, by) => resolve(by ?? code)));
    await until("the node listens", () => / listens on http:/.test(output()) || npm.exitCode !== null);

    process.kill(target(npm.pid!), signal);

    expect(await exited, output()).toBe(0);
    expect(() => process.kill(-npm.pid!, 0), "a process of the group is still there").toThrow("ESRCH");
  },
);

test("headcount.js says what to do where Node is too old", () => {
  const oldNode = `Object.defineProperty(process, "versions", { value: { ...process.versions, node: "20.20.2" } })`;
  const { status, stderr } = spawnSync(
    process.execPath,
    ["--import", `data:text/javascript,${oldNode}`, join(PROJECT_DIR, "node/headcount.js")],
    { encoding: "utf8" },
  );
  expect(stderr).toMatch(/^Headcount needs Node \S+ or newer, and this is 20\.20\.2\. Use `npm start`/);
  expect(status).toBe(1);
});

test("headcount.js keeps what was compiled for the next start, and starts where it cannot", async () => {
  await using folder = await temporaryFolder();
  const packages = join(folder.path, "node_modules");
  for (const part of ["package.json", "node", "cluster", "engine"])
    cpSync(join(PROJECT_DIR, part), join(folder.path, part), { recursive: true });
  mkdirSync(packages);
  for (const name of readdirSync(join(PROJECT_DIR, "node_modules")))
    if (name !== ".cache") symlinkSync(join(PROJECT_DIR, "node_modules", name), join(packages, name));
  const compiled = join(packages, ".cache/compiled");
  const headcount = join(folder.path, "node/headcount.js");
  const env = { ...process.env, HEADCOUNT_PORT: "0", HEADCOUNT_DATA_DIR: join(folder.path, "data") };
  const node = spawn(process.execPath, [headcount], { env, stdio: ["ignore", "pipe", "ignore"] });
  await once(node.stdout, "data"); // the greeting
  node.kill("SIGKILL");
  await once(node, "exit");
  expect(filesBelow(compiled), "also where the node does not end in good order").toBeGreaterThan(100);
  rmSync(join(packages, ".cache"), { recursive: true });
  writeFileSync(join(packages, ".cache"), "no folder");
  const version = spawnSync(process.execPath, [headcount, "--version"], { encoding: "utf8" });
  expect(version, "nothing can be written there").toMatchObject({ status: 0, stderr: "" });
});

function filesBelow(folder: string): number {
  return readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).length;
}

/** In a process group of its own, as a shell would start it. */
function npmStart(settings: Readonly<Record<string, string>>): { npm: ChildProcess; output: () => string } {
  const inherited = Object.entries(process.env).filter(([name]) => !/^(HEADCOUNT_|VITEST|NODE_|npm_)/i.test(name));
  const npm = spawn("npm", ["start"], {
    cwd: PROJECT_DIR,
    detached: true,
    env: { ...Object.fromEntries(inherited), ...settings },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let text = "";
  npm.stdout.on("data", (chunk: Buffer) => (text += chunk.toString()));
  npm.stderr.on("data", (chunk: Buffer) => (text += chunk.toString()));
  onTestFinished(() => {
    try {
      process.kill(-npm.pid!, "SIGKILL");
    } catch {
      // gone already, as it should be
    }
  });
  return { npm, output: () => text };
}
