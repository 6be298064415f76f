/** R19: what an entry has of one partition: rows that wait, rows under way to one node, and what that node said last. */
import type { Elsewhere, Outcome, Row } from "../ports/rows.ts";

/** A row that waits at its entry or is under way to its owner. */
export interface Entry {
  /** Rises with every row submitted: the order in which rows of a partition take effect. */
  readonly number: number;
  readonly row: Row;
  readonly settle: (outcome: Outcome) => void;
  isSettled: boolean;
}

/**
 * `idle`: nothing waits, nothing is under way. `ready`: rows wait for the next batch to `target`. `under way`: rows are
 * at `target`, perhaps this node itself, and others may wait behind them. `pausing`: rows wait until `pausedUntilMs`.
 */
export type QueueState = "idle" | "ready" | "under way" | "pausing";

export class PartitionQueue {
  state: QueueState = "idle";
  /** The node that rows are ready for or under way to; `undefined` where there is none. */
  target: string | undefined;
  /** R18: who has the partition, as another node said. */
  hint: string | undefined;
  pausedUntilMs = 0;
  /** Refusals in a row: after a few the queue pauses between them. */
  refusals = 0;
  /** Rows under way. */
  underWay = 0;
  /** Whether a newer view came since the first of them left. */
  isViewNewer = false;
  /** Rows that wait, oldest first; all of them are younger than those under way. */
  waiting: Entry[] = [];
  /** What the node said to the oldest row that came back. */
  refusal: Elsewhere | undefined;
  readonly partition: number;
  /** Rows that came back of those under way. */
  private returned: Entry[] = [];
  private returnedFrom = Infinity;

  constructor(partition: number) {
    this.partition = partition;
  }

  /** Whether a row may go to `target` at once, behind those that are on the way there. */
  isOpenTo(target: string): boolean {
    if (this.waiting.length > 0 || this.returned.length > 0) return false;
    return this.state === "idle" || (this.state === "under way" && this.target === target);
  }

  /** Notes that rows are on their way to `target`. */
  depart(target: string, rows: number): void {
    if (this.underWay === 0) this.isViewNewer = false;
    this.state = "under way";
    this.target = target;
    this.underWay += rows;
  }

  /**
   * R19: whether an older row came back. Then a younger one goes again behind it, even where it was applied: reports
   * set where a player is, so what counts is who comes last.
   */
  isBehindReturned(number: number): boolean {
    return number > this.returnedFrom;
  }

  /** Notes that a row under way came back; `refusal` where the node said why. */
  giveBack(entry: Entry, refusal: Elsewhere | undefined): void {
    this.returned.push(entry);
    if (entry.number >= this.returnedFrom) return;
    this.returnedFrom = entry.number;
    this.refusal = refusal;
  }

  /** Puts what came back at the head, in the order in which it was submitted. To be called with nothing under way. */
  takeBack(): void {
    if (this.returned.length === 0) return;
    const rows = this.returned.filter(({ isSettled }) => !isSettled).sort((one, other) => one.number - other.number);
    this.waiting = rows.concat(this.waiting);
    this.returned = [];
    this.returnedFrom = Infinity;
    this.refusal = undefined;
  }
}
