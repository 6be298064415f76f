/** What the rules of modes promise of a cluster of real processes: races, reloads under load, deaths. */
import { mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type ClusterProcesses, startCluster } from "../support/cluster-processes.ts";
import { type Answer, NO_CACHE } from "../support/http.ts";
import { hasRedis } from "../support/redis-server.ts";
import { freshPlayer } from "../support/shared-node.ts";
import { until } from "../support/until.ts";

const WHY = hasRedis ? "" : " (skipped: there is no redis-server here)";
const RACES = 10_000;
const AT_ONCE = 250;
/** Versions in force one after another while reports come. */
const VERSIONS = 12;
const BASE = { mode: "BASE" };
/** From BASE one may go on to one of two, and not from there to the other. */
const FORKED = [BASE, { mode: "LEFT", from: ["BASE"] }, { mode: "RIGHT", from: ["BASE"] }];

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "headcount-rules-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** A file is replaced at once, as an editor and Kubernetes do. */
async function write(name: string, version: number, modes: readonly object[]): Promise<string> {
  const path = join(folder, name);
  await writeFile(`${path}.next`, JSON.stringify({ version, unknownModes: "refuse", modes }));
  await rename(`${path}.next`, path);
  return path;
}

function play(cluster: ClusterProcesses, id: string, player: string, gamemode: string): Promise<Answer> {
  return cluster.http(id).report(player, { region: "CA", gamemode });
}

async function versionAt(cluster: ClusterProcesses, id: string): Promise<number> {
  return (await cluster.http(id).get("/v1/modes")).json.version;
}

/** A node that has not read a version yet judges its own players by the one before. */
async function allFollow(cluster: ClusterProcesses, version: number): Promise<void> {
  for (const id of cluster.ids)
    await until(`${id} follows version ${version}`, async () => (await versionAt(cluster, id)) === version);
}

test.runIf(hasRedis)(
  `of two reports that race through two nodes for a forbidden switch never both take effect, ten thousand times${WHY}`,
  async () => {
    const env = { HEADCOUNT_CATALOGUE: await write("catalogue.json", 1, FORKED) };
    await using cluster = await startCluster({ ids: ["a", "b"], env });
    const won = { LEFT: 0, RIGHT: 0 };
    const race = async (player: string): Promise<void> => {
      const [left, right] = await Promise.all([
        play(cluster, "a", player, "LEFT"),
        play(cluster, "b", player, "RIGHT"),
      ]);
      expect(
        [left.status, right.status].toSorted((one, other) => one - other),
        `${left.text} ${right.text}`,
      ).toEqual([200, 409]);
      const winner = left.status === 200 ? "LEFT" : "RIGHT";
      won[winner]++;
      expect((left.status === 200 ? right : left).json.reason).toBe("switch-forbidden");
      expect((await cluster.http("b").get(`/v1/profiles/${player}/gamemode`)).json.gamemode).toBe(winner);
    };
    for (let done = 0; done < RACES; done += AT_ONCE) {
      const players = Array.from({ length: AT_ONCE }, freshPlayer);
      const reports = players.map((profileId) => ({ profileId, region: "CA", gamemode: "BASE" }));
      expect((await cluster.http("a").reports(reports)).json).toMatchObject({ accepted: AT_ONCE, rejected: [] });
      await Promise.all(players.map(race));
    }
    const board = await cluster.http("a").request("GET", "/v1/regions/CA/gamemode", NO_CACHE);
    const counts = new Map(
      board.json.gamemodes.map(({ mode, players }: { mode: string; players: number }) => [mode, players]),
    );
    expect(Object.fromEntries(counts)).toEqual(
      Object.fromEntries(Object.entries(won).filter(([, count]) => count > 0)),
    );
    expect(won.LEFT + won.RIGHT).toBe(RACES);
  },
);

test.runIf(hasRedis)(`leaving and coming anew does not get around a forbidden switch${WHY}`, async () => {
  const env = { HEADCOUNT_CATALOGUE: await write("catalogue.json", 1, FORKED) };
  await using cluster = await startCluster({ ids: ["a", "b"], env });
  const player = freshPlayer();
  expect((await play(cluster, "a", player, "BASE")).status).toBe(200);
  expect((await play(cluster, "a", player, "LEFT")).status).toBe(200);
  expect((await play(cluster, "b", player, "RIGHT")).status).toBe(409);
  expect((await cluster.http("b").request("DELETE", `/v1/profiles/${player}/gamemode`)).status).toBe(204);
  expect((await play(cluster, "a", player, "RIGHT")).status).toBe(409);
  expect((await cluster.http("a").get(`/v1/profiles/${player}/gamemode`)).status).toBe(404);
});

test.runIf(hasRedis)(`while versions change under load no request is judged by two of them${WHY}`, async () => {
  // Each version refuses the report for another reason. Parts of both together would let it pass.
  const gated = [BASE, { mode: "CUP", requires: ["pass"] }];
  const local = [BASE, { mode: "CUP", regions: ["US"] }];
  const path = await write("catalogue.json", 1, gated);
  await using cluster = await startCluster({ ids: ["a", "b", "c"], env: { HEADCOUNT_CATALOGUE: path } });
  const seen = { "not-entitled": 0, "not-offered": 0 };
  const over = new AbortController();
  const ask = async (id: string): Promise<void> => {
    while (!over.signal.aborted) {
      const player = freshPlayer();
      const answer = await play(cluster, id, player, "CUP");
      expect(answer.status, answer.text).toBe(403);
      seen[answer.json.reason as keyof typeof seen]++;
      expect((await play(cluster, id, player, "BASE")).status).toBe(200);
    }
  };
  const load = Promise.all(cluster.ids.flatMap((id) => Array.from({ length: 8 }, () => ask(id))));
  for (let version = 2; version <= VERSIONS; version++) {
    await write("catalogue.json", version, version % 2 === 0 ? local : gated);
    await allFollow(cluster, version);
  }
  over.abort();
  await load;
  expect(Object.keys(seen)).toEqual(["not-entitled", "not-offered"]);
  expect(Math.min(...Object.values(seen))).toBeGreaterThan(VERSIONS);
});

test.runIf(hasRedis)(
  `what was decided stands after kill -9, and the next owner judges by the same version${WHY}`,
  async () => {
    const path = await write("catalogue.json", 1, FORKED);
    await using cluster = await startCluster({ ids: ["a", "b"], env: { HEADCOUNT_CATALOGUE: path } });
    const players = Array.from({ length: 200 }, freshPlayer);
    for (const player of players) {
      expect((await play(cluster, "a", player, "BASE")).status).toBe(200);
      expect((await play(cluster, "a", player, "LEFT")).status).toBe(200);
    }
    await write("catalogue.json", 2, [...FORKED, { mode: "END", from: ["LEFT"] }]);
    await allFollow(cluster, 2);
    await cluster.kill("b");
    for (const player of players) {
      const refused = await until("the player's new owner answers", async () => {
        const answer = await play(cluster, "a", player, "RIGHT");
        return answer.status !== 503 && answer;
      });
      expect([refused.status, refused.json.reason], refused.text).toEqual([409, "switch-forbidden"]);
      expect((await play(cluster, "a", player, "END")).status).toBe(200);
    }
  },
);
