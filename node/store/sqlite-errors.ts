/**
 * What SQLite throws, told apart: a damaged file, or a machine that does not let us.
 */
const SQLITE_ERROR = 1; // "no such table" and the like: the schema is not ours any more
const SQLITE_IOERR = 10;
const SQLITE_CORRUPT = 11;
const SQLITE_NOTADB = 26;

/** SQLite's result code without its details; undefined where the error is not SQLite's. */
export function primaryCodeOf(error: unknown): number | undefined {
  const code = (error as { errcode?: unknown } | undefined)?.errcode;
  return typeof code === "number" ? code & 0xff : undefined;
}

export function isDamage(error: unknown): boolean {
  const code = primaryCodeOf(error);
  return code === SQLITE_ERROR || code === SQLITE_CORRUPT || code === SQLITE_NOTADB;
}

/** True where a read, write or sync failed, other than for want of room. */
export function isInputOutput(error: unknown): boolean {
  return primaryCodeOf(error) === SQLITE_IOERR;
}
