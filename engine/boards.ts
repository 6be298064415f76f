/**
 * The boards of all places, fed with single changes and brought up to date when somebody looks. Where a player is reported
 * is one place; the country and the areas around it count the player too.
 *
 * A report only notes its change here; the heaps are told once per cell, however often it changed in between. Changes lie
 * in blocks, of one mode and 256 regions each, which are made when they are needed: all countries are in the first.
 */
import { Board } from "./board.ts";
import { MODE_BITS, MODE_MASK } from "./modes.ts";
import { type Place, PLACES, REGION_COUNT, WORLD } from "./places.ts";

const BLOCK_BITS = 8;
const BLOCK_MASK = (1 << BLOCK_BITS) - 1;
const BLOCKS_A_MODE = (REGION_COUNT >> BLOCK_BITS) + 1;

/** What has not been told to the boards yet, by region. */
class Block {
  readonly changes = new Int32Array(1 << BLOCK_BITS);
  readonly isNoted = new Uint8Array(1 << BLOCK_BITS);
}

export class Boards {
  /** R28: players in the reserved mode, who are on no board. */
  unnamed = 0;
  private readonly blocks: (Block | undefined)[] = Array.from({ length: BLOCKS_A_MODE << MODE_BITS });
  /** Cells with something untold. */
  private readonly noted: number[] = [];
  private readonly modeNames: readonly string[];
  /** By place; none where nobody was yet. */
  private readonly boards: (Board | undefined)[] = PLACES.map(() => undefined);
  private readonly nobody: Board;
  /** In how many modes anybody is. */
  private inUse = 0;

  /** @param modeNames name of each mode number; may grow */
  constructor(modeNames: readonly string[]) {
    this.modeNames = modeNames;
    this.nobody = new Board(modeNames);
  }

  /** Adds `change` to the players of a cell. */
  add(cell: number, change: number): void {
    const { changes, isNoted } = (this.blocks[blockOf(cell)] ??= new Block());
    const at = (cell >>> MODE_BITS) & BLOCK_MASK;
    (changes[at] as number) += change;
    if (isNoted[at] !== 0) return;
    isNoted[at] = 1;
    this.noted.push(cell);
  }

  /** A place's board, up to date; not to be kept. */
  of(place: number): Board {
    this.catchUp();
    return this.boards[place] ?? this.nobody;
  }

  /** Players in the whole world. */
  get players(): number {
    return this.of(WORLD).players;
  }

  /**
   * Whether nobody in any region is in a mode. The heaps know it then, so that the mode's number can get another name: else
   * they would show that under their present version.
   */
  isModeEmpty(mode: number): boolean {
    return this.of(WORLD).count(mode) === 0;
  }

  /** In how many modes somebody is. */
  get modesInUse(): number {
    this.catchUp();
    return this.inUse;
  }

  /** Tells the heaps what changed, of `cellsMax` cells at the most. */
  catchUp(cellsMax = Infinity): void {
    const { noted } = this;
    for (let told = 0; told < cellsMax && noted.length > 0; told++) {
      const cell = noted.pop() as number;
      const { changes, isNoted } = this.blocks[blockOf(cell)] as Block;
      const at = (cell >>> MODE_BITS) & BLOCK_MASK;
      this.tell(cell >>> MODE_BITS, cell & MODE_MASK, changes[at] as number);
      changes[at] = isNoted[at] = 0;
    }
  }

  private tell(region: number, mode: number, change: number): void {
    if (change === 0) return;
    const before = this.boards[WORLD]?.count(mode) ?? 0;
    this.inUse += Number(before + change > 0) - Number(before > 0);
    this.change(region, mode, change);
    for (const place of (PLACES[region] as Place).within) this.change(place, mode, change);
  }

  private change(place: number, mode: number, change: number): void {
    const board = (this.boards[place] ??= new Board(this.modeNames));
    board.set(mode, board.count(mode) + change);
  }
}

function blockOf(cell: number): number {
  return (cell & MODE_MASK) * BLOCKS_A_MODE + (cell >>> (MODE_BITS + BLOCK_BITS));
}
