/**
 * Counts across the cluster: tallies go from who holds a partition to who owns a region (R20 to R22), boards from there
 * to everybody (R23), and a region's owner can be asked for an answer that includes all that was acknowledged (R24).
 * This node is a destination like the others, reached by function call.
 */
import type { Ranked } from "../../engine/board.ts";
import { MalformedMessageError } from "../../engine/codec.ts";
import type { Engine } from "../../engine/engine.ts";
import { REGIONS } from "../../engine/regions.ts";
import { BoardPublisher } from "./board-publisher.ts";
import { BoardSender } from "./board-sender.ts";
import { type BoardEntry, type CountsMessage, decodeCounts, encodeCounts, type Tell } from "./counts-codec.ts";
import { FlushRounds } from "./flush-rounds.ts";
import type { Placement } from "../members/placement.ts";
import { ReadViews, type RegionView } from "./read-views.ts";
import { RegionBoards } from "./region-boards.ts";
import { type Parcel, type Speech, TallySender } from "./tally-sender.ts";
import { PeerError } from "../ports/transport.ts";
import { memberOf, NO_VIEW, type View } from "../ports/view.ts";

export interface CountsPorts {
  /** A clock that never goes back. */
  nowMs(): number;
  /** A call on the lane of counts. Rejects with `PeerError`. */
  call(incarnation: string, body: Uint8Array, timeoutMs: number): Promise<Uint8Array>;
  me(): string;
  /** Of a partition that is held here; else `undefined`. Asked for each of them at every tick. */
  speaks(partition: number): Speech | undefined;
  /** R14: which of these may be spoken for as of now, perhaps after writing to prove the claim. */
  confirm(partitions: readonly number[]): Promise<readonly number[]>;
  /** R23: a board for the sorted set in the store: all modes, most players first. */
  publish(region: number, term: number, version: number, counts: readonly Ranked[]): void;
}

/** Since the start, but for `staleRegions` and `bytes`. */
export interface CountsFigures {
  readonly messages: number;
  readonly messageBytes: number;
  readonly messagesFailed: number;
  /** Partitions that were asked for as a whole. */
  readonly wholesAsked: number;
  readonly flushRounds: number;
  /** R24: rounds in which some partition was not spoken for. */
  readonly flushRoundsIncomplete: number;
  /** Regions whose read view is stale just now. */
  readonly staleRegions: number;
}

/** R20, R23: looked at every 20 ms, so it comes every 100. */
export const BEAT_MS = 95;
const CALL_TIMEOUT_MS = 400;
/** Messages under way to one node; changes alone wait for the one before. */
const UNDER_WAY_MAX = 4;
/** An owner answers within two rounds (R24), if it can. */
const ASK_TIMEOUT_MS = 1000;

/** How messages to a member fare. */
interface Lane {
  underWay: number;
  /** Changes wait for the next beat where a message failed. */
  isFailing: boolean;
}

export class Counts {
  private readonly engine: Engine;
  private readonly ports: CountsPorts;
  private readonly sender: TallySender;
  private readonly boards: RegionBoards;
  private readonly boardSender: BoardSender;
  private readonly publisher: BoardPublisher;
  private readonly views = new ReadViews();
  private readonly rounds: FlushRounds;
  private view: View = NO_VIEW;
  private placement: Placement | undefined;
  private lanes = new Map<string, Lane>();
  private beatAtMs = -Infinity;
  private waiting: (() => void)[] = [];
  private messages = 0;
  private messageBytes = 0;
  private messagesFailed = 0;
  private wholesAsked = 0;

  constructor(engine: Engine, ports: CountsPorts) {
    this.engine = engine;
    this.ports = ports;
    const partitions = engine.partitions.length;
    this.sender = new TallySender(engine, (partition) => ports.speaks(partition));
    engine.modesHeld = () => this.sender.modes();
    this.boards = new RegionBoards(partitions, engine.hash(SALT_ID));
    this.boardSender = new BoardSender(this.boards);
    this.publisher = new BoardPublisher(this.boards, (...board) => ports.publish(...board));
    this.rounds = new FlushRounds(partitions, {
      nowMs: () => ports.nowMs(),
      members: () => [...this.lanes.keys()],
      flush: (member, timeoutMs, spoken) => this.flushFrom(member, timeoutMs, spoken),
    });
  }

  /** R23: something is known of every region. */
  get isWhole(): boolean {
    return this.views.isWhole;
  }

  get figures(): CountsFigures {
    const { messages, messageBytes, messagesFailed, wholesAsked, rounds } = this;
    const nowMs = this.ports.nowMs();
    const staleRegions = [...REGIONS.keys()].filter((region) => this.views.of(region, nowMs).isStale).length;
    const flushRoundsIncomplete = rounds.incompleteRounds;
    return {
      messages,
      messageBytes,
      messagesFailed,
      wholesAsked,
      flushRounds: rounds.rounds,
      flushRoundsIncomplete,
      staleRegions,
    };
  }

  onView(view: View, placement: Placement): void {
    this.view = view;
    this.placement = placement;
    const me = this.ports.me();
    const isListed = memberOf(view, me) !== undefined;
    const members = isListed ? view.members.map(({ incarnation }) => incarnation) : [];
    this.lanes = new Map(
      members.map((member) => [member, this.lanes.get(member) ?? { underWay: 0, isFailing: false }]),
    );
    this.sender.onView(members, (region) => placement.regionOwner(region), REGIONS.length);
    this.boardSender.onView(members);
    const isTaken = this.boards.onView(view.epoch, (region) => isListed && placement.regionOwner(region) === me);
    if (isTaken) this.rounds.restart();
  }

  /** R21: I serve a partition now. */
  onTaken(partition: number): void {
    this.sender.take(partition);
  }

  /** I serve it no longer. */
  onDropped(partition: number): void {
    this.sender.drop(partition);
  }

  /** To be called some 50 times a second. */
  tick(): void {
    const nowMs = this.ports.nowMs();
    const isBeat = nowMs - this.beatAtMs >= BEAT_MS;
    if (isBeat) this.beatAtMs = nowMs;
    this.sender.look();
    this.tellMyself(isBeat, nowMs);
    const isStale = this.boards.isStale(nowMs);
    for (const [member, lane] of this.lanes) {
      if (member === this.ports.me()) continue;
      if (isBeat ? lane.underWay < UNDER_WAY_MAX : this.mayTell(member, lane))
        void this.tell(member, lane, isBeat, isStale);
    }
    if (isBeat && !isStale) this.publisher.publish(nowMs);
    this.rounds.tick();
    const { waiting } = this;
    this.waiting = [];
    for (const go of waiting) go();
  }

  /**
   * A message of a peer.
   * @throws {MalformedMessageError} (rejects) if it is none; nothing was taken in then
   */
  async receive(from: string, epoch: number, delayMs: number, body: Uint8Array): Promise<Uint8Array> {
    const message = decodeCounts(body, this.engine.partitions.length);
    return encodeCounts(await this.answer(from, epoch, delayMs, message));
  }

  /** From the read view. */
  regionView(region: number): RegionView {
    return this.views.of(region, this.ports.nowMs());
  }

  /**
   * R24: a region's counts, with every report acknowledged before this was called, from its owner.
   * @returns `undefined` where no owner answered until then
   */
  async askOwner(region: number, untilMs: number): Promise<RegionView | undefined> {
    for (; this.ports.nowMs() < untilMs; await this.nextTick()) {
      const owner = this.placement?.regionOwner(region);
      if (owner === undefined || !this.lanes.has(owner)) continue;
      const isMine = owner === this.ports.me();
      const askedAtMs = this.ports.nowMs();
      const board = isMine ? await this.flushed(region) : await this.ask(owner, region, untilMs);
      if (board !== undefined) return viewOf(board, askedAtMs);
    }
    return undefined;
  }

  private mayTell(member: string, lane: Lane): boolean {
    return lane.underWay === 0 && !lane.isFailing && this.sender.isDirty(member);
  }

  private tellMyself(isBeat: boolean, nowMs: number): void {
    const me = this.ports.me();
    const parcel = this.sender.build(me, isBeat);
    if (parcel === undefined) return;
    const wanted = this.boards.apply(parcel.tallies, nowMs, () => undefined);
    this.sender.acknowledge(parcel, wanted);
    if (!isBeat) return;
    const boards = this.boardSender.build(me, this.boards.isStale(nowMs));
    this.boardSender.acknowledge(me, boards, this.views.apply(boards, nowMs));
  }

  private async tell(member: string, lane: Lane, isBeat: boolean, isStale: boolean): Promise<void> {
    const parcel = this.sender.build(member, isBeat) as Parcel; // a lane is there for each member
    const { epoch } = this.view;
    const boards = isBeat ? this.boardSender.build(member, isStale) : [];
    const message: Tell = { kind: "tell", tallies: parcel.tallies, boards };
    lane.underWay++;
    const told = await this.call(member, message, CALL_TIMEOUT_MS);
    lane.underWay--;
    lane.isFailing = told?.kind !== "told";
    if (told?.kind !== "told" || told.isOtherEpoch) return;
    this.wholesAsked += told.partitions.length;
    this.sender.acknowledge(parcel, told.partitions);
    if (this.view.epoch === epoch) this.boardSender.acknowledge(member, boards, told.regions);
  }

  private async answer(from: string, epoch: number, delayMs: number, message: CountsMessage): Promise<CountsMessage> {
    const isOtherEpoch = epoch !== this.view.epoch;
    switch (message.kind) {
      case "tell":
        if (isOtherEpoch) return { kind: "told", isOtherEpoch, partitions: [], regions: [] };
        return this.takeIn(from, message, this.ports.nowMs() - delayMs);
      case "flush":
        return this.flushFor(from, epoch, message.partitions);
      case "ask":
        return { kind: "asked", board: await this.flushed(message.region) };
      default:
        throw new MalformedMessageError(1, `must hold: a request, not ${message.kind}`);
    }
  }

  private takeIn(from: string, { tallies, boards }: Tell, asOfMs: number): CountsMessage {
    const partitions = this.boards.apply(tallies, asOfMs, () => undefined);
    const theirs = boards.filter(({ region }) => this.placement?.regionOwner(region) === from);
    return { kind: "told", isOtherEpoch: false, partitions, regions: this.views.apply(theirs, asOfMs) };
  }

  /** R24: what this node can say for sure of the partitions it holds. */
  private async flushFor(from: string, epoch: number, wanted: readonly number[]): Promise<CountsMessage> {
    const confirmed = await this.ports.confirm(this.sender.partitions);
    this.sender.look();
    const isOtherEpoch = epoch !== this.view.epoch;
    const tallies = isOtherEpoch ? { modes: [], entries: [] } : this.sender.answer(from, confirmed, wanted);
    return { kind: "flushed", isOtherEpoch, tallies };
  }

  private async flushFrom(member: string, timeoutMs: number, spoken: (partition: number) => void): Promise<void> {
    const [{ epoch }, nowMs] = [this.view, this.ports.nowMs()];
    const partitions = this.boards.unspoken;
    const isMine = member === this.ports.me();
    const flushed = isMine
      ? await this.flushFor(member, epoch, partitions)
      : await this.call(member, { kind: "flush", partitions }, timeoutMs);
    if (flushed?.kind !== "flushed" || flushed.isOtherEpoch || this.view.epoch !== epoch) return;
    this.boards.apply(flushed.tallies, nowMs, spoken);
  }

  /** R24: a board of mine after a flush; `undefined` where the region is not mine. */
  private async flushed(region: number): Promise<BoardEntry | undefined> {
    if (!this.boards.owns(region)) return undefined;
    const isFlushed = await this.rounds.flush();
    const state = this.boards.state(region);
    if (state === undefined) return undefined;
    const nowMs = this.ports.nowMs();
    if (state.isWhole) {
      const isComplete = isFlushed && state.isComplete;
      return { ...state, region, isComplete, isStale: !isFlushed && this.boards.isStale(nowMs) };
    }
    const { players, top, term, version } = this.views.of(region, nowMs); // R22: what stood before, marked
    return { region, term, version, isStale: true, isComplete: false, counts: { players, top } };
  }

  private async ask(owner: string, region: number, untilMs: number): Promise<BoardEntry | undefined> {
    const leftMs = Math.min(untilMs - this.ports.nowMs(), ASK_TIMEOUT_MS);
    const asked = await this.call(owner, { kind: "ask", region }, leftMs);
    return asked?.kind === "asked" && asked.board?.region === region ? asked.board : undefined;
  }

  /** @returns the answer, or `undefined` where there is none that can be read */
  private async call(member: string, message: CountsMessage, timeoutMs: number): Promise<CountsMessage | undefined> {
    const body = encodeCounts(message);
    this.messages++;
    this.messageBytes += body.length;
    try {
      return decodeCounts(await this.ports.call(member, body, timeoutMs), this.engine.partitions.length);
    } catch (error) {
      if (!(error instanceof PeerError || error instanceof MalformedMessageError)) throw error;
      this.messagesFailed++;
      return undefined;
    }
  }

  private async nextTick(): Promise<void> {
    return new Promise((go) => this.waiting.push(go));
  }
}

/** Hashed with the cluster's key, it gives a number that nobody outside knows. */
const SALT_ID = Int32Array.of(1, 2, 3, 4);

function viewOf({ region, term, version, isComplete, isStale, counts }: BoardEntry, asOfMs: number): RegionView {
  return { region, players: counts?.players ?? 0, top: counts?.top ?? [], isComplete, isStale, term, version, asOfMs };
}
