/**
 * Rows of presence as bytes: one form for the log, snapshots and peers. Little-endian, a multiple of 4 bytes long.
 *
 *   0  u8   version, 1                        16  f64  written at, wall clock, ms since 1970
 *   1  u8   kind, see KIND                    24  regions: a country its 2 letters, a subdivision u8 128 + length and code
 *   2  u16  regions named                         modes, u8 length and letters each (length 0: the reserved mode, R28)
 *   4  u16  modes named                           zeros up to a multiple of 4
 *   6  u16  0                                     rows, 28 bytes each:
 *   8  u32  rows                                    id, 4 words | u16 region, u16 mode (0xffff: nowhere;
 *  12  u32  bytes in all                            in rounds region 0xfffe: gone) | u32 age, tenths of a
 *                                                   second | u32 seq
 *                                             end - 4  u32  CRC-32 of all before
 *
 * Everything is checked before a row is handed out: a malformed message changes nothing.
 */
import { crc32 } from "node:zlib";
import { invariant } from "./invariant.ts";
import { isModeName, MODE_BITS, MODE_MASK, RESERVED_MODE, RESERVED_NAME } from "./modes.ts";
import { CELL, NOWHERE, ROW_WORDS, SEEN, SEQ } from "./presence-table.ts";
import { REGION_COUNT, REGIONS, regionOf } from "./places.ts";

const VERSION = 1;
const HEAD_BYTES = 24;
export const ROW_BYTES = ROW_WORDS * 4;
const MODES_NAMED_MAX = 1 << MODE_BITS;
const LONG_CODE = 0x80;
const NOWHERE_PLACE = -1; // both halves 0xffff
/** R13: the cell of a row that its table no longer has. Only rounds of a copy tell it. */
export const GONE = -2;
invariant(new Uint8Array(new Uint16Array([1]).buffer)[0] === 1, "this machine is little-endian, as messages are");

/** `names`: has no rows, since they lie apart from it, in several parts (log-codec.ts). */
export const KIND = { log: 1, snapshot: 2, round: 3, names: 4 } as const;
export type Kind = keyof typeof KIND;

/** Bytes that are no message; says where. */
export class MalformedMessageError extends Error {
  override readonly name = "MalformedMessageError";
  readonly offset: number;
  constructor(offset: number, rule: string) {
    super(`Malformed message at byte ${offset}: ${rule}`);
    this.offset = offset;
  }
}

/** Rows as the table keeps them, with what their words mean. */
export interface Rows {
  /** `count` rows of ROW_WORDS words, none of them free. */
  readonly words: Int32Array;
  readonly count: number;
  /** Name by mode number, for every cell in `words`. */
  readonly modeNames: readonly string[];
  /** Tenths of observed time: ages are counted up to here. */
  readonly now: number;
  readonly writtenAtMs: number;
}

/** A decoded message. Row `i` has its id in words 7i … 7i+3, then index into `regions` and `modes`, age and seq. */
export interface DecodedRows {
  /** By the writer's wall clock, in milliseconds since 1970: only ever used to make ages longer. */
  readonly writtenAtMs: number;
  readonly count: number;
  /** Region numbers named. */
  readonly regions: readonly number[];
  /** RESERVED_NAME stands for the reserved mode. */
  readonly modes: readonly string[];
  /** ROW_WORDS a row: id0 id1 id2 id3 | region | mode << 16, or NOWHERE, or GONE (rounds only) | age | seq. */
  readonly words: Int32Array;
}

/** Numbers names as they are first met; one is used again for every message, so nothing is allocated for it. */
export class Dictionary {
  readonly met: number[] = [];
  private readonly numbers = new Int32Array(Math.max(REGION_COUNT, MODES_NAMED_MAX));

  number(of: number): number {
    if (this.numbers[of] === 0) this.numbers[of] = this.met.push(of);
    return (this.numbers[of] as number) - 1;
  }

  clear(): void {
    for (const of of this.met) this.numbers[of] = 0;
    this.met.length = 0;
  }
}

const regionDictionary = new Dictionary();
const modeDictionary = new Dictionary();
const writtenAt = new Float64Array(1);
const writtenAtWords = new Int32Array(writtenAt.buffer);

/** The same memory as words and as bytes: what messages are written to. */
export interface Target {
  readonly words: Int32Array<ArrayBuffer>;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

export function targetOf(length: number): Target {
  const words = new Int32Array(length >> 2);
  return { words, bytes: new Uint8Array(words.buffer) };
}

/** Encodes rows with the age each has at `now`. Cost: some 0.3 µs and 20 ns a row. */
export function encodeRows(kind: Kind, rows: Rows): Uint8Array<ArrayBuffer> {
  meetNames(rows);
  const target = targetOf(messageLength(rows));
  writeMessage(target, 0, kind, rows);
  forgetNames();
  return target.bytes;
}

/** Numbers the names of these rows, behind those that were met before. */
export function meetNames({ words, count }: Pick<Rows, "words" | "count">): void {
  for (let base = 0; base < count * ROW_WORDS; base += ROW_WORDS) {
    const cell = words[base + CELL] as number;
    if (cell === NOWHERE || cell === GONE) continue;
    regionDictionary.number(cell >>> MODE_BITS);
    modeDictionary.number(cell & MODE_MASK);
  }
}

export function forgetNames(): void {
  regionDictionary.clear();
  modeDictionary.clear();
}

/** Bytes of a message of so many rows with the names that were met. */
export function messageLength({ count, modeNames }: Pick<Rows, "count" | "modeNames">): number {
  let namesBytes = 0;
  for (const region of regionDictionary.met) namesBytes += codeBytes(REGIONS[region] as string);
  for (const mode of modeDictionary.met) namesBytes += 1 + nameOf(mode, modeNames).length;
  return HEAD_BYTES + ((namesBytes + 3) & ~3) + count * ROW_BYTES + 4;
}

/**
 * Writes the message of these rows, whose names were met, from word `at` on.
 * @returns the word behind it
 */
export function writeMessage({ words: out, bytes }: Target, at: number, kind: Kind, rows: Rows): number {
  out[at] = VERSION | (KIND[kind] << 8) | (regionDictionary.met.length << 16);
  out[at + 1] = modeDictionary.met.length;
  out[at + 2] = rows.count;
  out[at + 3] = messageLength(rows);
  writtenAt[0] = rows.writtenAtMs;
  out[at + 4] = writtenAtWords[0] as number;
  out[at + 5] = writtenAtWords[1] as number;
  const rowsAt = writeNames(bytes, at * 4 + HEAD_BYTES, rows.modeNames) >> 2;
  const end = writeRows(out, rowsAt, rows);
  out[end] = crc32(bytes.subarray(at * 4, end * 4)) | 0;
  return end + 1;
}

/**
 * Decodes one message that fills `bytes`.
 * @throws {MalformedMessageError} if it is anything but a whole, sound message of this kind
 */
export function decodeRows(kind: Kind, bytes: Uint8Array): DecodedRows {
  const { regionCount, modeCount, count, writtenAtMs } = readHead(kind, bytes);
  const reader = new NameReader(bytes);
  const regions = Array.from({ length: regionCount }, () => reader.region());
  const modes = Array.from({ length: modeCount }, () => reader.mode());
  const rowsAt = (reader.at + 3) & ~3;
  require(rowsAt + count * ROW_BYTES + 4 === bytes.length, 8, `${count} rows end where the checksum begins`);
  require(bytes.subarray(reader.at, rowsAt).every((byte) => byte === 0), reader.at, "names are padded with zeros");
  const words = readRows(kind, bytes.subarray(0, -4), rowsAt, { regions, modes });
  return { writtenAtMs, count, regions, modes, words };
}

/**
 * The rows from byte `at` of `bytes` to their end, in the numbers of these names.
 * @throws {MalformedMessageError} if one of them is none
 */
export function readRows(
  kind: Kind,
  bytes: Uint8Array,
  at: number,
  { regions, modes }: Pick<DecodedRows, "regions" | "modes">,
): Int32Array {
  const words = new Int32Array((bytes.length - at) >> 2);
  new Uint8Array(words.buffer).set(bytes.subarray(at));
  for (let base = 0; base < words.length; base += ROW_WORDS)
    checkRow(kind, words, base, regions.length, modes.length, at + base * 4);
  return words;
}

/** @returns the byte behind the names and the zeros that fill their last word */
function writeNames(bytes: Uint8Array, at: number, modeNames: readonly string[]): number {
  for (const region of regionDictionary.met) {
    const code = REGIONS[region] as string;
    if (code.length !== 2) bytes[at++] = LONG_CODE | code.length;
    at = writeAscii(bytes, at, code);
  }
  for (const mode of modeDictionary.met) {
    const name = nameOf(mode, modeNames);
    bytes[at] = name.length;
    at = writeAscii(bytes, at + 1, name);
  }
  while ((at & 3) !== 0) bytes[at++] = 0;
  return at;
}

function codeBytes({ length }: string): number {
  return length === 2 ? 2 : 1 + length;
}

function nameOf(mode: number, modeNames: readonly string[]): string {
  return mode === RESERVED_MODE ? RESERVED_NAME : (modeNames[mode] as string);
}

function writeAscii(bytes: Uint8Array, at: number, text: string): number {
  for (let index = 0; index < text.length; index++) bytes[at + index] = text.charCodeAt(index);
  return at + text.length;
}

/**
 * Writes rows in the numbers of the names that were met, from word `at` on.
 * @returns the word behind them
 */
export function writeRows(out: Int32Array, at: number, { words, count, now }: Omit<Rows, "modeNames">): number {
  for (let base = 0; base < count * ROW_WORDS; base += ROW_WORDS, at += ROW_WORDS) {
    out[at] = words[base] as number;
    out[at + 1] = words[base + 1] as number;
    out[at + 2] = words[base + 2] as number;
    out[at + 3] = words[base + 3] as number;
    out[at + CELL] = placeOf(words[base + CELL] as number);
    out[at + SEEN] = Math.max(0, now - (words[base + SEEN] as number));
    out[at + SEQ] = words[base + SEQ] as number;
  }
  return at;
}

function placeOf(cell: number): number {
  if (cell === NOWHERE) return NOWHERE_PLACE;
  if (cell === GONE) return GONE;
  const mode = modeDictionary.number(cell & MODE_MASK);
  return regionDictionary.number(cell >>> MODE_BITS) | (mode << 16);
}

/**
 * The cell that a decoded row names: a place is region and mode in the message's own numbers.
 * @param regions number of each of its regions
 * @param modes number of each of its modes
 */
export function cellOf(place: number, regions: readonly number[], modes: readonly number[]): number {
  if (place === NOWHERE_PLACE) return NOWHERE;
  return ((regions[place & 0xffff] as number) << MODE_BITS) | (modes[place >>> 16] as number);
}

/** @throws {MalformedMessageError} where `holds` is false */
export function require(holds: boolean, offset: number, rule: string): asserts holds {
  if (!holds) throw new MalformedMessageError(offset, `must hold: ${rule}`);
}

interface Head {
  readonly regionCount: number;
  readonly modeCount: number;
  readonly count: number;
  readonly writtenAtMs: number;
}

function readHead(kind: Kind, bytes: Uint8Array): Head {
  require(bytes.length >= HEAD_BYTES + 4, bytes.length, `at least ${HEAD_BYTES + 4} bytes`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  require(bytes[0] === VERSION, 0, `version ${VERSION}, not ${bytes[0]}`);
  require(bytes[1] === KIND[kind], 1, `kind ${KIND[kind]} (${kind}), not ${bytes[1]}`);
  require(view.getUint32(12, true) === bytes.length, 12, `${view.getUint32(12, true)} bytes, not ${bytes.length}`);
  const checksum = view.getUint32(bytes.length - 4, true);
  require(crc32(bytes.subarray(0, -4)) === checksum, bytes.length - 4, "the checksum fits");
  require(view.getUint16(6, true) === 0, 6, "two bytes of zero");
  const [regionCount, modeCount] = [view.getUint16(2, true), view.getUint16(4, true)];
  require(regionCount <= REGION_COUNT, 2, `at most ${REGION_COUNT} regions`);
  require(modeCount <= MODES_NAMED_MAX, 4, `at most ${MODES_NAMED_MAX} modes`);
  const writtenAtMs = view.getFloat64(16, true);
  require(Number.isFinite(writtenAtMs), 16, "a finite time of writing");
  return { regionCount, modeCount, count: view.getUint32(8, true), writtenAtMs };
}

const SUBDIVISION = /^[A-Z]{2}-[A-Z0-9]{1,3}$/;

class NameReader {
  at = HEAD_BYTES;
  private readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  region(): number {
    const start = this.at;
    const first = this.bytes[start] as number;
    if (first < LONG_CODE) return this.country(start, this.ascii(2));
    this.at++;
    const code = this.ascii(first - LONG_CODE);
    require(SUBDIVISION.test(code), start, "a region's code");
    const region = regionOf(code);
    // Of a subdivision that another table has and this one does not, its country is known.
    return region < 0 ? this.country(start, code.slice(0, 2)) : region;
  }

  private country(start: number, code: string): number {
    const country = regionOf(code);
    require(country >= 0 && REGIONS[country] === code, start, "a region's code");
    return country;
  }

  mode(): string {
    const start = this.at;
    const length = this.bytes[this.at++] as number;
    const name = this.ascii(length);
    require(name === RESERVED_NAME || isModeName(name), start, "a mode's name");
    return name;
  }

  private ascii(length: number): string {
    const end = this.at + length;
    require(end <= this.bytes.length - 4, this.at, "a name ends before the checksum");
    let text = ""; // a start reads millions of names: an array a name would cost ten times as much
    while (this.at < end) text += String.fromCharCode(this.bytes[this.at++] as number);
    return text;
  }
}

function checkRow(
  kind: Kind,
  words: Int32Array,
  base: number,
  regionCount: number,
  modeCount: number,
  offset: number,
): void {
  const [id0, id1, id2, id3] = [
    words[base] as number,
    words[base + 1] as number,
    words[base + 2] as number,
    words[base + 3] as number,
  ];
  require((id0 | id1 | id2 | id3) !== 0, offset, "a profile id that is not nil");
  const place = words[base + CELL] as number;
  const isKnown = (place & 0xffff) < regionCount && place >>> 16 < modeCount;
  const isPlace = isKnown || place === NOWHERE_PLACE || (place === GONE && kind === "round");
  require(isPlace, offset + CELL * 4, "a region and mode that the message names");
  require((words[base + SEEN] as number) >= 0, offset + SEEN * 4, "an age below 2^31 tenths of a second");
}
