/**
 * Pushes answers to all who watch them. A watcher holds no queue: it has what was sent last, and when the next frame may
 * come. So whoever is slow costs one frame, and gets the newest one when it has taken that.
 *
 * There is one timer for all. A watcher waits in a slot of time until it may be sent something again; when that comes and nothing has changed,
 * it is *ready*: it gets the next change as soon as that is seen. Sending stops after some milliseconds and goes on when the event loop has
 * looked at what else there is, so that ten thousand watchers of one question do not keep a report waiting.
 */
import { Frame } from "./frame.ts";

/** What is watched. */
export interface Question {
  /** The place's number. */
  readonly place: number;
  /** 1 to 100. */
  readonly top: number;
}

/** What is known of a place. */
export interface Reading {
  /** Another value wherever an answer about the place may be another one. */
  readonly state: unknown;
  /** What the GET would answer now. */
  answer(top: number): { readonly tag: string; readonly body: string };
}

export interface Source {
  /** `undefined` while the node cannot answer. */
  read(place: number): Reading | undefined;
}

/** Where frames go. */
export interface Sink {
  /** @returns false where it has no room: then it calls `drained` of its watch when it has */
  send(frame: Frame): boolean;
}

export interface Watch {
  /** The sink has room again. */
  drained(): void;
  /** Nothing more is sent. */
  end(): void;
}

export interface WatchOptions {
  /** The tag of what the watcher has: it is sent nothing until something else stands. */
  readonly known?: string | undefined;
}

/** Time, as the fan-out uses it. */
export interface FanOutPorts {
  readonly nowMs: () => number;
  /** @returns what ends it */
  readonly repeat: (everyMs: number, run: () => void) => () => void;
  /** Runs it when the event loop has looked at everything else. */
  readonly soon: (run: () => void) => void;
}

/** How often changes are looked for. */
export const TICK_MS = 25;
/** So long frames are sent before others have their turn. */
const SLICE_MS = 4;
/** The clock is looked at once for so many watchers. */
const LOOK_EVERY = 16;
/** Who begins to watch gets a frame that is no older: its instant says of when it is. */
const FRESH_MS = 100;
/** More than `top` may be. */
const TOPS = 128;

const OF_NODE: FanOutPorts = {
  nowMs: () => performance.now(),
  repeat: (everyMs, run) => {
    const timer = setInterval(run, everyMs).unref();
    return () => clearInterval(timer);
  },
  soon: (run) => void setImmediate(run),
};

export class FanOut {
  /** Frames that sinks took. */
  sent = 0;
  /** Frames that were due and not sent, since the sink had not taken the one before. */
  skipped = 0;
  private readonly source: Source;
  private readonly ports: FanOutPorts;
  private readonly boards = new Map<number, Board>();
  /** Watchers by the slot of time in which they may be sent something again. */
  private readonly slots = new Map<number, Watcher[]>();
  /** The slot that has come. */
  private slot = 0;
  /** Whose ready watchers may have to be told of a change. */
  private lookedFor: Board[] = [];
  /** Who may be due. */
  private due: Watcher[] = [];
  /** Those of them that have had their turn. */
  private done = 0;
  /** Number of the slice that is being sent: a question is looked at once in each. */
  private slice = 0;
  private isAtWork = false;
  private watchers = 0;
  private stopTicking: (() => void) | undefined;

  constructor(source: Source, ports: FanOutPorts = OF_NODE) {
    this.source = source;
    this.ports = ports;
  }

  /** Watchers. */
  get count(): number {
    return this.watchers;
  }

  /**
   * Sends what stands before it returns, unless that is known, and then what changes.
   * @param everyMs at most one frame in so many milliseconds
   */
  watch({ place, top }: Question, everyMs: number, sink: Sink, { known }: WatchOptions = {}): Watch {
    const board = this.boardOf(place, top);
    const watcher = new Watcher(this, board, everyMs, sink);
    watcher.tag = known;
    board.watchers++;
    this.watchers++;
    if (this.stopTicking === undefined) this.begin();
    this.slice++;
    board.refresh(this.slice, this.ports.nowMs());
    this.deliver(watcher);
    return watcher;
  }

  /** @internal */
  drained(watcher: Watcher): void {
    if (!watcher.isFull || watcher.isEnded) return;
    watcher.isFull = false;
    if (watcher.dueSlot > this.slotNow()) return this.wait(watcher);
    this.slice++;
    this.deliver(watcher);
  }

  /** @internal */
  end(watcher: Watcher): void {
    if (watcher.isEnded) return;
    watcher.isEnded = true;
    const { board } = watcher;
    board.ready.delete(watcher);
    this.waitNoMore(watcher);
    board.watchers--;
    if (board.watchers === 0) this.boards.delete(board.key);
    this.watchers--;
    if (this.watchers > 0) return;
    this.stopTicking?.();
    this.stopTicking = undefined;
    this.slots.clear();
  }

  private boardOf(place: number, top: number): Board {
    const key = place * TOPS + top;
    let board = this.boards.get(key);
    if (board === undefined) this.boards.set(key, (board = new Board(this.source, key, place, top)));
    return board;
  }

  private begin(): void {
    this.slot = this.slotNow();
    this.stopTicking = this.ports.repeat(TICK_MS, () => this.tick());
  }

  private slotNow(): number {
    return Math.floor(this.ports.nowMs() / TICK_MS);
  }

  private tick(): void {
    for (const now = this.slotNow(); this.slot < now;) {
      const come = this.slots.get(++this.slot);
      if (come === undefined) continue;
      this.slots.delete(this.slot);
      for (const watcher of come) this.due.push(watcher);
    }
    if (this.lookedFor.length === 0)
      for (const board of this.boards.values()) if (board.ready.size > 0) this.lookedFor.push(board);
    if (!this.isAtWork) this.work();
  }

  /** Sends for a moment; what is left is sent in the next one. */
  private work(): void {
    const { nowMs, soon } = this.ports;
    const untilMs = nowMs() + SLICE_MS;
    this.slice++;
    for (let count = 1; this.next(); count++) {
      if (count % LOOK_EVERY !== 0 || nowMs() < untilMs) continue;
      this.isAtWork = true;
      return soon(() => this.work());
    }
    this.isAtWork = false;
  }

  /** @returns whether there was something to do */
  private next(): boolean {
    if (this.done < this.due.length) {
      this.deliver(this.due[this.done++] as Watcher);
      return true;
    }
    if (this.done > 0) [this.due, this.done] = [[], 0];
    const board = this.lookedFor.pop();
    if (board === undefined) return false;
    const tag = board.current(this.slice)?.tag;
    if (tag === undefined || tag === board.readyTag) return true;
    board.readyTag = tag;
    for (const watcher of board.ready) this.due.push(watcher);
    board.ready.clear();
    return true;
  }

  private deliver(watcher: Watcher): void {
    if (watcher.isEnded || watcher.isFull) return;
    const { board, sink } = watcher;
    const frame = board.current(this.slice);
    if (frame === undefined || frame.tag === watcher.tag) return board.addReady(watcher);
    if (sink.send(frame)) {
      this.sent++;
      watcher.tag = frame.tag;
      watcher.dueSlot = Math.ceil((this.ports.nowMs() + watcher.everyMs) / TICK_MS);
      if (!watcher.isEnded) this.wait(watcher);
    } else {
      watcher.isFull = true;
      this.skipped++;
    }
  }

  private wait(watcher: Watcher): void {
    const waiting = this.slots.get(watcher.dueSlot);
    watcher.at = waiting?.length ?? 0;
    if (waiting === undefined) this.slots.set(watcher.dueSlot, [watcher]);
    else waiting.push(watcher);
  }

  /** Else who begins and ends all the time would fill the slots. */
  private waitNoMore(watcher: Watcher): void {
    const { dueSlot, at } = watcher;
    const waiting = this.slots.get(dueSlot);
    if (waiting?.[at] !== watcher) return;
    const last = waiting.pop() as Watcher;
    if (last !== watcher) [waiting[at], last.at] = [last, at];
    if (waiting.length === 0) this.slots.delete(dueSlot);
  }
}

/** A question that is watched. */
class Board {
  readonly key: number;
  readonly ready = new Set<Watcher>();
  /** What all who are ready have; `undefined` where some have something else. */
  readyTag: string | undefined;
  watchers = 0;
  private readonly source: Source;
  private readonly place: number;
  private readonly top: number;
  private state: unknown;
  private frame: Frame | undefined;
  private isAnswering = false;
  private looked = -1;
  private madeMs = 0;

  constructor(source: Source, key: number, place: number, top: number) {
    this.source = source;
    this.key = key;
    this.place = place;
    this.top = top;
  }

  /** It has what stands. */
  addReady(watcher: Watcher): void {
    this.ready.add(watcher);
    if (watcher.tag !== this.readyTag) this.readyTag = undefined;
  }

  /** What stands; `undefined` while the node cannot answer. @param slice in which it is looked at once */
  current(slice: number): Frame | undefined {
    if (this.looked !== slice) this.look();
    this.looked = slice;
    return this.isAnswering ? this.frame : undefined;
  }

  /** Looks now; what stands is to say of an instant that is not long ago. */
  refresh(slice: number, nowMs: number): void {
    if (nowMs - this.madeMs > FRESH_MS) this.frame = undefined;
    const { frame } = this;
    this.look();
    this.looked = slice;
    if (this.frame !== frame) this.madeMs = nowMs;
  }

  private look(): void {
    const reading = this.source.read(this.place);
    this.isAnswering = reading !== undefined;
    if (reading === undefined || (this.frame !== undefined && this.state === reading.state)) return;
    this.state = reading.state;
    const { tag, body } = reading.answer(this.top);
    if (tag !== this.frame?.tag) this.frame = new Frame(tag, body);
  }
}

class Watcher implements Watch {
  readonly board: Board;
  readonly sink: Sink;
  readonly everyMs: number;
  /** Of what was sent last. */
  tag: string | undefined;
  dueSlot = 0;
  /** Its index there. */
  at = 0;
  isFull = false;
  isEnded = false;
  private readonly fanOut: FanOut;

  constructor(fanOut: FanOut, board: Board, everyMs: number, sink: Sink) {
    this.fanOut = fanOut;
    this.board = board;
    this.everyMs = everyMs;
    this.sink = sink;
  }

  drained(): void {
    this.fanOut.drained(this);
  }

  end(): void {
    this.fanOut.end(this);
  }
}
