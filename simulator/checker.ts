/**
 * Holds every answer about a player and every record against what clients were told (`Ledger`): what was acknowledged must be
 * there, what may have been sent may be, nothing else.
 */
import type { ClusterKey } from "../cluster/ports/shared-store.ts";
import type { Done, Outcome, Place } from "../cluster/ports/rows.ts";
import { isVerdict } from "../engine/catalogue.ts";
import { CountsChecker } from "./counts-checker.ts";
import { describe, type End, nameOfPlace, placeOf, type Player, type Request } from "./crowd.ts";
import { type Change, NOWHERE } from "./ledger.ts";
import { partitionOf, Records } from "./records.ts";
import { RulesChecker } from "./rules-checker.ts";
import type { World } from "./world.ts";

export class Checker {
  readonly rules: RulesChecker;
  readonly counts: CountsChecker;
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

  constructor(world: World) {
    this.world = world;
    this.rules = new RulesChecker(world);
    this.counts = new CountsChecker(world);
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
