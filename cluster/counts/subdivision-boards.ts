/** The boards of the subdivisions of this node's countries: kept along, and shown to who asks. */
import { Board } from "../../engine/board.ts";
import { countryOf } from "../../engine/places.ts";

export interface SubdivisionBoard {
  readonly board: Board;
  /** Rises with every change, over all subdivisions. */
  version: number;
}

export class SubdivisionBoards {
  private readonly modeNames: readonly string[];
  private readonly byCountry = new Map<number, Map<number, SubdivisionBoard>>();
  private changes = 0;

  /** @param modeNames name of each mode number; may grow */
  constructor(modeNames: readonly string[]) {
    this.modeNames = modeNames;
  }

  /** `undefined` where nobody was yet. */
  of(subdivision: number): SubdivisionBoard | undefined {
    return this.byCountry.get(countryOf(subdivision))?.get(subdivision);
  }

  /** The subdivisions of a country that anybody is in, in no order. */
  *inside(country: number): Generator<readonly [subdivision: number, players: number]> {
    for (const [subdivision, { board }] of this.byCountry.get(country) ?? [])
      if (board.players > 0) yield [subdivision, board.players];
  }

  add(subdivision: number, mode: number, change: number): void {
    const country = countryOf(subdivision);
    let inside = this.byCountry.get(country);
    if (inside === undefined) this.byCountry.set(country, (inside = new Map()));
    let one = inside.get(subdivision);
    if (one === undefined) inside.set(subdivision, (one = { board: new Board(this.modeNames), version: 0 }));
    one.board.set(mode, one.board.count(mode) + change);
    one.version = ++this.changes;
  }

  forget(countries: Iterable<number>): void {
    for (const country of countries) this.byCountry.delete(country);
  }
}
