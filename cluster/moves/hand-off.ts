/** The holder's side of a move (R6, R13): lets go of what a new owner has copied, and keeps the table until that serves. */
import type { Engine, TableCopy } from "../../engine/engine.ts";
import { decodeRequest, encodeAnswer } from "./hand-off-codec.ts";
import { ELSEWHERE, type Holdings, type Serving, servingIn } from "./holdings.ts";
import { OutgoingCopies } from "./outgoing-copies.ts";
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
  readonly wallMs: () => number;
}

/** A table is kept for so many leases where nobody says that the partition is served again. */
const KEPT_LEASES = 10;
const NOTHING = new Uint8Array(0);

export class HandOff {
  private readonly ports: HandOffPorts;
  private readonly copies: OutgoingCopies;
  private readonly leaseMs: number;
  private readonly keptMs: number;

  constructor(ports: HandOffPorts, leaseMs: number) {
    this.ports = ports;
    this.leaseMs = leaseMs;
    this.keptMs = KEPT_LEASES * leaseMs;
    const keep = (partition: PartitionIndex, serving: Serving): void => this.keep(partition, serving);
    this.copies = new OutgoingCopies({ ...ports, keep }, leaseMs);
  }

  /** Partitions handed over since the start. */
  get handedOver(): number {
    return this.copies.handedOver;
  }

  /** @throws {MalformedMessageError} (rejects) */
  async receive(from: string, body: Uint8Array): Promise<Uint8Array> {
    const request = decodeRequest(body, this.ports.engine.partitions.length);
    if (request.kind === "copy") return encodeAnswer(await this.copies.answer(from, request));
    for (const [index, partition] of request.partitions.entries()) this.onServed(partition, request.terms[index]);
    return NOTHING;
  }

  /** R6: the record is another's; the table stays until that node says that it serves. */
  onSuperseded(partition: PartitionIndex): void {
    const serving = servingIn(this.ports.holdings.get(partition));
    if (serving !== undefined) this.keep(partition, serving);
  }

  /** R11: whether a successor may still be fetching what it asked for; one that dies is waited for no longer than a lease. */
  get isAwaited(): boolean {
    const { holdings, nowMs } = this.ports;
    return holdings.where("kept").some((partition) => {
      const holding = holdings.get(partition);
      return holding.kind === "kept" && holding.untilMs - nowMs() > this.keptMs - this.leaseMs;
    });
  }

  /** Forgets tables that were kept long enough, and copies that nobody asks for. To be called some 50 times a second. */
  tick(): void {
    const { holdings, nowMs } = this.ports;
    this.copies.tick();
    for (const partition of holdings.where("kept")) {
      const holding = holdings.get(partition);
      if (holding.kind === "kept" && nowMs() >= holding.untilMs) this.forget(partition);
    }
  }

  /** Stops writing, keeps the table. */
  private keep(partition: PartitionIndex, serving: Serving): void {
    const { holdings, recorder, nowMs } = this.ports;
    const length = recorder.lengthOf(partition);
    holdings.set(partition, { kind: "kept", serving, length, untilMs: nowMs() + this.keptMs });
    recorder.drop(partition);
  }

  private forget(partition: PartitionIndex): void {
    this.copies.drop(partition);
    this.ports.engine.clear(partition);
    this.ports.holdings.set(partition, ELSEWHERE);
  }

  private onServed(partition: PartitionIndex, term: number): void {
    const { holdings, recorder } = this.ports;
    const serving = servingIn(holdings.get(partition));
    if (serving === undefined || serving.claim.term >= term) return;
    recorder.drop(partition);
    this.forget(partition);
  }
}
