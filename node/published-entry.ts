/** What everybody may know of the counts where there is a privacy floor: all of it comes from the countries' published tables. */
import type { Ranked } from "../engine/board.ts";
import type { PublishedTable } from "../engine/published-table.ts";
import { AREAS, countriesOf, isArea, rankRegions, WORLD } from "../engine/places.ts";
import type { CountsShown, Overview, RegionCounts, Wholeness } from "./entry.ts";
import { type AreaTable, PublishedArea } from "./published-area.ts";

/** What is published of a country. */
export interface Published {
  /** `undefined`: nothing, until the next whole minute. */
  readonly table: PublishedTable | undefined;
  readonly isStale: boolean;
  readonly ageMs: number;
}

/** Of a country of which nothing is published. */
const NOTHING: AreaTable = { players: 0, modes: [], others: 0, isComplete: false };

export class PublishedEntry implements CountsShown {
  private readonly publishedOf: (country: number) => Published;
  private readonly areas = new Map(AREAS.map((area) => [area, new PublishedArea(countriesOf(area).length)]));

  constructor(publishedOf: (country: number) => Published) {
    this.publishedOf = publishedOf;
  }

  /** @param place a country or an area: nothing is published of subdivisions */
  regionCounts(place: number): RegionCounts {
    if (isArea(place)) return this.areaCounts(place);
    const { table, isStale, ageMs } = this.publishedOf(place);
    return shown(table, { isStale, ageMs });
  }

  overview(area = WORLD): Overview {
    const published = countriesOf(area).map(this.publishedOf);
    const players = new Map(countriesOf(area).map((country, at) => [country, published[at]?.table?.players ?? 0]));
    const regions = rankRegions((country) => players.get(country) as number, countriesOf(area));
    return { ...wholenessOf(published), regions };
  }

  players(): Wholeness & { readonly players: number } {
    return wholenessOf(countriesOf(WORLD).map(this.publishedOf));
  }

  private areaCounts(area: number): RegionCounts {
    const published = countriesOf(area).map(this.publishedOf);
    const table = (this.areas.get(area) as PublishedArea).sum((country) => published[country]?.table);
    const ageMs = published.reduce((oldest, one) => Math.max(oldest, one.ageMs), 0);
    return shown(table, { isStale: wholenessOf(published).isStale, ageMs });
  }
}

function shown(table: AreaTable | undefined, how: Pick<RegionCounts, "isStale" | "ageMs">): RegionCounts {
  const { players, others, isComplete, modes } = table ?? NOTHING;
  const top = (limit: number): readonly Ranked[] => modes.slice(0, limit);
  return { players, others, isComplete, table, term: 0, version: 0, top, ...how };
}

function wholenessOf(published: readonly Published[]): Wholeness & { readonly players: number } {
  return {
    players: published.reduce((players, { table }) => players + (table?.players ?? 0), 0),
    isComplete: published.every(({ table }) => table?.isComplete === true),
    isStale: published.some(({ isStale }) => isStale),
  };
}
