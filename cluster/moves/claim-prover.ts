/**
 * R13: what this node serves for another, who has it by the view and copies it, brings no licence (R14). So an empty append
 * proves its claim before each beat of the counts: else moving would make every board stale.
 */
import type { Holdings } from "./holdings.ts";
import type { PartitionIndex } from "../ports/record-store.ts";
import type { Recorder } from "../records/recorder.ts";

export interface ClaimProverPorts {
  readonly holdings: Holdings;
  readonly recorder: Pick<Recorder, "whenProven">;
  readonly nowMs: () => number;
}

/** A beat comes every 95 ms (R20); ticks come every 20. */
const PROVE_EVERY_MS = 70;
/** A proof is as old as the append that brought it, when that was sent. A board without a word for 300 ms is stale. */
const PROVEN_MS = 200;

interface Proof {
  /** When the newest append that landed was sent. */
  provenAtMs: number;
  askedAtMs: number;
  isAsked: boolean;
}

export class ClaimProver {
  private readonly ports: ClaimProverPorts;
  private readonly proofs = new Map<PartitionIndex, Proof>();

  constructor(ports: ClaimProverPorts) {
    this.ports = ports;
  }

  /** To be called some 50 times a second. */
  tick(): void {
    const { holdings, nowMs } = this.ports;
    const others = holdings.where("serving").filter((partition) => !holdings.isMine(partition));
    if (others.length === 0) return this.proofs.clear();
    for (const partition of this.proofs.keys()) if (!others.includes(partition)) this.proofs.delete(partition);
    for (const partition of others) {
      const proof = this.proofs.get(partition) ?? { provenAtMs: -Infinity, askedAtMs: -Infinity, isAsked: false };
      this.proofs.set(partition, proof);
      if (!proof.isAsked && nowMs() - proof.askedAtMs >= PROVE_EVERY_MS) this.prove(partition, proof);
    }
  }

  /** Whether the claim stood a moment ago, so that this node may speak for the partition as if it had a licence. */
  isProven(partition: PartitionIndex): boolean {
    const { holdings, nowMs } = this.ports;
    const provenAtMs = this.proofs.get(partition)?.provenAtMs ?? -Infinity;
    return nowMs() - provenAtMs < PROVEN_MS && holdings.servingOf(partition) !== undefined;
  }

  private prove(partition: PartitionIndex, proof: Proof): void {
    const askedAtMs = this.ports.nowMs();
    proof.askedAtMs = askedAtMs;
    proof.isAsked = true;
    this.ports.recorder.whenProven(partition, (fate) => {
      proof.isAsked = false;
      if (fate === "remembered") proof.provenAtMs = askedAtMs;
    });
  }
}
