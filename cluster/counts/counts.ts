/**
 * Counts across the cluster. Tallies go from a partition's holder to the owners of its regions (R20 to R22), boards from
 * there to every node (R23), and a region's owner can be asked for an answer that includes all that was acknowledged (R24).
 * This node is a destination like the others, reached by function call.
 */
import { MalformedMessageError } from "../../engine/codec.ts";
import type { Engine } from "../../engine/engine.ts";
import type { ProfileId } from "../../engine/profile-id.ts";
import { COUNTRIES } from "../../engine/places.ts";
import { type AskedLife, Asking } from "./asking.ts";
import { BoardPublisher } from "./board-publisher.ts";
import { BoardSender } from "./board-sender.ts";
import { Published, type PublishedView } from "./published.ts";
import { type CountsMessage, decodeCounts, encodeCounts, type Tell } from "./counts-codec.ts";
import { CountsLinks, type Link, type LinkPorts } from "./counts-links.ts";
import type { Placement } from "../members/placement.ts";
import { ReadViews, type RegionView } from "./read-views.ts";
import { RegionBoards } from "./region-boards.ts";
import type { PublishAnswer, PublishedBoard } from "../ports/shared-store.ts";
import { NO_TABLES } from "./tables-codec.ts";
import { type Parcel, type TallyPorts, TallySender } from "./tally-sender.ts";
import { isListed, NO_VIEW, type View } from "../ports/view.ts";

export interface CountsPorts extends TallyPorts, LinkPorts {
  me(): string;
  /** R14: which of these may be spoken for as of now, perhaps after writing to prove the claim. */
  confirm(partitions: readonly number[]): Promise<readonly number[]>;
  /** R16: false while some partition is ahead of its record. */
  mayPublish(): boolean;
  /** For whole minutes, at which published tables are decided. */
  wallMs(): number;
  /** R23: a board for the sorted set in the store. */
  publish(region: number, board: PublishedBoard): Promise<PublishAnswer>;
}

/** Since the start, but for `staleRegions`. */
export interface CountsFigures {
  readonly messages: number;
  readonly messageBytes: number;
  readonly messagesFailed: number;
  /** Partitions that were asked for as a whole. */
  readonly wholesAsked: number;
  readonly flushRounds: number;
  /** R24: rounds in which some partition was not spoken for. */
  readonly flushRoundsIncomplete: number;
  /** R16: boards of which nobody knows whether they were published. */
  readonly publishFailures: number;
  /** Regions whose read view is stale just now. */
  readonly staleRegions: number;
  /** Regions of which nothing is published at present, since there is a privacy floor. */
  readonly unpublishedRegions: number;
  /** Regions whose owner has another privacy floor than this node. */
  readonly regionsOfOtherFloor: number;
}

/** R20, R23: looked at every 20 ms, so it comes every 100. */
export const BEAT_MS = 95;
const CALL_TIMEOUT_MS = 400;

/** What one incarnation of this node has said and heard. */
interface Life extends AskedLife {
  readonly boardSender: BoardSender;
  readonly published: Published;
  readonly publisher: BoardPublisher;
}

export interface CountsOptions {
  /** A node to which nothing else is to be said is sent a word so often: it must hear of this one (R10). */
  readonly quietMs: number;
  /** The privacy floor; 0: none. */
  readonly floor: number;
}

export class Counts {
  private readonly engine: Engine;
  private readonly ports: CountsPorts;
  private readonly floor: number;
  private readonly links: CountsLinks;
  private readonly asking: Asking;
  private life: Life;
  private view: View = NO_VIEW;
  private placement: Placement | undefined;
  private beatAtMs = -Infinity;
  private wholesAsked = 0;
  private publishFailures = 0;

  constructor(engine: Engine, ports: CountsPorts, { quietMs, floor }: CountsOptions) {
    this.engine = engine;
    this.ports = ports;
    this.floor = floor;
    const partitions = engine.partitions.length;
    this.life = this.newLife();
    engine.modesHeld = () => this.life.sender.modes();
    this.links = new CountsLinks(ports, { partitions, quietMs });
    this.asking = new Asking(partitions, this.links, {
      nowMs: () => ports.nowMs(),
      me: () => ports.me(),
      confirm: (held) => ports.confirm(held),
      epoch: () => this.view.epoch,
      ownerOf: (region) => this.placement?.regionOwner(region),
      life: () => this.life,
    });
  }

  /** R23: something is known of every region. */
  get knowsAllRegions(): boolean {
    const { views, published } = this.life;
    return views.knowsAllRegions && (this.floor === 0 || published.knowsAllRegions);
  }

  get figures(): CountsFigures {
    const { links, wholesAsked, asking, life } = this;
    const nowMs = this.ports.nowMs();
    const { published, views } = life;
    const regionsWhere = (isSo: (region: number) => boolean): number =>
      Array.from({ length: COUNTRIES }, (_, region) => region).filter(isSo).length;
    return {
      ...links.figures,
      wholesAsked,
      ...asking.figures,
      publishFailures: this.publishFailures + life.publisher.failures,
      staleRegions: regionsWhere((region) => views.of(region, nowMs).isStale),
      unpublishedRegions:
        this.floor === 0 ? 0 : regionsWhere((region) => published.of(region, nowMs).table === undefined),
      regionsOfOtherFloor: published.regionsOfOtherFloor,
    };
  }

  onView(view: View, placement: Placement): void {
    const { life } = this;
    this.view = view;
    this.placement = placement;
    const me = this.ports.me();
    const isMember = isListed(view, me);
    const members = isMember ? view.members.map(({ incarnation }) => incarnation) : [];
    this.links.onView(members);
    life.sender.onView(members, (region) => placement.regionOwner(region), COUNTRIES);
    life.views.onView(members);
    life.boardSender.onView(members);
    const isMine = (region: number): boolean => isMember && placement.regionOwner(region) === me;
    const isTaken = life.boards.onView(view.epoch, members, isMine);
    life.published.onView(members, (region) => placement.regionOwner(region), isTaken);
    if (isTaken) this.asking.restart();
  }

  /** R8: what was known and said under another incarnation counts for nothing. */
  onExpelled(): void {
    this.publishFailures += this.life.publisher.failures;
    this.life = this.newLife();
    this.links.onView([]);
    this.asking.restart();
  }

  /** R21: I serve a partition now. */
  onTaken(partition: number): void {
    this.life.sender.take(partition);
  }

  /** I serve it no longer. */
  onDropped(partition: number): void {
    this.life.sender.drop(partition);
  }

  /** To be called some 50 times a second. */
  tick(): void {
    const { life, links } = this;
    const nowMs = this.ports.nowMs();
    const isBeat = nowMs - this.beatAtMs >= BEAT_MS;
    if (isBeat) this.beatAtMs = nowMs;
    if (isBeat || this.links.hasLostBeats) life.sender.restate();
    life.sender.look();
    life.published.tick(this.ports.wallMs());
    this.tellMyself(isBeat, nowMs);
    for (const [member, link] of links.all) {
      if (member === this.ports.me()) continue;
      const isForBeat = isBeat || link.isBeatLost;
      if (isForBeat ? this.isOwed(member, link, nowMs) : this.isDue(member, link, nowMs))
        void this.tell(member, link, isForBeat);
    }
    if (isBeat) life.publisher.tick();
    this.asking.tick();
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
    return this.life.views.of(region, this.ports.nowMs());
  }

  /** What is published of a region, where there is a privacy floor. */
  publishedView(region: number): PublishedView {
    return this.life.published.of(region, this.ports.nowMs());
  }

  /**
   * R24: a region's counts, with every report acknowledged before this was called, from its owner.
   * @returns `undefined` where no owner answered until then
   */
  async askOwner(region: number, untilMs: number): Promise<RegionView | undefined> {
    return this.asking.askOwner(region, untilMs);
  }

  /** A beat goes to whoever is told something with each; to the others a word now and then. */
  private isOwed(member: string, link: Link, nowMs: number): boolean {
    const { sender, boardSender } = this.life;
    if (!this.links.hasRoom(link)) return false;
    return sender.isOwed(member) || boardSender.hasBoards || this.links.isQuiet(link, nowMs);
  }

  /**
   * Whether there is something that cannot wait for the next beat. With a privacy floor everything can: else a count that is
   * not published would hold up one that is, where messages take long.
   */
  private isDue(member: string, link: Link, nowMs: number): boolean {
    const { sender, boardSender } = this.life;
    return this.floor === 0 && this.links.isFree(link) && (sender.isDirty(member) || boardSender.isDue(member, nowMs));
  }

  private tellMyself(isBeat: boolean, nowMs: number): void {
    const { sender, boardSender, views } = this.life;
    const me = this.ports.me();
    if (isBeat || sender.isDirty(me)) this.takeParcel(sender.build(me, isBeat), nowMs);
    this.noteBoards();
    if (!isBeat && !boardSender.isDue(me, nowMs)) return;
    const boards = boardSender.build(me, { isBeat, isStale: this.life.boards.isStale(nowMs), nowMs });
    boardSender.acknowledge(me, boards, views.apply(me, boards, nowMs));
    if (isBeat) this.life.published.onBeat(me, boards.isStale, nowMs);
  }

  private takeParcel(parcel: Parcel | undefined, nowMs: number): void {
    const { sender, boards } = this.life;
    if (parcel === undefined) return;
    sender.acknowledge(
      parcel,
      boards.apply(this.ports.me(), parcel.tallies, nowMs, () => undefined),
    );
  }

  /** Tells those who send boards which may have changed. To be called right before boards are built, in the same turn. */
  private noteBoards(): void {
    const { boards, boardSender, publisher, published } = this.life;
    const touched = boards.takeTouched();
    boardSender.note(touched);
    publisher.note(this.floor === 0 ? touched : published.takeTouched());
  }

  private async tell(member: string, link: Link, isBeat: boolean): Promise<void> {
    const { life } = this;
    const { epoch } = this.view;
    const nowMs = this.ports.nowMs();
    const parcel = life.sender.build(member, isBeat);
    if (parcel === undefined) return;
    const boards = life.boardSender.build(member, { isBeat, isStale: life.boards.isStale(nowMs), nowMs });
    const tables = isBeat ? life.published.build(member) : NO_TABLES;
    const message: Tell = { kind: "tell", tallies: parcel.tallies, boards, tables };
    link.isBeatLost = false;
    const told = await this.links.tell(member, link, message, CALL_TIMEOUT_MS);
    if (isBeat && told?.isOtherEpoch === true) link.isBeatLost = true;
    if (told === undefined || told.isOtherEpoch || life !== this.life) return;
    this.wholesAsked += told.partitions.length;
    life.sender.acknowledge(parcel, { partitions: told.partitions, needsList: told.needsTallyList });
    const needs = { regions: told.regions, needsList: told.needsBoardList };
    if (this.view.epoch !== epoch) return;
    life.boardSender.acknowledge(member, boards, needs);
    life.published.acknowledge(member, tables);
  }

  private async answer(from: string, epoch: number, delayMs: number, message: CountsMessage): Promise<CountsMessage> {
    const isOtherEpoch = epoch !== this.view.epoch;
    switch (message.kind) {
      case "tell":
        if (!isOtherEpoch) return this.takeIn(from, message, this.ports.nowMs() - delayMs);
        return {
          kind: "told",
          isOtherEpoch,
          needsTallyList: false,
          needsBoardList: false,
          partitions: [],
          regions: [],
        };
      case "flush":
        return this.asking.flushFor(from, epoch, message);
      case "ask":
        return { kind: "asked", board: await this.asking.boardOf(message.region) };
      default:
        throw new MalformedMessageError(1, `must hold: a request, not ${message.kind}`);
    }
  }

  private takeIn(from: string, { tallies, boards, tables }: Tell, asOfMs: number): CountsMessage {
    const { life, placement } = this;
    const { partitions, needsList } = life.boards.apply(from, tallies, asOfMs, () => undefined);
    const isTheirs = ({ region }: { readonly region: number }): boolean => placement?.regionOwner(region) === from;
    const read = life.views.apply(from, { ...boards, items: boards.items.filter(isTheirs) }, asOfMs);
    if (tables.number > 0) life.published.apply(from, tables, boards.isStale, asOfMs);
    const needs = { needsTallyList: needsList, needsBoardList: read.needsList };
    return { kind: "told", isOtherEpoch: false, ...needs, partitions, regions: read.regions };
  }

  private newLife(): Life {
    const { engine, ports } = this;
    const boards = new RegionBoards(engine.partitions.length, engine.hash(SALT_ID));
    const published = new Published(this.floor, boards);
    const publisher = new BoardPublisher(this.floor === 0 ? boards : published, {
      nowMs: () => ports.nowMs(),
      mayPublish: () => ports.mayPublish() && !boards.isStale(ports.nowMs()) && boards === this.life.boards,
      publish: (region, board) => ports.publish(region, board),
    });
    const sender = new TallySender(engine, ports);
    const boardSender = new BoardSender(boards, BEAT_MS);
    return { sender, boards, boardSender, published, publisher, views: new ReadViews() };
  }
}

/** Hashed with the cluster's key, it gives a number that nobody outside knows. */
const SALT_ID = Int32Array.of(1, 2, 3, 4) as ProfileId;
