/**
 * The four tables of the store's file, and the checksum that every row carries over all of its columns.
 *
 *   meta        what the cluster was founded with: one row
 *   records     one a partition: its claim, which snapshot it has, and, each once more, the log's ends and the founding
 *   snapshots   one a partition: the newest snapshot and what it covers
 *   log         one a group commit, of all partitions (see log-row.ts)
 *
 * Some things are written twice so that their loss is healed or noticed: the founding (without the hash key no record
 * can be read, so every record carries it), the number of each snapshot beside the claim, and the ends of the log.
 */
import { crc32 } from "node:zlib";
import type { DatabaseSync, SQLInputValue, SQLOutputValue } from "node:sqlite";
import type { Founding, PartitionIndex } from "../../cluster/ports/record-store.ts";
import { rowAt, wordsOfRow } from "./log-row.ts";

/** 2: a commit has one head for all its parts (log-row.ts). Rows of format 1 are read beside; nothing is written of it. */
export const FORMAT = 2;
const FORMAT_MIN = 1;
export const PAGE_BYTES = 4096; // the file systems' own; 8 and 16 kB wrote more for each commit (measured)

export const CREATE_TABLES = `
  PRAGMA page_size = ${PAGE_BYTES};
  PRAGMA auto_vacuum = INCREMENTAL;
  CREATE TABLE meta (id INTEGER PRIMARY KEY, format INTEGER NOT NULL, partitions INTEGER NOT NULL,
    hash_key BLOB NOT NULL, crc INTEGER NOT NULL);
  CREATE TABLE records (partition INTEGER PRIMARY KEY, term INTEGER NOT NULL, incarnation TEXT NOT NULL,
    snapshot_term INTEGER NOT NULL, snapshot_number INTEGER NOT NULL, log_starts INTEGER NOT NULL,
    log_ends INTEGER NOT NULL, founding BLOB NOT NULL, crc INTEGER NOT NULL);
  CREATE TABLE snapshots (partition INTEGER PRIMARY KEY, term INTEGER NOT NULL, incarnation TEXT NOT NULL,
    number INTEGER NOT NULL, covers INTEGER NOT NULL, covers_commit INTEGER NOT NULL,
    bytes BLOB NOT NULL, crc INTEGER NOT NULL);
  CREATE TABLE log (commit_number INTEGER PRIMARY KEY, segments BLOB NOT NULL, crc INTEGER NOT NULL);`;

export interface RecordRow {
  readonly partition: PartitionIndex;
  readonly term: number;
  readonly incarnation: string;
  /** Of the newest snapshot, whoever took it; number 0: there is none. */
  readonly snapshotTerm: number;
  readonly snapshotNumber: number;
  /** No partition needs a commit before this one. */
  readonly logStarts: number;
  /** There was a commit of this number when the row was written. */
  readonly logEnds: number;
  readonly founding: Founding | undefined;
}

export interface SnapshotRow {
  readonly partition: PartitionIndex;
  readonly term: number;
  readonly incarnation: string;
  readonly number: number;
  readonly covers: number;
  readonly coversCommit: number;
  readonly bytes: Uint8Array;
}

export interface LogRow {
  readonly commit: number;
  readonly segments: Uint8Array;
}

export type Row = Readonly<Record<string, SQLOutputValue>>;

/** How the rows of one table go to the file and come back. `read` answers undefined where the checksum does not fit. */
export interface Table<T> {
  readonly columns: readonly string[];
  readonly write: (row: T) => SQLInputValue[];
  readonly read: (row: Row) => T | undefined;
}

export const META: Table<Founding> = {
  columns: ["id", "format", "partitions", "hash_key", "crc"],
  write: ({ partitions, hashKey }) => [
    1,
    FORMAT,
    partitions,
    hashKey,
    checksumOf("meta", [1, FORMAT, partitions], hashKey),
  ],
  read: (row) => {
    const { id, format, partitions, hash_key: hashKey, crc } = row;
    if (!(hashKey instanceof Uint8Array) || crc !== checksumOf("meta", [id, format, partitions], hashKey))
      return undefined;
    if (Number(format) < FORMAT_MIN || Number(format) > FORMAT)
      throw new Error(
        `The store's format is ${Number(format)}, this release knows ${FORMAT_MIN} to ${FORMAT}: start the release that wrote it`,
      );
    return { partitions: Number(partitions), hashKey };
  },
};

export const RECORDS: Table<RecordRow> = {
  columns: [
    "partition",
    "term",
    "incarnation",
    "snapshot_term",
    "snapshot_number",
    "log_starts",
    "log_ends",
    "founding",
    "crc",
  ],
  write: (row) => {
    const plain = [
      row.partition,
      row.term,
      row.incarnation,
      row.snapshotTerm,
      row.snapshotNumber,
      row.logStarts,
      row.logEnds,
    ];
    const founding = bytesOfFounding(row.founding);
    return [...plain, founding, checksumOf("records", plain, founding)];
  },
  read: (row) => {
    const { partition, term, incarnation, snapshot_term, snapshot_number, log_starts, log_ends, founding, crc } = row;
    const plain = [partition, term, incarnation, snapshot_term, snapshot_number, log_starts, log_ends];
    if (!(founding instanceof Uint8Array) || crc !== checksumOf("records", plain, founding)) return undefined;
    return {
      partition: Number(partition),
      term: Number(term),
      incarnation: String(incarnation),
      snapshotTerm: Number(snapshot_term),
      snapshotNumber: Number(snapshot_number),
      logStarts: Number(log_starts),
      logEnds: Number(log_ends),
      founding: foundingOfBytes(founding),
    };
  },
};

export const SNAPSHOTS: Table<SnapshotRow> = {
  columns: ["partition", "term", "incarnation", "number", "covers", "covers_commit", "bytes", "crc"],
  write: (row) => {
    const plain = [row.partition, row.term, row.incarnation, row.number, row.covers, row.coversCommit];
    return [...plain, row.bytes, checksumOf("snapshots", plain, row.bytes)];
  },
  read: (row) => {
    const { partition, term, incarnation, number, covers, covers_commit, bytes, crc } = row;
    const plain = [partition, term, incarnation, number, covers, covers_commit];
    if (!(bytes instanceof Uint8Array) || crc !== checksumOf("snapshots", plain, bytes)) return undefined;
    return {
      partition: Number(partition),
      term: Number(term),
      incarnation: String(incarnation),
      number: Number(number),
      covers: Number(covers),
      coversCommit: Number(covers_commit),
      bytes,
    };
  },
};

export const LOG: Table<LogRow> = {
  columns: ["commit_number", "segments", "crc"],
  // The number stands in the segments' header too, so one checksum covers both.
  write: ({ commit, segments }) => [commit, segments, crc32(segments)],
  read: (row) => {
    const { commit_number: commit, segments, crc } = row;
    if (!(segments instanceof Uint8Array) || segments.length < 24 || crc !== crc32(segments)) return undefined;
    const words = wordsOfRow(segments);
    if (!rowAt.isRow(words) || rowAt.commitNumber(words) !== commit) return undefined;
    return { commit, segments: words.u8 };
  },
};

export const TABLES = { meta: META, records: RECORDS, snapshots: SNAPSHOTS, log: LOG } as const;
export type TableName = keyof typeof TABLES;

/** `INSERT`, or the new content of the row with that key. */
export function upsertInto(table: TableName): string {
  const [key, ...rest] = TABLES[table].columns;
  const news = rest.map((column) => `${column} = excluded.${column}`).join(", ");
  return `${insertInto(table)} ON CONFLICT (${key}) DO UPDATE SET ${news}`;
}

export function insertInto(table: TableName): string {
  const { columns } = TABLES[table];
  return `INSERT INTO ${table} (${columns.join(", ")}) VALUES (${columns.map(() => "?").join(", ")})`;
}

/** All rows of a table in the order of their keys, with the key of each; `row` is undefined where it is damaged. */
export function* rowsOf<T>(
  database: DatabaseSync,
  table: TableName,
  { columns, read }: Table<T>,
): Generator<{ key: number; row: T | undefined }> {
  const statement = database.prepare(`SELECT ${columns.join(", ")} FROM ${table} ORDER BY ${columns[0]}`);
  for (const row of statement.iterate()) yield { key: Number(row[columns[0] as string]), row: read(row) };
}

function checksumOf(table: TableName, plain: readonly unknown[], bytes: Uint8Array): number {
  return crc32(bytes, crc32(JSON.stringify([table, ...plain])));
}

/** The hash key's 8 bytes, then the partitions as a number of two; nothing where the cluster is not founded yet. */
function bytesOfFounding(founding: Founding | undefined): Uint8Array {
  if (founding === undefined) return new Uint8Array(0);
  return Uint8Array.of(...founding.hashKey, founding.partitions & 0xff, founding.partitions >>> 8);
}

function foundingOfBytes(bytes: Uint8Array): Founding | undefined {
  if (bytes.length < 3) return undefined;
  const end = bytes.length - 2;
  return { hashKey: bytes.slice(0, end), partitions: (bytes[end] as number) | ((bytes[end + 1] as number) << 8) };
}
