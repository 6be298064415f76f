/**
 * R19: what an entry has of one partition: rows that wait, rows in flight to one node, and rows that came back from there.
 *
 *   verb            from                                             to
 *   ready           idle; under way to that node, all taken in       ready
 *   unready         ready                                            idle; under way, where some are in flight
 *   depart          ready                                            under way
 *   departHere      idle; under way here                             under way
 *   beginApplying   idle; under way here                             applying
 *   endApplying     applying                                         under way; returning, where some came back
 *   giveBack        any in which rows are in flight                  returning; applying stays
 *   settle          any in which rows are in flight                  the same
 *   pause           idle                                             pausing
 *   wake            pausing                                          idle
 *
 * `under way` and `returning` turn to `idle` when nothing is in flight any more.
 */
import { invariant } from "../../engine/invariant.ts";
import type { Elsewhere, Outcome, Row } from "../ports/rows.ts";
import type { Lost, OutOfDate } from "./answer-codec.ts";

/** A row that its entry answers for: it waits, is in flight, came back, or has been answered. */
export interface CarriedRow {
  /** Rises with every row submitted: the order in which rows of a partition take effect. */
  readonly number: number;
  readonly row: Row;
  readonly settle: (outcome: Outcome) => void;
  /**
   * `sent`: in a batch without an answer, so nobody knows whether it arrived. `taken in`: its owner has applied it, and it
   * has no fate yet. `here`: at this node's own handler. `returned`: came back, and waits for what is still in flight.
   */
  state: "waiting" | "sent" | "taken in" | "here" | "returned" | "settled";
}

/**
 * `idle`: nothing waits, or what waits is about to go; nothing is in flight. `ready`: rows wait for the next batch to
 * `target`; others may be in flight there. `applying`: what waited is being handed to this node's own handler.
 * `under way`: rows are in flight to `target`; others may wait. `returning`: some came back, so nothing leaves before the
 * others have a fate. `pausing`: rows wait until a time.
 */
export type QueueState = "idle" | "ready" | "applying" | "under way" | "returning" | "pausing";

/** Why a row came back. `unheard`: it did not arrive. */
export type Return = Elsewhere | Lost | OutOfDate | { readonly kind: "unheard" };

const REFUSALS_AT_ONCE = 2; // `moved`, then `held by`; a third says that views differ, and asking faster changes nothing
const REFUSED_PAUSE_MS = 20;
const LOADING_PAUSE_MS = 10;

export class PartitionQueue {
  readonly partition: number;
  private current: QueueState = "idle";
  /** The node that rows are ready for or in flight to; `undefined` where there is none. */
  private node: string | undefined;
  /** Rows that wait, oldest first; all of them are younger than those in flight. */
  private waiting: CarriedRow[] = [];
  private returned: CarriedRow[] = [];
  private oldestReturned = Infinity;
  /** Why that one came back. */
  private reason: Return | undefined;
  private inFlight = 0;
  /** Of those in flight, rows in a batch without an answer. */
  private sent = 0;
  private pausedUntilMs = 0;
  /** R18: who has the partition, as another node said. */
  private heldBy: string | undefined;
  /** Refusals in a row: after a few the queue pauses between them. */
  private refusals = 0;
  /** Whether a newer view came since the first of those in flight left. */
  private isViewNewer = false;

  constructor(partition: number) {
    this.partition = partition;
  }

  get state(): QueueState {
    return this.current;
  }

  get target(): string | undefined {
    return this.node;
  }

  get hint(): string | undefined {
    return this.heldBy;
  }

  /** Whether a row may be applied at this node itself at once, behind those that are in flight here. */
  isOpenTo(me: string): boolean {
    if (this.waiting.length > 0) return false;
    return this.current === "idle" || (this.current === "under way" && this.node === me);
  }

  /**
   * Whether what waits may go to `target` now. Rows are in flight to one node at a time; to that one the next may follow
   * once the former have been taken in.
   */
  mayGo(target: string | undefined): boolean {
    if (this.waiting.length === 0) return false;
    return this.current === "idle" || (this.current === "under way" && this.node === target && this.sent === 0);
  }

  add(carried: CarriedRow): void {
    invariant(carried.state === "waiting", "a row that is added to a queue waits");
    this.waiting.push(carried);
  }

  /** What waits is for the next batch to `target`. */
  ready(target: string): void {
    invariant(this.mayGo(target), `rows may go to ${target}`);
    this.current = "ready";
    this.node = target;
  }

  /** It is not, because a newer view is known or nothing waits any more. */
  unready(): void {
    invariant(this.current === "ready", "a queue that is unreadied is ready");
    this.current = this.inFlight > 0 ? "under way" : "idle";
  }

  /**
   * Takes rows for a batch to `target`; none where none fits.
   * @param fits whether the batch has room for a row, which is then taken
   */
  depart(fits: (row: Row) => boolean): CarriedRow[] {
    invariant(this.current === "ready", "rows depart that are ready");
    let count = 0;
    while (count < this.waiting.length && fits((this.waiting[count] as CarriedRow).row)) count++;
    if (count === 0) return [];
    const departing = this.waiting.splice(0, count);
    for (const carried of departing) carried.state = "sent";
    this.sent += departing.length;
    this.leave(departing.length);
    return departing;
  }

  /** Takes all that waits, to be handed to this node's own handler one after another. */
  beginApplying(me: string): CarriedRow[] {
    invariant(this.mayGo(me), "rows may be applied here");
    const handedOver = this.waiting;
    this.waiting = [];
    for (const carried of handedOver) carried.state = "here";
    this.node = me;
    this.leave(handedOver.length);
    this.current = "applying";
    return handedOver;
  }

  endApplying(): void {
    invariant(this.current === "applying", "a queue ends applying that has begun");
    this.current = this.returned.length > 0 ? "returning" : "under way";
    this.land();
  }

  /** One row, that never waited, is handed to this node's own handler. */
  departHere(me: string): void {
    invariant(this.isOpenTo(me), "a row may be applied here");
    this.node = me;
    this.leave(1);
  }

  /** Its owner has applied it. */
  takenIn(carried: CarriedRow): void {
    invariant(carried.state === "sent", "a row is taken in that was sent");
    carried.state = "taken in";
    this.sent--;
  }

  /** A row in flight comes back, to go again with all younger ones behind it. */
  giveBack(carried: CarriedRow, reason: Return): void {
    this.end(carried);
    carried.state = "returned";
    this.returned.push(carried);
    if (carried.number < this.oldestReturned) {
      this.oldestReturned = carried.number;
      this.reason = reason;
    }
    if (this.current !== "applying") this.current = "returning";
    this.land();
  }

  /** A row in flight has its fate, or its time is over. */
  settle(carried: CarriedRow): void {
    this.end(carried);
    carried.state = "settled";
    this.land();
  }

  /** The same for a row that never waited. */
  settleHere(): void {
    this.inFlight--;
    this.land();
  }

  /** R19: why an older row came back, where one did: the younger ones must not overtake it. */
  get reasonToReturn(): Return | undefined {
    return this.returned.length > 0 ? this.reason : undefined;
  }

  get isWaiting(): boolean {
    return this.waiting.length > 0;
  }

  /** What waits does so until then. */
  pause(untilMs: number): void {
    invariant(this.current === "idle" && this.waiting.length > 0, "rows pause that wait");
    this.current = "pausing";
    this.pausedUntilMs = untilMs;
  }

  /** Ends a pause that is over. */
  wake(nowMs: number): void {
    if (this.current === "pausing" && nowMs >= this.pausedUntilMs) this.current = "idle";
  }

  /** A newer view is known: hints are forgotten, and what waits may go elsewhere. */
  onView(): void {
    this.heldBy = undefined;
    this.refusals = 0;
    this.isViewNewer = true;
    if (this.current === "ready") this.unready();
    this.wake(Infinity);
  }

  /** Takes out those that wait and are over. */
  expire(isOver: (carried: CarriedRow) => boolean): CarriedRow[] {
    const over = [...this.waiting, ...this.returned].filter(isOver);
    if (over.length === 0) return over;
    for (const carried of over) carried.state = "settled";
    this.waiting = this.waiting.filter(({ state }) => state === "waiting");
    this.returned = this.returned.filter(({ state }) => state === "returned");
    if (this.waiting.length > 0) return over;
    if (this.current === "ready") this.unready();
    this.wake(Infinity);
    return over;
  }

  /**
   * R18: how long to pause before what came back goes again, and where to, as far as that was said. To be called when all
   * have come back, once.
   * @param targetOf the node to go to, by hint and view
   */
  pauseAfterReturn(targetOf: (queue: PartitionQueue) => string | undefined): number {
    const { reason } = this;
    this.reason = undefined;
    if (reason === undefined || reason.kind === "out of date" || reason.kind === "unheard") {
      this.refusals = 0;
      if (reason?.kind === "unheard" && this.heldBy === this.node) this.heldBy = undefined;
      return 0;
    }
    // No sign that views differ.
    if (reason.kind === "elsewhere" && reason.reason === "loading") return LOADING_PAUSE_MS;
    this.refusals++;
    this.heldBy = reason.kind === "elsewhere" && reason.reason === "held by" ? reason.holder : undefined;
    const isSameAgain = targetOf(this) === this.node && !this.isViewNewer;
    return isSameAgain || this.refusals > REFUSALS_AT_ONCE ? REFUSED_PAUSE_MS : 0;
  }

  private leave(rows: number): void {
    if (this.inFlight === 0) this.isViewNewer = false;
    this.current = "under way";
    this.inFlight += rows;
  }

  private end(carried: CarriedRow): void {
    const { state } = carried;
    invariant(state === "sent" || state === "taken in" || state === "here", "a row in flight comes to an end");
    if (carried.state === "sent") this.sent--;
    this.inFlight--;
  }

  /** When nothing is in flight any more, what came back is the first to go, in the order in which it was submitted. */
  private land(): void {
    if (this.inFlight > 0 || (this.current !== "under way" && this.current !== "returning")) return;
    this.current = "idle";
    if (this.returned.length === 0) return;
    const rows = this.returned.sort((one, other) => one.number - other.number);
    for (const carried of rows) carried.state = "waiting";
    this.waiting = rows.concat(this.waiting);
    this.returned = [];
    this.oldestReturned = Infinity;
  }
}
