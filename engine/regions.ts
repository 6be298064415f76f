/**
 * The regions that can be counted: the 249 officially assigned ISO 3166-1 alpha-2 codes.
 * Source: ISO 3166-1 as published in datasets/country-codes (PDDL), read 2026-11. `NA` is Namibia.
 */
const CODES =
  "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS " +
  "BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE " +
  "EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM " +
  "HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC " +
  "LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA " +
  "NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW " +
  "SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO " +
  "TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW";

/** Region codes in ascending order; a region's number is its place here. Never leaves the process: codes do. */
export const REGIONS: readonly string[] = CODES.split(" ");

/** Region number by the code's two letters, either case: (first - "a") * 26 + second - "a"; -1 where none is assigned. */
const NUMBERS = new Int16Array(26 * 26).fill(-1);
for (const [number, code] of REGIONS.entries()) NUMBERS[slotOf(code.charCodeAt(0), code.charCodeAt(1))] = number;

/** The region's number, 0 … REGIONS.length - 1, or -1 where `code` is no assigned code in either case. */
export function regionOf(code: string): number {
  if (code.length !== 2) return -1;
  const [first, second] = [code.charCodeAt(0) | 0x20, code.charCodeAt(1) | 0x20];
  if (first < 97 || first > 122 || second < 97 || second > 122) return -1;
  return NUMBERS[slotOf(first, second)] as number;
}

/** Both letters of each region's code in one number, the first one lower: how a region is written in messages. */
export const REGION_LETTERS = Uint16Array.from(REGIONS, (code) => code.charCodeAt(0) | (code.charCodeAt(1) << 8));

/** Region number by these letters, -1 where there is none. */
export const REGION_BY_LETTERS = new Int16Array(1 << 16).fill(-1);
for (const [region, letters] of REGION_LETTERS.entries()) REGION_BY_LETTERS[letters] = region;
export interface RegionPlayers {
  readonly region: string;
  readonly players: number;
}

/** Regions with players, most players first, equal ones by code. */
export function rankRegions(playersOf: (region: number) => number): RegionPlayers[] {
  const regions = REGIONS.map((region, number) => ({ region, players: playersOf(number) }));
  return regions
    .filter(({ players }) => players > 0)
    .sort((one, other) => other.players - one.players || (one.region < other.region ? -1 : 1));
}

function slotOf(first: number, second: number): number {
  return ((first | 0x20) - 97) * 26 + (second | 0x20) - 97;
}
