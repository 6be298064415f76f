// The world the crowd lives in, read from data/: countries and their people, modes and how popular they are, how long
// a session and a match last.
import { readFileSync } from "node:fs";
import { chance, Quantiles, WeightedPick } from "./sampling.ts";

/** What the data does not say, said here. */
export const ASSUMED = {
  residentsMin: 10_000, // 34 territories have no figure; Tuvalu, the smallest that has one, counts 9,646
  dominatedShare: 0.1, // of all countries, those where one mode takes nearly everything
  tasteSpread: 0.25, // how far a country's own order of modes strays from the world's: 0 nowhere, 1 beyond recognition
  sessionMinutesMin: 3, // visits under 3 minutes were dropped at the source
  sessionMinutesMax: 360, // the data ends at the 99th percentile, 253 minutes
  matchSecondsMin: 30,
  matchSecondsMax: 2_000, // a match of PUBG is over after some 33 minutes, whoever survives
} as const;

const WORLD_SEED = 249;

export interface World {
  /** ISO 3166-1 alpha-2 codes. */
  readonly regions: readonly string[];
  /** Names in the form the service takes, the world's most popular first. */
  readonly gamemodes: readonly string[];
  /** Where a new session begins. @param utcHour shifts the weights by local time; without it every hour is alike */
  pickRegion(draw: () => number, utcHour?: number): number;
  /** Where a traveller goes: mostly people cross to a country of the same part of the world. */
  pickNeighbour(region: number, draw: () => number): number;
  /** What someone in this region plays next. */
  pickGamemode(region: number, draw: () => number): number;
  /** People of a region as a share of all. */
  regionShare(region: number): number;
  /** A mode's share of a region's matches. */
  gamemodeShare(region: number, gamemode: number): number;
  readonly sessionMinutes: Quantiles;
  readonly matchSeconds: Quantiles;
}

/** @param seed of what the data does not say: which country likes what. All crowds share one world unless told otherwise */
export function loadWorld(seed = WORLD_SEED): World {
  const countries = loadCountries();
  const figures = readJson("crowd.json") as Figures;
  const gamemodes = loadGamemodes();
  const people = new WeightedPick(countries.map(({ residents }) => residents));
  const residents = countries.reduce((sum, country) => sum + country.residents, 0);
  const tastes = countries.map((_, region) => tasteOf(region, gamemodes.length, figures, seed));
  const picks = tastes.map((shares) => new WeightedPick(shares));
  const neighbours = neighboursOf(countries);
  // Local hours of one country (UTC+2), so that 0 is its midnight; then as shares of the busiest hour.
  const hours = figures.one_country_by_hour_utc.relative;
  const busiest = Math.max(...hours);
  const liveliness = (utcHour: number): number =>
    (hours[(((Math.floor(utcHour) - 2) % 24) + 24) % 24] as number) / busiest;

  return {
    regions: countries.map(({ alpha2 }) => alpha2),
    gamemodes,
    pickRegion(draw, utcHour) {
      for (;;) {
        const region = people.at(draw());
        if (utcHour === undefined || draw() < liveliness(utcHour + (countries[region] as Country).utcOffsetHours))
          return region;
      }
    },
    pickNeighbour(region, draw) {
      const { members, pick } = neighbours[region] as Neighbours;
      return members[pick.at(draw())] as number;
    },
    pickGamemode: (region, draw) => (picks[region] as WeightedPick).at(draw()),
    regionShare: (region) => (countries[region] as Country).residents / residents,
    gamemodeShare: (region, gamemode) => tastes[region]?.[gamemode] as number,
    sessionMinutes: new Quantiles({
      ...figures.session_minutes.percentiles,
      0: ASSUMED.sessionMinutesMin,
      100: ASSUMED.sessionMinutesMax,
    }),
    matchSeconds: new Quantiles({
      ...figures.match_survival_seconds.percentiles,
      0: ASSUMED.matchSecondsMin,
      100: ASSUMED.matchSecondsMax,
    }),
  };
}

interface Figures {
  readonly session_minutes: { readonly percentiles: Record<number, number> };
  readonly match_survival_seconds: { readonly percentiles: Record<number, number> };
  readonly one_country_by_hour_utc: { readonly relative: number[] };
  readonly share_by_popularity_rank: { readonly rank: number[]; readonly share: number[] };
  readonly one_mode_dominates: { readonly matches_by_mode: Record<string, number> };
}

interface Country {
  readonly alpha2: string;
  readonly residents: number;
  /** M49 code of the part of the world, the finest there is. */
  readonly area: string;
  readonly utcOffsetHours: number;
}

/** One offset for each part of the world (M49), near the middle of its people: good enough for "it is evening there". */
const UTC_OFFSET_BY_AREA: Readonly<Record<string, number>> = {
  5: -4,
  11: 0,
  13: -6,
  14: 3,
  15: 2,
  17: 1,
  18: 2,
  21: -6,
  29: -4,
  30: 8,
  34: 5,
  35: 7,
  39: 1,
  53: 10,
  54: 11,
  57: 11,
  61: -10,
  143: 5,
  145: 3,
  151: 3,
  154: 1,
  155: 1,
};

function loadCountries(): Country[] {
  const [header = "", ...lines] = readText("countries.csv").trim().split("\n");
  const columns = header.split(",");
  const field = (fields: string[], name: string): string => fields[columns.indexOf(name)] as string;
  return lines.map((line) => {
    const fields = line.split(","); // no field of this file is quoted or holds a comma
    const area = field(fields, "m49_intermediate") || field(fields, "m49_subregion");
    return {
      alpha2: field(fields, "alpha2"),
      residents: Number(field(fields, "population")) || ASSUMED.residentsMin,
      area,
      utcOffsetHours: UTC_OFFSET_BY_AREA[area] ?? 0,
    };
  });
}

/**
 * Queues and modes still played, under names that say which game they come from: one of each game in turn, in the order
 * of the files. Both begin with the classics, and how popular each is, is not in the data: so that is taken for the rank.
 */
export function loadGamemodes(): string[] {
  const queues = readJson("modes-lol-queues.json") as {
    description: string | null;
    gamemode: string | null;
    deprecated: boolean | null;
    everEnabled: boolean | null;
  }[];
  const live = queues.filter(
    ({ description, gamemode, deprecated, everEnabled }) =>
      description && gamemode && deprecated === false && everEnabled,
  );
  const modes = Object.values(readJson("modes-dota2.json") as Record<string, { name: string }>);
  const lol = live.map(({ description }) => `lol:${toSlug(description!)}`);
  const dota2 = modes.map(({ name }) => `dota2:${toSlug(name.replace(/^game_mode_/, ""))}`);
  const inTurn = lol.flatMap((name, index) => [name, ...dota2.slice(index, index + 1)]); // LoL has more
  return [...new Set(inTurn)].filter((name) => name !== "dota2:unknown");
}

/** "5v5 Ranked Solo" → "5v5-ranked-solo", "Tocker's Trials" → "tockers-trials" */
function toSlug(name: string): string {
  return name
    .toLowerCase()
    .replaceAll("'", "")
    .replaceAll(/[^a-z0-9]+/g, "-")
    .replaceAll(/^-|-$/g, "");
}

/** Shares of a region's matches, by mode: the measured fall from rank to rank, over the region's own order of modes. */
function tasteOf(region: number, gamemodeCount: number, figures: Figures, seed: number): Float64Array {
  const shares = new Float64Array(gamemodeCount);
  const order = Array.from(shares, (_, gamemode) => ({
    gamemode,
    place: Math.log(gamemode + 1) + ASSUMED.tasteSpread * spread(chance(seed, region, gamemode)),
  })).sort((a, b) => a.place - b.place);
  const isDominated = chance(seed, region, gamemodeCount) < ASSUMED.dominatedShare;
  const falling = isDominated
    ? Object.values(figures.one_mode_dominates.matches_by_mode).sort((a, b) => b - a)
    : Array.from(order, (_, index) => shareOfRank(index + 1, figures.share_by_popularity_rank));
  const sum = falling.reduce((total, share) => total + share, 0);
  for (const [index, { gamemode }] of order.entries()) shares[gamemode] = (falling[index] ?? 0) / sum;
  return shares;
}

/** Straight on a log-log scale between the ranks that were measured. */
function shareOfRank(rank: number, measured: { readonly rank: number[]; readonly share: number[] }): number {
  const above = Math.max(
    1,
    measured.rank.findIndex((known) => known >= rank),
  );
  const log = (values: readonly number[], at: number): number => Math.log(values[at] as number);
  const [x0, x1] = [log(measured.rank, above - 1), log(measured.rank, above)];
  const [y0, y1] = [log(measured.share, above - 1), log(measured.share, above)];
  return Math.exp(y0 + ((Math.log(rank) - x0) / (x1 - x0)) * (y1 - y0));
}

/** From uniform in [0, 1) to -∞ … ∞, bell-shaped (logistic). */
function spread(u: number): number {
  return Math.log((u + 1e-9) / (1 - u));
}

interface Neighbours {
  readonly members: readonly number[];
  readonly pick: WeightedPick;
}

/** For each region the others of its part of the world, by people; of all the world where it is alone in its part. */
function neighboursOf(countries: readonly Country[]): Neighbours[] {
  return countries.map((country, region) => {
    const everywhere = [...countries.keys()].filter((other) => other !== region);
    const nearby = everywhere.filter((other) => (countries[other] as Country).area === country.area);
    const members = nearby.length > 0 ? nearby : everywhere;
    return { members, pick: new WeightedPick(members.map((other) => (countries[other] as Country).residents)) };
  });
}

function readText(name: string): string {
  return readFileSync(new URL(`data/${name}`, import.meta.url), "utf8");
}

function readJson(name: string): unknown {
  return JSON.parse(readText(name));
}
