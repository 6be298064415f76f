/**
 * R18: tells entries what became of the rows that were taken in here. One message per entry is under way, the next fills
 * meanwhile and leaves at the end of a turn; a fate is told again until it is acknowledged or its row's time is over.
 */
import { backoffAfter } from "./backoff.ts";
import { encodeFates, type Fate } from "./answer-codec.ts";
import { BATCH_ROWS_MAX } from "./row-frame.ts";

export interface FateSenderPorts {
  nowMs(): number;
  /** Runs a task when all that is ready now has been handled. */
  atTurnEnd(task: () => void): void;
  /** Sends a message to a peer's `Forwarder`. Rejects with `PeerError` where no answer came in time. */
  call(incarnation: string, body: Uint8Array, timeoutMs: number): Promise<Uint8Array>;
}

export interface FateSenderFigures {
  /** Fates that are not acknowledged, as of now. */
  fatesWaiting: number;
  /** Messages of fates. */
  fateMessages: number;
  /** Fates that nobody acknowledged in their rows' time. */
  fatesForgotten: number;
}

/** A fate with the end of its row's time. */
export interface LastingFate extends Fate {
  readonly untilMs: number;
}

interface Peer {
  readonly incarnation: string;
  fates: LastingFate[];
  isCalling: boolean;
  backoffMs: number;
  pausedUntilMs: number;
}

export class FateSender {
  readonly figures: FateSenderFigures = { fatesWaiting: 0, fateMessages: 0, fatesForgotten: 0 };
  private readonly ports: FateSenderPorts;
  private readonly callMs: number;
  private readonly peers = new Map<string, Peer>();
  private isFlushPlanned = false;

  constructor(ports: FateSenderPorts, callMs: number) {
    this.ports = ports;
    this.callMs = callMs;
  }

  add(incarnation: string, fate: LastingFate): void {
    let peer = this.peers.get(incarnation);
    if (peer === undefined) {
      peer = { incarnation, fates: [], isCalling: false, backoffMs: 0, pausedUntilMs: -Infinity };
      this.peers.set(incarnation, peer);
    }
    peer.fates.push(fate);
    this.figures.fatesWaiting++;
    this.planFlush();
  }

  /** Lets time pass: what was not acknowledged is told again, and what is over forgotten. */
  tick(): void {
    if (this.figures.fatesWaiting === 0) return;
    const nowMs = this.ports.nowMs();
    for (const peer of this.peers.values()) {
      const over = peer.fates.filter(({ untilMs }) => untilMs <= nowMs);
      this.figures.fatesForgotten += over.length;
      if (over.length > 0) this.remove(peer, new Set(over));
    }
    this.planFlush();
  }

  private planFlush(): void {
    if (this.isFlushPlanned) return;
    this.isFlushPlanned = true;
    this.ports.atTurnEnd(() => {
      this.isFlushPlanned = false;
      const nowMs = this.ports.nowMs();
      for (const peer of this.peers.values())
        if (!peer.isCalling && peer.fates.length > 0 && nowMs >= peer.pausedUntilMs) void this.send(peer);
    });
  }

  private async send(peer: Peer): Promise<void> {
    const fates = peer.fates.slice(0, BATCH_ROWS_MAX);
    peer.isCalling = true;
    this.figures.fateMessages++;
    const body = encodeFates(this.figures.fateMessages, fates);
    try {
      await this.ports.call(peer.incarnation, body, this.callMs);
    } catch {
      peer.backoffMs = backoffAfter(peer.backoffMs);
      peer.pausedUntilMs = this.ports.nowMs() + peer.backoffMs;
      this.end(peer);
      return;
    }
    peer.backoffMs = 0;
    this.remove(peer, new Set(fates));
    this.end(peer);
  }

  private remove(peer: Peer, fates: ReadonlySet<LastingFate>): void {
    const { length } = peer.fates;
    peer.fates = peer.fates.filter((fate) => !fates.has(fate));
    this.figures.fatesWaiting -= length - peer.fates.length;
    if (peer.fates.length === 0 && !peer.isCalling) this.peers.delete(peer.incarnation);
  }

  private end(peer: Peer): void {
    peer.isCalling = false;
    if (peer.fates.length === 0) this.peers.delete(peer.incarnation);
    else this.planFlush();
  }
}
