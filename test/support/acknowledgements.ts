/**
 * Remembers every acknowledgement that a cluster gave, and holds it to them.
 *
 * Each player has one call under way at a time, so that where it may be is known at every moment: where it was last
 * acknowledged, or where a call that is under way puts it. From that follows, for every answer about counts, who must be
 * in it and who may be. Every report has a seq: what a client gave up on must not undo what it said later.
 *
 *     await using load = acknowledgements.load({ clients: 16 });
 *     …faults…
 *     await load.end();
 *     await acknowledgements.expectKept();
 */
import { setMaxListeners } from "node:events";
import { setTimeout as pause } from "node:timers/promises";

import { expect } from "vitest";

import { itemAt, take } from "../../simulator/item-at.ts";
import { type ClusterClient } from "./cluster-client.ts";
import { type Answer, gamemodePath, NO_CACHE } from "./http.ts";
import type { SeededRandom } from "../../simulator/seeded-random.ts";
import { freshPlayer } from "./shared-node.ts";
import { until } from "./until.ts";

const REGIONS = ["CA", "US", "FR", "JP", "NA", "TV"] as const;
const MODES = ["GM01", "GM02", "GM03", "gm01", "K-9"] as const;
const BATCH = 8;
export const CLIENTS = 16;
/** Between a client's calls. */
const PACE_MS = 8;
const REPEAT_MS = 100;
/** Less than the pace that the service sets while all is well: a third of 90 s, less a fifth. */
const RENEW_MIN_MS = 20_000;
/** Behind the owners no unmarked answer may be more than this; 200 ms are promised, and the machine is busy. */
const BEHIND_MS = 1000;

/** "CA GM01" */
type Place = string;
const NOWHERE: Place = "nowhere";

export class Player {
  readonly profileId = freshPlayer();
  seq = 0;
  /** Where it may be: one place unless a call is under way. */
  possible: ReadonlySet<Place> = new Set([NOWHERE]);
  /** An attempt stayed unanswered, so a late arrival may still connect it: not to be removed any more. */
  isRemovable = true;
  /** An unanswered removal may still arrive: not to be connected any more. */
  isRetired = false;

  /** @throws where a call is under way */
  get place(): Place {
    expect(this.possible.size, this.profileId).toBe(1);
    return itemAt([...this.possible], 0);
  }
}

/** Who must and who may be counted in a region, from its beginning on. */
interface Observation {
  readonly region: string;
  readonly must: Map<Player, Place>;
  readonly may: Set<Player>;
  /** Per place. */
  readonly mayAt: Map<Place, Set<Player>>;
}

export class Acknowledgements {
  readonly players: readonly Player[];
  /** Everything that should not have been answered. */
  readonly violations: string[] = [];
  /** Answers about counts that were whole, so that they could be judged. */
  judged = { authoritative: 0, plain: 0 };
  acknowledged = 0;
  readonly client: ClusterClient;
  readonly random: SeededRandom;
  private readonly observations = new Set<Observation>();

  constructor(client: ClusterClient, random: SeededRandom, playerCount: number) {
    this.client = client;
    this.random = random;
    this.players = Array.from({ length: playerCount }, () => new Player());
  }

  /** Connects every player. */
  async connectAll(): Promise<void> {
    for (let from = 0; from < this.players.length; from += 100) await this.batch(this.players.slice(from, from + 100));
  }

  /** Players who report, renew, leave and are looked up, and readers of counts, until it is ended. */
  load({ clients = CLIENTS, of = this.players }: { clients?: number; of?: readonly Player[] } = {}): Load {
    return new Load(this, clients, of);
  }

  /** Until it is remembered. */
  async report(player: Player, place: Place = this.anyPlace()): Promise<void> {
    const json = { ...partsOf(place), seq: ++player.seq };
    this.begin(player, place);
    const answer = await this.untilRemembered(player, "POST", gamemodePath(player.profileId), json);
    const { region, gamemode } = answer.json;
    if (answer.status !== 200 || `${region} ${gamemode}` !== place)
      this.violate(player, `a report of ${place} with seq ${json.seq}`, answer);
    this.settle(player, place);
  }

  async remove(player: Player): Promise<void> {
    this.begin(player, NOWHERE);
    const answer = await this.untilRemembered(player, "DELETE", gamemodePath(player.profileId));
    if (!player.isRemovable) player.isRetired = true;
    if (answer.status !== 204) this.violate(player, "a removal", answer);
    this.settle(player, NOWHERE);
  }

  async batch(players: readonly Player[]): Promise<void> {
    let rows = players.map((player) => ({ player, place: this.anyPlace(), seq: ++player.seq }));
    for (const { player, place } of rows) this.begin(player, place);
    while (rows.length > 0) {
      const reports = rows.map(({ player: { profileId }, place, seq }) => ({ profileId, ...partsOf(place), seq }));
      const { answer, isSure } = await this.client.call("POST", "/v1/reports", { json: { reports } });
      if (!isSure) for (const { player } of rows) player.isRemovable = false;
      const { accepted, remembered, rejected } = answer.json as {
        accepted: number;
        remembered: number;
        rejected: { index: number; code: string; message: string }[];
      };
      const again = rejected.map(({ index }) => itemAt(rows, index));
      for (const { code, message } of rejected) {
        this.client.measured.refusals.push(`a row of a batch: ${code} ${message}`);
        if (code !== "503") this.violations.push(`a row of a batch was refused: ${code} ${message}`);
      }
      if (accepted + rejected.length !== rows.length) this.violations.push(`a batch of ${rows.length}: ${answer.text}`);
      if (accepted === remembered) {
        for (const row of rows) if (!again.includes(row)) this.settle(row.player, row.place);
        rows = again;
      }
      if (rows.length > 0) await pause(REPEAT_MS);
    }
  }

  async heartbeat(player: Player): Promise<void> {
    const { answer } = await this.client.call("PUT", `/v1/profiles/${player.profileId}/heartbeat`);
    // To be heard from again so soon: nothing is vouched for, as with 202.
    if (answer.status === 204 && Number(answer.headers["renew-in-ms"]) < RENEW_MIN_MS) return;
    if (answer.status !== (player.place === NOWHERE ? 404 : 204)) this.violate(player, "a heartbeat", answer);
  }

  async find(player: Player): Promise<void> {
    const { answer } = await this.client.call("GET", gamemodePath(player.profileId));
    this.judgeFound(player, answer);
  }

  /** What a node said of a player who has no call under way. */
  private judgeFound(player: Player, answer: Answer): void {
    const { region, gamemode } = answer.json;
    const found = answer.status === 404 ? NOWHERE : `${region} ${gamemode}`;
    if (![200, 404].includes(answer.status) || found !== player.place) this.violate(player, "a look-up", answer);
  }

  /** Asks one node for players who have no call under way: what it says must be true, or that it does not know. */
  async findAt(url: string, players: readonly Player[]): Promise<void> {
    const find = async (player: Player): Promise<void> => {
      const answer = await this.client.at(url).profile(player.profileId);
      if (answer.status !== 503) this.judgeFound(player, answer);
    };
    await Promise.all(players.map(find));
    expect(this.violations).toEqual([]);
  }

  /** Asks for a region's counts in the owner's words, and judges what it says where it says that it is whole. */
  async readAuthoritative(): Promise<void> {
    const observation = this.observe();
    const { answer } = await this.client.call("GET", `/v1/regions/${observation.region}/gamemode?top=100`, NO_CACHE);
    if (this.judgeCounts(observation, answer)) this.judged.authoritative++;
  }

  /** Asks any node for a region's counts as it knows them. */
  async readPlain(ending: AbortSignal): Promise<void> {
    const observation = this.observe();
    await pause(BEHIND_MS, undefined, { signal: ending }).catch(() => {});
    if (ending.aborted) return void this.observations.delete(observation);
    const { answer } = await this.client.call("GET", `/v1/regions/${observation.region}/gamemode?top=100`);
    if (this.judgeCounts(observation, answer)) this.judged.plain++;
  }

  /** That every player is where it was last acknowledged, that counts say the same, and that nothing was answered wrongly. */
  async expectKept(urls: readonly string[]): Promise<void> {
    for (let from = 0; from < this.players.length; from += 50)
      await Promise.all(this.players.slice(from, from + 50).map((player) => this.find(player)));
    expect(this.violations).toEqual([]);
    const connected = this.players.map(({ place }) => place).filter((place) => place !== NOWHERE);
    for (const url of urls) {
      for (const region of REGIONS) await this.expectCounts(url, region, connected);
      await this.expectTotals(url, connected);
    }
  }

  anyPlace(): Place {
    return `${this.random.pick(REGIONS)} ${this.random.pick(MODES)}`;
  }

  /** A call that may put the player there is sent. */
  private begin(player: Player, place: Place): void {
    player.possible = new Set([...player.possible, place]);
    for (const observation of this.observations) {
      if (observation.must.get(player) !== place) observation.must.delete(player);
      admit(observation, player, place);
    }
  }

  /** The cluster has given its word. */
  private settle(player: Player, place: Place): void {
    player.possible = new Set([place]);
    this.acknowledged++;
  }

  /** Repeats what is only counted, with the same seq. */
  private async untilRemembered(player: Player, method: string, path: string, json?: unknown): Promise<Answer> {
    for (;;) {
      const { answer, isSure } = await this.client.call(method, path, { json });
      if (!isSure) player.isRemovable = false;
      if (answer.status !== 202) return answer;
      await pause(REPEAT_MS);
    }
  }

  private observe(): Observation {
    const region = this.random.pick(REGIONS);
    const observation: Observation = { region, must: new Map(), may: new Set(), mayAt: new Map() };
    for (const player of this.players) {
      for (const place of player.possible) admit(observation, player, place);
      if (player.possible.size === 1 && isIn(player.place, region)) observation.must.set(player, player.place);
    }
    this.observations.add(observation);
    return observation;
  }

  /** @returns false where the answer says itself that it is not whole */
  private judgeCounts(observation: Observation, answer: Answer): boolean {
    this.observations.delete(observation);
    const { region, must, may, mayAt } = observation;
    if (answer.json.complete === false || answer.json.stale === true) return false;
    const mustAt = Map.groupBy(must.values(), (place) => place);
    const wrong: string[] = [];
    const judge = (what: string, least: number, counted: number, most: number): void => {
      if (counted < least || counted > most) wrong.push(`${what}: ${counted}, not ${least} to ${most}`);
    };
    judge(region, must.size, answer.json.players, may.size);
    const modes = answer.json.gamemodes as { mode: string; players: number }[];
    for (const mode of MODES) {
      const place = `${region} ${mode}`;
      const players = modes.find((row) => row.mode === mode)?.players ?? 0;
      judge(place, mustAt.get(place)?.length ?? 0, players, mayAt.get(place)?.size ?? 0);
    }
    if (wrong.length > 0) this.violations.push(`counts of ${region}: ${wrong.join("; ")}; ${answer.text}`);
    return true;
  }

  private async expectCounts(url: string, region: string, connected: readonly Place[]): Promise<void> {
    const answer = await until(`${url} gives whole counts of ${region}`, async () => {
      const { status, json } = await this.client.at(url).top(region, 100);
      return status === 200 && json.complete !== false && json.stale !== true ? json : undefined;
    });
    const here = connected.filter((place) => isIn(place, region));
    const at = Map.groupBy(here, (place) => partsOf(place).gamemode);
    const counted = answer.gamemodes.map((row: { mode: string; players: number }) => [row.mode, row.players]);
    expect(Object.fromEntries(counted), `${region} at ${url}`).toEqual(
      Object.fromEntries([...at].map(([mode, places]) => [mode, places.length])),
    );
    expect(answer.players, `${region} at ${url}`).toBe(here.length);
  }

  /** Read views are a moment behind. */
  private async expectTotals(url: string, connected: readonly Place[]): Promise<void> {
    const regions = Map.groupBy(connected, (place) => partsOf(place).region);
    const expected = Object.fromEntries([...regions].map(([region, places]) => [region, places.length]));
    await until(`${url} knows all counts`, async () => {
      const [all, players] = [
        await this.client.at(url).get("/v1/regions"),
        await this.client.at(url).get("/v1/players"),
      ];
      const rows = all.json.regions.map((row: { region: string; players: number }) => [row.region, row.players]);
      expect(Object.fromEntries(rows), `regions at ${url}`).toEqual(expected);
      expect(players.json, `players at ${url}`).toEqual({ players: connected.length });
      return true;
    });
  }

  private violate(player: Player, call: string, answer: Answer): void {
    const possible = [...player.possible].join(" or ");
    this.violations.push(`${player.profileId}, ${possible}: ${call} was answered ${answer.status} ${answer.text}`);
  }
}

/** Clients at work. */
export class Load implements AsyncDisposable {
  private readonly ending = new AbortController();
  private readonly working: Promise<unknown>;

  constructor(acknowledgements: Acknowledgements, clients: number, players: readonly Player[]) {
    const { signal } = this.ending;
    setMaxListeners(0, signal);
    const loop = async (step: () => Promise<void>): Promise<void> => {
      while (!signal.aborted) {
        await step();
        await pause(PACE_MS);
      }
    };
    const driven = Array.from({ length: clients }, (_, client) =>
      players.filter((_player, index) => index % clients === client),
    );
    this.working = Promise.all([
      ...driven.map((some) => loop(() => act(acknowledgements, some))),
      ...Array.from({ length: 2 }, () => loop(() => acknowledgements.readAuthoritative())),
      ...Array.from({ length: 6 }, () => loop(() => acknowledgements.readPlain(signal))),
    ]);
    this.working.catch(() => {}); // end() tells it
  }

  /** Resolves when everything is answered. */
  async end(): Promise<void> {
    this.ending.abort();
    await this.working;
  }

  /** For a test that failed before it could end it: what is under way must not reach into the next. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.ending.abort();
    await this.working.catch(() => {});
  }
}

/** One call of a client, for one of its players or for several. */
async function act(acknowledgements: Acknowledgements, all: readonly Player[]): Promise<void> {
  const { random } = acknowledgements;
  const players = all.filter(({ isRetired }) => !isRetired);
  if (players.length === 0) return;
  const player = random.pick(players);
  const choice = random.fraction();
  if (choice < 0.45) await acknowledgements.report(player);
  else if (choice < 0.55) await acknowledgements.batch(random.shuffled(players).slice(0, BATCH));
  else if (choice < 0.65 && player.isRemovable) await acknowledgements.remove(player);
  else if (choice < 0.8) await acknowledgements.heartbeat(player);
  else await acknowledgements.find(player);
}

function admit({ region, may, mayAt }: Observation, player: Player, place: Place): void {
  if (!isIn(place, region)) return;
  may.add(player);
  const players = mayAt.get(place);
  if (players === undefined) mayAt.set(place, new Set([player]));
  else players.add(player);
}

function isIn(place: Place, region: string): boolean {
  return place.startsWith(`${region} `);
}

function partsOf(place: Place): { readonly region: string; readonly gamemode: string } {
  const [region, gamemode] = take(2, place.split(" "));
  return { region, gamemode };
}
