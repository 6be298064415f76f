/** The holder's side of a move (R6, R13): lets go of what a new owner has copied, and keeps the table until that serves. */
import type { Engine, TableCopy } from "../../engine/engine.ts";
import { decodeRequest, encodeAnswer } from "./hand-off-codec.ts";
import { type Holdings, servingIn } from "./holdings.ts";
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
  readonly bareMs: () => number;
  readonly wallMs: () => number;
  /** A table could not be encoded; its taker asks again. */
  readonly onFault: (error: unknown) => void;
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
    const keep = (partition: PartitionIndex): void => this.keep(partition);
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
    for (const [index, partition] of request.partitions.entries())
      this.onServed(partition, request.terms[index] as number);
    return NOTHING;
  }

  /** R6: the record is another's; the table stays until that node says that it serves. */
  onSuperseded(partition: PartitionIndex): void {
    const { kind } = this.ports.holdings.get(partition);
    if (kind === "serving" || kind === "settling" || kind === "letting go") this.keep(partition);
  }

  /**
   * R8: answers nothing more; the tables stay as in R6, in case the store loses what their successors load.
   * @returns of how many nobody knows that a record has what was acknowledged
   */
  onExpelled(): number {
    const { holdings, recorder } = this.ports;
    const held = holdings.where("serving", "settling", "letting go");
    const lost = held.filter((partition) => recorder.recordOf(partition)?.state === "claim lost").length;
    for (const partition of held) this.keep(partition);
    for (const partition of holdings.where("taking")) holdings.giveUp(partition); // what was kept stays kept
    for (const partition of holdings.where("wanted")) holdings.forget(partition);
    return lost;
  }

  /**
   * R12: what is here is written and answered for no more.
   * @returns the partitions whose players are best known here
   */
  abandon(): PartitionIndex[] {
    const { engine, holdings, recorder } = this.ports;
    const held = holdings.where("serving", "settling", "letting go");
    for (const partition of engine.partitions.keys()) recorder.drop(partition);
    holdings.abandon();
    return held;
  }

  /** R11: whether a successor may still be fetching what it asked for; one that dies is waited for no longer than a lease. */
  get isAwaited(): boolean {
    const { holdings, bareMs } = this.ports;
    return holdings.where("kept").some((partition) => {
      const holding = holdings.get(partition);
      return holding.kind === "kept" && holding.untilMs - bareMs() > this.keptMs - this.leaseMs;
    });
  }

  /** Forgets tables that were kept long enough, and copies that nobody asks for. To be called some 50 times a second. */
  tick(): void {
    const { holdings, bareMs } = this.ports;
    this.copies.tick();
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
    this.copies.drop(partition);
    this.ports.recorder.drop(partition); // where it was to be taken back (R15)
    this.ports.engine.clear(partition);
    this.ports.holdings.forget(partition);
  }

  private onServed(partition: PartitionIndex, term: number): void {
    const { holdings } = this.ports;
    const serving = servingIn(holdings.get(partition));
    if (serving === undefined || serving.record.claim.term >= term) return;
    if (holdings.get(partition).kind === "taking") return; // it is on its way back here
    this.forget(partition);
  }
}
