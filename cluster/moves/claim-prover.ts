/**
 * R13, R14: an empty append proves the claims that no licence covers, before each beat of the counts. Such are all that this
 * node serves for others, who have them by the view and copy them: else moving would make every board stale.
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
    const unlicensed = new Set(holdings.where("serving").filter((partition) => !holdings.isLicensed(partition)));
    for (const partition of this.proofs.keys()) if (!unlicensed.has(partition)) this.proofs.delete(partition);
    for (const partition of unlicensed) {
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
