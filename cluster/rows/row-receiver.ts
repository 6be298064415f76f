/**
 * The owner's side of forwarding (R17 to R19): applies the rows of a peer's batch in their order and answers when every
 * one has settled. A row that is not at home here is refused, never forwarded again.
 */
import { type Answer, decodeBatch, encodeAnswers, EXPIRED, OUT_OF_TURN } from "./row-codec.ts";
import type { Elsewhere, Row, RowHandler } from "../ports/rows.ts";

export interface RowReceiverPorts {
  nowMs(): number;
  readonly handler: RowHandler;
  isListed(incarnation: string): boolean;
}

export interface RowReceiverFigures {
  batches: number;
  rows: number;
  /** Rows dropped because nobody waits for them any more. */
  rowsExpired: number;
  /** Batches that came after a later one of their sender. */
  batchesOutOfTurn: number;
}

interface NewestBatch {
  readonly number: number;
  /** While rows of it are open. */
  answers: Promise<readonly Answer[]> | undefined;
}

/** Senders whose last batch is remembered. */
const SENDERS_MAX = 1024;

export class RowReceiver {
  readonly figures: RowReceiverFigures = { batches: 0, rows: 0, rowsExpired: 0, batchesOutOfTurn: 0 };
  private readonly ports: RowReceiverPorts;
  private readonly partitions: number;
  /** The newest batch by sender; who was heard last is last. */
  private readonly newest = new Map<string, NewestBatch>();

  constructor(ports: RowReceiverPorts, partitions: number) {
    this.ports = ports;
    this.partitions = partitions;
  }

  /**
   * Handles a batch.
   * @param epoch of the sender's view
   * @param delayMs how long it was under way beyond the smallest delay seen from that sender
   * @throws {MalformedMessageError} (rejects) before anything is applied
   */
  async receive(from: string, epoch: number, delayMs: number, body: Uint8Array): Promise<Uint8Array> {
    const nowMs = this.ports.nowMs();
    const { number, rows } = decodeBatch(body, this.partitions, nowMs - Math.max(0, delayMs));
    const newest = this.newest.get(from);
    if (newest !== undefined && number <= newest.number) return this.answerLate(newest, number, rows.length);
    this.figures.batches++;
    this.figures.rows += rows.length;
    const batch: NewestBatch = { number, answers: undefined };
    this.remember(from, batch); // before a row is applied: what that sets off may bring the next
    batch.answers = this.applyAll(rows, epoch, nowMs);
    const answers = await batch.answers;
    batch.answers = undefined;
    return encodeAnswers(number, answers);
  }

  /** R19: a batch that comes late must not undo what came in a newer one. One that comes again is answered once more. */
  private async answerLate(newest: NewestBatch, number: number, rows: number): Promise<Uint8Array> {
    this.figures.batchesOutOfTurn++;
    const answers = number === newest.number ? await newest.answers : undefined;
    return encodeAnswers(number, answers ?? new Array<Answer>(rows).fill(OUT_OF_TURN));
  }

  private remember(from: string, batch: NewestBatch): void {
    this.newest.delete(from);
    this.newest.set(from, batch);
    if (this.newest.size > SENDERS_MAX) this.forgetOne();
  }

  private forgetOne(): void {
    const [...senders] = this.newest.keys();
    const forgotten = senders.find((sender) => !this.ports.isListed(sender)) ?? senders[0];
    this.newest.delete(forgotten);
  }

  private applyAll(rows: readonly Row[], epoch: number, nowMs: number): Promise<readonly Answer[]> {
    const answers: Answer[] = new Array<Answer>(rows.length);
    /** What was said, by partition. */
    const refusals = new Map<number, Elsewhere>();
    return new Promise((resolve) => {
      let open = rows.length + 1;
      const close = (): void => {
        if (--open > 0) return;
        if (refusals.size > 0) refuseRest(rows, answers);
        resolve(answers);
      };
      for (let index = 0; index < rows.length; index++) {
        const row = rows[index];
        const refusal = refusals.size > 0 ? refusals.get(row.partition) : undefined;
        if (refusal !== undefined || row.untilMs < nowMs) {
          answers[index] = refusal ?? EXPIRED;
          if (refusal === undefined) this.figures.rowsExpired++;
          close();
          continue;
        }
        this.ports.handler.apply(row, epoch, (outcome) => {
          answers[index] = outcome;
          if (outcome.kind === "elsewhere") refusals.set(row.partition, outcome);
          close();
        });
      }
      close();
    });
  }
}

/**
 * R19: once a row of a partition is refused, so is the rest of it. That holds also for rows that were applied before
 * an older one was refused: they go again behind it, and since a row sets where a player is, the order stands.
 */
function refuseRest(rows: readonly Row[], answers: Answer[]): void {
  const refusals = new Map<number, Elsewhere>();
  for (const [index, { partition }] of rows.entries()) {
    const answer = answers[index];
    const refusal = refusals.get(partition);
    if (refusal !== undefined) answers[index] = refusal;
    else if (answer.kind === "elsewhere") refusals.set(partition, answer);
  }
}
