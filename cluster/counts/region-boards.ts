/**
 * The boards of the places that this node owns: each source's tally of them, under (term, version), their sums, and the
 * best modes (R20 to R22). Sources of countries are partitions, under their claims' terms; those of areas are countries,
 * under the terms of their boards (R31).
 *
 * A source's tally stands until a newer one replaces it, also where who told it has died: its successor's first message
 * replaces everything it had said, at once. So a failover shows neither a dip nor a double.
 */
import { Board } from "../../engine/board.ts";
import { countryOf, isSubdivision } from "../../engine/places.ts";
import type { WholeCounts } from "../../engine/published-tables.ts";
import { CountedModes } from "./counted-modes.ts";
import { TOP_MAX } from "./counts-codec.ts";
import type { BoardCounts, StatedTally, Tallies } from "./counts-messages.ts";
import { HeardSources, type TallyNeeds } from "./heard-sources.ts";
import type { PartitionTally } from "./partition-tally.ts";
import { SubdivisionBoards } from "./subdivision-boards.ts";
import { type Sums, targetsOf } from "./sums.ts";

interface OwnedRegion {
  /** R22: the epoch under which it was taken. */
  readonly term: number;
  readonly board: Board;
  /** Of the board, when `state` was made. */
  boardVersion: number;
  state: BoardState;
}

/** A board as of one moment; another moment has another version. */
export interface BoardState extends Standing {
  readonly version: number;
  readonly counts: BoardCounts;
}

/** How a board stands, without its counts. */
export interface Standing {
  readonly term: number;
  /** R22: every source has spoken for this term. */
  readonly isWhole: boolean;
  /** Whole, and no source's players are in doubt (R26) or unreadable (R21). */
  readonly isComplete: boolean;
}

/** A count of a board changed. */
type OnChange = (region: number, mode: string) => void;

export class RegionBoards {
  private epoch = 0;
  private readonly sums: Sums;
  private readonly onChange: OnChange;
  private readonly sources: HeardSources;
  private readonly regions = new Map<number, OwnedRegion>();
  /** By target, of its last state: it never goes back, whoever owned it in between. */
  private readonly versions: Float64Array;
  private readonly modes = new CountedModes();
  private readonly subdivisions = new SubdivisionBoards(this.modes.names);
  /** What all states depend on, when it was last looked at. */
  private known = { oldestAnswer: 0, isComplete: true };
  /** Regions whose state may be another one than when it was last asked for. */
  private touched = new Set<number>();

  /**
   * @param salt any number nobody outside knows
   * @param onChange is told each count of a board that changed
   */
  constructor(sums: Sums, salt: number, onChange: OnChange = () => undefined) {
    this.sums = sums;
    this.onChange = onChange;
    this.sources = new HeardSources(sums.sources, salt);
    this.versions = new Float64Array(sums.targets);
  }

  /**
   * R22: takes the regions that are newly mine, and all of mine anew where an epoch was skipped: others may have had them.
   * @returns whether any was taken
   */
  onView(epoch: number, members: readonly string[], isMine: (region: number) => boolean): boolean {
    const isSkipped = epoch !== this.epoch && epoch !== this.epoch + 1;
    const [lost, taken] = [new Set<number>(), new Set<number>()];
    for (const target of targetsOf(this.sums)) {
      const isOwned = this.regions.has(target);
      const isTaking = isMine(target) && (!isOwned || isSkipped);
      if (isOwned && (isTaking || !isMine(target))) lost.add(target);
      if (isTaking) taken.add(target);
    }
    for (const target of lost) this.regions.delete(target);
    if (lost.size > 0) this.forget(lost);
    for (const target of taken) this.take(target, epoch);
    for (const target of [...lost, ...taken]) this.touched.add(target);
    if (taken.size > 0) this.addKnown(taken);
    this.epoch = epoch;
    const newestTerm = Math.max(0, ...[...this.regions.values()].map(({ term }) => term));
    this.sources.onView(epoch, members, newestTerm, taken.size > 0);
    return taken.size > 0;
  }

  /** Numbers of the regions that this node owns. */
  get owned(): Iterable<number> {
    return this.regions.keys();
  }

  owns(region: number): boolean {
    return this.regions.has(region);
  }

  /** Regions whose state may have changed since this was last asked for, those that were lost too. */
  takeTouched(): number[] {
    const touched = [...this.touched];
    this.touched.clear();
    return touched;
  }

  /** R24: the last list of a sender that is known here. */
  statementOf(sender: string): number {
    return this.sources.statementOf(sender);
  }

  /** Sources of which all cells are needed: no board is complete without. */
  get unspoken(): number[] {
    return this.sources.unspoken;
  }

  isStale(nowMs: number): boolean {
    return this.sources.isStale(nowMs);
  }

  /**
   * Takes in what a sender says, sent under this node's epoch. Each source's as one.
   * @param asOfMs when it was so, at the latest, by this node's clock
   * @param spoken is told each source whose tally is as of then, for sure
   */
  apply(sender: string, tallies: Tallies, asOfMs: number, spoken: (source: number) => void): TallyNeeds {
    const numbers = tallies.modes.map((name) => this.modes.intern(name));
    const needs = this.sources.hear(tallies, { sender, asOfMs, spoken }, (tally, stated) =>
      this.change(tally, stated, numbers),
    );
    this.modes.sweep(numbers);
    this.look();
    return needs;
  }

  /** How a region's board stands now; `undefined` where another node owns it. */
  standing(region: number): Standing | undefined {
    const term = this.regions.get(region)?.term;
    if (term === undefined) return undefined;
    const isWhole = this.sources.oldestAnsweredEpoch >= term;
    return { term, isWhole, isComplete: isWhole && this.sources.areComplete };
  }

  /** A region's board as of now; `undefined` where another node owns it. */
  state(region: number): BoardState | undefined {
    const [owned, standing] = [this.regions.get(region), this.standing(region)];
    if (owned === undefined || standing === undefined) return undefined;
    const { board, state } = owned;
    const { isWhole, isComplete } = standing;
    if (board.version === owned.boardVersion && isWhole === state.isWhole && isComplete === state.isComplete)
      return state;
    owned.boardVersion = board.version;
    owned.state = { ...standing, version: this.nextVersion(region), counts: countsOf(board) };
    return owned.state;
  }

  /** A subdivision's counts as of now; `undefined` where another node owns its country. */
  subdivision(subdivision: number): BoardState | undefined {
    const standing = this.standing(countryOf(subdivision));
    return standing && { ...standing, ...this.subdivisions.of(subdivision, TOP_MAX) };
  }

  /** The subdivisions of a country of this node that anybody is in, in no order. */
  inside(country: number): Iterable<readonly [subdivision: number, players: number]> {
    return this.subdivisions.inside(country);
  }

  /** All counts of a region; `undefined` where another node owns it, or it is not whole. */
  wholeCounts(region: number): WholeCounts | undefined {
    const [owned, standing] = [this.regions.get(region), this.standing(region)];
    if (owned === undefined || standing?.isWhole !== true) return undefined;
    return { board: owned.board, isComplete: standing.isComplete, find: (mode) => this.modes.find(mode) };
  }

  /** The players of each mode of a region that anybody is in, in no order. */
  playersByMode(region: number): Iterable<readonly [mode: string, players: number]> {
    return this.regions.get(region)?.board.entries() ?? [];
  }

  /** The players of one mode of a region. */
  players(region: number, mode: string): number {
    const number = this.modes.find(mode);
    return number < 0 ? 0 : (this.regions.get(region)?.board.count(number) ?? 0);
  }

  private take(region: number, term: number): void {
    const board = new Board(this.modes.names);
    const version = this.nextVersion(region);
    const state = { term, version, isWhole: false, isComplete: false, counts: countsOf(board) };
    this.regions.set(region, { term, board, boardVersion: board.version, state });
  }

  private nextVersion(region: number): number {
    const slot = region - this.sums.firstTarget;
    return (this.versions[slot] = (this.versions[slot] as number) + 1);
  }

  private counts(region: number): boolean {
    return this.sums.targetsOf(region).some((target) => this.regions.has(target));
  }

  /** Forgets what was said of regions that count nowhere here any more. */
  private forget(lost: ReadonlySet<number>): void {
    const isKept = (region: number): boolean => this.counts(region);
    for (const tally of this.sources.all) tally.forget(isKept, (mode) => this.modes.release(mode));
    this.modes.sweep(this.modes.names.keys());
    this.subdivisions.forget(lost);
  }

  /** What is known already counts in newly taken boards too: sources tell changes of it only. */
  private addKnown(taken: ReadonlySet<number>): void {
    for (const tally of this.sources.all)
      tally.each((region, mode, players) => {
        for (const target of this.sums.targetsOf(region)) if (taken.has(target)) this.add(target, mode, players);
      });
  }

  private change(tally: PartitionTally, stated: StatedTally, modes: readonly number[]): void {
    const isCounted = (region: number): boolean => this.counts(region);
    tally.set(stated, modes, isCounted, (...count) => this.count(...count));
  }

  private count(region: number, mode: number, before: number, after: number): void {
    if (before === 0) this.modes.retain(mode);
    if (after === 0) this.modes.release(mode);
    for (const target of this.sums.targetsOf(region))
      if (this.regions.has(target)) this.add(target, mode, after - before);
    if (isSubdivision(region)) this.subdivisions.add(region, mode, after - before);
  }

  private add(target: number, mode: number, change: number): void {
    const { board } = this.regions.get(target) as OwnedRegion;
    board.set(mode, board.count(mode) + change);
    this.touched.add(target);
    this.onChange(target, this.modes.names[mode] as string);
  }

  /** All boards change where one becomes whole, or complete. */
  private look(): void {
    const { oldestAnsweredEpoch: oldestAnswer, areComplete: isComplete } = this.sources;
    if (oldestAnswer === this.known.oldestAnswer && isComplete === this.known.isComplete) return;
    this.known = { oldestAnswer, isComplete };
    for (const region of this.regions.keys()) this.touched.add(region);
  }
}

function countsOf(board: Board): BoardCounts {
  return { players: board.players, top: board.top(TOP_MAX) };
}
