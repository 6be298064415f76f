/**
 * What each node has been told of the boards of the regions that this node owns, and what it must be told now (R23).
 *
 * A board is pushed when it changes, but to each node at most every 100 ms. A beat says in one number that all other
 * boards of the last list are as they were (R20).
 */
import { NO_BOARDS } from "./counts-codec.ts";
import type { Boards, StatedBoard } from "./counts-messages.ts";
import { type BoardNeeds, isVersionAbove } from "./read-views.ts";
import type { BoardState, RegionBoards } from "./region-boards.ts";

/** What one node has. */
interface Reader {
  /** Term and version of each region that it said it has. */
  readonly acknowledged: Map<number, { readonly term: number; readonly version: number }>;
  /** When a region's counts were last sent. */
  readonly pushedAtMs: Map<number, number>;
  /** Regions whose board it may not have as it is. */
  readonly dirty: Set<number>;
  /** The last list that it has taken in. */
  statement: number;
}

const NOTHING = { term: 0, version: 0 };

export class BoardSender {
  private readonly boards: RegionBoards;
  private readonly pushEveryMs: number;
  private readers = new Map<string, Reader>();
  /** The term of each board that can be told: what a list is about. */
  private readonly listed = new Map<number, number>();
  /** Of what `listed` is now; 0: nothing was ever listed. */
  private statement = 0;

  constructor(boards: RegionBoards, pushEveryMs: number) {
    this.boards = boards;
    this.pushEveryMs = pushEveryMs;
  }

  /** Forgets what nodes have that are not listed any more. */
  onView(members: readonly string[]): void {
    this.readers = new Map(members.map((member) => [member, this.readers.get(member) ?? this.newReader()]));
  }

  /** Notes regions whose boards may have changed. */
  note(regions: readonly number[]): void {
    for (const region of regions) {
      for (const { dirty } of this.readers.values()) dirty.add(region);
      const state = this.boards.state(region);
      const term = state?.isWhole ? state.term : undefined;
      if (term === this.listed.get(region)) continue;
      this.statement++;
      if (term === undefined) this.listed.delete(region);
      else this.listed.set(region, term);
    }
  }

  /** Whether a node must be told something at each beat. */
  get hasBoards(): boolean {
    return this.listed.size > 0;
  }

  /** Whether some board is to be pushed to a node before the next beat. */
  isDue(member: string, nowMs: number): boolean {
    const reader = this.readers.get(member);
    if (reader === undefined || reader.dirty.size === 0) return false;
    for (const region of reader.dirty) if (this.listed.has(region) && this.mayPush(reader, region, nowMs)) return true;
    return false;
  }

  /**
   * Boards that are whole, with their counts where the node may not have them.
   * @param isBeat states how far all boards are, not only those that changed
   */
  build(member: string, { isBeat, isStale, nowMs }: { isBeat: boolean; isStale: boolean; nowMs: number }): Boards {
    const reader = this.readers.get(member);
    if (reader === undefined) return NO_BOARDS;
    const isList = isBeat && reader.statement !== this.statement;
    const items: StatedBoard[] = [];
    for (const region of isList ? this.listed.keys() : [...reader.dirty]) {
      const state = this.boards.state(region);
      if (!state?.isWhole) reader.dirty.delete(region);
      else if (reader.dirty.has(region) && !isAcknowledged(reader, region, state)) {
        const isPushed = this.mayPush(reader, region, nowMs);
        if (isPushed) reader.pushedAtMs.set(region, nowMs);
        if (isPushed || isBeat) items.push(statedBoard(region, state, isPushed));
      } else {
        reader.dirty.delete(region);
        if (isList) items.push({ ...statedBoard(region, state, false), isHeldBack: false });
      }
    }
    return { statement: isBeat ? this.statement : 0, isList, isStale, items };
  }

  /** A node has taken a message in, but for what it needs. */
  acknowledge(member: string, { statement, isList, items }: Boards, { regions, needsList }: BoardNeeds): void {
    const reader = this.readers.get(member);
    if (reader === undefined) return;
    const needed = new Set(regions);
    for (const { region, term, version, isHeldBack } of items) {
      if (needed.has(region)) {
        reader.acknowledged.delete(region);
        reader.pushedAtMs.delete(region);
        reader.dirty.add(region);
      } else if (!isHeldBack && !isVersionAbove(reader.acknowledged.get(region) ?? NOTHING, term, version)) {
        reader.acknowledged.set(region, { term, version });
        const state = this.boards.state(region);
        if (state !== undefined && isAcknowledged(reader, region, state)) reader.dirty.delete(region);
      }
    }
    if (isList && regions.length === 0) reader.statement = Math.max(reader.statement, statement);
    if (needsList && reader.statement === statement) reader.statement = 0;
  }

  private mayPush(reader: Reader, region: number, nowMs: number): boolean {
    return nowMs - (reader.pushedAtMs.get(region) ?? -Infinity) >= this.pushEveryMs;
  }

  private newReader(): Reader {
    return {
      acknowledged: new Map(),
      pushedAtMs: new Map(),
      dirty: new Set(this.boards.owned),
      statement: 0,
    };
  }
}

function statedBoard(
  region: number,
  { term, version, isComplete, counts }: BoardState,
  isPushed: boolean,
): StatedBoard {
  return { region, term, version, isComplete, isHeldBack: !isPushed, counts: isPushed ? counts : undefined };
}

function isAcknowledged({ acknowledged }: Reader, region: number, { term, version }: BoardState): boolean {
  const has = acknowledged.get(region);
  return has?.term === term && has.version === version;
}
