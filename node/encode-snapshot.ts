/**
 * A copied table as a compressed snapshot message.
 *
 * A thread that does little else allocates so seldom that its collector hardly ever runs, and tens of megabytes of buffers
 * lie dead until then. So each buffer is given back as soon as it was read: `transfer(0)` frees what it is called on.
 */
import { constants, zstdCompressSync } from "node:zlib";
import { encodeRows } from "../engine/codec.ts";
import type { TableCopy } from "../engine/engine.ts";
import { takenRows } from "../engine/presence-table.ts";

const LEVEL = 1; // 0.72 of the size at some 400 MB/s; higher levels win little on random ids

/** The copy's buffer is given away. */
export function encodeSnapshot(copy: TableCopy): Uint8Array<ArrayBuffer> {
  const message = encodeRows("snapshot", { ...copy, ...takenRows(copy.words) });
  copy.words.buffer.transfer(0);
  // Room for the worst case, so that the result is one buffer and nothing is joined: that could not be given back.
  // A small one would lie in Node's pool, beside what others use.
  const chunkSize = Math.max(Buffer.poolSize, message.length + (message.length >> 7) + 512);
  const params = { [constants.ZSTD_c_compressionLevel]: LEVEL };
  const compressed = zstdCompressSync(message, { chunkSize, params });
  message.buffer.transfer(0);
  const snapshot = Uint8Array.from(compressed);
  compressed.buffer.transfer(0);
  return snapshot;
}
