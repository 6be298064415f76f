/**
 * Looks through a store's file before it is used, and changes nothing: SQLite's own check, then every row's checksum.
 *
 * On the way it derives the index that the store's thread keeps. The file is opened read-only and without locks (the
 * folder's lock is held), since a connection that may write would move the write-ahead log into the file on closing.
 */
import { closeSync, existsSync, openSync, readSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { pathToFileURL } from "node:url";
import { segmentsOf, wordsOfRow } from "./log-row.ts";
import { reasonOf } from "../reason.ts";
import { RecordIndex } from "./record-index.ts";
import {
  LOG,
  META,
  RECORDS,
  PAGE_BYTES,
  SNAPSHOTS,
  rowsOf,
  type RecordRow,
  type Table,
  type TableName,
} from "./schema.ts";
import type { Content } from "./salvage.ts";
import { isDamage } from "./sqlite-errors.ts";

const FINDINGS_MAX = 10;

export interface Inspection {
  /** What is damaged, a line each; empty where nothing is. */
  readonly findings: readonly string[];
  readonly index: RecordIndex;
}

export function inspect(path: string): Inspection {
  const index = new RecordIndex();
  const findings: string[] = [];
  let database: DatabaseSync | undefined;
  try {
    const header = headerFinding(path);
    if (header !== undefined) return { findings: [header], index };
    database = openToRead(path);
    findings.push(...quickCheck(database));
    if (findings.length === 0) findings.push(...readRows(database, index));
  } catch (error) {
    if (!isDamage(error)) throw error;
    findings.push(`headcount.db cannot be read: ${reasonOf(error)}`);
  } finally {
    database?.close();
  }
  return {
    findings:
      findings.length > FINDINGS_MAX
        ? [...findings.slice(0, FINDINGS_MAX), `and ${findings.length - FINDINGS_MAX} more`]
        : findings,
    index,
  };
}

/** Everything in a file that was found whole. */
export function readContent(path: string, { founding }: RecordIndex): Content {
  const database = openToRead(path);
  const all = <T>(table: TableName, rows: Table<T>): T[] =>
    [...rowsOf(database, table, rows)].flatMap(({ row }) => row ?? []);
  try {
    return { founding, records: all("records", RECORDS), snapshots: all("snapshots", SNAPSHOTS), log: all("log", LOG) };
  } finally {
    database.close();
  }
}

function openToRead(path: string): DatabaseSync {
  const url = pathToFileURL(path);
  url.search = `?mode=ro&vfs=${process.platform === "win32" ? "win32-none" : "unix-none"}`;
  const database = new DatabaseSync(url, { readOnly: true });
  // Exclusive, so that the index of the write-ahead log is kept in memory and not in a file.
  database.exec("PRAGMA locking_mode = EXCLUSIVE");
  return database;
}

/** What the file's first bytes say that never changes in ours. SQLite takes some other values as they come, read-only or worse. */
const HEADER_BYTES = 100;
const HEADER: readonly (readonly [number, string, (header: Buffer) => boolean])[] = [
  [0, "the magic", (header) => header.toString("latin1", 0, 16) === "SQLite format 3\0"],
  [16, "the page size", (header) => header.readUInt16BE(16) === PAGE_BYTES],
  [18, "the journal's version", (header) => header[18] === 2 && header[19] === 2],
  [
    20,
    "the page's layout",
    (header) => header[20] === 0 && header[21] === 64 && header[22] === 32 && header[23] === 32,
  ],
  [44, "the schema's format", (header) => header.readUInt32BE(44) === 4],
  [52, "the kind of vacuum", (header) => header.readUInt32BE(52) > 0 && header.readUInt32BE(64) === 1],
  [56, "the text's encoding", (header) => header.readUInt32BE(56) === 1],
];

function headerFinding(path: string): string | undefined {
  if (!existsSync(path)) return "headcount.db is missing beside its write-ahead log";
  const header = Buffer.alloc(HEADER_BYTES);
  const file = openSync(path, "r");
  try {
    if (readSync(file, header) < HEADER_BYTES) return "headcount.db cannot be read: it is shorter than its header";
  } finally {
    closeSync(file);
  }
  const wrong = HEADER.find(([, , isOurs]) => !isOurs(header));
  return wrong && `headcount.db cannot be read: ${wrong[1]} at byte ${wrong[0]} of its header is not ours`;
}

function quickCheck(database: DatabaseSync): string[] {
  const rows = database.prepare(`PRAGMA quick_check(${FINDINGS_MAX})`).all();
  const lines = rows.map((row) => String(row.quick_check)).filter((line) => line !== "ok");
  return lines.map((line) => `headcount.db fails SQLite's quick_check: ${line.replaceAll("\n", " ")}`);
}

function readRows(database: DatabaseSync, index: RecordIndex): string[] {
  const findings: string[] = [];
  const records = new Map<number, RecordRow>();
  const badRow = (what: string): number => findings.push(`${what} does not match its checksum`);
  for (const { row } of rowsOf(database, "meta", META)) {
    if (row === undefined) badRow("the founding");
    else index.founding = row;
  }
  for (const { key, row } of rowsOf(database, "records", RECORDS)) {
    if (row === undefined) badRow(`the claim of partition ${key}`);
    else {
      records.set(key, row);
      index.addRecord(row);
    }
  }
  for (const { key, row } of rowsOf(database, "snapshots", SNAPSHOTS)) {
    const record = records.get(key);
    records.delete(key);
    if (row === undefined) badRow(`the snapshot of partition ${key}`);
    else if (row.term !== record?.snapshotTerm || row.number !== record.snapshotNumber)
      findings.push(`the snapshot of partition ${key} is not the newest`);
    else index.addSnapshot(row);
  }
  for (const [partition, record] of records) {
    if (record.snapshotNumber > 0) findings.push(`the snapshot of partition ${partition} is missing`);
  }
  if (index.founding === undefined && [...records.values()].some((row) => row.founding !== undefined))
    findings.push("the founding is missing");
  let first: number | undefined;
  let expected = index.logStarts;
  const missing = (last: number): number => findings.push(`log commits ${expected} to ${last} are missing`);
  for (const { key, row } of rowsOf(database, "log", LOG)) {
    first ??= key;
    if (key > expected) missing(key - 1);
    expected = Math.max(expected, key + 1);
    index.lastCommit = Math.max(index.lastCommit, key);
    if (row === undefined) badRow(`log commit ${key}`);
    else
      for (const segment of segmentsOf(wordsOfRow(row.segments))) {
        index.addSegment(key, segment.partition, segment.claim, segment.from, segment.bytes.length);
      }
  }
  if (index.logEnds >= expected) missing(index.logEnds);
  index.oldestRow = first ?? index.lastCommit + 1;
  return findings;
}
