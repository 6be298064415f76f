import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";

import { expect, onTestFinished, test } from "vitest";

import { itemAt, take } from "../../simulator/item-at.ts";
import { gamemodePath, HttpClient, NO_CACHE } from "../support/http.ts";
import { PROJECT_DIR } from "../support/node-process.ts";
import { until } from "../support/until.ts";

const hasRedis = spawnSync("redis-server", ["--version"]).status === 0;
const WHY = hasRedis ? "" : " (skipped: there is no redis-server here)";
const PLAYER = "6f0e4b1c-94a0-4c2e-8d55-0b9f3a7c1e21";

test.runIf(hasRedis).each([
  ["SIGTERM to npm", "SIGTERM", (pid: number) => pid],
  // The terminal sends it to npm and to the script, and npm passes its own on.
  ["Ctrl-C in a terminal", "SIGINT", (pid: number) => -pid],
] as const)(
  `npm run cluster: one cluster of three, which outlives a death; %s ends all, leaving nothing${WHY}`,
  async (_, signal, target) => {
    const cluster = await startCluster();
    const [first, second, third] = take(3, cluster.nodes);

    await using reporter = new HttpClient(first.url);
    await using reader = new HttpClient(second.url);
    const report = await reporter.request("POST", gamemodePath(PLAYER), { json: { region: "CA", gamemode: "GM01" } });
    expect(report.status, report.text).toBe(200);
    const counted = await reader.request("GET", "/v1/regions/CA/gamemode", NO_CACHE);
    expect(counted.json).toMatchObject({ players: 1, gamemodes: [{ mode: "GM01", players: 1 }] });
    expect((await reader.request("GET", "/v1/cluster")).json.members).toHaveLength(3);
    const [, admin = "", token = ""] = /^ {2}admin +(http:\S+?)\/#token=(\S+)$/m.exec(cluster.output()) ?? [];
    const switches = await fetch(`${admin}/admin/switches`, { headers: { authorization: `Bearer ${token}` } });
    expect(switches.status, cluster.output()).toBe(200);

    process.kill(third.pid, "SIGKILL");
    await until("the script says so", () => cluster.output().includes("node-3 is gone (SIGKILL)"));

    process.kill(target(cluster.npm.pid!), signal);
    expect(await cluster.exited, cluster.output()).toBe(0);
    for (const pid of cluster.pids) expect(() => process.kill(pid, 0), `${pid} is still there`).toThrow("ESRCH");
    expect(existsSync(cluster.folder)).toBe(false);
  },
);

test.runIf(hasRedis)(`npm run cluster: ended while it starts it leaves nothing${WHY}`, async () => {
  const { npm, exited, output } = npmRunCluster();
  await until("it begins", () => output().includes("starting a Redis"));
  process.kill(npm.pid!, "SIGTERM");
  expect(await exited, output()).toBe(0);
});

/** Resolves when it has greeted: all nodes are ready then. */
async function startCluster() {
  const run = npmRunCluster();
  const { output, npm } = run;
  await until("the cluster is ready", () => output().includes("Ctrl-C ends them all") || npm.exitCode !== null, {
    limitMs: 90_000, // it gives up by itself before
  });
  const nodes = [...output().matchAll(/^ {2}node-\d +(http:\S+) +pid (\d+)$/gm)].map(([, url = "", pid]) => ({
    url,
    pid: Number(pid),
  }));
  expect(nodes, output()).toHaveLength(3);
  const pids = [...output().matchAll(/pid (\d+)$/gm)].map(([, pid]) => Number(pid));
  expect(pids).toHaveLength(4);
  return { ...run, nodes, pids, folder: itemAt(/^ +logs +(\S+)$/m.exec(output())!, 1) };
}

/** In a process group of its own, as a shell would start it. */
function npmRunCluster(): { npm: ChildProcess; exited: Promise<unknown>; output: () => string } {
  const inherited = Object.entries(process.env).filter(([name]) => !/^(HEADCOUNT_|VITEST|NODE_|npm_)/i.test(name));
  const npm = spawn("npm", ["run", "cluster"], {
    cwd: PROJECT_DIR,
    detached: true,
    env: Object.fromEntries(inherited),
    stdio: ["ignore", "pipe", "pipe"],
  });
  let text = "";
  npm.stdout.on("data", (chunk: Buffer) => (text += chunk.toString()));
  npm.stderr.on("data", (chunk: Buffer) => (text += chunk.toString()));
  const exited = new Promise((resolve) => npm.once("close", (code, by) => resolve(by ?? code)));
  onTestFinished(async () => {
    if (npm.exitCode === null && npm.signalCode === null) npm.kill("SIGTERM"); // only it knows what else is to be ended
    await exited;
  });
  return { npm, exited, output: () => text };
}
