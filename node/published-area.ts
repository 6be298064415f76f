/** What is published of an area: the sum of what is published of its countries, and nothing else. */
import type { Ranked } from "../engine/board.ts";
import type { PublishedTable } from "../engine/published-table.ts";

/** The same object as long as all its countries' tables are the same. */
export interface AreaTable {
  readonly players: number;
  /** Most players first, equal ones by name. */
  readonly modes: readonly Ranked[];
  readonly others: number;
  readonly isComplete: boolean;
}

export class PublishedArea {
  private readonly tables: (PublishedTable | undefined)[];
  private readonly byMode = new Map<string, number>();
  private table: AreaTable | undefined;

  /** @param countries how many it holds */
  constructor(countries: number) {
    this.tables = Array.from({ length: countries }, () => undefined);
  }

  /** @param tableOf by the country's place among those that the area holds */
  sum(tableOf: (country: number) => PublishedTable | undefined): AreaTable {
    for (const [country, former] of this.tables.entries()) {
      const table = tableOf(country);
      if (table === former) continue;
      this.add(former, -1);
      this.add(table, 1);
      this.tables[country] = table;
      this.table = undefined;
    }
    return (this.table ??= this.summed());
  }

  private add(table: PublishedTable | undefined, sign: 1 | -1): void {
    for (const { mode, players } of table?.modes ?? []) {
      const after = (this.byMode.get(mode) ?? 0) + sign * players;
      if (after === 0) this.byMode.delete(mode);
      else this.byMode.set(mode, after);
    }
  }

  private summed(): AreaTable {
    const modes = Array.from(this.byMode, ([mode, players]) => ({ mode, players }));
    modes.sort((one, other) => other.players - one.players || (one.mode < other.mode ? -1 : 1));
    const sumOf = (what: "players" | "others"): number =>
      this.tables.reduce((sum, table) => sum + (table?.[what] ?? 0), 0);
    const isComplete = this.tables.every((table) => table?.isComplete === true);
    return { players: sumOf("players"), modes, others: sumOf("others"), isComplete };
  }
}
