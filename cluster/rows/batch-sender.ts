/**
 * The entry's side of forwarding (R18, R19): batches of rows to peers, and what became of each row. One batch without an
 * answer per peer; the next fills meanwhile and leaves at the end of a turn of the event loop. So batches grow with load
 * by themselves, and no timer is involved.
 *
 * An answer says which rows were taken in; their fates come later, in messages of their own. A batch whose call was lost
 * is sent again under its number until somebody answers it, so nothing is applied twice, or until its peer is lost.
 */
import { backoffAfter } from "./backoff.ts";
import { MalformedMessageError } from "../../engine/codec.ts";
import type { Row } from "../ports/rows.ts";
import { PeerError } from "../ports/transport.ts";
import { type Answer, decodeAnswers, decodeFates, LOST } from "./answer-codec.ts";
import { BatchRoom } from "./batch-room.ts";
import type { CarriedRow, PartitionQueue } from "./partition-queue.ts";
import { encodeBatch } from "./row-codec.ts";
import { BATCH_ROWS_MAX } from "./row-frame.ts";

export interface BatchSenderPorts {
  nowMs(): number;
  me(): string;
  /** Runs a task when all that is ready now has been handled. */
  atTurnEnd(task: () => void): void;
  /** Sends a message to a peer's `Forwarder`. Rejects with `PeerError` where no answer came in time. */
  call(incarnation: string, body: Uint8Array, timeoutMs: number): Promise<Uint8Array>;
  isListed(incarnation: string): boolean;
  /** R8: whether it was taken off the list by others, so that nobody counts on an answer of it. */
  isExpelled(incarnation: string): boolean;
}

export interface BatchSenderFigures {
  /** Peers with a batch that is not answered. */
  peersInFlight: number;
  batches: number;
  batchRows: number;
  /** Calls without an answer: their batches went again, or were given up. */
  batchesUnheard: number;
}

/** What became of a row, as far as the entry knows. `unheard`: it did not arrive. */
export type Answered = Answer | { readonly kind: "unheard" };

interface Peer {
  readonly incarnation: string;
  /** Partitions with rows for its next batch. */
  ready: PartitionQueue[];
  /** The batch that has no answer. */
  batch: Batch | undefined;
  /** By number: that one, and those with rows that were taken in and have no fate. */
  readonly open: Map<number, Batch>;
  /** Pause after the last failure; 0 after a success. */
  backoffMs: number;
  pausedUntilMs: number;
  /** It is off the list, and was asked once more. */
  isAskedLast: boolean;
}

interface Batch {
  readonly number: number;
  /** This node's incarnation: under another the peer would not know the batch again. */
  readonly from: string;
  readonly rows: readonly Row[];
  /** By place in the batch; `undefined` where the row has its fate, or its time is over. */
  readonly carried: (CarriedRow | undefined)[];
  openCount: number;
  readonly sentAtMs: number;
  isCalling: boolean;
  /** False while each call failed because nobody listens there. */
  mayHaveArrived: boolean;
}

const UNHEARD = { kind: "unheard" } as const;
/** A call without an answer is given up early enough to try twice more. */
export const CALLS_IN_DEADLINE = 3;

export class BatchSender {
  readonly figures: BatchSenderFigures = { peersInFlight: 0, batches: 0, batchRows: 0, batchesUnheard: 0 };
  private readonly ports: BatchSenderPorts;
  private readonly onAnswer: (carried: CarriedRow, answer: Answered) => void;
  private readonly callMs: number;
  private readonly rowsMax: number;
  private readonly peers = new Map<string, Peer>();
  /** R19: rises with every batch to anybody, so also with those to each peer. */
  private batches = 0;
  private isFlushPlanned = false;

  /**
   * @param rowsMax of a batch
   * @param onAnswer told of each row what its owner answered, and its fate where it was only taken in
   */
  constructor(
    ports: BatchSenderPorts,
    options: { readonly deadlineMs: number; readonly rowsMax: number },
    onAnswer: (carried: CarriedRow, answer: Answered) => void,
  ) {
    this.ports = ports;
    this.callMs = options.deadlineMs / CALLS_IN_DEADLINE;
    this.rowsMax = Math.min(options.rowsMax, BATCH_ROWS_MAX);
    this.onAnswer = onAnswer;
  }

  /** Has the next batches to a queue's target take what waits in it. */
  add(queue: PartitionQueue, target: string): void {
    this.peerOf(target).ready.push(queue);
    this.planFlush();
  }

  /** Sends each peer that has answered the last batch its next one, when the turn ends, and repeats what was lost. */
  planFlush(): void {
    if (this.isFlushPlanned) return;
    this.isFlushPlanned = true;
    this.ports.atTurnEnd(() => {
      this.isFlushPlanned = false;
      const nowMs = this.ports.nowMs();
      for (const peer of this.peers.values()) if (nowMs >= peer.pausedUntilMs) this.flush(peer, nowMs);
    });
  }

  /** Takes what became of rows that a peer had taken in. Fates that are known already change nothing. */
  takeFates(from: string, body: Uint8Array): void {
    const fates = decodeFates(body);
    const peer = this.peers.get(from);
    if (peer === undefined) return;
    const nowMs = this.ports.nowMs();
    for (const { batch: number, index, answer } of fates) {
      const batch = peer.open.get(number);
      if (batch !== undefined) this.endRow(peer, batch, index, aged(answer, nowMs - batch.sentAtMs));
    }
    this.planFlush();
  }

  /**
   * A newer view is known: nobody pauses any more, and who is not listed any more is lost, though not before it has
   * answered the call that is under way. Queues that were ready are to be added again.
   */
  onView(): void {
    const me = this.ports.me();
    for (const peer of this.peers.values()) {
      peer.ready = [];
      peer.backoffMs = 0;
      peer.pausedUntilMs = -Infinity;
    }
    for (const peer of this.peers.values()) {
      if ([...peer.open.values()].some(({ from }) => from !== me)) this.lose(peer);
      this.partIfOff(peer);
    }
    this.planFlush();
  }

  /** Takes out the rows in flight that are over: nobody waits for their fate any more. */
  expire(isOver: (carried: CarriedRow) => boolean): CarriedRow[] {
    const over: CarriedRow[] = [];
    for (const peer of this.peers.values())
      for (const batch of peer.open.values())
        for (const [index, carried] of batch.carried.entries()) {
          if (carried === undefined || !isOver(carried)) continue;
          this.takeOut(peer, batch, index);
          over.push(carried);
        }
    return over;
  }

  private flush(peer: Peer, nowMs: number): void {
    const { batch: unanswered } = peer;
    if (unanswered?.isCalling === true) return;
    if (unanswered !== undefined)
      return unanswered.from === this.ports.me() ? this.send(peer, unanswered, nowMs) : this.lose(peer);
    const carried = this.takeReady(peer);
    if (carried.length === 0) return;
    const batch: Batch = {
      number: ++this.batches,
      from: this.ports.me(),
      rows: carried.map(({ row }) => row),
      carried,
      openCount: carried.length,
      sentAtMs: nowMs,
      isCalling: false,
      mayHaveArrived: false,
    };
    peer.batch = batch;
    peer.open.set(batch.number, batch);
    this.figures.peersInFlight++;
    this.figures.batches++;
    this.figures.batchRows += carried.length;
    this.send(peer, batch, nowMs);
  }

  private send(peer: Peer, batch: Batch, nowMs: number): void {
    batch.isCalling = true;
    let leftMs = 1;
    for (const carried of batch.carried)
      if (carried !== undefined) leftMs = Math.max(leftMs, carried.row.untilMs - nowMs);
    // A row that is over stays in its place, with no time left.
    const rows = batch.rows.map((row, index) =>
      batch.carried[index] === undefined ? { ...row, untilMs: nowMs } : row,
    );
    const body = encodeBatch(batch.number, rows, nowMs);
    void this.ports.call(peer.incarnation, body, Math.min(leftMs, this.callMs)).then(
      (bytes) => this.onBytes(peer, batch, bytes),
      (error: unknown) => this.onFailed(peer, batch, error),
    );
  }

  /** Takes rows for a batch, a partition's together and in their order. */
  private takeReady(peer: Peer): CarriedRow[] {
    const carried: CarriedRow[] = [];
    const room = new BatchRoom(this.rowsMax);
    const fits = (row: Row): boolean => room.take(row);
    while (peer.ready.length > 0 && !room.isFull) {
      const queue = peer.ready[0] as PartitionQueue;
      const isHere = queue.state === "ready" && queue.target === peer.incarnation; // else it went elsewhere, or nobody waits
      const departing = isHere ? queue.depart(fits) : [];
      if (isHere && departing.length === 0) break; // it is the first of the next batch
      peer.ready.shift();
      for (const each of departing) carried.push(each);
    }
    return carried;
  }

  private onBytes(peer: Peer, batch: Batch, bytes: Uint8Array): void {
    if (peer.batch !== batch) return; // given up since
    const answers = answersOf(batch, bytes);
    if (answers === undefined) return this.onFailed(peer, batch, undefined);
    const underWayMs = this.ports.nowMs() - batch.sentAtMs;
    this.close(peer, batch);
    peer.backoffMs = 0;
    for (const [index, answer] of answers.entries()) {
      const carried = batch.carried[index];
      if (answer.kind !== "taken in") this.endRow(peer, batch, index, aged(answer, underWayMs));
      else if (carried !== undefined) this.onAnswer(carried, answer);
    }
    this.partIfOff(peer);
    this.planFlush();
  }

  private onFailed(peer: Peer, batch: Batch, error: unknown): void {
    if (peer.batch !== batch) return;
    this.figures.batchesUnheard++;
    batch.isCalling = false;
    const failure = error instanceof PeerError ? error : undefined;
    if (failure?.isRefused !== true) batch.mayHaveArrived = true;
    peer.backoffMs = backoffAfter(peer.backoffMs);
    peer.pausedUntilMs = this.ports.nowMs() + peer.backoffMs;
    if (failure?.isAnother === true) this.lose(peer);
    else if (!batch.mayHaveArrived) this.giveUp(peer, batch);
    else if (batch.openCount === 0) this.close(peer, batch);
    this.partIfOff(peer);
    this.planFlush();
  }

  /**
   * Forgets a peer that is off the list. One that left by itself still answers what it had got, and owes no fate (R11);
   * so its answer to the call under way is waited for, and one that failed is repeated once: it says "moved", where a row
   * that is lost would be refused.
   */
  private partIfOff(peer: Peer): void {
    const { incarnation, batch } = peer;
    if (this.ports.isListed(incarnation)) return;
    const mayAnswer = batch?.from === this.ports.me() && !this.ports.isExpelled(incarnation);
    if (mayAnswer && batch.isCalling) return;
    if (mayAnswer && !peer.isAskedLast) {
      peer.isAskedLast = true;
      return this.send(peer, batch, this.ports.nowMs());
    }
    this.peers.delete(incarnation);
    this.lose(peer);
  }

  /** Nobody will tell any more what became of the rows at this peer. */
  private lose(peer: Peer): void {
    for (const batch of peer.open.values()) this.giveUp(peer, batch);
  }

  private giveUp(peer: Peer, batch: Batch): void {
    const hasArrived = batch.mayHaveArrived || batch.isCalling || peer.batch !== batch;
    this.close(peer, batch);
    for (const index of batch.carried.keys()) this.endRow(peer, batch, index, hasArrived ? LOST : UNHEARD);
  }

  private endRow(peer: Peer, batch: Batch, index: number, answer: Answered): void {
    const carried = batch.carried[index];
    if (carried === undefined) return;
    this.takeOut(peer, batch, index);
    this.onAnswer(carried, answer);
  }

  private takeOut(peer: Peer, batch: Batch, index: number): void {
    batch.carried[index] = undefined;
    if (--batch.openCount > 0) return;
    if (peer.batch !== batch) peer.open.delete(batch.number);
    else if (!batch.isCalling) this.close(peer, batch);
  }

  /** The batch has its answer, or needs none any more: the next may go. */
  private close(peer: Peer, batch: Batch): void {
    if (batch.openCount === 0) peer.open.delete(batch.number);
    if (peer.batch !== batch) return;
    peer.batch = undefined;
    this.figures.peersInFlight--;
  }

  private peerOf(incarnation: string): Peer {
    let peer = this.peers.get(incarnation);
    if (peer === undefined) {
      const open = new Map<number, Batch>();
      const pauses = { backoffMs: 0, pausedUntilMs: -Infinity };
      peer = { incarnation, ready: [], batch: undefined, open, ...pauses, isAskedLast: false };
      this.peers.set(incarnation, peer);
    }
    return peer;
  }
}

function answersOf(batch: Batch, bytes: Uint8Array): Answer[] | undefined {
  try {
    return decodeAnswers(bytes, batch.number, batch.rows.length);
  } catch (error) {
    if (error instanceof MalformedMessageError) return undefined;
    throw error;
  }
}

/** A place is older by what the answer may have been on its way. */
function aged<Told extends Answer>(answer: Told, underWayMs: number): Told {
  if (answer.kind !== "done" || answer.place === undefined) return answer;
  return { ...answer, place: { ...answer.place, ageMs: answer.place.ageMs + underWayMs } };
}
