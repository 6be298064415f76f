/**
 * One process a folder, from before its files are looked at until the thread ends.
 *
 * The lock is SQLite's own, on an empty file beside the store's: the system drops it with the process, so nothing stale
 * is left after a crash, and the store's file can be closed, looked at and replaced while nobody else comes in between.
 */
import { DatabaseSync } from "node:sqlite";
import { join } from "node:path";
import { FolderInUseError } from "./damage.ts";
import { primaryCodeOf } from "./sqlite-errors.ts";

export const LOCK_FILE = "headcount.lock";
const SQLITE_BUSY = 5;

export interface FolderLock {
  release(): void;
}

export function lockFolder(folder: string): FolderLock {
  const database = new DatabaseSync(join(folder, LOCK_FILE), { timeout: 0 });
  try {
    database.exec("PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE");
  } catch (error) {
    database.close();
    throw primaryCodeOf(error) === SQLITE_BUSY ? new FolderInUseError(folder) : error;
  }
  return { release: () => database.close() };
}
