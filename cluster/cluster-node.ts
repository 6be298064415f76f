/** A node of a cluster, as the process sees it: finds or founds the cluster, joins, serves, leaves. */
import type { ProfileId } from "../engine/profile-id.ts";
import { type DisagreementError, Founding } from "./members/founding.ts";
import { type ClusterEvent, MemberNode, type MemberPorts } from "./member-node.ts";
import type { RegionView } from "./counts/read-views.ts";
import type { Operation, Outcome, Row } from "./ports/rows.ts";
import type { ClusterKey } from "./ports/shared-store.ts";
import type { Lane } from "./ports/transport.ts";
import { wakefulClock } from "./members/wakeful-clock.ts";
import { NO_VIEW, type View } from "./ports/view.ts";

export { PLACEMENT_RULE } from "./members/placement.ts";
export type { ClusterEvent, DisagreementError, RegionView };

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
}

/** `nowMs`: the bare clock, which may stand still while the machine sleeps. */
export interface ClusterPorts extends Omit<MemberPorts, "bareMs"> {
  /** This node must not join: what it brings differs from what the cluster was founded with. */
  readonly onFatal: (error: DisagreementError) => void;
}

export type ClusterStatus =
  | { readonly kind: "starting" | "draining" | "expelled" | "drained"; readonly reason: string }
  | { readonly kind: "ready" };

/** R23, within limits: where some partition is served by nobody, a node that waited for it would never be ready. */
const WHOLE_WITHIN_LEASES = 5;
const WAITED_A_TICK_MAX_MS = 1000;

export class ClusterNode {
  private readonly options: ClusterOptions;
  private readonly ports: ClusterPorts & MemberPorts;
  private readonly founding: Founding;
  private readonly startIncarnation: string;
  private member: MemberNode | undefined;
  private isDraining = false;
  private isStarted = false;
  private tickedAtMs = -Infinity;
  /** By ticks, so that a clock that jumps does not count. */
  private listedForMs = 0;
  private wasListed = false;
  private lastFault: string | undefined;

  constructor(options: ClusterOptions, ports: ClusterPorts) {
    this.options = options;
    this.ports = { ...ports, bareMs: ports.nowMs, nowMs: wakefulClock(ports.nowMs, ports.wallMs) };
    this.startIncarnation = ports.randomId();
    const { store, randomId } = ports;
    const { nowMs } = this.ports;
    const { id, url, peerUrl, weight, key } = options;
    const asker = { id, url, peerUrl, weight, incarnation: this.startIncarnation, isLeaving: false };
    const foundingPorts = {
      store,
      nowMs,
      randomId,
      onFound: (standing: ClusterKey, view: View) => this.join(standing, view),
      onFault: (error: unknown) => this.noteFault(error),
      onDisagreement: (error: DisagreementError) => ports.onFatal(error),
    };
    this.founding = new Founding(foundingPorts, asker, key);
  }

  /** Begins to join; all the rest happens in `tick` and when answers come. */
  start(): void {
    this.isStarted = true;
  }

  /** Lets time pass. To be called some 50 times a second. */
  tick(): void {
    if (!this.isStarted) return;
    const nowMs = this.ports.nowMs();
    const passedMs = Math.min(nowMs - this.tickedAtMs, WAITED_A_TICK_MAX_MS);
    this.tickedAtMs = nowMs;
    if (this.member === undefined) {
      if (!this.isDraining) this.founding.tick();
      return;
    }
    this.member.tick();
    const { isListed } = this.member.membership;
    if (isListed) this.wasListed = true;
    this.listedForMs = isListed ? this.listedForMs + passedMs : 0;
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
    if (member === undefined) return { kind: "starting", reason: this.lastFault ?? "looking for the cluster" };
    if (!member.membership.isListed)
      return this.wasListed
        ? { kind: "expelled", reason: "the node was expelled and joins anew" }
        : { kind: "starting", reason: member.faultReason ?? "joining the cluster" };
    const isWaiting = this.listedForMs < WHOLE_WITHIN_LEASES * member.key.leaseMs;
    if (!member.counts.isWhole && isWaiting)
      return { kind: "starting", reason: "waiting for the counts of all regions" };
    return { kind: "ready" };
  }

  /** Why some reports get `202`, or `503`, at present; undefined where they do not. */
  get degradedReason(): string | undefined {
    const { member } = this;
    if (member === undefined) return undefined;
    if (!member.guard.isOpen) return "the store came back as another, and not all members have seen it yet";
    if (member.recorder.aheadCount > 0) return member.faultReason ?? "the store lost something";
    const [unreadable] = member.takeOver.unreadable;
    if (unreadable !== undefined)
      return `the record of partition ${unreadable[0]} cannot be read (${unreadable[1]}): its players get 503`;
    return member.membership.isLicensed ? undefined : (member.faultReason ?? "the lease is not renewed");
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
   * @param id read before the call returns
   * @param settle called once: perhaps at once, else within the request's deadline and a tick
   * @param isBatch one of many that came together
   */
  submit(
    operation: Operation,
    id: ProfileId,
    region: number,
    mode: string,
    seq: number,
    settle: (outcome: Outcome) => void,
    isBatch = false,
  ): void {
    const { member } = this;
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
    };
    member.modeGate.submit(row, settle, isBatch);
  }

  /** The node's clock, which goes on while the machine stands still. */
  nowMs(): number {
    return this.ports.nowMs();
  }

  /** What this node knows of a region. */
  regionView(region: number): RegionView {
    if (this.member !== undefined) return this.member.counts.regionView(region);
    const asOfMs = this.ports.nowMs();
    return { region, players: 0, top: [], isComplete: false, isStale: true, term: 0, version: 0, asOfMs };
  }

  /** R24: the same from the region's owner; undefined where nobody answered in time. */
  askOwner(region: number, settle: (view: RegionView | undefined) => void): void {
    const { member } = this;
    if (member === undefined) return settle(undefined);
    const untilMs = this.ports.nowMs() + this.options.key.deadlineMs;
    void member.counts.askOwner(region, untilMs).then(settle, () => settle(undefined));
  }

  /** R11: hands over or stores everything and leaves; the status tells when that is done. */
  drain(): void {
    if (this.isDraining) return;
    this.isDraining = true;
    this.member?.leave();
  }

  private join(key: ClusterKey, view: View): void {
    if (this.isDraining) return;
    const { id, url, peerUrl, weight, snapshotMs, isRepair = false } = this.options;
    this.member = new MemberNode(key, { id, url, peerUrl, weight }, { snapshotMs, isRepair }, this.ports);
    this.member.membership.join(view);
  }

  private noteFault(error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error);
    if (this.lastFault !== reason) this.ports.tell({ kind: "store fault", reason, partitionsAhead: 0 });
    this.lastFault = reason;
  }
}
