/**
 * The boards of all regions, fed with single changes and brought up to date when somebody looks.
 * A report only counts up and down here; the heaps are told once per cell, however often it changed in between.
 */
import { Board } from "./board.ts";
import { MODE_BITS } from "./modes.ts";
import { REGIONS } from "./regions.ts";

const CELLS = REGIONS.length << MODE_BITS;
const MODE_MASK = (1 << MODE_BITS) - 1;

export class Boards {
  /** R28: players in the reserved mode, who are on no board. */
  unnamed = 0;
  /** Players by cell; 4 MiB reserved, of which only what is used is ever touched. */
  private readonly counts = new Int32Array(CELLS);
  private readonly isChanged = new Uint8Array(CELLS);
  private readonly changed: number[] = [];
  private readonly boards: readonly Board[];
  /** Players by mode in all regions together, and in how many modes there are any. */
  private readonly byMode = new Int32Array(1 << MODE_BITS);
  private inUse = 0;

  /** @param modeNames name of each mode number; may grow */
  constructor(modeNames: readonly string[]) {
    this.boards = REGIONS.map(() => new Board(modeNames));
  }

  /** Adds `change` to the players of a cell. */
  add(cell: number, change: number): void {
    (this.counts[cell] as number) += change;
    if (this.isChanged[cell] !== 0) return;
    this.isChanged[cell] = 1;
    this.changed.push(cell);
  }

  /** A region's board, up to date. */
  of(region: number): Board {
    this.catchUp();
    return this.boards[region] as Board;
  }

  /** Players in all regions together. */
  get players(): number {
    this.catchUp();
    return this.boards.reduce((players, board) => players + board.players, 0);
  }

  /**
   * Whether nobody in any region is in a mode. The heaps know it then, so that the mode's number can get another name: else
   * they would show that under their present version.
   */
  isModeEmpty(mode: number): boolean {
    this.catchUp();
    return this.byMode[mode] === 0;
  }

  /** In how many modes somebody is. */
  get modesInUse(): number {
    this.catchUp();
    return this.inUse;
  }

  /** Tells the heaps what changed, of `cellsMax` cells at the most. */
  catchUp(cellsMax = Infinity): void {
    const { changed } = this;
    for (let told = 0; told < cellsMax && changed.length > 0; told++) {
      const cell = changed.pop() as number;
      this.isChanged[cell] = 0;
      this.tell(this.boards[cell >>> MODE_BITS] as Board, cell & MODE_MASK, this.counts[cell] as number);
    }
  }

  private tell(board: Board, mode: number, players: number): void {
    const before = this.byMode[mode] as number;
    const after = (this.byMode[mode] = before + players - board.count(mode));
    this.inUse += Number(after > 0) - Number(before > 0);
    board.set(mode, players);
  }
}
