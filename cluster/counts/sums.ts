/**
 * The two levels at which counts are summed, by one mechanism (R20 to R22, R31). Countries sum what the partitions' holders
 * say, areas what the countries' owners say: *sources* tell, *targets* have boards.
 */
import { AREAS, areasOf, COUNTRIES, countryOf, REGION_COUNT } from "../../engine/places.ts";

export interface Sums {
  /** How many sources there are: partitions, or countries. */
  readonly sources: number;
  /** The places with a board: so many, from this number on. */
  readonly firstTarget: number;
  readonly targets: number;
  /** The places whose boards count who is in a region. */
  targetsOf(region: number): readonly number[];
}

const COUNTRY_ALONE: readonly (readonly number[])[] = Array.from({ length: COUNTRIES }, (_, country) => [country]);

/** Countries, each with its subdivisions. */
export function countrySums(partitions: number): Sums {
  return {
    sources: partitions,
    firstTarget: 0,
    targets: COUNTRIES,
    targetsOf: (region) => COUNTRY_ALONE[countryOf(region)] as readonly number[],
  };
}

/** Areas, of countries as a whole. */
export const AREA_SUMS: Sums = {
  sources: COUNTRIES,
  firstTarget: REGION_COUNT,
  targets: AREAS.length,
  targetsOf: areasOf,
};

/** The numbers of the places with a board. */
export function targetsOf({ firstTarget, targets }: Sums): number[] {
  return Array.from({ length: targets }, (_, slot) => firstTarget + slot);
}
