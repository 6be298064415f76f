/**
 * Several nodes' counts over a network that loses, delays, repeats and reorders, in virtual time. Who holds a partition
 * and who is listed is set by the test; players are known to it one by one.
 */
import { Counts, type CountsPorts } from "../../cluster/counts/counts.ts";
import { placementOf } from "../../cluster/members/placement.ts";
import type { PublishedBoard } from "../../cluster/ports/shared-store.ts";
import { PeerError } from "../../cluster/ports/transport.ts";
import type { Member, View } from "../../cluster/ports/view.ts";
import { Engine } from "../../engine/engine.ts";
import { NO_SEQ } from "../../engine/partition.ts";
import { PLACES } from "../../engine/places.ts";
import { itemAt } from "../../simulator/item-at.ts";
import { KEY_BYTES, playerId } from "../../simulator/players.ts";
import { SeededRandom } from "../../simulator/seeded-random.ts";

export interface Place {
  readonly region: number;
  readonly mode: string;
}

export interface Network {
  lossRatio: number;
  repeatRatio: number;
  delayMinMs: number;
  delayMaxMs: number;
}

export interface Published {
  readonly region: number;
  readonly term: number;
  readonly version: number;
}

interface NetworkEvent {
  readonly atMs: number;
  readonly run: () => void;
}

export const PARTITIONS = 4;
const TICK_MS = 20;
const QUIET_MS = 750;

export class CountsNode {
  readonly engine: Engine;
  readonly counts: Counts;
  readonly incarnation: string;
  view: View = { epoch: 0, nonce: "", members: [], expelled: [] };
  /** Terms of the partitions it believes to hold. */
  readonly terms = new Map<number, number>();
  readonly doubtful = new Set<number>();
  /** R21: partitions of its own whose record it cannot read. */
  readonly unreadable = new Set<number>();
  mayPublish = true;
  isLicensed = true;
  readonly published: Published[] = [];
  /** R16: what was written to the sorted sets. */
  readonly sets: { readonly atMs: number; readonly region: number; readonly board: PublishedBoard }[] = [];

  constructor(cluster: CountsCluster, incarnation: string) {
    this.incarnation = incarnation;
    const options = {
      partitions: PARTITIONS,
      hashKey: KEY_BYTES,
      sessionMs: 1e9,
      removalMs: 0,
      graceMs: 0,
      isLogged: false,
    };
    this.engine = new Engine(options, 0);
    const ports: CountsPorts = {
      nowMs: () => cluster.nowMs,
      me: () => incarnation,
      call: (to, body, timeoutMs) => cluster.call(this, to, body, timeoutMs),
      speaks: (partition) => {
        const term = this.terms.get(partition);
        const isLicensed = this.isLicensed && cluster.holders.get(partition) === this;
        return term === undefined ? undefined : { term, isDoubtful: this.doubtful.has(partition), isLicensed };
      },
      confirm: async (partitions) =>
        partitions.filter((partition) => this.isLicensed && cluster.holders.get(partition) === this),
      unreadable: () => this.unreadable,
      mayPublish: () => this.mayPublish,
      wallMs: () => cluster.wallMs,
      publish: async (region, board) => {
        const { term, version } = board;
        this.published.push({ region, term, version });
        this.sets.push({ atMs: cluster.nowMs, region, board });
        return "published";
      },
    };
    this.counts = new Counts(this.engine, ports, { quietMs: QUIET_MS, floor: cluster.floor });
  }

  adopt(view: View): void {
    if (view.epoch <= this.view.epoch) return;
    this.view = view;
    this.counts.onView(view, placementOf(view, PARTITIONS));
  }

  report(player: number, { region, mode }: Place): void {
    const id = playerId(player);
    this.engine.report(this.engine.hash(id), id, region, this.engine.admitMode(mode), NO_SEQ);
  }
}

/** Of the wall clock when virtual time begins: some seconds into a minute. */
export const WALL_MS = 1_800_000_015_000;

export class CountsCluster {
  nowMs = 0;
  /** The privacy floor of nodes that are still to come. */
  floor = 0;
  /** By which the wall clock was set forward since virtual time began. */
  wallAheadMs = 0;
  readonly network: Network = { lossRatio: 0, repeatRatio: 0, delayMinMs: 0, delayMaxMs: 2 };
  readonly nodes = new Map<string, CountsNode>();
  /** Who really holds each partition. */
  readonly holders = new Map<number, CountsNode>();
  readonly players = new Map<number, Place>();
  /** Pairs "from to" between which nothing gets through. */
  readonly cut = new Set<string>();
  private readonly everUnreadable = new Set<number>();
  private readonly random: SeededRandom;
  private view: View = { epoch: 0, nonce: "", members: [], expelled: [] };
  private readonly events = new Set<NetworkEvent>();
  private nextTickMs = 0;

  constructor(seed: number) {
    this.random = new SeededRandom(seed);
  }

  get wallMs(): number {
    return WALL_MS + this.wallAheadMs + this.nowMs;
  }

  get epoch(): number {
    return this.view.epoch;
  }

  /** A new list of members, known to some: the others hear of it with the next message. */
  list(names: readonly string[], isTold: (name: string) => boolean = () => true): void {
    const members = names.map((name) => memberNamed(name)).sort((a, b) => (a.incarnation < b.incarnation ? -1 : 1));
    this.view = { epoch: this.view.epoch + 1, nonce: "", members, expelled: [] };
    for (const { incarnation, id } of members)
      if (!this.nodes.has(id)) this.nodes.set(id, new CountsNode(this, incarnation));
    for (const [name, node] of this.nodes) if (isTold(name)) node.adopt(this.view);
  }

  node(name: string): CountsNode {
    const node = this.nodes.get(name);
    if (node === undefined) throw new RangeError(`No node ${name}`);
    return node;
  }

  /** The name of a place's owner by the newest view. */
  ownerOf(region: number): string {
    const owner = placementOf(this.view, PARTITIONS).placeOwner(region);
    return [...this.nodes].find(([, { incarnation }]) => incarnation === owner)?.[0] as string;
  }

  /** A node ends; it is still listed. */
  crash(name: string): void {
    this.nodes.delete(name);
  }

  /** A node takes a partition, with all that was reported. The holder of before may go on believing. */
  take(name: string, partition: number): void {
    const node = this.node(name);
    const before = this.holders.get(partition);
    if (before === node) return;
    this.drop(name, partition);
    this.holders.set(partition, node);
    node.engine.clear(partition);
    node.terms.set(partition, ++this.lastTerm);
    for (const [player, place] of this.players) if (this.partitionOf(player) === partition) node.report(player, place);
    node.counts.onTaken(partition);
  }

  /** A node believes no more that it holds a partition. */
  drop(name: string, partition: number): void {
    const node = this.node(name);
    node.terms.delete(partition);
    node.counts.onDropped(partition);
  }

  /** R21: a node says of a partition that its record cannot be read, or says so no longer. */
  setUnreadable(name: string, partition: number, isUnreadable: boolean): void {
    const node = this.nodes.get(name);
    if (node === undefined) return;
    if (!isUnreadable) return void node.unreadable.delete(partition);
    node.unreadable.add(partition);
    this.everUnreadable.add(partition);
  }

  /** Players of a place whose partition was ever said to be unreadable: an incomplete board may lack them (R21). */
  playersUnread(region: number): number {
    return [...this.players].filter(
      ([player, place]) => isIn(place.region, region) && this.everUnreadable.has(this.partitionOf(player)),
    ).length;
  }

  /** A report reaches the holder of its player's partition. */
  report(player: number, place: Place): void {
    this.players.set(player, place);
    this.holders.get(this.partitionOf(player))?.report(player, place);
  }

  /** A player is connected no longer. */
  leave(player: number): void {
    this.players.delete(player);
    const engine = this.holders.get(this.partitionOf(player))?.engine;
    const id = playerId(player);
    engine?.remove(engine.hash(id), id, NO_SEQ);
  }

  playersIn(region: number): number {
    return [...this.players.values()].filter((place) => isIn(place.region, region)).length;
  }

  rankingOf(region: number): { mode: string; players: number }[] {
    const counts = new Map<string, number>();
    for (const place of this.players.values())
      if (isIn(place.region, region)) counts.set(place.mode, (counts.get(place.mode) ?? 0) + 1);
    return [...counts]
      .map(([mode, players]) => ({ mode, players }))
      .sort((a, b) => b.players - a.players || (a.mode < b.mode ? -1 : 1));
  }

  /** Lets time pass; after each step of it `check` looks. */
  async pass(ms: number, check: () => void = () => undefined): Promise<void> {
    const untilMs = this.nowMs + ms;
    for (;;) {
      let atMs = this.nextTickMs;
      for (const event of this.events) atMs = Math.min(atMs, event.atMs);
      if (atMs > untilMs) break;
      this.nowMs = Math.max(this.nowMs, atMs);
      for (const event of this.events) {
        if (event.atMs > atMs) continue;
        this.events.delete(event);
        event.run();
      }
      if (this.nextTickMs <= atMs) {
        this.nextTickMs += TICK_MS;
        for (const { counts } of this.nodes.values()) counts.tick();
      }
      await settled();
      check();
    }
    this.nowMs = untilMs;
  }

  async call(from: CountsNode, to: string, body: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      const giveUp = this.after(timeoutMs, () => reject(new PeerError("no answer in time", false)));
      const { view } = from; // as it is when the message is made
      this.send(from.incarnation, to, (delayMs) => {
        const node = [...this.nodes.values()].find(({ incarnation }) => incarnation === to);
        if (node === undefined) return;
        node.adopt(view);
        const answered = node.counts.receive(from.incarnation, view.epoch, delayMs, body);
        void this.sendBack(from, node, answered, (answer) => {
          this.events.delete(giveUp);
          resolve(answer);
        });
      });
    });
  }

  private lastTerm = 0;

  private partitionOf(player: number): number {
    const { engine } = itemAt([...this.nodes.values()], 0);
    return engine.partitionOf(engine.hash(playerId(player)));
  }

  private async sendBack(
    from: CountsNode,
    node: CountsNode,
    answered: Promise<Uint8Array>,
    resolve: (answer: Uint8Array) => void,
  ): Promise<void> {
    const answer = await answered;
    const { view } = node;
    this.send(node.incarnation, from.incarnation, () => {
      from.adopt(view);
      resolve(answer);
    });
  }

  private send(from: string, to: string, deliver: (delayMs: number) => void): void {
    const { lossRatio, repeatRatio, delayMinMs, delayMaxMs } = this.network;
    const times = this.random.fraction() < repeatRatio ? 2 : 1;
    for (let time = 0; time < times; time++) {
      if (this.random.fraction() < lossRatio || this.cut.has(`${from} ${to}`)) continue;
      const delayMs = Math.floor(delayMinMs + this.random.fraction() * (delayMaxMs - delayMinMs));
      this.after(delayMs, () => deliver(delayMs));
    }
  }

  private after(ms: number, run: () => void): NetworkEvent {
    const event = { atMs: this.nowMs + ms, run };
    this.events.add(event);
    return event;
  }
}

function memberNamed(name: string): Member {
  const incarnation = incarnationOf(name);
  return { incarnation, id: name, url: "", peerUrl: "", weight: 1, isLeaving: false };
}

export function incarnationOf(name: string): string {
  return `00000000-0000-4000-8000-${name.padStart(12, "0")}`;
}

/** Whether who is in a region counts in a place. */
function isIn(region: number, place: number): boolean {
  return region === place || itemAt(PLACES, region).within.includes(place);
}

/** All that promises set off has happened. */
async function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
