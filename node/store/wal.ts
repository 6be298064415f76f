/**
 * SQLite's write-ahead log, read frame by frame before SQLite sees it.
 *
 * SQLite stops silently at the first frame whose checksum does not fit. For the end of a log that was cut by a crash
 * that is right. But a frame that went bad in the middle takes every commit after it along, acknowledged ones too, so
 * we look for commits behind a bad frame. Each frame's checksum continues the one stored in the frame before, so the
 * frames behind a bad one can still be told.
 *
 *   header   32 bytes, big-endian words   magic | format | page size | checkpoint | salt 1 | salt 2 | checksum 1 | 2
 *   frame    24 bytes and a page          page | pages of the file (commit) or 0 | salt 1 | salt 2 | checksum 1 | 2
 *
 * Source: https://www.sqlite.org/fileformat2.html#the_write_ahead_log
 */
import { closeSync, fsyncSync, ftruncateSync, openSync, writeSync } from "node:fs";
import { PAGE_BYTES } from "./schema.ts";

export const FRAME_HEADER_BYTES = 24;
const HEADER_BYTES = 32;
const FRAME_BYTES = FRAME_HEADER_BYTES + PAGE_BYTES;
const MAGIC_LITTLE = 0x377f0682; // checksums over little-endian words
const MAGIC_BIG = 0x377f0683;

export interface WalFrame {
  readonly page: number;
  /** True for the last frame of a transaction. */
  readonly isCommit: boolean;
  /** True where the checksum continues the frame before. */
  readonly isValid: boolean;
  readonly content: Uint8Array;
}

export interface Wal {
  /** Frames of the newest generation, in order, bad ones among them; older generations were checkpointed. */
  readonly frames: readonly WalFrame[];
  /** What is damaged in the middle; undefined where at most the last transaction is torn. */
  readonly damage: string | undefined;
}

export function readWal(bytes: Uint8Array): Wal {
  if (bytes.length < HEADER_BYTES + FRAME_BYTES) return { frames: [], damage: undefined };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const magic = view.getUint32(0);
  const isLittle = magic !== MAGIC_BIG;
  const header = checksum(view, 0, 24, isLittle, [0, 0]);
  const isHeaderValid =
    (magic === MAGIC_LITTLE || magic === MAGIC_BIG) &&
    header[0] === view.getUint32(24) &&
    header[1] === view.getUint32(28);
  if (!isHeaderValid) return readHeadless(view, bytes);
  const frames = readFrames(view, bytes, header, [view.getUint32(16), view.getUint32(20)], isLittle);
  return { frames, damage: damageOf(frames) };
}

/**
 * A bad header can lie about all that it says: the generation, which the first frame names too; the order of bytes in the
 * checksums; and the checksum that the first frame continues, which can also be computed. The reading that counts is the one
 * with the most commits. The header is synced before any frame of its generation is written, so a commit behind a bad one
 * was acknowledged, and SQLite would not see it.
 */
function readHeadless(view: DataView, bytes: Uint8Array): Wal {
  const salts: Pair = [view.getUint32(HEADER_BYTES + 8), view.getUint32(HEADER_BYTES + 12)];
  const stored: Pair = [view.getUint32(24), view.getUint32(28)];
  const [frames] = [true, false]
    .flatMap((isLittle) =>
      [stored, checksum(view, 0, 24, isLittle, [0, 0])].map((before) =>
        readFrames(view, bytes, before, salts, isLittle),
      ),
    )
    .toSorted((one, other) => commitsOf(other) - commitsOf(one)) as [WalFrame[]];
  const commits = commitsOf(frames);
  const damage =
    commits === 0
      ? undefined
      : `the header of headcount.db-wal fails its checksum, and ${commits} commits stand behind it`;
  return { frames, damage };
}

function commitsOf(frames: readonly WalFrame[]): number {
  return frames.filter((frame) => frame.isValid && frame.isCommit).length;
}

type Pair = readonly [number, number];

function readFrames(view: DataView, bytes: Uint8Array, header: Pair, salts: Pair, isLittle: boolean): WalFrame[] {
  const frames: WalFrame[] = [];
  let previous: readonly Pair[] = [header];
  let last = -1;
  for (let at = HEADER_BYTES; at + FRAME_BYTES <= bytes.length; at += FRAME_BYTES) {
    // A file grown ahead of use is zeros, which sum up to zeros; no page has the number 0.
    const hasSalts =
      view.getUint32(at) > 0 && view.getUint32(at + 8) === salts[0] && view.getUint32(at + 12) === salts[1];
    const stored: Pair = [view.getUint32(at + 16), view.getUint32(at + 20)];
    const computed = hasSalts ? previous.map((before) => checksumOfFrame(view, at, isLittle, before)) : [];
    const isValid = computed.some(([one, two]) => one === stored[0] && two === stored[1]);
    if (hasSalts) last = frames.length;
    frames.push({
      page: view.getUint32(at),
      isCommit: view.getUint32(at + 4) !== 0,
      isValid,
      content: bytes.subarray(at + FRAME_HEADER_BYTES, at + FRAME_BYTES),
    });
    // Where it is the checksum itself that went bad, the next frame continues the one that should stand here.
    previous = isValid ? [stored] : [stored, ...computed.slice(0, 1)];
  }
  return frames.slice(0, last + 1);
}

/**
 * A commit frame is written, with all of its transaction, only when the transaction before it was synced. So a bad frame
 * is in the middle where commits of two transactions stand behind it; or one, and the bad frame closed a transaction
 * itself, or pages repeat on the way to that commit, as they never do within one transaction.
 */
function damageOf(frames: readonly WalFrame[]): string | undefined {
  const bad = frames.findIndex((frame) => !frame.isValid);
  if (bad === -1) return undefined;
  const commits = frames.flatMap((frame, index) => (index > bad && frame.isValid && frame.isCommit ? [index] : []));
  if (commits.length === 0) return undefined;
  const start = frames.findLastIndex((frame, index) => index < bad && frame.isCommit) + 1;
  const pages = frames
    .slice(start, (commits[0] as number) + 1)
    .filter((frame) => frame.isValid)
    .map((frame) => frame.page);
  const isInTheMiddle = commits.length > 1 || (frames[bad] as WalFrame).isCommit || new Set(pages).size < pages.length;
  if (!isInTheMiddle) return undefined;
  return `frame ${bad + 1} of headcount.db-wal fails its checksum, and later commits stand behind it (${commits.length})`;
}

function checksumOfFrame(view: DataView, at: number, isLittle: boolean, before: Pair): Pair {
  const ofHeader = checksum(view, at, 8, isLittle, before);
  return checksum(view, at + FRAME_HEADER_BYTES, PAGE_BYTES, isLittle, ofHeader);
}

function checksum(view: DataView, start: number, bytes: number, isLittle: boolean, [first, second]: Pair): Pair {
  let one = first;
  let two = second;
  for (let at = start; at < start + bytes; at += 8) {
    one = (one + view.getUint32(at, isLittle) + two) >>> 0;
    two = (two + view.getUint32(at + 4, isLittle) + one) >>> 0;
  }
  return [one, two];
}

/** Fills the write-ahead log with zeros ahead of use: syncing it then changes no file size. A full disk goes without. */
export function growWal(path: string, bytes: number): void {
  const file = openSync(path, "a+");
  try {
    const zeros = new Uint8Array(bytes + bytes / 4);
    for (let at = 0; at < zeros.length;) at += writeSync(file, zeros, at);
    fsyncSync(file);
  } catch {
    ftruncateSync(file, 0);
  } finally {
    closeSync(file);
  }
}
