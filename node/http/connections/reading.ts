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
  /** Whether requests wait on it behind those that are under way. */
  readonly isBehind: boolean;
  /** Since when it has been behind, on the clock of turns, as `Reading` saw it; `undefined`: it had no turn yet, or was not. */
  behindSince: number | undefined;
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
/** Requests pile up on connections, in so many ticks one after another without idle time: the loop cannot keep up either. */
const PILED_TICKS = 5;
/** The clock is looked at once in so many chunks of bytes. */
const LOOK_EVERY = 32;
/** What a turn may take, and of it those that are urgent while others wait. */
const TURN_MS = 5;
const URGENT_MS = 4;
/** What is read has waited up to twice as long, with its time in the kernel. */
const WAIT_MAX_MS = 20;
/** A wait counts as so long at the most: a few that are far behind say nothing about the others. */
const WAIT_COUNTS_MAX_MS = 100;
/** In so many ticks the wait has to be longer all the time: 100 ms, as in CoDel (RFC 8289); fewer where some are left unread already. */
const [LATE_TICKS, LATE_TICKS_UNREAD] = [5, 3];
/**
 * Then this part of those who wait is left unread, and more of them where the wait is longer. The ticks begin anew, so that the effect is
 * seen before the next step.
 */
const [LEFT_SHARE, LEFT_SHARE_MAX] = [0.08, 0.35];
/** A turn counts as so long at the most, so that one long stop of the loop makes nobody late. */
const TURN_COUNTS_MAX_MS = 10;
/** Who is not read is let go after so long. */
const GIVE_UP_MS = 2000;
/**
 * In a tick. To end a connection and to open another in its place takes some 200 µs, ten times a request: a sixth of the time goes there at
 * the most. A node that let go of all at once would have no time for anything else, and let go of more.
 */
const GIVEN_UP_AT_ONCE = 16;
/** More of them where there is time: in a tick without anything else to do. */
const GIVEN_UP_IDLE = 64;
/** While nobody had to wait for so long, and the loop was idle at times, there is time again. */
const CALM_MS = 200;
const IDLE = 0.2;
/** Then unread ones get a turn again, the youngest first: in a tick so many, and this part of them, which grows from tick to tick. */
const [RETURNED_LEAST, RETURNED_SHARE, RETURNED_GROWTH] = [1, 0.01, 1.25];
/**
 * Those who wait for longer are let go then: what they have sent since may be more than can be served in a second. Where they are too
 * many to be let go in as long, they get a turn too.
 */
const RETURNED_WAIT_MAX_MS = 250;
const LET_GO_MAX = (GIVEN_UP_AT_ONCE * RETURNED_WAIT_MAX_MS) / READING_TICK_MS;
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
  /** Of those that had a turn since the last tick: how many, and how long they had waited, together. */
  private served = { count: 0, waitedMs: 0 };
  /** Whether others than urgent ones were held since the last tick, and in the one before. */
  private areOthersThere = false;
  private haveOthersWaited = false;
  private lateTicks = 0;
  private returnedShare = RETURNED_SHARE;
  /** Whether requests piled up on a connection since the last tick, and in how many ticks one after another they did. */
  private isPiled = false;
  private piledTicks = 0;
  /** As of the last tick: how long those that had a turn since the one before had waited for it, on average; 0 where none had. */
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

  /** Told while so many requests wait on a connection that no more of it is taken from the socket. */
  notePile(): void {
    this.isPiled = true;
  }

  /** @param idle part of the last tenth of a second in which the event loop had nothing to do */
  tick(idle: number): void {
    const nowMs = this.ports.nowMs();
    this.piledTicks = this.isPiled && idle < IDLE ? this.piledTicks + 1 : 0;
    this.isPiled = false;
    const isLateNow = nowMs - this.tickedMs >= READING_TICK_MS + LATE_MS;
    if (!this.isPressed && (isLateNow || this.piledTicks >= PILED_TICKS)) this.press(nowMs);
    this.tickedMs = nowMs;
    this.chunks = 0;
    if (!this.isPressed) return;
    this.haveOthersWaited = this.areOthersThere;
    this.areOthersThere = false;
    this.waitMs = this.served.count === 0 ? 0 : this.served.waitedMs / this.served.count;
    this.served = { count: 0, waitedMs: 0 };
    this.lateTicks = this.waitMs > WAIT_MAX_MS ? this.lateTicks + 1 : 0;
    if (this.lateTicks >= (this.unread.length > 0 ? LATE_TICKS_UNREAD : LATE_TICKS) && this.ports.mayReadLess())
      this.readLess();
    const calmMs = nowMs - this.calmSinceMs;
    const isCalm = calmMs > CALM_MS && idle > IDLE;
    const most = GIVEN_UP_AT_ONCE + Math.floor(idle * GIVEN_UP_IDLE);
    this.letGo(nowMs - (isCalm ? RETURNED_WAIT_MAX_MS : GIVE_UP_MS), most);
    this.returnedShare = isCalm ? this.returnedShare * RETURNED_GROWTH : RETURNED_SHARE;
    if (isCalm) this.readAgain(nowMs);
    if (calmMs > FREE_AFTER_MS && this.unread.length === 0) this.isPressed = false;
  }

  private press(nowMs: number): void {
    this.isPressed = true;
    this.turnedMs = this.calmSinceMs = nowMs;
  }

  private hold(connection: Readable): void {
    const held = { connection, since: connection.behindSince ?? this.clock, sinceMs: this.ports.nowMs() };
    if (!connection.isUrgent) this.areOthersThere = true;
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
    if (this.urgent.length + this.others.length > 0) this.turnSoon();
  }

  private serve(queue: Queue, served: Set<Readable>, isOver: () => boolean): void {
    while (queue.length > 0 && !isOver()) {
      const held = queue.shift() as Held;
      const { connection } = held;
      const wait = this.clock - held.since;
      if (connection.isGone) continue;
      if (wait > TURN_COUNTS_MAX_MS) this.calmSinceMs = this.turnedMs;
      if (queue === this.others || !this.haveOthersWaited) this.noteWait(wait); // beside others urgent ones do not wait long
      served.add(connection);
      connection.release();
      connection.behindSince = connection.isBehind ? held.since : undefined;
    }
  }

  private noteWait(wait: number): void {
    this.served.count++;
    this.served.waitedMs += Math.min(wait, WAIT_COUNTS_MAX_MS);
  }

  private readLess(): void {
    this.lateTicks = 0;
    const queue = this.others.length > 0 ? this.others : this.urgent;
    const share = Math.min(LEFT_SHARE_MAX, LEFT_SHARE * (this.waitMs / WAIT_MAX_MS));
    const count = Math.ceil((this.others.length + this.urgent.length) * share);
    for (const held of queue.takeOldest(count)) {
      if (held.connection.isGone) continue;
      held.connection.stop();
      this.unread.push(held);
    }
  }

  /** The youngest first: least waits on them. */
  private readAgain(nowMs: number): void {
    const count = RETURNED_LEAST + Math.floor(this.unread.length * Math.min(1, this.returnedShare));
    for (let returned = 0; returned < count && this.unread.length > 0; returned++) {
      const held = this.unread.pop() as Held;
      const isLetGo = this.unread.length < LET_GO_MAX && nowMs - held.sinceMs > RETURNED_WAIT_MAX_MS;
      if (isLetGo) return this.unread.push(held);
      if (!held.connection.isGone) this.others.push({ ...held, since: this.clock });
    }
    if (this.others.length > 0) this.turnSoon();
  }

  /** Those whose bytes came before, so many at the most. */
  private letGo(untilMs: number, most: number): void {
    for (let count = 0; count < most; count++) {
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

  pop(): Held | undefined {
    return this.length === 0 ? undefined : this.items.pop();
  }

  /** Those that have waited longest, wherever they stand; the others keep their order. */
  takeOldest(count: number): readonly Held[] {
    const all = this.items.slice(this.from);
    const taken = all.toSorted((one, other) => one.since - other.since).slice(0, count);
    const isTaken = new Set(taken);
    this.items = all.filter((held) => !isTaken.has(held));
    this.from = 0;
    return taken;
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
