/**
 * From a folder to an open store: finds what a crash left, looks for damage, and makes a fresh file of what is whole.
 *
 *   headcount.db, headcount.db-wal    the store, as SQLite keeps it
 *   headcount.db.building             a fresh file that is not whole yet: removed
 *   headcount.db.built                a fresh file that is whole and about to take the store's place
 *   headcount.db.damaged-1 …          copies of what was damaged, or lay where the open file had lain, each with its -wal
 *
 * The folder's lock is held by whoever calls.
 */
import { DatabaseSync } from "node:sqlite";
import {
  closeSync,
  copyFileSync,
  existsSync,
  fsyncSync,
  openSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
} from "node:fs";
import { join } from "node:path";
import type { Founding } from "../../cluster/ports/record-store.ts";
import { DamagedStoreError, type Loss } from "./damage.ts";
import { inspect, readContent, type Inspection } from "./inspect.ts";
import { RecordFile } from "./record-file.ts";
import { RecordIndex } from "./record-index.ts";
import { NOTHING, salvage, type Content } from "./salvage.ts";
import { CREATE_TABLES, LOG, META, RECORDS, SNAPSHOTS, insertInto } from "./schema.ts";
import { readWal } from "./wal.ts";

export const DATABASE = "headcount.db";

export interface Opening {
  /** Goes on without what is damaged, keeping a copy. */
  readonly repair: boolean;
  /** Writes the whole file anew, since what can be read may be only the system's memory of it. */
  readonly rewrite: boolean;
  /** The founding, where whoever opens again still knows it. */
  readonly founding?: Founding | undefined;
  /** Copies beyond this many are not made: a disk that goes bad again and again must not fill up with them. */
  readonly copiesMax: number;
}

export interface OpenedFile {
  readonly file: RecordFile;
  readonly index: RecordIndex;
  /** What a repair could not keep; undefined where nothing was damaged. */
  readonly loss: Loss | undefined;
}

/** @throws {DamagedStoreError} where something is damaged and `repair` is false; then nothing was changed */
export function openRecordFile(folder: string, opening: Opening): OpenedFile {
  const path = join(folder, DATABASE);
  finishSwap(folder);
  if (!existsSync(path) && !existsSync(`${path}-wal`)) replace(folder, NOTHING);
  const first = look(path);
  if (first.findings.length === 0 && opening.rewrite) replace(folder, readContent(path, first.index));
  if (first.findings.length === 0)
    return { file: new RecordFile(path, first.index), index: first.index, loss: undefined };
  const { content, loss } = salvage(
    readIfThere(path),
    readWal(readIfThere(`${path}-wal`)).frames,
    first.findings,
    first.index.lastCommit,
    opening.founding,
  );
  if (!opening.repair) throw new DamagedStoreError(folder, loss);
  copyDamaged(folder, opening.copiesMax);
  replace(folder, content);
  const second = look(path);
  if (second.findings.length > 0) throw new DamagedStoreError(folder, { ...loss, findings: second.findings });
  return { file: new RecordFile(path, second.index), index: second.index, loss };
}

/** A fresh file, whatever lies there: of that a copy is kept. Whoever calls still holds everything in memory. */
export function openAnew(folder: string, content: Content, copiesMax: number): OpenedFile {
  const path = join(folder, DATABASE);
  if (existsSync(path) || existsSync(`${path}-wal`)) copyDamaged(folder, copiesMax);
  replace(folder, content);
  const { index } = look(path);
  return { file: new RecordFile(path, index), index, loss: undefined };
}

/** Changes nothing. A damaged write-ahead log keeps SQLite out: it would take it for an empty one, and remove it. */
function look(path: string): Inspection {
  const { damage } = readWal(readIfThere(`${path}-wal`));
  return damage === undefined ? inspect(path) : { findings: [damage], index: new RecordIndex() };
}

/** Puts a fresh file with this content in the store's place; a crash on the way leaves the old or the new one. */
function replace(folder: string, content: Content): void {
  const path = join(folder, DATABASE);
  build(`${path}.building`, content);
  renameSync(`${path}.building`, `${path}.built`);
  syncFolder(folder);
  finishSwap(folder);
}

function finishSwap(folder: string): void {
  const path = join(folder, DATABASE);
  for (const suffix of ["", "-wal", "-journal"]) rmSync(`${path}.building${suffix}`, { force: true });
  if (!existsSync(`${path}.built`)) return;
  // The old log first: SQLite would otherwise play it into the new file.
  rmSync(`${path}-wal`, { force: true });
  syncFolder(folder);
  renameSync(`${path}.built`, path);
  syncFolder(folder);
}

function build(path: string, { founding, records, snapshots, log }: Content): void {
  const database = new DatabaseSync(path);
  try {
    database.exec(`PRAGMA synchronous = FULL; PRAGMA journal_mode = MEMORY; ${CREATE_TABLES} BEGIN`);
    if (founding !== undefined) database.prepare(insertInto("meta")).run(...META.write(founding));
    const record = database.prepare(insertInto("records"));
    for (const row of records) record.run(...RECORDS.write(row));
    const snapshot = database.prepare(insertInto("snapshots"));
    for (const row of snapshots) snapshot.run(...SNAPSHOTS.write(row));
    const commit = database.prepare(insertInto("log"));
    for (const row of log) commit.run(...LOG.write(row));
    database.exec("COMMIT; PRAGMA journal_mode = WAL");
  } finally {
    database.close();
  }
}

function copyDamaged(folder: string, copiesMax: number): void {
  const path = join(folder, DATABASE);
  const numbers = readdirSync(folder).flatMap(
    (name) => /^headcount\.db\.damaged-(\d+)$/.exec(name)?.slice(1).map(Number) ?? [],
  );
  if (numbers.length >= copiesMax) return;
  const copy = `${path}.damaged-${Math.max(0, ...numbers) + 1}`;
  for (const suffix of ["", "-wal"]) {
    if (existsSync(path + suffix)) copyFileSync(path + suffix, copy + suffix);
  }
  syncFolder(folder);
}

function readIfThere(path: string): Uint8Array {
  return existsSync(path) ? readFileSync(path) : new Uint8Array(0);
}

/** Makes renames and removals durable. Windows knows no such thing for folders. */
function syncFolder(folder: string): void {
  if (process.platform === "win32") return;
  const file = openSync(folder, "r");
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
