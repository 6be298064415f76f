/** What an operator decides at one node holds at all, within a second, and after restarts of all. */
import { expect, test } from "vitest";
import { itemAt } from "../../simulator/item-at.ts";
import { AdminClient, adminSettings } from "../support/admin.ts";
import { startCluster } from "../support/cluster.ts";
import { HttpClient } from "../support/http.ts";
import { startNode } from "../support/node-process.ts";
import { hasRedis } from "../support/redis-server.ts";
import { expectError, freshPlayer } from "../support/shared-node.ts";
import { until } from "../support/until.ts";

const WHY = hasRedis ? "" : " (skipped: there is no redis-server here)";
const OFF = { enabled: false, reason: "a match server loops" };
const PLAY = { region: "CA", gamemode: "GM01" };
const PATHS = [
  "/admin/switches/reports",
  "/admin/quarantine/GM01",
  "/admin/blocks/203.0.113.0%2F24",
  "/admin/blocks/203.0.113.0/24",
];

test.runIf(hasRedis)(
  `a switch thrown at one node is off at all within a second, and after restarts of all${WHY}`,
  async () => {
    await using cluster = await startCluster({ nodes: 2 });
    const settings = await adminSettings();
    const env = { ...cluster.env, ...settings, HEADCOUNT_ID: "third" };
    const third = await startNode({ env });
    await using admin = new AdminClient(settings);
    const nodes = [...cluster.nodes, third];
    for (const { url } of nodes) {
      await using http = new HttpClient(url);
      expect((await http.report(freshPlayer(), PLAY)).status).toBe(200);
    }
    await admin.put("/admin/switches/reports", OFF);
    const thrownAtMs = performance.now();
    await until("it is off at all", async () => {
      const statuses = await Promise.all(nodes.map(async ({ url }) => (await fetch(`${url}/readyz`)).json()));
      return statuses.every((status) => (status as { switchedOff?: string[] }).switchedOff?.[0] === "reports");
    });
    expect(performance.now() - thrownAtMs).toBeLessThan(1000);
    await admin.put("/admin/quarantine/GM01");
    await until("it is on no board anywhere", async () => {
      const boards = await Promise.all(
        nodes.map(
          async ({ url }) =>
            (await fetch(`${url}/v1/regions/CA/gamemode`)).json() as Promise<{ players: number; gamemodes: [] }>,
        ),
      );
      return boards.every(({ players, gamemodes }) => players === 3 && gamemodes.length === 0);
    });

    for (const node of nodes) node.kill("SIGKILL");
    await Promise.all(nodes.map(({ exited }) => exited));
    await using again = await startNode({ env: { ...cluster.env, HEADCOUNT_ID: "fourth" } });
    await using http = new HttpClient(again.url);
    const refused = await http.report(freshPlayer(), PLAY);
    expectError(refused, 503, "reports are switched off: a match server loops");
    expect((await http.get("/readyz")).json.switchedOff).toEqual(["reports"]);
    await third[Symbol.asyncDispose]();
  },
);

test.runIf(hasRedis)(`while Redis is away nothing can be changed, and what was decided holds${WHY}`, async () => {
  const settings = await adminSettings();
  await using cluster = await startCluster({ nodes: 1, env: settings });
  await using admin = new AdminClient(settings);
  await using http = new HttpClient(itemAt(cluster.nodes, 0).url);
  await admin.put("/admin/switches/queries", OFF);
  await cluster.redis.kill();
  for (const path of PATHS) {
    const refused = await admin.put(path, path.includes("switches") ? OFF : undefined);
    expectError(refused, 503, /^the store cannot be asked just now/);
    expect(refused.json.reason).toBe("no-owner");
    if (!path.includes("switches")) expect((await admin.delete(path)).status).toBe(503);
  }
  expect((await http.get("/v1/players")).json.message).toBe("queries are switched off: a match server loops");
});
