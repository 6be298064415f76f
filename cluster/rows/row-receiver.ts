/**
 * The owner's side of forwarding (R17 to R19): applies the rows of a peer's batch in their order, and answers when every
 * one has its fate or after a short time: what has none then was taken in, and its fate follows. So a store that is fast
 * costs one answer a batch, and one that is slow holds up no batch. A row that is not at home here is refused, never
 * forwarded again.
 */
import {
  type Answer,
  encodeAnswers,
  EXPIRED,
  type Fate,
  FATE_GRACE_MS,
  LOST,
  OUT_OF_DATE,
  OUT_OF_TURN,
  TAKEN_IN,
} from "./answer-codec.ts";
import { FateSender, type FateSenderFigures, type FateSenderPorts } from "./fate-sender.ts";
import { decodeBatch } from "./row-codec.ts";
import type { Refused, Row, RowHandler } from "../ports/rows.ts";

export interface RowReceiverPorts extends FateSenderPorts {
  readonly handler: RowHandler;
  isListed(incarnation: string): boolean;
}

export interface RowReceiverOptions {
  readonly partitions: number;
  /** A message of fates is given up after so long. */
  readonly callMs: number;
  /** R18: rows of peers that may be without a fate that its entry has acknowledged. */
  readonly rowsMax?: number;
}

export interface RowReceiverFigures extends FateSenderFigures {
  batches: number;
  rows: number;
  /** Rows of peers without a fate, as of now. */
  rowsOpen: number;
  /** Rows whose batch was answered before they had a fate. */
  rowsTakenIn: number;
  /** Rows dropped because nobody waits for them any more. */
  rowsExpired: number;
  /** Rows sent back because they may be too old, by what is known of their message's age. */
  rowsOutOfDate: number;
  /** Batches that came after a later one of their sender, or again. */
  batchesOutOfTurn: number;
}

/** The newest batch of a sender. */
interface Batch {
  readonly from: string;
  readonly number: number;
  readonly untilMs: readonly number[];
  /** Why nothing more of a partition is applied in this batch. */
  readonly refusals: Map<number, Answer>;
  readonly answers: Answer[];
  openCount: number;
  /** Whether an answer left while rows were open. */
  isAnswered: boolean;
  /** Calls that wait for the answer, and since when. */
  waiting: { readonly sinceMs: number; readonly resolve: () => void }[];
}

/** Senders whose last batch is remembered. */
const SENDERS_MAX = 1024;
/** A batch is answered at the first tick after this; a fast store's append has landed by then. */
const TAKEN_IN_MS = 10;
const ROWS_MAX = 65_536;
const OVERLOADED: Refused = { kind: "refused", reason: "overloaded" };

export class RowReceiver {
  readonly figures: RowReceiverFigures;
  private readonly ports: RowReceiverPorts;
  private readonly partitions: number;
  private readonly rowsMax: number;
  private readonly fates: FateSender;
  /** The newest batch by sender; who was heard last is last. */
  private readonly newest = new Map<string, Batch>();
  private readonly unanswered = new Set<Batch>();

  constructor(ports: RowReceiverPorts, { partitions, callMs, rowsMax = ROWS_MAX }: RowReceiverOptions) {
    this.ports = ports;
    this.partitions = partitions;
    this.rowsMax = rowsMax;
    this.fates = new FateSender(ports, callMs);
    const figures = { batches: 0, rows: 0, rowsOpen: 0, rowsTakenIn: 0, rowsExpired: 0, rowsOutOfDate: 0 };
    this.figures = Object.assign(this.fates.figures, figures, { batchesOutOfTurn: 0 });
  }

  /**
   * Handles a batch.
   * @param epoch of the sender's view
   * @param ageMs how long ago it was sent at the most
   * @throws {MalformedMessageError} (rejects) before anything is applied
   */
  async receive(from: string, epoch: number, ageMs: number, body: Uint8Array): Promise<Uint8Array> {
    const nowMs = this.ports.nowMs();
    const { number, rows } = decodeBatch(body, this.partitions, nowMs);
    const newest = this.newest.get(from);
    if (newest !== undefined && number <= newest.number) return this.answerAgain(newest, number, rows.length);
    if (newest !== undefined) this.answer(newest);
    this.figures.batches++;
    this.figures.rows += rows.length;
    const untilMs = rows.map((row) => row.untilMs);
    const answers = new Array<Answer>(rows.length).fill(TAKEN_IN);
    const batch = { from, number, untilMs, refusals: new Map(), answers, openCount: 0, isAnswered: false, waiting: [] };
    this.remember(batch); // before a row is applied: what that sets off may bring the next
    for (const [index, row] of rows.entries()) this.take(batch, index, row, epoch, nowMs + ageMs);
    return this.answerOf(batch);
  }

  /** Lets time pass. To be called some 50 times a second. */
  tick(): void {
    this.fates.tick();
    const nowMs = this.ports.nowMs();
    for (const batch of this.unanswered)
      if (batch.waiting.some(({ sinceMs }) => nowMs - sinceMs >= TAKEN_IN_MS)) this.answer(batch);
  }

  /**
   * R19: a batch that comes late must not undo what came in a newer one. The newest, when it comes again, is answered with
   * what became of its rows: the answer was lost.
   */
  private answerAgain(newest: Batch, number: number, rows: number): Promise<Uint8Array> | Uint8Array {
    this.figures.batchesOutOfTurn++;
    if (number === newest.number && rows === newest.answers.length) return this.answerOf(newest);
    return encodeAnswers(number, new Array<Answer>(rows).fill(OUT_OF_TURN));
  }

  private async answerOf(batch: Batch): Promise<Uint8Array> {
    if (batch.openCount > 0)
      await new Promise<void>((resolve) => {
        batch.waiting.push({ sinceMs: this.ports.nowMs(), resolve });
        this.unanswered.add(batch);
      });
    return encodeAnswers(batch.number, batch.answers);
  }

  /** Answers whoever waits with what is known; the fates of the rows that are open follow. */
  private answer(batch: Batch): void {
    this.unanswered.delete(batch);
    if (batch.openCount > 0 && !batch.isAnswered) {
      batch.isAnswered = true;
      this.figures.rowsTakenIn += batch.openCount;
    }
    for (const { resolve } of batch.waiting.splice(0)) resolve();
  }

  /** Applies a row of a batch, or says why not. R19: once a row of a partition was not applied, neither is the rest of it. */
  private take(batch: Batch, index: number, row: Row, epoch: number, latestMs: number): void {
    const { answers, refusals } = batch;
    const refusal = refusals.size > 0 ? refusals.get(row.partition) : undefined;
    if (refusal !== undefined) answers[index] = refusal;
    else if (row.untilMs <= this.ports.nowMs()) {
      answers[index] = EXPIRED;
      this.figures.rowsExpired++;
    } else if (row.untilMs <= latestMs) {
      answers[index] = OUT_OF_DATE;
      refusals.set(row.partition, OUT_OF_DATE);
      this.figures.rowsOutOfDate++;
    } else if (this.figures.rowsOpen + this.figures.fatesWaiting >= this.rowsMax) answers[index] = OVERLOADED;
    else this.apply(batch, index, row, epoch);
  }

  private apply(batch: Batch, index: number, row: Row, epoch: number): void {
    let isTakenIn = false;
    batch.openCount++;
    this.figures.rowsOpen++;
    this.ports.handler.apply(row, epoch, (outcome) => {
      this.figures.rowsOpen--;
      batch.openCount--;
      if (outcome.kind !== "elsewhere") this.note(batch, index, outcome);
      else if (isTakenIn) this.note(batch, index, LOST);
      else {
        batch.answers[index] = outcome;
        batch.refusals.set(row.partition, outcome);
      }
      if (batch.openCount === 0) this.answer(batch);
    });
    isTakenIn = true;
  }

  /** Notes the fate of a row; it follows the answer where that has left. */
  private note(batch: Batch, index: number, answer: Fate["answer"]): void {
    batch.answers[index] = answer;
    if (!batch.isAnswered) return;
    this.fates.add(batch.from, {
      batch: batch.number,
      index,
      answer,
      untilMs: (batch.untilMs[index] as number) + FATE_GRACE_MS,
    });
  }

  private remember(batch: Batch): void {
    this.newest.delete(batch.from);
    this.newest.set(batch.from, batch);
    if (this.newest.size <= SENDERS_MAX) return;
    const [...senders] = this.newest.keys();
    this.newest.delete(senders.find((sender) => !this.ports.isListed(sender)) ?? (senders[0] as string));
  }
}
