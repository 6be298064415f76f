/**
 * The other nodes, as this one hears them: calls with an envelope around them (R17), the spread of views, who was
 * heard of when (R10, R25), and how old a message is at the most (R19).
 */
import { type ClusterMark, type Envelope, seal, unseal, type Verdict } from "./envelope.ts";
import { type Lane, PeerError, type Transport } from "../ports/transport.ts";
import { isNewer, memberOf, type View } from "../ports/view.ts";

export interface PeersPorts {
  readonly transport: Transport;
  readonly mark: ClusterMark;
  readonly nowMs: () => number;
  readonly me: () => string;
  readonly view: () => View;
  /** A view came that is newer than mine, or another one under the same epoch. */
  readonly adopt: (view: View) => void;
}

/**
 * Handles a request on a lane.
 * @param epoch of the sender's view
 * @param delayMs R19: how old the message is at the most, by causality: rows count on it. Counts, which want to know how
 *   fresh they are, get less where by the clocks it was on its way for less: the bound alone is a beat too loose
 */
export type Handler = (from: string, epoch: number, delayMs: number, body: Uint8Array) => Promise<Uint8Array>;

/** A peer in one of its incarnations. */
interface Peer {
  heardAtMs: number;
  /** Epoch of the newest view it is known to have. */
  knownEpoch: number;
  /** R19: the newest stamp heard from it, by its clock: what we send it now is sent after that. 0: none. */
  stampMs: number;
  /** Smallest difference between our clock and its clock at sending, seen in this window and in the one before. */
  smallestMs: number;
  smallestBeforeMs: number;
  windowEndsMs: number;
}

/** The smallest delay is that of the last one or two of these: clocks drift, stand still and jump. Beats come more often. */
const DELAY_WINDOW_MS = 500;
const NO_BODY = new Uint8Array(0);
/** Peers beyond those listed that are remembered: those on their way in or out. */
const STRANGERS_MAX = 64;

export class Peers {
  private readonly ports: PeersPorts;
  private readonly handlers: Readonly<Record<Lane, Handler>>;
  private readonly peers = new Map<string, Peer>();
  private refused = new Set<string>();

  constructor(ports: PeersPorts, handlers: Readonly<Record<Lane, Handler>>) {
    this.ports = ports;
    this.handlers = handlers;
  }

  /** @throws {PeerError} (rejects) where the peer is not listed or did not answer */
  async call(incarnation: string, lane: Lane, body: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
    const { ports } = this;
    const [view, me] = [ports.view(), ports.me()];
    const member = memberOf(view, incarnation);
    if (member === undefined) throw new PeerError(`No member ${incarnation} is listed`, false);
    const peer = this.peerOf(incarnation);
    const isNews = peer.knownEpoch < view.epoch;
    const message = this.sealed("request", "done", incarnation, isNews ? view : undefined, body);
    let answer: Envelope;
    try {
      answer = unseal("answer", await ports.transport.call(member.peerUrl, lane, message, timeoutMs), ports.mark);
    } catch (error) {
      // An address that is none fails in other ways, and must not be this node's end.
      if (!(error instanceof PeerError)) throw new PeerError(`${member.peerUrl}: ${String(error)}`, false);
      if (error.isRefused) this.refused.add(incarnation);
      throw error;
    }
    if (answer.view !== undefined) this.note(answer.view);
    if (answer.from !== incarnation || answer.to !== me || answer.verdict === "stranger") {
      this.refused.add(incarnation); // as good as a port where nobody listens
      throw new PeerError(`${member.peerUrl} is not ${incarnation} any more`, false, true);
    }
    peer.heardAtMs = ports.nowMs();
    peer.knownEpoch = Math.max(peer.knownEpoch, answer.epoch);
    peer.stampMs = Math.max(peer.stampMs, answer.sentAtMs);
    return answer.body;
  }

  /** @throws {MalformedMessageError} (rejects) */
  async receive(lane: Lane, message: Uint8Array): Promise<Uint8Array> {
    const request = unseal("request", message, this.ports.mark);
    if (request.view !== undefined) this.note(request.view);
    if (request.to !== this.ports.me()) return this.answer(request, "stranger", NO_BODY);
    const peer = this.peerOf(request.from);
    const nowMs = this.ports.nowMs();
    peer.heardAtMs = nowMs;
    peer.knownEpoch = Math.max(peer.knownEpoch, request.epoch);
    peer.stampMs = Math.max(peer.stampMs, request.sentAtMs);
    const ageMaxMs = Math.max(0, nowMs - request.echoMs);
    const delayMs = lane === "counts" ? Math.min(ageMaxMs, delayOf(peer, nowMs, request.sentAtMs)) : ageMaxMs;
    return this.answer(request, "done", await this.handlers[lane](request.from, request.epoch, delayMs, request.body));
  }

  /** R10: listed peers unheard for `withinMs`. */
  unheard(withinMs: number): string[] {
    const nowMs = this.ports.nowMs();
    return this.others().filter((incarnation) => nowMs - this.peerOf(incarnation).heardAtMs > withinMs);
  }

  /** R10: listed peers whose port refused a connection since this was last asked. */
  takeRefused(): string[] {
    const refused = this.others().filter((incarnation) => this.refused.has(incarnation));
    this.refused = new Set();
    return refused;
  }

  /** Forgets who is not listed any more; a peer listed anew counts as heard of now. To be called for each view. */
  onView(): void {
    const listed = new Set(this.others());
    for (const incarnation of listed) this.peerOf(incarnation);
    for (const incarnation of this.peers.keys())
      if (this.peers.size > listed.size + STRANGERS_MAX && !listed.has(incarnation)) this.peers.delete(incarnation);
  }

  private others(): string[] {
    const me = this.ports.me();
    return this.ports
      .view()
      .members.map(({ incarnation }) => incarnation)
      .filter((incarnation) => incarnation !== me);
  }

  private note(view: View): void {
    const mine = this.ports.view();
    if (isNewer(view, mine) || (view.epoch === mine.epoch && view.nonce !== mine.nonce)) this.ports.adopt(view);
  }

  private answer({ from, epoch }: Envelope, verdict: Verdict, body: Uint8Array): Uint8Array {
    const view = this.ports.view();
    return this.sealed("answer", verdict, from, epoch < view.epoch ? view : undefined, body);
  }

  private sealed(
    kind: Envelope["kind"],
    verdict: Verdict,
    to: string,
    view: View | undefined,
    body: Uint8Array,
  ): Uint8Array {
    const { ports } = this;
    const [epoch, sentAtMs, echoMs] = [ports.view().epoch, ports.nowMs(), this.peers.get(to)?.stampMs ?? 0];
    return seal({ kind, verdict, epoch, sentAtMs, echoMs, from: ports.me(), to, view, body }, ports.mark);
  }

  private peerOf(incarnation: string): Peer {
    let peer = this.peers.get(incarnation);
    if (peer === undefined) {
      const heardAtMs = this.ports.nowMs();
      const smallest = { smallestMs: Infinity, smallestBeforeMs: Infinity, windowEndsMs: -Infinity };
      peer = { heardAtMs, knownEpoch: 0, stampMs: 0, ...smallest };
      this.peers.set(incarnation, peer);
    }
    return peer;
  }
}

/** How long a message was under way beyond the smallest delay seen lately. */
function delayOf(peer: Peer, nowMs: number, sentAtMs: number): number {
  if (nowMs >= peer.windowEndsMs) {
    peer.smallestBeforeMs = peer.smallestMs;
    peer.smallestMs = Infinity;
    peer.windowEndsMs = nowMs + DELAY_WINDOW_MS;
  }
  peer.smallestMs = Math.min(peer.smallestMs, nowMs - sentAtMs);
  return nowMs - sentAtMs - Math.min(peer.smallestMs, peer.smallestBeforeMs);
}
