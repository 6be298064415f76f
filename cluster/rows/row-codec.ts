/**
 * A batch of rows as bytes: the words of a frame (row-frame.ts), 8 a row.
 *
 *   id, 4 words
 *   hash
 *   u16 region's letters, u16 name of the mode (0xffffffff: neither)
 *   u32 seq
 *   u8  operation | 64 one of many that came together | 128 with a seq, u24 time left, ms (0: nobody waits for it any more)
 *
 * The names are the modes. Everything is checked before a row is handed out. A region is its code's letters here: its
 * number never leaves the process.
 */
import { require } from "../../engine/codec.ts";
import { isModeName } from "../../engine/modes.ts";
import { NO_SEQ } from "../../engine/partition.ts";
import { REGION_BY_LETTERS, REGION_LETTERS } from "../../engine/regions.ts";
import { BATCH_ROWS_MAX, closeFrame, type Frame, openFrame, readFrame } from "./row-frame.ts";
import { Names } from "../ports/names.ts";
import type { Operation, Row } from "../ports/rows.ts";

export interface Batch {
  readonly number: number;
  readonly rows: readonly Row[];
}

const OPERATIONS: readonly Operation[] = ["report", "renew", "remove", "find"];
const OPERATION_NUMBERS = { report: 0, renew: 1, remove: 2, find: 3 } as const satisfies Record<Operation, number>;
const IS_BULK = 64;
const WITH_SEQ = 128;
const ROW_WORDS = 8;
const [HASH, PLACE, SEQ, REST] = [4, 5, 6, 7];
const NOWHERE = -1;
const LEFT_MS_MAX = 2 ** 24 - 1;

/** Numbers of the modes of the batch that is being encoded. */
const modeNumbers = new Uint16Array(BATCH_ROWS_MAX);

/** Encodes the rows of a batch with the time that each has left at `nowMs`. BATCH_ROWS_MAX of them at the most. */
export function encodeBatch(number: number, rows: readonly Row[], nowMs: number): Uint8Array {
  const names = new Names();
  for (const [index, row] of rows.entries())
    if (row.operation === "report") modeNumbers[index] = names.numberOf(row.mode);
  const frame = openFrame("batch", number, names, rows.length, rows.length * ROW_WORDS);
  for (let index = 0; index < rows.length; index++)
    writeRow(frame.words, index * ROW_WORDS, rows[index] as Row, modeNumbers[index] as number, nowMs);
  return closeFrame(frame);
}

function writeRow(words: Int32Array, base: number, row: Row, mode: number, nowMs: number): void {
  words[base] = row.id0;
  words[base + 1] = row.id1;
  words[base + 2] = row.id2;
  words[base + 3] = row.id3;
  words[base + HASH] = row.hash;
  words[base + PLACE] = row.operation === "report" ? (REGION_LETTERS[row.region] as number) | (mode << 16) : NOWHERE;
  const hasSeq = row.seq !== NO_SEQ;
  words[base + SEQ] = hasSeq ? row.seq : 0;
  const leftMs = Math.max(0, Math.min(LEFT_MS_MAX, Math.floor(row.untilMs - nowMs)));
  words[base + REST] =
    OPERATION_NUMBERS[row.operation] | (row.isBulk ? IS_BULK : 0) | (hasSeq ? WITH_SEQ : 0) | (leftMs << 8);
}

/**
 * @param partitions of the cluster, a power of two
 * @param sentAtMs by this node's clock: rows' time left counts from then
 * @throws {MalformedMessageError} if it is anything but a whole, sound batch
 */
export function decodeBatch(bytes: Uint8Array, partitions: number, sentAtMs: number): Batch {
  const frame = readFrame("batch", bytes);
  require(frame.words.length === frame.rows * ROW_WORDS, 8, `${ROW_WORDS} words a row`);
  require(frame.names.every(isModeName), 24, "names are names of modes");
  const shift = 32 - Math.log2(partitions);
  const rows: Row[] = [];
  for (let base = 0; base < frame.words.length; base += ROW_WORDS) rows.push(readRow(frame, base, shift, sentAtMs));
  return { number: frame.number, rows };
}

function readRow({ words, names, wordsAt }: Frame, base: number, shift: number, sentAtMs: number): Row {
  const offset = wordsAt + base * 4;
  const [id0, id1, id2, id3] = [
    words[base] as number,
    words[base + 1] as number,
    words[base + 2] as number,
    words[base + 3] as number,
  ];
  require((id0 | id1 | id2 | id3) !== 0, offset, "a profile id that is not nil");
  const [hash, place, rest] = [
    words[base + HASH] as number,
    words[base + PLACE] as number,
    words[base + REST] as number,
  ];
  const operation = OPERATIONS[rest & 63];
  require(operation !== undefined, offset + REST * 4, "a known operation");
  const isReport = operation === "report";
  const region = isReport ? (REGION_BY_LETTERS[place & 0xffff] as number) : 0;
  require(isReport ? region >= 0 : place === NOWHERE, offset +
    PLACE * 4, "a region's letters in reports, and only there");
  const mode = isReport ? names[place >>> 16] : "";
  require(mode !== undefined, offset + PLACE * 4, "a mode that the message names");
  const hasSeq = (rest & WITH_SEQ) !== 0;
  require(hasSeq || words[base + SEQ] === 0, offset + SEQ * 4, "no seq where none is said");
  const seq = hasSeq ? (words[base + SEQ] as number) >>> 0 : NO_SEQ;
  const untilMs = sentAtMs + (rest >>> 8);
  const isBulk = (rest & IS_BULK) !== 0;
  return { operation, hash, partition: hash >>> shift, id0, id1, id2, id3, region, mode, seq, untilMs, isBulk };
}
