/**
 * The boards of the regions that this node owns: each partition's tally of them, under (claim's term, version), their
 * sums, and the best modes (R20 to R22).
 *
 * A partition's tally stands until a newer one of its claimant replaces it, also where the claimant has died: its
 * successor's first message replaces everything it had said, at once. So a failover shows neither a dip nor a double.
 */
import { Board } from "../../engine/board.ts";
import type { WholeCounts } from "../../engine/published-tables.ts";
import { COUNTRIES, countryOf } from "../../engine/places.ts";
import { CountedModes } from "./counted-modes.ts";
import { type BoardCounts, type StatedTally, type Tallies, TOP_MAX } from "./counts-codec.ts";
import { HeardStatements } from "./heard-statements.ts";
import { PartitionTally } from "./partition-tally.ts";

/** R20: without a word from a partition for so long, the boards are stale. */
export const STALE_MS = 300;

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
  /** Whole, and no partition's players are in doubt (R26) or unreadable (R21). */
  readonly isComplete: boolean;
  readonly counts: BoardCounts;
}

/** What a node needs of a sender before all that it said counts. */
export interface TallyNeeds {
  /** Partitions of which all cells are needed. */
  readonly partitions: readonly number[];
  /** R20: true where the statement is not known, so that its list is needed. */
  readonly needsList: boolean;
}

/** Of one partition in a sender's list; `term` is UNREADABLE where the record cannot be read. */
interface SpokenFor {
  readonly partition: number;
  readonly term: number;
}

/** No claim has such a term. */
const UNREADABLE = -1;

export class RegionBoards {
  private epoch = 0;
  private readonly salt: number;
  private readonly partitions: (PartitionTally | undefined)[];
  /** By partition: as of when its tally is, by this node's clock. */
  private readonly heardAtMs: Float64Array;
  private readonly statements = new HeardStatements<SpokenFor>();
  private readonly regions = new Map<number, OwnedRegion>();
  /** Of the last state of each region: it never goes back, whoever owned it in between. */
  private readonly versions = new Float64Array(COUNTRIES);
  private readonly modes = new CountedModes();
  /** The newest region term: who told all cells before it has not spoken for every region. */
  private newestTerm = 0;
  /** Partitions whose players are in doubt or cannot be read. */
  private incomplete = 0;
  /** The oldest `answeredEpoch`; 0 while a partition has not answered. Undefined: to be looked up. */
  private oldestAnswer: number | undefined;
  /** What all states depend on, when it was last looked at. */
  private known = { oldestAnswer: 0, isComplete: true };
  /** Regions whose state may be another one than when it was last asked for. */
  private touched = new Set<number>();

  /** @param salt any number nobody outside knows */
  constructor(partitionCount: number, salt: number) {
    this.salt = salt;
    this.partitions = Array.from({ length: partitionCount }, () => undefined);
    this.heardAtMs = new Float64Array(partitionCount).fill(-Infinity);
  }

  /**
   * R22: takes the regions that are newly mine, and all of mine anew where an epoch was skipped: others may have had them.
   * @returns whether any was taken
   */
  onView(epoch: number, members: readonly string[], isMine: (region: number) => boolean): boolean {
    const isSkipped = epoch !== this.epoch && epoch !== this.epoch + 1;
    const emptied = new Set<number>();
    let isTaken = false;
    for (let region = 0; region < COUNTRIES; region++) {
      const isOwned = this.regions.has(region);
      const isTaking = isMine(region) && (!isOwned || isSkipped);
      if (isOwned && (isTaking || !isMine(region))) emptied.add(region);
      if (!isMine(region)) this.regions.delete(region);
      if (isTaking) this.take(region, epoch);
      if (isTaking || emptied.has(region)) this.touched.add(region);
      isTaken ||= isTaking;
    }
    this.epoch = epoch;
    this.newestTerm = Math.max(0, ...[...this.regions.values()].map(({ term }) => term));
    this.statements.keep(members);
    if (isTaken) this.statements.clear();
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

  /** Partitions of which all cells are needed: no board is complete without. */
  get unspoken(): number[] {
    const { partitions, newestTerm } = this;
    return [...partitions.keys()].filter((partition) => (partitions[partition]?.spokenEpoch ?? -1) < newestTerm);
  }

  /** Regions whose state may have changed since this was last asked for, those that were lost too. */
  takeTouched(): number[] {
    const touched = [...this.touched];
    this.touched.clear();
    return touched;
  }

  /** R24: the last list of a sender that is known here. */
  statementOf(sender: string): number {
    return this.statements.numberOf(sender);
  }

  /**
   * Takes in what a sender says, sent under this node's epoch. Each partition's as one.
   * @param asOfMs when it was so, at the latest, by this node's clock
   * @param spoken is told each partition whose tally is as of then, for sure
   */
  apply(sender: string, tallies: Tallies, asOfMs: number, spoken: (partition: number) => void): TallyNeeds {
    const { statement, isList, modes, items } = tallies;
    const partitions: number[] = [];
    const spokenFor: SpokenFor[] = [];
    const numbers = modes.map((name) => this.modes.intern(name));
    for (const stated of items) {
      const verdict = this.judge(stated, statement < this.statements.numberOf(sender));
      if (verdict === "all cells wanted") partitions.push(stated.partition);
      if (verdict === "superseded" || verdict === "all cells wanted") continue;
      const tally = this.tallyOf(stated);
      if (verdict === "news") this.change(tally, stated, numbers);
      if (stated.isUnsure) continue;
      this.mark(tally, { isUnreadable: stated.isUnreadable });
      this.hear(stated.partition, asOfMs, spoken);
      spokenFor.push({ partition: stated.partition, term: stated.isUnreadable ? UNREADABLE : stated.term });
    }
    this.modes.sweep(numbers);
    if (isList && statement > 0 && partitions.length === 0) this.statements.learn(sender, statement, spokenFor);
    const needsList = !isList && statement > 0 && !this.hearUnchanged(sender, tallies, asOfMs, spoken);
    this.look();
    return { partitions, needsList };
  }

  /** Whether a partition has not been heard of for too long (R20). */
  isStale(nowMs: number): boolean {
    const { heardAtMs } = this;
    for (let partition = 0; partition < heardAtMs.length; partition++)
      if (nowMs - (heardAtMs[partition] as number) > STALE_MS) return true;
    return false;
  }

  /** A region's board as of now; `undefined` where another node owns it. */
  state(region: number): BoardState | undefined {
    const owned = this.regions.get(region);
    if (owned === undefined) return undefined;
    const { board, term, state } = owned;
    const isWhole = this.oldestAnsweredEpoch() >= term;
    const isComplete = isWhole && this.incomplete === 0;
    if (board.version === owned.boardVersion && isWhole === state.isWhole && isComplete === state.isComplete)
      return state;
    owned.boardVersion = board.version;
    owned.state = { term, version: ++(this.versions[region] as number), isWhole, isComplete, counts: countsOf(board) };
    return owned.state;
  }

  /** All counts of a region; `undefined` where another node owns it, or it is not whole. */
  wholeCounts(region: number): WholeCounts | undefined {
    const owned = this.regions.get(region);
    if (owned === undefined || this.oldestAnsweredEpoch() < owned.term) return undefined;
    return { board: owned.board, isComplete: this.incomplete === 0, find: (mode) => this.modes.find(mode) };
  }

  /** The players of each mode of a region that anybody is in, in no order. */
  playersByMode(region: number): Iterable<readonly [mode: string, players: number]> {
    return this.regions.get(region)?.board.entries() ?? [];
  }

  private take(region: number, term: number): void {
    const board = new Board(this.modes.names);
    const version = ++(this.versions[region] as number);
    const state = { term, version, isWhole: false, isComplete: false, counts: countsOf(board) };
    this.regions.set(region, { term, board, boardVersion: board.version, state });
  }

  /** Forgets what was said of regions that are not mine any more, or begin anew. */
  private forget(regions: ReadonlySet<number>): void {
    for (const tally of this.partitions) tally?.forget(regions, (mode) => this.modes.release(mode));
    this.modes.sweep(this.modes.names.keys());
  }

  /**
   * R20, R21: what is to be done with a stated tally. A change needs no check that it continues what is known: its sender
   * repeats each cell until a message with it was taken in.
   * @param isLate a newer list of its sender is known
   */
  private judge(stated: StatedTally, isLate: boolean): "news" | "known" | "superseded" | "all cells wanted" {
    const { partition, term, version, isAllCells, isUnreadable } = stated;
    const tally = this.partitions[partition];
    if (isUnreadable) return isLate ? "superseded" : "news";
    if (tally !== undefined && term < tally.term) return "superseded";
    if (tally === undefined || term > tally.term) return isAllCells ? "news" : "all cells wanted";
    if (isAllCells && version > tally.version) return "news";
    if (tally.spokenEpoch < this.newestTerm) return "all cells wanted";
    return version > tally.version ? "news" : "known";
  }

  private tallyOf({ partition }: StatedTally): PartitionTally {
    return (this.partitions[partition] ??= new PartitionTally(this.salt));
  }

  private change(tally: PartitionTally, stated: StatedTally, modes: readonly number[]): void {
    const { term, version, isAllCells, isDoubtful, isUnsure, isUnreadable } = stated;
    if (isUnreadable) {
      tally.unreadableEpoch = this.epoch;
      return; // what stands goes on
    }
    if (isAllCells && !isUnsure) tally.spokenEpoch = this.epoch;
    const owns = (region: number): boolean => this.regions.has(countryOf(region));
    tally.set(stated, modes, owns, (...count) => this.count(...count));
    this.mark(tally, { isDoubtful });
    tally.term = term;
    tally.version = version;
  }

  private count(region: number, mode: number, before: number, after: number): void {
    if (before === 0) this.modes.retain(mode);
    if (after === 0) this.modes.release(mode);
    const country = countryOf(region);
    const { board } = this.regions.get(country) as OwnedRegion;
    board.set(mode, board.count(mode) + after - before);
    this.touched.add(country);
  }

  private mark(tally: PartitionTally, marks: Partial<Pick<PartitionTally, "isDoubtful" | "isUnreadable">>): void {
    const before = Number(tally.isIncomplete);
    Object.assign(tally, marks);
    this.incomplete += Number(tally.isIncomplete) - before;
    this.oldestAnswer = undefined;
  }

  private hear(partition: number, asOfMs: number, spoken: (partition: number) => void): void {
    this.heardAtMs[partition] = Math.max(this.heardAtMs[partition] as number, asOfMs);
    spoken(partition);
  }

  /**
   * R20: a sender says that nothing changed since its last list but what the items beside it say.
   * @returns false where its list is needed
   */
  private hearUnchanged(
    sender: string,
    { statement, items }: Tallies,
    asOfMs: number,
    spoken: (partition: number) => void,
  ): boolean {
    const unchanged = this.statements.itemsOf(sender, statement);
    if (unchanged === undefined) return false;
    const named = new Set(items.map(({ partition }) => partition));
    let isAgreed = true;
    for (const { partition, term } of unchanged) {
      const tally = this.partitions[partition] as PartitionTally; // the list made it
      if (named.has(partition)) continue;
      if (term !== UNREADABLE && term !== tally.term) continue; // superseded since
      if (tally.isUnreadable === (term === UNREADABLE)) this.hear(partition, asOfMs, spoken);
      else isAgreed = false; // a message came that was long under way
    }
    return isAgreed;
  }

  private oldestAnsweredEpoch(): number {
    this.oldestAnswer ??= this.partitions.reduce(
      (oldest, tally) => Math.min(oldest, tally?.answeredEpoch ?? 0),
      Infinity,
    );
    return this.oldestAnswer;
  }

  /** All boards change where one becomes whole, or complete. */
  private look(): void {
    const [oldestAnswer, isComplete] = [this.oldestAnsweredEpoch(), this.incomplete === 0];
    if (oldestAnswer === this.known.oldestAnswer && isComplete === this.known.isComplete) return;
    this.known = { oldestAnswer, isComplete };
    for (const region of this.regions.keys()) this.touched.add(region);
  }
}

function countsOf(board: Board): BoardCounts {
  return { players: board.players, top: board.top(TOP_MAX) };
}
