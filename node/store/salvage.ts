/**
 * Everything of a damaged store that its own checksums prove, and what is missing beside it.
 */
import type { Claim, Founding, PartitionIndex } from "../../cluster/ports/record-store.ts";
import type { Loss } from "./damage.ts";
import { emptyLogRow, segmentsOf, wordsOfRow } from "./log-row.ts";
import { scanRows, type ScannedRow, type Value } from "./page-scan.ts";
import { LOG, META, RECORDS, SNAPSHOTS, type LogRow, type RecordRow, type SnapshotRow, type Table } from "./schema.ts";
import type { WalFrame } from "./wal.ts";

/** What a store's file is to hold. */
export interface Content {
  readonly founding: Founding | undefined;
  readonly records: readonly RecordRow[];
  readonly snapshots: readonly SnapshotRow[];
  /** In the order of their numbers. */
  readonly log: readonly LogRow[];
}

export const NOTHING: Content = { founding: undefined, records: [], snapshots: [], log: [] };

interface Salvaged {
  readonly content: Content;
  readonly loss: Loss;
}

/**
 * @param findings what was found damaged, for the report
 * @param lastCommit the newest commit that was seen, readable or not
 * @param known the founding, where whoever asks knows it
 */
export function salvage(
  file: Uint8Array,
  frames: readonly WalFrame[],
  findings: readonly string[],
  lastCommit: number,
  known: Founding | undefined,
): Salvaged {
  const found = collect(scanRows(file, frames));
  const founding =
    known ?? found.founding ?? [...found.records.values()].find((row) => row.founding !== undefined)?.founding;
  if (founding === undefined) {
    return { content: NOTHING, loss: { findings, founding: true, records: [], snapshots: [], commits: [] } };
  }
  const logStarts = Math.max(1, ...[...found.records.values()].map((row) => row.logStarts));
  const logEnds = Math.max(
    lastCommit,
    [...found.log.keys()].reduce((highest, commit) => Math.max(highest, commit), 0),
    ...[...found.records.values()].map((row) => row.logEnds),
    ...[...found.snapshots.values()].map((row) => row.coversCommit),
  );
  const log = [...found.log.values()]
    .filter((row) => row.commit >= logStarts)
    .sort((one, other) => one.commit - other.commit);
  const claims = claimsIn(log);
  const records: RecordRow[] = [];
  const snapshots: SnapshotRow[] = [];
  const lost = { records: [] as PartitionIndex[], snapshots: [] as PartitionIndex[] };
  for (let partition = 0; partition < founding.partitions; partition += 1) {
    const record = found.records.get(partition);
    const snapshot = found.snapshots.get(partition);
    const isNewest =
      snapshot !== undefined &&
      (record === undefined ||
        !isOlder([snapshot.term, snapshot.number], [record.snapshotTerm, record.snapshotNumber]));
    const claim = [record, snapshot, claims.get(partition)].reduce(higher, undefined);
    if (isNewest) snapshots.push(snapshot);
    else if (record !== undefined && record.snapshotNumber > 0) lost.snapshots.push(partition);
    // The cluster claims every partition at its founding, so where some are claimed all were.
    if (record === undefined && !isNewest && found.records.size > 0) lost.records.push(partition);
    if (claim === undefined) continue;
    const { term, incarnation } = claim;
    const taken = isNewest
      ? { snapshotTerm: snapshot.term, snapshotNumber: snapshot.number }
      : { snapshotTerm: 0, snapshotNumber: 0 };
    records.push({ partition, term, incarnation, ...taken, logStarts, logEnds, founding });
  }
  const needed = Math.min(...records.map((row) => found.snapshots.get(row.partition)?.coversCommit ?? 0)) + 1;
  const commits = gapsOf(log, Math.max(logStarts, needed), logEnds);
  return {
    content: { founding, records, snapshots, log: withoutGaps(log, logStarts, logEnds) },
    loss: { findings, founding: false, ...lost, commits },
  };
}

interface Found {
  founding: Founding | undefined;
  readonly records: Map<PartitionIndex, RecordRow>;
  readonly snapshots: Map<PartitionIndex, SnapshotRow>;
  readonly log: Map<number, LogRow>;
}

/** Of each row that a checksum proves, the newest. */
function collect(rows: Iterable<ScannedRow>): Found {
  const found: Found = { founding: undefined, records: new Map(), snapshots: new Map(), log: new Map() };
  for (const values of rows) {
    const log = rowAs(LOG, values);
    if (log !== undefined) {
      found.log.set(log.commit, log);
      continue;
    }
    const record = rowAs(RECORDS, values);
    if (record !== undefined && isNewer(record, found.records.get(record.partition), keyOfRecord))
      found.records.set(record.partition, record);
    const snapshot = rowAs(SNAPSHOTS, values);
    if (snapshot !== undefined && isNewer(snapshot, found.snapshots.get(snapshot.partition), keyOfSnapshot))
      found.snapshots.set(snapshot.partition, snapshot);
    found.founding ??= rowAs(META, values);
  }
  return found;
}

function rowAs<T>(table: Table<T>, values: ScannedRow): T | undefined {
  if (values.length !== table.columns.length) return undefined;
  return table.read(Object.fromEntries(table.columns.map((column, index) => [column, values[index] as Value])));
}

const keyOfRecord = (row: RecordRow): number[] => [row.term, row.snapshotTerm, row.snapshotNumber, row.logStarts];
const keyOfSnapshot = (row: SnapshotRow): number[] => [row.term, row.number];

function isNewer<T>(row: T, known: T | undefined, keyOf: (row: T) => number[]): boolean {
  return known === undefined || isOlder(keyOf(known), keyOf(row));
}

function isOlder(one: readonly number[], other: readonly number[]): boolean {
  const at = one.findIndex((value, index) => value !== other[index]);
  return at !== -1 && (one[at] as number) < (other[at] as number);
}

function higher(one: Claim | undefined, other: Claim | undefined): Claim | undefined {
  return other !== undefined && (one === undefined || other.term > one.term) ? other : one;
}

/** The highest claim that the log names for each partition. */
function claimsIn(log: readonly LogRow[]): Map<PartitionIndex, Claim> {
  const claims = new Map<PartitionIndex, Claim>();
  for (const row of log) {
    for (const { partition, claim } of segmentsOf(wordsOfRow(row.segments))) {
      const known = claims.get(partition);
      if (known === undefined || claim.term > known.term) claims.set(partition, claim);
    }
  }
  return claims;
}

/** The numbers from `first` to the highest known that no row carries. */
function gapsOf(log: readonly LogRow[], first: number, last: number): [number, number][] {
  const gaps: [number, number][] = [];
  let expected = first;
  for (const { commit } of log) {
    if (commit < expected) continue;
    if (commit > expected) gaps.push([expected, commit - 1]);
    expected = commit + 1;
  }
  if (expected <= last) gaps.push([expected, last]);
  return gaps;
}

/** Empty rows in the place of those that are lost, so that no later look takes them for lost again. */
function withoutGaps(log: readonly LogRow[], first: number, last: number): LogRow[] {
  const rows = new Map(log.map((row) => [row.commit, row]));
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, index) => {
    const commit = first + index;
    return rows.get(commit) ?? { commit, segments: emptyLogRow(commit) };
  });
}
