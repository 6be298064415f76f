/**
 * Holds every answer and every record against what clients were told (`Ledger`): what was acknowledged must be there,
 * what may have been sent may be, nothing else, and nobody twice.
 */
import type { RegionView } from "../cluster/cluster-node.ts";
import type { ClusterKey } from "../cluster/ports/shared-store.ts";
import type { Done, Outcome, Place } from "../cluster/ports/rows.ts";
import { isVerdict } from "../engine/catalogue.ts";
import type { Ranked } from "../engine/board.ts";
import { describe, type End, nameOfPlace, placeOf, type Player, regionOfPlace, type Request } from "./crowd.ts";
import { type Change, NOWHERE } from "./ledger.ts";
import { partitionOf, Records } from "./records.ts";
import { RulesChecker } from "./rules-checker.ts";
import type { SimulatedNode } from "./simulated-node.ts";
import type { World } from "./world.ts";

/** How far an unmarked answer may be behind: the promise, where nothing was disturbed; else until it must be marked. */
const BEHIND_MS = 200;
const MARKED_MS = 600;
/** Reads of a disturbed time that are longer ago cannot be judged: ledgers forget. */
const JUDGED_MS = 25_000;

/** The least and the most players by place. */
interface Bounds {
  readonly must: ReadonlyMap<number, number>;
  readonly may: ReadonlyMap<number, number>;
}

export class Checker {
  readonly rules: RulesChecker;
  private readonly world: World;
  private readonly records = new Records();
  private byPartition: Player[][] = [];
  /** False while the store is known to have less, and somebody else knows it all. */
  areRecordsChecked = true;
  /** Partitions whose records were flushed, until somebody writes them back: nobody who does not write hears of it. */
  readonly flushed = new Set<number>();
  /** The cluster has another key from now on: the records of the former one are gone (R12). */
  onOtherKey: () => void = () => undefined;
  private hashed: (player: Player) => number = () => 0;
  private indexedKey: ClusterKey | undefined;
  private indexedCount = 0;
  /** The bounds that were asked for last: many are, at the end of a run, at one moment. */
  private known: { readonly fromMs: number; readonly untilMs: number; readonly bounds: Bounds } | undefined;
  private readonly newest = new Map<string, { term: number; version: number }>();

  constructor(world: World) {
    this.world = world;
    this.rules = new RulesChecker(world);
  }

  /** Which players are in which partition follows from the key that the cluster was founded with. */
  private index(): void {
    const { key } = this.world.store.model;
    const { length } = this.world.crowd.players;
    if (key === undefined || (key === this.indexedKey && length === this.indexedCount)) return;
    const isOther = this.indexedKey !== undefined && this.indexedKey.hashKey.join() !== key.hashKey.join();
    this.indexedKey = key;
    this.indexedCount = length;
    const of = partitionOf(key.hashKey, key.partitions);
    this.hashed = ({ id }) => of(id);
    this.byPartition = Array.from({ length: key.partitions }, () => []);
    for (const player of this.world.crowd.players) (this.byPartition[this.hashed(player)] as Player[]).push(player);
    if (isOther) this.onOtherKey();
  }

  partitionOf(player: Player): number {
    this.index();
    return this.hashed(player);
  }

  // Answers to requests about players.

  onOutcome(
    request: Request,
    change: Change | undefined,
    sentMs: number,
    latestMs: number,
    outcome: Outcome,
    by: string,
  ): End {
    const { world } = this;
    const { ledger } = request.player;
    if (outcome.kind === "refused") {
      world.tally.refusals++;
      const isForbidden = isVerdict(outcome.reason);
      if (isForbidden) world.tally.ruledOut++;
      if (change !== undefined && outcome.reason === "no owner") ledger.giveUp(change, latestMs, world.nowMs);
      else if (change !== undefined) ledger.cancel(change, world.nowMs);
      return isForbidden ? "forbidden" : "again";
    }
    this.judge(request, sentMs, outcome, by);
    if (!outcome.isRemembered) {
      world.tally.counted++;
      if (change !== undefined) ledger.giveUp(change, world.nowMs, world.nowMs);
      return "again";
    }
    world.tally.acknowledgements++;
    this.learn(request, change, sentMs, outcome);
    if (change !== undefined) this.checkRecord(request.player, `${by} acknowledged a ${request.operation}`);
    return "acknowledged";
  }

  /** Whether an answer may be true. */
  private judge(request: Request, sentMs: number, outcome: Done, by: string): void {
    const { world } = this;
    const { operation, player } = request;
    const { ledger } = player;
    const said = (): string => `${by} answered ${operation} of ${ledger.name} with: ${describe(outcome)}`;
    const fits = EFFECTS[operation].includes(outcome.effect);
    if (!fits) world.fail(`${said()}, which is no answer to that`);
    if (outcome.effect === "nowhere") {
      const place = ledger.certain(sentMs, world.nowMs, world.lifeMs);
      if (place !== undefined && place !== NOWHERE) world.fail(`${said()}, but the player is at ${nameOfPlace(place)}`);
    }
    if (outcome.place === undefined || !outcome.isRemembered) return;
    const place = numberOf(outcome.place);
    if (!ledger.allows(place, sentMs, world.nowMs, world.lifeMs))
      world.fail(`${said()}; possible: ${this.possible(player, sentMs)}`);
  }

  private learn(request: Request, change: Change | undefined, sentMs: number, { effect, place }: Done): void {
    const { world } = this;
    const { ledger } = request.player;
    const stands = place === undefined ? undefined : numberOf(place);
    if (change !== undefined || effect === "renewed") world.devices.noteHeard(request.player, sentMs);
    // What is late may have been done before: by a first sending whose answer was lost.
    if (effect === "late" && change !== undefined && stands !== change.place) ledger.cancel(change, world.nowMs);
    else if (change !== undefined)
      ledger.acknowledge(change, effect !== "late" && request.operation === "report", world.nowMs);
    else if (effect === "renewed") ledger.renew(sentMs, world.nowMs);
    if ((effect === "late" || effect === "found") && stands !== undefined) ledger.found(stands, sentMs, world.nowMs);
  }

  // Records.

  /** After every step of the store: a record holds what was acknowledged. */
  onStoreStep(tag: number): void {
    this.index();
    const { tagsCount, records } = this.world.store.model;
    for (let partition = tag; partition < this.byPartition.length; partition += tagsCount) {
      const players = this.byPartition[partition] as Player[];
      if (players.length === 0 || this.records.isKnown(partition, records.get(partition))) continue;
      for (const player of players) this.checkRecord(player, "a step of the store");
    }
  }

  private checkRecord(player: Player, after: string): void {
    if (!this.areRecordsChecked) return;
    const { world } = this;
    const partition = this.partitionOf(player);
    const record = world.store.model.records.get(partition);
    if (record === undefined && this.flushed.has(partition)) return;
    this.flushed.delete(partition);
    const place = (record && this.records.placesOf(partition, record).get(player.id[0])) ?? NOWHERE;
    world.tally.recordsChecked++;
    if (player.ledger.allowsRecorded(place, world.nowMs, world.lifeMs)) return;
    const claim = record?.claim;
    const has = `after ${after}, record ${partition} (term ${claim?.term} of ${claim?.incarnation.slice(0, 8)})`;
    world.fail(
      `${has} has ${player.ledger.name} at ${nameOfPlace(place)}; possible: ${this.possible(player, world.nowMs)}`,
    );
  }

  private possible(player: Player, fromMs: number): string {
    return [...player.ledger.possible(fromMs, this.world.nowMs)].map(nameOfPlace).join(" or ");
  }

  // Answers about regions.

  /** Reads all boards at a node, as any client may. */
  readViews(node: SimulatedNode): void {
    const { world } = this;
    const { settings } = world;
    const delayMs = 2 * settings.tickMs * 1.1 + 10;
    const freshMs = world.isDisturbed ? MARKED_MS + 2 * delayMs : BEHIND_MS + delayMs;
    const fresh = this.bounds(world.nowMs - freshMs, world.nowMs);
    const sinceMs = Math.min(world.unsettledSinceMs, world.nowMs - freshMs);
    const isLongReady = node.readySinceMs !== undefined && node.readySinceMs < sinceMs - 1000;
    const isJudged = isLongReady && world.nowMs - sinceMs < JUDGED_MS;
    const old = isJudged ? this.bounds(sinceMs - 1500, world.nowMs) : undefined;
    for (const region of world.crowd.regions) {
      const view = node.node.regionView(region);
      const by = `${node.name}'s view of`;
      this.checkForm(view, region, by);
      this.checkOrder(node, view);
      // Where it waits for nothing that comes, it gives up waiting.
      const isNew = world.nowMs - (node.listedSinceMs ?? world.nowMs) < world.settings.clusterKey.leaseMs;
      if (view.term === 0 && isNew) world.fail(`${node.name} is ready and knows nothing of region ${region}`);
      const isExact = view.isComplete && !view.isStale;
      world.tally.reads++;
      if (isExact) this.checkCounts(view, fresh, by);
      else if (old !== undefined) this.checkCounts(view, old, `${by} marked`);
    }
  }

  /** Asks the region's owner through a node. `onEnd`: whether the answer was whole. */
  askOwner(node: SimulatedNode, region: number, onEnd?: (view: RegionView | undefined) => void): void {
    const { world } = this;
    const askedMs = world.nowMs;
    node.node.askOwner(region, (view) => {
      onEnd?.(view);
      if (view === undefined) return;
      const by = `asked through ${node.name} (at ${askedMs.toFixed(1)}), the owner of`;
      world.tally.reads++;
      this.checkForm(view, region, by);
      if (view.isComplete && !view.isStale) this.checkCounts(view, this.bounds(askedMs, world.nowMs), by);
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
    if (!isSound) this.world.fail(`${by} region ${region} is malformed: ${JSON.stringify(view)}`);
  }

  /** A view never goes back. */
  private checkOrder(node: SimulatedNode, { region, term, version }: RegionView): void {
    const key = `${node.node.incarnation} ${region}`;
    const last = this.newest.get(key);
    if (last !== undefined && (term < last.term || (term === last.term && version < last.version)))
      this.world.fail(
        `${node.name}'s view of region ${region} went back from ${last.term}.${last.version} to ${term}.${version}`,
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
    const [must, may] = [new Map<number, number>(), new Map<number, number>()];
    const { lifeMs } = this.world;
    for (const { ledger } of this.world.crowd.players) {
      const place = ledger.certain(fromMs, untilMs, lifeMs);
      if (place !== undefined && place !== NOWHERE) must.set(place, (must.get(place) ?? 0) + 1);
      const only = place ?? ledger.onlySince(fromMs);
      const places = only === undefined ? ledger.possible(fromMs, untilMs) : [only];
      for (const one of places) if (one !== NOWHERE) may.set(one, (may.get(one) ?? 0) + 1);
    }
    return { must, may };
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

interface Misfit {
  readonly name: string;
  readonly players: number;
  readonly least: number;
  readonly most: number;
}

/** The places of a region at which a view has fewer or more players than there can be. */
function* misfits(view: RegionView, region: number, { must, may }: Bounds): Generator<Misfit> {
  const counts = new Map(view.top.map(({ mode, players }) => [placeOf(region, mode), players]));
  for (const place of new Set([...counts.keys(), ...must.keys()])) {
    if (regionOfPlace(place) !== region) continue;
    const [players, least, most] = [counts.get(place) ?? 0, must.get(place) ?? 0, may.get(place) ?? 0];
    if (players < least || players > most) yield { name: nameOfPlace(place), players, least, most };
  }
}

function numberOf({ region, mode }: Place): number {
  return region < 0 ? NOWHERE : placeOf(region, mode);
}

const EFFECTS: Readonly<Record<Request["operation"], readonly Done["effect"][]>> = {
  report: ["changed", "renewed", "late"],
  renew: ["renewed", "nowhere", "superseded"],
  remove: ["removed", "nowhere"],
  find: ["found", "nowhere"],
  end: ["noted", "superseded"],
};
