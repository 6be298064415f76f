/** A shared store as a store of records alone: under the run that it had when it was bound or founded. */
import type {
  AppendAnswer,
  Claim,
  ClaimAnswer,
  Commit,
  FoundedClaim,
  Founding,
  PartitionIndex,
  RecordStore,
  Snapshot,
  SnapshotAnswer,
} from "../../cluster/ports/record-store.ts";
import { sharedAppendsOf } from "../../cluster/ports/shared-records.ts";
import type { ClusterKey, Run, SharedStore } from "../../cluster/ports/shared-store.ts";
import { byTag } from "./by-tag.ts";
import { HASH_KEY } from "./renewals.ts";

export const KEY: ClusterKey = {
  partitions: 16,
  hashKey: HASH_KEY,
  sessionMs: 90_000,
  graceMs: 50_000,
  leaseMs: 3000,
  deadlineMs: 2000,
  durability: "log",
  modesMax: 10_000,
  placement: 1,
};

export async function bindRun(store: SharedStore): Promise<RecordStore> {
  return new BoundStore(store, (await store.look()).run);
}

class BoundStore implements RecordStore {
  readonly isOneFile = false;
  readonly #store: SharedStore;
  #run: Run;

  constructor(store: SharedStore, run: Run) {
    this.#store = byTag(store);
    this.#run = run;
  }

  async found({ partitions, hashKey }: Founding): Promise<Founding> {
    await this.#store.found(this.#run, { ...KEY, partitions, hashKey }, "anew", "founded");
    const { run, key = KEY } = await this.#store.look();
    this.#run = run;
    return { partitions: key.partitions, hashKey: key.hashKey };
  }

  async highestTerm(): Promise<number> {
    const partitions = Array.from({ length: KEY.partitions }, (_, partition) => partition);
    const standing = await this.#store.standing(this.#run, partitions);
    return Math.max(...standing.map(({ claim }) => claim?.term ?? 0));
  }

  async claim(partitions: readonly PartitionIndex[], claim: Claim): Promise<ClaimAnswer[]> {
    const answers = await this.#store.claim(this.#run, partitions, founded(claim), true, new Set(partitions));
    return answers.map((answer): ClaimAnswer => {
      if (answer.kind === "refused") {
        const { term, incarnation } = answer.standing.claim ?? claim;
        return { kind: "refused", standing: { term, incarnation } };
      }
      return { kind: "claimed", record: answer.record ?? { snapshot: undefined, log: [] } };
    });
  }

  async append({ appends, ...rest }: Commit): Promise<AppendAnswer[]> {
    const claimed = appends.map((append) => ({ ...append, claim: founded(append.claim) }));
    return this.#store.append(this.#run, sharedAppendsOf({ appends: claimed, ...rest }));
  }

  snapshot(partition: PartitionIndex, claim: Claim, snapshot: Snapshot): Promise<SnapshotAnswer> {
    return this.#store.snapshot(this.#run, partition, founded(claim), snapshot);
  }

  close(): Promise<void> {
    return this.#store.close();
  }
}

/** Each claim of a contract for stores without foundings is founded once. */
function founded(claim: Claim): FoundedClaim {
  return { ...claim, founding: "f" };
}
