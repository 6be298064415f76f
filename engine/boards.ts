/**
 * The boards of all places, fed with single changes and brought up to date when somebody looks. Where a player is reported
 * is one place; the country and the areas around it count the player too.
 *
 * A report only notes its change here. Countries are told of it first, then subdivisions and areas, which are asked for less
 * often: an area is told what its countries were told, once for all that happened in between.
 */
import { Board, type PlaceBoard } from "./board.ts";
import { MODE_BITS, MODE_MASK } from "./modes.ts";
import { areasOf, COUNTRIES, countryOf, isArea, isSubdivision, PLACES } from "./places.ts";
import { SubdivisionCounts } from "./subdivision-counts.ts";
import { Untold } from "./untold.ts";

export class Boards {
  /** R28: players in the reserved mode, who are on no board. */
  unnamed = 0;
  private readonly toCountries = new Untold();
  private readonly toAreas = new Untold();
  private readonly subdivisions: SubdivisionCounts;
  private readonly modeNames: readonly string[];
  /** By country or area, made when it is needed. */
  private readonly boards: (Board | undefined)[] = PLACES.map(() => undefined);
  /** Players by mode in all countries together, in all modes, and in how many modes there are any. */
  private readonly byMode = new Int32Array(1 << MODE_BITS);
  private total = 0;
  private inUse = 0;

  /**
   * @param modeNames name of each mode number; may grow
   * @param salt any number nobody outside knows
   */
  constructor(modeNames: readonly string[], salt: number) {
    this.modeNames = modeNames;
    this.subdivisions = new SubdivisionCounts(modeNames, salt);
  }

  /** Adds `change` to the players of a cell. */
  add(cell: number, change: number): void {
    const region = cell >>> MODE_BITS;
    if (region < COUNTRIES) return this.toCountries.add(region, cell & MODE_MASK, change);
    this.toCountries.add(countryOf(region), cell & MODE_MASK, change);
    this.subdivisions.add(cell, change);
  }

  /** A place's board, up to date. */
  of(place: number): PlaceBoard {
    this.tellCountries(Infinity);
    if (isSubdivision(place)) return this.subdivisions.of(place, this.byMode);
    if (isArea(place)) this.tellAreas(Infinity);
    return this.boardOf(place);
  }

  /** Players in the whole world. */
  get players(): number {
    this.tellCountries(Infinity);
    return this.total;
  }

  /**
   * Whether nobody in any region is in a mode. The boards know it then, so that the mode's number can get another name: else
   * they would show that under their present version.
   */
  isModeEmpty(mode: number): boolean {
    this.catchUp();
    return this.byMode[mode] === 0;
  }

  /** In how many modes somebody is. */
  get modesInUse(): number {
    this.tellCountries(Infinity);
    return this.inUse;
  }

  /** Tells the boards what changed, of `cellsMax` cells at the most. */
  catchUp(cellsMax = Infinity): void {
    this.tellAreas(this.subdivisions.catchUp(this.tellCountries(cellsMax)));
  }

  private tellCountries(cellsMax: number): number {
    return this.toCountries.tell(cellsMax, (country, mode, change) => {
      const before = this.byMode[mode] as number;
      this.byMode[mode] = before + change;
      this.inUse += Number(before + change > 0) - Number(before > 0);
      this.total += change;
      this.change(country, mode, change);
      this.toAreas.add(country, mode, change);
    });
  }

  private tellAreas(cellsMax: number): number {
    return this.toAreas.tell(cellsMax, (country, mode, change) => {
      for (const area of areasOf(country)) this.change(area, mode, change);
    });
  }

  private change(place: number, mode: number, change: number): void {
    const board = this.boardOf(place);
    board.set(mode, board.count(mode) + change);
  }

  private boardOf(place: number): Board {
    return (this.boards[place] ??= new Board(this.modeNames));
  }
}
