/**
 * Holds every answer about a place against what clients were told (`Ledger`): who must be counted there is, who may be is
 * perhaps, nobody else, and nobody twice; and an answer that may be older than it should be says so.
 */
import type { RegionView } from "../cluster/cluster-node.ts";
import type { Ranked } from "../engine/board.ts";
import { areasOf, COUNTRIES, countryOf, isArea, isSubdivision } from "../engine/places.ts";
import { codeOf, modeOfPlace, regionOfPlace } from "./crowd.ts";
import { NOWHERE } from "./ledger.ts";
import type { SimulatedNode } from "./simulated-node.ts";
import type { World } from "./world.ts";

/** How far an unmarked answer may be behind: the promise, where nothing was disturbed; else until it must be marked. */
interface Freshness {
  readonly behindMs: number;
  readonly markedMs: number;
  /** How many times it waits for a node's tick or a message. */
  readonly waits: number;
}
const OF_COUNTRIES: Freshness = { behindMs: 200, markedMs: 600, waits: 2 };
/** R31: from a country's owner to an area's: a level more, which may be unheard as long. */
const OF_AREAS: Freshness = { behindMs: 500, markedMs: 900, waits: 3 };
const OF_SUBDIVISIONS: Freshness = { behindMs: 1000, markedMs: 1050, waits: 2 };
/** An answer about a subdivision is kept so long although nobody wants it, and then shown, marked. */
const KEPT_MS = 4000;
/** Reads of a disturbed time that are longer ago cannot be judged: ledgers forget. */
const JUDGED_MS = 25_000;

/** The least and the most players of each mode. */
interface Range {
  must: number;
  may: number;
}
type ByMode = Map<string, Range>;
/** By region, country and area. */
type Bounds = ReadonlyMap<number, ByMode>;

export class CountsChecker {
  private readonly world: World;
  /** The bounds that were asked for last: many are, at the end of a run, at one moment. */
  private known: { readonly fromMs: number; readonly untilMs: number; readonly bounds: Bounds } | undefined;
  private readonly newest = new Map<string, { term: number; version: number }>();

  constructor(world: World) {
    this.world = world;
  }

  /** Reads all boards at a node, as any client may. */
  readViews(node: SimulatedNode): void {
    const { world } = this;
    // Where it waits for nothing that comes, it gives up waiting.
    const isNew = world.nowMs - (node.listedSinceMs ?? world.nowMs) < world.settings.clusterKey.leaseMs;
    for (const place of world.crowd.places) {
      const view = node.node.regionView(place);
      if (view.term === 0 && isSubdivision(place)) continue; // it asks from now on
      if (view.term === 0 && isNew) world.fail(`${node.name} is ready and knows nothing of ${codeOf(place)}`);
      this.checkView(node, view, place, `${node.name}'s view of`);
    }
  }

  /** A view, whether it is marked or not. */
  private checkView(node: SimulatedNode, view: RegionView, place: number, by: string): void {
    const { world } = this;
    this.checkForm(view, place, by);
    this.checkOrder(node, view);
    world.tally.reads++;
    const freshSinceMs = this.freshSince(place);
    if (view.isComplete && !view.isStale) return this.checkCounts(view, this.bounds(freshSinceMs, world.nowMs), by);
    // R22: until a new owner's board is whole, and has come here, what the former one said stands.
    const sinceMs = Math.min(world.unsettled.sinceMs(world.nowMs, this.riseMs(place)), freshSinceMs);
    const isLongReady = node.readySinceMs !== undefined && node.readySinceMs < sinceMs - 1000;
    if (!isLongReady || world.nowMs - sinceMs >= JUDGED_MS) return;
    const oldSinceMs = sinceMs - 1500 - (isSubdivision(place) ? KEPT_MS : 0);
    this.checkCounts(view, this.bounds(oldSinceMs, world.nowMs), `${by} marked`);
  }

  /** An unmarked answer that comes now is as of then, or later. */
  private freshSince(place: number): number {
    const { world } = this;
    if (!world.isDisturbed) return world.nowMs - this.riseMs(place);
    return world.nowMs - (freshnessOf(place).markedMs + 2 * this.delayMs(place));
  }

  /** How long counts take from the players to an answer while nothing is disturbed. */
  private riseMs(place: number): number {
    return freshnessOf(place).behindMs + this.delayMs(place);
  }

  private delayMs(place: number): number {
    return freshnessOf(place).waits * (this.world.settings.tickMs * 1.1 + 5);
  }

  /** Asks for a place in one of the ways that there are. */
  ask(node: SimulatedNode, place: number): void {
    const way = this.world.random.fraction();
    if (isSubdivision(place) && way < 0.5) this.askSubdivision(node, place);
    else if (place < COUNTRIES && way < 0.2) this.askInside(node, place);
    else this.askOwner(node, place);
  }

  /** Asks the place's owner through a node. `onEnd` is told the answer. */
  askOwner(node: SimulatedNode, place: number, onEnd?: (view: RegionView | undefined) => void): void {
    const { world } = this;
    const askedMs = world.nowMs;
    const sinceMs = isArea(place) ? this.freshSince(place) : askedMs;
    node.node.askOwner(place, (view) => {
      onEnd?.(view);
      if (view === undefined) return;
      const by = `asked through ${node.name} (at ${askedMs.toFixed(1)}), the owner of`;
      world.tally.reads++;
      this.checkForm(view, place, by);
      if (view.isComplete && !view.isStale) this.checkCounts(view, this.bounds(sinceMs, world.nowMs), by);
    });
  }

  /** R31: as who waits for a subdivision's counts. */
  askSubdivision(node: SimulatedNode, place: number, onEnd?: (view: RegionView | undefined) => void): void {
    node.node.askSubdivision(place, (view) => {
      onEnd?.(view);
      if (view !== undefined) this.checkView(node, view, place, `${node.name}, asked for`);
    });
  }

  /** R31: who is in a country's subdivisions. */
  private askInside(node: SimulatedNode, country: number): void {
    const { world } = this;
    node.node.askInside(country, (inside) => {
      if (inside === undefined || !inside.isComplete || inside.isStale) return;
      world.tally.reads++;
      const bounds = this.bounds(this.freshSince(world.crowd.places.find(isSubdivision) ?? country), world.nowMs);
      const counts = new Map(inside.subdivisions.map(({ region, players }) => [region, players]));
      for (const subdivision of world.crowd.regions) {
        if (!isSubdivision(subdivision) || countryOf(subdivision) !== country) continue;
        const ranges = [...(bounds.get(subdivision)?.values() ?? [])];
        const players = counts.get(subdivision) ?? 0;
        const [least, most] = [sumOf(ranges, "must"), sumOf(ranges, "may")];
        if (players < least || players > most)
          world.fail(
            `${node.name} lists ${codeOf(subdivision)} with ${players} players, it must be ${least} to ${most}`,
          );
      }
    });
  }

  private checkForm(view: RegionView, region: number, by: string): void {
    const sum = view.top.reduce((players, ranked) => players + ranked.players, 0);
    const isRanked = view.top.slice(1).every((one, at) => {
      const above = view.top[at] as Ranked;
      return one.players < above.players || (one.players === above.players && one.mode > above.mode);
    });
    const isSound =
      view.region === region && view.players === sum && isRanked && view.top.every(({ players }) => players > 0);
    if (!isSound) this.world.fail(`${by} ${codeOf(region)} is malformed: ${JSON.stringify(view)}`);
  }

  /** A view never goes back. */
  private checkOrder(node: SimulatedNode, { region, term, version }: RegionView): void {
    const key = `${node.node.incarnation} ${region}`;
    const last = this.newest.get(key);
    if (last !== undefined && (term < last.term || (term === last.term && version < last.version)))
      this.world.fail(
        `${node.name}'s view of ${codeOf(region)} went back from ${last.term}.${last.version} to ${term}.${version}`,
      );
    this.newest.set(key, { term, version });
  }

  private checkCounts(view: RegionView, bounds: Bounds, by: string): void {
    for (const { name, players, least, most } of misfits(view, view.region, bounds))
      this.world.fail(
        `${by} ${name} says ${players} players, it must be ${least} to ${most} (${view.term}.${view.version})`,
      );
  }

  private bounds(fromMs: number, untilMs: number): Bounds {
    const { known } = this;
    if (known?.fromMs === fromMs && known.untilMs === untilMs) return known.bounds;
    const bounds = this.boundsAnew(fromMs, untilMs);
    this.known = { fromMs, untilMs, bounds };
    return bounds;
  }

  /** A ledger says something else now. */
  onLedger(): void {
    this.known = undefined;
  }

  private boundsAnew(fromMs: number, untilMs: number): Bounds {
    const bounds = new Map<number, ByMode>();
    const { lifeMs } = this.world;
    for (const { ledger } of this.world.crowd.players) {
      const only = ledger.onlySince(fromMs);
      const places = only === undefined ? [...ledger.possible(fromMs, untilMs)] : [only];
      const isAlive = ledger.isAlive(untilMs, lifeMs);
      for (const holders of [regionAlone, countryAlone]) addPlayer(bounds, places, holders, isAlive);
    }
    for (const country of [...bounds.keys()].filter((place) => place < COUNTRIES)) addCountry(bounds, country);
    return bounds;
  }

  // The end: every answer must be exact.

  /** What is wrong with an answer now that each must be exact. */
  whyNotExact(view: RegionView | undefined, region: number): string | undefined {
    if (view === undefined) return "nobody answered";
    if (!view.isComplete) return "not complete";
    if (view.isStale) return "stale";
    const bounds = this.bounds(this.world.nowMs, this.world.nowMs);
    for (const { name, players, least, most } of misfits(view, region, bounds))
      return `${name} has ${players} instead of ${least} to ${most}`;
    return undefined;
  }
}

function freshnessOf(place: number): Freshness {
  if (isArea(place)) return OF_AREAS;
  return isSubdivision(place) ? OF_SUBDIVISIONS : OF_COUNTRIES;
}

interface Misfit {
  readonly name: string;
  readonly players: number;
  readonly least: number;
  readonly most: number;
}

/** The modes of a place in which a view has fewer or more players than there can be. */
function* misfits(view: RegionView, place: number, bounds: Bounds): Generator<Misfit> {
  const counts = new Map(view.top.map(({ mode, players }) => [mode, players]));
  const ranges = bounds.get(place) ?? new Map<string, Range>();
  for (const mode of new Set([...counts.keys(), ...ranges.keys()])) {
    const [players, least, most] = [counts.get(mode) ?? 0, ranges.get(mode)?.must ?? 0, ranges.get(mode)?.may ?? 0];
    if (players < least || players > most) yield { name: `${codeOf(place)}/${mode}`, players, least, most };
  }
}

function regionAlone(region: number): number | undefined {
  return isSubdivision(region) ? region : undefined;
}

const countryAlone = (region: number): number => countryOf(region);

/** A player counts once in a place, wherever in it. */
function addPlayer(
  bounds: Map<number, ByMode>,
  places: readonly number[],
  holderOf: (region: number) => number | undefined,
  isAlive: boolean,
): void {
  const seen = new Map<string, [holder: number, mode: string, times: number]>();
  for (const place of places) {
    const holder = place === NOWHERE ? undefined : holderOf(regionOfPlace(place));
    if (holder === undefined) continue;
    const mode = modeOfPlace(place);
    const key = `${holder} ${mode}`;
    seen.set(key, [holder, mode, (seen.get(key)?.[2] ?? 0) + 1]);
  }
  for (const [holder, mode, times] of seen.values()) {
    const range = rangeOf(bounds, holder, mode);
    range.may++;
    if (isAlive && times === places.length) range.must++;
  }
}

/** R31: countries reach an area each by itself: who crosses a border may for a moment show in both, or in neither. */
function addCountry(bounds: Map<number, ByMode>, country: number): void {
  for (const area of areasOf(country))
    for (const [mode, { must, may }] of bounds.get(country) ?? []) {
      const range = rangeOf(bounds, area, mode);
      range.must += must;
      range.may += may;
    }
}

function rangeOf(bounds: Map<number, ByMode>, place: number, mode: string): Range {
  let ranges = bounds.get(place);
  if (ranges === undefined) bounds.set(place, (ranges = new Map()));
  let range = ranges.get(mode);
  if (range === undefined) ranges.set(mode, (range = { must: 0, may: 0 }));
  return range;
}

function sumOf(ranges: readonly Range[], which: keyof Range): number {
  return ranges.reduce((sum, range) => sum + range[which], 0);
}
