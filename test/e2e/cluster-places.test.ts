/** Places across a cluster: reported at different nodes, asked for everywhere, while the owners of countries and areas die. */
import { expect, test } from "vitest";

import { placementOf } from "../../cluster/members/placement.ts";
import { placeOf } from "../../engine/places.ts";
import { itemAt } from "../../simulator/item-at.ts";
import { type ClusterProcesses, PARTITIONS, startCluster } from "../support/cluster-processes.ts";
import { hasRedis } from "../support/redis-server.ts";
import { freshPlayer } from "../support/shared-node.ts";
import { until } from "../support/until.ts";

const WHY = hasRedis ? "" : " (skipped: there is no redis-server here)";
const NODES = ["one", "two", "three"];

/** Players by region, and by every place that somebody may ask for. */
const REPORTED = { "US-CA": 30, "US-NV": 20, US: 15, "CA-ON": 10, "FR-IDF": 12, AQ: 5 };
const EXPECTED: Readonly<Record<string, number>> = {
  ...REPORTED,
  US: 65,
  CA: 10,
  FR: 12,
  "021": 75,
  "003": 75,
  "019": 75,
  "155": 12,
  "150": 12,
  "142": 0,
  "001": 92,
};

interface Shown {
  readonly players: number;
  readonly isMarked: boolean;
}

async function shownAt(cluster: ClusterProcesses, id: string, place: string, headers = {}): Promise<Shown> {
  const { status, json } = await cluster.http(id).get(`/v1/regions/${place}/gamemode`, { headers });
  expect(status, `${place} at ${id}`).toBe(200);
  return { players: json.players, isMarked: json.stale === true || json.complete === false };
}

/** Every node shows every place exactly, unmarked. */
async function untilExact(cluster: ClusterProcesses, ids: readonly string[]): Promise<void> {
  for (const id of ids)
    for (const [place, players] of Object.entries(EXPECTED))
      await until(`${id} shows ${players} players in ${place}`, async () => {
        const shown = await shownAt(cluster, id, place);
        return !shown.isMarked && shown.players === players;
      });
}

/** Asks for everything at these nodes, again and again, while something is done: nobody is ever missing, or there twice. */
async function polled(cluster: ClusterProcesses, ids: readonly string[], deed: () => Promise<void>): Promise<void> {
  const state = { isOver: false };
  const poll = async (id: string): Promise<number> => {
    let polls = 0;
    for (; !state.isOver; polls++)
      for (const [place, players] of Object.entries(EXPECTED))
        expect((await shownAt(cluster, id, place)).players, `${place} at ${id}`).toBe(players);
    return polls;
  };
  const polling = Promise.all(ids.map(poll));
  await deed().finally(() => (state.isOver = true));
  for (const polls of await polling) expect(polls).toBeGreaterThan(3);
}

async function ownerOf(cluster: ClusterProcesses, place: string): Promise<string> {
  const { epoch, members } = await cluster.view(itemAt(cluster.ids, 0));
  const listed = members.map(({ id, incarnation }) => ({
    id,
    incarnation,
    url: "",
    peerUrl: "",
    weight: 1,
    isLeaving: false,
  }));
  const placement = placementOf({ epoch, nonce: "", members: listed, expelled: [] }, PARTITIONS);
  const owner = placement.placeOwner(placeOf(place));
  return members.find(({ incarnation }) => incarnation === owner)?.id as string;
}

test.runIf(hasRedis)(
  `subdivisions, countries and areas add up at every node, also while their owners are killed${WHY}`,
  async () => {
    await using cluster = await startCluster({ ids: NODES });
    for (const [index, [region, count]] of Object.entries(REPORTED).entries()) {
      const rows = Array.from({ length: count }, (_, player) => ({
        profileId: freshPlayer(),
        region,
        gamemode: `GM0${player % 3}`,
      }));
      const answer = await cluster.http(itemAt(NODES, index % NODES.length)).reports(rows);
      expect(answer.json).toMatchObject({ accepted: count, rejected: [] });
    }
    await untilExact(cluster, NODES);
    for (const id of NODES) {
      const inside = await cluster.http(id).get("/v1/regions?of=US");
      expect(inside.json).toEqual({
        players: 65,
        regions: [
          { region: "US-CA", players: 30 },
          { region: "US-NV", players: 20 },
        ],
      });
      const europe = await cluster.http(id).get("/v1/regions?of=150");
      expect(europe.json).toEqual({ players: 12, regions: [{ region: "FR", players: 12 }] });
      for (const place of ["US-CA", "US", "001"])
        expect(await shownAt(cluster, id, place, { "cache-control": "no-cache" })).toEqual({
          players: EXPECTED[place],
          isMarked: false,
        });
    }
    for (const place of ["US", "001"]) {
      const dead = await ownerOf(cluster, place);
      const others = NODES.filter((id) => id !== dead);
      await polled(cluster, others, async () => {
        await cluster.kill(dead);
        await cluster.untilSettled(others);
        await untilExact(cluster, others);
        await cluster.start(dead);
        await cluster.untilSettled();
        await untilExact(cluster, NODES);
      });
    }
    const sorted = await until("the sorted set of the world has all modes", () =>
      cluster.redis.ask(async (redis) => {
        const flat = await redis.zrevrange("headcount:default:regions:001", 0, -1, "WITHSCORES");
        return flat.length === 6 && flat;
      }),
    );
    expect(sorted.filter((_, at) => at % 2 === 1).reduce((sum, score) => sum + Number(score), 0)).toBe(92);
  },
);
