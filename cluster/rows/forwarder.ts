/**
 * Forwarding (R17 to R19). At the entry: hands each row to the owner of its partition, a function call where that is this
 * node, else in the next batch to that peer, until somebody has answered it or its time is over. At the owner: see
 * row-receiver.ts.
 *
 * A row is at one place at a time: in its partition's queue, in the one batch under way to a peer, or at this node's
 * own handler. One that comes back goes to the head of its queue.
 */
import { BatchSender, type BatchSenderFigures, type BatchSenderPorts } from "./batch-sender.ts";
import { type Entry, PartitionQueue } from "./partition-queue.ts";
import { type Answer, EXPIRED, type Expired, OUT_OF_TURN, type OutOfTurn } from "./row-codec.ts";
import { BATCH_ROWS_MAX } from "./row-frame.ts";
import { RowReceiver, type RowReceiverFigures } from "./row-receiver.ts";
import type { Elsewhere, Outcome, Refused, Row, RowHandler } from "../ports/rows.ts";

export interface ForwarderPorts extends BatchSenderPorts {
  /** This node's own side as an owner. */
  readonly handler: RowHandler;
  me(): string;
  /** Of the newest view. */
  epoch(): number;
  /** By the newest view; `undefined`: nobody. */
  ownerOf(partition: number): string | undefined;
}

export interface ForwarderOptions {
  readonly partitions: number;
  /** The longest that a row waits; each brings the end of its own time. */
  readonly deadlineMs: number;
  /** Rows that may be queued or under way to peers. */
  readonly rowsMax?: number;
  readonly batchRowsMax?: number;
}

/** What forwarding did since it was made, and what it has at hand, for metrics. */
export interface ForwarderFigures {
  /** Rows queued or under way to peers, as of now. */
  rowsQueued: number;
  /** Times a row had to go again, by what was said. */
  readonly rowsRetried: Record<Elsewhere["reason"] | "unheard", number>;
  /** Rows refused in the end, by this node or the owner. */
  readonly rowsRefused: Record<Refused["reason"], number>;
  /** Rows that found nobody in time: they are told `no owner`. */
  rowsExpired: number;
  readonly sent: Readonly<BatchSenderFigures>;
  readonly received: Readonly<RowReceiverFigures>;
}

type FinalAnswer = Outcome | Expired;

const ROWS_MAX = 65_536;
/** Of the room for rows, what those that come many at once may take: the rest is kept for single reports. */
const BATCHES_SHARE = 0.75;
const REFUSALS_AT_ONCE = 2; // `moved`, then `held by`; a third says that views differ, and asking faster changes nothing
const REFUSED_PAUSE_MS = 20;
const LOADING_PAUSE_MS = 10;

const NO_OWNER: Refused = { kind: "refused", reason: "no owner" };
const OVERLOADED: Refused = { kind: "refused", reason: "overloaded" };

export class Forwarder {
  readonly figures: ForwarderFigures;
  private readonly ports: ForwarderPorts;
  private readonly rowsMax: number;
  private readonly queues: readonly PartitionQueue[];
  private readonly sender: BatchSender;
  private readonly receiver: RowReceiver;
  /** Rows that had waited and are at this node's own handler now. */
  private readonly here = new Set<Entry>();
  private rows = 0;
  /** No row that waits or is under way ends its time before this. */
  private earliestUntilMs = Infinity;

  constructor(ports: ForwarderPorts, options: ForwarderOptions) {
    const { partitions, deadlineMs, rowsMax = ROWS_MAX, batchRowsMax = BATCH_ROWS_MAX } = options;
    this.ports = ports;
    this.rowsMax = rowsMax;
    this.queues = Array.from({ length: partitions }, (_, partition) => new PartitionQueue(partition));
    this.sender = new BatchSender(ports, { deadlineMs, rowsMax: batchRowsMax }, (entry, answer, incarnation) =>
      this.onPeerAnswer(entry, answer, incarnation),
    );
    this.receiver = new RowReceiver(ports, partitions);
    this.figures = {
      rowsQueued: 0,
      rowsRetried: { moved: 0, "held by": 0, loading: 0, unheard: 0 },
      rowsRefused: { overloaded: 0, "no room for the mode": 0, "no room for the player": 0, "no owner": 0 },
      rowsExpired: 0,
      sent: this.sender.figures,
      received: this.receiver.figures,
    };
  }

  /**
   * Sees to it that a row takes effect behind all rows of its partition that were submitted before.
   * @param settle called once: perhaps at once, else within the row's time and a tick
   * @param isBatch one of many that came together: refused earlier where there is little room
   */
  submit(row: Row, settle: (outcome: Outcome) => void, isBatch = false): void {
    const queue = this.queues[row.partition];
    const number = ++this.rows;
    const me = this.ports.me();
    if (queue.isOpenTo(me) && this.targetOf(queue) === me) return this.applyAtOnce(queue, row, number, settle);
    if (!this.hasRoom(isBatch)) return this.tell(OVERLOADED, settle);
    this.figures.rowsQueued++;
    this.earliestUntilMs = Math.min(this.earliestUntilMs, row.untilMs);
    queue.waiting.push({ number, row, settle, isSettled: false });
    if (queue.state === "idle") this.route(queue);
  }

  /**
   * Handles a peer's batch and answers it when every row has settled.
   * @param epoch of the sender's view
   * @param delayMs how long it was under way beyond the smallest delay seen from that sender
   * @throws {MalformedMessageError} (rejects) before anything is applied
   */
  receive(from: string, epoch: number, delayMs: number, body: Uint8Array): Promise<Uint8Array> {
    return this.receiver.receive(from, epoch, delayMs, body);
  }

  /** Lets time pass: rows past their time are refused, what paused is tried again. To be called some 50 times a second. */
  tick(): void {
    if (this.figures.rowsQueued === 0) return;
    const nowMs = this.ports.nowMs();
    this.expire(nowMs);
    for (const queue of this.queues) if (queue.state === "pausing" && nowMs >= queue.pausedUntilMs) this.route(queue);
    this.sender.planFlush();
  }

  /** A newer view is known, here and to the handler: hints are forgotten, and what waits is tried again at once. */
  onView(): void {
    const held = this.queues.filter(({ state }) => state === "ready" || state === "pausing");
    for (const queue of held) queue.state = "idle";
    for (const queue of this.queues) {
      queue.hint = undefined;
      queue.refusals = 0;
      queue.isViewNewer = true;
    }
    this.sender.onView();
    for (const queue of held) if (queue.state === "idle") this.route(queue);
  }

  private hasRoom(isBatch: boolean): boolean {
    return this.figures.rowsQueued < (isBatch ? this.rowsMax * BATCHES_SHARE : this.rowsMax);
  }

  private targetOf({ hint, partition }: PartitionQueue): string | undefined {
    return hint !== undefined && this.ports.isListed(hint) ? hint : this.ports.ownerOf(partition);
  }

  /** Sends what waits on its way. */
  private route(queue: PartitionQueue): void {
    queue.state = "idle";
    if (queue.waiting.length === 0) return;
    const target = this.targetOf(queue);
    if (target === undefined) this.pause(queue, REFUSED_PAUSE_MS);
    else if (target === this.ports.me()) this.applyWaiting(queue);
    else this.sender.add(queue, target);
  }

  private pause(queue: PartitionQueue, pauseMs: number): void {
    queue.state = "pausing";
    queue.pausedUntilMs = this.ports.nowMs() + pauseMs;
  }

  /** The short way of a row to this node itself: no queue and no entry, unless it comes back. */
  private applyAtOnce(queue: PartitionQueue, row: Row, number: number, settle: (outcome: Outcome) => void): void {
    queue.depart(this.ports.me(), 1);
    this.ports.handler.apply(row, this.ports.epoch(), (outcome) => {
      const isFinal = isFinalOf(queue, number, outcome);
      const isQueued = !isFinal && this.hasRoom(false);
      if (isQueued) {
        this.figures.rowsQueued++;
        this.earliestUntilMs = Math.min(this.earliestUntilMs, row.untilMs);
        this.giveBack(queue, { number, row, settle, isSettled: false }, outcome);
      }
      this.arrive(queue);
      if (isFinal) this.tell(outcome, settle);
      else if (!isQueued) this.tell(OVERLOADED, settle);
    });
  }

  /** Applies all that waits at this node itself, up to the first that is refused. */
  private applyWaiting(queue: PartitionQueue): void {
    const entries = queue.waiting.slice(); // they stay in `waiting` until all are applied, so that none overtakes them
    queue.depart(this.ports.me(), entries.length + 1);
    for (const entry of entries) {
      if (queue.isBehindReturned(entry.number)) {
        this.onAnswer(queue, entry, queue.refusal ?? OUT_OF_TURN);
        continue;
      }
      this.here.add(entry);
      this.ports.handler.apply(entry.row, this.ports.epoch(), (outcome) => {
        this.here.delete(entry);
        this.onAnswer(queue, entry, outcome);
      });
    }
    queue.waiting = queue.waiting.slice(entries.length);
    this.arrive(queue);
  }

  private onPeerAnswer(entry: Entry, answer: Answer, incarnation: string): void {
    const queue = this.queues[entry.row.partition];
    if (answer.kind === "out of turn" && queue.hint === incarnation) queue.hint = undefined;
    this.onAnswer(queue, entry, answer);
  }

  /** What became of a row that had waited. */
  private onAnswer(queue: PartitionQueue, entry: Entry, answer: Answer): void {
    const isFinal = isFinalOf(queue, entry.number, answer);
    if (!isFinal && !entry.isSettled) this.giveBack(queue, entry, answer);
    this.arrive(queue);
    if (isFinal) this.settle(entry, answer);
  }

  private giveBack(queue: PartitionQueue, entry: Entry, answer: Answer): void {
    const refusal = answer.kind === "elsewhere" ? answer : queue.refusal;
    this.figures.rowsRetried[refusal?.reason ?? "unheard"]++;
    queue.giveBack(entry, refusal);
  }

  /** A row is no longer under way; after the last one, what came back or waits meanwhile goes on. */
  private arrive(queue: PartitionQueue): void {
    if (--queue.underWay > 0) return;
    const { refusal } = queue;
    queue.takeBack();
    queue.state = "idle";
    const pauseMs = this.pauseAfter(queue, refusal);
    if (pauseMs > 0 && queue.waiting.length > 0) this.pause(queue, pauseMs);
    else this.route(queue);
  }

  /** R18: notes where to go after a refusal; how long to pause before. */
  private pauseAfter(queue: PartitionQueue, refusal: Elsewhere | undefined): number {
    if (refusal?.reason === "loading") return LOADING_PAUSE_MS; // no sign that views differ
    queue.refusals = refusal === undefined ? 0 : queue.refusals + 1;
    if (refusal === undefined) return 0;
    const { reason, holder } = refusal;
    queue.hint = reason === "held by" ? holder : undefined;
    const isSameAgain = this.targetOf(queue) === queue.target && !queue.isViewNewer;
    return isSameAgain || queue.refusals > REFUSALS_AT_ONCE ? REFUSED_PAUSE_MS : 0;
  }

  /** Refuses every row whose time is over, wherever it is. */
  private expire(nowMs: number): void {
    if (nowMs < this.earliestUntilMs) return;
    this.earliestUntilMs = Infinity;
    const isOver = ({ row, isSettled }: Entry): boolean => {
      if (isSettled) return false;
      if (row.untilMs > nowMs) this.earliestUntilMs = Math.min(this.earliestUntilMs, row.untilMs);
      return row.untilMs <= nowMs;
    };
    const over = [...this.here, ...this.sender.underWay()].filter(isOver);
    for (const queue of this.queues) {
      const late = queue.waiting.filter(isOver);
      if (late.length === 0) continue;
      for (const entry of late) over.push(entry);
      queue.waiting = queue.waiting.filter((entry) => !isOver(entry));
      if (queue.waiting.length === 0 && queue.state !== "under way") queue.state = "idle";
    }
    for (const entry of over) this.settle(entry, EXPIRED);
  }

  private settle(entry: Entry, answer: FinalAnswer): void {
    if (entry.isSettled) return;
    entry.isSettled = true;
    this.figures.rowsQueued--;
    if (answer.kind === "expired") this.figures.rowsExpired++;
    this.tell(answer.kind === "expired" ? NO_OWNER : answer, entry.settle);
  }

  private tell(outcome: Outcome, settle: (outcome: Outcome) => void): void {
    if (outcome.kind === "refused") this.figures.rowsRefused[outcome.reason]++;
    settle(outcome);
  }
}

/** R19: false where a row has to go again: it is elsewhere, nobody knows, or an older one of its partition has to. */
function isFinalOf<Told extends Answer>(
  queue: PartitionQueue,
  number: number,
  answer: Told,
): answer is Exclude<Told, Elsewhere | OutOfTurn> {
  if (answer.kind === "elsewhere" || answer.kind === "out of turn") return false;
  return answer.kind !== "done" || !queue.isBehindReturned(number);
}
