/**
 * Reads rows straight from the pages of a damaged SQLite file, without the tree above them.
 *
 * Every page image that looks like a leaf of a table is read, in the file and in each frame of the write-ahead log; a
 * cell that does not parse is passed over. Old images give old rows and torn ones give nonsense: whoever asks must
 * check each row by its own checksum and choose.
 *
 * Source: https://www.sqlite.org/fileformat2.html, sections 1.6, 2.1 and 2.2
 */
import { PAGE_BYTES } from "./schema.ts";
import type { WalFrame } from "./wal.ts";

const TABLE_LEAF = 0x0d;
const FILE_HEADER_BYTES = 100;
const LOCAL_MAX = PAGE_BYTES - 35;
const LOCAL_MIN = Math.floor(((PAGE_BYTES - 12) * 32) / 255) - 23;

export type Value = number | string | Uint8Array<ArrayBuffer> | null;

/** A row's columns in order; the key, which SQLite keeps outside of the row, stands first. */
export type ScannedRow = readonly Value[];

export function* scanRows(file: Uint8Array, frames: readonly WalFrame[]): Generator<ScannedRow> {
  const pages = new PageImages(file, frames);
  for (const { content, page, asOf } of pages.images()) {
    const start = page === 1 ? FILE_HEADER_BYTES : 0;
    if (content[start] !== TABLE_LEAF) continue;
    const view = new DataView(content.buffer, content.byteOffset, content.byteLength);
    const cells = Math.min(view.getUint16(start + 3), (PAGE_BYTES - start - 8) >> 1);
    for (let cell = 0; cell < cells; cell += 1) {
      const row = readCell(view, view.getUint16(start + 8 + cell * 2), (next) => pages.contentOf(next, asOf));
      if (row !== undefined) yield row;
    }
  }
}

/** What each page held, now and at each commit of the write-ahead log. */
class PageImages {
  readonly #file: Uint8Array;
  readonly #frames: readonly WalFrame[];
  readonly #framesOfPage = new Map<number, number[]>();

  constructor(file: Uint8Array, frames: readonly WalFrame[]) {
    this.#file = file;
    this.#frames = frames;
    for (const [index, frame] of frames.entries()) {
      if (!frame.isValid) continue;
      const known = this.#framesOfPage.get(frame.page);
      if (known === undefined) this.#framesOfPage.set(frame.page, [index]);
      else known.push(index);
    }
  }

  /** Each image once; `asOf` is the frame up to which the pages it points to are to be looked for. */
  *images(): Generator<{ content: Uint8Array; page: number; asOf: number }> {
    const count = Math.ceil(this.#file.length / PAGE_BYTES);
    for (let page = 1; page <= count; page += 1) {
      const content = this.#contentInFile(page);
      if (content === undefined) continue;
      yield { content, page, asOf: -1 };
      yield { content, page, asOf: this.#frames.length };
    }
    let commit = this.#frames.length;
    for (let index = this.#frames.length - 1; index >= 0; index -= 1) {
      const { content, page, isCommit } = this.#frames[index] as WalFrame;
      if (isCommit) commit = index;
      // What no commit follows was never acknowledged.
      if (commit < this.#frames.length) yield { content, page, asOf: commit };
    }
  }

  contentOf(page: number, asOf: number): Uint8Array | undefined {
    const frame = this.#framesOfPage.get(page)?.findLast((index) => index <= asOf);
    return frame === undefined ? this.#contentInFile(page) : (this.#frames[frame] as WalFrame).content;
  }

  #contentInFile(page: number): Uint8Array | undefined {
    const end = page * PAGE_BYTES;
    return page >= 1 && end <= this.#file.length ? this.#file.subarray(end - PAGE_BYTES, end) : undefined;
  }
}

/** @returns undefined where it is no cell of a table's leaf */
function readCell(
  view: DataView,
  start: number,
  pageOf: (page: number) => Uint8Array | undefined,
): ScannedRow | undefined {
  const cursor = { at: start };
  const payloadBytes = readVarint(view, cursor);
  const key = readVarint(view, cursor);
  if (payloadBytes === undefined || key === undefined || payloadBytes > 1 << 30) return undefined;
  const spill = LOCAL_MIN + ((payloadBytes - LOCAL_MIN) % (PAGE_BYTES - 4));
  const localBytes = payloadBytes <= LOCAL_MAX ? payloadBytes : spill <= LOCAL_MAX ? spill : LOCAL_MIN;
  const end = cursor.at + localBytes;
  if (end + (localBytes < payloadBytes ? 4 : 0) > PAGE_BYTES) return undefined;
  const local = new Uint8Array(view.buffer, view.byteOffset + cursor.at, localBytes);
  if (localBytes === payloadBytes) return readRow(local.slice(), key);
  const payload = withOverflow(local, payloadBytes, view.getUint32(end), pageOf);
  return payload && readRow(payload, key);
}

/** The payload's rest lies in a chain of pages: the number of the next one, then content. */
function withOverflow(
  local: Uint8Array,
  bytes: number,
  first: number,
  pageOf: (page: number) => Uint8Array | undefined,
): Uint8Array | undefined {
  const parts = [local];
  let missing = bytes - local.length;
  for (let page = first; missing > 0;) {
    const content = pageOf(page);
    if (content === undefined) return undefined;
    const part = content.subarray(4, 4 + Math.min(missing, PAGE_BYTES - 4));
    parts.push(part);
    missing -= part.length;
    page = new DataView(content.buffer, content.byteOffset).getUint32(0);
  }
  return Buffer.concat(parts, bytes);
}

function readRow(payload: Uint8Array, key: number): ScannedRow | undefined {
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  const cursor = { at: 0 };
  const headerBytes = readVarint(view, cursor);
  if (headerBytes === undefined || headerBytes > payload.length) return undefined;
  const types: number[] = [];
  while (cursor.at < headerBytes) {
    const type = readVarint(view, cursor);
    if (type === undefined) return undefined;
    types.push(type);
  }
  const values: Value[] = [];
  let at = headerBytes;
  for (const type of types) {
    const bytes = bytesOfType(type);
    if (at + bytes > payload.length) return undefined;
    values.push(readValue(view, type, at, bytes));
    at += bytes;
  }
  values[0] = key; // stored as null: the key is the cell's own
  return values;
}

const BYTES_OF_TYPE = [0, 1, 2, 3, 4, 6, 8, 8, 0, 0, 0, 0];

function bytesOfType(type: number): number {
  return type < 12 ? (BYTES_OF_TYPE[type] as number) : (type - (type % 2) - 12) / 2;
}

function readValue(view: DataView, type: number, at: number, bytes: number): Value {
  if (type >= 12) {
    const content = new Uint8Array(view.buffer, view.byteOffset + at, bytes).slice();
    return type % 2 === 0 ? content : new TextDecoder().decode(content);
  }
  if (type === 7) return view.getFloat64(at);
  if (type === 8 || type === 9) return type - 8;
  if (bytes === 0) return null;
  let value = view.getInt8(at);
  for (let index = 1; index < bytes; index += 1) value = value * 256 + view.getUint8(at + index);
  return value;
}

/** Seven bits a byte, the highest first, eight in the ninth; undefined past the page or past what a number can say. */
function readVarint(view: DataView, cursor: { at: number }): number | undefined {
  let value = 0;
  for (let index = 0; index < 9; index += 1) {
    if (cursor.at >= view.byteLength) return undefined;
    const byte = view.getUint8(cursor.at);
    cursor.at += 1;
    if (index === 8) value = value * 256 + byte;
    else value = value * 128 + (byte & 0x7f);
    if (value > Number.MAX_SAFE_INTEGER) return undefined;
    if (index === 8 || byte < 0x80) return value;
  }
  return undefined;
}
