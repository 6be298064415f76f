/**
 * What is refused while a node has more to do than it can. Kinds of calls are refused one after another, the least missed first, each
 * little by little: of the kind whose turn it is, a share. The level rises while requests wait and falls when there is time left.
 */

/** In the order in which they are refused. */
export const KINDS = ["look-ups", "other reads", "reports", "heartbeats"] as const;
export type Kind = (typeof KINDS)[number];
/** New streams and sessions go before all others: at any level all of them are refused. Those that are open stay. */
export const LIVE = "live";

export interface Readings {
  /** The shortest that any request waited since the last look, for its turn at the event loop; 0 where one did not wait. */
  readonly waitMs: number;
  /** Part of the time in which the event loop had nothing to do, 0 to 1. */
  readonly idle: number;
  /** How full the queue to the store is, 0 to 1. */
  readonly storeQueue: number;
}

/**
 * A queue in which everybody waits so long, look after look, is a standing one. Source: CoDel (RFC 8289), with another target: a thousand
 * clients who ask one after another keep a queue of 30 ms, and a machine that has other things to do keeps some for a while; neither is
 * too much.
 */
const WAIT_MS = 30;
const LATE_LOOKS = 4;
const STORE_QUEUE = 0.5;
/** With more time left than this, less needs to be refused. */
const IDLE = 0.02;
const REPORTS = KINDS.indexOf("reports");
const HEARTBEATS = KINDS.indexOf("heartbeats");
const [STEP, STEP_OF_REPORTS] = [0.25, 0.1];
/** With all the time left a look takes away so much, with little of it little: nothing is refused half a second after the load has gone. */
const FALL = 0.4;
/**
 * Refusing costs most of what serving costs. Where more than this share of what is read is refused already, refusing more would
 * only keep from serving: then fewer connections are read instead (`reading.ts`). Reads give way to reports sooner.
 */
const [SHARE_MAX, SHARE_OF_REPORTS_MAX] = [0.5, 0.2];

export class Shedding {
  /** Requests that were refused, by kind; `unread`: connections that waited too long to be read. */
  readonly refused: Record<Kind | typeof LIVE | "unread", number> = {
    live: 0,
    "look-ups": 0,
    "other reads": 0,
    reports: 0,
    heartbeats: 0,
    unread: 0,
  };
  private current = 0;
  private isHeldBack = false;
  private lateLooks = 0;
  /** By kind: parts of a refusal that have come together. */
  private readonly owed = KINDS.map(() => 0);
  /** Since the last look. */
  private asked = 0;
  private shed = 0;

  /** 0: nothing is refused; each whole number more: one kind more. */
  get level(): number {
    return this.current;
  }

  /** To be asked first: where it is false nothing is refused. */
  get isShedding(): boolean {
    return this.current > 0;
  }

  /** Whether refusing more would not help: as much as may be is refused already. */
  get isAtMost(): boolean {
    return this.isHeldBack || this.current >= KINDS.length;
  }

  /** Whether this request is refused. Of a share, requests are refused evenly. */
  refuses(kind: Kind | typeof LIVE): boolean {
    if (kind === LIVE) {
      if (this.isShedding) this.refused.live++;
      return this.isShedding;
    }
    const index = KINDS.indexOf(kind);
    const share = Math.min(1, Math.max(0, this.current - index));
    this.asked++;
    const owed = (this.owed[index] as number) + share;
    this.owed[index] = owed >= 1 ? owed - 1 : owed;
    if (owed < 1) return false;
    this.shed++;
    this.refused[kind]++;
    return true;
  }

  /** To be called some twenty-five times a second. */
  look({ waitMs, idle, storeQueue }: Readings): void {
    this.lateLooks = waitMs > WAIT_MS ? this.lateLooks + 1 : 0;
    const isLoopLate = this.lateLooks > 0 && (this.current > 0 || this.lateLooks >= LATE_LOOKS);
    this.isHeldBack = false;
    const isStoreLate = storeQueue > STORE_QUEUE;
    if (isLoopLate) this.rise(KINDS.length);
    else if (isStoreLate) this.rise(HEARTBEATS); // a heartbeat writes nothing
    else if (idle > IDLE && storeQueue < STORE_QUEUE / 2)
      this.current = Math.max(0, this.current - FALL * (idle - IDLE));
    this.asked = 0;
    this.shed = 0;
  }

  /** How far players should be asked to wait longer with their next sign of life, 0 to 1; before anything is refused. */
  strainOf({ storeQueue }: Pick<Readings, "storeQueue">): number {
    return this.current > 0 ? 1 : Math.min(1, storeQueue / STORE_QUEUE);
  }

  private rise(most: number): void {
    const isAtReports = this.current >= REPORTS;
    const shareMax = isAtReports ? SHARE_OF_REPORTS_MAX : SHARE_MAX;
    const share = this.asked === 0 ? 0 : this.shed / this.asked;
    if (share > shareMax) {
      this.isHeldBack = true;
      this.current = Math.max(isAtReports ? REPORTS : 0, this.current - STEP_OF_REPORTS);
      return;
    }
    const step = isAtReports ? STEP_OF_REPORTS : STEP;
    const next = this.current < REPORTS ? Math.min(REPORTS, this.current + step) : this.current + step;
    this.current = Math.max(this.current, Math.min(most, next));
  }
}
