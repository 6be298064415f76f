/**
 * The whole service under `kill -9` under load: nothing acknowledged is lost, nothing is invented.
 *
 * Each player is driven by one client that sends its next reports only when the last were answered, so that what must be
 * there after a crash is known: the newest acknowledged, or one that was sent after it and whose answer the crash cut off.
 * `HEADCOUNT_TEST_KILL_ROUNDS` gives the number of crashes, `HEADCOUNT_TEST_SEED` replays a run's choices.
 */

import { expect, test } from "vitest";

import { REGIONS } from "../support/corpora.ts";
import { HttpClient } from "../support/http.ts";
import { killDuringStart, startNode, temporaryFolder } from "../support/node-process.ts";
import { SeededRandom } from "../../simulator/seeded-random.ts";
import { countsOf, freshPlayer } from "../support/shared-node.ts";
import { until } from "../support/until.ts";

const ROUNDS = Number(process.env["HEADCOUNT_TEST_KILL_ROUNDS"] ?? 4);
const ROUND_LIMIT_MS = 30_000;
const CLIENTS = 24;
const PLAYERS_OF_CLIENT = 16;
const ANSWERS_MAX = 3000; // of a round
const MODES = 40;
/** Snapshots all the time, so that crashes fall into them too. */
const ENV = {
  HEADCOUNT_RATE_PROFILE: "0",
  HEADCOUNT_SNAPSHOT_MS: "100",
  HEADCOUNT_LOG_LEVEL: "warn",
};

/** A player as its client knows it. Every report of a player names another place, so that a place names the report. */
interface Player {
  readonly profileId: string;
  /** How many reports were sent: the seq of the newest. */
  seq: number;
  /** The newest acknowledged; `undefined`: nowhere. */
  standing: number | undefined;
  /** Sent and not answered yet; "removal" ends where the player is. */
  readonly underWay: Set<number | "removal">;
}

const random = SeededRandom.fromEnvironment();

/** The place of a player's n-th report: distinct for 249 · 40 reports. */
const placeOf = (seq: number) => ({
  region: REGIONS[seq % REGIONS.length],
  gamemode: `K${Math.floor(seq / REGIONS.length) % MODES}`,
});

test(
  `kill -9 under load, ${ROUNDS} times: what was acknowledged is there, seed ${random.seed}`,
  { timeout: ROUNDS * ROUND_LIMIT_MS },
  async () => {
    await using folder = await temporaryFolder();
    const players: Player[] = Array.from({ length: CLIENTS * PLAYERS_OF_CLIENT }, () => ({
      profileId: freshPlayer(),
      seq: 0,
      standing: undefined,
      underWay: new Set(),
    }));
    for (let round = 0; round < ROUNDS; round++) {
      // Also before it is ready: loading and replaying must survive a crash as well. 0 to 700 ms is a start on a busy machine.
      for (let deaths = round > 0 ? random.below(3) : 0; deaths > 0; deaths--)
        await killDuringStart({ env: ENV, dataDir: folder.path }, random.below(700));
      await using node = await startNode({ env: ENV, dataDir: folder.path });
      await using http = new HttpClient(node.url, CLIENTS * 2);
      await expectRemembered(http, players);
      let isKilled = false;
      const answersBeforeDeath = 1 + random.below(ANSWERS_MAX);
      let answers = 0;
      const answered = () => {
        if (++answers !== answersBeforeDeath) return;
        // A random moment after that answer, so that it falls anywhere in a commit.
        setTimeout(() => {
          isKilled = true;
          node.kill("SIGKILL");
        }, random.fraction() * 20);
      };
      await Promise.all(
        Array.from({ length: CLIENTS }, (_, client) =>
          drive(
            http,
            players.slice(client * PLAYERS_OF_CLIENT, (client + 1) * PLAYERS_OF_CLIENT),
            () => isKilled,
            answered,
          ),
        ),
      );
      expect(await node.exited).toEqual({ code: null, signal: "SIGKILL" });
    }
    await using node = await startNode({ env: ENV, dataDir: folder.path });
    await using http = new HttpClient(node.url);
    await expectRemembered(http, players);
    expect(await node.stop()).toBe(0);
  },
);

test(`kill -9 right after large batches, ${ROUNDS} times: all rows that were acknowledged are there`, async () => {
  for (let round = 0; round < ROUNDS; round++) {
    await using node = await startNode({ env: ENV });
    let remembered = 0;
    {
      await using http = new HttpClient(node.url);
      // Each larger than any before, so that whatever holds a commit has to grow.
      for (const count of [100, 1500, 10_000].slice(round % 3)) {
        const rows = Array.from({ length: count }, (_, index) => ({ profileId: freshPlayer(), ...placeOf(index) }));
        const { status, json } = await http.reports(rows);
        expect([status, json]).toEqual([200, { accepted: count, remembered: count, rejected: [] }]);
        remembered += count;
      }
    }
    node.kill("SIGKILL");
    await node.exited;
    await using again = await startNode({ env: ENV, dataDir: node.dataDir });
    await using http = new HttpClient(again.url);
    expect((await countsOf(http)).players).toBe(remembered);
  }
});

/** One client: until the node is killed, a call for one of its players, or for several, and note what was answered. */
async function drive(
  http: HttpClient,
  players: readonly Player[],
  isKilled: () => boolean,
  answered: () => void,
): Promise<void> {
  while (!isKilled()) {
    const choice = random.fraction();
    const player = random.pick(players);
    const calls =
      choice < 0.5
        ? [report(http, player)]
        : choice < 0.65
          ? [report(http, player), report(http, player), report(http, player)]
          : choice < 0.8
            ? [remove(http, player)]
            : choice < 0.9
              ? [batch(http, random.shuffled(players).slice(0, 8))]
              : [http.heartbeat(player.profileId), http.profile(player.profileId)];
    // Every call is awaited, so that none of this client's is under way when the next begins.
    const outcomes = await Promise.allSettled(calls);
    for (const outcome of outcomes) {
      if (outcome.status === "fulfilled") answered();
      // Connections break when it dies; an answer that is wrong is wrong at any time.
      else if (!isKilled() || outcome.reason?.name === "AssertionError") throw outcome.reason;
    }
  }
}

async function report(http: HttpClient, player: Player): Promise<void> {
  const seq = ++player.seq;
  player.underWay.add(seq);
  const { status, json, text } = await http.report(player.profileId, { ...placeOf(seq), seq });
  expect(status, text).toBe(200);
  // One of three at once may be overtaken; then the answer shows which one stands, and vouches for that.
  const { region, gamemode } = json;
  const shown = [seq, ...player.underWay, player.standing].find(
    (one) => typeof one === "number" && isAt(one, region, gamemode),
  );
  expect(shown, `${text} to seq ${seq}`).toBeTypeOf("number");
  acknowledge(player, shown as number);
}

async function batch(http: HttpClient, players: readonly Player[]): Promise<void> {
  const rows = players.map((player) => ({ player, seq: ++player.seq }));
  for (const { player, seq } of rows) player.underWay.add(seq);
  const answer = await http.reports(
    rows.map(({ player, seq }) => ({ profileId: player.profileId, ...placeOf(seq), seq })),
  );
  expect(answer.json, answer.text).toEqual({ accepted: rows.length, remembered: rows.length, rejected: [] });
  for (const { player, seq } of rows) acknowledge(player, seq);
}

async function remove(http: HttpClient, player: Player): Promise<void> {
  player.underWay.add("removal");
  const { status, text } = await http.remove(player.profileId);
  expect(status, text).toBe(204);
  player.standing = undefined;
  player.underWay.clear();
}

function acknowledge(player: Player, seq: number): void {
  if (player.standing === undefined || player.standing < seq) player.standing = seq;
  for (const one of player.underWay) if (typeof one === "number" && one <= seq) player.underWay.delete(one);
}

function isAt(seq: number, region: string, gamemode: string): boolean {
  const place = placeOf(seq);
  return place.region === region && place.gamemode === gamemode;
}

/** Every player stands where it was acknowledged, or where a call that the crash cut off would have put it; nobody else is there. */
async function expectRemembered(http: HttpClient, players: readonly Player[]): Promise<void> {
  const regions: Record<string, number> = {};
  await Promise.all(
    players.map(async (player) => {
      const { status, json, text } = await http.profile(player.profileId);
      expect([200, 404], text).toContain(status);
      const possible = [player.standing, ...[...player.underWay].map((one) => (one === "removal" ? undefined : one))];
      const found =
        status === 404 ? undefined : possible.find((one) => one !== undefined && isAt(one, json.region, json.gamemode));
      if (found === undefined) {
        expect(
          status === 404 && possible.includes(undefined),
          `${player.profileId}: acknowledged ${player.standing ?? "nowhere"}, under way ${[...player.underWay].join(" ")}, found ${text}`,
        ).toBe(true);
      } else {
        regions[json.region] = (regions[json.region] ?? 0) + 1;
        // Its seq was remembered with it: under the same seq nothing moves any more.
        const late = await http.report(player.profileId, { ...placeOf(found + 1), seq: found });
        expect([late.status, late.json], player.profileId).toEqual([
          200,
          expect.objectContaining({ changed: false, region: json.region, gamemode: json.gamemode }),
        ]);
      }
      player.standing = found;
      player.underWay.clear();
    }),
  );
  const connected = Object.values(regions).reduce((sum, count) => sum + count, 0);
  await until("the counts fit the profiles", async () => {
    expect(await countsOf(http)).toEqual({ players: connected, regions });
    return true;
  });
}
