/**
 * The players and their clients: report, move across borders, renew, leave and look themselves up through whatever node
 * they happen on, alone and in batches, and try elsewhere when they are refused or hear nothing.
 */
import type { Operation, Outcome } from "../cluster/ports/rows.ts";
import { isVerdict } from "../engine/catalogue.ts";
import { NO_ENTITLEMENTS } from "../engine/entitlement.ts";
import { countryOf, PLACES, regionOf, REGIONS } from "../engine/places.ts";
import { NO_SEQ } from "../engine/partition.ts";
import { playerId } from "./players.ts";
import type { ProfileId } from "../engine/profile-id.ts";
import { type Change, Ledger, NOWHERE } from "./ledger.ts";
import { PASS } from "./rules.ts";
import type { Witness } from "./rules-checker.ts";
import type { SimulatedNode } from "./simulated-node.ts";
import type { Planned } from "./virtual-time.ts";
import type { World } from "./world.ts";

/** Where players go by themselves; the first of them are those of small worlds. */
const USUAL_MODES: readonly string[] = Array.from(
  { length: 99 },
  (_, index) => `GM${String(index + 1).padStart(2, "0")}`,
);
/** Where scenarios send them. */
export const OTHER_MODES: readonly string[] = Array.from({ length: 13 }, (_, number) => `event-${number + 1}`);
const MODES = [...USUAL_MODES, ...OTHER_MODES];
const MODE_INDEXES: ReadonlyMap<string, number> = new Map(MODES.map((mode, index) => [mode, index]));
/** The first of them are those of small worlds. */
const REGION_NUMBERS: readonly number[] = [...new Set(["US", "US-CA", "CA", "GB", "AQ", ...REGIONS])].map((code) =>
  regionOf(code),
);
const MODE_BITS = 7;

/** The places around a region. */
function holdersOf(region: number): readonly number[] {
  return PLACES[region]?.within ?? [];
}

/** A region and a mode as one number. */
export function placeOf(region: number, mode: string): number {
  const index = MODE_INDEXES.get(mode);
  if (index === undefined) throw new Error(`Nobody was ever sent to the mode "${mode}"`);
  return (region << MODE_BITS) | index;
}

export function regionOfPlace(place: number): number {
  return place >> MODE_BITS;
}

export function modeOfPlace(place: number): string {
  return MODES[place & ((1 << MODE_BITS) - 1)] as string;
}

export function nameOfPlace(place: number): string {
  return place === NOWHERE ? "nowhere" : `${codeOf(regionOfPlace(place))}/${modeOfPlace(place)}`;
}

/** `US`, `US-CA` or `021`. */
export function codeOf(region: number): string {
  return PLACES[region]?.code ?? `no place, ${region}`;
}

export interface Player {
  readonly id: ProfileId;
  readonly entitlements: readonly string[];
  readonly ledger: Ledger;
  /** The newest sequence number sent; `undefined` for a player who sends none. */
  seq: number | undefined;
  /** Where it means to be. */
  place: number;
  /** It acts by itself: false for those who fall silent. */
  isActive: boolean;
  underWay: number;
  /** R30: its connection ended without a word, so its owner may remove it. */
  leaving: Change | undefined;
}

/** One request of a client, to one node. */
export interface Request {
  readonly player: Player;
  readonly operation: Operation;
  readonly place: number;
  readonly seq: number;
  /** Sent again so often, at other nodes, until it is acknowledged. */
  readonly retries: number;
  /** Pause before that; some 50 to 300 ms where it is not said. */
  readonly pauseMs?: number;
  /** Told of the end: whether it was acknowledged as remembered. */
  readonly onEnd?: ((isAcknowledged: boolean) => void) | undefined;
  /** R30: it comes over a connection; told what became of it, also where the client waits no longer. */
  readonly onPlayed?: ((outcome: Outcome) => void) | undefined;
}

/** `again`: refused, unheard of, or only counted. `forbidden`: refused by the rules of modes. */
export type End = "acknowledged" | "again" | "forbidden";

const NO_PLACES: ReadonlySet<number> = new Set();
/** A client waits so much longer than the node should take. */
const PATIENCE_MS = 600;
/** A row that is on its way may be applied so much later than its deadline: clocks are known from messages only. */
export const LATE_MS = 1500;

export class Crowd {
  readonly players: Player[] = [];
  /** Where players may be. */
  readonly regions: readonly number[];
  /** What anybody may ask for: those, their countries, and the areas around them. */
  readonly places: readonly number[];
  readonly modes: readonly string[];
  /** Clients also ask nodes that say that they are not ready. */
  asksAnybody = false;
  private readonly world: World;

  constructor(world: World) {
    this.world = world;
    this.regions = REGION_NUMBERS.slice(0, world.settings.regionsCount);
    this.places = [...new Set(this.regions.flatMap((region) => [region, countryOf(region), ...holdersOf(region)]))];
    this.modes = USUAL_MODES.slice(0, world.settings.modesCount);
  }

  add(isSequenced: boolean): Player {
    const number = this.players.length + 1;
    const player: Player = {
      id: playerId(number),
      entitlements: number % 2 === 0 ? PASS : NO_ENTITLEMENTS,
      ledger: new Ledger(
        `player ${number}`,
        () => this.world.frozenSinceMs,
        () => this.world.checker.counts.onLedger(),
      ),
      seq: isSequenced ? 0 : undefined,
      place: this.anyPlace(),
      isActive: true,
      underWay: 0,
      leaving: undefined,
    };
    this.players.push(player);
    return player;
  }

  anyRegion(): number {
    return this.world.random.pick(this.regions);
  }

  /** Something to ask for. */
  anyHolder(): number {
    return this.world.random.pick(this.places);
  }

  anyPlace(): number {
    const { random } = this.world;
    return placeOf(random.pick(this.regions), random.pick(this.modes));
  }

  /** Lets every player act by itself, every `pauseMs` or so, until `world.areClientsActive` ends. */
  start(pauseMs: number): void {
    const act = (player: Player): void => {
      if (!this.world.areClientsActive) return;
      if (player.isActive && player.underWay === 0) this.act(player);
      this.world.time.after(pauseMs * (0.3 + 1.4 * this.world.random.fraction()), () => act(player));
    };
    for (const player of this.players) this.world.time.after(pauseMs * this.world.random.fraction(), () => act(player));
  }

  /** Reports where the player is now, or where it goes. */
  report(player: Player, place: number, retries = 0, onEnd?: Request["onEnd"]): Request {
    player.place = place;
    if (player.seq !== undefined) player.seq++;
    return { player, operation: "report", place, seq: player.seq ?? NO_SEQ, retries, onEnd };
  }

  /** Sends requests in one turn to one node, in their order. */
  send(requests: readonly Request[], node = this.anyNode()): void {
    const { world } = this;
    for (const { player } of requests) player.underWay++;
    if (node === undefined || node.state === "gone") {
      for (const request of requests) this.end(request, "again");
      return;
    }
    const pending = requests.map((request) => new Pending(world, node, request, (end) => this.end(request, end)));
    node.deliver(() => {
      for (const one of pending) one.submit();
    });
  }

  /** A node as a load balancer would choose it, most of the time. */
  anyNode(): SimulatedNode | undefined {
    const { nodes, random } = this.world;
    const ready = nodes.filter((node) => node.state === "frozen" || node.isReady);
    const some = random.fraction() < 0.9 && ready.length > 0 ? ready : nodes;
    return some.length === 0 ? undefined : random.pick(some);
  }

  private end(request: Request, end: End): void {
    const { world } = this;
    const { player, retries, onEnd } = request;
    if (end === "again" && retries > 0) {
      world.time.after(request.pauseMs ?? 50 + world.random.fraction() * 250, () => {
        player.underWay--;
        this.send([{ ...request, retries: retries - 1 }]);
      });
      return;
    }
    player.underWay--;
    onEnd?.(end === "acknowledged");
  }

  private act(player: Player): void {
    const { random } = this.world;
    const chance = random.fraction();
    if (chance < 0.25) this.send([this.report(player, player.place, 3)]);
    else if (chance < 0.6) this.send([this.report(player, this.anyPlace(), 3)]);
    else if (chance < 0.75) this.send([this.asking(player, "renew")]);
    else if (chance < 0.82) this.send([this.removal(player)]);
    else if (chance < 0.92) this.send([this.asking(player, "find")]);
    else this.sendBatch(player);
  }

  /** As a game server does: several players at once, one of them twice. */
  private sendBatch(player: Player): void {
    const { random } = this.world;
    const others = this.players.filter((other) => other.underWay === 0 && other !== player && other.isActive);
    const some = random.shuffled(others).slice(0, random.below(6));
    this.send([player, ...some, player].map((one) => this.report(one, this.anyPlace())));
  }

  /** With a `seq` now and then, where the player sends any. */
  private removal(player: Player): Request {
    const removal = this.asking(player, "remove", 2);
    if (player.seq === undefined || player.seq % 2 === 0) return removal;
    player.seq++;
    return { ...removal, seq: player.seq };
  }

  asking(player: Player, operation: Operation, retries = 0, onEnd?: Request["onEnd"]): Request {
    return { player, operation, place: NOWHERE, seq: NO_SEQ, retries, onEnd };
  }
}

/** One request at one node, until its end. */
class Pending {
  private readonly world: World;
  private readonly node: SimulatedNode;
  private readonly request: Request;
  private readonly sentMs: number;
  private readonly onEnd: (end: End) => void;
  private readonly change: Change | undefined;
  /** Where the player may have stood before. */
  private readonly before: ReadonlySet<number>;
  private seen: Witness | undefined;
  private readonly patience: Planned;
  private watched: Planned | undefined;
  private submittedMs: number | undefined;
  private isOver = false;
  private settledCount = 0;

  constructor(world: World, node: SimulatedNode, request: Request, onEnd: (end: End) => void) {
    const sentMs = world.nowMs;
    this.world = world;
    this.node = node;
    this.request = request;
    this.sentMs = sentMs;
    this.onEnd = onEnd;
    const { ledger } = request.player;
    const isChange = request.operation === "report" || request.operation === "remove";
    const seq = Math.max(0, request.seq);
    this.before = world.settings.hasRules ? ledger.possible(sentMs, sentMs) : NO_PLACES;
    this.change = isChange ? ledger.send(request.place, seq, node.name, sentMs, world.lifeMs) : undefined;
    if (request.operation === "renew") ledger.heard(sentMs + world.settings.clusterKey.deadlineMs + LATE_MS);
    this.patience = world.time.after(world.settings.clusterKey.deadlineMs + PATIENCE_MS, () => this.giveUp());
    node.clients.add(this);
  }

  submit(): void {
    const { node, world, request } = this;
    const { status } = node.node;
    const isServing = status.kind === "ready" || status.kind === "draining" || world.crowd.asksAnybody;
    if (!isServing) return this.refuse();
    const { operation, player, place, seq } = request;
    this.submittedMs = world.nowMs;
    if (this.isOver && this.change !== undefined) this.change.untilMs = this.latestEffectMs();
    const [region, mode] = place === NOWHERE ? [0, ""] : [regionOfPlace(place), modeOfPlace(place)];
    if (world.settings.hasRules && operation === "report")
      this.seen = world.checker.rules.witness(request, node, this.sentMs, this.before);
    const { id, entitlements } = player;
    const { onPlayed } = request;
    node.node.submit({ operation, id, region, mode, seq, entitlements, isPlay: onPlayed !== undefined }, (outcome) => {
      onPlayed?.(outcome);
      this.settle(outcome);
    });
    this.watch();
  }

  /** The process ended, and with it the connection: the client waits no longer. */
  onClosed(): void {
    this.giveUp();
  }

  private giveUp(): void {
    if (this.isOver) return;
    this.end();
    const { world, change } = this;
    if (change !== undefined) this.request.player.ledger.giveUp(change, this.latestEffectMs(), world.nowMs);
    this.trace("gave up");
    this.onEnd("again");
  }

  private end(): void {
    this.isOver = true;
    this.world.time.cancel(this.patience);
    this.node.clients.delete(this);
  }

  private latestEffectMs(): number {
    if (this.submittedMs === undefined && this.node.state === "frozen") return Infinity;
    return (this.submittedMs ?? this.sentMs) + this.world.settings.clusterKey.deadlineMs + LATE_MS;
  }

  /** A node that is not ready says so, and nothing happened. */
  private refuse(): void {
    if (this.isOver) {
      if (this.change !== undefined) this.change.untilMs = this.world.nowMs;
      return;
    }
    this.end();
    if (this.change !== undefined) this.request.player.ledger.cancel(this.change, this.world.nowMs);
    this.onEnd("again");
  }

  /** A node answers within the deadline and a tick, unless it is frozen or gone meanwhile. */
  private watch(): void {
    const { world, node } = this;
    const { deadlineMs } = world.settings.clusterKey;
    this.watched = world.time.after(deadlineMs + 2.5 * world.settings.tickMs, () => {
      const wasStill = node.state !== "up" || node.thawedMs >= (this.submittedMs as number);
      if (this.settledCount === 0 && !wasStill)
        world.fail(`${node.name} did not answer ${this.text} within the deadline of ${deadlineMs} ms`);
    });
  }

  private settle(outcome: Outcome): void {
    const { world, change, request } = this;
    world.time.cancel(this.watched);
    if (++this.settledCount > 1) return world.fail(`${this.node.name} answered ${this.text} twice`);
    if (this.node.state !== "up") throw new Error("A process that does not run answered");
    if (world.isTraced) this.trace(describe(outcome));
    if (this.isOver) {
      // Too late for the client; what was done may stand before or after what it did since.
      if (change !== undefined && change.untilMs === Infinity)
        request.player.ledger.giveUp(change, world.nowMs + LATE_MS, world.nowMs);
      return;
    }
    this.end();
    if (this.seen !== undefined) this.checkRules(this.seen, outcome);
    this.onEnd(world.checker.onOutcome(request, change, this.sentMs, this.latestEffectMs(), outcome, this.node.name));
  }

  private checkRules(seen: Witness, outcome: Outcome): void {
    const { world, request, node } = this;
    const { rules } = world.checker;
    if (outcome.kind === "done") rules.checkAccepted(request, seen, outcome, node.name);
    else if (isVerdict(outcome.reason)) rules.checkRefused(request, seen, outcome, node.name);
  }

  private trace(what: string): void {
    if (this.world.isTraced) this.world.trace(this.node.name, `${this.text}: ${what}`);
  }

  private get text(): string {
    const { operation, player, place, seq } = this.request;
    const where = operation === "report" ? ` ${nameOfPlace(place)}${seq > 0 ? ` seq ${seq}` : ""}` : "";
    return `${operation}${where} of ${player.ledger.name}`;
  }
}

export function describe(outcome: Outcome): string {
  if (outcome.kind === "refused") return `refused, ${outcome.reason}`;
  const { effect, isRemembered, place } = outcome;
  const where =
    place === undefined ? "" : ` (${place.region < 0 ? "nowhere" : nameOfPlace(placeOf(place.region, place.mode))})`;
  return `${effect}${where}${isRemembered ? "" : ", only counted"}`;
}
