/** The entry of a node that is alone: all partitions are here, so every call goes straight to their presences. */
import type { Presences, ReportOutcome } from "../../cluster/records/presences.ts";
import {
  type Done,
  isModeLost,
  type Outcome,
  type Place,
  type PlayerRequest,
  type Refused,
} from "../../cluster/ports/rows.ts";
import type { Ranked } from "../../engine/board.ts";
import type { ReportEffect } from "../../engine/partition.ts";
import type { Verdict } from "../../engine/catalogue.ts";
import { NO_ENTITLEMENTS } from "../../engine/entitlement.ts";
import type { Stamp } from "../../engine/standings.ts";
import { emptyProfileId, type ProfileId } from "../../engine/profile-id.ts";
import { PublishedTables, type WholeCounts } from "../../engine/published-tables.ts";
import { COUNTRIES, countriesOf, rankRegions, subdivisionsOf, WORLD } from "../../engine/places.ts";
import {
  type Entry,
  type Noted,
  type Overview,
  readId,
  type RegionCounts,
  type Reports,
  type ReportsOutcome,
  type Wholeness,
} from "../entry.ts";
import { PublishedEntry } from "../published-entry.ts";

/** Rows whose cache misses overlap: see Engine.warm. */
const ROWS_WARMED = 64;

type Effect = Done["effect"];

export class EntryAlone implements Entry {
  private readonly presences: Presences;
  /** The term under which the partitions were taken. */
  private readonly term: number;
  readonly published: PublishedEntry | undefined;
  private readonly tables: PublishedTables | undefined;

  /** @param floor the privacy floor; 0: none */
  constructor(presences: Presences, term: number, floor: number) {
    this.presences = presences;
    this.term = term;
    if (floor === 0) return;
    const tables = new PublishedTables(floor, (region) => this.wholeCounts(region));
    for (let region = 0; region < COUNTRIES; region++) tables.take(region);
    this.tables = tables;
    this.published = new PublishedEntry((region) => {
      tables.follow(region);
      return { table: tables.of(region), isStale: false, ageMs: 0 };
    });
  }

  /** To be called some 50 times a second. @param wallMs for whole minutes, at which published tables are decided */
  tick(wallMs: number): void {
    this.tables?.decide(wallMs);
  }

  submit(request: PlayerRequest, settle: (outcome: Outcome) => void, note?: Noted): void {
    const { operation, id, seq } = request;
    const { presences } = this;
    const hash = presences.engine.hash(id);
    const tooOften = presences.tooOften(request, hash);
    if (tooOften !== undefined) return settle(tooOften);
    switch (operation) {
      case "report": {
        const outcome = presences.report(hash, id, request);
        if (isRefused(outcome)) return settle(REFUSED[outcome]);
        const place = outcome === "late" ? this.knownPlaceOf(hash, id) : undefined;
        const stamp =
          request.isPlay === true ? presences.standings.play(hash, id, request, outcome, this.term) : undefined;
        return this.settleDone(hash, outcome, place, settle, note, stamp);
      }
      case "end":
        return this.settleDone(
          hash,
          presences.standings.end(hash, id, request.stamp as Stamp),
          undefined,
          settle,
          note,
        );
      case "renew":
        if (request.stamp !== undefined)
          return this.settleDone(hash, presences.standings.renew(hash, id, request.stamp), undefined, settle, note);
        return this.renew(hash, request, settle, note);
      case "remove":
        return this.settleDone(hash, presences.remove(hash, id, seq), undefined, settle, note);
      case "find": {
        const place = this.placeOf(hash, id);
        if (place !== undefined && isModeLost(place)) return settle(NOT_KNOWN);
        return this.settleDone(
          hash,
          place !== undefined && place.region >= 0 ? "found" : "nowhere",
          place,
          settle,
          note,
        );
      }
      default:
        operation satisfies never;
    }
  }

  private renew(
    hash: number,
    { id, isPlaceAsked }: PlayerRequest,
    settle: (outcome: Outcome) => void,
    note: Noted | undefined,
  ): void {
    if (!this.presences.renew(hash, id)) return this.settleDone(hash, "nowhere", undefined, settle, note);
    this.settleDone(hash, "renewed", isPlaceAsked === true ? this.knownPlaceOf(hash, id) : undefined, settle, note);
  }

  submitAll(reports: Reports, settle: (outcome: ReportsOutcome) => void): void {
    const batch = new Batch(this.presences, reports);
    batch.apply();
    const { accepted, changed, changedBy, renewed, late, removed, nowhere, refused } = batch;
    this.presences.whenAllRemembered(hashes, accepted, (remembered) =>
      settle({ changed, changedBy, renewed, late, removed, nowhere, remembered, refused }),
    );
  }

  regionCounts(place: number): RegionCounts {
    const board = this.presences.engine.boards.of(place);
    const { players, version } = board;
    const top = (limit: number): Ranked[] => board.top(limit);
    return { players, term: this.term, version, ageMs: 0, top, ...this.wholeness() };
  }

  /** What is known here is the whole. */
  askOwner(place: number, settle: (counts: RegionCounts) => void): void {
    settle(this.regionCounts(place));
  }

  askSubdivision(place: number, settle: (counts: RegionCounts) => void): void {
    settle(this.regionCounts(place));
  }

  askSubdivisions(country: number, settle: (overview: Overview) => void): void {
    settle(this.overviewOf(country, subdivisionsOf(country)));
  }

  overview(area = WORLD): Overview {
    return this.overviewOf(area, countriesOf(area));
  }

  players(): Wholeness & { readonly players: number } {
    return { players: this.presences.engine.boards.players, ...this.wholeness() };
  }

  private overviewOf(place: number, regions: readonly number[]): Overview {
    const { boards } = this.presences.engine;
    const { players } = boards.of(place);
    return { players, ...this.wholeness(), regions: rankRegions((region) => boards.of(region).players, regions) };
  }

  private wholeCounts(region: number): WholeCounts {
    const { boards, modes } = this.presences.engine;
    const { isComplete } = this.wholeness();
    return { board: boards.of(region), isComplete, find: (mode) => modes.peek(mode) };
  }

  private wholeness(): Wholeness {
    return this.presences.isComplete(performance.now()) ? COMPLETE : INCOMPLETE;
  }

  private settleDone(
    hash: number,
    effect: Effect,
    place: Place | undefined,
    settle: (outcome: Outcome) => void,
    note: Noted | undefined,
    stamp?: Stamp,
  ): void {
    note?.(effect, place);
    this.presences.whenRemembered(hash, (remembrance) => {
      const isRemembered = remembrance === "remembered";
      settle({ kind: "done", effect, isRemembered, place, stamp });
    });
  }

  /** `undefined` too where the player's mode was lost. */
  private knownPlaceOf(hash: number, id: ProfileId): Place | undefined {
    const place = this.placeOf(hash, id);
    return place === undefined || isModeLost(place) ? undefined : place;
  }

  private placeOf(hash: number, id: ProfileId): Place | undefined {
    const presence = this.presences.find(hash, id);
    if (presence === undefined) return undefined;
    return { region: presence.region, mode: presence.mode, ageMs: performance.now() - presence.seenMs };
  }
}

const NOT_KNOWN: Refused = { kind: "refused", reason: "mode not known" };
const COMPLETE: Wholeness = { isComplete: true, isStale: false };
const INCOMPLETE: Wholeness = { isComplete: false, isStale: false };

type Refusal = Exclude<ReportOutcome, "changed" | "renewed" | "late">;
const REFUSED: Readonly<Record<Refusal, Refused>> = {
  overloaded: { kind: "refused", reason: "overloaded" },
  "no room for the mode": { kind: "refused", reason: "no room for the mode" },
  "no room for the player": { kind: "refused", reason: "no room for the player" },
  "unknown mode": { kind: "refused", reason: "unknown mode" },
  "not entitled": { kind: "refused", reason: "not entitled" },
  "not offered": { kind: "refused", reason: "not offered" },
  retired: { kind: "refused", reason: "retired" },
  "switch forbidden": { kind: "refused", reason: "switch forbidden" },
};

function isRefused(outcome: ReportOutcome): outcome is Refusal {
  return outcome !== "changed" && outcome !== "renewed" && outcome !== "late";
}

const id = emptyProfileId();
const warmed = new Int32Array(ROWS_WARMED);
/** Of the batch at hand: the hashes of its accepted rows. A batch is applied in one go, so all use the same array. */
let hashes = new Int32Array(0);
/** The number of a mode that was not asked for yet, or for which there was no room: any row may have made some since. */
const NO_NUMBER = -1;
/** Whether the rules of a mode are to be asked; 0 where that was not looked up yet. */
const [FREE, RULED] = [1, 2];

/** Applies reports in their order and counts what became of them. */
class Batch {
  accepted = 0;
  changed = 0;
  renewed = 0;
  late = 0;
  removed = 0;
  nowhere = 0;
  readonly changedBy: Int32Array;
  readonly refused: { index: number; why: Refused }[] = [];
  private readonly presences: Presences;
  private readonly reports: Reports;
  /** The engine's numbers of the batch's modes: each is asked for when a row with it comes, until it has one. */
  private readonly modeNumbers: Int16Array;
  /** As of when they were asked for. */
  private removals: number;
  /** By mode, FREE or RULED: looked up once, so that a mode which asks nothing costs nothing for each row. */
  private readonly areRuled: Uint8Array;

  constructor(presences: Presences, reports: Reports) {
    this.presences = presences;
    this.reports = reports;
    this.changedBy = new Int32Array(reports.modes.length);
    this.modeNumbers = new Int16Array(reports.modes.length).fill(NO_NUMBER);
    this.removals = presences.engine.modes.removals;
    this.areRuled = new Uint8Array(reports.modes.length);
    if (hashes.length < reports.count) hashes = new Int32Array(reports.count);
  }

  apply(): void {
    const { count } = this.reports;
    // Whether there is room is decided for all of them: none of them waits for the store before all are applied.
    if (this.presences.isFull) for (let index = 0; index < count; index++) this.refuse(index, REFUSED.overloaded);
    else
      for (let first = 0; first < count; first += ROWS_WARMED)
        this.applySome(first, Math.min(first + ROWS_WARMED, count));
  }

  /** Applies reports `first` to `end` - 1, ROWS_WARMED of them at the most. */
  private applySome(first: number, end: number): void {
    const { engine } = this.presences;
    const { ids } = this.reports;
    for (let index = first; index < end; index++) {
      readId(ids, index, id);
      warmed[index - first] = engine.hash(id);
    }
    engine.warm(warmed, end - first);
    for (let index = first; index < end; index++) this.report(warmed[index - first] as number, index);
  }

  private report(hash: number, index: number): void {
    const { ids, regions, modeOf, seqs, leaves } = this.reports;
    readId(ids, index, id);
    if (leaves?.[index] === 1) return this.accept(hash, this.presences.remove(hash, id, seqs[index] as number), index);
    const verdict = this.isFree(modeOf[index] as number) ? undefined : this.verdict(hash, index);
    if (verdict === "late") return this.accept(hash, "late", index);
    if (verdict !== undefined) return this.refuse(index, REFUSED[verdict]);
    const mode = this.modeNumber(modeOf[index] as number);
    if (mode < 0) return this.refuse(index, REFUSED["no room for the mode"]);
    const effect = this.presences.engine.report(hash, id, regions[index] as number, mode, seqs[index] as number);
    if (effect === "full") return this.refuse(index, REFUSED["no room for the player"]);
    return this.accept(hash, effect, index);
  }

  private accept(hash: number, effect: Exclude<ReportEffect, "full"> | "removed" | "nowhere", index: number): void {
    this[effect]++;
    if (effect === "changed") (this.changedBy[this.reports.modeOf[index] as number] as number)++;
    hashes[this.accepted++] = hash;
  }

  private isFree(mode: number): boolean {
    const { areRuled, presences, reports } = this;
    if (areRuled[mode] === 0) areRuled[mode] = presences.catalogue.isFree(reports.modes[mode] as string) ? FREE : RULED;
    return areRuled[mode] === FREE;
  }

  /** Of the row whose id was read last. */
  private verdict(hash: number, index: number): Verdict | "late" | undefined {
    const { regions, modes, modeOf, seqs, entitlementsOf } = this.reports;
    return this.presences.verdict(hash, id, {
      region: regions[index] as number,
      mode: modes[modeOf[index] as number] as string,
      seq: seqs[index] as number,
      entitlements: entitlementsOf?.(index) ?? NO_ENTITLEMENTS,
    });
  }

  private modeNumber(mode: number): number {
    const { modeNumbers, presences, reports } = this;
    const { engine } = presences;
    const { removals, isCrowded } = engine.modes;
    const name = reports.modes[mode] as string;
    if (isCrowded) return engine.admitMode(name); // whether it may be used changes with every row
    if (removals !== this.removals) modeNumbers.fill(NO_NUMBER); // another name may have the number of one of them
    this.removals = removals;
    let number = modeNumbers[mode] as number;
    if (number < 0) modeNumbers[mode] = number = engine.admitMode(name);
    return number;
  }

  private refuse(index: number, why: Refused): void {
    this.refused.push({ index, why });
  }
}
