/** What everybody may know of the counts where there is a privacy floor: all of it comes from the published tables. */
import type { Ranked } from "../engine/board.ts";
import type { PublishedTable } from "../engine/published-table.ts";
import { COUNTRIES, rankRegions } from "../engine/places.ts";
import type { CountsShown, Overview, RegionCounts, Wholeness } from "./entry.ts";

/** What is published of a region. */
export interface Published {
  /** `undefined`: nothing, until the next whole minute. */
  readonly table: PublishedTable | undefined;
  readonly isStale: boolean;
  readonly ageMs: number;
}

/** Of a region of which nothing is published. */
const NOTHING: Pick<PublishedTable, "players" | "modes" | "others" | "isComplete"> = {
  players: 0,
  modes: [],
  others: 0,
  isComplete: false,
};

export class PublishedEntry implements CountsShown {
  private readonly publishedOf: (region: number) => Published;

  constructor(publishedOf: (region: number) => Published) {
    this.publishedOf = publishedOf;
  }

  regionCounts(region: number): RegionCounts {
    const { table, isStale, ageMs } = this.publishedOf(region);
    const { players, others, isComplete, modes } = table ?? NOTHING;
    const top = (limit: number): readonly Ranked[] => modes.slice(0, limit);
    return { players, others, isComplete, isStale, ageMs, table, term: 0, version: 0, top };
  }

  overview(): Overview {
    return { ...this.players(), regions: rankRegions((region) => this.publishedOf(region).table?.players ?? 0) };
  }

  players(): Wholeness & { readonly players: number } {
    let [players, isComplete, isStale] = [0, true, false];
    for (let region = 0; region < COUNTRIES; region++) {
      const { table, isStale: isOneStale } = this.publishedOf(region);
      players += table?.players ?? 0;
      isComplete &&= table?.isComplete === true;
      isStale ||= isOneStale;
    }
    return { players, isComplete, isStale };
  }
}
