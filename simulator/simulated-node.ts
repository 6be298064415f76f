/**
 * One process of the cluster: the real `ClusterNode` with simulated ports. It can be killed, frozen and thawed; whatever
 * would reach it meanwhile is dropped or waits.
 */
import { StandingSessions } from "../cluster/standing-sessions.ts";
import type { Device } from "./devices.ts";
import type { ClusterNode, ClusterOptions, ClusterPorts } from "../cluster/cluster-node.ts";
import { NO_RULES, type Rules } from "../cluster/ports/rules.ts";
import { encodeRows } from "../engine/codec.ts";
import type { TableCopy } from "../engine/engine.ts";
import { takenRows } from "../engine/presence-table.ts";
import { FollowedRules } from "./rules.ts";
import type { World } from "./world.ts";

export type NodeClass = new (options: ClusterOptions, ports: ClusterPorts) => ClusterNode;

/** `process`: as SIGSTOP does. `machine`: a paused virtual machine, whose monotonic clock stands still too. */
export type FreezeKind = "process" | "machine";

/** How long the worker of a node that has nothing else to do takes: to begin, and for each KiB. */
const ENCODING_MS = 5;
const DECOMPRESSING_MS = 1;
const MS_A_KIB = 0.03;
/** A client learns so soon that the process at the other end is gone. */
const CLOSED_AFTER_MS = 1;

export class SimulatedNode {
  readonly name: string;
  readonly peerUrl: string;
  readonly node: ClusterNode;
  readonly rules: Rules;
  /** R30: the devices that are connected here and stand for their players. */
  readonly sessions: StandingSessions<Device>;
  state: "up" | "frozen" | "gone" = "up";
  startedMs: number;
  /** Since when it has been ready without a break; `undefined` where it is not. */
  readySinceMs: number | undefined;
  thawedMs = -Infinity;
  /** Since when it has been listed in this incarnation; `undefined` before. */
  listedSinceMs: number | undefined;
  /** Since when it has been frozen; Infinity where it is not. */
  frozenSinceMs = Infinity;
  /** A jump of its wall clock, in milliseconds. */
  wallSkewMs = 0;
  /** Snapshots wait so long for the worker, and tables that come here do. */
  encodingMs = ENCODING_MS;
  decompressingMs = DECOMPRESSING_MS;
  /** What each KiB of them takes. */
  msAKib = MS_A_KIB;
  /** Who waits for an answer of it. */
  readonly clients = new Set<{ readonly onClosed: () => void }>();
  /** It was told to leave. */
  isLeaving = false;
  private readonly world: World;
  private readonly clockOffsetMs: number;
  private standstillMs = 0;
  private freezeKind: FreezeKind = "process";
  private held: (() => void)[] = [];
  private isWorkerHeld = false;
  private heldWork: (() => void)[] = [];
  private incarnation = "";

  constructor(world: World, name: string, peerUrl: string, nodeClass: NodeClass, weight: number) {
    this.world = world;
    this.name = name;
    this.peerUrl = peerUrl;
    this.startedMs = world.nowMs;
    this.clockOffsetMs = world.random.below(1_000_000);
    const { clusterKey, snapshotMs } = world.settings;
    const hashKey = Uint8Array.from({ length: 8 }, () => world.random.below(256));
    const key = { ...clusterKey, hashKey };
    const options = { id: name, url: `http://${name}`, peerUrl, weight, key, snapshotMs };
    const followed = world.settings.hasRules ? new FollowedRules(world, this) : undefined;
    this.rules = followed ?? NO_RULES;
    const ports = this.ports();
    this.node = new nodeClass(options, ports);
    this.sessions = new StandingSessions(
      { nowMs: ports.nowMs, submit: (request, settle) => world.devices.submit(this, request, settle) },
      clusterKey.sessionMs,
    );
    // Who has not read the rules yet would let anybody in.
    if (followed === undefined) this.node.start();
    else followed.begin(() => this.node.start());
    this.planTick(world.random.fraction() * world.settings.tickMs);
  }

  get isUp(): boolean {
    return this.state === "up";
  }

  /** Whether it would say so now. */
  get isReady(): boolean {
    return this.isUp && this.node.status.kind === "ready";
  }

  /** Runs what arrives at the process: at once, when it thaws, or never. */
  deliver(task: () => void): void {
    if (this.state === "frozen") this.held.push(task);
    else if (this.state === "up") task();
  }

  freeze(kind: FreezeKind): void {
    if (this.state !== "up") return;
    this.state = "frozen";
    this.freezeKind = kind;
    this.frozenSinceMs = this.world.nowMs;
    this.readySinceMs = undefined;
  }

  thaw(): void {
    if (this.state !== "frozen") return;
    if (this.freezeKind === "machine") this.standstillMs += this.world.nowMs - this.frozenSinceMs;
    this.state = "up";
    this.frozenSinceMs = Infinity;
    this.thawedMs = this.world.nowMs;
    const { held } = this;
    this.held = [];
    for (const task of held) this.world.time.after(0, () => this.deliver(task));
  }

  /** SIGKILL. */
  kill(): void {
    this.state = "gone";
    this.held = [];
    this.frozenSinceMs = Infinity;
    this.readySinceMs = undefined;
    this.world.onGone(this);
    for (const client of this.clients) this.world.time.after(CLOSED_AFTER_MS, () => client.onClosed());
  }

  /** For scenarios: what is given to the worker waits until it is released. */
  holdWorker(): void {
    this.isWorkerHeld = true;
  }

  /** Its worker has nothing else to do any more. */
  unburden(): void {
    this.isWorkerHeld = false;
    for (const finish of this.heldWork.splice(0)) this.world.time.after(0, finish);
    this.encodingMs = ENCODING_MS;
    this.decompressingMs = DECOMPRESSING_MS;
    this.msAKib = MS_A_KIB;
  }

  drain(): void {
    this.isLeaving = true;
    this.deliver(() => this.node.drain());
  }

  private planTick(delayMs: number): void {
    this.world.time.after(delayMs, () => {
      if (this.state === "gone") return;
      if (this.state === "up") this.tick();
      this.planTick(this.world.settings.tickMs * (0.9 + 0.2 * this.world.random.fraction()));
    });
  }

  private tick(): void {
    const { node, world } = this;
    node.tick();
    this.sessions.tick();
    if (node.incarnation !== this.incarnation) {
      this.incarnation = node.incarnation;
      this.readySinceMs = undefined;
      this.listedSinceMs = undefined;
    }
    if (node.parts?.membership.isListed ?? false) this.listedSinceMs ??= world.nowMs;
    if (node.status.kind !== "ready") this.readySinceMs = undefined;
    else this.readySinceMs ??= world.nowMs;
    if (node.mayEnd && this.clients.size === 0) {
      world.trace(this.name, "drained");
      this.kill();
    }
  }

  private ports(): ClusterPorts {
    const { world } = this;
    const nowMs = (): number => world.nowMs + this.clockOffsetMs - this.standstillMs;
    return {
      store: world.store.connect(this),
      transport: world.network.connect(this),
      nowMs,
      wallMs: () => world.wallMs + this.wallSkewMs,
      randomId: () => world.randomId(),
      encode: (copy) => this.encode(copy),
      decompress: (snapshot) => this.work(this.decompressingMs, snapshot.slice()),
      atTurnEnd: (task) => world.time.atTurnEnd(() => this.deliver(task)),
      rules: this.rules,
      tell: (event) => world.onEvent(this, event),
      onFatal: (error) => world.fail(`${this.name} ends: ${error.message}`),
    };
  }

  private encode(copy: TableCopy): Promise<Uint8Array> {
    const bytes = encodeRows("snapshot", { ...copy, ...takenRows(copy.words) });
    return this.work(this.encodingMs, bytes);
  }

  /** What the worker makes comes after it has waited for the worker, and after what its bytes take. */
  private work(waitMs: number, bytes: Uint8Array): Promise<Uint8Array> {
    const takesMs = waitMs + (bytes.length / 1024) * this.msAKib;
    return new Promise((resolve) => {
      const finish = (): void => this.deliver(() => resolve(bytes));
      if (this.isWorkerHeld) this.heldWork.push(finish);
      else this.world.time.after(takesMs, finish);
    });
  }
}
