/**
 * The tree of places: countries, the subdivisions in them, and the areas that hold them. A player is in a country or in one of
 * its subdivisions, the *region* that was reported; one may ask for any *place*.
 *
 * Peers of one cluster have the numbers in common (PLACES_VERSION); what is stored, and what clients see, are codes. Countries
 * come first, then subdivisions, then areas, each by code.
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

const COUNTRY_PARTS = COUNTRY_LINES.map((line) => line.split("|"));
/** How many countries there are: their numbers are 0 … COUNTRIES - 1. */
export const COUNTRIES = COUNTRY_LINES.length;
/** How many regions can be reported: countries and subdivisions, 0 … REGION_COUNT - 1. */
export const REGION_COUNT = COUNTRY_PARTS.reduce((count, parts) => count + parts.length, 0);
/** The numbers of all areas. */
export const AREAS: readonly number[] = AREA_LINES.map((_, area) => REGION_COUNT + area);

const AREA_NUMBERS = new Map(AREA_LINES.map((line, area) => [line.slice(0, line.indexOf("@")), REGION_COUNT + area]));
/** The number of the area that holds every place. */
export const WORLD = AREA_NUMBERS.get("001") as number;

const COUNTRY_PLACES = COUNTRY_PARTS.map(([head = ""]) => headOf(head));
/** All places by number. */
export const PLACES: readonly Place[] = [
  ...COUNTRY_PLACES,
  ...COUNTRY_PARTS.flatMap((parts, country) => subdivisionsIn(parts, country)),
  ...AREA_LINES.map(headOf),
];
const NUMBER_OF = new Map<string, number>();
for (const [number, { code }] of PLACES.entries()) NUMBER_OF.set(code, number);
/** The number of each place by its code in upper case, and of each subdivision that is read as a country. */
export const PLACE_NUMBERS: ReadonlyMap<string, number> = NUMBER_OF;

/** The codes of the regions, by number. */
export const REGIONS: readonly string[] = PLACES.slice(0, REGION_COUNT).map(({ code }) => code);
/** Those of the countries. */
export const COUNTRY_CODES: readonly string[] = REGIONS.slice(0, COUNTRIES);

/** By region, the number of its country: its own where it is one. */
const COUNTRY_OF = Uint8Array.from(PLACES.slice(0, REGION_COUNT), ({ within }, region) =>
  region < COUNTRIES ? region : (within[0] as number),
);
/** By country, the areas that hold it. */
const AREAS_OF = PLACES.slice(0, COUNTRIES).map(({ within }) => within);
/** By area, its countries; by country, its subdivisions. */
const COUNTRIES_IN = groupedBy(AREAS_OF);
const SUBDIVISIONS_IN = groupedBy(Array.from(COUNTRY_OF, (country, region) => (region < COUNTRIES ? [] : [country])));

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

/** The numbers of the countries that an area holds. */
export function countriesOf(area: number): readonly number[] {
  return COUNTRIES_IN.get(area) ?? [];
}

/** The numbers of a country's subdivisions. */
export function subdivisionsOf(country: number): readonly number[] {
  return SUBDIVISIONS_IN.get(country) ?? [];
}

export function isArea(place: number): boolean {
  return place >= REGION_COUNT;
}

export function isSubdivision(place: number): boolean {
  return place >= COUNTRIES && place < REGION_COUNT;
}

/** Of a country or an area. @param text code, @, the areas that hold it, name */
function headOf(text: string): Place {
  const [at, space] = [text.indexOf("@"), text.indexOf(" ")];
  const areas = space === at + 1 ? [] : text.slice(at + 1, space).split(",");
  const within = areas.map((area) => AREA_NUMBERS.get(area) as number);
  return { code: text.slice(0, at), name: text.slice(space + 1), within };
}

/** @param parts the country, then each subdivision: what follows the dash in its code, name */
function subdivisionsIn(parts: readonly string[], country: number): Place[] {
  const { code, within } = COUNTRY_PLACES[country] as Place;
  const around = [country, ...within]; // the same for all of them
  return parts.slice(1).map((part) => {
    const space = part.indexOf(" ");
    return { code: `${code}-${part.slice(0, space)}`, name: part.slice(space + 1), within: around };
  });
}

function slotOf(first: number, second: number): number {
  return (first - 97) * 26 + second - 97;
}

/** @param groupsOf by member, the groups that it is in */
function groupedBy(groupsOf: readonly (readonly number[])[]): ReadonlyMap<number, readonly number[]> {
  const members = new Map<number, number[]>();
  for (const [member, groups] of groupsOf.entries())
    for (const group of groups) {
      const known = members.get(group);
      if (known === undefined) members.set(group, [member]);
      else known.push(member);
    }
  return members;
}

export interface RegionPlayers {
  readonly region: string;
  readonly players: number;
}

/** Those of some regions that have players, most players first, equal ones by code. */
export function rankRegions(
  playersOf: (region: number) => number,
  regions: readonly number[] = countriesOf(WORLD),
): RegionPlayers[] {
  return regions
    .map((region) => ({ region: REGIONS[region] as string, players: playersOf(region) }))
    .filter(({ players }) => players > 0)
    .sort((one, other) => other.players - one.players || (one.region < other.region ? -1 : 1));
}
