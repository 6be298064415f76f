/**
 * What several partitions have for the log, encoded at once, in one of two forms. For a store that keeps a log of each
 * partition, each one's rows are a message by themselves (codec.ts). For a store that writes all of them as one, most of a
 * message would be said once a partition and is needed once, since a commit has hardly more than one row of each:
 *
 *   head    a message without rows, of kind `names`: region and mode names, time of writing
 *   parts   of each partition  u32 rows | rows, 28 bytes each, in the numbers of the head's names
 *
 * Parts have no checksum: the store that keeps them has one for the commit, and gives back only what it proves.
 */
import {
  Dictionary,
  type DecodedRows,
  decodeRows,
  forgetNames,
  meetNames,
  messageLength,
  readRows,
  require,
  ROW_BYTES,
  type Rows,
  type Target,
  targetOf,
  writeMessage,
  writeRows,
} from "./codec.ts";
import { CELL, NOWHERE, ROW_WORDS } from "./presence-table.ts";

/** One partition's rows for the log. */
export type LogRows = Pick<Rows, "words" | "count">;
/** What the rows of all of them have in common. */
export type LogContext = Omit<Rows, "words" | "count">;

export interface EncodedLog {
  /** Bytes at the front that all parts are read with; 0 where each is a message by itself. */
  readonly headBytes: number;
  /** Bytes of each part, in the order asked. */
  readonly partBytes: readonly number[];
  /** The head, then the parts. */
  readonly bytes: Uint8Array;
}

const ROOM_BYTES = 1 << 16; // for some 2,000 rows
const ROOM_KEPT_BYTES = 1 << 20;
const NO_ROWS: LogRows = { words: new Int32Array(0), count: 0 };

/** Encodes into room of its own, which is used again. */
export class LogEncoder {
  private room = targetOf(ROOM_BYTES);

  /**
   * All parts under one head. Cost: some 2 µs and 30 ns a row.
   * @returns what is good until the next call
   */
  together(parts: readonly LogRows[], context: LogContext): EncodedLog {
    let length = 0;
    for (const part of parts) {
      meetNames(part);
      length += 4 + part.count * ROW_BYTES;
    }
    const names: Rows = { ...NO_ROWS, ...context };
    const headBytes = messageLength(names);
    length += headBytes;
    const { words, bytes } = this.roomFor(length, 0);
    let at = writeMessage(this.room, 0, "names", names);
    const { now, writtenAtMs } = context;
    const partBytes = parts.map(({ words: rows, count }) => {
      words[at] = count;
      at = writeRows(words, at + 1, { words: rows, count, now, writtenAtMs });
      return 4 + count * ROW_BYTES;
    });
    forgetNames();
    return { headBytes, partBytes, bytes: bytes.subarray(0, length) };
  }

  /**
   * Each part a message by itself. Cost: some 0.5 µs a part and 20 ns a row.
   * @returns what is the caller's to keep
   */
  apart(parts: readonly LogRows[], context: LogContext): EncodedLog {
    let at = 0;
    const partBytes = parts.map((part) => {
      const rows: Rows = { words: part.words, count: part.count, ...context };
      meetNames(rows);
      const length = messageLength(rows);
      at = writeMessage(this.roomFor(at * 4 + length, at * 4), at, "log", rows);
      forgetNames();
      return length;
    });
    return { headBytes: 0, partBytes, bytes: this.room.bytes.slice(0, at * 4) };
  }

  /** Room for so many bytes, of which `used` are written already. What a burst took is given back. */
  private roomFor(length: number, used: number): Target {
    const { bytes } = this.room;
    const isTooLarge = used === 0 && bytes.length > ROOM_KEPT_BYTES;
    if (length <= bytes.length && !isTooLarge) return this.room;
    this.room = targetOf(Math.max(ROOM_BYTES, 2 ** Math.ceil(Math.log2(length))));
    this.room.bytes.set(bytes.subarray(0, used));
    return this.room;
  }
}

/** Of heads read before: the parts of one commit come with the very same. */
const headsRead = new WeakMap<Uint8Array, DecodedRows>();
const [ownRegions, ownModes] = [new Dictionary(), new Dictionary()];

/**
 * Decodes one partition's part of a commit, with the names that its own rows have: what `decodeRows` gives of them as a
 * message by themselves.
 * @param head empty where the part is a message by itself; else not changed afterwards
 * @throws {MalformedMessageError} if they are anything but what was encoded
 */
export function decodeLog(head: Uint8Array, bytes: Uint8Array): DecodedRows {
  if (head.length === 0) return decodeRows("log", bytes);
  let names = headsRead.get(head);
  if (names === undefined) headsRead.set(head, (names = decodeRows("names", head)));
  require(names.count === 0, 8, "names without rows");
  require(bytes.length >= 4, bytes.length, "at least 4 bytes");
  const count = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  require(4 + count * ROW_BYTES === bytes.length, 0, "as many rows as there are bytes for");
  const words = readRows("log", bytes, 4, names);
  return { writtenAtMs: names.writtenAtMs, count, ...withOwnNames(words, names), words };
}

/** Puts rows into the numbers of the names that they have themselves: few, whatever else was written with them. */
function withOwnNames(words: Int32Array, { regions, modes }: DecodedRows): Pick<DecodedRows, "regions" | "modes"> {
  for (let at = CELL; at < words.length; at += ROW_WORDS) {
    const place = words[at] as number;
    if (place === NOWHERE) continue;
    words[at] = ownRegions.number(place & 0xffff) | (ownModes.number(place >>> 16) << 16);
  }
  const own = {
    regions: ownRegions.met.map((region) => regions[region] as number),
    modes: ownModes.met.map((mode) => modes[mode] as string),
  };
  ownRegions.clear();
  ownModes.clear();
  return own;
}
