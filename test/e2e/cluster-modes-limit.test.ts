/** R28: a cluster knows at most 1024 distinct modes, whichever node they come to, so that any node can take any table. */
import { expect, test } from "vitest";
import { nonEmpty, take } from "../../simulator/item-at.ts";
import { type ClusterProcesses, startCluster } from "../support/cluster-processes.ts";
import type { Answer } from "../support/http.ts";
import { hasRedis } from "../support/redis-server.ts";
import { expectError, freshPlayer } from "../support/shared-node.ts";
import { until } from "../support/until.ts";

const WHY = hasRedis ? "" : " (skipped: there is no redis-server here)";
/** They wait most of the time, so all run at once. */
const testWithRedis = test.runIf(hasRedis).concurrent;
const MODES_MAX = 1024;
const rows = (count: number, from: number) =>
  Array.from({ length: count }, (_, index) => ({
    profileId: freshPlayer(),
    region: "CA",
    gamemode: `made.up-${from + index}`,
  }));

/** Sends rows through a node until each is accepted. */
async function accepted(cluster: ClusterProcesses, id: string, reports: ReturnType<typeof rows>): Promise<void> {
  await until(`${id} accepts all ${reports.length}`, async () => {
    const { json } = await cluster.http(id).reports(reports);
    if (json.remembered !== reports.length) throw new Error(JSON.stringify(json).slice(0, 500));
    return true;
  });
}

const report = (cluster: ClusterProcesses, id: string, gamemode: string): Promise<Answer> =>
  cluster.http(id).report(freshPlayer(), { region: "CA", gamemode });

testWithRedis(
  `1024 modes that come to three nodes are all there are; any node takes the tables of one that dies${WHY}`,
  async () => {
    await using cluster = await startCluster();
    const [a, b, c] = take(3, cluster.ids);
    await accepted(cluster, a, rows(400, 0));
    await accepted(cluster, b, rows(400, 400));
    await accepted(cluster, c, rows(MODES_MAX - 800, 800));
    for (const id of cluster.ids) {
      expectError(await report(cluster, id, `one.more-${id}`), 503, /1,?024/);
      for (const known of ["made.up-0", "made.up-500", "made.up-1023"])
        expect((await report(cluster, id, known)).status).toBe(200);
    }
    const players = MODES_MAX + 9;
    await cluster.kill(a);
    await cluster.forget(a);
    await cluster.untilSettled([b, c]);
    for (const id of [b, c]) {
      await until(`${id} counts everybody`, async () => {
        const { text, json } = await cluster.http(id).top("CA", 1);
        if (json.players !== players || json.complete !== undefined) throw new Error(text);
        return true;
      });
      expect(await cluster.metric(id, "partitions_unreadable")).toBe(0);
      expect(await cluster.metric(id, "players_in_reserved_mode")).toBe(0);
      expect(await cluster.metric(id, "modes")).toBe(MODES_MAX);
      expectError(await report(cluster, id, "one.more"), 503, /1,?024/);
    }
  },
);

testWithRedis(`one player who goes through modes without end leaves room for the others${WHY}`, async () => {
  await using cluster = await startCluster({ ids: ["a", "b"] });
  const profileId = freshPlayer();
  for (const id of cluster.ids) {
    const junk = rows(MODES_MAX, id === "a" ? 0 : MODES_MAX).map((row) => ({ ...row, profileId }));
    const { json } = await cluster.http(id).reports(junk);
    expect(json.accepted).toBe(16);
    expect(new Set(json.rejected.map(({ code }: { code: string }) => code))).toEqual(new Set(["503"]));
    for (const other of cluster.ids) expect((await report(cluster, other, `real-${id}-${other}`)).status).toBe(200);
  }
});

testWithRedis(`a mode that nobody is in makes room, at every node${WHY}`, async () => {
  await using cluster = await startCluster({ ids: ["a", "b"] });
  const [first, ...others] = nonEmpty(rows(MODES_MAX, 0));
  await accepted(cluster, "a", [first, ...others]);
  expectError(await report(cluster, "b", "one.more"), 503, /1,?024/);
  expect((await cluster.http("b").report(first.profileId, { region: "CA", gamemode: "made.up-1" })).status).toBe(200);
  await until(
    "the mode that was left has made room",
    async () => {
      const { status, text } = await report(cluster, "b", "one.more");
      if (status !== 200) throw new Error(text);
      return true;
    },
    { limitMs: 60_000, intervalMs: 250 },
  );
  await until("the other node knows it", async () => (await report(cluster, "a", "one.more")).status === 200);
  expectError(await report(cluster, "a", "made.up-0"), 503, /1,?024/);
});

testWithRedis(`with Redis away, modes that are known go on, and others get 503${WHY}`, async () => {
  await using cluster = await startCluster({ ids: ["a"] });
  await accepted(cluster, "a", rows(3, 0));
  cluster.redis.signal("SIGSTOP");
  try {
    const [known, other] = await Promise.all([report(cluster, "a", "made.up-0"), report(cluster, "a", "other")]);
    expect(known.status).toBe(202);
    expectError(other, 503, /mode|asked in time/);
  } finally {
    cluster.redis.signal("SIGCONT");
  }
  await until("it is taken again", async () => (await report(cluster, "a", "other")).status === 200);
});
