/**
 * The boards of the regions that this node owns: each partition's tally of them, under (claim's term, version), their
 * sums, and the best modes (R20 to R22).
 *
 * A partition's tally stands until a newer one of its claimant replaces it, also where the claimant has died: its
 * successor's first message replaces everything it had said, at once. So a failover shows neither a dip nor a double.
 */
import { Board } from "../../engine/board.ts";
import { CellCounts } from "../../engine/cell-counts.ts";
import { invariant } from "../../engine/invariant.ts";
import { REGIONS } from "../../engine/regions.ts";
import { type BoardCounts, type Tallies, type TallyEntry, TOP_MAX } from "./counts-codec.ts";

/** R20: without a word from a partition for so long, the boards are stale. */
export const STALE_MS = 300;
const REGION_BITS = 8; // a cell is mode << REGION_BITS | region
invariant(REGIONS.length <= 1 << REGION_BITS, "every region has a number");

/** What one partition's claimant said. */
interface PartitionTally {
  /** Of its claim. */
  term: number;
  version: number;
  /** The epoch of its last whole: it has spoken for every region that was taken until then (R22). */
  wholeEpoch: number;
  /** As of when it is, by this node's clock. */
  heardAtMs: number;
  isDoubtful: boolean;
  counts: CellCounts;
}

interface OwnedRegion {
  /** R22: the epoch under which it was taken. */
  readonly term: number;
  readonly board: Board;
  /** Of the board, when `state` was made. */
  boardVersion: number;
  state: BoardState;
}

/** A board as of one moment; another moment has another version. */
export interface BoardState {
  readonly term: number;
  readonly version: number;
  /** R22: every partition has spoken for this term. */
  readonly isWhole: boolean;
  /** R26: whole, and no partition's players are in doubt. */
  readonly isComplete: boolean;
  readonly counts: BoardCounts;
}

export class RegionBoards {
  private epoch = 0;
  private readonly partitionCount: number;
  private readonly salt: number;
  private readonly partitions: (PartitionTally | undefined)[];
  private readonly regions = new Map<number, OwnedRegion>();
  /** Of the last state of each region: it never goes back, whoever owned it in between. */
  private readonly versions = new Float64Array(REGIONS.length);
  private readonly modes = new CountedModes();
  /** The newest region term: wholes of before do not speak for every region. */
  private newestTerm = 0;
  private doubtful = 0;
  /** The oldest `wholeEpoch`; 0 while a partition has not spoken. Undefined: to be looked up. */
  private wholeEpoch: number | undefined;

  /** @param salt any number nobody outside knows */
  constructor(partitionCount: number, salt: number) {
    this.partitionCount = partitionCount;
    this.salt = salt;
    this.partitions = Array.from({ length: partitionCount }, () => undefined);
  }

  /**
   * R22: takes the regions that are newly mine, and all of mine anew where an epoch was skipped: others may have had them.
   * @returns whether any was taken
   */
  onView(epoch: number, isMine: (region: number) => boolean): boolean {
    const isSkipped = epoch !== this.epoch && epoch !== this.epoch + 1;
    const emptied = new Set<number>();
    let isTaken = false;
    for (const region of REGIONS.keys()) {
      const isOwned = this.regions.has(region);
      const isTaking = isMine(region) && (!isOwned || isSkipped);
      if (isOwned && (isTaking || !isMine(region))) emptied.add(region);
      if (!isMine(region)) this.regions.delete(region);
      if (isTaking) this.take(region, epoch);
      isTaken ||= isTaking;
    }
    this.epoch = epoch;
    this.newestTerm = Math.max(0, ...[...this.regions.values()].map(({ term }) => term));
    if (emptied.size > 0) this.forget(emptied);
    return isTaken;
  }

  /** Numbers of the regions that this node owns. */
  get owned(): Iterable<number> {
    return this.regions.keys();
  }

  owns(region: number): boolean {
    return this.regions.has(region);
  }

  /** Partitions of which the whole is needed: no board is whole without. */
  get unspoken(): number[] {
    const { partitions, newestTerm } = this;
    return [...partitions.keys()].filter((partition) => (partitions[partition]?.wholeEpoch ?? -1) < newestTerm);
  }

  /**
   * Takes in what a claimant says, sent under this node's epoch. Each partition's as one.
   * @param asOfMs when it was so, at the latest, by this node's clock
   * @param spoken is told each partition whose tally is as of then, for sure
   * @returns partitions of which the whole is needed instead
   */
  apply({ modes, entries }: Tallies, asOfMs: number, spoken: (partition: number) => void): number[] {
    const wanted: number[] = [];
    const numbers = modes.map((name) => this.modes.intern(name));
    for (const entry of entries) {
      const verdict = this.judge(entry);
      if (verdict === "whole wanted") wanted.push(entry.partition);
      if (verdict === "superseded" || verdict === "whole wanted") continue;
      const tally = this.tallyOf(entry);
      if (verdict === "news") this.replace(tally, entry, numbers);
      if (entry.isUnsure) continue;
      tally.heardAtMs = Math.max(tally.heardAtMs, asOfMs);
      spoken(entry.partition);
    }
    this.modes.sweep(numbers);
    return wanted;
  }

  /** Whether a partition has not been heard of for too long (R20). */
  isStale(nowMs: number): boolean {
    return this.partitions.some((tally) => tally === undefined || nowMs - tally.heardAtMs > STALE_MS);
  }

  /** A region's board as of now; `undefined` where another node owns it. */
  state(region: number): BoardState | undefined {
    const owned = this.regions.get(region);
    if (owned === undefined) return undefined;
    const { board, term, state } = owned;
    const isWhole = this.oldestWhole() >= term;
    const isComplete = isWhole && this.doubtful === 0;
    if (board.version === owned.boardVersion && isWhole === state.isWhole && isComplete === state.isComplete)
      return state;
    owned.boardVersion = board.version;
    owned.state = { term, version: ++this.versions[region], isWhole, isComplete, counts: countsOf(board) };
    return owned.state;
  }

  /** All modes of a region that anybody is in, most players first. */
  ranking(region: number): BoardCounts["top"] {
    return this.regions.get(region)?.board.top(Infinity) ?? [];
  }

  private take(region: number, term: number): void {
    const board = new Board(this.modes.names);
    const version = ++this.versions[region];
    const state = { term, version, isWhole: false, isComplete: false, counts: countsOf(board) };
    this.regions.set(region, { term, board, boardVersion: board.version, state });
  }

  /** Forgets what was said of regions that are not mine any more, or begin anew. */
  private forget(regions: ReadonlySet<number>): void {
    for (const tally of this.partitions) {
      if (tally === undefined) continue;
      const kept = new CellCounts(this.salt);
      for (const [cell, players] of tally.counts.entries()) {
        if (regions.has(regionOf(cell))) this.modes.release(modeOf(cell));
        else kept.set(cell, players);
      }
      tally.counts = kept;
    }
    this.modes.sweep(this.modes.names.keys());
  }

  /** R20, R21: what is to be done with what a claimant says. */
  private judge({ partition, term, from, to, isWhole }: TallyEntry): "news" | "known" | "superseded" | "whole wanted" {
    const tally = this.partitions[partition];
    if (tally !== undefined && term < tally.term) return "superseded";
    if (tally === undefined || term > tally.term) return isWhole ? "news" : "whole wanted";
    if (isWhole && to > tally.version) return "news";
    if (tally.wholeEpoch < this.newestTerm) return "whole wanted";
    if (to <= tally.version) return "known";
    return from <= tally.version ? "news" : "whole wanted";
  }

  private tallyOf({ partition, term }: TallyEntry): PartitionTally {
    let tally = this.partitions[partition];
    if (tally === undefined) {
      const counts = new CellCounts(this.salt);
      tally = { term, version: 0, wholeEpoch: 0, heardAtMs: -Infinity, isDoubtful: false, counts };
      this.partitions[partition] = tally;
    }
    return tally;
  }

  private replace(tally: PartitionTally, entry: TallyEntry, modes: readonly number[]): void {
    const { cells, isWhole } = entry;
    const before = tally.counts;
    if (isWhole) tally.counts = new CellCounts(this.salt);
    for (let at = 0; at < cells.length; at += 3) {
      const [region, mode, players] = [cells[at], modes[cells[at + 1]], cells[at + 2]];
      if (!this.regions.has(region)) continue;
      const cell = (mode << REGION_BITS) | region;
      const known = tally.counts.set(cell, players) + (isWhole ? before.set(cell, 0) : 0);
      this.change(cell, known, players);
    }
    if (isWhole) {
      for (const [cell, known] of before.entries()) this.change(cell, known, 0);
      if (!entry.isUnsure) tally.wholeEpoch = this.epoch;
      this.wholeEpoch = undefined;
    }
    this.doubtful += Number(entry.isDoubtful) - Number(tally.isDoubtful);
    tally.isDoubtful = entry.isDoubtful;
    tally.term = entry.term;
    tally.version = entry.to;
  }

  private change(cell: number, before: number, after: number): void {
    const mode = modeOf(cell);
    if (before === 0 && after > 0) this.modes.retain(mode);
    if (before > 0 && after === 0) this.modes.release(mode);
    const { board } = this.regions.get(regionOf(cell)) as OwnedRegion;
    if (before !== after) board.set(mode, board.count(mode) + after - before);
  }

  private oldestWhole(): number {
    if (this.wholeEpoch === undefined) {
      this.wholeEpoch = Infinity;
      for (let partition = 0; partition < this.partitionCount; partition++)
        this.wholeEpoch = Math.min(this.wholeEpoch, this.partitions[partition]?.wholeEpoch ?? 0);
    }
    return this.wholeEpoch;
  }
}

/** Names of modes by numbers of this node's own, each as long as a tally has players in it. */
class CountedModes {
  readonly names: string[] = [];
  private readonly numbers = new Map<string, number>();
  private readonly free: number[] = [];
  /** How many cells there are of each. */
  private readonly cells: number[] = [];

  /** The number of a mode: its own until `sweep` finds it unused. */
  intern(name: string): number {
    const known = this.numbers.get(name);
    if (known !== undefined) return known;
    const number = this.free.pop() ?? this.names.length;
    this.names[number] = name;
    this.cells[number] = 0;
    this.numbers.set(name, number);
    return number;
  }

  retain(number: number): void {
    this.cells[number]++;
  }

  release(number: number): void {
    this.cells[number]--;
  }

  /** Forgets those of these numbers that nobody is in. */
  sweep(numbers: Iterable<number>): void {
    for (const number of numbers) {
      if (this.cells[number] > 0 || this.names[number] === "") continue;
      this.numbers.delete(this.names[number]);
      this.names[number] = "";
      this.free.push(number);
    }
  }
}

function countsOf(board: Board): BoardCounts {
  return { players: board.players, top: board.top(TOP_MAX) };
}

function regionOf(cell: number): number {
  return cell & ((1 << REGION_BITS) - 1);
}

function modeOf(cell: number): number {
  return cell >>> REGION_BITS;
}
