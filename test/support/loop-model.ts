/**
 * A model of one event loop that serves connections, in virtual time: what the decisions about overload (`Overload`) make of a load. It
 * knows what reading, serving and refusing take, and nothing of HTTP. Open loop: requests are due at random instants (Poisson).
 */
import { Overload } from "../../node/http/connections/overload.ts";
import { type Readable, READING_TICK_MS } from "../../node/http/connections/reading.ts";
import { type Kind, Shedding } from "../../node/limits/shedding.ts";

/** Milliseconds that it takes to serve and to refuse one, and how many of a hundred requests it is. */
export type Mix = Readonly<
  Record<Kind, { readonly serveMs: number; readonly refuseMs: number; readonly share: number }>
>;

export const MIX: Mix = {
  heartbeats: { serveMs: 0.014, refuseMs: 0.008, share: 50 },
  reports: { serveMs: 0.022, refuseMs: 0.01, share: 30 },
  "other reads": { serveMs: 0.014, refuseMs: 0.008, share: 12 },
  "look-ups": { serveMs: 0.09, refuseMs: 0.05, share: 8 },
};
const [CHUNK_MS, TURN_MS, REOPEN_MS] = [0.012, 0.01, 0.15];
const CHUNK_MAX = 260;
/** Requests of a connection that are answered in one go, and those that are taken from its socket before they are read. */
const [UNDER_WAY_MAX, UNREAD_MAX] = [64, 60];

interface Request {
  readonly kind: Kind;
  readonly dueMs: number;
}

export interface Outcome {
  readonly offered: number;
  readonly accepted: Record<Kind, number>;
  readonly refused: Record<Kind, number>;
  /** Without an answer of their own, since the connection ended. */
  readonly lost: number;
  /** From when they were due, of those accepted. */
  readonly p50Ms: number;
  readonly p99Ms: number;
}

const none = (): Record<Kind, number> => ({ heartbeats: 0, reports: 0, "other reads": 0, "look-ups": 0 });

export class LoopModel {
  nowMs = 0;
  readonly shedding = new Shedding();
  readonly overload: Overload;
  strain = 0;
  storeQueue = 0;
  private readonly mix: Mix;
  private readonly random: () => number;
  private readonly connections: ModelConnection[];
  soon: (() => void)[] = [];
  private tickMs = READING_TICK_MS;
  private tickedMs = 0;
  private idledMs = 0;
  private dueMs = 0;
  private figures = { offered: 0, accepted: none(), refused: none(), lost: 0, delaysMs: [] as number[] };

  /** @param random 0 to 1 */
  constructor(connections: number, random: () => number, mix: Mix = MIX) {
    this.mix = mix;
    this.random = random;
    this.overload = new Overload({
      shedding: this.shedding,
      nowMs: () => this.nowMs,
      soon: (turn) => this.soon.push(turn),
      storeQueue: () => this.storeQueue,
      onStrain: (strain) => (this.strain = strain),
      onGivenUp: () => (this.nowMs += REOPEN_MS),
    });
    this.connections = Array.from({ length: connections }, () => new ModelConnection(this));
  }

  /** Requests a second that it can serve, one in each chunk. */
  get capacity(): number {
    const each = Object.values(this.mix).reduce((sum, { serveMs, share }) => sum + (serveMs * share) / 100, 0);
    return 1000 / (each + CHUNK_MS);
  }

  get unread(): number {
    return this.overload.reading.unreadCount;
  }

  /** @param stopMs the loop stands still so long at the beginning */
  run(perSecond: number, seconds: number, stopMs = 0): Outcome {
    this.figures = { offered: 0, accepted: none(), refused: none(), lost: 0, delaysMs: [] };
    const endMs = this.nowMs + seconds * 1000;
    this.dueMs = this.nowMs;
    this.nowMs += stopMs;
    while (this.nowMs < endMs) this.turn(1000 / perSecond);
    const { delaysMs, ...figures } = this.figures;
    const sorted = delaysMs.toSorted((one, other) => one - other);
    const at = (share: number): number => sorted[Math.floor(sorted.length * share)] ?? 0;
    return { ...figures, p50Ms: at(0.5), p99Ms: at(0.99) };
  }

  serve({ kind, dueMs }: Request): void {
    const { serveMs, refuseMs } = this.mix[kind];
    if (this.shedding.isShedding && this.shedding.refuses(kind)) {
      this.nowMs += refuseMs;
      this.figures.refused[kind]++;
      return;
    }
    this.nowMs += serveMs;
    this.figures.accepted[kind]++;
    this.figures.delaysMs.push(this.nowMs - dueMs);
  }

  lose(count: number): void {
    this.figures.lost += count;
  }

  private turn(gapMs: number): void {
    this.nowMs += TURN_MS;
    if (this.nowMs >= this.tickMs) {
      this.overload.tick(1 - this.idledMs / (this.nowMs - this.tickedMs));
      [this.tickedMs, this.tickMs, this.idledMs] = [this.nowMs, this.nowMs + READING_TICK_MS, 0];
    }
    this.arrive(gapMs);
    let isIdle = true;
    for (const connection of this.connections) {
      if (!connection.isReadable) continue;
      isIdle = false;
      this.nowMs += CHUNK_MS;
      connection.read(CHUNK_MAX);
    }
    const turns = this.soon;
    this.soon = [];
    for (const turn of turns) turn();
    if (!isIdle || turns.length > 0) return;
    const untilMs = Math.max(this.nowMs, Math.min(this.dueMs, this.tickMs));
    this.idledMs += untilMs - this.nowMs;
    this.nowMs = untilMs;
  }

  private arrive(gapMs: number): void {
    for (; this.dueMs <= this.nowMs; this.dueMs += -Math.log(1 - this.random()) * gapMs) {
      const connection = this.connections[Math.floor(this.random() * this.connections.length)] as ModelConnection;
      connection.kernel.push({ kind: this.kindOf(this.random() * 100), dueMs: this.dueMs });
      this.figures.offered++;
    }
  }

  private kindOf(draw: number): Kind {
    let left = draw;
    for (const kind of Object.keys(this.mix) as Kind[]) if ((left -= this.mix[kind].share) < 0) return kind;
    return "heartbeats";
  }
}

class ModelConnection implements Readable {
  readonly isGone = false;
  behindSince: number | undefined;
  readonly kernel: Request[] = [];
  private readonly loop: LoopModel;
  private unread: Request[] = [];
  private isHeld = false;
  private isStopped = false;
  private isServedOn = false;

  constructor(loop: LoopModel) {
    this.loop = loop;
  }

  get isReadable(): boolean {
    return !this.isStopped && this.kernel.length > 0 && this.unread.length < UNREAD_MAX;
  }

  get isUrgent(): boolean {
    return this.unread[0]?.kind === "heartbeats";
  }

  get isBehind(): boolean {
    return this.unread.length > 0;
  }

  read(most: number): void {
    this.unread.push(...this.kernel.splice(0, most));
    if (!this.isServedOn) this.readOn();
  }

  stop(): void {
    this.isStopped = true;
  }

  release(): void {
    this.isHeld = false;
    this.isStopped = false;
    this.serveSome();
  }

  giveUp(): boolean {
    this.loop.lose(this.unread.length + this.kernel.length);
    this.unread = [];
    this.kernel.length = 0;
    this.isHeld = false;
    this.isStopped = false;
    return true;
  }

  private readOn(): void {
    this.isServedOn = false;
    if (this.isHeld) return;
    if (this.loop.overload.reading.mayRead(this)) this.serveSome();
    else this.isHeld = true;
  }

  /** A look-up is answered by the framework, and what is behind it waits for the next turn. */
  private serveSome(): void {
    for (let count = 0; count < UNDER_WAY_MAX && this.unread.length > 0; count++) {
      const request = this.unread.shift() as Request;
      this.loop.serve(request);
      if (request.kind === "look-ups") break;
    }
    if (this.unread.length >= UNREAD_MAX) this.loop.overload.reading.notePile();
    if (this.unread.length === 0) return;
    this.isServedOn = true;
    this.loop.soon.push(() => this.readOn());
  }
}
