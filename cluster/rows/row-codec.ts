/**
 * A batch of rows as bytes: the words of a frame (row-frame.ts), 3 of all rows, 8 a row, and what rows are entitled to.
 *
 *   2 u32 version of the rules that the entry knew (R29), the lower half first
 *   u32   sets of entitlements
 *
 *   id, 4 words
 *   hash
 *   u16 region, u16 name of the mode (0xffffffff: neither)
 *   u32 seq
 *       of what names a stamp (R30), in place of the last two: u32 term, u32 count
 *   u8  operation | 16 with entitlements | 32 told again (R12) | 64 one of many that came together | 128 with a seq,
 *   u24 time left, ms (0: nobody waits for it any more)
 *
 *   entitlements, see entitlement-sets.ts
 *
 * The names are the modes and the entitlements. Everything is checked before a row is handed out. A region is its
 * number, which peers have in common (PLACES_VERSION).
 */
import { require } from "../../engine/codec.ts";
import { isEntitlement, NO_ENTITLEMENTS } from "../../engine/entitlement.ts";
import { isModeName } from "../../engine/modes.ts";
import { NO_SEQ } from "../../engine/partition.ts";
import { REGION_COUNT } from "../../engine/places.ts";
import { EntitlementSets, readSets } from "./entitlement-sets.ts";
import { BATCH_ROWS_MAX, closeFrame, type Frame, openFrame, readFrame } from "./row-frame.ts";
import { Names } from "../ports/names.ts";
import type { Operation, Row } from "../ports/rows.ts";

export interface Batch {
  readonly number: number;
  readonly rows: readonly Row[];
}

const OPERATIONS: readonly Operation[] = ["report", "renew", "remove", "find", "renew", "end", "report", "renew"];
const OPERATION_NUMBERS = { report: 0, renew: 1, remove: 2, find: 3, end: 5 } as const satisfies Record<
  Operation,
  number
>;
/** A heartbeat that asks where the player stands. */
const RENEW_AND_PLACE = 4;
/** R30: a report over a connection, and a renewal by one. An end always is. */
const [PLAY, STAMPED_RENEW] = [6, 7];
const OPERATION_MASK = 15;
const WITH_ENTITLEMENTS = 16;
const IS_RETOLD = 32;
const IS_BULK = 64;
const WITH_SEQ = 128;
const HEAD_WORDS = 3;
const ROW_WORDS = 8;
const [HASH, PLACE, SEQ, REST] = [4, 5, 6, 7];
const NOWHERE = -1;
const LEFT_MS_MAX = 2 ** 24 - 1;

/** Numbers of the modes of the batch that is being encoded. */
const modeNumbers = new Uint16Array(BATCH_ROWS_MAX);

/** Encodes the rows of a batch with the time that each has left at `nowMs`. BATCH_ROWS_MAX of them at the most. */
export function encodeBatch(number: number, rows: readonly Row[], nowMs: number): Uint8Array {
  const names = new Names();
  const sets = new EntitlementSets(names);
  let rulesVersion = 0;
  for (let index = 0; index < rows.length; index++) {
    const row = rows[index] as Row;
    if (row.operation === "report") modeNumbers[index] = names.numberOf(row.mode);
    if (row.entitlements.length > 0) sets.add(row.entitlements);
    rulesVersion = Math.max(rulesVersion, row.rulesVersion);
  }
  const entitled = sets.count === 0 ? [] : sets.words();
  const rowsEnd = HEAD_WORDS + rows.length * ROW_WORDS;
  const frame = openFrame("batch", number, names, rows.length, rowsEnd + entitled.length);
  frame.words.set([rulesVersion | 0, Math.floor(rulesVersion / 2 ** 32), sets.count]);
  for (let index = 0; index < rows.length; index++)
    writeRow(frame.words, HEAD_WORDS + index * ROW_WORDS, rows[index] as Row, modeNumbers[index] as number, nowMs);
  frame.words.set(entitled, rowsEnd);
  return closeFrame(frame);
}

function writeRow(words: Int32Array, base: number, row: Row, mode: number, nowMs: number): void {
  words[base] = row.id0;
  words[base + 1] = row.id1;
  words[base + 2] = row.id2;
  words[base + 3] = row.id3;
  words[base + HASH] = row.hash;
  words[base + PLACE] = row.operation === "report" ? row.region | (mode << 16) : NOWHERE;
  const hasSeq = row.seq !== NO_SEQ;
  words[base + SEQ] = hasSeq ? row.seq : 0;
  if (row.stamp !== undefined) {
    words[base + PLACE] = row.stamp.term;
    words[base + SEQ] = row.stamp.count;
  }
  const leftMs = Math.max(0, Math.min(LEFT_MS_MAX, Math.floor(row.untilMs - nowMs)));
  const flags =
    (row.entitlements.length > 0 ? WITH_ENTITLEMENTS : 0) |
    (row.isRetold ? IS_RETOLD : 0) |
    (row.isBulk ? IS_BULK : 0) |
    (hasSeq ? WITH_SEQ : 0);
  words[base + REST] = operationNumberOf(row) | flags | (leftMs << 8);
}

function operationNumberOf({ operation, isPlay, isPlaceAsked, stamp }: Row): number {
  if (isPlay) return PLAY;
  if (isPlaceAsked) return RENEW_AND_PLACE;
  return operation === "renew" && stamp !== undefined ? STAMPED_RENEW : OPERATION_NUMBERS[operation];
}

/**
 * @param partitions of the cluster, a power of two
 * @param sentAtMs by this node's clock: rows' time left counts from then
 * @throws {MalformedMessageError} if it is anything but a whole, sound batch
 */
export function decodeBatch(bytes: Uint8Array, partitions: number, sentAtMs: number): Batch {
  const frame = readFrame("batch", bytes);
  const { words, names, wordsAt } = frame;
  const rowsEnd = HEAD_WORDS + frame.rows * ROW_WORDS;
  require(words.length >= rowsEnd, 8, `${ROW_WORDS} words a row, behind ${HEAD_WORDS}`);
  require(names.every(isEntitlement), 24, "names are those of modes and entitlements");
  const rulesVersion = ((words[0] as number) >>> 0) + ((words[1] as number) >>> 0) * 2 ** 32;
  require(Number.isSafeInteger(rulesVersion), wordsAt, "a whole number of the version");
  const shared = { frame, areModes: names.map(isModeName), shift: 32 - Math.log2(partitions), sentAtMs, rulesVersion };
  const setCount = words[2] as number;
  const entitledCount = setCount === 0 ? 0 : entitledRows(words, rowsEnd);
  const entitled = readSets(frame, rowsEnd, entitledCount, setCount)[Symbol.iterator]();
  const rows: Row[] = [];
  for (let base = HEAD_WORDS; base < rowsEnd; base += ROW_WORDS) rows.push(readRow(shared, base, entitled));
  return { number: frame.number, rows };
}

function entitledRows(words: Int32Array, rowsEnd: number): number {
  let count = 0;
  for (let base = HEAD_WORDS; base < rowsEnd; base += ROW_WORDS)
    if (((words[base + REST] as number) & WITH_ENTITLEMENTS) !== 0) count++;
  return count;
}

/** What all rows of a message have in common. */
interface Shared {
  readonly frame: Frame;
  /** By the number of the name. */
  readonly areModes: readonly boolean[];
  readonly shift: number;
  readonly sentAtMs: number;
  readonly rulesVersion: number;
}

/** @param entitled what each row has that has any entitlements, in their order */
function readRow(shared: Shared, base: number, entitled: Iterator<readonly string[], undefined>): Row {
  const { shift, sentAtMs, rulesVersion } = shared;
  const { words, names, wordsAt } = shared.frame;
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
  const number = rest & OPERATION_MASK;
  const operation = OPERATIONS[number];
  require(operation !== undefined, offset + REST * 4, "a known operation");
  const isReport = operation === "report";
  const isStamped = number === OPERATION_NUMBERS.end || number === STAMPED_RENEW;
  const region = isReport ? place & 0xffff : 0;
  require(isReport ? region < REGION_COUNT : isStamped || place === NOWHERE, offset +
    PLACE * 4, "a region in reports, and only there");
  const mode = isReport ? names[place >>> 16] : "";
  const isMode = !isReport || shared.areModes[place >>> 16] === true;
  require(mode !== undefined && isMode, offset + PLACE * 4, "a mode that the message names");
  const hasSeq = (rest & WITH_SEQ) !== 0;
  require(isStamped ? !hasSeq : hasSeq || words[base + SEQ] === 0, offset + SEQ * 4, "no seq where none is said");
  const seq = hasSeq ? (words[base + SEQ] as number) >>> 0 : NO_SEQ;
  const untilMs = sentAtMs + (rest >>> 8);
  const [isBulk, isRetold] = [(rest & IS_BULK) !== 0, (rest & IS_RETOLD) !== 0];
  require(isReport || (rest & (IS_RETOLD | WITH_ENTITLEMENTS)) === 0, offset + REST * 4, "what only reports have");
  const entitlements = (rest & WITH_ENTITLEMENTS) === 0 ? NO_ENTITLEMENTS : entitled.next().value;
  require(entitlements !== undefined, offset + REST * 4, "entitlements where some are said");
  return {
    operation,
    hash,
    partition: hash >>> shift,
    id0,
    id1,
    id2,
    id3,
    region,
    mode,
    seq,
    untilMs,
    isBulk,
    entitlements,
    isRetold,
    isPlay: number === PLAY,
    stamp: isStamped ? { term: place >>> 0, count: (words[base + SEQ] as number) >>> 0 } : undefined,
    isPlaceAsked: number === RENEW_AND_PLACE,
    rulesVersion,
  };
}
