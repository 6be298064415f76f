/**
 * The store's thread: it owns the file, sleeps until called, and answers in turn, appends first.
 *
 * An error closes the file; the next call opens it again, looks it through and goes on. Between two tries lies a pause
 * that doubles up to a second, in which calls are refused at once. Some times a second the thread looks whether its files still
 * lie in the folder; where they do not, that is told, and is such an error.
 */
import { dirname, join } from "node:path";
import { existsSync, mkdirSync } from "node:fs";
import { receiveMessageOnPort, workerData } from "node:worker_threads";
import type { Founding, SnapshotAnswer } from "../../cluster/ports/record-store.ts";
import { DamagedStoreError, FolderInUseError } from "./damage.ts";
import { LOCK_FILE, lockFolder, type FolderLock } from "./folder-lock.ts";
import { wordsOf } from "./log-row.ts";
import { NotedFiles } from "./noted-files.ts";
import { DATABASE, openAnew, openRecordFile, type OpenedFile } from "./open-record-file.ts";
import { reasonOf } from "../reason.ts";
import type { ClaimsRead, RecordFile } from "./record-file.ts";
import type { RecordIndex } from "./record-index.ts";
import {
  ALL_LANDED,
  ANSWERED,
  ASKED,
  BYTES_ON_DISK,
  CALLS,
  COMMITS,
  FAILED,
  LAST_COMMIT_MS,
  MIXED,
  OUTCOME,
  ROW_BYTES,
  SLOT,
  sharedCallsOf,
} from "./shared-calls.ts";
import { isInputOutput } from "./sqlite-errors.ts";
import type { Call, FromThread, Request, SnapshotRequest, ThreadData } from "./store-worker.ts";

const PAUSE_MS_MIN = 20;
const PAUSE_MS_MAX = 1000;
const REOPEN_COPIES_MAX = 3;
/** How often the thread looks whether its files still lie in the folder. */
const LOOK_EVERY_MS = 250;

const data = workerData as ThreadData;
const { folder, repair, port, isReopening } = data;
const [lockPath, filePath] = [join(folder, LOCK_FILE), join(folder, DATABASE)];
const walPath = `${filePath}-wal`;
const { words, figures, answers } = sharedCallsOf(data.calls);
let slot = wordsOf(data.slot);
let slotNumber = 0;

let lock: FolderLock | undefined;
let file: RecordFile | undefined;
let founding: Founding | undefined = data.founding;
let index: RecordIndex | undefined;
let pauseMs = 0;
let reopensAtMs = 0;
/** After a failed write or sync what the system shows need not be what the disk has: the file is then written anew. */
let mustRewrite = isReopening;
const noted = new NotedFiles();
let looksAtMs = 0;
/** What lies in the folder is not what was open, and was not written anew yet. */
let isDisplaced = false;

const answer = (message: FromThread, transfer: ArrayBuffer[] = []): void => port.postMessage(message, transfer);

function start(): boolean {
  try {
    takeLock();
    const { loss } = openFile(repair || isReopening);
    if (isReopening && loss !== undefined) index?.breakAll();
    answer({ kind: "opened", loss });
    return true;
  } catch (error) {
    if (error instanceof DamagedStoreError) answer({ kind: "damaged", loss: error.loss });
    else if (error instanceof FolderInUseError) answer({ kind: "in use" });
    else answer({ kind: "not opened", reason: reasonOf(error) });
    lock?.release();
    return false;
  }
}

/** With those above it. Not `recursive`: below /proc that tries for ever, since what is there can neither be made nor is a file. */
function makeFolder(path: string): void {
  if (existsSync(path)) return;
  makeFolder(dirname(path));
  mkdirSync(path);
}

function takeLock(): void {
  makeFolder(folder);
  lock = lockFolder(folder);
  noted.note(lockPath);
}

function openFile(mayRepair: boolean): OpenedFile {
  const copiesMax = isReopening || index !== undefined ? REOPEN_COPIES_MAX : Number.POSITIVE_INFINITY;
  return serveFrom(openRecordFile(folder, { repair: mayRepair, rewrite: mustRewrite, founding, copiesMax }));
}

function serveFrom(found: OpenedFile): OpenedFile {
  mustRewrite = false;
  file = found.file;
  index = found.index;
  founding = index.founding ?? founding;
  figures[BYTES_ON_DISK] = file.bytesOnDisk;
  noted.note(filePath);
  noted.note(walPath);
  return found;
}

/** What is written to files that lie in the folder no more is lost with the process, and no call fails. */
function look(): void {
  const nowMs = performance.now();
  if (file === undefined || nowMs < looksAtMs) return;
  looksAtMs = nowMs + LOOK_EVERY_MS;
  const changed = noted.firstChanged();
  if (changed === undefined) return;
  noteDisplaced(changed);
  closeAfter(undefined);
}

function noteDisplaced(changed: string): void {
  if (isDisplaced) return;
  isDisplaced = true;
  answer({ kind: "displaced", reason: `${changed} was removed or replaced while it was open` });
}

/** Where the file itself is still ours it is written anew with what it has; else a fresh one takes its place. */
function reopen(): OpenedFile {
  if (!noted.isSame(filePath)) noteDisplaced(filePath);
  if (lock === undefined || !noted.isSame(lockPath)) {
    lock?.release();
    lock = undefined;
    takeLock();
  }
  if (index === undefined || (noted.isSame(filePath) && !noted.isAnothers(walPath))) {
    mustRewrite ||= isDisplaced;
    return openFile(true);
  }
  return serveFrom(openAnew(folder, index.claims(), REOPEN_COPIES_MAX));
}

/** The file, opened again where an error had closed it. Whoever calls still holds everything in memory: damage is left behind. */
function opened(): RecordFile {
  if (file !== undefined) return file;
  const nowMs = performance.now();
  if (nowMs < reopensAtMs) throw new Error(`the store is opened again in ${Math.ceil(reopensAtMs - nowMs)} ms`);
  pauseMs = Math.min(PAUSE_MS_MAX, Math.max(PAUSE_MS_MIN, pauseMs * 2));
  reopensAtMs = nowMs + pauseMs;
  const wasBroken = index?.isAnyBroken ?? false;
  const { file: reopened, loss } = reopen();
  if (loss !== undefined || wasBroken || isDisplaced) index?.breakAll();
  isDisplaced = false;
  if (loss !== undefined) answer({ kind: "repaired", loss });
  return reopened;
}

function closeAfter(error: unknown): void {
  const failed = file;
  file = undefined;
  mustRewrite ||= isInputOutput(error);
  try {
    // SQLite removes whatever lies where its write-ahead log was.
    noted.keepAnothers(walPath, () => failed?.close(false));
  } catch {
    // It is opened again and looked through before the next call.
  }
}

function serveAppend(): boolean {
  const asked = Atomics.load(words, ASKED);
  // Where the row lies in a larger slot, that slot's message comes first.
  if (asked === words[ANSWERED] || words[SLOT] !== slotNumber) return false;
  const startMs = performance.now();
  let outcome: number;
  try {
    outcome = opened().append(slot, words[ROW_BYTES] as number, answers) ? ALL_LANDED : MIXED;
    pauseMs = 0;
    (figures[COMMITS] as number) += 1;
    figures[LAST_COMMIT_MS] = performance.now() - startMs;
  } catch (error) {
    closeAfter(error);
    answer({ kind: "append failed", reason: reasonOf(error) });
    outcome = FAILED;
  }
  words[OUTCOME] = outcome;
  Atomics.store(words, ANSWERED, asked);
  Atomics.notify(words, ANSWERED);
  return true;
}

/** @returns false where the store was closed */
function serve(call: Call): boolean {
  switch (call.kind) {
    case "slot":
      slot = wordsOf(call.slot);
      slotNumber += 1;
      return true;
    case "request":
      serveRequest(call.id, call.request);
      return true;
    case "close":
      close();
      return false;
  }
}

function serveRequest(id: number, request: Request): void {
  try {
    const value = act(opened(), request);
    pauseMs = 0;
    figures[BYTES_ON_DISK] = file?.bytesOnDisk ?? 0;
    answer({ kind: "done", id, value }, request.kind === "claim" ? buffersOf(value as ClaimsRead) : []);
  } catch (error) {
    closeAfter(error);
    answer({ kind: "failed", id, reason: reasonOf(error) });
  }
}

function act(open: RecordFile, request: Request): unknown {
  switch (request.kind) {
    case "found":
      return (founding = open.found(request.proposal));
    case "highest term":
      return open.highestTerm();
    case "claim":
      return open.claim(request.partitions, request.claim);
    case "snapshot":
      return takeSnapshot(open, request);
  }
}

/** What came is freed at once: this thread allocates so little that its collector would leave it for long. */
function takeSnapshot(open: RecordFile, { partition, claim, snapshot }: SnapshotRequest): SnapshotAnswer {
  try {
    return open.snapshot(partition, claim, snapshot);
  } finally {
    (snapshot.bytes.buffer as ArrayBuffer).transfer(0);
  }
}

/** Tens of megabytes for a node that starts: handed over, not copied. */
function buffersOf(claims: ClaimsRead): ArrayBuffer[] {
  const buffers = claims.answers.flatMap((read) =>
    read.kind === "refused" ? [] : [read.log.bytes.buffer, ...(read.snapshot ? [read.snapshot.buffer] : [])],
  );
  return [claims.heads.bytes.buffer, ...buffers];
}

function close(): void {
  try {
    noted.keepAnothers(walPath, () => file?.close(true));
  } catch {
    // What could not be moved out of the write-ahead log is read from there at the next open.
  }
  lock?.release();
  answer({ kind: "closed" });
}

function tidy(): boolean {
  try {
    return file?.tidy() ?? false;
  } catch (error) {
    closeAfter(error);
    return false;
  }
}

function run(): void {
  for (;;) {
    look();
    const seen = Atomics.load(words, CALLS);
    let isIdle = !serveAppend();
    const received = receiveMessageOnPort(port);
    if (received !== undefined) {
      isIdle = false;
      if (!serve(received.message as Call)) return;
    }
    if (isIdle && !tidy()) Atomics.wait(words, CALLS, seen, LOOK_EVERY_MS);
  }
}

if (start()) run();
// The last answers are still on their way: the thread lives until the main thread has them and closes the port.
port.on("message", () => {});
