/**
 * The life of a node that is one of a cluster: reaches Redis and the other nodes, joins, lets time pass, hands over when
 * it is told to end. What is decided is decided in `cluster/`; this gives it clock, store, peers and log.
 */
import { randomBytes, randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import type { Logger } from "pino";
import { ClusterNode, PLACEMENT_RULE } from "../../cluster/cluster-node.ts";
import { StoreUnavailableError } from "../../cluster/ports/record-store.ts";
import type { ClusterKey } from "../../cluster/ports/shared-store.ts";
import { type Lane, PeerError } from "../../cluster/ports/transport.ts";
import type { Member } from "../../cluster/ports/view.ts";
import { MODES_MAX } from "../../engine/modes.ts";
import { logEvent } from "./cluster-log.ts";
import { registerCluster } from "./cluster-metrics.ts";
import { decompressSnapshot, SnapshotEncoder } from "../encoder.ts";
import { EntryCluster } from "./entry-cluster.ts";
import { LoadMeter } from "../load-meter.ts";
import { MemoryAlarm } from "./memory-alarm.ts";
import type { Metrics } from "../metrics.ts";
import { Pace } from "../pace.ts";
import { askWhyNot } from "../peers/peer-hello.ts";
import { PeerPort } from "../peers/peer-port.ts";
import { PeerTransport } from "../peers/peer-transport.ts";
import { listenFailure, nodeName, reachableUrl } from "../place.ts";
import { UnfitRedisError } from "../redis/redis-errors.ts";
import { RedisStore } from "../redis/redis-store.ts";
import { registerRecorder } from "../recorder-metrics.ts";
import type { MemberShown, Service, Status } from "../service.ts";
import { disagreement, SettingError, type Settings } from "../settings.ts";

const TICK_MS = 20;
const LOOK_EVERY_MS = 20;
const RETRY_MS = 500;
/** So long load balancers have to notice that the node is not ready, before it lets anything go. */
const NOTICE_MS = 1000;
const HAND_OVER_WITHIN_MS = 12_000;

/** Where a node can be reached. */
interface Addresses {
  readonly id: string;
  readonly url: string;
  readonly peerUrl: string;
}

export class ServiceCluster implements Service {
  readonly settings: Settings;
  readonly pace: Pace;
  readonly failure: Promise<Error>;
  id = "";
  entry: EntryCluster | undefined;
  private readonly log: Logger;
  private readonly store: RedisStore;
  private readonly transport: PeerTransport;
  private readonly peerPort: PeerPort;
  private readonly encoder = new SnapshotEncoder();
  private readonly load: LoadMeter;
  private readonly memory: MemoryAlarm;
  private readonly fail: (error: Error) => void;
  private cluster: ClusterNode | undefined;
  private ticking: NodeJS.Timeout | undefined;
  private startingReason = "reaching Redis";
  private isDraining = false;

  constructor(settings: Settings, redisUrl: string, log: Logger) {
    const { cluster, peerSecret: secret, sessionMs, deadlineMs, leaseMs } = settings;
    const failing = Promise.withResolvers<Error>();
    this.settings = settings;
    this.log = log;
    this.failure = failing.promise;
    this.fail = failing.resolve;
    this.pace = new Pace(sessionMs);
    this.load = new LoadMeter(this.pace);
    this.store = RedisStore.connect({ url: redisUrl, cluster, timeoutMs: Math.min(deadlineMs, leaseMs / 2) });
    this.memory = new MemoryAlarm(() => this.store.memoryUsedRatio(), log);
    this.transport = new PeerTransport({ cluster, secret });
    this.peerPort = new PeerPort({
      cluster,
      secret,
      incarnation: () => this.incarnation,
      receive: (lane, message) => this.receive(lane, message),
      onError: (error) => log.error({ err: error }, "a peer's message could not be handled"),
    });
  }

  get incarnation(): string {
    return this.cluster?.incarnation ?? "";
  }

  get epoch(): number {
    return this.cluster?.view.epoch ?? 0;
  }

  get status(): Status {
    const status = this.cluster?.status ?? { kind: "starting", reason: this.startingReason };
    return this.isDraining && status.kind === "ready" ? DRAINING : status;
  }

  get degradedReason(): string | undefined {
    return this.cluster?.degradedReason;
  }

  members(): MemberShown[] {
    const { cluster } = this;
    if (cluster === undefined) return [];
    const silent = new Set(cluster.parts?.peers.unheard(this.settings.leaseMs));
    return cluster.view.members.map(({ id, incarnation, url, isLeaving }) => {
      const ofPeer = isLeaving ? "leaving" : silent.has(incarnation) ? "silent" : "ready";
      const state = incarnation === cluster.incarnation ? this.status.kind : ofPeer;
      return { id, incarnation, url, ...cluster.sliceOf(incarnation), state };
    });
  }

  registerMetrics(metrics: Metrics): void {
    registerCluster(metrics, () => this.cluster?.parts);
    registerRecorder(metrics, () => this.cluster?.parts?.recorder);
    metrics.gauge(
      "redis_memory_ratio",
      "Memory used of what Redis may use; 0 without a limit",
      () => this.memory.ratio,
    );
  }

  /**
   * @throws {SettingError} (rejects) where the peer listener, Redis or the other nodes do not agree with the settings
   */
  async start(port: number, url: string): Promise<void> {
    const addresses = { id: nodeName(this.settings, port), url, peerUrl: await this.listen() };
    this.id = addresses.id;
    await this.whenStored(() => this.store.check());
    this.startingReason = "asking the other nodes";
    await this.whenStored(() => this.askPeers(addresses));
    if (this.isDraining) return;
    this.join(addresses);
    const hasStarted = this.until(() => this.status.kind === "ready" || this.isDraining);
    await Promise.race([hasStarted, this.failure.then((error) => Promise.reject(error))]);
  }

  async drain(): Promise<void> {
    const { cluster, log } = this;
    this.isDraining = true;
    if (cluster === undefined) return;
    if (cluster.view.members.length > 1) await pause(NOTICE_MS);
    cluster.drain();
    const isHandedOver = await Promise.race([
      this.until(() => cluster.status.kind === "drained").then(() => true),
      pause(HAND_OVER_WITHIN_MS, false, { ref: false }),
    ]);
    if (!isHandedOver) log.error("could not hand over everything in time");
  }

  async stop(): Promise<boolean> {
    const isDrained = this.cluster === undefined || this.cluster.status.kind === "drained";
    clearInterval(this.ticking);
    this.transport.close();
    await this.peerPort.close();
    await this.encoder.close();
    await this.store.close();
    return isDrained;
  }

  private receive(lane: Lane, message: Uint8Array): Promise<Uint8Array> {
    // Meant for whoever had this address before.
    if (this.cluster?.parts === undefined) return Promise.reject(new PeerError("this node has not joined yet", false));
    return this.cluster.receive(lane, message);
  }

  /** @returns how peers reach the listener */
  private async listen(): Promise<string> {
    const { peerHost, peerPort, peerUrl } = this.settings;
    try {
      await this.peerPort.listen(peerHost, peerPort);
    } catch (error) {
      throw listenFailure(error, "HEADCOUNT_PEER", peerHost, peerPort);
    }
    return peerUrl ?? reachableUrl(this.peerPort.server);
  }

  /** Tries again and again where Redis is away: it may come later than its nodes. */
  private async whenStored(task: () => Promise<void>): Promise<void> {
    for (let told = ""; !this.isDraining; await pause(RETRY_MS)) {
      try {
        return await task();
      } catch (error) {
        if (error instanceof UnfitRedisError)
          throw new SettingError(`HEADCOUNT_REDIS_URL must name a Redis that can keep a cluster: ${error.message}`);
        if (!(error instanceof StoreUnavailableError)) throw error;
        this.startingReason = error.message;
        if (told !== error.message) this.log.warn({ reason: error.message }, "waiting for Redis");
        told = error.message;
      }
    }
  }

  /** Before it joins: nodes that do not let each other in would only hinder the cluster. */
  private async askPeers(addresses: Addresses): Promise<void> {
    const { cluster, peerSecret: secret } = this.settings;
    const members = await this.listed(addresses);
    await Promise.all(
      members.map(async ({ peerUrl }) => {
        const reason = await askWhyNot(peerUrl, { cluster, secret });
        if (reason !== undefined) throw new SettingError(`${reason} (says the node at ${peerUrl})`);
      }),
    );
  }

  /** A renewal by somebody who does not ask to be listed changes nothing and tells who is. */
  private async listed(addresses: Addresses): Promise<readonly Member[]> {
    const { store, settings } = this;
    const member = { ...addresses, incarnation: randomUUID(), weight: settings.weight, isLeaving: false };
    const about = { isJoining: false, epoch: 0, nonce: "", freshNonce: randomUUID(), revision: 0, licenceMs: 0 };
    const named = { accused: [], closed: [], closedStill: [], called: [], held: undefined };
    const answer = await store.renew({ member, ...about, ...named }, settings.leaseMs);
    return answer.kind === "gone" ? [] : (answer.list?.view.members ?? []);
  }

  private join(addresses: Addresses): void {
    const { settings, store, transport, encoder, log } = this;
    const options = {
      ...addresses,
      weight: settings.weight,
      key: proposal(settings),
      snapshotMs: settings.snapshotMs,
      isRepair: settings.isRepair,
    };
    const cluster = new ClusterNode(options, {
      store,
      transport,
      nowMs: () => performance.now(),
      wallMs: Date.now,
      randomId: randomUUID,
      encode: (copy) => encoder.encode(copy),
      decompress: decompressSnapshot,
      atTurnEnd: setImmediate,
      tell: (event) => logEvent(log, event),
      onFatal: (error) => this.fail(disagreement(error)),
    });
    this.cluster = cluster;
    this.ticking = setInterval(() => this.tick(cluster), TICK_MS);
    cluster.start();
  }

  private tick(cluster: ClusterNode): void {
    cluster.tick();
    this.load.tick(performance.now());
    this.memory.tick(performance.now());
    if (this.entry === undefined && cluster.status.kind === "ready") this.entry = new EntryCluster(cluster);
  }

  private async until(isSo: () => boolean): Promise<void> {
    while (!isSo()) await pause(LOOK_EVERY_MS);
  }
}

/** What the cluster is founded with where it is not yet. */
function proposal({ partitions, sessionMs, graceMs, leaseMs, deadlineMs, durability }: Settings): ClusterKey {
  const agreed = { partitions, sessionMs, leaseMs, deadlineMs, graceMs, durability }; // grace comes of those before it
  return { ...agreed, hashKey: randomBytes(8), modesMax: MODES_MAX, placement: PLACEMENT_RULE };
}

const DRAINING: Status = { kind: "draining", reason: "the node is shutting down" };
