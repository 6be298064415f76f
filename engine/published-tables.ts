/**
 * The published tables of the regions that are counted here: decided once in each whole minute of the wall clock, while their
 * exact numbers follow the counts. Whatever else changes in a board changes nothing here, nor when something does.
 */
import type { PlaceBoard } from "./board.ts";
import { decideTable, followed, type PublishedTable } from "./published-table.ts";
import { COUNTRIES } from "./places.ts";

/** A region's counts, all of them. */
export interface WholeCounts {
  readonly board: Pick<PlaceBoard, "version" | "count" | "entries">;
  /** False where some players may be missing, or gone. */
  readonly isComplete: boolean;
  /** The number of a mode on the board, or -1. */
  find(mode: string): number;
}

interface Kept {
  table: PublishedTable | undefined;
  /** Whether some number of it follows. */
  hasExact: boolean;
  /** The minute that needs no decision any more. */
  minute: number;
  /** Of the board, when the table was held against it. */
  boardVersion: number;
}

const MINUTE_MS = 60_000;
/** So many are decided at a time, always in the same order: a minute must not stall the loop. */
const DECIDED_AT_ONCE = 32;
const NEVER = -1;

export class PublishedTables {
  private readonly floor: number;
  private readonly countsOf: (region: number) => WholeCounts | undefined;
  private readonly kept: (Kept | undefined)[] = Array.from({ length: COUNTRIES }, () => undefined);
  /** For which nothing is left to decide. */
  private decidedMinute = NEVER;

  /**
   * @param floor at least 2; 0: there are no tables
   * @param countsOf `undefined` where they are not whole
   */
  constructor(floor: number, countsOf: (region: number) => WholeCounts | undefined) {
    this.floor = floor;
    this.countsOf = countsOf;
  }

  /**
   * Begins to keep a region's table.
   * @param former what was published of it so far: it goes on until the next whole minute, unless its floor is lower
   */
  take(region: number, former?: PublishedTable): void {
    this.decidedMinute = NEVER;
    const table = former !== undefined && this.mayGoOn(former) ? former : undefined;
    this.kept[region] = { table, hasExact: hasExact(table), minute: table?.minute ?? NEVER, boardVersion: NEVER };
  }

  /** What was published of a region before it was taken here; it counts where nothing else is known. */
  learn(region: number, former: PublishedTable): void {
    const kept = this.kept[region];
    if (kept === undefined || kept.table !== undefined || !this.mayGoOn(former)) return;
    kept.table = former;
    kept.hasExact = hasExact(former);
    kept.minute = Math.max(kept.minute, former.minute); // nothing is decided in the midst of a minute
  }

  drop(region: number): void {
    this.kept[region] = undefined;
  }

  /** `undefined` where nothing is published before the next whole minute. */
  of(region: number): PublishedTable | undefined {
    return this.kept[region]?.table;
  }

  /**
   * Decides what a new minute asks for, a part of it at a time. To be called some 50 times a second.
   * @returns whether all is decided
   */
  decide(wallMs: number): boolean {
    const minute = Math.floor(wallMs / MINUTE_MS);
    if (minute === this.decidedMinute) return true;
    let left = DECIDED_AT_ONCE;
    for (const [region, kept] of this.kept.entries()) {
      if (kept === undefined || kept.minute === minute) continue;
      if (isOff(kept.minute, minute)) kept.minute = minute;
      else if (minute > kept.minute) {
        if (left-- === 0) return false;
        this.decideOne(region, kept, minute);
      }
    }
    this.decidedMinute = minute;
    return true;
  }

  /** Lets a region's exact numbers follow. */
  follow(region: number): void {
    const kept = this.kept[region];
    if (kept?.table === undefined || !kept.hasExact) return;
    const counts = this.countsOf(region);
    if (counts === undefined) return;
    const { board, isComplete } = counts;
    // Players who are missing for a while must not make a number fall that is said to be whole.
    if (board.version === kept.boardVersion || (kept.table.isComplete && !isComplete)) return;
    kept.boardVersion = board.version;
    kept.table = followed(kept.table, (mode) => {
      const number = counts.find(mode);
      return number < 0 ? 0 : board.count(number);
    });
  }

  private mayGoOn({ floor }: PublishedTable): boolean {
    return this.floor > 0 && floor >= this.floor;
  }

  /** Where the counts are not whole, what stands goes on for one more minute. */
  private decideOne(region: number, kept: Kept, minute: number): void {
    const counts = this.countsOf(region);
    kept.minute = minute;
    if (counts === undefined) return;
    const { board, isComplete } = counts;
    kept.boardVersion = board.version;
    kept.table = decideTable(board.entries(), { floor: this.floor, minute, isComplete });
    kept.hasExact = hasExact(kept.table);
  }
}

function hasExact(table: PublishedTable | undefined): boolean {
  return table?.modes.some(({ isExact }) => isExact) === true;
}

/** Before the first whole minute, and where the clock was set back, nothing is decided in the midst of a minute. */
function isOff(kept: number, minute: number): boolean {
  return kept === NEVER || minute < kept - 1;
}
