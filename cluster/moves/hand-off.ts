/** The holder's side of a move (R6, R13): lets go of what a new owner asks for, and keeps the table until that serves. */
import type { Engine, TableCopy } from "../../engine/engine.ts";
import { decodeRequest, encodeAnswers, type HandOffAnswer } from "./hand-off-codec.ts";
import { type Holdings, type Serving, servingIn } from "./holdings.ts";
import type { Placement } from "../members/placement.ts";
import type { PartitionIndex } from "../ports/record-store.ts";
import type { Recorder } from "../records/recorder.ts";

export interface HandOffPorts {
  readonly engine: Engine;
  readonly recorder: Recorder;
  readonly holdings: Holdings;
  readonly placement: () => Placement;
  readonly encode: (copy: TableCopy) => Promise<Uint8Array>;
  readonly nowMs: () => number;
  readonly bareMs: () => number;
  readonly wallMs: () => number;
}

const NOT_HELD: HandOffAnswer = { kind: "not held" };
const BUSY: HandOffAnswer = { kind: "busy" };
/** Bytes of tables that are on their way: some 100 ms of encoding. */
const HANDED_BYTES_MAX = 4 * 1024 * 1024;
/** A table is kept for so many leases where nobody says that the partition is served again. */
const KEPT_LEASES = 10;

export class HandOff {
  /** Partitions handed over since the start. */
  handedOver = 0;
  private readonly ports: HandOffPorts;
  /** Of tables that are being let go or encoded. */
  private bytesUnderWay = 0;
  private readonly leaseMs: number;
  private readonly keptMs: number;

  constructor(ports: HandOffPorts, leaseMs: number) {
    this.ports = ports;
    this.leaseMs = leaseMs;
    this.keptMs = KEPT_LEASES * leaseMs;
  }

  /** @throws {MalformedMessageError} (rejects) */
  async receive(from: string, body: Uint8Array): Promise<Uint8Array> {
    const request = decodeRequest(body, this.ports.engine.partitions.length);
    if (request.kind === "let go")
      return encodeAnswers(await Promise.all(request.partitions.map((partition) => this.letGoInTurn(partition, from))));
    for (const [index, partition] of request.partitions.entries()) this.onServed(partition, request.terms[index]);
    return encodeAnswers([]);
  }

  /** R6: the record is another's; the table stays until that node says that it serves. */
  onSuperseded(partition: PartitionIndex): void {
    const { kind } = this.ports.holdings.get(partition);
    if (kind === "serving" || kind === "settling" || kind === "letting go") this.keep(partition);
  }

  /** R11: whether a successor may still be fetching what it asked for; one that dies is waited for no longer than a lease. */
  get isAwaited(): boolean {
    const { holdings, bareMs } = this.ports;
    return holdings.where("kept").some((partition) => {
      const holding = holdings.get(partition);
      return holding.kind === "kept" && holding.untilMs - bareMs() > this.keptMs - this.leaseMs;
    });
  }

  /** Forgets tables that were kept long enough. */
  tick(): void {
    const { holdings, bareMs } = this.ports;
    for (const partition of holdings.where("kept")) {
      const holding = holdings.get(partition);
      if (holding.kind === "kept" && bareMs() >= holding.untilMs) this.forget(partition);
    }
  }

  /** Stops writing, keeps the table. */
  keep(partition: PartitionIndex): void {
    const { holdings, recorder, bareMs } = this.ports;
    holdings.keep(partition, bareMs() + this.keptMs);
    recorder.drop(partition);
  }

  private forget(partition: PartitionIndex): void {
    this.ports.engine.clear(partition);
    this.ports.holdings.forget(partition);
  }

  private onServed(partition: PartitionIndex, term: number): void {
    const { holdings, recorder } = this.ports;
    const serving = servingIn(holdings.get(partition));
    if (serving === undefined || serving.record.claim.term >= term) return;
    if (holdings.get(partition).kind === "taking") return; // it is on its way back here
    recorder.drop(partition);
    this.forget(partition);
  }

  /** R13: no more at once, to all who ask, than can be answered in time; the rest is `busy`, served on and asked for again. */
  private async letGoInTurn(partition: PartitionIndex, to: string): Promise<HandOffAnswer> {
    if (this.bytesUnderWay >= HANDED_BYTES_MAX) return BUSY;
    const { bytes } = this.ports.engine.partitions[partition].table;
    this.bytesUnderWay += bytes;
    try {
      return await this.letGo(partition, to);
    } finally {
      this.bytesUnderWay -= bytes;
    }
  }

  private letGo(partition: PartitionIndex, to: string): Promise<HandOffAnswer> {
    const { holdings, recorder } = this.ports;
    const holding = holdings.get(partition);
    if (holding.kind === "kept") return this.give(partition);
    // What is being taken may be claimed already, only not answered yet.
    const isHere = holding.kind === "taking" || servingIn(holding) !== undefined;
    if (holding.kind !== "serving") return Promise.resolve(isHere ? BUSY : NOT_HELD);
    // What is ahead is in no record yet, so nobody else could take it over (R4).
    const isAsked = this.ports.placement().partitionOwner(partition) === to;
    const isAhead = recorder.isPartitionAhead(partition) || holding.record.state === "claim lost";
    if (!isAsked || isAhead) return Promise.resolve(BUSY);
    holdings.letGo(partition);
    return new Promise((resolve) => {
      recorder.whenRemembered(partition, 0, (fate) => {
        if (fate === "remembered") resolve(this.stop(partition));
        else resolve(this.goOn(partition, holding));
      });
    });
  }

  private stop(partition: PartitionIndex): Promise<HandOffAnswer> {
    this.keep(partition);
    this.handedOver++;
    return this.give(partition);
  }

  private goOn(partition: PartitionIndex, serving: Serving): HandOffAnswer {
    const { holdings } = this.ports;
    if (holdings.get(partition).kind !== "letting go") return NOT_HELD;
    holdings.serve(partition, serving);
    return BUSY;
  }

  /** A table that is kept, with exact ages. */
  private async give(partition: PartitionIndex): Promise<HandOffAnswer> {
    const { engine, holdings, nowMs, wallMs, encode } = this.ports;
    const holding = holdings.get(partition);
    if (holding.kind !== "kept") return NOT_HELD;
    const { serving } = holding;
    const { claim, length } = serving.record;
    const graceLeftMs = engine.graceLeftMs(partition);
    const doubtLeftMs = Math.max(0, Math.ceil(serving.doubtUntilMs - nowMs()));
    const table = await encode(engine.copy(partition, engine.writtenAtMs(nowMs(), wallMs())));
    return { kind: "handed over", claim, length, graceLeftMs, doubtLeftMs, table };
  }
}
