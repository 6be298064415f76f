/**
 * The embedded store's file without its thread: the same calls, made at once. Opens in milliseconds, so that thousands
 * of cut and damaged files can be tried.
 */
import type {
  AppendAnswer,
  Claim,
  ClaimAnswer,
  Commit,
  Founding,
  PartitionIndex,
  RecordStore,
  Snapshot,
  SnapshotAnswer,
} from "../../cluster/ports/record-store.ts";
import type { Loss } from "../../node/store/damage.ts";
import { LogRowWriter, wordsOf } from "../../node/store/log-row.ts";
import { openRecordFile } from "../../node/store/open-record-file.ts";
import type { RecordFile } from "../../node/store/record-file.ts";
import { ANSWERS, SEGMENTS_MAX } from "../../node/store/shared-calls.ts";
import { claimAnswersOf } from "../../node/store/sqlite-store.ts";
import { itemAt } from "../../simulator/item-at.ts";

export class FileStore implements RecordStore {
  readonly isOneFile = true;
  readonly loss: Loss | undefined;
  readonly #file: RecordFile;
  readonly #writer = new LogRowWriter();

  constructor(folder: string, { repair = false, rewrite = false } = {}) {
    const { file, loss } = openRecordFile(folder, { repair, rewrite, copiesMax: Number.POSITIVE_INFINITY });
    this.#file = file;
    this.loss = loss;
  }

  async found(proposal: Founding): Promise<Founding> {
    return this.#file.found(proposal);
  }

  async highestTerm(): Promise<number> {
    return this.#file.highestTerm();
  }

  async claim(partitions: readonly PartitionIndex[], claim: Claim): Promise<ClaimAnswer[]> {
    return claimAnswersOf(this.#file.claim(partitions, claim));
  }

  async append(commit: Commit): Promise<AppendAnswer[]> {
    const bytes = this.#writer.measure(commit);
    const words = wordsOf(new ArrayBuffer((bytes + 7) & ~7));
    const answers = new Uint8Array(SEGMENTS_MAX);
    const isLanded = this.#file.append(words, this.#writer.write(commit, words), answers);
    return commit.appends.map((_, index) => (isLanded ? "landed" : itemAt(ANSWERS, itemAt(answers, index))));
  }

  async snapshot(partition: PartitionIndex, claim: Claim, snapshot: Snapshot): Promise<SnapshotAnswer> {
    return this.#file.snapshot(partition, claim, snapshot);
  }

  /** All that the thread would do between calls. */
  tidy(): void {
    while (this.#file.tidy());
  }

  async close(): Promise<void> {
    this.#file.close(true);
  }
}
