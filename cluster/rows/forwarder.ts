/**
 * Forwarding (R17 to R19). At the entry: hands each row to the owner of its partition, a function call where that is this
 * node, else in the next batch to that peer, until its fate is known or its time is over. At the owner: see
 * row-receiver.ts.
 *
 * A row is at one place at a time: in its partition's queue, in flight to a peer, or at this node's own handler. One that
 * comes back goes to the head of its queue. One that may have been applied goes again only where that undoes nothing.
 */
import { FATE_GRACE_MS, LOST } from "./answer-codec.ts";
import {
  type Answered,
  BatchSender,
  type BatchSenderFigures,
  type BatchSenderPorts,
  CALLS_IN_DEADLINE,
} from "./batch-sender.ts";
import { type CarriedRow, PartitionQueue, type Return } from "./partition-queue.ts";
import { BATCH_ROWS_MAX, isFrameOf } from "./row-frame.ts";
import { RowReceiver, type RowReceiverFigures } from "./row-receiver.ts";
import {
  type Elsewhere,
  mayRepeat,
  noRefusals,
  type Outcome,
  type Refused,
  type Row,
  type RowHandler,
} from "../ports/rows.ts";

export interface ForwarderPorts extends BatchSenderPorts {
  /** This node's own side as an owner. */
  readonly handler: RowHandler;
  /** Of the newest view. */
  epoch(): number;
  /** By the newest view; `undefined`: nobody. */
  ownerOf(partition: number): string | undefined;
}

export interface ForwarderOptions {
  readonly partitions: number;
  /** The longest that a row waits; each brings the end of its own time. */
  readonly deadlineMs: number;
  /** Rows that may be queued or in flight to peers; and, by itself, rows of peers that may be without a fate here. */
  readonly rowsMax?: number;
  readonly batchRowsMax?: number;
}

/** What forwarding did since it was made, and what it has at hand, for metrics. */
export interface ForwarderFigures {
  /** Rows queued or in flight to peers, as of now. */
  rowsQueued: number;
  /** Times a row had to go again, by why. */
  readonly rowsRetried: Record<Elsewhere["reason"] | Exclude<Return, Elsewhere>["kind"], number>;
  /** Rows refused in the end, by this node or the owner. */
  readonly rowsRefused: Record<Refused["reason"], number>;
  /** Rows that found nobody in time: they are told `no owner`. */
  rowsExpired: number;
  /** Rows that were applied by an owner that was lost then, and may not be repeated: they are told `no owner`. */
  rowsLost: number;
  readonly sent: Readonly<BatchSenderFigures>;
  readonly received: Readonly<RowReceiverFigures>;
}

const ROWS_MAX = 65_536;
/** Of the room for rows, what those that come many at once may take: the rest is kept for single reports. */
export const BULK_SHARE = 0.75;
const NOBODY_PAUSE_MS = 20;

const NO_OWNER: Refused = { kind: "refused", reason: "no owner" };
const OVERLOADED: Refused = { kind: "refused", reason: "overloaded" };
const NO_BYTES = new Uint8Array(0);

export class Forwarder {
  readonly figures: ForwarderFigures;
  private readonly ports: ForwarderPorts;
  private readonly rowsMax: number;
  private readonly queues: readonly PartitionQueue[];
  private readonly sender: BatchSender;
  private readonly receiver: RowReceiver;
  /** Rows that had waited and are at this node's own handler now. */
  private readonly here = new Set<CarriedRow>();
  private rows = 0;
  /** No row that waits or is in flight ends its time before this. */
  private earliestUntilMs = Infinity;
  private readonly targetOf = ({ hint, partition }: PartitionQueue): string | undefined =>
    hint !== undefined && this.ports.isListed(hint) ? hint : this.ports.ownerOf(partition);

  constructor(ports: ForwarderPorts, options: ForwarderOptions) {
    const { partitions, deadlineMs, rowsMax = ROWS_MAX, batchRowsMax = BATCH_ROWS_MAX } = options;
    this.ports = ports;
    this.rowsMax = rowsMax;
    this.queues = Array.from({ length: partitions }, (_, partition) => new PartitionQueue(partition));
    this.sender = new BatchSender(ports, { deadlineMs, rowsMax: batchRowsMax }, (carried, answer) =>
      this.onAnswer(carried, answer),
    );
    this.receiver = new RowReceiver(ports, { partitions, rowsMax, callMs: deadlineMs / CALLS_IN_DEADLINE });
    this.figures = {
      rowsQueued: 0,
      rowsRetried: { moved: 0, "held by": 0, loading: 0, lost: 0, "out of date": 0, unheard: 0 },
      rowsRefused: noRefusals(),
      rowsExpired: 0,
      rowsLost: 0,
      sent: this.sender.figures,
      received: this.receiver.figures,
    };
  }

  /**
   * Sees to it that a row takes effect behind all rows of its partition that were submitted before.
   * @param settle called once: perhaps at once, else within the row's time and a tick
   */
  submit(row: Row, settle: (outcome: Outcome) => void): void {
    const queue = this.queues[row.partition] as PartitionQueue;
    const number = ++this.rows;
    const me = this.ports.me();
    if (queue.isOpenTo(me) && this.targetOf(queue) === me) return this.applyAtOnce(queue, row, number, settle);
    if (!this.hasRoom(row.isBulk)) return this.tell(OVERLOADED, settle);
    queue.add(this.keep({ number, row, settle, state: "waiting" }));
    this.route(queue);
  }

  /**
   * Handles a peer's message: a batch, answered when each row has its fate or was taken in, or fates.
   * @param epoch of the sender's view
   * @param ageMs how long ago it was sent at the most
   * @throws {MalformedMessageError} (rejects) before anything is applied
   */
  async receive(from: string, epoch: number, ageMs: number, body: Uint8Array): Promise<Uint8Array> {
    if (!isFrameOf("fates", body)) return this.receiver.receive(from, epoch, ageMs, body);
    this.sender.takeFates(from, body);
    return NO_BYTES;
  }

  /** Lets time pass: rows past their time are refused, what paused is tried again. To be called some 50 times a second. */
  tick(): void {
    this.receiver.tick();
    if (this.figures.rowsQueued === 0) return;
    const nowMs = this.ports.nowMs();
    this.expire(nowMs);
    for (const queue of this.queues) {
      if (queue.state !== "pausing") continue;
      queue.wake(nowMs);
      this.route(queue);
    }
    this.sender.planFlush();
  }

  /** A newer view is known, here and to the handler: hints are forgotten, and what waits is tried again at once. */
  onView(): void {
    for (const queue of this.queues) queue.onView();
    this.sender.onView();
    for (const queue of this.queues) this.route(queue);
  }

  private hasRoom(isBulk: boolean): boolean {
    return this.figures.rowsQueued < (isBulk ? this.rowsMax * BULK_SHARE : this.rowsMax);
  }

  private keep(carried: CarriedRow): CarriedRow {
    this.figures.rowsQueued++;
    this.earliestUntilMs = Math.min(this.earliestUntilMs, carried.row.untilMs);
    return carried;
  }

  /** Sends what waits on its way, where it may go. */
  private route(queue: PartitionQueue): void {
    if (!queue.isWaiting) return;
    const target = this.targetOf(queue);
    if (!queue.mayGo(target)) return;
    if (target === undefined) queue.pause(this.ports.nowMs() + NOBODY_PAUSE_MS);
    else if (target === this.ports.me()) this.applyWaiting(queue);
    else {
      queue.ready(target);
      this.sender.add(queue, target);
    }
  }

  /** The short way of a row to this node itself: it is not carried in a queue, unless it comes back. */
  private applyAtOnce(queue: PartitionQueue, row: Row, number: number, settle: (outcome: Outcome) => void): void {
    let isTakenIn = false;
    queue.departHere(this.ports.me());
    this.ports.handler.apply(row, this.ports.epoch(), (outcome) => {
      const reason = outcome.kind === "elsewhere" && isTakenIn ? LOST : outcome;
      const isToReturn = reason.kind === "elsewhere" || (reason.kind === "lost" && mayRepeat(row));
      if (isToReturn && this.hasRoom(false))
        return this.giveBack(queue, this.keep({ number, row, settle, state: "here" }), reason);
      queue.settleHere();
      this.onEnd(queue);
      if (isToReturn) this.tell(OVERLOADED, settle);
      else this.tell(reason.kind === "lost" ? this.lost() : reason, settle);
    });
    isTakenIn = true;
  }

  /** Applies all that waits at this node itself, up to the first that is refused. */
  private applyWaiting(queue: PartitionQueue): void {
    for (const carried of queue.beginApplying(this.ports.me())) {
      const reason = queue.reasonToReturn;
      if (reason === undefined) this.applyCarried(carried);
      else this.giveBack(queue, carried, reason);
    }
    queue.endApplying();
    this.onEnd(queue);
  }

  private applyCarried(carried: CarriedRow): void {
    let isTakenIn = false;
    this.here.add(carried);
    this.ports.handler.apply(carried.row, this.ports.epoch(), (outcome) => {
      if (!this.here.delete(carried)) return; // its time was over
      this.onAnswer(carried, outcome.kind === "elsewhere" && isTakenIn ? LOST : outcome);
    });
    isTakenIn = true;
  }

  /** What became of a row that had waited. */
  private onAnswer(carried: CarriedRow, answer: Answered): void {
    const queue = this.queues[carried.row.partition] as PartitionQueue;
    switch (answer.kind) {
      case "taken in":
        queue.takenIn(carried);
        return this.route(queue);
      case "done":
      case "refused":
        return this.settle(queue, carried, answer);
      case "expired":
        this.figures.rowsExpired++;
        return this.settle(queue, carried, NO_OWNER);
      case "lost":
      case "out of turn":
        return mayRepeat(carried.row) ? this.giveBack(queue, carried, LOST) : this.settle(queue, carried, this.lost());
      default:
        this.giveBack(queue, carried, answer);
    }
  }

  private giveBack(queue: PartitionQueue, carried: CarriedRow, reason: Return): void {
    this.figures.rowsRetried[reason.kind === "elsewhere" ? reason.reason : reason.kind]++;
    queue.giveBack(carried, reason);
    this.onEnd(queue);
  }

  private settle(queue: PartitionQueue, carried: CarriedRow, outcome: Outcome): void {
    queue.settle(carried);
    this.figures.rowsQueued--;
    this.onEnd(queue);
    this.tell(outcome, carried.settle);
  }

  /** A row is no longer in flight: what came back or waits meanwhile may go on. */
  private onEnd(queue: PartitionQueue): void {
    if (queue.state !== "idle") return this.route(queue);
    const pauseMs = queue.pauseAfterReturn(this.targetOf);
    if (pauseMs > 0 && queue.isWaiting) queue.pause(this.ports.nowMs() + pauseMs);
    else this.route(queue);
  }

  /** Refuses every row whose time is over, wherever it is: nobody waits for its fate any more. */
  private expire(nowMs: number): void {
    if (nowMs < this.earliestUntilMs) return;
    this.earliestUntilMs = Infinity;
    const isOver = ({ row, state }: CarriedRow): boolean => {
      const untilMs = state === "taken in" ? row.untilMs + FATE_GRACE_MS : row.untilMs;
      if (untilMs > nowMs) this.earliestUntilMs = Math.min(this.earliestUntilMs, untilMs);
      return untilMs <= nowMs;
    };
    const waited = this.queues.flatMap((queue) => queue.expire(isOver));
    const inFlight = [...[...this.here].filter(isOver), ...this.sender.expire(isOver)];
    this.figures.rowsExpired += waited.length + inFlight.length;
    this.figures.rowsQueued -= waited.length;
    for (const carried of waited) this.tell(NO_OWNER, carried.settle);
    for (const carried of inFlight) {
      this.here.delete(carried);
      this.settle(this.queues[carried.row.partition] as PartitionQueue, carried, NO_OWNER);
    }
  }

  private lost(): Refused {
    this.figures.rowsLost++;
    return NO_OWNER;
  }

  private tell(outcome: Outcome, settle: (outcome: Outcome) => void): void {
    if (outcome.kind === "refused") this.figures.rowsRefused[outcome.reason]++;
    settle(outcome);
  }
}
