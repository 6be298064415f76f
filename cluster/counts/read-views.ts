/**
 * What this node knows of every board of a level, pushed by the boards' owners (R23): what it answers from. A region that
 * changes its owner stands here as it was until the new owner's board is whole (R22), marked stale.
 */
import type { Ranked } from "../../engine/board.ts";
import type { BoardCounts, Boards, StatedBoard } from "./counts-messages.ts";
import { HeardStatements } from "./heard-statements.ts";
import { STALE_MS } from "./heard-sources.ts";
import { type Sums, targetsOf } from "./sums.ts";

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

/** What a node needs of a regions' owner before all that it said counts. */
export interface BoardNeeds {
  /** Regions whose counts are needed. */
  readonly regions: readonly number[];
  /** True where the statement is not known, so that its list is needed. */
  readonly needsList: boolean;
}

/** Of one region in an owner's list. */
interface Listed {
  readonly region: number;
  readonly term: number;
}

/** What is answered of a region of which nothing is known. */
export function unknownRegion(region: number, nowMs: number): RegionView {
  return { region, players: 0, top: [], isComplete: false, isStale: true, term: 0, version: 0, asOfMs: nowMs };
}

export class ReadViews {
  private readonly regions: Map<number, Known | undefined>;
  private readonly statements = new HeardStatements<Listed>();
  private unknown: number;

  constructor(sums: Sums) {
    this.regions = new Map(targetsOf(sums).map((region) => [region, undefined]));
    this.unknown = sums.targets;
  }

  /** R23: something is known of every region. */
  get knowsAllRegions(): boolean {
    return this.unknown === 0;
  }

  /** Forgets the lists of who is not listed any more. */
  onView(members: readonly string[]): void {
    this.statements.keep(members);
  }

  /**
   * Takes in what an owner says of its regions.
   * @param asOfMs when it was so, at the latest, by this node's clock
   */
  apply(owner: string, { statement, isList, isStale, items }: Boards, asOfMs: number): BoardNeeds {
    const regions = items.filter((stated) => !this.applyOne(stated, isStale, asOfMs)).map(({ region }) => region);
    if (statement === 0) return { regions, needsList: false };
    if (isList) {
      if (regions.length === 0) this.statements.learn(owner, statement, items.map(listed));
      return { regions, needsList: false };
    }
    const unchanged = this.statements.itemsOf(owner, statement);
    const named = new Set(items.map(({ region }) => region));
    for (const { region, term } of unchanged ?? []) {
      const known = this.regions.get(region);
      if (!named.has(region) && known?.term === term) hear(known, isStale, asOfMs);
    }
    return { regions, needsList: unchanged === undefined };
  }

  staleCount(nowMs: number): number {
    return [...this.regions.keys()].filter((region) => this.of(region, nowMs).isStale).length;
  }

  of(region: number, nowMs: number): RegionView {
    const known = this.regions.get(region);
    if (known === undefined) return unknownRegion(region, nowMs);
    const { term, version, isComplete, counts, asOfMs } = known;
    const isStale = known.isStale || nowMs - known.asOfMs > STALE_MS;
    return { region, players: counts.players, top: counts.top, isComplete, isStale, term, version, asOfMs };
  }

  /** @returns false where the counts are needed */
  private applyOne(stated: StatedBoard, isStale: boolean, asOfMs: number): boolean {
    const { region, term, version, isComplete, isHeldBack, counts } = stated;
    const known = this.regions.get(region);
    if (isHeldBack) return known !== undefined;
    if (known !== undefined && isVersionAbove(known, term, version)) return true;
    if (known === undefined || known.term !== term || known.version !== version) {
      if (counts === undefined) return false;
      if (known === undefined) this.unknown--;
      this.regions.set(region, { term, version, isComplete, counts, isStale, asOfMs });
    } else hear(known, isStale, asOfMs);
    return true;
  }
}

function listed({ region, term }: StatedBoard): Listed {
  return { region, term };
}

function hear(known: Known, isStale: boolean, asOfMs: number): void {
  if (asOfMs < known.asOfMs) return;
  known.isStale = isStale;
  known.asOfMs = asOfMs;
}

/** R22: whether something newer is known of a region than this version. */
export function isVersionAbove(known: Pick<Known, "term" | "version">, term: number, version: number): boolean {
  return known.term > term || (known.term === term && known.version > version);
}
