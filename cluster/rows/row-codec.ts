/**
 * A batch of rows and its answers as bytes: the words of a frame (row-frame.ts).
 *
 *   batch, 8 words a row                      answers, a word a row, then two words a place
 *     id, 4 words                               u8  what became of it, see below
 *     hash                                      u8  1 remembered, 2 there is a place
 *     u16 region's letters, u16 name            u16 name of the holder, plus 1; 0 none
 *         of the mode (0xffffffff: none)        ----
 *     u32 seq                                   u16 region's letters, u16 name of the mode
 *     u8  operation | 128 with a seq                (0xffffffff: nowhere)
 *     u24 time left, ms                         u32 age, ms
 *
 * The names of a batch are its modes, those of answers modes and holders. Everything is checked before a row is handed
 * out. A region is its code's letters here: its number never leaves the process.
 */
import { isModeName } from "../../engine/modes.ts";
import { NO_SEQ } from "../../engine/partition.ts";
import { REGIONS } from "../../engine/regions.ts";
import { BATCH_ROWS_MAX, closeFrame, type Frame, Names, openFrame, readFrame, require } from "./row-frame.ts";
import type { Operation, Place, Row, RowOutcome } from "../ports/rows.ts";
import { isIncarnation } from "../ports/view.ts";

/** The owner dropped the row: nobody waits for it any more (R19). */
export interface Expired {
  readonly kind: "expired";
}
/** The batch came after a later one of the same sender, so nothing of it was applied. */
export interface OutOfTurn {
  readonly kind: "out of turn";
}
/** What the owner answers to a row. */
export type Answer = RowOutcome | Expired | OutOfTurn;

export const EXPIRED: Expired = { kind: "expired" };
export const OUT_OF_TURN: OutOfTurn = { kind: "out of turn" };

export interface Batch {
  readonly number: number;
  readonly rows: readonly Row[];
}

const OPERATIONS: readonly Operation[] = ["report", "renew", "remove", "find"];
const OPERATION_NUMBERS = { report: 0, renew: 1, remove: 2, find: 3 } as const satisfies Record<Operation, number>;
const WITH_SEQ = 128;
const ROW_WORDS = 8;
const [HASH, PLACE, SEQ, REST] = [4, 5, 6, 7];
const NOWHERE = -1;
const LEFT_MS_MAX = 2 ** 24 - 1;
const AGE_MS_MAX = 2 ** 32 - 1;

/** Both letters of each region's code, the first one lower. */
const LETTERS = Uint16Array.from(REGIONS, (code) => code.charCodeAt(0) | (code.charCodeAt(1) << 8));
/** Region number by its letters, -1 where there is none. */
const REGION_BY_LETTERS = new Int16Array(1 << 16).fill(-1);
for (const [region, letters] of LETTERS.entries()) REGION_BY_LETTERS[letters] = region;

/** What became of a row, as its number on the wire. */
const DONE = { moved: 0, renewed: 1, late: 2, removed: 3, found: 4, nowhere: 5 } as const;
const REFUSED = {
  overloaded: 16,
  "no room for the mode": 17,
  "no room for the player": 18,
  "no owner": 19,
  "mode not known": 20,
} as const;
const ELSEWHERE = { moved: 32, "held by": 33, loading: 34 } as const;
const EXPIRED_CODE = 48;
const OUT_OF_TURN_CODE = 49;

/** Answers by code, without place and holder; most rows share one of them. */
const ANSWERS: Answer[] = [];
const REMEMBERED: Answer[] = [];
for (const [effect, code] of entriesOf(DONE)) {
  ANSWERS[code] = { kind: "done", effect, isRemembered: false, place: undefined };
  REMEMBERED[code] = { kind: "done", effect, isRemembered: true, place: undefined };
}
for (const [reason, code] of entriesOf(REFUSED)) ANSWERS[code] = { kind: "refused", reason };
for (const [reason, code] of entriesOf(ELSEWHERE)) ANSWERS[code] = { kind: "elsewhere", reason, holder: undefined };
ANSWERS[EXPIRED_CODE] = EXPIRED;
ANSWERS[OUT_OF_TURN_CODE] = OUT_OF_TURN;

/** Numbers of the modes of the batch that is being encoded. */
const modeNumbers = new Uint16Array(BATCH_ROWS_MAX);

/** Encodes the rows of a batch with the time that each has left at `nowMs`. BATCH_ROWS_MAX of them at the most. */
export function encodeBatch(number: number, rows: readonly { readonly row: Row }[], nowMs: number): Uint8Array {
  const names = new Names();
  for (const [index, { row }] of rows.entries())
    if (row.operation === "report") modeNumbers[index] = names.numberOf(row.mode);
  const frame = openFrame("batch", number, names, rows.length, rows.length * ROW_WORDS);
  for (let index = 0; index < rows.length; index++)
    writeRow(frame.words, index * ROW_WORDS, rows[index].row, modeNumbers[index], nowMs);
  return closeFrame(frame);
}

function writeRow(words: Int32Array, base: number, row: Row, mode: number, nowMs: number): void {
  words[base] = row.id0;
  words[base + 1] = row.id1;
  words[base + 2] = row.id2;
  words[base + 3] = row.id3;
  words[base + HASH] = row.hash;
  words[base + PLACE] = row.operation === "report" ? LETTERS[row.region] | (mode << 16) : NOWHERE;
  const hasSeq = row.seq !== NO_SEQ;
  words[base + SEQ] = hasSeq ? row.seq : 0;
  const leftMs = Math.max(0, Math.min(LEFT_MS_MAX, Math.floor(row.untilMs - nowMs)));
  words[base + REST] = OPERATION_NUMBERS[row.operation] | (hasSeq ? WITH_SEQ : 0) | (leftMs << 8);
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
  const [id0, id1, id2, id3] = [words[base], words[base + 1], words[base + 2], words[base + 3]];
  require((id0 | id1 | id2 | id3) !== 0, offset, "a profile id that is not nil");
  const [hash, place, rest] = [words[base + HASH], words[base + PLACE], words[base + REST]];
  const operation = OPERATIONS[rest & 127];
  require(operation !== undefined, offset + REST * 4, "a known operation");
  const isReport = operation === "report";
  const region = isReport ? REGION_BY_LETTERS[place & 0xffff] : 0;
  require(isReport ? region >= 0 : place === NOWHERE, offset +
    PLACE * 4, "a region's letters in reports, and only there");
  const mode = isReport ? names[place >>> 16] : "";
  require(mode !== undefined, offset + PLACE * 4, "a mode that the message names");
  const hasSeq = (rest & WITH_SEQ) !== 0;
  require(hasSeq || words[base + SEQ] === 0, offset + SEQ * 4, "no seq where none is said");
  const seq = hasSeq ? words[base + SEQ] >>> 0 : NO_SEQ;
  const untilMs = sentAtMs + (rest >>> 8);
  return { operation, hash, partition: hash >>> shift, id0, id1, id2, id3, region, mode, seq, untilMs };
}

/** Encodes what became of the rows of a batch, in their order. */
export function encodeAnswers(number: number, answers: readonly Answer[]): Uint8Array {
  const names = new Names();
  const places: number[] = [];
  const heads = answers.map((answer) => headOf(answer, names, places));
  const frame = openFrame("answers", number, names, answers.length, answers.length + places.length);
  frame.words.set(heads);
  frame.words.set(places, answers.length);
  return closeFrame(frame);
}

const IS_REMEMBERED = 1 << 8;
const HAS_PLACE = 2 << 8;

/** An answer's word; its place, if any, is added to `places`. */
function headOf(answer: Answer, names: Names, places: number[]): number {
  switch (answer.kind) {
    case "done": {
      const head = DONE[answer.effect] | (answer.isRemembered ? IS_REMEMBERED : 0);
      if (answer.place === undefined) return head;
      writePlace(answer.place, names, places);
      return head | HAS_PLACE;
    }
    case "refused":
      return REFUSED[answer.reason];
    case "elsewhere":
      return ELSEWHERE[answer.reason] | (answer.holder === undefined ? 0 : (names.numberOf(answer.holder) + 1) << 16);
    case "expired":
      return EXPIRED_CODE;
    case "out of turn":
      return OUT_OF_TURN_CODE;
  }
}

function writePlace({ region, mode, ageMs }: Place, names: Names, places: number[]): void {
  places.push(region < 0 ? NOWHERE : LETTERS[region] | (names.numberOf(mode) << 16));
  places.push(Math.max(0, Math.min(AGE_MS_MAX, Math.ceil(ageMs))) | 0);
}

/**
 * @param number of the batch that was sent
 * @param count of its rows
 * @throws {MalformedMessageError} if it is anything but a whole, sound answer to this batch
 */
export function decodeAnswers(bytes: Uint8Array, number: number, count: number): Answer[] {
  const frame = readFrame("answers", bytes);
  require(frame.number === number, 16, `batch ${number}, not ${frame.number}`);
  require(frame.rows === count && frame.words.length >= count, 4, `answers to ${count} rows`);
  const answers: Answer[] = [];
  let placeAt = count;
  for (let index = 0; index < count; index++) {
    const head = frame.words[index];
    answers.push(readAnswer(frame, index, placeAt));
    if ((head & HAS_PLACE) !== 0) placeAt += 2;
  }
  require(placeAt === frame.words.length, 8, "as many places as are said");
  return answers;
}

function readAnswer(frame: Frame, index: number, placeAt: number): Answer {
  const head = frame.words[index];
  const offset = frame.wordsAt + index * 4;
  const answer = ((head & IS_REMEMBERED) === 0 ? ANSWERS : REMEMBERED)[head & 0xff];
  require(answer !== undefined, offset, "a known answer, remembered only where it was done");
  if (head >>> 8 === 0) return answer;
  const flags = head & 0xff00;
  require(flags <= (IS_REMEMBERED | HAS_PLACE) && (flags === 0 || answer.kind === "done"), offset +
    1, "flags that fit");
  require(head >>> 16 === 0 || answer.kind === "elsewhere", offset + 2, "a holder of what is elsewhere");
  if (answer.kind === "elsewhere") return { ...answer, holder: holderOf(frame, head >>> 16, offset + 2) };
  if ((flags & HAS_PLACE) === 0 || answer.kind !== "done") return answer;
  return { ...answer, place: readPlace(frame, placeAt) };
}

function holderOf({ names }: Frame, number: number, offset: number): string {
  const holder = names[number - 1];
  require(isIncarnation(holder), offset, "a holder that the message names");
  return holder;
}

function readPlace({ words, names, wordsAt }: Frame, at: number): Place {
  const offset = wordsAt + at * 4;
  require(at + 2 <= words.length, offset, "a place where one is said");
  const [place, ageMs] = [words[at], words[at + 1] >>> 0];
  if (place === NOWHERE) return { region: -1, mode: "", ageMs };
  const region = REGION_BY_LETTERS[place & 0xffff];
  require(region >= 0, offset, "a region's letters");
  const mode = names[place >>> 16];
  require(mode !== undefined && isModeName(mode), offset + 2, "a mode that the message names");
  return { region, mode, ageMs };
}

function entriesOf<Name extends string>(codes: Readonly<Record<Name, number>>): [Name, number][] {
  return Object.entries(codes) as [Name, number][];
}
