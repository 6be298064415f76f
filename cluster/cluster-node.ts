/** A node of a cluster, as the process sees it: finds or founds the cluster, joins, serves, leaves. */
import { NO_ENTITLEMENTS } from "../engine/entitlement.ts";
import type { Rate } from "../engine/rate.ts";
import { type DisagreementError, disagreementOf, Founding } from "./members/founding.ts";
import { type ClusterEvent, MemberNode, type MemberPorts } from "./member-node.ts";
import type { Inside } from "./counts/counts-messages.ts";
import type { PublishedView } from "./counts/published.ts";
import { type RegionView, unknownRegion } from "./counts/read-views.ts";
import { whyUnlicensed } from "./members/membership.ts";
import { toldOf } from "./ports/record-store.ts";
import type { Outcome, PlayerRequest, Row } from "./ports/rows.ts";
import type { ClusterKey } from "./ports/shared-store.ts";
import type { Lane } from "./ports/transport.ts";
import { RECONNECT_GRACE_MS } from "./records/player-standings.ts";
import { Rekeying } from "./rows/rekeying.ts";
import { wakefulClock } from "./members/wakeful-clock.ts";
import { NO_VIEW, type View } from "./ports/view.ts";

export { PLACEMENT_RULE } from "./members/placement.ts";
export type { ClusterEvent, DisagreementError, Inside, PublishedView, RegionView };

export interface ClusterOptions {
  /** The node's name. */
  readonly id: string;
  readonly url: string;
  readonly peerUrl: string;
  readonly weight: number;
  /** Proposed where the cluster is not founded; else what stands must agree, but for the hash key. */
  readonly key: ClusterKey;
  readonly snapshotMs: number;
  /** Whether to go on without what is damaged in a record; else its players are answered by nobody. */
  readonly isRepair?: boolean;
  /** How often each player may report or send a heartbeat; `undefined`: as often as they like. */
  readonly playerRate?: Rate | undefined;
  /** The privacy floor: what is published tells of no fewer players; 0, as without it: everything is shown. */
  readonly floor?: number;
  /** R30: how long a player stays whose connection ended without a word. */
  readonly reconnectGraceMs?: number;
}

/** `nowMs` is the bare monotonic clock. */
export interface ClusterPorts extends Omit<MemberPorts, "bareMs" | "onKeyLost"> {
  /** This node must not join: what it brings differs from what the cluster was founded with. */
  readonly onFatal: (error: DisagreementError) => void;
}

export type ClusterStatus =
  | { readonly kind: "starting" | "draining" | "expelled" | "drained"; readonly reason: string }
  | { readonly kind: "ready" };

export class ClusterNode {
  private readonly options: ClusterOptions;
  private readonly ports: ClusterPorts & MemberPorts;
  private readonly founding: Founding;
  private readonly startIncarnation: string;
  private member: MemberNode | undefined;
  /** R12: a member under a key that was given up: who still waits for it is told when the time is over. */
  private former: MemberNode | undefined;
  private formerUntilMs = -Infinity;
  /** R12: players that are reported to their new owners; the first one's are under way. */
  private rekeyings: Rekeying[] = [];
  private isDraining = false;
  private isStarted = false;
  private tickedAtMs = -Infinity;
  private wasListed = false;
  private lastFault: { readonly reason: string; readonly told: string } | undefined;

  constructor(options: ClusterOptions, ports: ClusterPorts) {
    this.options = options;
    this.ports = {
      ...ports,
      bareMs: ports.nowMs,
      nowMs: wakefulClock(ports.nowMs, ports.wallMs),
      onKeyLost: (standing) => this.rekey(standing),
    };
    this.startIncarnation = ports.randomId();
    const { store, randomId } = ports;
    const { key } = options;
    const foundingPorts = {
      store,
      bareMs: this.ports.bareMs,
      randomId,
      onFound: (standing: ClusterKey, view: View) => this.join(standing, view),
      onFault: (error: unknown) => this.noteFault(error),
      onDisagreement: (error: DisagreementError) => ports.onFatal(error),
    };
    this.founding = new Founding(foundingPorts, key);
  }

  /** Begins to join; all the rest happens in `tick` and when answers come. */
  start(): void {
    this.isStarted = true;
  }

  /** Lets time pass. To be called some 50 times a second. */
  tick(): void {
    if (!this.isStarted) return;
    this.tickedAtMs = this.ports.nowMs();
    if (this.member === undefined) {
      if (!this.isDraining) this.founding.tick();
      return;
    }
    this.member.tick();
    this.tickRekeying();
    if (this.member.membership.isListed) this.wasListed = true;
  }

  /** @throws {MalformedMessageError} (rejects) */
  receive(lane: Lane, message: Uint8Array): Promise<Uint8Array> {
    if (this.member === undefined) return Promise.reject(new Error("This node has not joined yet"));
    return this.member.peers.receive(lane, message);
  }

  get status(): ClusterStatus {
    const { member } = this;
    if (this.isDraining) {
      const isDone = member === undefined || member.hasLeft;
      return isDone
        ? { kind: "drained", reason: "the node has left the cluster" }
        : { kind: "draining", reason: "the node is leaving the cluster" };
    }
    if (member === undefined) return { kind: "starting", reason: this.lastFault?.told ?? "looking for the cluster" };
    if (!member.membership.isListed)
      return this.wasListed
        ? { kind: "expelled", reason: "the node was expelled and joins anew" }
        : { kind: "starting", reason: member.health.told ?? "joining the cluster" };
    if (member.membership.listing.isAwaitingCalls) return { kind: "starting", reason: this.whyNotCalledBack(member) };
    // R21, R23: every place's owner says something sooner or later, also where a record cannot be read.
    if (!member.counts.knowsAllPlaces) return { kind: "starting", reason: "waiting for the counts of all regions" };
    return { kind: "ready" };
  }

  /** R11: whether the process may end: it has left, and its peers have had a moment to learn that. */
  get mayEnd(): boolean {
    return this.isDraining && (this.member === undefined || this.member.mayEnd);
  }

  /** Why some reports get `202`, or `503`, at present; undefined where they do not. */
  get degradedReason(): string | undefined {
    const { member } = this;
    if (member === undefined) return undefined;
    if (!member.guard.isOpen) return "the store came back as another, and not all members have seen it yet";
    if (member.recorder.aheadCount > 0) return member.health.told ?? "the store lost something";
    const [unreadable] = member.takeOver.unreadable.keys();
    if (unreadable !== undefined)
      return `the record of partition ${unreadable} cannot be read (the log says why): its players get 503`;
    return member.membership.isLicensed ? undefined : (member.health.told ?? whyUnlicensed(member.membership));
  }

  /** Changes when the node joins anew. */
  get incarnation(): string {
    return this.member?.membership.me.incarnation ?? this.startIncarnation;
  }

  get view(): View {
    return this.member?.membership.view ?? NO_VIEW;
  }

  /** What the node is made of; undefined until it has found the cluster. For metrics, and whoever checks it. */
  get parts(): MemberNode | undefined {
    return this.member;
  }

  /** How many partitions and regions a member owns by the view. */
  sliceOf(incarnation: string): { readonly partitions: number; readonly regions: number } {
    const placement = this.member?.placement;
    const [partitions, regions] = [placement?.partitionsOf(incarnation), placement?.regionsOf(incarnation)];
    return { partitions: partitions?.length ?? 0, regions: regions?.length ?? 0 };
  }

  /**
   * Asks something about one player, wherever the player's partition is. To be called once the status is not `starting`.
   * @param settle called once: perhaps at once, else within the request's deadline and a tick
   */
  submit(request: PlayerRequest, settle: (outcome: Outcome) => void): void {
    const { member } = this;
    const { operation, id, region, mode, seq, isBulk = false, isRetold = false, isPlay = false, stamp } = request;
    const entitlements = (operation === "report" ? request.entitlements : undefined) ?? NO_ENTITLEMENTS;
    if (member === undefined) return settle({ kind: "refused", reason: "no owner" });
    const hash = member.engine.hash(id);
    const partition = member.engine.partitionOf(hash);
    const untilMs = this.tickedAtMs + this.options.key.deadlineMs; // a clock read for each row would cost as much as the row
    const row: Row = {
      operation,
      hash,
      partition,
      id0: id[0],
      id1: id[1],
      id2: id[2],
      id3: id[3],
      region,
      mode,
      seq,
      untilMs,
      isBulk,
      entitlements,
      isRetold,
      isPlay,
      stamp,
      isPlaceAsked: operation === "renew" && request.isPlaceAsked === true,
      rulesVersion: this.ports.rules.catalogue.version,
    };
    member.modeGate.submit(row, settle);
  }

  /** The node's clock, which goes on while the machine stands still. */
  nowMs(): number {
    return this.ports.nowMs();
  }

  /** What this node knows of a place. Of a subdivision: what it heard last, and it asks again while somebody wants to know. */
  regionView(place: number): RegionView {
    return this.member?.counts.regionView(place) ?? unknownRegion(place, this.ports.nowMs());
  }

  /** What is published of a region, where there is a privacy floor. */
  publishedView(region: number): PublishedView {
    const nothing = { table: undefined, isStale: true, asOfMs: this.ports.nowMs() };
    return this.member?.counts.publishedView(region) ?? nothing;
  }

  /** R24: the same from the place's owner; undefined where nobody answered in time. */
  askOwner(place: number, settle: (view: RegionView | undefined) => void): void {
    const { member } = this;
    if (member === undefined) return settle(undefined);
    const untilMs = this.ports.nowMs() + this.options.key.deadlineMs;
    void member.counts.askOwner(place, untilMs).then(settle, () => settle(undefined));
  }

  /** R31: a subdivision's counts, at most a second old; undefined where nobody answered in time. */
  askSubdivision(subdivision: number, settle: (view: RegionView | undefined) => void): void {
    if (this.member === undefined) return settle(undefined);
    this.member.counts.askSubdivision(subdivision, this.ports.nowMs() + this.options.key.deadlineMs, settle);
  }

  /** R31: who is in the subdivisions of a country, likewise. */
  askInside(country: number, settle: (inside: Inside | undefined) => void): void {
    if (this.member === undefined) return settle(undefined);
    this.member.counts.askInside(country, this.ports.nowMs() + this.options.key.deadlineMs, settle);
  }

  /** R11: hands over or stores everything and leaves; the status tells when that is done. */
  drain(): void {
    if (this.isDraining) return;
    this.isDraining = true;
    if (this.rekeyings.length === 0) this.member?.leave(); // else when its players are reported
  }

  private whyNotCalledBack({ membership }: MemberNode): string {
    if (!membership.listing.isNotCalledBack) return "waiting for a call from the other nodes";
    return "the other nodes cannot reach this node at its peer address (it is in the log): fewer than half of them have called it back";
  }

  private join(key: ClusterKey, view: View): void {
    if (this.isDraining && this.rekeyings.length === 0) return;
    const { id, url, peerUrl, weight, snapshotMs, isRepair = false, playerRate, floor = 0 } = this.options;
    const { reconnectGraceMs = RECONNECT_GRACE_MS } = this.options;
    const options = { snapshotMs, isRepair, playerRate, floor, reconnectGraceMs };
    this.member = new MemberNode(key, { id, url, peerUrl, weight }, options, this.ports);
    this.member.membership.join(view);
  }

  /** R12: joins under the key that stands, and reports the players that it has to their owners there. */
  private rekey(standing: ClusterKey): void {
    const { member, ports } = this;
    const disagreement = disagreementOf(standing, this.options.key);
    if (disagreement !== undefined) return ports.onFatal(disagreement);
    if (member === undefined) return;
    ports.tell({ kind: "other key" });
    const rekeying = new Rekeying(member.engine, member.abandon(), {
      nowMs: ports.nowMs,
      submit: (request, settle) => this.submit(request, settle),
      onOver: (players, failed) => ports.tell({ kind: "rekeyed", players, failed }),
    });
    this.rekeyings.push(rekeying);
    this.former = member;
    this.formerUntilMs = ports.nowMs() + this.options.key.deadlineMs;
    this.wasListed = false;
    this.join(standing, NO_VIEW);
  }

  private tickRekeying(): void {
    this.former?.forwarder.tick();
    if (this.tickedAtMs > this.formerUntilMs) this.former = undefined;
    const [rekeying] = this.rekeyings;
    if (rekeying === undefined || this.member?.membership.isListed !== true) return;
    rekeying.tick();
    if (!rekeying.isOver) return;
    this.rekeyings.shift();
    if (this.isDraining && this.rekeyings.length === 0) this.member.leave();
  }

  private noteFault(error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error);
    if (this.lastFault?.reason !== reason) this.ports.tell({ kind: "store fault", reason, partitionsAhead: 0 });
    this.lastFault = { reason, told: toldOf(error) };
  }
}
