/**
 * Which connections are read while the event loop cannot keep up. Each turn of the loop serves those whose bytes have waited longest,
 * for some milliseconds; the others wait, unread. Where the wait stays long, some get no turn any more: answers to all would come too
 * late for all. They are let go after two seconds, or read when there is time again.
 */

/** A connection as it is read. */
export interface Readable {
  /** Whether the next request renews or ends a session, or is an operator's: such go before others. */
  readonly isUrgent: boolean;
  /** It has closed, or is closing. */
  readonly isGone: boolean;
  /** Takes nothing more from the socket. */
  stop(): void;
  /** Reads what waits, and the socket again. */
  release(): void;
  /** One answer, and the end; false where an answer is under way, so that it has to be asked again. */
  giveUp(): boolean;
}

export interface ReadingPorts {
  readonly nowMs: () => number;
  /** Calls back in this turn of the event loop, after what has come was read. */
  readonly soon: (turn: () => void) => void;
  readonly onGivenUp: () => void;
  /** Whether nothing more is to be won by refusing requests: before, all are read. */
  readonly mayReadLess: () => boolean;
}

/** How often `tick` is to be called. */
export const READING_TICK_MS = 20;
/** A tick so much too late: the loop cannot keep up. */
const LATE_MS = 20;
/** The clock is looked at once in so many chunks of bytes. */
const LOOK_EVERY = 32;
/** What a turn may take, and of it those that are urgent while others wait. */
const TURN_MS = 5;
const URGENT_MS = 4;
/** What is read has waited up to twice as long, with its time in the kernel. */
const WAIT_MAX_MS = 20;
/** In so many ticks the wait has to be longer all the time: 100 ms, as in CoDel (RFC 8289). */
const LATE_TICKS = 5;
/** In each tick from then on this part of those who wait get no turn any more, and more of them where the wait is longer. */
const [LEFT_SHARE, LEFT_SHARE_MAX] = [0.05, 0.5];
/** A turn counts as so long at the most, so that one long stop of the loop makes nobody late. */
const TURN_COUNTS_MAX_MS = 10;
/** Who is not read is let go after so long. */
const GIVE_UP_MS = 2000;
/** Bounds the work of a tick. */
const GIVEN_UP_AT_ONCE = 256;
/** While nobody had to wait for so long, and the loop was idle at times, there is time again. */
const CALM_MS = 200;
const IDLE = 0.1;
/** Of those who are not read, so many or this part get their turn in a tick, then. */
const [RETURNED_LEAST, RETURNED_SHARE] = [8, 0.1];
/** But not those who wait for longer: what they have sent since may be more than can be served in a second. They are let go. */
const RETURNED_WAIT_MAX_MS = 250;
const FREE_AFTER_MS = 1000;

interface Held {
  readonly connection: Readable;
  /** On the clock of turns. */
  readonly since: number;
  /** On the wall. */
  readonly sinceMs: number;
}

export class Reading {
  private readonly ports: ReadingPorts;
  /** False: whatever comes is read at once. */
  private isPressed = false;
  private chunks = 0;
  private tickedMs: number;
  /** Time as turns count it. */
  private clock = 0;
  private turnedMs: number;
  private isTurnDue = false;
  private readonly urgent = new Queue();
  private readonly others = new Queue();
  /** Held since the last turn: they are still read. */
  private fresh: Held[] = [];
  /** Those that get no turn, oldest first. */
  private unread = new Queue();
  /** Since when nobody waited longer than a turn. */
  private calmSinceMs: number;
  private shortestWait = Infinity;
  private lateTicks = 0;
  /** As of the last tick: the shortest queue of the time before, as how long its oldest had waited; 0 where it was served to its end. */
  waitMs = 0;

  constructor(ports: ReadingPorts) {
    this.ports = ports;
    this.tickedMs = this.turnedMs = this.calmSinceMs = ports.nowMs();
  }

  /** Connections that are not read. */
  get unreadCount(): number {
    return this.unread.length;
  }

  /** Asked with each chunk of bytes. Where false the connection is told when it may: `release`. */
  mayRead(connection: Readable): boolean {
    if (!this.isPressed) {
      if (++this.chunks < LOOK_EVERY) return true;
      this.chunks = 0;
      const nowMs = this.ports.nowMs();
      if (nowMs - this.tickedMs < READING_TICK_MS + LATE_MS) return true;
      this.press(nowMs);
    }
    this.hold(connection);
    return false;
  }

  /** @param idle part of the last tenth of a second in which the event loop had nothing to do */
  tick(idle: number): void {
    const nowMs = this.ports.nowMs();
    if (!this.isPressed && nowMs - this.tickedMs >= READING_TICK_MS + LATE_MS) this.press(nowMs);
    this.tickedMs = nowMs;
    this.chunks = 0;
    if (!this.isPressed) return;
    this.waitMs = this.shortestWait === Infinity ? 0 : this.shortestWait;
    this.shortestWait = Infinity;
    this.lateTicks = this.waitMs > WAIT_MAX_MS ? this.lateTicks + 1 : 0;
    const isLate = this.lateTicks >= (this.unread.length > 0 ? 1 : LATE_TICKS);
    if (isLate && this.ports.mayReadLess()) this.readLess();
    const calmMs = nowMs - this.calmSinceMs;
    const isCalm = calmMs > CALM_MS && idle > IDLE;
    this.letGo(nowMs - (isCalm ? RETURNED_WAIT_MAX_MS : GIVE_UP_MS));
    if (isCalm) this.readAgain();
    if (calmMs > FREE_AFTER_MS && this.unread.length === 0) this.isPressed = false;
  }

  private press(nowMs: number): void {
    this.isPressed = true;
    this.turnedMs = this.calmSinceMs = nowMs;
  }

  private hold(connection: Readable): void {
    const held = { connection, since: this.clock, sinceMs: this.ports.nowMs() };
    (connection.isUrgent ? this.urgent : this.others).push(held);
    this.fresh.push(held);
    this.turnSoon();
  }

  private turnSoon(): void {
    if (this.isTurnDue) return;
    this.isTurnDue = true;
    this.ports.soon(() => this.turn());
  }

  private turn(): void {
    const { nowMs } = this.ports;
    const startedMs = nowMs();
    this.isTurnDue = false;
    this.clock += Math.min(startedMs - this.turnedMs, TURN_COUNTS_MAX_MS);
    this.turnedMs = startedMs;
    const served = new Set<Readable>();
    const isOver = (): boolean => nowMs() - startedMs > TURN_MS;
    // Anybody may send what looks urgent: it has no more than its part while others wait.
    const isPartOver = (): boolean => nowMs() - startedMs > (this.others.length > 0 ? URGENT_MS : TURN_MS);
    this.serve(this.urgent, served, isPartOver);
    this.serve(this.others, served, isOver);
    for (const { connection } of this.fresh) if (!served.has(connection)) connection.stop();
    this.fresh = [];
    const oldest = this.others.first ?? this.urgent.first; // urgent ones never wait long
    this.shortestWait = Math.min(this.shortestWait, oldest === undefined ? 0 : this.clock - oldest.since);
    if (oldest !== undefined) this.turnSoon();
  }

  private serve(queue: Queue, served: Set<Readable>, isOver: () => boolean): void {
    while (queue.length > 0 && !isOver()) {
      const held = queue.shift() as Held;
      const { connection } = held;
      const wait = this.clock - held.since;
      if (connection.isGone) continue;
      if (wait > TURN_COUNTS_MAX_MS) this.calmSinceMs = this.turnedMs;
      served.add(connection);
      connection.release();
    }
  }

  private readLess(): void {
    const queue = this.others.length > 0 ? this.others : this.urgent;
    const share = Math.min(LEFT_SHARE_MAX, LEFT_SHARE * (this.waitMs / WAIT_MAX_MS));
    const count = Math.ceil((this.others.length + this.urgent.length) * share);
    for (let left = 0; left < count && queue.length > 0; left++) {
      const held = queue.shift() as Held;
      if (held.connection.isGone) continue;
      held.connection.stop();
      this.unread.push(held);
    }
  }

  private readAgain(): void {
    const count = Math.max(RETURNED_LEAST, Math.ceil(this.unread.length * RETURNED_SHARE));
    for (let returned = 0; returned < count && this.unread.length > 0; returned++) {
      const { connection, sinceMs } = this.unread.shift() as Held;
      if (!connection.isGone) this.others.push({ connection, since: this.clock, sinceMs });
    }
    if (this.others.length > 0) this.turnSoon();
  }

  /** Those whose bytes came before. */
  private letGo(untilMs: number): void {
    for (let count = 0; count < GIVEN_UP_AT_ONCE; count++) {
      const oldest = this.unread.first;
      if (oldest === undefined || oldest.sinceMs > untilMs) return;
      this.unread.shift();
      if (oldest.connection.isGone) continue;
      if (oldest.connection.giveUp()) this.ports.onGivenUp();
      else this.unread.push({ ...oldest, sinceMs: this.tickedMs });
    }
  }
}

/** First in, first out, without moving what is left at each step. */
class Queue {
  private items: Held[] = [];
  private from = 0;

  get length(): number {
    return this.items.length - this.from;
  }

  get first(): Held | undefined {
    return this.items[this.from];
  }

  push(held: Held): void {
    this.items.push(held);
  }

  shift(): Held | undefined {
    const first = this.items[this.from++];
    if (this.from > 1024 && this.from * 2 > this.items.length) {
      this.items = this.items.slice(this.from);
      this.from = 0;
    }
    return first;
  }
}
