/**
 * A whole cluster in one process: the real nodes, a simulated network, store, clocks and clients, and the checker that
 * watches them. Everything random comes from one seed.
 */
import type { ClusterEvent } from "../cluster/cluster-node.ts";
import type { ClusterKey } from "../cluster/ports/shared-store.ts";
import { SeededRandom } from "./seeded-random.ts";
import { Checker } from "./checker.ts";
import { Crowd } from "./crowd.ts";
import { Devices } from "./devices.ts";
import { Network } from "./network.ts";
import { type FreezeKind, type NodeClass, SimulatedNode } from "./simulated-node.ts";
import { Studio } from "./rules.ts";
import { type Return, Store } from "./store.ts";
import { LOOK_MS, Unsettled } from "./unsettled.ts";
import { VirtualTime } from "./virtual-time.ts";

/** `hashKey` is each node's own proposal. */
export type SharedSettings = Omit<ClusterKey, "hashKey">;

export interface WorldSettings {
  readonly clusterKey: SharedSettings;
  readonly snapshotMs: number;
  readonly tickMs: number;
  /** 1: one Redis; more: a Redis Cluster. */
  readonly tagsCount: number;
  /** Where players may be: in so many regions, 99 modes in each at the most. */
  readonly regionsCount: number;
  readonly modesCount: number;
  /** Whether there are rules of modes, which every node follows. */
  readonly hasRules: boolean;
}

export const USUAL: WorldSettings = {
  clusterKey: {
    partitions: 16,
    sessionMs: 20_000,
    graceMs: 15_000,
    leaseMs: 3000,
    deadlineMs: 2000,
    durability: "log",
    modesMax: 1024,
    placement: 1,
  },
  snapshotMs: 1500,
  tickMs: 60,
  tagsCount: 1,
  regionsCount: 5,
  modesCount: 3,
  hasRules: false,
};

/** As often as a process calls it: for runs that are about time. */
export const PRODUCTION_TICK_MS = 20;

/** What was done and checked in a run, for the report. */
export interface Tally {
  messages: number;
  storeSteps: number;
  acknowledgements: number;
  counted: number;
  refusals: number;
  /** By the rules of modes. */
  ruledOut: number;
  recordsChecked: number;
  reads: number;
  readonly faults: Map<string, number>;
}

/** A broken promise, with the virtual time at which it was noticed. */
export class BrokenPromise extends Error {
  override readonly name = "BrokenPromise";
}

/** So long after the last fault ended, and once all are ready, nothing is disturbed any more. */
const SETTLED_MS = 2000;
const WALL_START_MS = Date.UTC(2026, 0, 1);

export class World {
  /** A scenario may set others before it begins. */
  settings: WorldSettings;
  readonly random: SeededRandom;
  readonly time = new VirtualTime();
  readonly network: Network;
  readonly store: Store;
  readonly crowd: Crowd;
  readonly devices = new Devices(this);
  readonly checker: Checker;
  readonly studio: Studio;
  /** All processes that run or are frozen. */
  nodes: SimulatedNode[] = [];
  areClientsActive = true;
  areFaultsActive = true;
  readonly tally: Tally = {
    messages: 0,
    storeSteps: 0,
    acknowledgements: 0,
    counted: 0,
    refusals: 0,
    ruledOut: 0,
    recordsChecked: 0,
    reads: 0,
    faults: new Map(),
  };
  readonly lines: string[] = [];
  /** Since when something has been disturbed; Infinity where nothing is. */
  disturbedSinceMs = 0;
  readonly unsettled = new Unsettled();
  private faultEndsMs = 0;
  readonly isTraced: boolean;
  private readonly nodeClass: NodeClass;
  private failure: BrokenPromise | undefined;
  private started = 0;

  constructor(seed: number, nodeClass: NodeClass, isTraced: boolean, settings: WorldSettings = USUAL) {
    this.settings = settings;
    this.nodeClass = nodeClass;
    this.isTraced = isTraced;
    this.random = new SeededRandom(seed);
    this.network = new Network(this);
    this.store = new Store(this, settings.tagsCount);
    this.crowd = new Crowd(this);
    this.checker = new Checker(this);
    this.studio = new Studio(this, seed);
    this.store.onStep = (tag) => this.checker.onStoreStep(tag);
    this.watch();
  }

  get nowMs(): number {
    return this.time.nowMs;
  }

  get wallMs(): number {
    return WALL_START_MS + this.time.nowMs;
  }

  /** How long whoever was acknowledged is certainly connected. */
  get lifeMs(): number {
    const { sessionMs, graceMs } = this.settings.clusterKey;
    return Math.min(sessionMs, graceMs) - 500;
  }

  get isDisturbed(): boolean {
    return this.disturbedSinceMs !== Infinity;
  }

  /** Since when a process has been frozen that still is. */
  get frozenSinceMs(): number {
    return this.nodes.reduce((sinceMs, node) => Math.min(sinceMs, node.frozenSinceMs), Infinity);
  }

  // What scenarios and random faults do.

  start(name = `n${this.started + 1}`, peerUrl = `peer://${name}/${this.started + 1}`, weight = 10): SimulatedNode {
    this.started++;
    this.disturb("node started", `${name} starts`);
    const node = new SimulatedNode(this, name, peerUrl, this.nodeClass, weight);
    this.network.add(node);
    this.nodes.push(node);
    return node;
  }

  kill(node: SimulatedNode): void {
    this.disturb("node killed", `${node.name} is killed`);
    node.kill();
  }

  freeze(node: SimulatedNode, kind: FreezeKind): void {
    this.disturb("node frozen", `${node.name} is frozen (${kind})`);
    node.freeze(kind);
  }

  thaw(node: SimulatedNode): void {
    if (node.state !== "frozen") return;
    const { frozenSinceMs } = node;
    this.disturb("", `${node.name} thaws`);
    node.thaw();
    const latestMs = this.nowMs + this.settings.clusterKey.deadlineMs;
    for (const { ledger } of this.crowd.players) ledger.extend(frozenSinceMs, latestMs);
  }

  drain(node: SimulatedNode): void {
    this.disturb("node drained", `${node.name} drains`);
    node.drain();
  }

  cut(from: string, to: string): void {
    this.disturb("network cut", `nothing from ${from} reaches ${to}`);
    this.network.cut(from, to);
  }

  /** The store comes back as another. */
  restartStore(how: Return, olderMs = 0): void {
    this.disturb(`store back ${how}`, `the store is back ${how}${how === "older" ? ` by ${olderMs} ms` : ""}`);
    this.store.restart(how, olderMs);
    if (how !== "intact") this.loseKnowledge(() => true);
  }

  /** The store lost a part. An owner that has not heard of it yet answers what writes nothing: it knows more (R14). */
  loseKnowledge(isLost: (partition: number) => boolean): void {
    const unheardUntilMs = this.nowMs + this.settings.clusterKey.leaseMs / 2;
    for (const player of this.crowd.players)
      if (isLost(this.checker.partitionOf(player))) player.ledger.lose(unheardUntilMs, this.nowMs);
  }

  /** All faults end. */
  heal(): void {
    this.disturb("", "all faults end");
    this.network.mend();
    this.store.heal();
    for (const node of this.nodes) {
      node.unburden();
      this.thaw(node);
    }
    if (this.nodes.every((node) => node.isLeaving)) this.start(); // else nobody would be left to serve
  }

  // Time.

  async run(forMs: number): Promise<void> {
    await this.time.run(this.nowMs + forMs);
    if (this.failure !== undefined) throw this.failure;
  }

  /** Lets time pass until something holds. @returns how long that took */
  async until(what: string, holds: () => boolean, withinMs: number): Promise<number> {
    const beganMs = this.nowMs;
    while (!holds()) {
      if (this.nowMs - beganMs >= withinMs) this.fail(`not within ${withinMs} ms: ${what}`);
      await this.run(20);
    }
    return this.nowMs - beganMs;
  }

  get areReady(): boolean {
    return this.nodes.length > 0 && this.nodes.every(({ isReady }) => isReady);
  }

  /** Every partition is served by exactly one who may. */
  get areAllServed(): boolean {
    return this.whyNotServed === undefined;
  }

  /** A partition that nobody serves, or more than one. */
  get whyNotServed(): string | undefined {
    for (let partition = 0; partition < this.settings.clusterKey.partitions; partition++) {
      const owners = this.nodes.filter(({ node }) => node.parts?.holdings.isLicensed(partition) ?? false);
      if (owners.length !== 1)
        return `partition ${partition} is served by ${owners.map(({ name }) => name).join() || "nobody"}`;
    }
    return undefined;
  }

  // What happens.

  /** Ends the run: a promise was broken. */
  fail(what: string): void {
    if (this.failure !== undefined) return;
    this.failure = new BrokenPromise(`at ${this.nowMs.toFixed(1)} ms: ${what}`);
    this.trace("check", `BROKEN: ${what}`);
    this.time.stop(this.failure);
  }

  /** Something begins or ends that may make answers late, for so long at the least. */
  disturb(kind: string, what: string, forMs = 0): void {
    if (kind !== "") this.noteFault(kind);
    this.trace("fault", what);
    if (!this.isDisturbed) this.disturbedSinceMs = this.nowMs;
    this.unsettled.begin(this.nowMs);
    this.faultEndsMs = Math.max(this.faultEndsMs, this.nowMs + forMs);
  }

  noteFault(kind: string): void {
    this.tally.faults.set(kind, (this.tally.faults.get(kind) ?? 0) + 1);
  }

  onGone(node: SimulatedNode): void {
    this.network.onGone(node);
    this.nodes = this.nodes.filter((other) => other !== node);
  }

  onEvent(node: SimulatedNode, event: ClusterEvent): void {
    if (this.isTraced) this.trace(node.name, JSON.stringify(event));
  }

  trace(who: string, what: string): void {
    if (this.isTraced) this.lines.push(`${this.nowMs.toFixed(1).padStart(9)}  ${who.padEnd(6)} ${what}`);
  }

  randomId(): string {
    const hex = (digits: number): string =>
      this.random
        .below(16 ** digits)
        .toString(16)
        .padStart(digits, "0");
    return `${hex(8)}-${hex(4)}-4${hex(3)}-8${hex(3)}-${hex(8)}${hex(4)}`;
  }

  /** Whether every node lists exactly the nodes that there are. */
  private doAllKnowAll(): boolean {
    const names = this.nodes
      .map(({ node }) => node.incarnation)
      .toSorted()
      .join();
    const listed = ({ node }: SimulatedNode): string => node.view.members.map(({ incarnation }) => incarnation).join();
    return this.nodes.length > 0 && this.nodes.every((node) => listed(node) === names);
  }

  /** Whether something is disturbed ends when all are ready and a while has passed. */
  private watch(): void {
    this.time.after(LOOK_MS, () => {
      const { network, store } = this;
      const isActive = network.isDisturbed || store.isDisturbed || !this.areReady || !this.doAllKnowAll();
      if (isActive && this.isDisturbed) this.faultEndsMs = Math.max(this.faultEndsMs, this.nowMs);
      else if (isActive) this.disturb("", "not all are ready");
      else if (this.isDisturbed && this.nowMs - this.faultEndsMs > SETTLED_MS) {
        this.disturbedSinceMs = Infinity;
        this.trace("fault", "nothing is disturbed any more");
      }
      this.unsettled.look(this.nowMs, this.isDisturbed, store.isAwaited || !this.areAllServed);
      this.watch();
    });
  }
}
