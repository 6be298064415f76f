/**
 * Reads reports as clients write them, straight from their bytes. `JSON.parse` makes an object and three strings of each row,
 * and the schema looks at each of them: 0.5 µs a row, where this takes 0.08. The body is held against one template,
 *
 *     {"reports":[{"profileId":"<UUID>","region":"CA","gamemode":"GM01","seq":7}, … ]}     or
 *     {"region":"CA","gamemode":"GM01","seq":7}
 *
 * with the fields in this order, the region a country or a subdivision (US-CA), with `seq` or without, and with white space where `JSON.stringify`, Python's `json.dumps`
 * and pretty printers put it. A byte that is not expected says nothing against the body: the whole of it is then for
 * `JSON.parse` and the schema, which alone refuse. So what is read here they would have read the same.
 *
 * Nothing outlives a call but buffers of a fixed size. The name of a mode becomes a string once a batch: if it were kept
 * longer, junk names would live on after their batch.
 */
import { NO_SEQ } from "../../cluster/records/presences.ts";
import { invariant } from "../../engine/invariant.ts";
import { isModeName, MODES_MAX } from "../../engine/modes.ts";
import { regionOf } from "../../engine/places.ts";
import type { Reports } from "../entry.ts";
import { IN_SUFFIX, subdivisionOf, SUFFIX_LENGTH_MAX } from "./subdivision-codes.ts";
import { BATCH_ROWS_MAX } from "../values.ts";

/** What a client says of itself. */
export interface Report {
  /** Its number. */
  readonly region: number;
  readonly mode: string;
  /** NO_SEQ where it has none. */
  readonly seq: number;
}

export const BATCH_BYTES_MAX = 2 * 1024 * 1024;
export const REPORT_BYTES_MAX = 4096;

const NAME_BYTES_MAX = 64;
/** Zeros behind the body: no token has one, so whatever runs past the end stops there. */
const PAD_BYTES = 64;
/**
 * What a read of something unexpected returns in place of where it ended. Only zeros are there, so nothing else that is
 * read from there on is as expected either: a row is asked once, at its end.
 */
const NOWHERE = BATCH_BYTES_MAX + PAD_BYTES;

/** The body, copied: one array for all calls, at known bounds. Its memory is taken when it is written, not before. */
const body = Buffer.alloc(BATCH_BYTES_MAX + 2 * PAD_BYTES);
const view = new DataView(body.buffer, body.byteOffset, body.length);

const ids = new Int32Array(4 * BATCH_ROWS_MAX);
const regions = new Uint16Array(BATCH_ROWS_MAX);
const modeOf = new Uint16Array(BATCH_ROWS_MAX);
const seqs = new Float64Array(BATCH_ROWS_MAX);

/** Modes of the batch: where the name of each stands in the body for the first time. */
const nameStarts = new Int32Array(MODES_MAX);
const nameEnds = new Int32Array(MODES_MAX);
let modeCount = 0;
/** Their numbers in the batch by a hash of the name, plus 1; 0: free. */
const slots = new Uint16Array(4 * MODES_MAX);
const SLOT_MASK = slots.length - 1;
/** Names may be chosen to collide: who does that is sent the long way soon. */
const PROBES_MAX = 16;
const HASH_START = 0x811c9dc5 | 0; // FNV-1a
const HASH_FACTOR = 0x01000193;
invariant((slots.length & SLOT_MASK) === 0 && BATCH_ROWS_MAX < 1 << 16 && MODES_MAX < 1 << 16, "numbers fit");

const [QUOTE, COMMA, DASH, ZERO, NINE] = [0x22, 0x2c, 0x2d, 0x30, 0x39];
const [ARRAY_START, ARRAY_END, OBJECT_START, OBJECT_END] = [0x5b, 0x5d, 0x7b, 0x7d];
/** Of a word of four bytes, the first and the last; both a quote. */
const OUTER_BYTES = 0xff0000ff | 0;
const OUTER_QUOTES = 0x22000022;
/** The same: a quote and a dash. */
const QUOTE_AND_DASH = 0x2d000022;
const SEQ_MAX = 2 ** 32 - 1;

/** By byte: 1 for the white space of JSON. */
const IS_SPACE = Uint8Array.from({ length: 256 }, (_, byte) => Number(" \t\n\r".includes(String.fromCharCode(byte))));

/** By byte: whether a mode's name may begin with it, go on with it, or neither. */
const [BEGINS, GOES_ON] = [2, 1];
const IN_NAME = Uint8Array.from({ length: 256 }, (_, byte) => {
  const character = String.fromCharCode(byte);
  return isModeName(character) ? BEGINS : isModeName(`a${character}`) ? GOES_ON : 0;
});

/** By two bytes, the first one lower: the value of two hex digits, and the country of a code; -1 where they are none. */
const HEX = pairTable("0123456789abcdefABCDEF", (pair) => parseInt(pair, 16));
const COUNTRY = pairTable("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", regionOf);

/** A field's name with its quotes and the colon, as three words that overlap where it is short. */
interface Name {
  readonly length: number;
  readonly first: number;
  readonly second: number;
  readonly secondAt: number;
  readonly last: number;
}

const REPORTS_NAME = nameOf("reports");
const PROFILE_ID_NAME = nameOf("profileId");
const REGION_NAME = nameOf("region");
const GAMEMODE_NAME = nameOf("gamemode");
const SEQ_NAME = nameOf("seq");

/** The rows of a batch, all of them good; `undefined` where only `JSON.parse` and the schema can tell. */
export function readBatch(bytes: Uint8Array): Reports | undefined {
  if (bytes.length > BATCH_BYTES_MAX) return undefined;
  body.set(bytes);
  body.fill(0, bytes.length, bytes.length + PAD_BYTES);
  slots.fill(0);
  modeCount = 0;
  let at = after(ARRAY_START, afterName(REPORTS_NAME, after(OBJECT_START, skipSpace(0))));
  at = readRow(at, 0);
  let count = 1;
  for (; body[at] === COMMA && count < BATCH_ROWS_MAX; count++) at = readRow(skipSpace(at + 1), count);
  if (after(OBJECT_END, after(ARRAY_END, at)) !== bytes.length) return undefined;
  return {
    count,
    ids: ids.slice(0, 4 * count),
    regions: regions.slice(0, count),
    modes: Array.from({ length: modeCount }, (_, mode) => body.toString("latin1", nameStarts[mode], nameEnds[mode])),
    modeOf: modeOf.slice(0, count),
    seqs: seqs.slice(0, count),
  };
}

/**
 * The body of one player's report, a good one; `undefined` where only `JSON.parse` and the schema can tell.
 * @param from where it begins in the bytes
 * @param to behind its last byte
 */
export function readReport(bytes: Uint8Array, from: number, to: number): Report | undefined {
  const length = to - from;
  if (length > REPORT_BYTES_MAX) return undefined;
  for (let at = 0; at < length; at++) body[at] = bytes[from + at] as number;
  body.fill(0, length, length + PAD_BYTES);
  const nameStart =
    1 +
    afterName(GAMEMODE_NAME, after(COMMA, readRegion(afterName(REGION_NAME, after(OBJECT_START, skipSpace(0))), 0)));
  const nameEnd = endOfName(nameStart);
  if (readEnd(nameEnd + 1, 0) !== length) return undefined;
  return {
    region: regions[0] as number,
    mode: body.toString("latin1", nameStart, nameEnd),
    seq: seqs[0] as number,
  };
}

function readRow(start: number, row: number): number {
  let at = readId(afterName(PROFILE_ID_NAME, after(OBJECT_START, start)), row);
  at = readRegion(afterName(REGION_NAME, after(COMMA, at)), row);
  at = readMode(afterName(GAMEMODE_NAME, after(COMMA, at)), row);
  return readEnd(at, row);
}

/** Reads `seq`, where there is one, and the end of the object. */
function readEnd(start: number, row: number): number {
  seqs[row] = NO_SEQ;
  const isMore = body[start] === COMMA;
  const at = isMore ? readSeq(afterName(SEQ_NAME, skipSpace(start + 1)), row) : start;
  return after(OBJECT_END, skipSpace(at));
}

function readId(at: number, row: number): number {
  const isFramed = body[at] === QUOTE && body[at + 37] === QUOTE;
  const isDashed = body[at + 9] === DASH && body[at + 14] === DASH && body[at + 19] === DASH && body[at + 24] === DASH;
  if (!isFramed || !isDashed) return NOWHERE;
  const half0 = fourDigits(at + 1);
  const half1 = fourDigits(at + 5);
  const half2 = fourDigits(at + 10);
  const half3 = fourDigits(at + 15);
  const half4 = fourDigits(at + 20);
  const half5 = fourDigits(at + 25);
  const half6 = fourDigits(at + 29);
  const half7 = fourDigits(at + 33);
  if ((half0 | half1 | half2 | half3 | half4 | half5 | half6 | half7) < 0) return NOWHERE;
  const id0 = (half0 << 16) | half1;
  const id1 = (half2 << 16) | half3;
  const id2 = (half4 << 16) | half5;
  const id3 = (half6 << 16) | half7;
  if ((id0 | id1 | id2 | id3) === 0 || (id0 & id1 & id2 & id3) === -1) return NOWHERE;
  ids[4 * row] = id0;
  ids[4 * row + 1] = id1;
  ids[4 * row + 2] = id2;
  ids[4 * row + 3] = id3;
  return at + 38;
}

/** The number that four hex digits spell, or less than 0. */
function fourDigits(at: number): number {
  const word = wordAt(at);
  return ((HEX[word & 0xffff] as number) << 8) | (HEX[word >>> 16] as number);
}

function readRegion(at: number, row: number): number {
  const word = wordAt(at);
  const outer = word & OUTER_BYTES;
  const country = COUNTRY[(word >>> 8) & 0xffff] as number;
  if (country < 0) return NOWHERE;
  if (outer === QUOTE_AND_DASH) return readSubdivision(at + 4, country, row);
  if (outer !== OUTER_QUOTES) return NOWHERE;
  regions[row] = country;
  return at + 4;
}

/** Reads what follows the dash of a subdivision's code. */
function readSubdivision(start: number, country: number, row: number): number {
  let [at, suffix] = [start, 0];
  for (; at < start + SUFFIX_LENGTH_MAX && IN_SUFFIX[body[at] as number] !== 0; at++)
    suffix = suffix * 37 + (IN_SUFFIX[body[at] as number] as number);
  const region = body[at] === QUOTE ? subdivisionOf(country, suffix) : -1;
  if (region < 0) return NOWHERE;
  regions[row] = region;
  return at + 1;
}

function readMode(at: number, row: number): number {
  const start = at + 1;
  const end = endOfName(start);
  if (end === NOWHERE) return NOWHERE;
  const mode = modeNamed(start, end);
  if (mode < 0) return NOWHERE;
  modeOf[row] = mode;
  return end + 1;
}

/** Where the name of a mode ends that begins behind a quote. */
function endOfName(start: number): number {
  if (body[start - 1] !== QUOTE || IN_NAME[body[start] as number] !== BEGINS) return NOWHERE;
  let end = start;
  while (IN_NAME[body[end] as number] !== 0) end++;
  return body[end] === QUOTE && end - start <= NAME_BYTES_MAX ? end : NOWHERE;
}

/** The number in this batch of the mode whose name stands from `start` to `end`, or -1 where there is no room for it. */
function modeNamed(start: number, end: number): number {
  let hash = HASH_START;
  for (let at = start; at < end; at++) hash = Math.imul(hash ^ (body[at] as number), HASH_FACTOR);
  let slot = (hash ^ (hash >>> 15)) & SLOT_MASK;
  for (let probes = 0; probes < PROBES_MAX; probes++) {
    const mode = (slots[slot] as number) - 1;
    if (mode < 0) return addMode(slot, start, end);
    if (isName(mode, start, end)) return mode;
    slot = (slot + 1) & SLOT_MASK;
  }
  return -1;
}

function addMode(slot: number, start: number, end: number): number {
  if (modeCount === MODES_MAX) return -1;
  const mode = modeCount++;
  nameStarts[mode] = start;
  nameEnds[mode] = end;
  slots[slot] = modeCount;
  return mode;
}

function isName(mode: number, start: number, end: number): boolean {
  let at = nameStarts[mode] as number;
  if ((nameEnds[mode] as number) - at !== end - start) return false;
  for (let other = start; other < end; other++) if (body[at++] !== body[other]) return false;
  return true;
}

/** A whole number as JSON writes it; a fraction or an exponent behind it is no end of the row. */
function readSeq(at: number, row: number): number {
  let seq = 0;
  let end = at;
  for (; isDigit(body[end] as number); end++) seq = seq * 10 + (body[end] as number) - ZERO;
  const isZeroLed = body[at] === ZERO && end > at + 1;
  if (end === at || isZeroLed || seq > SEQ_MAX) return NOWHERE;
  seqs[row] = seq;
  return end;
}

function isDigit(byte: number): boolean {
  return byte >= ZERO && byte <= NINE;
}

/** Where the value of a field begins. */
function afterName(name: Name, at: number): number {
  const isThere =
    wordAt(at) === name.first &&
    wordAt(at + name.secondAt) === name.second &&
    wordAt(at + name.length - 4) === name.last;
  return isThere ? skipSpace(at + name.length) : NOWHERE;
}

/** Where something begins behind a character and white space. */
function after(character: number, at: number): number {
  return body[at] === character ? skipSpace(at + 1) : NOWHERE;
}

function skipSpace(at: number): number {
  while (IS_SPACE[body[at] as number] === 1) at++;
  return at;
}

function wordAt(at: number): number {
  return view.getInt32(at, true);
}

function nameOf(field: string): Name {
  const bytes = Buffer.from(`"${field}":`);
  const { length } = bytes;
  const secondAt = Math.min(4, length - 4);
  return {
    length,
    first: bytes.readInt32LE(0),
    second: bytes.readInt32LE(secondAt),
    secondAt,
    last: bytes.readInt32LE(length - 4),
  };
}

function pairTable(characters: string, valueOf: (pair: string) => number): Int16Array {
  const table = new Int16Array(1 << 16).fill(-1);
  for (const first of characters)
    for (const second of characters) table[first.charCodeAt(0) | (second.charCodeAt(0) << 8)] = valueOf(first + second);
  return table;
}
