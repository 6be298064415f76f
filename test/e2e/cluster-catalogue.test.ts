/** One version of the catalogue for the whole cluster, whichever files its nodes have. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { itemAt } from "../../simulator/item-at.ts";
import { startCluster } from "../support/cluster.ts";
import { type NodeProcess, startNode, temporaryFolder } from "../support/node-process.ts";
import { hasRedis } from "../support/redis-server.ts";
import { until } from "../support/until.ts";

const WHY = hasRedis ? "" : " (skipped: there is no redis-server here)";
const catalogueOf = (version: number, mode: string): string => `version: ${version}\nmodes: [{ mode: ${mode} }]\n`;

async function answerOf({ url }: NodeProcess, path: string): Promise<Record<string, unknown>> {
  return (await fetch(url + path)).json() as Promise<Record<string, unknown>>;
}

/** All follow the same. */
function untilAll(nodes: readonly NodeProcess[], version: number, mode: string): Promise<true> {
  return until(`version ${version} is in force at all`, async () => {
    const answers = await Promise.all(nodes.map((node) => answerOf(node, "/v1/modes")));
    return answers.every((answer) => JSON.stringify(answer) === JSON.stringify({ version, modes: [{ mode }] }));
  });
}

test.runIf(hasRedis)(
  `all follow the highest version that any has read; one with other contents under it is degraded${WHY}`,
  async () => {
    await using folder = await temporaryFolder();
    const [older, newer] = [join(folder.path, "older.yaml"), join(folder.path, "newer.yaml")];
    await writeFile(older, catalogueOf(7, "GM07"));
    await writeFile(newer, catalogueOf(8, "GM08"));
    await using cluster = await startCluster({ nodes: 1 });
    const start = (id: string, catalogue: string) =>
      startNode({ env: { ...cluster.env, HEADCOUNT_ID: id, HEADCOUNT_CATALOGUE: catalogue } });
    const without = itemAt(cluster.nodes, 0);
    await using one = await start("one", older);
    await untilAll([without, one], 7, "GM07");
    await using two = await start("two", newer);
    const nodes = [without, one, two];
    await untilAll(nodes, 8, "GM08");
    await until("the lower one is told of", () => one.stderr.includes("has a lower version"));
    for (const node of nodes) expect(await answerOf(node, "/readyz")).toEqual({ status: "ready" });

    await writeFile(older, catalogueOf(8, "other"));
    await until("it is degraded", async () => (await answerOf(one, "/readyz"))["status"] === "degraded");
    expect((await answerOf(one, "/readyz"))["reason"]).toContain("other contents under version 8");
    expect(await (await fetch(`${one.url}/metrics`)).text()).toContain(
      'headcount_catalogue_fault{fault="other_contents"} 1\n',
    );
    await untilAll(nodes, 8, "GM08");

    await writeFile(older, catalogueOf(9, "other"));
    await until("the first follows", async () => (await answerOf(one, "/v1/modes"))["version"] === 9);
    const storedAtMs = performance.now();
    await untilAll(nodes, 9, "other");
    expect(performance.now() - storedAtMs).toBeLessThan(1000);
    expect(await answerOf(one, "/readyz")).toEqual({ status: "ready" });
  },
);

test.runIf(hasRedis)(`while Redis is away what is in force stays, and a new version waits${WHY}`, async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "c.yaml");
  await writeFile(path, catalogueOf(1, "GM01"));
  await using cluster = await startCluster({ nodes: 2, env: { HEADCOUNT_CATALOGUE: path } });
  await untilAll(cluster.nodes, 1, "GM01");
  await cluster.redis.kill();
  await writeFile(path, catalogueOf(2, "GM02"));
  const node = itemAt(cluster.nodes, 0);
  await until("it cannot be stored", async () =>
    String((await answerOf(node, "/readyz"))["reason"]).includes("version 2 of the catalogue cannot be stored"),
  );
  for (const each of cluster.nodes) expect((await answerOf(each, "/v1/modes"))["version"]).toBe(1);
  await cluster.redis.start();
  await untilAll(cluster.nodes, 2, "GM02");
});
