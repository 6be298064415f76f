/**
 * The tree of places: countries, the subdivisions in them, and the areas that hold them. A player is in a country or in one of
 * its subdivisions, the *region* that was reported; one may ask for any *place*.
 *
 * A place's number never leaves the process: codes do. Countries come first, then subdivisions, then areas, each by code.
 */
import { AREA_LINES, COUNTRIES_TOO, COUNTRY_LINES } from "./place-table.ts";

export interface Place {
  /** `US`, `US-CA` or `021`. */
  readonly code: string;
  readonly name: string;
  /** Numbers of the places that hold it, nearest first: of a subdivision its country, and then areas. */
  readonly within: readonly number[];
}

/** The form of a code: other letters may become these when they are made upper case. */
const CODE = /^[A-Za-z0-9-]{2,6}$/;

interface Entry {
  readonly code: string;
  readonly name: string;
  readonly within: readonly string[];
}

const COUNTRY_ENTRIES = COUNTRY_LINES.map((line) => entryOf(line.slice(0, endOf(line))));
const ENTRIES = [
  ...COUNTRY_ENTRIES,
  ...COUNTRY_LINES.flatMap((line, country) => subdivisionsOf(line, COUNTRY_ENTRIES[country] as Entry)),
  ...AREA_LINES.map(entryOf),
];
const NUMBER_OF = new Map(ENTRIES.map(({ code }, number) => [code, number]));

/** All places by number. */
export const PLACES: readonly Place[] = ENTRIES.map(({ code, name, within }) => ({
  code,
  name,
  within: within.map((holder) => NUMBER_OF.get(holder) as number),
}));

/** How many countries there are: their numbers are 0 … COUNTRIES - 1. */
export const COUNTRIES = COUNTRY_LINES.length;
/** How many regions can be reported: countries and subdivisions, 0 … REGION_COUNT - 1. */
export const REGION_COUNT = PLACES.length - AREA_LINES.length;
/** The codes of the regions, by number. */
export const REGIONS: readonly string[] = PLACES.slice(0, REGION_COUNT).map(({ code }) => code);
/** The number of the area that holds every place. */
export const WORLD = NUMBER_OF.get("001") as number;
/** The numbers of all areas. */
export const AREAS: readonly number[] = AREA_LINES.map((_, area) => REGION_COUNT + area);

/** By region, the number of its country: its own where it is one. */
const COUNTRY_OF = Uint8Array.from(PLACES.slice(0, REGION_COUNT), ({ within }, region) =>
  region < COUNTRIES ? region : (within[0] as number),
);
/** By country, the areas that hold it. */
const AREAS_OF = PLACES.slice(0, COUNTRIES).map(({ within }) => within);

for (const line of COUNTRIES_TOO) {
  const [code = "", country = ""] = line.split(" ");
  NUMBER_OF.set(code, NUMBER_OF.get(country) as number);
}

/** Country by the code's two letters, either case: (first - "a") * 26 + second - "a"; -1 where there is none. */
const COUNTRY_BY_LETTERS = new Int16Array(26 * 26).fill(-1);
for (const [number, { code }] of PLACES.slice(0, COUNTRIES).entries())
  COUNTRY_BY_LETTERS[slotOf(code.charCodeAt(0) | 0x20, code.charCodeAt(1) | 0x20)] = number;

/** The region's number, or -1 where `code`, in either case, is that of no country or subdivision. */
export function regionOf(code: string): number {
  if (code.length !== 2) return code[2] === "-" ? placeOf(code) : -1;
  const [first, second] = [code.charCodeAt(0) | 0x20, code.charCodeAt(1) | 0x20];
  if (first < 97 || first > 122 || second < 97 || second > 122) return -1;
  return COUNTRY_BY_LETTERS[slotOf(first, second)] as number;
}

/** The place's number, or -1 where `code`, in either case, is that of none. */
export function placeOf(code: string): number {
  return CODE.test(code) ? (NUMBER_OF.get(code.toUpperCase()) ?? -1) : -1;
}

/** @param region its number */
export function countryOf(region: number): number {
  return COUNTRY_OF[region] as number;
}

/** The numbers of the areas that hold a country, nearest first. */
export function areasOf(country: number): readonly number[] {
  return AREAS_OF[country] as readonly number[];
}

export function isArea(place: number): boolean {
  return place >= REGION_COUNT;
}

export function isSubdivision(place: number): boolean {
  return place >= COUNTRIES && place < REGION_COUNT;
}

function endOf(line: string): number {
  const end = line.indexOf("|");
  return end < 0 ? line.length : end;
}

function entryOf(text: string): Entry {
  const [at, space] = [text.indexOf("@"), text.indexOf(" ")];
  const within = text.slice(at + 1, space);
  return { code: text.slice(0, at), name: text.slice(space + 1), within: within === "" ? [] : within.split(",") };
}

function subdivisionsOf(line: string, country: Entry): Entry[] {
  return line
    .split("|")
    .slice(1)
    .map((text) => ({
      code: `${country.code}-${text.slice(0, text.indexOf(" "))}`,
      name: text.slice(text.indexOf(" ") + 1),
      within: [country.code, ...country.within],
    }));
}

function slotOf(first: number, second: number): number {
  return (first - 97) * 26 + second - 97;
}

export interface RegionPlayers {
  readonly region: string;
  readonly players: number;
}

/** Countries with players, most players first, equal ones by code. */
export function rankRegions(playersOf: (country: number) => number): RegionPlayers[] {
  const countries = REGIONS.slice(0, COUNTRIES).map((region, country) => ({ region, players: playersOf(country) }));
  return countries
    .filter(({ players }) => players > 0)
    .sort((one, other) => other.players - one.players || (one.region < other.region ? -1 : 1));
}
