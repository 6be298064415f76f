/**
 * R13, the holder's side of a copy: sends the table and then rounds of what changed, and goes on serving meanwhile. With
 * the last round it stops, waits for its append, and lets go.
 *
 * Each round is made once: a question that comes again, because its answer was lost, gets the same bytes. So what a taker
 * has been told does not depend on which of two answers reached it.
 */
import type { Engine, TableCopy } from "../../engine/engine.ts";
import { OutgoingCopy } from "../../engine/outgoing-copy.ts";
import type { Partition } from "../../engine/partition.ts";
import type { CopiedRows, CopyAnswer, CopyRequest } from "./hand-off-codec.ts";
import { type Holdings, type Kept, type Serving, servingIn } from "./holdings.ts";
import type { Placement } from "../members/placement.ts";
import { type FoundedClaim, isSameClaim, type PartitionIndex } from "../ports/record-store.ts";
import type { Fate, Recorder } from "../records/recorder.ts";

export interface OutgoingCopiesPorts {
  readonly engine: Engine;
  readonly recorder: Recorder;
  readonly holdings: Holdings;
  readonly placement: () => Placement;
  readonly encode: (copy: TableCopy) => Promise<Uint8Array>;
  /** Stops writing and keeps the table (R6). */
  readonly keep: (partition: PartitionIndex) => void;
  readonly nowMs: () => number;
  readonly wallMs: () => number;
  /** A table could not be encoded; its taker asks again. */
  readonly onFault: (error: unknown) => void;
}

/** After so many rounds the next one is the last: else a partition that changes fast would never move. */
export const ROUNDS_MAX = 5;
/** Bytes of tables that are on their way: some 100 ms of encoding. */
const BYTES_MAX = 4 * 1024 * 1024;
/** Who waits longer for an answer is told `not yet`, so that being slow is not taken for silence. */
const NOT_YET_AFTER_MS = 50;

const NOT_HELD: CopyAnswer = { kind: "not held" };
const BUSY: CopyAnswer = { kind: "busy" };
const NOT_YET: CopyAnswer = { kind: "not yet" };

/** A copy under way. */
interface Copy {
  readonly taker: string;
  readonly id: number;
  /** Under which the partition was held when it began. */
  readonly claim: FoundedClaim;
  readonly changes: OutgoingCopy;
  /** Of the table, as long as it is on its way. */
  bytes: number;
  round: number;
  isLast: boolean;
  /** To that round. */
  answer: Promise<CopyAnswer>;
  isAnswered: boolean;
  askedAtMs: number;
}

export class OutgoingCopies {
  /** Partitions let go with a last round since the start. */
  handedOver = 0;
  private readonly ports: OutgoingCopiesPorts;
  private readonly leaseMs: number;
  private readonly copies = new Map<PartitionIndex, Copy>();
  private waiting: { readonly sinceMs: number; readonly tell: (answer: CopyAnswer) => void }[] = [];
  private bytesUnderWay = 0;

  constructor(ports: OutgoingCopiesPorts, leaseMs: number) {
    this.ports = ports;
    this.leaseMs = leaseMs;
  }

  answer(taker: string, request: CopyRequest): Promise<CopyAnswer> {
    const { partition, copy: id, round, isLast } = request;
    const copy = this.copies.get(partition);
    if (copy === undefined || copy.taker !== taker || copy.id < id)
      return round === 0 ? this.begin(taker, partition, id) : this.refuse(partition);
    if (copy.id > id) return Promise.resolve(BUSY); // a question about an earlier copy came late
    copy.askedAtMs = this.ports.nowMs();
    if (round === copy.round && isLast === copy.isLast) return this.inTime(copy.answer);
    const isNext = round === copy.round + 1 && copy.isAnswered && !copy.isLast;
    if (!isNext || (round > ROUNDS_MAX && !isLast)) return Promise.resolve(BUSY);
    return this.goOn(partition, copy, isLast);
  }

  /** Tells who waits that there is no answer yet, and forgets copies that nobody asked for in a lease. */
  tick(): void {
    const nowMs = this.ports.nowMs();
    const late = this.waiting.filter(({ sinceMs }) => nowMs - sinceMs >= NOT_YET_AFTER_MS);
    if (late.length > 0) this.waiting = this.waiting.filter((one) => !late.includes(one));
    for (const { tell } of late) tell(NOT_YET);
    for (const [partition, copy] of this.copies)
      if (copy.isAnswered && nowMs - copy.askedAtMs > this.leaseMs) this.drop(partition);
  }

  /** The partition is copied no more. */
  drop(partition: PartitionIndex): void {
    const copy = this.copies.get(partition);
    if (copy === undefined) return;
    this.copies.delete(partition);
    this.releaseTable(copy);
    copy.changes.end();
  }

  private begin(taker: string, partition: PartitionIndex, id: number): Promise<CopyAnswer> {
    const { engine, holdings, nowMs } = this.ports;
    const holding = holdings.get(partition);
    if (holding.kind !== "serving" && holding.kind !== "kept") return this.refuse(partition);
    if (holding.kind === "serving" && !this.mayMove(partition, taker)) return Promise.resolve(BUSY);
    this.drop(partition);
    // No more at once, to all who ask, than can be answered in time.
    if (this.bytesUnderWay >= BYTES_MAX) return Promise.resolve(BUSY);
    const copy: Copy = {
      taker,
      id,
      claim: (servingIn(holding) as Serving).record.claim,
      changes: new OutgoingCopy(engine, partition),
      bytes: (engine.partitions[partition] as Partition).table.bytes,
      round: 0,
      isLast: false,
      answer: Promise.resolve(BUSY),
      isAnswered: false,
      askedAtMs: nowMs(),
    };
    this.bytesUnderWay += copy.bytes;
    this.copies.set(partition, copy);
    return this.answerWith(copy, this.table(partition, copy));
  }

  private async table(partition: PartitionIndex, copy: Copy): Promise<CopyAnswer> {
    const table = this.ports.engine.copy(partition, this.writtenAtMs());
    try {
      const bytes = await this.ports.encode(table);
      return { kind: "rows", copy: copy.id, round: 0, asOf: table.now, last: undefined, bytes };
    } catch (error) {
      this.ports.onFault(error);
      if (this.copies.get(partition) === copy) this.drop(partition);
      return BUSY;
    }
  }

  private goOn(partition: PartitionIndex, copy: Copy, isLast: boolean): Promise<CopyAnswer> {
    const holding = this.ports.holdings.get(partition);
    const serving = servingIn(holding);
    const isSame = isSameClaim(serving?.record.claim, copy.claim);
    const isThere = isSame && (holding.kind === "kept" || holding.kind === "serving") && !copy.changes.isBroken;
    if (!isThere || (holding.kind === "serving" && !this.mayMove(partition, copy.taker))) {
      this.drop(partition);
      return this.refuse(partition);
    }
    copy.round++;
    copy.isLast = isLast;
    this.releaseTable(copy);
    if (!isLast) return this.answerWith(copy, Promise.resolve(this.rows(copy, undefined)));
    if (holding.kind === "kept") return this.answerWith(copy, Promise.resolve(this.finish(partition, copy, holding)));
    return this.answerWith(copy, this.letGo(partition, copy, holding));
  }

  /** Stops, waits for the append of what was applied before and for the proof that answers wait for, and tells the rest. */
  private letGo(partition: PartitionIndex, copy: Copy, serving: Serving): Promise<CopyAnswer> {
    const { holdings, recorder } = this.ports;
    holdings.letGo(partition);
    return new Promise((resolve) => {
      const onFate = (fate: Fate): void => {
        const isStopping = holdings.get(partition).kind === "letting go";
        if (fate === "remembered" && isStopping) return resolve(this.stop(partition, copy));
        if (isStopping) holdings.serve(partition, serving);
        if (this.copies.get(partition) === copy) this.drop(partition);
        resolve(isStopping ? BUSY : NOT_HELD);
      };
      // Else what changed nothing would be told as lost, though it goes nowhere again without `seq` (R18).
      if (serving.record.isQueued) recorder.whenProven(partition, onFate);
      else recorder.whenRemembered(partition, 0, onFate);
    });
  }

  private stop(partition: PartitionIndex, copy: Copy): CopyAnswer {
    const { holdings, keep } = this.ports;
    keep(partition);
    const holding = holdings.get(partition);
    this.handedOver++;
    return holding.kind === "kept" ? this.finish(partition, copy, holding) : BUSY;
  }

  /** The last round, of a table that is only kept: nothing changes in it any more but who is forgotten. */
  private finish(partition: PartitionIndex, copy: Copy, { serving }: Kept): CopyAnswer {
    const { engine, nowMs } = this.ports;
    if (copy.changes.isBroken) return NOT_HELD; // it has let go all the same, so the record is loaded
    const { claim, length } = serving.record;
    const doubtLeftMs = Math.max(0, Math.ceil(serving.doubtUntilMs - nowMs()));
    const graceLeftMs = engine.graceLeftMs(partition);
    const standings = copy.changes.standings();
    const last = { ...copy.changes.sum(), rounds: copy.round, claim, length, graceLeftMs, doubtLeftMs, standings };
    const answer = this.rows(copy, last);
    copy.changes.end();
    return answer;
  }

  private rows(copy: Copy, last: CopiedRows["last"]): CopyAnswer {
    const { asOf, bytes } = copy.changes.takeRound(this.writtenAtMs());
    return { kind: "rows", copy: copy.id, round: copy.round, asOf, last, bytes };
  }

  /** Whether a partition that is served here may go to who asks. What is ahead is in no record yet, so nobody could take it (R4). */
  private mayMove(partition: PartitionIndex, taker: string): boolean {
    const { placement, recorder } = this.ports;
    const isAhead = recorder.isPartitionAhead(partition) || recorder.recordOf(partition)?.state === "claim lost";
    return placement().partitionOwner(partition) === taker && !isAhead;
  }

  private refuse(partition: PartitionIndex): Promise<CopyAnswer> {
    const holding = this.ports.holdings.get(partition);
    // What is being taken may be claimed already, only not answered yet.
    const isHere = holding.kind === "taking" || servingIn(holding) !== undefined;
    return Promise.resolve(isHere ? BUSY : NOT_HELD);
  }

  private answerWith(copy: Copy, answer: Promise<CopyAnswer>): Promise<CopyAnswer> {
    copy.isAnswered = false;
    copy.answer = answer;
    const settle = (): boolean => (copy.isAnswered = true);
    answer.then(settle, settle);
    return this.inTime(answer);
  }

  private inTime(answer: Promise<CopyAnswer>): Promise<CopyAnswer> {
    return new Promise((tell, fail) => {
      this.waiting.push({ sinceMs: this.ports.nowMs(), tell });
      answer.then(tell, fail);
    });
  }

  private releaseTable(copy: Copy): void {
    this.bytesUnderWay -= copy.bytes;
    copy.bytes = 0;
  }

  private writtenAtMs(): number {
    const { engine, nowMs, wallMs } = this.ports;
    return engine.writtenAtMs(nowMs(), wallMs());
  }
}
