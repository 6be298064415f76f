/**
 * What nodes tell each other about counts (R20 to R24), as bytes:
 *
 *   0  u8  version, 1
 *   1  u8  kind: 1 tell, 2 told, 3 flush, 4 flushed, 5 ask, 6 asked
 *   2      the parts of its kind, see below; numbers in 7 bits a byte, the lowest first, the last byte below 128
 *   end - 4  u32  CRC-32 of all before, little-endian
 *
 *   tallies   modes, then each: length, letters;  entries, then each: partition, term, from, to - from, flags
 *             (1 whole, 2 in doubt, 4 unsure), cells, then each: region's 2 letters, index into the modes, players
 *   boards    how many, then each: region's 2 letters, term, version, flags (1 stale, 2 complete, 4 with its counts:
 *             players, modes, then each: length, letters, players)
 *
 * Everything is checked before anything is handed out: a malformed message changes nothing.
 */
import type { Ranked } from "../../engine/board.ts";
import { checksum } from "../../engine/checksum.ts";
import { MalformedMessageError } from "../../engine/codec.ts";
import { isModeName } from "../../engine/modes.ts";
import { REGION_BY_LETTERS, REGION_LETTERS, REGIONS } from "../../engine/regions.ts";

/** One partition's counts for one region owner, or only how far they are. */
export interface TallyEntry {
  readonly partition: number;
  /** Of its claim. */
  readonly term: number;
  /** The version that this continues. */
  readonly from: number;
  /** The version that this leads to; `from` where nothing changed. */
  readonly to: number;
  /** R21: these are all its cells in the regions that the receiver owns: whoever is not in them is not there. */
  readonly isWhole: boolean;
  /** R26: its players are in doubt. */
  readonly isDoubtful: boolean;
  /** R14: its claimant may not speak for it just now: better than nothing, but it counts as unheard. */
  readonly isUnsure: boolean;
  /** Three numbers a cell: region, index into `modes`, players. */
  readonly cells: readonly number[];
}

export interface Tallies {
  readonly modes: readonly string[];
  readonly entries: readonly TallyEntry[];
}

/** A region's players and its best modes. */
export interface BoardCounts {
  readonly players: number;
  readonly top: readonly Ranked[];
}

/** R23: how far a board is, as of now; `counts` where the receiver may not have them. */
export interface BoardEntry {
  readonly region: number;
  readonly term: number;
  readonly version: number;
  readonly isStale: boolean;
  /** False where players are in doubt (R26). */
  readonly isComplete: boolean;
  readonly counts: BoardCounts | undefined;
}

/** Tallies for the regions of the receiver, and boards for its read view. */
export interface Tell {
  readonly kind: "tell";
  readonly tallies: Tallies;
  readonly boards: readonly BoardEntry[];
}
/** Of what was not asked for again, all has been taken in. */
export interface Told {
  readonly kind: "told";
  /** Sent under another epoch than the receiver's: nothing was taken in. */
  readonly isOtherEpoch: boolean;
  /** Partitions of which the whole is needed. */
  readonly partitions: readonly number[];
  /** Regions whose counts are needed. */
  readonly regions: readonly number[];
}
/** R24: asks for all partitions that the receiver holds, now. */
export interface Flush {
  readonly kind: "flush";
  /** Those of which the whole is needed. */
  readonly partitions: readonly number[];
}
export interface Flushed {
  readonly kind: "flushed";
  readonly isOtherEpoch: boolean;
  readonly tallies: Tallies;
}
/** R24: asks a region's owner for its board, with every report acknowledged so far. */
export interface Ask {
  readonly kind: "ask";
  readonly region: number;
}
/** `undefined`: the receiver is not the owner. */
export interface Asked {
  readonly kind: "asked";
  readonly board: BoardEntry | undefined;
}
export type CountsMessage = Tell | Told | Flush | Flushed | Ask | Asked;

/** Modes in the counts of a board that travels. */
export const TOP_MAX = 100;
/** What can be in one partition, and a count's width. */
const PLAYERS_MAX = 2 ** 31 - 1;
const TELL_MODES_MAX = 4096;
const VERSION = 1;
const KINDS = ["tell", "told", "flush", "flushed", "ask", "asked"] as const;
const [WHOLE, DOUBTFUL, UNSURE] = [1, 2, 4];
const [STALE, COMPLETE, WITH_COUNTS] = [1, 2, 4];

export function encodeCounts(message: CountsMessage): Uint8Array {
  const writer = new Writer();
  writer.byte(VERSION);
  writer.byte(KINDS.indexOf(message.kind) + 1);
  switch (message.kind) {
    case "tell":
      writeTallies(writer, message.tallies);
      writer.list(message.boards, writeBoard);
      break;
    case "told":
      writer.flag(message.isOtherEpoch);
      writer.list(message.partitions, writeNumber);
      writer.list(message.regions, writeRegion);
      break;
    case "flush":
      writer.list(message.partitions, writeNumber);
      break;
    case "flushed":
      writer.flag(message.isOtherEpoch);
      writeTallies(writer, message.tallies);
      break;
    case "ask":
      writer.region(message.region);
      break;
    case "asked":
      writer.list(message.board === undefined ? [] : [message.board], writeBoard);
  }
  return writer.end();
}

/**
 * Decodes one message that fills `bytes`.
 * @param partitions how many the cluster has
 * @throws {MalformedMessageError} if it is anything but a whole, sound message
 */
export function decodeCounts(bytes: Uint8Array, partitions: number): CountsMessage {
  const reader = new Reader(bytes, partitions);
  const kind = reader.head();
  const message = readMessage(reader, kind);
  reader.end();
  return message;
}

function readMessage(reader: Reader, kind: CountsMessage["kind"]): CountsMessage {
  switch (kind) {
    case "tell":
      return { kind, tallies: readTallies(reader), boards: reader.list(REGIONS.length, readBoard) };
    case "told":
      return {
        kind,
        isOtherEpoch: reader.flags(1) === 1,
        partitions: reader.list(reader.partitions, readPartition),
        regions: reader.list(REGIONS.length, readRegion),
      };
    case "flush":
      return { kind, partitions: reader.list(reader.partitions, readPartition) };
    case "flushed":
      return { kind, isOtherEpoch: reader.flags(1) === 1, tallies: readTallies(reader) };
    case "ask":
      return { kind, region: reader.region() };
    case "asked":
      return { kind, board: reader.list(1, readBoard)[0] };
  }
}

function writeTallies(writer: Writer, { modes, entries }: Tallies): void {
  writer.list(modes, writeName);
  writer.list(entries, writeEntry);
}

function readTallies(reader: Reader): Tallies {
  const modes = reader.list(TELL_MODES_MAX, readMode);
  return { modes, entries: reader.list(reader.partitions, (each) => readEntry(each, modes.length)) };
}

function writeEntry(writer: Writer, entry: TallyEntry): void {
  const { cells } = entry;
  writer.number(entry.partition);
  writer.number(entry.term);
  writer.number(entry.from);
  writer.number(entry.to - entry.from);
  writer.byte((entry.isWhole ? WHOLE : 0) | (entry.isDoubtful ? DOUBTFUL : 0) | (entry.isUnsure ? UNSURE : 0));
  writer.number(cells.length / 3);
  for (let at = 0; at < cells.length; at += 3) {
    writer.region(cells[at]);
    writer.number(cells[at + 1]);
    writer.number(cells[at + 2]);
  }
}

function readEntry(reader: Reader, modeCount: number): TallyEntry {
  const partition = reader.partition();
  const [term, from, passed] = [reader.number(), reader.number(), reader.number()];
  const flags = reader.flags(WHOLE | DOUBTFUL | UNSURE);
  const count = reader.count(Infinity);
  const cells: number[] = [];
  for (let cell = 0; cell < count; cell++) {
    cells.push(reader.region());
    cells.push(reader.number(modeCount - 1));
    cells.push(reader.number(PLAYERS_MAX));
  }
  const to = from + passed;
  reader.require(Number.isSafeInteger(to), "a version that is a whole number");
  reader.require(count === 0 || passed > 0, "counts under a version of their own");
  const isWhole = (flags & WHOLE) !== 0;
  const isDoubtful = (flags & DOUBTFUL) !== 0;
  return { partition, term, from, to, isWhole, isDoubtful, isUnsure: (flags & UNSURE) !== 0, cells };
}

function writeBoard(writer: Writer, { region, term, version, isStale, isComplete, counts }: BoardEntry): void {
  writer.region(region);
  writer.number(term);
  writer.number(version);
  writer.byte((isStale ? STALE : 0) | (isComplete ? COMPLETE : 0) | (counts === undefined ? 0 : WITH_COUNTS));
  if (counts === undefined) return;
  writer.number(counts.players);
  writer.list(counts.top, writeRanked);
}

function readBoard(reader: Reader): BoardEntry {
  const [region, term, version] = [reader.region(), reader.number(), reader.number()];
  const flags = reader.flags(STALE | COMPLETE | WITH_COUNTS);
  const counts =
    (flags & WITH_COUNTS) === 0 ? undefined : { players: reader.number(), top: reader.list(TOP_MAX, readRanked) };
  return { region, term, version, isStale: (flags & STALE) !== 0, isComplete: (flags & COMPLETE) !== 0, counts };
}

function writeRanked(writer: Writer, { mode, players }: Ranked): void {
  writer.name(mode);
  writer.number(players);
}

function readRanked(reader: Reader): Ranked {
  return { mode: reader.mode(), players: reader.number() };
}

const writeNumber = (writer: Writer, value: number): void => writer.number(value);
const writeRegion = (writer: Writer, region: number): void => writer.region(region);
const writeName = (writer: Writer, name: string): void => writer.name(name);
const readPartition = (reader: Reader): number => reader.partition();
const readRegion = (reader: Reader): number => reader.region();
const readMode = (reader: Reader): string => reader.mode();

class Writer {
  private bytes = new Uint8Array(512);
  private at = 0;

  byte(value: number): void {
    if (this.at === this.bytes.length) this.grow(1);
    this.bytes[this.at++] = value;
  }

  flag(isSet: boolean): void {
    this.byte(isSet ? 1 : 0);
  }

  number(value: number): void {
    for (; value > 127; value = Math.floor(value / 128)) this.byte((value % 128) | 128);
    this.byte(value);
  }

  region(region: number): void {
    this.byte(REGION_LETTERS[region] & 0xff);
    this.byte(REGION_LETTERS[region] >>> 8);
  }

  name(name: string): void {
    this.byte(name.length);
    for (let index = 0; index < name.length; index++) this.byte(name.charCodeAt(index));
  }

  list<T>(items: readonly T[], write: (writer: Writer, item: T) => void): void {
    this.number(items.length);
    for (const item of items) write(this, item);
  }

  end(): Uint8Array {
    if (this.at + 4 > this.bytes.length) this.grow(4);
    const bytes = this.bytes.subarray(0, this.at + 4);
    new DataView(bytes.buffer).setUint32(this.at, checksum(bytes), true);
    return bytes;
  }

  private grow(more: number): void {
    const bytes = new Uint8Array(this.bytes.length * 2 + more);
    bytes.set(this.bytes);
    this.bytes = bytes;
  }
}

class Reader {
  readonly partitions: number;
  private at = 0;
  private readonly last: number;
  private readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array, partitions: number) {
    this.bytes = bytes;
    this.partitions = partitions;
    this.last = bytes.length - 4;
  }

  head(): CountsMessage["kind"] {
    const { bytes, last } = this;
    this.require(last >= 2, "at least 6 bytes");
    this.require(bytes[0] === VERSION, `version ${VERSION}, not ${bytes[0]}`);
    const kind = KINDS[bytes[1] - 1];
    this.require(kind !== undefined, `a known kind, not ${bytes[1]}`);
    const sum = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(last, true);
    this.require(sum === checksum(bytes), "the checksum fits");
    this.at = 2;
    return kind;
  }

  end(): void {
    this.require(this.at === this.last, "nothing before the checksum but the message");
  }

  byte(): number {
    this.require(this.at < this.last, "a message that ends with its checksum");
    return this.bytes[this.at++];
  }

  flags(known: number): number {
    const flags = this.byte();
    this.require((flags & ~known) === 0, "known flags");
    return flags;
  }

  number(max = Number.MAX_SAFE_INTEGER): number {
    let [value, scale, byte] = [0, 1, 0];
    do {
      byte = this.byte();
      value += (byte & 127) * scale;
      scale *= 128;
      if (!(value <= max)) this.fail(`a number up to ${max}`); // NaN too: zeros without an end
    } while (byte > 127);
    return value;
  }

  partition(): number {
    return this.number(this.partitions - 1);
  }

  region(): number {
    const letters = this.byte() | (this.byte() << 8);
    const region = REGION_BY_LETTERS[letters];
    this.require(region >= 0, "a region's code");
    return region;
  }

  mode(): string {
    const length = this.byte();
    this.require(this.at + length <= this.last, "a name that ends before the checksum");
    const name = String.fromCharCode(...this.bytes.subarray(this.at, this.at + length));
    this.at += length;
    this.require(isModeName(name), "a mode's name");
    return name;
  }

  /** How many items follow; each takes a byte at least. */
  count(max: number): number {
    const count = this.number();
    this.require(count <= max && count <= this.last - this.at, `at most ${max} items, all of them there`);
    return count;
  }

  list<T>(max: number, read: (reader: Reader) => T): T[] {
    const items: T[] = [];
    for (let left = this.count(max); left > 0; left--) items.push(read(this));
    return items;
  }

  require(holds: boolean, rule: string): asserts holds {
    if (!holds) this.fail(rule);
  }

  private fail(rule: string): never {
    throw new MalformedMessageError(this.at, `must hold: ${rule}`);
  }
}
