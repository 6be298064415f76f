/**
 * What one incarnation of this node has said and heard of counts (R8): both levels, what is published, and what others said of
 * subdivisions. Counts rise through it from partitions to countries, to areas, to what is answered here.
 */
import type { Engine } from "../../engine/engine.ts";
import { COUNTRIES, isArea } from "../../engine/places.ts";
import type { ProfileId } from "../../engine/profile-id.ts";
import type { AskedLife } from "./asking.ts";
import { BoardPublisher, type BoardSource } from "./board-publisher.ts";
import { CountryCounts, PartitionCounts } from "./count-sources.ts";
import type { Inside } from "./counts-messages.ts";
import { KeptAnswers } from "./kept-answers.ts";
import { Level } from "./level.ts";
import { Published } from "./published.ts";
import type { PublishAnswer, PublishedBoard } from "../ports/shared-store.ts";
import type { RegionView } from "./read-views.ts";
import { RegionBoards } from "./region-boards.ts";
import { AREA_SUMS, countrySums } from "./sums.ts";
import type { Speech, TallyPorts } from "./tally-sender.ts";

export interface LifePorts extends Omit<TallyPorts, "isStale"> {
  nowMs(): number;
  /** R16: whether the store has nothing more important to do, and this life is the present one. */
  mayPublish(life: Life): boolean;
  publish(place: number, board: PublishedBoard): Promise<PublishAnswer>;
  askKnown(subdivisions: readonly number[]): Promise<ReadonlyMap<number, RegionView>>;
  askInside(countries: readonly number[]): Promise<ReadonlyMap<number, Inside>>;
}

/** Since the start, or just now where it says so. */
export interface LifeFigures {
  /** R16: boards of which nobody knows whether they were published. */
  readonly publishFailures: number;
  /** R31: questions about a subdivision, or about those of a country. */
  readonly subdivisionsAsked: number;
  /** Just now: of which the next question goes as long as somebody wants to know. */
  readonly subdivisionsKept: number;
  /** Just now: countries and areas whose read view is stale. */
  readonly staleRegions: number;
  /** Just now: countries of which nothing is published, since there is a privacy floor. */
  readonly unpublishedRegions: number;
  /** Just now: countries whose owner has another privacy floor than this node. */
  readonly regionsOfOtherFloor: number;
}

/** What is counted over all lives. */
export type FormerFigures = Pick<LifeFigures, "publishFailures" | "subdivisionsAsked">;

/** R20, R23: looked at every 20 ms, so it comes every 100. */
export const BEAT_MS = 95;
/** Hashed with the cluster's key, it gives a number that nobody outside knows. */
const SALT_ID = Int32Array.of(1, 2, 3, 4) as ProfileId;

export class Life implements AskedLife {
  readonly countries: Level<number>;
  readonly areas: Level<string>;
  readonly published: Published;
  readonly publisher: BoardPublisher;
  /** R31: what others said of subdivisions, and of countries: who is in their subdivisions. */
  readonly subdivisions: KeptAnswers<RegionView>;
  readonly insides: KeptAnswers<Inside>;
  private readonly countryCounts: CountryCounts;
  private readonly floor: number;

  /** @param floor the privacy floor; 0: none */
  constructor(engine: Engine, floor: number, ports: LifePorts) {
    const salt = engine.hash(SALT_ID);
    const sums = countrySums(engine.partitions.length);
    const boards = new RegionBoards(sums, salt, (country, mode) => this.countryCounts.note(country, mode));
    const areaBoards = new RegionBoards(AREA_SUMS, salt);
    const nowMs = (): number => ports.nowMs();
    this.floor = floor;
    this.countryCounts = new CountryCounts(boards);
    this.countries = new Level(
      sums,
      boards,
      new PartitionCounts(engine),
      { speaks: (partition) => ports.speaks(partition), unreadable: () => ports.unreadable(), isStale: () => false },
      { pushEveryMs: BEAT_MS, isOnBeats: false },
    );
    this.areas = new Level(
      AREA_SUMS,
      areaBoards,
      this.countryCounts,
      {
        speaks: (country) => speechOf(boards, country),
        unreadable: () => [],
        isStale: () => boards.isStale(ports.nowMs()),
      },
      { pushEveryMs: BEAT_MS, isOnBeats: true },
    );
    this.published = new Published(floor, boards);
    this.publisher = new BoardPublisher(floor === 0 ? bothLevels(boards, areaBoards) : this.published, {
      nowMs,
      mayPublish: () => ports.mayPublish(this) && !boards.isStale(ports.nowMs()),
      publish: (place, board) => ports.publish(place, board),
    });
    this.subdivisions = new KeptAnswers({ nowMs, ask: (places) => ports.askKnown(places) });
    this.insides = new KeptAnswers({ nowMs, ask: (countries) => ports.askInside(countries) });
  }

  /** It is over: whoever waits for what others say is told what is known. */
  close(): void {
    this.subdivisions.close();
    this.insides.close();
  }

  /** @param former what lives before this one counted */
  figures(nowMs: number, former: FormerFigures): LifeFigures {
    const { countries, areas, published, publisher, subdivisions, insides, floor } = this;
    const isUnpublished = (_: unknown, country: number): boolean => published.of(country, nowMs).table === undefined;
    return {
      publishFailures: former.publishFailures + publisher.failures,
      subdivisionsAsked: former.subdivisionsAsked + subdivisions.asked + insides.asked,
      subdivisionsKept: subdivisions.size + insides.size,
      staleRegions: countries.views.staleCount(nowMs) + areas.views.staleCount(nowMs),
      unpublishedRegions: floor === 0 ? 0 : Array.from({ length: COUNTRIES }).filter(isUnpublished).length,
      regionsOfOtherFloor: published.regionsOfOtherFloor,
    };
  }

  /**
   * Takes in what this node says to itself, level by level. Then all is ready to be told to others.
   * @param isForBeats whether somebody is told a beat
   */
  tellMyself(me: string, isBeat: boolean, isForBeats: boolean, nowMs: number): void {
    const { countries, areas, published } = this;
    if (isForBeats) countries.sender.restate();
    countries.sender.look();
    countries.tallyMyself(me, isBeat, nowMs);
    this.noteCountries();
    if (isForBeats) areas.sender.restate();
    areas.sender.look();
    areas.tallyMyself(me, isBeat, nowMs);
    const touched = areas.noteTouched();
    if (this.floor === 0) this.publisher.note(touched);
    countries.pushToMyself(me, isBeat, nowMs);
    areas.pushToMyself(me, isBeat, nowMs);
    if (isBeat) published.onBeat(me, countries.boards.isStale(nowMs), nowMs);
  }

  /** Tells those who send boards which may have changed; R31: areas are told of countries that are whole. */
  private noteCountries(): void {
    const { countries, areas, publisher, published } = this;
    const touched = countries.noteTouched();
    publisher.note(this.floor === 0 ? touched : published.takeTouched());
    for (const country of touched) {
      const standing = countries.boards.standing(country);
      const isTold = standing?.isWhole === true;
      if (isTold && !areas.sender.holds(country)) areas.sender.take(country);
      if (!isTold && areas.sender.holds(country)) areas.sender.drop(country);
      if (standing === undefined) this.countryCounts.forget(country);
    }
  }
}

/** R31: of a country whose board is whole; what its owner knows of the others is not all. */
function speechOf(boards: RegionBoards, country: number): Speech | undefined {
  const standing = boards.standing(country);
  if (standing?.isWhole !== true) return undefined;
  return { term: standing.term, isDoubtful: !standing.isComplete, isLicensed: true };
}

function bothLevels(countries: RegionBoards, areas: RegionBoards): BoardSource {
  const of = (place: number): RegionBoards => (isArea(place) ? areas : countries);
  return {
    owns: (place) => of(place).owns(place),
    state: (place) => of(place).state(place),
    playersByMode: (place) => of(place).playersByMode(place),
  };
}
