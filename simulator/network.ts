/**
 * The network between the nodes: it delays, drops, repeats, reorders and cuts, one way or both. Each leg of a call has
 * a delay of its own, so messages overtake each other.
 */
import { type Lane, PeerError, type Transport } from "../cluster/ports/transport.ts";
import type { SimulatedNode } from "./simulated-node.ts";
import type { Planned } from "./virtual-time.ts";
import type { World } from "./world.ts";

/** What the network does to each message, until told otherwise. */
export interface Weather {
  /** Added to the usual delay: up to so much. */
  delayMs: number;
  requestLossRatio: number;
  answerLossRatio: number;
  /** Share of the requests that are delivered a second time, up to three seconds later. */
  repeatRatio: number;
}

export const FAIR: Weather = { delayMs: 0, requestLossRatio: 0, answerLossRatio: 0, repeatRatio: 0 };
/** The usual delay of one leg: 0.2 to 2 ms. */
const DELAY_MIN_MS = 0.2;
export const DELAY_MAX_MS = 2;
const REPEATED_WITHIN_MS = 3000;

const NONE = (): boolean => false;

interface Call {
  readonly from: SimulatedNode;
  readonly to: SimulatedNode;
  isSettled: boolean;
  limit: Planned | undefined;
  readonly settle: (answer: Uint8Array | PeerError) => void;
}

export class Network {
  weather: Weather = { ...FAIR };
  /** For scenarios: requests that arrive when they are released. */
  holds: (from: SimulatedNode, to: SimulatedNode, lane: Lane) => boolean = NONE;
  /** For scenarios: requests that are lost. */
  loses: (from: SimulatedNode, to: SimulatedNode, lane: Lane) => boolean = NONE;
  /** The longest message of each lane so far: so a run can tell whether what is split was long enough for it. */
  readonly longestBytes: Record<Lane, number> = { rows: 0, counts: 0, control: 0 };
  /** For scenarios: connections that are refused, as by a box on the way, although somebody listens. */
  refuses: (from: SimulatedNode, to: SimulatedNode) => boolean = NONE;
  private readonly transports = new Map<SimulatedNode, Transport>();
  private readonly world: World;
  /** Nodes whose port refuses although they live, and until when. */
  private readonly refusingUntilMs = new Map<SimulatedNode, number>();
  /** `from>to`, by name. */
  private readonly cuts = new Set<string>();
  private readonly byUrl = new Map<string, SimulatedNode>();
  private readonly underWay = new Set<Call>();
  private held: (() => void)[] = [];

  constructor(world: World) {
    this.world = world;
  }

  add(node: SimulatedNode): void {
    this.byUrl.set(node.peerUrl, node);
  }

  /** What `from` sends no longer reaches `to`. */
  cut(from: string, to: string): void {
    this.cuts.add(`${from}>${to}`);
  }

  get heldCount(): number {
    return this.held.length;
  }

  release(): void {
    const { held } = this;
    this.held = [];
    for (const arrive of held) arrive();
  }

  mendBetween(one: string, other: string): void {
    this.cuts.delete(`${one}>${other}`);
    this.cuts.delete(`${other}>${one}`);
  }

  clearUp(): void {
    this.weather = { ...FAIR };
  }

  mend(): void {
    this.cuts.clear();
    this.refusingUntilMs.clear();
    this.loses = NONE;
    this.refuses = NONE;
    this.clearUp();
  }

  get isDisturbed(): boolean {
    const { delayMs, requestLossRatio, answerLossRatio, repeatRatio } = this.weather;
    return (
      this.cuts.size > 0 || this.refuses !== NONE || delayMs + requestLossRatio + answerLossRatio + repeatRatio > 0
    );
  }

  isCut(from: string, to: string): boolean {
    return this.cuts.has(`${from}>${to}`);
  }

  /** A process ended: its port refuses, who waits for an answer sees the connection close, and so do all who have one (R10). */
  onGone(node: SimulatedNode): void {
    if (this.byUrl.get(node.peerUrl) === node) this.byUrl.delete(node.peerUrl);
    this.endConnections(node);
  }

  /** R10: a node's connections end, and for a while its port refuses, although it lives: what a crash looks like. */
  resetLying(node: SimulatedNode, refusesMs: number): void {
    this.refusingUntilMs.set(node, this.world.nowMs + refusesMs);
    this.endConnections(node);
  }

  /** Whoever is connected to the node sees that end. */
  private endConnections(node: SimulatedNode): void {
    for (const call of this.underWay)
      if (call.to === node) this.answer(call, new PeerError("The connection was closed", false));
      else if (call.from === node && node.state === "gone") this.forget(call);
      else if (call.from === node)
        node.deliver(() => this.settle(call, new PeerError("The connection was closed", false)));
    for (const [peer, transport] of this.transports) {
      if (peer === node && node.state === "gone") this.transports.delete(peer);
      else if (peer !== node && !this.isCut(node.name, peer.name)) this.end(peer, transport, node.peerUrl);
    }
  }

  /** The connections of a node to an address end, as when a process dies there, or a box on the way resets them. */
  reset(from: SimulatedNode, peerUrl: string): void {
    const transport = this.transports.get(from);
    if (transport !== undefined) this.end(from, transport, peerUrl);
  }

  connect(from: SimulatedNode): Transport {
    const transport: Transport = {
      call: (peerUrl, lane, message, timeoutMs) => this.call(from, peerUrl, lane, message.slice(), timeoutMs),
      onEnded: () => undefined,
    };
    this.transports.set(from, transport);
    return transport;
  }

  private end(node: SimulatedNode, transport: Transport, peerUrl: string): void {
    this.world.time.after(this.delayMs(), () => node.deliver(() => transport.onEnded(peerUrl)));
  }

  private call(from: SimulatedNode, peerUrl: string, lane: Lane, message: Uint8Array, timeoutMs: number) {
    return new Promise<Uint8Array>((resolve, reject: (error: PeerError) => void) => {
      const to = this.byUrl.get(peerUrl);
      this.world.tally.messages++;
      this.longestBytes[lane] = Math.max(this.longestBytes[lane], message.length);
      if (to === undefined || !this.reaches(to, peerUrl) || this.refuses(from, to))
        return this.refuse(from, peerUrl, reject);
      const call: Call = {
        from,
        to,
        isSettled: false,
        limit: undefined,
        settle: (answer) => (answer instanceof PeerError ? reject(answer) : resolve(answer)),
      };
      this.underWay.add(call);
      const { weather, world } = this;
      call.limit = world.time.after(timeoutMs, () => {
        if (!call.isSettled)
          from.deliver(() => this.settle(call, new PeerError(`No answer in ${timeoutMs} ms`, false)));
      });
      if (this.holds(from, to, lane)) return void this.held.push(() => this.arrive(call, lane, message));
      const isCut = this.isCut(from.name, to.name) || this.loses(from, to, lane);
      const isLost = isCut || world.random.fraction() < weather.requestLossRatio;
      if (!isLost) world.time.after(this.delayMs(), () => this.arrive(call, lane, message));
      else world.noteFault("request lost");
      if (world.random.fraction() < weather.repeatRatio) this.repeat(call, lane, message);
    });
  }

  private reaches(to: SimulatedNode, peerUrl: string): boolean {
    const isRefusing = this.world.nowMs < (this.refusingUntilMs.get(to) ?? -Infinity);
    return to.state !== "gone" && this.byUrl.get(peerUrl) === to && !isRefusing;
  }

  private refuse(from: SimulatedNode, peerUrl: string, reject: (error: PeerError) => void): void {
    this.world.time.after(this.delayMs(), () =>
      from.deliver(() => reject(new PeerError(`${peerUrl} refuses connections`, true))),
    );
  }

  private arrive(call: Call, lane: Lane, message: Uint8Array): void {
    call.to.deliver(() => {
      call.to.node.receive(lane, message).then(
        (answer) => this.answer(call, answer.slice()),
        (error: unknown) => this.answer(call, new PeerError(String(error), false)),
      );
    });
  }

  private repeat(call: Call, lane: Lane, message: Uint8Array): void {
    const { world } = this;
    world.noteFault("request repeated");
    world.time.after(world.random.fraction() * REPEATED_WITHIN_MS, () =>
      call.to.deliver(() => {
        call.to.node.receive(lane, message.slice()).then(
          () => undefined,
          () => undefined,
        );
      }),
    );
  }

  private answer(call: Call, answer: Uint8Array | PeerError): void {
    const { world } = this;
    const isLost = world.random.fraction() < this.weather.answerLossRatio;
    if (isLost || this.isCut(call.to.name, call.from.name)) return world.noteFault("answer lost");
    world.time.after(this.delayMs(), () => call.from.deliver(() => this.settle(call, answer)));
  }

  private settle(call: Call, answer: Uint8Array | PeerError): void {
    if (call.isSettled) return;
    call.isSettled = true;
    this.forget(call);
    call.settle(answer);
  }

  private forget(call: Call): void {
    this.underWay.delete(call);
    this.world.time.cancel(call.limit);
  }

  private delayMs(): number {
    const { random } = this.world;
    const usual = DELAY_MIN_MS + random.fraction() * (DELAY_MAX_MS - DELAY_MIN_MS);
    return this.weather.delayMs === 0 ? usual : usual + random.fraction() ** 3 * this.weather.delayMs;
  }
}
