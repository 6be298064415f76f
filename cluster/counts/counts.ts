/**
 * Counts across the cluster. Tallies go from a partition's holder to the owners of its countries, from these to the owners of
 * areas (R20 to R22, R31), boards from there to every node (R23). A place's owner can be asked for an answer that includes
 * all that was acknowledged (R24), and is asked for subdivisions while somebody wants them. This node is a destination like
 * the others, reached by function call.
 */
import { MalformedMessageError } from "../../engine/codec.ts";
import type { Engine } from "../../engine/engine.ts";
import { MODE_MASK } from "../../engine/modes.ts";
import { isArea, isSubdivision } from "../../engine/places.ts";
import { Asking } from "./asking.ts";
import { decodeCounts, encodeCounts } from "./counts-codec.ts";
import { CountsLinks, type Link, type LinkPorts } from "./counts-links.ts";
import type { CountsMessage, Inside, Tell } from "./counts-messages.ts";
import { type Kept, KEPT_MS } from "./kept-answers.ts";
import { NOTHING_NEEDED } from "./level.ts";
import { BEAT_MS, type FormerFigures, Life, type LifeFigures } from "./life.ts";
import type { Placement } from "../members/placement.ts";
import type { PublishAnswer, PublishedBoard } from "../ports/shared-store.ts";
import { isListed, NO_VIEW, type View } from "../ports/view.ts";
import type { PublishedView } from "./published.ts";
import { type RegionView, unknownRegion } from "./read-views.ts";
import { NO_TABLES } from "./tables-codec.ts";
import type { TallyPorts } from "./tally-sender.ts";

export interface CountsPorts extends Omit<TallyPorts, "isStale">, LinkPorts {
  me(): string;
  /** R14: which of these may be spoken for as of now, perhaps after writing to prove the claim. */
  confirm(partitions: readonly number[]): Promise<readonly number[]>;
  /** R16: false while some partition is ahead of its record. */
  mayPublish(): boolean;
  /** For whole minutes, at which published tables are decided. */
  wallMs(): number;
  /** R23: a board for the sorted set in the store. */
  publish(place: number, board: PublishedBoard): Promise<PublishAnswer>;
}

/** Since the start, but for what `LifeFigures` says. */
export interface CountsFigures extends LifeFigures {
  readonly messages: number;
  readonly messageBytes: number;
  readonly messagesFailed: number;
  /** Partitions and countries that were asked for as a whole. */
  readonly wholesAsked: number;
  readonly flushRounds: number;
  /** R24: rounds in which some partition was not spoken for. */
  readonly flushRoundsIncomplete: number;
}

const CALL_TIMEOUT_MS = 400;

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
  /** What former lives counted. */
  private former: FormerFigures = { publishFailures: 0, subdivisionsAsked: 0 };

  constructor(engine: Engine, ports: CountsPorts, { quietMs, floor }: CountsOptions) {
    this.engine = engine;
    this.ports = ports;
    this.floor = floor;
    const partitions = engine.partitions.length;
    this.life = this.newLife();
    engine.modesHeld = () => modesOf(this.life.countries.sender.cells());
    this.links = new CountsLinks(ports, { partitions, quietMs });
    this.asking = new Asking(partitions, this.links, {
      nowMs: () => ports.nowMs(),
      me: () => ports.me(),
      confirm: (held) => ports.confirm(held),
      epoch: () => this.view.epoch,
      ownerOf: (place) => this.placement?.placeOwner(place),
      life: () => this.life,
    });
  }

  /** R23: something is known of every country. */
  get knowsAllCountries(): boolean {
    const { countries, published } = this.life;
    return countries.views.knowsAllRegions && (this.floor === 0 || published.knowsAllRegions);
  }

  /** R23, R31: and of every area. */
  get knowsAllPlaces(): boolean {
    return this.knowsAllCountries && this.life.areas.views.knowsAllRegions;
  }

  get figures(): CountsFigures {
    const { links, wholesAsked, asking, life } = this;
    return { ...links.figures, ...asking.figures, ...life.figures(this.ports.nowMs(), this.former), wholesAsked };
  }

  onView(view: View, placement: Placement): void {
    const { life } = this;
    this.view = view;
    this.placement = placement;
    const me = this.ports.me();
    const members = isListed(view, me) ? view.members.map(({ incarnation }) => incarnation) : [];
    const ownerOf = (place: number): string | undefined => placement.placeOwner(place);
    this.links.onView(members);
    const isTaken = life.countries.onView(view.epoch, members, me, ownerOf);
    life.areas.onView(view.epoch, members, me, ownerOf);
    life.published.onView(members, ownerOf, isTaken);
    if (isTaken) this.asking.restart();
  }

  /** R8: what was known and said under another incarnation counts for nothing. */
  onExpelled(): void {
    const { life } = this;
    this.former = life.figures(this.ports.nowMs(), this.former);
    this.life = this.newLife();
    life.close();
    this.links.onView([]);
    this.asking.restart();
  }

  /** Nothing more is asked of others. */
  close(): void {
    this.life.close();
  }

  /** R21: I serve a partition now. */
  onTaken(partition: number): void {
    this.life.countries.sender.take(partition);
  }

  /** I serve it no longer. */
  onDropped(partition: number): void {
    this.life.countries.sender.drop(partition);
  }

  /** To be called some 50 times a second. */
  tick(): void {
    const { life, links } = this;
    const nowMs = this.ports.nowMs();
    const isBeat = nowMs - this.beatAtMs >= BEAT_MS;
    if (isBeat) this.beatAtMs = nowMs;
    const isForBeats = isBeat || this.links.hasLostBeats;
    life.published.tick(this.ports.wallMs());
    life.tellMyself(this.ports.me(), isBeat, isForBeats, nowMs);
    for (const [member, link] of links.all) {
      if (member === this.ports.me()) continue;
      const isForBeat = isBeat || link.isBeatLost;
      if (isForBeat ? this.isOwed(member, link, nowMs) : this.isDue(member, link, nowMs))
        void this.tell(member, link, isForBeat);
    }
    if (isBeat) life.publisher.tick();
    this.asking.tick();
    life.subdivisions.tick();
    life.insides.tick();
  }

  /**
   * A message of a peer.
   * @throws {MalformedMessageError} (rejects) if it is none; nothing was taken in then
   */
  async receive(from: string, epoch: number, delayMs: number, body: Uint8Array): Promise<Uint8Array> {
    const message = decodeCounts(body, this.engine.partitions.length);
    return encodeCounts(await this.answer(from, epoch, delayMs, message));
  }

  /** From the read view; of a subdivision what was heard last, and its owner is asked as long as somebody wants to know. */
  regionView(place: number): RegionView {
    const { countries, areas, subdivisions } = this.life;
    const nowMs = this.ports.nowMs();
    if (isSubdivision(place)) return keptView(place, subdivisions.of(place), nowMs);
    return (isArea(place) ? areas : countries).views.of(place, nowMs);
  }

  /** What is published of a region, where there is a privacy floor. */
  publishedView(region: number): PublishedView {
    return this.life.published.of(region, this.ports.nowMs());
  }

  /**
   * R24: a place's counts from its owner, but for an area with every report acknowledged before this was called.
   * @returns `undefined` where no owner answered until then
   */
  async askOwner(place: number, untilMs: number): Promise<RegionView | undefined> {
    return this.asking.askOwner(place, untilMs);
  }

  /** R31: a subdivision's counts, at most a second old; `settle` is told `undefined` where nobody answered until then. */
  askSubdivision(subdivision: number, untilMs: number, settle: (view: RegionView | undefined) => void): void {
    const { life } = this;
    life.subdivisions.ask(subdivision, untilMs, (kept) =>
      settle(kept && keptView(subdivision, kept, this.ports.nowMs())),
    );
  }

  /** R31: who is in the subdivisions of a country, likewise. */
  askInside(country: number, untilMs: number, settle: (inside: Inside | undefined) => void): void {
    this.life.insides.ask(country, untilMs, (kept) => {
      const isOld = kept !== undefined && this.ports.nowMs() - kept.askedAtMs > KEPT_MS;
      settle(kept && { ...kept.answer, isStale: kept.answer.isStale || isOld });
    });
  }

  /** A beat goes to whoever is told something with each; to the others a word now and then. */
  private isOwed(member: string, link: Link, nowMs: number): boolean {
    const { countries, areas } = this.life;
    if (!this.links.hasRoom(link)) return false;
    return countries.isOwed(member) || areas.isOwed(member) || this.links.isQuiet(link, nowMs);
  }

  /**
   * Whether there is something that cannot wait for the next beat. With a privacy floor everything can: else a count that is
   * not published would hold up one that is, where messages take long.
   */
  private isDue(member: string, link: Link, nowMs: number): boolean {
    const { countries, areas } = this.life;
    return (
      this.floor === 0 && this.links.isFree(link) && (countries.isDue(member, nowMs) || areas.isDue(member, nowMs))
    );
  }

  private async tell(member: string, link: Link, isBeat: boolean): Promise<void> {
    const { life } = this;
    const { epoch } = this.view;
    const nowMs = this.ports.nowMs();
    const [countries, areas] = [life.countries.build(member, isBeat, nowMs), life.areas.build(member, isBeat, nowMs)];
    const tables = isBeat ? life.published.build(member) : NO_TABLES;
    const message: Tell = { kind: "tell", countries, areas, tables };
    link.isBeatLost = false;
    const told = await this.links.tell(member, link, message, CALL_TIMEOUT_MS);
    if (isBeat && told?.isOtherEpoch === true) link.isBeatLost = true;
    if (told === undefined || told.isOtherEpoch || life !== this.life) return;
    this.wholesAsked += told.countries.sources.length + told.areas.sources.length;
    const isSameEpoch = this.view.epoch === epoch;
    life.countries.acknowledge(member, countries, told.countries, isSameEpoch);
    life.areas.acknowledge(member, areas, told.areas, isSameEpoch);
    if (isSameEpoch) life.published.acknowledge(member, tables);
  }

  private async answer(from: string, epoch: number, delayMs: number, message: CountsMessage): Promise<CountsMessage> {
    const isOtherEpoch = epoch !== this.view.epoch;
    switch (message.kind) {
      case "tell":
        if (!isOtherEpoch) return this.takeIn(from, message, this.ports.nowMs() - delayMs);
        return { kind: "told", isOtherEpoch, countries: NOTHING_NEEDED, areas: NOTHING_NEEDED };
      case "flush":
        return this.asking.flushFor(from, epoch, message);
      case "ask":
        return { kind: "asked", boards: await this.asking.boardsOf(message.places, message.isFlushed) };
      case "list":
        return { kind: "listed", inside: this.asking.insideOf(message.country) };
      default:
        throw new MalformedMessageError(1, `must hold: a request, not ${message.kind}`);
    }
  }

  private takeIn(from: string, { countries, areas, tables }: Tell, asOfMs: number): CountsMessage {
    const { life } = this;
    const needs = {
      countries: life.countries.takeIn(from, countries, asOfMs),
      areas: life.areas.takeIn(from, areas, asOfMs),
    };
    if (tables.number > 0) life.published.apply(from, tables, countries.boards.isStale, asOfMs);
    return { kind: "told", isOtherEpoch: false, ...needs };
  }

  private newLife(): Life {
    const { engine, ports, floor } = this;
    return new Life(engine, floor, {
      ...ports,
      mayPublish: (life) => ports.mayPublish() && life === this.life,
      askKnown: (subdivisions) => this.asking.askKnown(subdivisions),
      askInside: (countries) => this.asking.askInside(countries),
    });
  }
}

function keptView(place: number, kept: Kept<RegionView> | undefined, nowMs: number): RegionView {
  if (kept === undefined) return unknownRegion(place, nowMs);
  return { ...kept.answer, isStale: kept.answer.isStale || nowMs - kept.askedAtMs > KEPT_MS };
}

function* modesOf(cells: Iterable<number>): Generator<number> {
  for (const cell of cells) yield cell & MODE_MASK;
}
