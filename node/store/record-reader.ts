/** What the open file has of partitions' records: snapshots, and the messages of the shared log that none covers. */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { LogMessage, PartitionIndex } from "../../cluster/ports/record-store.ts";
import { segmentsOf, wordsOfRow } from "./log-row.ts";
import { isCovered, type RecordIndex } from "./record-index.ts";
import { LOG, SNAPSHOTS } from "./schema.ts";

export class RecordReader {
  readonly #index: RecordIndex;
  readonly #readLog: StatementSync;
  readonly #readSnapshot: StatementSync;

  constructor(database: DatabaseSync, index: RecordIndex) {
    this.#index = index;
    const columns = LOG.columns.join(", ");
    this.#readLog = database.prepare(`SELECT ${columns} FROM log WHERE commit_number > ? ORDER BY commit_number`);
    this.#readSnapshot = database.prepare(`SELECT ${SNAPSHOTS.columns.join(", ")} FROM snapshots WHERE partition = ?`);
  }

  /**
   * The messages of these partitions that no snapshot covers, in one pass over the shared log.
   * @throws {Error} if a row does not match its checksum
   */
  logsOf(partitions: readonly PartitionIndex[]): Map<PartitionIndex, LogMessage[]> {
    const logs = new Map<PartitionIndex, LogMessage[]>();
    let first = Number.POSITIVE_INFINITY;
    for (const partition of partitions) {
      const { firstCommit } = this.#index.stateOf(partition);
      if (firstCommit === 0) continue;
      logs.set(partition, []);
      first = Math.min(first, firstCommit);
    }
    if (logs.size === 0) return logs;
    for (const columns of this.#readLog.iterate(first - 1)) {
      const row = LOG.read(columns);
      if (row === undefined)
        throw new Error(`log commit ${String(columns["commit_number"])} does not match its checksum`);
      for (const { partition, claim, from, head, bytes } of segmentsOf(wordsOfRow(row.segments))) {
        const log = logs.get(partition);
        if (log !== undefined && !isCovered(this.#index.stateOf(partition), row.commit, claim, from + bytes.length))
          log.push({ head, bytes });
      }
    }
    return logs;
  }

  /** @throws {Error} if it does not match its checksum */
  snapshotOf(partition: PartitionIndex): Uint8Array<ArrayBuffer> | undefined {
    const columns = this.#readSnapshot.get(partition);
    if (columns === undefined) return undefined;
    const row = SNAPSHOTS.read(columns);
    if (row === undefined) throw new Error(`the snapshot of partition ${partition} does not match its checksum`);
    return row.bytes as Uint8Array<ArrayBuffer>; // as SQLite gives it
  }
}
