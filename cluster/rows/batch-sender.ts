/**
 * Batches of rows to peers: one under way per peer, the next fills meanwhile and leaves at the end of a turn of the
 * event loop. So batches grow with load by themselves, and no timer is involved.
 */
import { MalformedMessageError } from "../../engine/codec.ts";
import type { Entry, PartitionQueue } from "./partition-queue.ts";
import { type Answer, decodeAnswers, encodeBatch, OUT_OF_TURN } from "./row-codec.ts";
import { BATCH_ROWS_MAX } from "./row-frame.ts";

export interface BatchSenderPorts {
  nowMs(): number;
  /** Runs a task when all that is ready now has been handled. */
  atTurnEnd(task: () => void): void;
  /** Sends a batch to a peer's `RowReceiver`. Rejects with `PeerError` where no answer came in time. */
  call(incarnation: string, body: Uint8Array, timeoutMs: number): Promise<Uint8Array>;
  isListed(incarnation: string): boolean;
}

export interface BatchSenderFigures {
  peersInFlight: number;
  batches: number;
  batchRows: number;
  /** Batches of which nobody knows what became. */
  batchesUnheard: number;
}

interface Peer {
  readonly incarnation: string;
  /** Partitions with rows for its next batch. */
  ready: PartitionQueue[];
  batch: BatchUnderWay | undefined;
  /** Pause after the last failure; 0 after a success. */
  backoffMs: number;
  pausedUntilMs: number;
}

interface BatchUnderWay {
  readonly number: number;
  readonly entries: readonly Entry[];
  readonly sentAtMs: number;
}

const BACKOFF_FIRST_MS = 20;
const BACKOFF_LAST_MS = 200;
/** A call without an answer is given up early enough to try twice more. */
const CALLS_IN_DEADLINE = 3;

export class BatchSender {
  readonly figures: BatchSenderFigures = { peersInFlight: 0, batches: 0, batchRows: 0, batchesUnheard: 0 };
  private readonly ports: BatchSenderPorts;
  private readonly onAnswer: (entry: Entry, answer: Answer, incarnation: string) => void;
  private readonly callMs: number;
  private readonly rowsMax: number;
  private readonly peers = new Map<string, Peer>();
  /** R19: rises with every batch to anybody, so also with those to each peer. */
  private batches = 0;
  private isFlushPlanned = false;

  /**
   * @param rowsMax of a batch
   * @param onAnswer told for each row of a batch what became of it; `out of turn` also where nobody knows
   */
  constructor(
    ports: BatchSenderPorts,
    options: { readonly deadlineMs: number; readonly rowsMax: number },
    onAnswer: (entry: Entry, answer: Answer, incarnation: string) => void,
  ) {
    this.ports = ports;
    this.callMs = options.deadlineMs / CALLS_IN_DEADLINE;
    this.rowsMax = Math.min(options.rowsMax, BATCH_ROWS_MAX);
    this.onAnswer = onAnswer;
  }

  /** Has the next batches to `incarnation` take what waits in a queue. */
  add(queue: PartitionQueue, incarnation: string): void {
    queue.state = "ready";
    queue.target = incarnation;
    this.peerOf(incarnation).ready.push(queue);
    this.planFlush();
  }

  /** Sends each peer that has no batch under way its next one, when the turn ends. */
  planFlush(): void {
    if (this.isFlushPlanned) return;
    this.isFlushPlanned = true;
    this.ports.atTurnEnd(() => {
      this.isFlushPlanned = false;
      const nowMs = this.ports.nowMs();
      for (const peer of this.peers.values())
        if (peer.batch === undefined && peer.ready.length > 0 && nowMs >= peer.pausedUntilMs) this.send(peer, nowMs);
    });
  }

  /**
   * A newer view is known: nobody pauses any more, and who is not listed any more will not answer. Queues that were
   * ready are to be added again.
   */
  onView(): void {
    const gone = [...this.peers.values()].filter(({ incarnation }) => !this.ports.isListed(incarnation));
    for (const { incarnation } of gone) this.peers.delete(incarnation);
    for (const peer of this.peers.values()) {
      peer.ready = [];
      peer.backoffMs = 0;
      peer.pausedUntilMs = -Infinity;
    }
    for (const peer of gone) if (peer.batch !== undefined) this.giveUp(peer, peer.batch);
  }

  /** Rows under way to peers. */
  *underWay(): Generator<Entry> {
    for (const { batch } of this.peers.values()) if (batch !== undefined) yield* batch.entries;
  }

  private send(peer: Peer, sentAtMs: number): void {
    const entries = this.takeReady(peer);
    if (entries.length === 0) return;
    const batch = { number: ++this.batches, entries, sentAtMs };
    peer.batch = batch;
    this.figures.peersInFlight++;
    this.figures.batches++;
    this.figures.batchRows += entries.length;
    const leftMs = entries.reduce((most, { row }) => Math.max(most, row.untilMs - sentAtMs), 1);
    const body = encodeBatch(batch.number, entries, sentAtMs);
    void this.ports.call(peer.incarnation, body, Math.min(leftMs, this.callMs)).then(
      (bytes) => this.onBytes(peer, batch, bytes),
      () => this.giveUp(peer, batch),
    );
  }

  /** Takes rows for a batch, a partition's together and in their order. */
  private takeReady(peer: Peer): Entry[] {
    const entries: Entry[] = [];
    while (peer.ready.length > 0 && entries.length < this.rowsMax) {
      const queue = peer.ready.shift() as PartitionQueue;
      if (queue.state !== "ready" || queue.target !== peer.incarnation) continue; // it went elsewhere, or nobody waits
      const taken = queue.waiting.splice(0, this.rowsMax - entries.length);
      queue.depart(peer.incarnation, taken.length);
      for (const entry of taken) entries.push(entry);
    }
    return entries;
  }

  private onBytes(peer: Peer, batch: BatchUnderWay, bytes: Uint8Array): void {
    if (peer.batch !== batch) return; // given up since
    const answers = answersOf(batch, bytes);
    if (answers === undefined) return this.giveUp(peer, batch);
    const underWayMs = this.ports.nowMs() - batch.sentAtMs;
    this.end(peer, answers[0].kind === "out of turn");
    for (const [index, entry] of batch.entries.entries())
      this.onAnswer(entry, aged(answers[index], underWayMs), peer.incarnation);
  }

  /** Nobody knows what became of these rows. */
  private giveUp(peer: Peer, batch: BatchUnderWay): void {
    if (peer.batch !== batch) return;
    this.figures.batchesUnheard++;
    this.end(peer, true);
    for (const entry of batch.entries) this.onAnswer(entry, OUT_OF_TURN, peer.incarnation);
  }

  private end(peer: Peer, isFailed: boolean): void {
    peer.batch = undefined;
    this.figures.peersInFlight--;
    const backoffMs = Math.min(BACKOFF_LAST_MS, Math.max(BACKOFF_FIRST_MS, peer.backoffMs * 2));
    peer.backoffMs = isFailed ? backoffMs : 0;
    peer.pausedUntilMs = isFailed ? this.ports.nowMs() + backoffMs : -Infinity;
    this.planFlush();
  }

  private peerOf(incarnation: string): Peer {
    let peer = this.peers.get(incarnation);
    if (peer === undefined) {
      peer = { incarnation, ready: [], batch: undefined, backoffMs: 0, pausedUntilMs: -Infinity };
      this.peers.set(incarnation, peer);
    }
    return peer;
  }
}

function answersOf(batch: BatchUnderWay, bytes: Uint8Array): Answer[] | undefined {
  try {
    return decodeAnswers(bytes, batch.number, batch.entries.length);
  } catch (error) {
    if (error instanceof MalformedMessageError) return undefined;
    throw error;
  }
}

/** A place is older by what the answer may have been on its way. */
function aged(answer: Answer, underWayMs: number): Answer {
  if (answer.kind !== "done" || answer.place === undefined) return answer;
  return { ...answer, place: { ...answer.place, ageMs: answer.place.ageMs + underWayMs } };
}
