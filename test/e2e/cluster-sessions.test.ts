/** Sessions in a cluster of real processes over a real Redis: two devices at two nodes, owners and entries that are killed (R30). */
import { expect, test } from "vitest";
import { type ClusterProcesses, startCluster } from "../support/cluster-processes.ts";
import { gamemodePath } from "../support/http.ts";
import { hasRedis } from "../support/redis-server.ts";
import { SessionClient } from "../support/session-client.ts";
import { freshPlayer } from "../support/shared-node.ts";
import { until } from "../support/until.ts";

const WHY = hasRedis ? "" : " (skipped: there is no redis-server here)";
const LIFE_MS = 4000;
const GRACE_MS = 1000;
const IDS = ["a", "b", "c"];
const PLAYERS = 8;

function start(lifeMs = LIFE_MS): Promise<ClusterProcesses> {
  const env = {
    HEADCOUNT_SESSION_TTL_MS: `${lifeMs}`,
    HEADCOUNT_RECONNECT_GRACE_MS: `${GRACE_MS}`,
  };
  return startCluster({ ids: IDS, env });
}

/** Where the player is, as any node answers that can; `undefined`: nowhere. */
async function whereIs(cluster: ClusterProcesses, id: string, player: string): Promise<string | undefined> {
  return until("somebody knows", async () => {
    const { status, json } = await cluster.http(id).get(gamemodePath(player));
    if (status === 200) return { at: (json as { gamemode: string }).gamemode };
    return status === 404 ? { at: undefined } : undefined;
  }).then(({ at }) => at);
}

function open(cluster: ClusterProcesses, id: string, player: string): Promise<SessionClient> {
  return SessionClient.open(cluster.node(id).url, player);
}

async function played(session: SessionClient, mode: string): Promise<void> {
  await until("it is remembered", async () => (await session.play(mode))["remembered"] === true, { limitMs: 60_000 });
}

test.runIf(hasRedis)(
  `two devices of each player at two nodes, and the third killed: one place each, and none once both are gone${WHY}`,
  { timeout: 180_000 },
  async () => {
    await using cluster = await start();
    const players = Array.from({ length: PLAYERS }, freshPlayer);
    const devices = await Promise.all(
      players.map(async (player) => ({
        player,
        first: await open(cluster, "a", player),
        last: await open(cluster, "b", player),
      })),
    );
    for (const { first, last } of devices) {
      await played(first, "GM01");
      await played(last, "GM02");
    }
    await cluster.kill("c");
    for (const { player, first } of devices) {
      await first.next("superseded", LIFE_MS * 10);
      expect(await whereIs(cluster, "a", player)).toBe("GM02");
    }
    const killedMs = performance.now();
    await until("more than a session's life has passed", () => performance.now() - killedMs > LIFE_MS * 1.5, {
      limitMs: 60_000,
      intervalMs: 100,
    });
    for (const { player, first, last } of devices) {
      expect(await whereIs(cluster, "b", player), "renewed by the device that played last").toBe("GM02");
      expect(last.told.some(({ type }) => type === "superseded")).toBe(false);
      first.ws.terminate();
    }
    for (const { player } of devices) expect(await whereIs(cluster, "a", player)).toBe("GM02");
    for (const { last } of devices) last.ws.terminate();
    for (const { player } of devices)
      await until("the player is nowhere", async () => (await whereIs(cluster, "a", player)) === undefined, {
        limitMs: LIFE_MS * 5,
        intervalMs: 100,
      });
  },
);

test.runIf(hasRedis)(
  `a node leaves while devices are superseded and others end: the next owners know of both${WHY}`,
  { timeout: 180_000 },
  async () => {
    await using cluster = await start(60_000); // most renewals come after the node has left
    const players = Array.from({ length: 3 * PLAYERS }, freshPlayer);
    const firsts = await Promise.all(players.map((player) => open(cluster, "a", player)));
    const lasts = await Promise.all(players.map((player) => open(cluster, "b", player)));
    for (const first of firsts) await played(first, "GM01");
    for (const last of lasts) await played(last, "GM02");
    const over = await cluster.metric("c", "standings");
    expect(over, "some are known to the node that leaves").toBeGreaterThan(0);
    for (const last of lasts) last.ws.terminate();
    await until("their ends are told", async () => (await cluster.metric("b", "sessions_standing")) === 0);
    await cluster.stop("c");
    for (const first of firsts) await first.next("superseded", 60_000);
    for (const player of players)
      await until("the player is nowhere", async () => (await whereIs(cluster, "a", player)) === undefined);
    for (const id of ["a", "b"]) expect(await cluster.metric(id, "partition_copies_misfit_total")).toBe(0);
    for (const first of firsts) first.ws.terminate();
  },
);

test.runIf(hasRedis)(
  `a node that is killed with its sessions: their players stay for a session's life, and who comes back stays${WHY}`,
  { timeout: 180_000 },
  async () => {
    await using cluster = await start();
    const players = Array.from({ length: PLAYERS }, freshPlayer);
    const sessions = await Promise.all(players.map((player) => open(cluster, "a", player)));
    for (const session of sessions) await played(session, "GM03");
    await cluster.kill("a");
    for (const session of sessions) expect((await session.closed()).code).toBe(1006);
    const killedMs = performance.now();
    const back = await open(cluster, "b", players[0] as string);
    await played(back, "GM04");
    if (performance.now() - killedMs < LIFE_MS / 2)
      for (const player of players.slice(1))
        expect(await whereIs(cluster, "c", player), "nobody told of its end").toBe("GM03");
    for (const player of players.slice(1))
      await until("silence removes the player", async () => (await whereIs(cluster, "c", player)) === undefined, {
        limitMs: LIFE_MS * 10,
        intervalMs: 200,
      });
    expect(await whereIs(cluster, "c", players[0] as string)).toBe("GM04");
    back.ws.terminate();
  },
);
