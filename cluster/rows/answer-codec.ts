/**
 * What became of rows as bytes: the words of a frame (row-frame.ts).
 *
 *   answers to a batch, and fates: a word a row, for fates three more a row, then two a place, and two a stamp
 *     u8  what became of it, see below          fates only: which row
 *     u8  1 remembered, 2 there is a place,       2 u32 number of the batch, the lower half first
 *         4 there is a stamp, behind the place    u32   its place in the batch
 *     u16 name of the holder, plus 1; 0 none
 *   where the player reports too often, in place of the last two
 *     u24 in how many seconds a report is taken
 *
 *   place
 *     u16 region, u16 name of the mode (0xffffffff: nowhere)
 *     u32 age, ms
 *   stamp (R30)
 *     u32 term, u32 count
 *
 * The names are modes and holders. Everything is checked before an answer is handed out.
 */
import type { Verdict } from "../../engine/catalogue.ts";
import { require } from "../../engine/codec.ts";
import { isModeName } from "../../engine/modes.ts";
import { REGION_COUNT } from "../../engine/places.ts";
import type { Stamp } from "../../engine/standings.ts";
import { BATCH_ROWS_MAX, closeFrame, type Frame, openFrame, readFrame } from "./row-frame.ts";
import { Names } from "../ports/names.ts";
import type { Outcome, Place, RowOutcome } from "../ports/rows.ts";
import { isIncarnation } from "../ports/view.ts";

/** The owner applied the row; its fate follows when its append has landed or failed (R18). */
export interface TakenIn {
  readonly kind: "taken in";
}
/** The owner had applied the row, and cannot say whether that stays: it does not hold the partition any more (R18). */
export interface Lost {
  readonly kind: "lost";
}
/** The owner did not apply the row: nobody waited for it any more when it was sent (R19). */
export interface Expired {
  readonly kind: "expired";
}
/** The owner did not apply the row: by what it knows, the message may be older than the row's deadline (R19). */
export interface OutOfDate {
  readonly kind: "out of date";
}
/** The owner does not know what became of the row: the batch came after a later one of the same sender (R19). */
export interface OutOfTurn {
  readonly kind: "out of turn";
}
/** What the owner answers to a row. */
export type Answer = RowOutcome | TakenIn | Lost | Expired | OutOfDate | OutOfTurn;

/** R18: what became of a row that had been taken in. */
export interface Fate {
  readonly batch: number;
  /** Of the row in its batch. */
  readonly index: number;
  readonly answer: Outcome | Lost;
}

/**
 * A row that was taken in waits so much longer for its fate than its time: an owner gives up an append that takes too long
 * at the deadline and a tick, counted from when the row came there, and what it then says still has to come back (R4).
 */
export const FATE_GRACE_MS = 60;

export const TAKEN_IN: TakenIn = { kind: "taken in" };
export const LOST: Lost = { kind: "lost" };
export const EXPIRED: Expired = { kind: "expired" };
export const OUT_OF_DATE: OutOfDate = { kind: "out of date" };
export const OUT_OF_TURN: OutOfTurn = { kind: "out of turn" };

const NOWHERE = -1;
const AGE_MS_MAX = 2 ** 32 - 1;
const FATE_WORDS = 3;

/** What became of a row, as its number on the wire. */
const DONE = { changed: 0, renewed: 1, late: 2, removed: 3, found: 4, nowhere: 5, superseded: 6, noted: 7 } as const;
const REFUSED = {
  overloaded: 16,
  "no room for the mode": 17,
  "no room for the player": 18,
  "no owner": 19,
  "mode not known": 20,
} as const;
const TOO_OFTEN = 21;
/** What the rules of modes say (R29). */
const VERDICT = {
  "unknown mode": 22,
  "not entitled": 23,
  "not offered": 24,
  retired: 25,
  "switch forbidden": 26,
} as const satisfies Record<Verdict, number>;
const WAIT_S_MAX = 2 ** 24 - 1;
const ELSEWHERE = { moved: 32, "held by": 33, loading: 34 } as const;
const OTHERS = { expired: 48, "out of turn": 49, "out of date": 50, "taken in": 51, lost: 52 } as const;

const REFUSAL = { ...REFUSED, ...VERDICT };

/** Answers by code, without place and holder; most rows share one of them. */
const ANSWERS: Answer[] = [];
const REMEMBERED: Answer[] = [];
for (const [effect, code] of entriesOf(DONE)) {
  ANSWERS[code] = { kind: "done", effect, isRemembered: false, place: undefined };
  REMEMBERED[code] = { kind: "done", effect, isRemembered: true, place: undefined };
}
for (const [reason, code] of entriesOf(REFUSAL)) ANSWERS[code] = { kind: "refused", reason };
for (const [reason, code] of entriesOf(ELSEWHERE)) ANSWERS[code] = { kind: "elsewhere", reason, holder: undefined };
for (const other of [EXPIRED, OUT_OF_TURN, OUT_OF_DATE, TAKEN_IN, LOST]) ANSWERS[OTHERS[other.kind]] = other;

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

/** Encodes fates of rows of any batches of one peer. BATCH_ROWS_MAX of them at the most. */
export function encodeFates(number: number, fates: readonly Fate[]): Uint8Array {
  const names = new Names();
  const places: number[] = [];
  const heads = fates.map(({ answer }) => headOf(answer, names, places));
  const count = fates.length;
  const frame = openFrame("fates", number, names, count, count * (1 + FATE_WORDS) + places.length);
  frame.words.set(heads);
  for (const [at, { batch, index }] of fates.entries())
    frame.words.set([batch | 0, Math.floor(batch / 2 ** 32), index], count + at * FATE_WORDS);
  frame.words.set(places, count * (1 + FATE_WORDS));
  return closeFrame(frame);
}

/** @throws {MalformedMessageError} if it is anything but whole, sound fates */
export function decodeFates(bytes: Uint8Array): Fate[] {
  const frame = readFrame("fates", bytes);
  const { rows, words, wordsAt } = frame;
  require(words.length >= rows * (1 + FATE_WORDS), 8, `${1 + FATE_WORDS} words a fate`);
  const answers = readAnswers(frame, rows * (1 + FATE_WORDS));
  return answers.map((answer, row) => {
    const at = rows + row * FATE_WORDS;
    const batch = ((words[at] as number) >>> 0) + ((words[at + 1] as number) >>> 0) * 2 ** 32;
    const index = (words[at + 2] as number) >>> 0;
    require(Number.isSafeInteger(batch) && batch > 0, wordsAt + at * 4, "a whole number of the batch, above 0");
    require(index < BATCH_ROWS_MAX, wordsAt + (at + 2) * 4, "a row of a batch");
    require(isFate(answer), wordsAt + row * 4, "done, refused or lost");
    return { batch, index, answer };
  });
}

function isFate(answer: Answer): answer is Fate["answer"] {
  return answer.kind === "done" || answer.kind === "refused" || answer.kind === "lost";
}

const IS_REMEMBERED = 1 << 8;
const HAS_PLACE = 2 << 8;
const HAS_STAMP = 4 << 8;
const FLAGS = IS_REMEMBERED | HAS_PLACE | HAS_STAMP;

/** An answer's word; its place and its stamp, if any, are added to `places`. */
function headOf(answer: Answer, names: Names, places: number[]): number {
  switch (answer.kind) {
    case "done": {
      const { effect, isRemembered, place, stamp } = answer;
      if (place !== undefined) writePlace(place, names, places);
      if (stamp !== undefined) places.push(stamp.term | 0, stamp.count | 0);
      const flags =
        (isRemembered ? IS_REMEMBERED : 0) |
        (place === undefined ? 0 : HAS_PLACE) |
        (stamp === undefined ? 0 : HAS_STAMP);
      return DONE[effect] | flags;
    }
    case "refused":
      return answer.reason === "too often"
        ? TOO_OFTEN | (Math.min(answer.waitS, WAIT_S_MAX) << 8)
        : REFUSAL[answer.reason];
    case "elsewhere":
      return ELSEWHERE[answer.reason] | (answer.holder === undefined ? 0 : (names.numberOf(answer.holder) + 1) << 16);
    default:
      return OTHERS[answer.kind];
  }
}

function writePlace({ region, mode, ageMs }: Place, names: Names, places: number[]): void {
  places.push(region < 0 ? NOWHERE : region | (names.numberOf(mode) << 16));
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
  return readAnswers(frame, count);
}

/** @param placesAt where the words of places begin */
function readAnswers(frame: Frame, placesAt: number): Answer[] {
  const answers: Answer[] = [];
  let placeAt = placesAt;
  for (let index = 0; index < frame.rows; index++) {
    const answer = readAnswer(frame, index, placeAt);
    answers.push(answer);
    if (answer.kind !== "done") continue;
    if (answer.place !== undefined) placeAt += 2;
    if (answer.stamp !== undefined) placeAt += 2;
  }
  require(placeAt === frame.words.length, 8, "as many places as are said");
  return answers;
}

function readAnswer(frame: Frame, index: number, placeAt: number): Answer {
  const head = frame.words[index] as number;
  const offset = frame.wordsAt + index * 4;
  if ((head & 0xff) === TOO_OFTEN) return tooOften(head >>> 8, offset + 1);
  const answer = ((head & IS_REMEMBERED) === 0 ? ANSWERS : REMEMBERED)[head & 0xff];
  require(answer !== undefined, offset, "a known answer, remembered only where it was done");
  if (head >>> 8 === 0) return answer;
  const flags = head & 0xff00;
  require((flags & ~FLAGS) === 0 && (flags === 0 || answer.kind === "done"), offset + 1, "flags that fit");
  require(head >>> 16 === 0 || answer.kind === "elsewhere", offset + 2, "a holder of what is elsewhere");
  if (answer.kind === "elsewhere") return { ...answer, holder: holderOf(frame, head >>> 16, offset + 2) };
  if ((flags & (HAS_PLACE | HAS_STAMP)) === 0 || answer.kind !== "done") return answer;
  const place = (flags & HAS_PLACE) === 0 ? undefined : readPlace(frame, placeAt);
  if ((flags & HAS_STAMP) === 0) return { ...answer, place };
  return { ...answer, place, stamp: readStamp(frame, place === undefined ? placeAt : placeAt + 2) };
}

function readStamp({ words, wordsAt }: Frame, at: number): Stamp {
  require(at + 2 <= words.length, wordsAt + at * 4, "a stamp where one is said");
  return { term: (words[at] as number) >>> 0, count: (words[at + 1] as number) >>> 0 };
}

function tooOften(waitS: number, offset: number): Answer {
  require(waitS > 0, offset, "a second to wait at the least");
  return { kind: "refused", reason: "too often", waitS };
}

function holderOf({ names }: Frame, number: number, offset: number): string {
  const holder = names[number - 1];
  require(isIncarnation(holder), offset, "a holder that the message names");
  return holder;
}

function readPlace({ words, names, wordsAt }: Frame, at: number): Place {
  const offset = wordsAt + at * 4;
  require(at + 2 <= words.length, offset, "a place where one is said");
  const [place, ageMs] = [words[at] as number, (words[at + 1] as number) >>> 0];
  if (place === NOWHERE) return { region: -1, mode: "", ageMs };
  const region = place & 0xffff;
  require(region < REGION_COUNT, offset, "a region");
  const mode = names[place >>> 16];
  require(mode !== undefined && isModeName(mode), offset + 2, "a mode that the message names");
  return { region, mode, ageMs };
}

function entriesOf<Name extends string>(codes: Readonly<Record<Name, number>>): [Name, number][] {
  return Object.entries(codes) as [Name, number][];
}
