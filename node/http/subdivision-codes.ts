/**
 * Subdivisions by a country's number and what follows the dash in their codes, as one number: reports are read straight from
 * their bytes, and a code would else become a string for each of them. Those that are read as countries are here too.
 *   slots   Int32Array    key + 1 (0: free), open addressing, a third full
 *   regions Uint16Array   the region of the slot
 */
import { invariant } from "../../engine/invariant.ts";
import { isArea, PLACE_NUMBERS, REGION_COUNT, regionOf } from "../../engine/places.ts";

const COUNTRY_LENGTH = 2;
export const SUFFIX_LENGTH_MAX = 3;
const SUFFIXES = 37 ** SUFFIX_LENGTH_MAX;
const SLOTS = 1 << 14;
const SLOT_MASK = SLOTS - 1;
const MIX = 0x9e3779b1;

/** By byte: 1 to 36 for a letter, in either case, or a digit; 0 for what is not in a code. */
export const IN_SUFFIX = Uint8Array.from({ length: 256 }, (_, byte) => {
  const value = Number.parseInt(String.fromCharCode(byte), 36);
  return Number.isNaN(value) ? 0 : value + 1;
});

const slots = new Int32Array(SLOTS);
const regions = new Uint16Array(SLOTS);
invariant(REGION_COUNT < 1 << 16 && PLACE_NUMBERS.size * 3 < SLOTS * 2, "there is room for all regions");

for (const [code, region] of PLACE_NUMBERS) {
  if (code.length <= COUNTRY_LENGTH || isArea(region)) continue;
  const suffix = code.slice(COUNTRY_LENGTH + 1);
  const key = keyOf(
    regionOf(code.slice(0, COUNTRY_LENGTH)),
    Array.from(suffix).reduce((number, character) => number * 37 + (IN_SUFFIX[character.charCodeAt(0)] as number), 0),
  );
  const slot = slotOf(key);
  slots[slot] = key + 1;
  regions[slot] = region;
}

/**
 * @param suffix its characters as digits of base 37, as IN_SUFFIX has them; 3 at the most
 * @returns the region's number, or -1
 */
export function subdivisionOf(country: number, suffix: number): number {
  const slot = slotOf(keyOf(country, suffix));
  return slots[slot] === 0 ? -1 : (regions[slot] as number);
}

function keyOf(country: number, suffix: number): number {
  return country * SUFFIXES + suffix;
}

/** Where a key stands, or the free slot where it would. */
function slotOf(key: number): number {
  const hash = Math.imul(key, MIX);
  let slot = (hash ^ (hash >>> 15)) & SLOT_MASK;
  while (slots[slot] !== 0 && slots[slot] !== key + 1) slot = (slot + 1) & SLOT_MASK;
  return slot;
}
