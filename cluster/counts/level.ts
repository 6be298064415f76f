/**
 * One level of counts at this node (R20 to R23): what it says of the sources that it holds, the boards that it owns, and what
 * it knows of all boards. Countries and areas have one each, so the world's counts come by the way of a country's (R31).
 */
import { BoardSender } from "./board-sender.ts";
import type { CountSources } from "./count-sources.ts";
import { NO_BOARDS, NO_TALLIES } from "./counts-codec.ts";
import type { LevelNeeds, LevelTell } from "./counts-messages.ts";
import { ReadViews } from "./read-views.ts";
import type { RegionBoards } from "./region-boards.ts";
import type { Sums } from "./sums.ts";
import { type Parcel, type TallyPorts, TallySender } from "./tally-sender.ts";

export interface LevelOptions {
  readonly pushEveryMs: number;
  /** Whether changes wait for the next beat. */
  readonly isOnBeats: boolean;
}

/** What a member is told of a level. */
export interface LevelParcel extends LevelTell {
  readonly parcel: Parcel | undefined;
}

export const NOTHING_NEEDED: LevelNeeds = { needsTallyList: false, needsBoardList: false, sources: [], regions: [] };

export class Level<Cell> {
  readonly sender: TallySender<Cell>;
  readonly boards: RegionBoards;
  readonly views: ReadViews;
  private readonly boardSender: BoardSender;
  private readonly isOnBeats: boolean;
  private ownerOf: (place: number) => string | undefined = () => undefined;

  constructor(
    sums: Sums,
    boards: RegionBoards,
    sources: CountSources<Cell>,
    ports: TallyPorts,
    { pushEveryMs, isOnBeats }: LevelOptions,
  ) {
    this.sender = new TallySender(sums, sources, ports);
    this.boards = boards;
    this.views = new ReadViews(sums);
    this.boardSender = new BoardSender(boards, pushEveryMs);
    this.isOnBeats = isOnBeats;
  }

  /** @returns whether boards begin anew here (R22) */
  onView(
    epoch: number,
    members: readonly string[],
    me: string,
    ownerOf: (place: number) => string | undefined,
  ): boolean {
    const isMember = members.includes(me);
    this.ownerOf = ownerOf;
    this.sender.onView(members, ownerOf);
    this.views.onView(members);
    this.boardSender.onView(members);
    return this.boards.onView(epoch, members, (place) => isMember && ownerOf(place) === me);
  }

  /** Whether a member is told something with each beat. */
  isOwed(member: string): boolean {
    return this.sender.isOwed(member) || this.boardSender.hasBoards;
  }

  /** Whether there is something for a member that cannot wait for the next beat. */
  isDue(member: string, nowMs: number): boolean {
    return !this.isOnBeats && (this.sender.isDirty(member) || this.boardSender.isDue(member, nowMs));
  }

  /** Takes in what this node says to itself. */
  tallyMyself(me: string, isBeat: boolean, nowMs: number): void {
    const parcel = isBeat || (!this.isOnBeats && this.sender.isDirty(me)) ? this.sender.build(me, isBeat) : undefined;
    if (parcel === undefined) return;
    this.sender.acknowledge(
      parcel,
      this.boards.apply(me, parcel.tallies, nowMs, () => undefined),
    );
  }

  /**
   * Looks which boards may have changed. To be called right before boards are built, in the same turn.
   * @returns their places, those that were lost too
   */
  noteTouched(): number[] {
    const touched = this.boards.takeTouched();
    this.boardSender.note(touched);
    return touched;
  }

  /** Pushes this node's boards to its own views. */
  pushToMyself(me: string, isBeat: boolean, nowMs: number): void {
    if (!isBeat && (this.isOnBeats || !this.boardSender.isDue(me, nowMs))) return;
    const boards = this.buildBoards(me, isBeat, nowMs);
    this.boardSender.acknowledge(me, boards, this.views.apply(me, boards, nowMs));
  }

  /** What a member must be told. */
  build(member: string, isBeat: boolean, nowMs: number): LevelParcel {
    if (this.isOnBeats && !isBeat) return { parcel: undefined, tallies: NO_TALLIES, boards: NO_BOARDS };
    const parcel = this.sender.build(member, isBeat);
    return { parcel, tallies: parcel?.tallies ?? NO_TALLIES, boards: this.buildBoards(member, isBeat, nowMs) };
  }

  /** Takes in what a member says, sent under this node's epoch. */
  takeIn(from: string, { tallies, boards }: LevelTell, asOfMs: number): LevelNeeds {
    const { sources, needsList } = this.boards.apply(from, tallies, asOfMs, () => undefined);
    const items = boards.items.filter(({ region }) => this.ownerOf(region) === from);
    const read = this.views.apply(from, { ...boards, items }, asOfMs);
    return { needsTallyList: needsList, needsBoardList: read.needsList, sources, regions: read.regions };
  }

  /** A member has taken it in, but for what it needs. @param isSameEpoch whether it was built under the present view */
  acknowledge(member: string, { parcel, boards }: LevelParcel, needs: LevelNeeds, isSameEpoch: boolean): void {
    const { sources, regions, needsTallyList, needsBoardList } = needs;
    if (parcel !== undefined) this.sender.acknowledge(parcel as Parcel<Cell>, { sources, needsList: needsTallyList });
    if (isSameEpoch) this.boardSender.acknowledge(member, boards, { regions, needsList: needsBoardList });
  }

  private buildBoards(member: string, isBeat: boolean, nowMs: number) {
    return this.boardSender.build(member, { isBeat, isStale: this.boards.isStale(nowMs), nowMs });
  }
}
