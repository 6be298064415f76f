/** R14: for which partitions this node may speak when it counts, and how it proves that it still may. */
import type { Engine } from "../../engine/engine.ts";
import type { Partition } from "../../engine/partition.ts";
import type { Membership } from "../members/membership.ts";
import type { PartitionIndex } from "../ports/record-store.ts";
import type { Recorder } from "../records/recorder.ts";
import type { ClaimProver } from "./claim-prover.ts";
import type { Holdings } from "./holdings.ts";

export interface VoicePorts {
  readonly engine: Engine;
  readonly holdings: Holdings;
  readonly membership: Membership;
  readonly recorder: Recorder;
  readonly prover: ClaimProver;
}

export class Voice {
  private readonly ports: VoicePorts;

  constructor(ports: VoicePorts) {
    this.ports = ports;
  }

  /** Under which term, and how sure; undefined where the partition is not served here. */
  of(
    partition: PartitionIndex,
  ): { readonly term: number; readonly isDoubtful: boolean; readonly isLicensed: boolean } | undefined {
    const { engine, holdings, membership, prover } = this.ports;
    const serving = holdings.servingOf(partition);
    if (serving === undefined) return undefined;
    const isProven = prover.isProven(partition) && !membership.isAlone;
    const isLicensed = holdings.isLicensed(partition) || isProven;
    // R28: players whose mode's name was lost are in no count.
    const isDoubtful = holdings.isDoubtful(serving) || (engine.partitions[partition] as Partition).unnamed > 0;
    return { term: serving.record.claim.term, isDoubtful, isLicensed };
  }

  /** Which of these may be spoken for as of now; writes to prove the claims that no licence covers. */
  async confirm(partitions: readonly PartitionIndex[]): Promise<readonly PartitionIndex[]> {
    const { holdings, membership, recorder } = this.ports;
    const unlicensed = partitions.filter((partition) => !holdings.isLicensed(partition));
    if (unlicensed.length === 0) return partitions;
    const proven = new Set(partitions);
    const prove = (partition: PartitionIndex): Promise<void> =>
      new Promise((resolve) => {
        recorder.whenProven(partition, (fate) => {
          if (fate !== "remembered" || membership.isAlone) proven.delete(partition);
          resolve();
        });
      });
    await Promise.all(unlicensed.map(prove));
    return [...proven];
  }
}
