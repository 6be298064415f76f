/**
 * Many nodes in one process: the real cluster code over a network and a store in memory, in virtual time. Nothing fails
 * and every way takes equally long, so what is counted here (messages, bytes, moves) is what the protocols cost.
 */
import { ClusterNode } from "../../cluster/cluster-node.ts";
import { NO_RULES } from "../../cluster/ports/rules.ts";
import { NO_SEQ } from "../../cluster/records/presences.ts";
import { PLACEMENT_RULE } from "../../cluster/members/placement.ts";
import type { ClusterKey } from "../../cluster/ports/shared-store.ts";
import { type Lane, PeerError, type Transport } from "../../cluster/ports/transport.ts";
import type { View } from "../../cluster/ports/view.ts";
import { encodeRows } from "../../engine/codec.ts";
import type { TableCopy } from "../../engine/engine.ts";
import { MODES_MAX } from "../../engine/modes.ts";
import { takenRows } from "../../engine/presence-table.ts";
import { emptyProfileId } from "../../engine/profile-id.ts";
import { regionOf } from "../../engine/places.ts";
import { VirtualTime } from "../../simulator/virtual-time.ts";
import { SharedStoreModel } from "../../simulator/redis/shared-store-model.ts";
import { placeOf, randomOf, writeId } from "../support/traffic.ts";

/** One way between two nodes, and there and back to the store: a data centre's. */
export const LEG_MS = 0.25;
export const STORE_MS = 0.5;
/** Of every message on the wire, beside its own bytes. */
export const FRAME_BYTES = 16;
const TICK_MS = 20;
const READY_WITHIN_MS = 30_000;
const ENCODING_MS = 5;

/** What went over a lane: calls, of two messages each, and the bytes both ways. */
export interface LaneTraffic {
  calls: number;
  bytes: number;
}

export interface Traffic {
  readonly rows: LaneTraffic;
  readonly counts: LaneTraffic;
  readonly control: LaneTraffic;
  /** Calls of the store. */
  storeCalls: number;
}

interface VirtualNode {
  readonly node: ClusterNode;
  readonly peerUrl: string;
  isGone: boolean;
}

export class VirtualCluster {
  readonly traffic: Traffic = { rows: noTraffic(), counts: noTraffic(), control: noTraffic(), storeCalls: 0 };
  nodes: VirtualNode[] = [];
  /** Reports that were answered "remembered", and those that were not. */
  remembered = 0;
  failed = 0;
  private readonly partitions: number;
  private readonly time = new VirtualTime();
  private readonly model = new SharedStoreModel({ clockMs: () => Math.floor(1_000_000 + this.time.nowMs) });
  private readonly random: () => number;
  private started = 0;

  constructor(partitions: number, seed: number) {
    this.partitions = partitions;
    this.random = randomOf(seed);
  }

  /** Starts nodes, all at once; they are ready then. */
  async start(nodeCount: number): Promise<void> {
    for (let count = 0; count < nodeCount; count++) this.add();
    await this.untilReady();
  }

  async join(): Promise<void> {
    this.add();
    await this.untilReady();
  }

  async drain(index: number): Promise<void> {
    const leaver = this.nodes[index] as VirtualNode;
    leaver.node.drain();
    await this.until("the node has left", () => leaver.node.status.kind === "drained");
    this.remove(leaver);
    await this.untilListed();
  }

  async kill(index: number): Promise<void> {
    this.remove(this.nodes[index] as VirtualNode);
    await this.untilListed();
  }

  get view(): View {
    return (this.nodes[0] as VirtualNode).node.view;
  }

  /** Rows that were sent to other nodes so far. */
  get forwardedRows(): number {
    return this.nodes.reduce((rows, { node }) => rows + (node.parts?.figures.forwarding.sent.batchRows ?? 0), 0);
  }

  async run(forMs: number): Promise<void> {
    await this.time.run(this.time.nowMs + forMs);
  }

  /** Reports of players at random nodes and at random instants. */
  async report(players: number, perSecond: number, forMs: number): Promise<void> {
    const untilMs = this.time.nowMs + forMs;
    const arrive = (): void => {
      if (this.time.nowMs >= untilMs) return;
      this.submitOne(players);
      this.time.after(this.gapMs(perSecond), arrive);
    };
    this.time.after(this.gapMs(perSecond), arrive);
    await this.run(forMs);
  }

  private submitOne(players: number): void {
    const { node } = this.nodes[Math.floor(this.fraction() * this.nodes.length)] as VirtualNode;
    const id = emptyProfileId();
    writeId(id, 0, Math.floor(this.fraction() * players));
    const { region, mode } = placeOf(this.random());
    node.submit({ operation: "report", id, region: regionOf(region), mode, seq: NO_SEQ }, (outcome) => {
      if (outcome.kind === "done" && outcome.isRemembered) this.remembered++;
      else this.failed++;
    });
  }

  private gapMs(perSecond: number): number {
    return (-Math.log(this.fraction() + 2 ** -33) * 1000) / perSecond;
  }

  private fraction(): number {
    return this.random() / 2 ** 32;
  }

  private add(): void {
    const name = `n${++this.started}`;
    const peerUrl = `peer://${name}`;
    const options = { id: name, url: `http://${name}`, peerUrl, weight: 1, key: this.key(), snapshotMs: 10_000 };
    const { time } = this;
    const added: VirtualNode = {
      peerUrl,
      isGone: false,
      node: new ClusterNode(options, {
        store: this.model.connect((step) => {
          this.traffic.storeCalls++;
          return this.afterwards(STORE_MS / 2, step.apply, STORE_MS / 2);
        }),
        transport: this.transport(),
        nowMs: () => time.nowMs,
        wallMs: () => time.nowMs,
        randomId: () => this.randomId(),
        encode: (copy) => this.afterwards(ENCODING_MS, () => encode(copy), 0),
        decompress: (snapshot) => Promise.resolve(snapshot.slice()),
        atTurnEnd: (task) => time.atTurnEnd(task),
        rules: NO_RULES,
        tell: () => undefined,
        onFatal: (error) => time.stop(error),
      }),
    };
    added.node.start();
    this.nodes.push(added);
    this.planTick(added, this.fraction() * TICK_MS);
  }

  private remove(gone: VirtualNode): void {
    gone.isGone = true;
    this.nodes = this.nodes.filter((other) => other !== gone);
  }

  private planTick(ticking: VirtualNode, delayMs: number): void {
    this.time.after(delayMs, () => {
      if (ticking.isGone) return;
      ticking.node.tick();
      this.planTick(ticking, TICK_MS);
    });
  }

  private transport(): Transport {
    return {
      call: async (peerUrl, lane, message) => {
        this.note(lane, message, 1);
        await this.wait(LEG_MS);
        const peer = this.nodes.find((each) => each.peerUrl === peerUrl);
        if (peer === undefined) throw new PeerError(`${peerUrl} refuses connections`, true);
        const answer = await peer.node.receive(lane, message);
        this.note(lane, answer, 0);
        await this.wait(LEG_MS);
        return answer;
      },
      onEnded: () => undefined,
    };
  }

  private note(lane: Lane, message: Uint8Array, calls: number): void {
    this.traffic[lane].calls += calls;
    this.traffic[lane].bytes += message.length + FRAME_BYTES;
  }

  private async afterwards<T>(beforeMs: number, task: () => T, behindMs: number): Promise<T> {
    await this.wait(beforeMs);
    try {
      return task();
    } finally {
      await this.wait(behindMs);
    }
  }

  private wait(forMs: number): Promise<void> {
    return new Promise((resolve) => this.time.after(forMs, resolve));
  }

  private async untilListed(): Promise<void> {
    await this.until("just those that run are listed", () => this.view.members.length === this.nodes.length);
    await this.untilReady();
  }

  private async untilReady(): Promise<void> {
    const areReady = (): boolean => {
      const { epoch } = this.view;
      return this.nodes.every(({ node }) => {
        const { parts } = node;
        return (
          node.status.kind === "ready" &&
          node.view.epoch === epoch &&
          parts?.holdings.where("wanted", "taking", "settling", "letting go").length === 0
        );
      });
    };
    await this.until("all nodes are ready", areReady);
  }

  private async until(what: string, holds: () => boolean): Promise<void> {
    const limitMs = this.time.nowMs + READY_WITHIN_MS;
    while (!holds()) {
      if (this.time.nowMs > limitMs) throw new Error(`Not within ${READY_WITHIN_MS} ms of virtual time: ${what}`);
      await this.run(TICK_MS);
    }
  }

  private key(): ClusterKey {
    return {
      partitions: this.partitions,
      hashKey: Uint8Array.from({ length: 8 }, () => this.random() & 0xff),
      sessionMs: 90_000,
      graceMs: 50_000,
      leaseMs: 3000,
      deadlineMs: 2000,
      durability: "log",
      modesMax: MODES_MAX,
      placement: PLACEMENT_RULE,
    };
  }

  private randomId(): string {
    const hex = (): string => this.random().toString(16).padStart(8, "0");
    const [one, two, three, four] = [hex(), hex(), hex(), hex()];
    return `${one}-${two.slice(0, 4)}-4${two.slice(5)}-8${three.slice(1, 4)}-${three.slice(4)}${four}`;
  }
}

function noTraffic(): LaneTraffic {
  return { calls: 0, bytes: 0 };
}

function encode(copy: TableCopy): Uint8Array {
  return encodeRows("snapshot", { ...copy, ...takenRows(copy.words) });
}
