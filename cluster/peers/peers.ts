/**
 * The other nodes, as this one hears them: calls with an envelope around them (R17), the spread of views, who was
 * heard of and who answered when, whose port is closed (R10, R25), and how old a message is at the most (R19).
 */
import { type ClusterMark, type Envelope, seal, unseal, type Verdict } from "./envelope.ts";
import { type Lane, PeerError, type Transport } from "../ports/transport.ts";
import { isListed, isNewer, type Member, memberOf, type View } from "../ports/view.ts";

export interface PeersPorts {
  readonly transport: Transport;
  readonly mark: ClusterMark;
  readonly nowMs: () => number;
  readonly me: () => string;
  readonly view: () => View;
  /** A view came that is newer than mine, or another one under the same epoch. */
  readonly adopt: (view: View) => void;
  /** R10: nobody listens any more where a listed peer should, or another incarnation does. Once per connection. */
  readonly onClosed: (incarnation: string) => void;
}

/**
 * Handles a request on a lane.
 * @param epoch of the sender's view
 * @param delayMs R19: how old the message is at the most, by causality: rows count on it. Counts, which want to know how
 *   fresh they are, get a closer bound that counts on the peer's clock too: the first alone is a beat too loose
 */
export type Handler = (from: string, epoch: number, delayMs: number, body: Uint8Array) => Promise<Uint8Array>;

/** A peer in one of its incarnations. */
interface Peer {
  /** Where it is reached, as the last view said that listed it; undefined where none did. */
  peerUrl: string | undefined;
  /** R10: when it was heard of, by a request of its own or an answer. A peer listed anew counts as heard, and answered, then. */
  heardAtMs: number;
  /** R10: when it answered a call at the address that it gives. */
  answeredAtMs: number;
  /** Whether it ever did. */
  hasAnswered: boolean;
  /** R10: its port was found closed, and that was told. */
  isClosed: boolean;
  /** R10: a connection to it ended, and nobody knows yet what that means. */
  hasEnded: boolean;
  isProbed: boolean;
  probedAtMs: number;
  /** Epoch of the newest view it is known to have. */
  knownEpoch: number;
  /** R19: the newest stamp heard from it, by its clock: what we send it now is sent after that. 0: none. */
  stampMs: number;
  /**
   * R19: its clock is ahead of ours by this much at the most: the smallest difference between its stamp and the one of ours that the
   * same message echoes, in this window and in the one before.
   */
  aheadMs: number;
  aheadBeforeMs: number;
  windowEndsMs: number;
}

/** How far a clock is ahead is what the last one or two of these say: clocks drift, stand still and jump. Beats come more often. */
const AHEAD_WINDOW_MS = 500;
const NO_BODY = new Uint8Array(0);
/** Peers beyond those listed that are remembered: those on their way in or out. */
const STRANGERS_MAX = 64;
/** A peer that has not answered for this part of a lease is called, with nothing to say; so again and again. */
const ANSWERS_A_LEASE = 3;
const PROBES_A_LEASE = 10;
/** A peer that never answered is called so often: who joins waits for it. */
const FIRST_PROBES_MS = 100;
const ENDED_WITHIN_MS = 500;

export class Peers {
  private readonly ports: PeersPorts;
  private readonly handlers: Readonly<Record<Lane, Handler>>;
  private readonly peers = new Map<string, Peer>();
  private reaching: Promise<boolean> | undefined;

  constructor(ports: PeersPorts, handlers: Readonly<Record<Lane, Handler>>) {
    this.ports = ports;
    this.handlers = handlers;
    ports.transport.onEnded = (peerUrl) => this.onEnded(peerUrl);
  }

  /** Calls who has been quiet, so that each member knows whom it hears and whom it reaches. */
  tick(leaseMs: number): void {
    const nowMs = this.ports.nowMs();
    for (const { incarnation } of this.others()) {
      const peer = this.peerOf(incarnation);
      const isQuiet = !peer.hasAnswered || nowMs - peer.answeredAtMs > leaseMs / ANSWERS_A_LEASE;
      const pauseMs = peer.hasAnswered ? leaseMs / PROBES_A_LEASE : FIRST_PROBES_MS;
      const isDue = peer.hasEnded || (isQuiet && nowMs - peer.probedAtMs >= pauseMs);
      if (isDue) void this.probe(incarnation, leaseMs / ANSWERS_A_LEASE);
    }
  }

  /**
   * Calls a member, or one that left by itself: it waits for what became of the rows that it sent (R18).
   * @throws {PeerError} (rejects) where the peer is neither or did not answer
   */
  async call(incarnation: string, lane: Lane, body: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
    const { ports } = this;
    const [view, me] = [ports.view(), ports.me()];
    const peerUrl = this.addressOf(incarnation, view);
    if (peerUrl === undefined) throw new PeerError(`No member ${incarnation} is listed`, false);
    const peer = this.peerOf(incarnation);
    const isNews = peer.knownEpoch < view.epoch;
    const message = this.sealed("request", "done", incarnation, isNews ? view : undefined, body);
    let answer: Envelope;
    try {
      answer = unseal("answer", await ports.transport.call(peerUrl, lane, message, timeoutMs), ports.mark);
    } catch (error) {
      // An address that is none fails in other ways, and must not be this node's end.
      if (!(error instanceof PeerError)) throw new PeerError(`${peerUrl}: ${String(error)}`, false);
      if (error.isRefused) this.noteClosed(incarnation, peer);
      throw error;
    }
    if (answer.view !== undefined) this.note(answer.view);
    if (answer.from !== incarnation || answer.to !== me || answer.verdict === "stranger") {
      this.noteClosed(incarnation, peer); // as good as a port where nobody listens
      throw new PeerError(`${peerUrl} is not ${incarnation} any more`, false, true);
    }
    peer.heardAtMs = peer.answeredAtMs = ports.nowMs();
    peer.hasAnswered = true;
    peer.isClosed = peer.hasEnded = false;
    peer.knownEpoch = Math.max(peer.knownEpoch, answer.epoch);
    peer.stampMs = Math.max(peer.stampMs, answer.sentAtMs);
    noteClock(peer, peer.heardAtMs, answer);
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
    noteClock(peer, nowMs, request);
    if (isNothing(lane, request.body)) return this.answer(request, "done", NO_BODY);
    const ageMaxMs = Math.max(0, nowMs - request.echoMs);
    const delayMs = lane === "counts" ? Math.min(ageMaxMs, ageByClock(peer, nowMs, request.sentAtMs)) : ageMaxMs;
    return this.answer(request, "done", await this.handlers[lane](request.from, request.epoch, delayMs, request.body));
  }

  /** R10: other members unheard for `withinMs`; those who are still joining do not count. */
  unheard(withinMs: number): string[] {
    return this.inside((peer, nowMs) => nowMs - peer.heardAtMs > withinMs);
  }

  /** Other members heard of for `withinMs`. */
  heardCount(withinMs: number): number {
    return this.inside((peer, nowMs) => nowMs - peer.heardAtMs <= withinMs).length;
  }

  /** R10: other members unheard for `withinMs`, or that have not answered for so long at the address that they give. */
  accused(withinMs: number): string[] {
    return this.inside((peer, nowMs) => nowMs - Math.min(peer.heardAtMs, peer.answeredAtMs) > withinMs);
  }

  /** R14, R25: whether this node has not heard half of the other members for `withinMs`. */
  isAlone(withinMs: number): boolean {
    return 2 * this.unheard(withinMs).length > this.inside(() => true).length;
  }

  /** Joiners who have answered at the address that they give. */
  called(): string[] {
    const joiners = this.others().filter(({ isJoining }) => isJoining === true);
    return joiners.map(({ incarnation }) => incarnation).filter((each) => this.peerOf(each).hasAnswered);
  }

  /** R8, R10: whether half of the other members, and one at least, answer now; true where there are none. One round at a time. */
  reachesHalf(withinMs: number): Promise<boolean> {
    this.reaching ??= this.askAll(withinMs).finally(() => (this.reaching = undefined));
    return this.reaching;
  }

  private async askAll(withinMs: number): Promise<boolean> {
    const inside = this.inside(() => true);
    const asked = inside.map((incarnation) => this.call(incarnation, "control", NO_BODY, withinMs));
    const answered = (await Promise.allSettled(asked)).filter(({ status }) => status === "fulfilled");
    return 2 * answered.length >= inside.length;
  }

  /** Forgets who is not listed any more; a peer listed anew counts as heard of now. To be called for each view. */
  onView(): void {
    const others = this.others();
    const listed = new Set(others.map(({ incarnation }) => incarnation));
    for (const { incarnation, peerUrl } of others) this.peerOf(incarnation).peerUrl = peerUrl;
    for (const incarnation of this.peers.keys())
      if (this.peers.size > listed.size + STRANGERS_MAX && !listed.has(incarnation)) this.peers.delete(incarnation);
  }

  private addressOf(incarnation: string, view: View): string | undefined {
    const member = memberOf(view, incarnation);
    if (member !== undefined) return member.peerUrl;
    return view.expelled.includes(incarnation) ? undefined : this.peers.get(incarnation)?.peerUrl;
  }

  private others(): Member[] {
    const me = this.ports.me();
    return this.ports.view().members.filter(({ incarnation }) => incarnation !== me);
  }

  /** Incarnations of those other members of which something is the case; who joins is not in yet. */
  private inside(holds: (peer: Peer, nowMs: number) => boolean): string[] {
    const nowMs = this.ports.nowMs();
    return this.others()
      .filter(({ isJoining }) => isJoining !== true)
      .map(({ incarnation }) => incarnation)
      .filter((incarnation) => holds(this.peerOf(incarnation), nowMs));
  }

  /** R10: a process that died closes its connections; whether it did, its port tells. */
  private onEnded(peerUrl: string): void {
    for (const { incarnation } of this.others().filter((member) => member.peerUrl === peerUrl)) {
      this.peerOf(incarnation).hasEnded = true;
      void this.probe(incarnation, ENDED_WITHIN_MS);
    }
  }

  private async probe(incarnation: string, withinMs: number): Promise<void> {
    const peer = this.peerOf(incarnation);
    if (peer.isProbed) return;
    peer.isProbed = true;
    peer.probedAtMs = this.ports.nowMs();
    await this.call(incarnation, "control", NO_BODY, withinMs).catch(() => undefined); // what it tells is noted there
    peer.isProbed = false;
  }

  private noteClosed(incarnation: string, peer: Peer): void {
    peer.hasEnded = false;
    if (peer.isClosed || !isListed(this.ports.view(), incarnation)) return;
    peer.isClosed = true;
    this.ports.onClosed(incarnation);
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
      const nowMs = this.ports.nowMs();
      peer = {
        peerUrl: undefined,
        heardAtMs: nowMs,
        answeredAtMs: nowMs,
        hasAnswered: false,
        isClosed: false,
        hasEnded: false,
        isProbed: false,
        probedAtMs: -Infinity,
        knownEpoch: 0,
        stampMs: 0,
        aheadMs: Infinity,
        aheadBeforeMs: Infinity,
        windowEndsMs: -Infinity,
      };
      this.peers.set(incarnation, peer);
    }
    return peer;
  }
}

/** A call that only asks whether somebody is there. */
function isNothing(lane: Lane, body: Uint8Array): boolean {
  return lane === "control" && body.length === 0;
}

/** R19: it was sent after the stamp that it echoes, so its sender's clock cannot be further ahead than both differ. */
function noteClock(peer: Peer, nowMs: number, { sentAtMs, echoMs }: Envelope): void {
  if (nowMs >= peer.windowEndsMs) {
    peer.aheadBeforeMs = peer.aheadMs;
    peer.aheadMs = Infinity;
    peer.windowEndsMs = nowMs + AHEAD_WINDOW_MS;
  }
  if (echoMs > 0) peer.aheadMs = Math.min(peer.aheadMs, sentAtMs - echoMs);
}

/** How long a message was under way at the most, by the sender's clock. */
function ageByClock({ aheadMs, aheadBeforeMs }: Peer, nowMs: number, sentAtMs: number): number {
  return Math.max(0, nowMs - sentAtMs + Math.min(aheadMs, aheadBeforeMs));
}
