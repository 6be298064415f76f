/**
 * The life of a node that is one of a cluster: reaches Redis and the other nodes, joins, lets time pass, hands over when
 * it is told to end. What is decided is decided in `cluster/`; this gives it clock, store, peers and log.
 */
import { randomBytes, randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import type { Logger } from "pino";
import { ClusterNode, PLACEMENT_RULE } from "../../cluster/cluster-node.ts";
import { markOf } from "../../cluster/ports/mark.ts";
import { StoreUnavailableError } from "../../cluster/ports/record-store.ts";
import type { Rules } from "../../cluster/ports/rules.ts";
import type { ClusterKey } from "../../cluster/ports/shared-store.ts";
import { type Lane, PeerError } from "../../cluster/ports/transport.ts";
import type { Member } from "../../cluster/ports/view.ts";
import { MODES_MAX } from "../../engine/modes.ts";
import { askPeers } from "./ask-peers.ts";
import { logEvent, logStranger } from "./cluster-log.ts";
import { peerUrlOf } from "./peer-address.ts";
import { registerCluster } from "./cluster-metrics.ts";
import { decompressSnapshot, SnapshotEncoder } from "../encoder.ts";
import { EntryCluster } from "./entry-cluster.ts";
import { LoadMeter } from "../load-meter.ts";
import { MemoryAlarm } from "./memory-alarm.ts";
import type { Metrics } from "../metrics.ts";
import { Pace } from "../pace.ts";
import { classOf, PacedLog } from "../paced-log.ts";
import type { PeerCredentials } from "../peers/peer-door.ts";
import { sayHello } from "../peers/peer-hello.ts";
import { PeerPort } from "../peers/peer-port.ts";
import { refuseUnnamed } from "../peers/peer-tls.ts";
import { PeerTransport } from "../peers/peer-transport.ts";
import { addressOf, listenFailure, nodeName, ownAddresses } from "../place.ts";
import { UnfitRedisError } from "../redis/redis-errors.ts";
import { RedisStore } from "../redis/redis-store.ts";
import { registerRecorder } from "../recorder-metrics.ts";
import { registerStandings } from "../standing-metrics.ts";
import type { MemberShown, Service, Status } from "../service.ts";
import { Certificate } from "../tls/certificate.ts";
import { disagreement, SettingError, type Settings } from "../settings.ts";
import type { Texts } from "../text-store.ts";

const TICK_MS = 20;
const LOOK_EVERY_MS = 20;
const RETRY_MS = 500;
/** So long load balancers have to notice that the node is not ready, before it lets anything go. */
const NOTICE_MS = 1000;
const HAND_OVER_WITHIN_MS = 12_000;
/** The longest that a node which has left waits for its peers to learn that; as a rule a quarter of a second is enough. */
const MAY_END_WITHIN_MS = 1000;

/** Where a node can be reached. */
interface Addresses {
  readonly id: string;
  readonly url: string;
  readonly peerUrl: string;
}

function connectStore(settings: Settings, url: string): RedisStore {
  const { cluster, deadlineMs, leaseMs, redisUsername, redisPassword, redisSentinelPassword } = settings;
  const login = { username: redisUsername, password: redisPassword, sentinelPassword: redisSentinelPassword };
  return RedisStore.connect({ url, login, cluster, timeoutMs: Math.min(deadlineMs, leaseMs / 2) });
}

/** @param ownState of this node, which knows better than its view */
function membersOf(cluster: ClusterNode, leaseMs: number, ownState: Status["kind"]): MemberShown[] {
  const silent = new Set(cluster.parts?.peers.unheard(leaseMs));
  return cluster.view.members.map(({ id, incarnation, url, isLeaving }) => {
    const ofPeer = isLeaving ? "leaving" : silent.has(incarnation) ? "silent" : "ready";
    const state = incarnation === cluster.incarnation ? ownState : ofPeer;
    return { id, incarnation, url, ...cluster.sliceOf(incarnation), state };
  });
}

export class ServiceCluster implements Service {
  readonly settings: Settings;
  readonly rules: Rules;
  readonly pace: Pace;
  readonly texts: Texts;
  readonly failure: Promise<Error>;
  id = "";
  entry: EntryCluster | undefined;
  private readonly log: Logger;
  private readonly paced: PacedLog;
  private readonly store: RedisStore;
  private readonly credentials: PeerCredentials;
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

  constructor(settings: Settings, redisUrl: string, rules: Rules, log: Logger) {
    const { cluster, peerSecret: secret, peerTls, sessionMs } = settings;
    const failing = Promise.withResolvers<Error>();
    this.settings = settings;
    this.rules = rules;
    this.log = log;
    this.paced = new PacedLog(log, () => performance.now());
    this.failure = failing.promise;
    this.fail = failing.resolve;
    this.pace = new Pace(sessionMs);
    this.load = new LoadMeter(this.pace);
    this.store = connectStore(settings, redisUrl);
    this.texts = this.store.texts;
    this.memory = new MemoryAlarm(() => this.store.memoryUsedRatio(), log);
    this.credentials = { cluster, secret, certificate: peerTls && new Certificate(peerTls, { log, nowMs: Date.now }) };
    this.transport = new PeerTransport(this.credentials);
    this.peerPort = new PeerPort({
      ...this.credentials,
      incarnation: () => this.incarnation,
      receive: (lane, message) => this.receive(lane, message),
      onError: (error) =>
        this.paced.write("error", classOf(String(error)), { err: error }, "a peer's message could not be handled"),
      onStranger: (reason, address) => logStranger(this.paced, reason, address),
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

  get storeQueue(): number {
    return this.degradedReason === undefined ? (this.cluster?.parts?.recorder.queuedShare ?? 0) : 0;
  }

  members(): MemberShown[] {
    return this.cluster === undefined ? [] : membersOf(this.cluster, this.settings.leaseMs, this.status.kind);
  }

  registerMetrics(metrics: Metrics): void {
    registerCluster(metrics, () => this.cluster?.parts);
    registerRecorder(metrics, () => this.cluster?.parts?.recorder);
    registerStandings(metrics, () => this.cluster?.parts?.presences.standings);
    this.peerPort.registerMetrics(metrics);
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
    this.id = nodeName(this.settings, port);
    await this.listen();
    await this.whenStored(() => this.store.check());
    if (this.isDraining) return;
    const addresses = { id: this.id, url, peerUrl: this.peerUrl() };
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
    const { cluster } = this;
    const isDrained = cluster === undefined || cluster.status.kind === "drained";
    if (isDrained) await Promise.race([this.until(() => cluster?.mayEnd ?? true), pause(MAY_END_WITHIN_MS)]);
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

  private async listen(): Promise<void> {
    const { peerHost, peerPort } = this.settings;
    try {
      await this.peerPort.listen(peerHost, peerPort);
    } catch (error) {
      throw listenFailure(error, "HEADCOUNT_PEER", peerHost, peerPort);
    }
  }

  /** How peers reach the listener. */
  private peerUrl(): string {
    const { peerHost: host, peerUrl: url } = this.settings;
    const [{ server, scheme }, { ends }] = [this.peerPort, this.store];
    const peerUrl = peerUrlOf({ ...addressOf(server), host, url, scheme, ends, own: ownAddresses() });
    refuseUnnamed(this.credentials, peerUrl);
    return peerUrl;
  }

  /** Tries again and again where Redis is away: it may come later than its nodes. */
  private async whenStored(task: () => Promise<void>): Promise<void> {
    for (; !this.isDraining; await pause(RETRY_MS)) {
      try {
        return await task();
      } catch (error) {
        if (error instanceof UnfitRedisError)
          throw new SettingError(`HEADCOUNT_REDIS_URL must name a Redis that can keep a cluster: ${error.message}`);
        if (!(error instanceof StoreUnavailableError)) throw error;
        this.startingReason = error.told;
        const { message: reason } = error;
        this.paced.write("warn", classOf(reason), { reason }, "waiting for Redis");
        this.paced.tick();
      }
    }
  }

  /** Before it joins: nodes that do not let each other in would only hinder the cluster. */
  private async askPeers(addresses: Addresses): Promise<void> {
    const { log, credentials } = this;
    const ports = {
      listed: () => this.listed(addresses),
      sayHello: (peerUrl: string) => sayHello(peerUrl, credentials),
      pause: (ms: number) => pause(ms),
      onStranger: (peerUrl: string, status: number) =>
        log.info({ peerUrl, status }, "something else answers at a listed member's address: it is ignored"),
      onRefusal: (peerUrl: string, reason: string) =>
        log.warn(
          { peerUrl, reason },
          "a node and this one refuse each other: waiting to see whether that one is still a member",
        ),
    };
    const refusal = await askPeers(ports, this.settings.leaseMs);
    if (refusal !== undefined) throw new SettingError(refusal);
  }

  /** A renewal by somebody who does not ask to be listed tells who is, and lets the list forget the dead. */
  private async listed(addresses: Addresses): Promise<readonly Member[]> {
    const { store, settings } = this;
    const { key, view } = await store.look();
    if (key === undefined) return view.members;
    const member = { ...addresses, incarnation: randomUUID(), weight: settings.weight, isLeaving: false };
    const about = {
      isJoining: false,
      epoch: 0,
      nonce: "",
      freshNonce: randomUUID(),
      revision: 0,
      licenceMs: 0,
      number: 1,
    };
    const named = { accused: [], closed: [], closedStill: [], called: [], held: undefined };
    const renewal = { member, mark: markOf(key.hashKey), ...about, ...named };
    const answer = await store.renew(renewal, settings.leaseMs);
    return "list" in answer ? (answer.list?.view.members ?? []) : [];
  }

  private join(addresses: Addresses): void {
    const { settings, store, transport, encoder, log, paced } = this;
    const { weight, snapshotMs, isRepair, floor, reconnectGraceMs } = settings;
    const about = { weight, snapshotMs, isRepair, floor, reconnectGraceMs, playerRate: settings.limits.profile };
    const options = { ...addresses, ...about, key: proposal(settings) };
    const cluster = new ClusterNode(options, {
      store,
      transport,
      nowMs: () => performance.now(),
      wallMs: Date.now,
      randomId: randomUUID,
      encode: (copy) => encoder.encode(copy),
      decompress: decompressSnapshot,
      atTurnEnd: setImmediate,
      rules: this.rules,
      tell: (event) => logEvent(log, paced, event),
      onFatal: (error) => this.fail(disagreement(error)),
    });
    this.cluster = cluster;
    this.ticking = setInterval(() => this.tick(cluster), TICK_MS);
    cluster.start();
  }

  private tick(cluster: ClusterNode): void {
    cluster.tick();
    this.paced.tick();
    this.load.tick(performance.now());
    this.memory.tick(performance.now());
    if (this.entry === undefined && cluster.status.kind === "ready")
      this.entry = new EntryCluster(cluster, this.settings.floor);
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
