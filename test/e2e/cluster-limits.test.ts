/** Limits in a cluster: a player who goes through all nodes gets no more than one who asks one. */
import { expect, test } from "vitest";
import { itemAt, nonEmpty } from "../../simulator/item-at.ts";
import { startCluster } from "../support/cluster.ts";
import { gamemodePath, HttpClient } from "../support/http.ts";
import { hasRedis } from "../support/redis-server.ts";
import { freshPlayer } from "../support/shared-node.ts";
import { until } from "../support/until.ts";

const WHY = hasRedis ? "" : " (skipped: there is no redis-server here)";
const ALLOWED = 6;
const WINDOW_S = 30;

test.runIf(hasRedis)(`a player's limit holds over three nodes and through a failover${WHY}`, async () => {
  await using cluster = await startCluster({
    nodes: 3,
    env: { HEADCOUNT_RATE_PROFILE: `${ALLOWED}/${WINDOW_S}s`, HEADCOUNT_RATE_ADDRESS: "0" },
  });
  const clients = cluster.nodes.map(({ url }) => new HttpClient(url));
  const path = gamemodePath(freshPlayer());
  const startedMs = performance.now();
  /** At all at once. @returns how many were taken, and how many refused for their rate */
  const ask = async (asked: readonly HttpClient[], rounds: number): Promise<readonly [number, number]> => {
    const answers = await Promise.all(
      Array.from({ length: rounds * asked.length }, (_, turn) =>
        itemAt(asked, turn % asked.length).request("POST", path, { json: { region: "CA", gamemode: "GM01" } }),
      ),
    );
    const count = (status: number): number => answers.filter((answer) => answer.status === status).length;
    return [count(200), count(429)];
  };
  /** So many have come back since. */
  const returned = (): number => Math.ceil(((performance.now() - startedMs) * ALLOWED) / (WINDOW_S * 1000));
  const [taken, refused] = await ask(clients, 10);
  expect(taken).toBeGreaterThanOrEqual(ALLOWED);
  expect(taken).toBeLessThanOrEqual(ALLOWED + returned());
  expect(taken + refused).toBe(30);

  const [killed, ...others] = nonEmpty(cluster.nodes.map((node, index) => ({ node, client: itemAt(clients, index) })));
  killed.node.kill("SIGKILL");
  const left = others.map(({ client }) => client);
  let takenSince = 0;
  await until("both others answer", async () => {
    const [more, tooMany] = await ask(left, 1);
    takenSince += more;
    return more + tooMany === 2;
  });
  const [more] = await ask(left, 10);
  expect(takenSince + more, "its owner may be another now, who allows it all once more").toBeLessThanOrEqual(
    ALLOWED + returned(),
  );
  for (const client of clients) await client[Symbol.asyncDispose]();
});
