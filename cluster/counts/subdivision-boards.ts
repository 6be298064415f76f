/**
 * What is counted in the subdivisions of this node's countries: kept along, and ranked for who asks. There are thousands of
 * them, so each has room for the modes that players are in, and none for others.
 */
import type { Ranked } from "../../engine/board.ts";
import { countryOf } from "../../engine/places.ts";
import type { BoardCounts } from "./counts-messages.ts";

interface Subdivision {
  readonly playersOf: Map<number, number>;
  players: number;
  /** Rises with every change, over all subdivisions. */
  version: number;
}

export class SubdivisionBoards {
  private readonly modeNames: readonly string[];
  private readonly byCountry = new Map<number, Map<number, Subdivision>>();
  private changes = 0;

  /** @param modeNames name of each mode number; may grow, a name in use does not change */
  constructor(modeNames: readonly string[]) {
    this.modeNames = modeNames;
  }

  /** Version 0 where nobody was yet. @param limit of the modes, best first */
  of(subdivision: number, limit: number): { readonly version: number; readonly counts: BoardCounts } {
    const known = this.byCountry.get(countryOf(subdivision))?.get(subdivision);
    if (known === undefined) return { version: 0, counts: { players: 0, top: [] } };
    const { version, players, playersOf } = known;
    const ranked = Array.from(playersOf, ([mode, count]) => ({ mode: this.modeNames[mode] as string, players: count }));
    return { version, counts: { players, top: ranked.sort(byRank).slice(0, limit) } };
  }

  /** The subdivisions of a country that anybody is in, in no order. */
  *inside(country: number): Generator<readonly [subdivision: number, players: number]> {
    for (const [subdivision, { players }] of this.byCountry.get(country) ?? [])
      if (players > 0) yield [subdivision, players];
  }

  add(subdivision: number, mode: number, change: number): void {
    const country = countryOf(subdivision);
    let inside = this.byCountry.get(country);
    if (inside === undefined) this.byCountry.set(country, (inside = new Map()));
    let one = inside.get(subdivision);
    if (one === undefined) inside.set(subdivision, (one = { playersOf: new Map(), players: 0, version: 0 }));
    const players = (one.playersOf.get(mode) ?? 0) + change;
    if (players === 0) one.playersOf.delete(mode);
    else one.playersOf.set(mode, players);
    one.players += change;
    one.version = ++this.changes;
  }

  forget(countries: Iterable<number>): void {
    for (const country of countries) this.byCountry.delete(country);
  }
}

function byRank(one: Ranked, other: Ranked): number {
  return other.players - one.players || (one.mode < other.mode ? -1 : 1);
}
