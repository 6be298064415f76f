/**
 * What may and what must be true of one player, from what clients sent and what they were told: interval reasoning, no
 * knowledge of how the cluster works.
 *
 * A place is a number (region and mode), or NOWHERE. A report whose answer is not known may take effect at any moment
 * until `untilMs`; one that was acknowledged took effect between its sending and its answer, and nothing before it
 * counts any more.
 */

export const NOWHERE = -1;

/** Something sent that changes where the player is. */
export interface Change {
  /** In the order of sending. */
  readonly number: number;
  readonly place: number;
  /** 0: none. */
  readonly seq: number;
  readonly sentMs: number;
  /** The node it was sent to: what goes through one keeps its order. */
  readonly entry: string;
  /** Until when it may take effect; Infinity while that is open. */
  untilMs: number;
}

interface Moment {
  readonly atMs: number;
  /** All places that are possible from then on. */
  readonly places: readonly number[];
}

const REMEMBERED_MS = 30_000;

export class Ledger {
  readonly name: string;
  /** All places it was ever sent to. */
  private readonly ever = new Set<number>([NOWHERE]);
  /** What it comes down to where nothing under way takes effect. */
  private base = new Set<number>([NOWHERE]);
  /** The newest change that was acknowledged, and when. */
  private last: { readonly change: Change; readonly atMs: number } | undefined;
  /** Where the player was when it fell silent for good. */
  private outlived: ReadonlySet<number> = new Set();
  private changes: Change[] = [];
  private moments: Moment[] = [{ atMs: -Infinity, places: [NOWHERE] }];
  private count = 0;
  /** When the last acknowledged report or heartbeat was sent: so long at least it lives. */
  private renewedMs = -Infinity;
  /** When anything that could renew it was last under way. */
  private heardMs = -Infinity;
  /** Nothing sent before this moment is certain: the store lost a part. */
  private lostMs = -Infinity;

  private readonly frozenSinceMs: () => number;
  private readonly onChange: () => void;

  /**
   * @param frozenSinceMs since when a process has been frozen that still is; Infinity where none is
   * @param onChange told whenever other places are possible, or certain
   */
  constructor(name: string, frozenSinceMs: () => number, onChange: () => void) {
    this.name = name;
    this.frozenSinceMs = frozenSinceMs;
    this.onChange = onChange;
  }

  /** A change is sent. Its effect may come until `settle` or `giveUp` says more. */
  send(place: number, seq: number, entry: string, nowMs: number, lifeMs: number): Change {
    this.age(nowMs, lifeMs);
    const change = { number: ++this.count, place, seq, entry, sentMs: nowMs, untilMs: Infinity };
    this.changes.push(change);
    this.ever.add(place);
    this.heardMs = Infinity;
    this.note(nowMs);
    return change;
  }

  /** It was acknowledged as remembered: nothing before it counts any more. */
  acknowledge(change: Change, isRenewed: boolean, nowMs: number): void {
    this.remove(change);
    const { last } = this;
    if (change.sentMs <= this.lostMs || (last !== undefined && isBeside(change, last.change, last.atMs)))
      this.base.add(change.place);
    else if (last === undefined || isBehind(change, last.change)) {
      this.base = new Set([change.place]);
      this.outlived = new Set();
      this.changes = this.changes.filter((other) => this.isAfter(other, change));
    }
    if (last === undefined || isBehind(change, last.change)) this.last = { change, atMs: nowMs };
    if (isRenewed) this.renewedMs = Math.max(this.renewedMs, change.sentMs);
    this.heard(nowMs);
    this.note(nowMs);
  }

  /** It took effect, if at all, before `untilMs`, and may be undone by a crash. */
  giveUp(change: Change, untilMs: number, nowMs: number): void {
    change.untilMs = untilMs;
    this.heard(untilMs);
    this.note(nowMs);
  }

  /** It certainly did nothing, and never will. */
  cancel(change: Change, nowMs: number): void {
    this.remove(change);
    this.heard(nowMs);
    this.note(nowMs);
  }

  /** A session was renewed, as an owner said to what was sent at `sentMs`. */
  renew(sentMs: number, nowMs: number): void {
    this.renewedMs = Math.max(this.renewedMs, sentMs);
    this.heard(nowMs);
    this.onChange();
  }

  /** A process thawed that had been frozen since then: what was under way may have waited in it. */
  extend(frozenMs: number, untilMs: number): void {
    for (const change of this.changes)
      if (change.untilMs !== Infinity && change.untilMs >= frozenMs) {
        change.untilMs = Math.max(change.untilMs, untilMs);
        this.heard(change.untilMs);
      }
  }

  /** Something that may renew is under way until then. */
  heard(untilMs: number): void {
    const open = this.changes.some((change) => change.untilMs === Infinity);
    this.heardMs = open ? Infinity : Math.max(untilMs, this.heardMs === Infinity ? untilMs : this.heardMs);
  }

  /** An answer that is remembered says where the player was, at a moment since `sentMs`. */
  found(place: number, sentMs: number, nowMs: number): void {
    if (sentMs <= this.lostMs) return;
    const isQuiet = this.changes.every((change) => change.untilMs < sentMs || change.place === place);
    if (!isQuiet || this.changes.some((change) => change.sentMs > sentMs)) return;
    this.base = new Set([place]);
    this.note(nowMs);
  }

  /** The store lost a part, and perhaps its owner is lost too: whatever was sent before `lostMs` may be, or not. */
  lose(lostMs: number, nowMs: number): void {
    this.lostMs = lostMs;
    for (const place of this.ever) this.base.add(place);
    this.note(nowMs);
  }

  /** How many changes were sent so far. */
  get sentCount(): number {
    return this.count;
  }

  /** Whether the store lost a part since then, so that what was known before may not hold. */
  hasLostSince(sinceMs: number): boolean {
    return this.lostMs >= sinceMs;
  }

  /** Whether the player may have been there at some moment from `fromMs` until `untilMs`. */
  allows(place: number, fromMs: number, untilMs: number, lifeMs: number): boolean {
    if (place === NOWHERE && untilMs > this.renewedMs + lifeMs) return true;
    return this.possible(fromMs, untilMs).has(place);
  }

  /** Whether a record may have the player there. Nobody writes down that somebody fell silent. */
  allowsRecorded(place: number, nowMs: number, lifeMs: number): boolean {
    return this.allows(place, nowMs, nowMs, lifeMs) || this.outlived.has(place);
  }

  /** All places possible at some moment from `fromMs` until `untilMs`. */
  possible(fromMs: number, untilMs: number): ReadonlySet<number> {
    const places = new Set<number>();
    for (let at = this.moments.length - 1; at >= 0; at--) {
      const moment = this.moments[at] as Moment;
      if (moment.atMs <= untilMs) for (const place of moment.places) places.add(place);
      if (moment.atMs <= fromMs) break;
    }
    return places;
  }

  /** The only place possible since then; `undefined` where there are several. */
  onlySince(fromMs: number): number | undefined {
    const { atMs, places } = this.moments[this.moments.length - 1] as Moment;
    return atMs <= fromMs && places.length === 1 ? places[0] : undefined;
  }

  /** The place where the player certainly was from `fromMs` until `untilMs`; `undefined` where nobody can tell. */
  certain(fromMs: number, untilMs: number, lifeMs: number): number | undefined {
    const place = this.onlySince(fromMs) ?? only(this.possible(fromMs, untilMs));
    return place !== NOWHERE && untilMs > this.renewedMs + lifeMs ? undefined : place;
  }

  /** Whether the player certainly was connected until then, if it was anywhere. */
  isAlive(untilMs: number, lifeMs: number): boolean {
    return untilMs <= this.renewedMs + lifeMs;
  }

  /** Whoever was not heard of for so long, whatever happened to what was sent, is certainly gone. */
  expire(nowMs: number, silenceMs: number): void {
    if (nowMs - this.heardMs <= silenceMs) return;
    this.outlived = this.possible(nowMs, nowMs);
    this.base = new Set([NOWHERE]);
    this.changes = [];
    this.note(nowMs);
  }

  /** Whoever may have been disconnected for silence is perhaps nowhere. */
  age(nowMs: number, lifeMs: number): void {
    if (nowMs <= this.renewedMs + lifeMs || this.base.has(NOWHERE)) return;
    this.base.add(NOWHERE);
    this.note(this.renewedMs + lifeMs);
  }

  private note(atMs: number): void {
    this.onChange();
    const places = new Set(this.base);
    for (const change of this.changes) places.add(change.place);
    const last = this.moments[this.moments.length - 1] as Moment;
    const isSame = last.places.length === places.size && last.places.every((place) => places.has(place));
    if (!isSame) this.moments.push({ atMs: Math.max(atMs, last.atMs), places: [...places] });
    this.retire(atMs);
  }

  /** Changes that can no longer take effect did so, or did not. */
  private retire(nowMs: number): void {
    for (const change of this.changes) if (this.isOver(change, nowMs)) this.base.add(change.place);
    this.changes = this.changes.filter((change) => !this.isOver(change, nowMs));
    while (this.moments.length > 1 && (this.moments[1] as Moment).atMs < nowMs - REMEMBERED_MS) this.moments.shift();
  }

  /** Whether it can no longer take effect. It may lie in the socket of a frozen process as long as that is frozen. */
  private isOver(change: Change, nowMs: number): boolean {
    return change.untilMs < nowMs && change.untilMs < this.frozenSinceMs();
  }

  private remove(change: Change): void {
    this.changes = this.changes.filter((other) => other !== change);
  }

  /** Whether `other` may still take effect after `acknowledged` did. */
  private isAfter(other: Change, acknowledged: Change): boolean {
    if (other.number > acknowledged.number) return true;
    if (other.seq > 0 && acknowledged.seq > 0 && other.seq <= acknowledged.seq) return false;
    return !this.isOver(other, acknowledged.sentMs);
  }
}

function only(places: ReadonlySet<number>): number | undefined {
  const [place] = places;
  return places.size === 1 ? place : undefined;
}

/** Whether `change` takes effect after `last` where both do. */
function isBehind(change: Change, last: Change): boolean {
  return change.seq > 0 && last.seq > 0 ? change.seq >= last.seq : change.number > last.number;
}

/** Whether two that were acknowledged were under way at once through two nodes, so that nobody knows their order. */
function isBeside(change: Change, last: Change, lastAcknowledgedMs: number): boolean {
  const isSequenced = change.seq > 0 && last.seq > 0;
  return !isSequenced && change.entry !== last.entry && change.sentMs < lastAcknowledgedMs;
}
