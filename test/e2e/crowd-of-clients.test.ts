/** 200 clients at once on the same 50 players: one last word each, and counts that fit. One seed is one crowd. */

import { expect, test } from "vitest";

import { itemAt } from "../../simulator/item-at.ts";
import { HttpClient } from "../support/http.ts";
import { SeededRandom } from "../../simulator/seeded-random.ts";
import { countsOf, freshPlayer, shareNode } from "../support/shared-node.ts";
import { until } from "../support/until.ts";

const CLIENTS = 200;
const PLAYERS = 50;
const ACTIONS = 30; // of each client
const REGIONS = ["CA", "US", "FR", "JP", "NA", "TV"];
const MODES = ["GM01", "GM02", "GM03", "gm01"];

/** Some players report hundreds of times within a second. */
const shared = shareNode({ env: { HEADCOUNT_RATE_PROFILE: "0" } });
const random = SeededRandom.fromEnvironment();

/** Where a player is: "CA GM01", or nowhere. */
type Place = string;
const NOWHERE: Place = "nowhere";

/** What a client was told has happened, and when at the earliest and at the latest. */
interface Word {
  readonly place: Place;
  readonly sentAt: number;
  readonly answeredAt: number;
}

const anyPlace = () => ({ region: random.pick(REGIONS), gamemode: random.pick(MODES) });
const placeOf = ({ region, gamemode }: { region: string; gamemode: string }): Place => `${region} ${gamemode}`;

async function placeNow(player: string): Promise<Place> {
  const { status, json } = await shared.http.profile(player);
  expect([200, 404]).toContain(status);
  return status === 404 ? NOWHERE : placeOf(json);
}

/** All counts equal the sum of the profiles, exactly. */
async function expectCountsFit(places: readonly Place[]): Promise<void> {
  const connected = places.filter((place) => place !== NOWHERE);
  const byRegion = Object.groupBy(connected, (place) => itemAt(place.split(" "), 0));
  const expected = Object.fromEntries(Object.entries(byRegion).map(([region, at]) => [region, at!.length]));
  for (const region of REGIONS) {
    const { json } = await shared.http.top(region, 100);
    const modes = Object.groupBy(byRegion[region] ?? [], (place) => itemAt(place.split(" "), 1));
    const counted = json.gamemodes.map(({ mode, players }: { mode: string; players: number }) => [mode, players]);
    expect(Object.fromEntries(counted), region).toEqual(
      Object.fromEntries(Object.entries(modes).map(([mode, at]) => [mode, at!.length])),
    );
    expect(json.players, region).toBe(expected[region] ?? 0);
  }
  await until("regions and players say the same", async () => {
    const { players, regions } = await countsOf(shared.http);
    expect({ players, regions }).toEqual({ players: connected.length, regions: expected });
    return true;
  });
}

test(`Each player has one last word of those acknowledged, seed ${random.seed}`, async () => {
  const players = Array.from({ length: PLAYERS }, freshPlayer);
  const words = new Map<string, Word[]>(players.map((player) => [player, []]));
  await using http = new HttpClient(shared.node.url, CLIENTS);

  const act = async (): Promise<void> => {
    const sentAt = performance.now();
    const said = await speak();
    const answeredAt = performance.now();
    for (const [player, place] of said) words.get(player)!.push({ place, sentAt, answeredAt });
  };
  /** One call, and what it was told about whom. */
  const speak = async (): Promise<[player: string, place: Place][]> => {
    const [player, place, choice] = [random.pick(players), anyPlace(), random.fraction()];
    if (choice < 0.6) {
      const { status, json } = await http.report(player, place);
      expect([status, json.profileId, placeOf(json)]).toEqual([200, player, placeOf(place)]);
      return [[player, placeOf(place)]];
    }
    if (choice < 0.8) {
      expect((await http.remove(player)).status).toBe(204);
      return [[player, NOWHERE]];
    }
    if (choice < 0.9) {
      // Distinct players, so that each row is a word of its own.
      const rows = random
        .shuffled(players)
        .slice(0, 10)
        .map((profileId) => ({ profileId, ...anyPlace() }));
      expect((await http.reports(rows)).json).toEqual({ accepted: 10, remembered: 10, rejected: [] });
      return rows.map((row) => [row.profileId, placeOf(row)]);
    }
    expect([204, 404]).toContain((await http.heartbeat(player)).status);
    return [];
  };
  await Promise.all(
    Array.from({ length: CLIENTS }, async () => {
      for (let action = 0; action < ACTIONS; action++) await act();
    }),
  );

  const places: Place[] = [];
  for (const player of players) {
    const place = await placeNow(player);
    const said = words.get(player)!;
    // A word can only be the last where no other was begun after its answer.
    const lastSentAt = Math.max(...said.map(({ sentAt }) => sentAt));
    const last = said.filter(({ answeredAt }) => answeredAt >= lastSentAt).map((word) => word.place);
    expect(last, player).toContain(place);
    places.push(place);
  }
  await expectCountsFit(places);
  for (const player of players) await shared.http.remove(player);
  await expectCountsFit([]);
});

test(`With seq the highest is the last word, in whatever order they come, seed ${random.seed}`, async () => {
  const players = Array.from({ length: PLAYERS }, freshPlayer);
  const highest = new Map<string, { seq: number; place: Place }>();
  const reports = players.flatMap((profileId) =>
    Array.from({ length: 60 }, (_, index) => {
      const report = { profileId, ...anyPlace(), seq: index * 7 + 1 };
      highest.set(profileId, { seq: report.seq, place: placeOf(report) });
      return report;
    }),
  );
  const queue = random.shuffled(reports).values();
  const isNewestSeen = new Map<string, number>(players.map((player) => [player, 0]));
  await using http = new HttpClient(shared.node.url, CLIENTS);
  await Promise.all(
    Array.from({ length: CLIENTS }, async () => {
      for (const { profileId, ...report } of queue) {
        const newestBefore = isNewestSeen.get(profileId)!;
        const { status, json } = await http.report(profileId, report);
        expect(status).toBe(200);
        // Older than one already answered: it must not have changed anything.
        if (report.seq <= newestBefore) expect(json.changed).toBe(false);
        isNewestSeen.set(profileId, Math.max(isNewestSeen.get(profileId)!, report.seq));
      }
    }),
  );
  const places = players.map((player) => highest.get(player)!.place);
  for (const [index, player] of players.entries()) expect(await placeNow(player), player).toBe(places[index]);
  await expectCountsFit(places);
  for (const player of players) await shared.http.remove(player);
});
