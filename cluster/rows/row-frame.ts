/**
 * What batches of rows, their answers and their fates have in common as bytes. Little-endian, a multiple of 4 bytes long.
 *
 *   0  u8   version, 4                  16  f64  number of the batch, or of the message of fates
 *   1  u8   kind: 1 batch, 2 answers,   24  names, u8 length and ASCII letters each,
 *           3 fates                         zeros up to a multiple of 4
 *   2  u16  names                           words, see row-codec.ts and answer-codec.ts
 *   4  u32  rows
 *   8  u32  words                     end - 4  u32  CRC-32 of all before
 *  12  u32  bytes in all
 */
import { checksum } from "../../engine/checksum.ts";
import { require } from "../../engine/codec.ts";
import type { Names } from "../ports/names.ts";

const VERSION = 4;
const HEAD_BYTES = 24;
/** Rows of a batch at the most: with a name each, 64 letters long, and all the entitlements there is room for, 1.1 MiB. */
export const BATCH_ROWS_MAX = 8192;

export const FRAME = { batch: 1, answers: 2, fates: 3 } as const;
export type FrameKind = keyof typeof FRAME;

/** A frame in the making: `words` is part of `bytes`. */
export interface OpenFrame {
  readonly bytes: Uint8Array;
  readonly words: Int32Array;
}

export interface Frame {
  readonly number: number;
  readonly rows: number;
  readonly names: readonly string[];
  readonly words: Int32Array;
  /** Where the words begin in the message. */
  readonly wordsAt: number;
}

/** A frame with all but its words, to be filled in, and its checksum. */
export function openFrame(kind: FrameKind, number: number, names: Names, rows: number, words: number): OpenFrame {
  const namesBytes = names.list.reduce((bytes, name) => bytes + 1 + name.length, 3) & ~3;
  const length = HEAD_BYTES + namesBytes + words * 4 + 4;
  const bytes = new Uint8Array(length);
  const head = new DataView(bytes.buffer);
  bytes[0] = VERSION;
  bytes[1] = FRAME[kind];
  head.setUint16(2, names.list.length, true);
  head.setUint32(4, rows, true);
  head.setUint32(8, words, true);
  head.setUint32(12, length, true);
  head.setFloat64(16, number, true);
  writeNames(bytes, names);
  return { bytes, words: new Int32Array(bytes.buffer, HEAD_BYTES + namesBytes, words) };
}

function writeNames(bytes: Uint8Array, { list }: Names): void {
  let at = HEAD_BYTES;
  for (const name of list) {
    bytes[at++] = name.length;
    for (let index = 0; index < name.length; index++) bytes[at++] = name.charCodeAt(index);
  }
}

/** Whether a message looks like one of this kind; `readFrame` then says whether it is sound. */
export function isFrameOf(kind: FrameKind, bytes: Uint8Array): boolean {
  return bytes[1] === FRAME[kind];
}

export function closeFrame({ bytes }: OpenFrame): Uint8Array {
  new DataView(bytes.buffer).setUint32(bytes.length - 4, checksum(bytes), true);
  return bytes;
}

/** @throws {MalformedMessageError} if it is anything but a whole, sound frame of this kind */
export function readFrame(kind: FrameKind, bytes: Uint8Array): Frame {
  require(bytes.length >= HEAD_BYTES + 4, bytes.length, `at least ${HEAD_BYTES + 4} bytes`);
  const head = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  require(bytes[0] === VERSION, 0, `version ${VERSION}, not ${bytes[0]}`);
  require(bytes[1] === FRAME[kind], 1, `kind ${FRAME[kind]} (${kind}), not ${bytes[1]}`);
  require(head.getUint32(12, true) === bytes.length, 12, `${head.getUint32(12, true)} bytes, not ${bytes.length}`);
  const end = bytes.length - 4;
  require(head.getUint32(end, true) === checksum(bytes), end, "the checksum fits");
  const [nameCount, rows, wordCount] = [head.getUint16(2, true), head.getUint32(4, true), head.getUint32(8, true)];
  require(rows >= 1 && rows <= BATCH_ROWS_MAX, 4, `1 to ${BATCH_ROWS_MAX} rows`);
  const number = head.getFloat64(16, true);
  require(Number.isSafeInteger(number) && number > 0, 16, "a whole number above 0");
  const { names, wordsAt } = readNames(bytes, nameCount, end);
  require(wordsAt + wordCount * 4 === end, 8, `${wordCount} words end where the checksum begins`);
  const words = new Int32Array(wordCount);
  new Uint8Array(words.buffer).set(bytes.subarray(wordsAt, end));
  return { number, rows, names, words, wordsAt };
}

function readNames(bytes: Uint8Array, count: number, end: number): { names: string[]; wordsAt: number } {
  const names: string[] = [];
  let at = HEAD_BYTES;
  for (let index = 0; index < count; index++) {
    const nameEnd = at + 1 + (bytes[at] as number);
    require(nameEnd <= end, at, "a name ends before the checksum");
    names.push(String.fromCharCode(...bytes.subarray(at + 1, nameEnd)));
    at = nameEnd;
  }
  const wordsAt = (at + 3) & ~3;
  require(wordsAt <= end && bytes.subarray(at, wordsAt).every((byte) => byte === 0), at, "names are padded with zeros");
  return { names, wordsAt };
}
