/**
 * What this node knows of every region's board, pushed by the regions' owners (R23): what it answers from. A region that
 * changes its owner stands here as it was until the new owner's board is whole (R22), marked stale.
 */
import type { Ranked } from "../../engine/board.ts";
import { REGIONS } from "../../engine/regions.ts";
import type { BoardCounts, BoardEntry } from "./counts-codec.ts";
import { STALE_MS } from "./region-boards.ts";

/** A region's counts as they are answered. */
export interface RegionView {
  readonly region: number;
  readonly players: number;
  /** The best 100. */
  readonly top: readonly Ranked[];
  /** False where not every player may be in it. */
  readonly isComplete: boolean;
  /** True where it may be older than it should be. */
  readonly isStale: boolean;
  /** R22: of the region; 0 where nothing is known. (term, version) never goes back on one node. */
  readonly term: number;
  readonly version: number;
  /** It was so then, by this node's clock, or later. */
  readonly asOfMs: number;
}

interface Known {
  readonly term: number;
  readonly version: number;
  readonly isComplete: boolean;
  readonly counts: BoardCounts;
  /** As its owner said. */
  isStale: boolean;
  /** As of when its owner said so, by this node's clock. */
  asOfMs: number;
}

const NOTHING: BoardCounts = { players: 0, top: [] };

export class ReadViews {
  private readonly regions: (Known | undefined)[] = REGIONS.map(() => undefined);
  private unknown = REGIONS.length;

  /** R23: something is known of every region. */
  get isWhole(): boolean {
    return this.unknown === 0;
  }

  /**
   * Takes in what an owner says of its regions.
   * @param asOfMs when it was so, at the latest, by this node's clock
   * @returns regions whose counts are needed
   */
  apply(boards: readonly BoardEntry[], asOfMs: number): number[] {
    return boards.filter((entry) => !this.applyOne(entry, asOfMs)).map(({ region }) => region);
  }

  of(region: number, nowMs: number): RegionView {
    const known = this.regions[region];
    if (known === undefined)
      return { region, ...NOTHING, isComplete: false, isStale: true, term: 0, version: 0, asOfMs: nowMs };
    const { term, version, isComplete, counts, asOfMs } = known;
    const isStale = known.isStale || nowMs - known.asOfMs > STALE_MS;
    return { region, players: counts.players, top: counts.top, isComplete, isStale, term, version, asOfMs };
  }

  /** @returns false where the counts are needed */
  private applyOne({ region, term, version, isStale, isComplete, counts }: BoardEntry, asOfMs: number): boolean {
    const known = this.regions[region];
    if (known !== undefined && isNewer(known, term, version)) return true;
    if (known === undefined || known.term !== term || known.version !== version) {
      if (counts === undefined) return false;
      if (known === undefined) this.unknown--;
      this.regions[region] = { term, version, isComplete, counts, isStale, asOfMs };
    } else if (asOfMs >= known.asOfMs) {
      known.isStale = isStale;
      known.asOfMs = asOfMs;
    }
    return true;
  }
}

function isNewer(known: Known, term: number, version: number): boolean {
  return known.term > term || (known.term === term && known.version > version);
}
