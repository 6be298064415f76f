/** A copied table as a compressed snapshot message. */
import { constants, zstdCompressSync } from "node:zlib";
import { encodeRows } from "../engine/codec.ts";
import type { TableCopy } from "../engine/engine.ts";
import { takenRows } from "../engine/presence-table.ts";

const LEVEL = 1; // 0.72 of the size at some 400 MB/s; higher levels win little on random ids

export function encodeSnapshot(copy: TableCopy): Uint8Array<ArrayBuffer> {
  const message = encodeRows("snapshot", { ...copy, ...takenRows(copy.words) });
  return Uint8Array.from(zstdCompressSync(message, { params: { [constants.ZSTD_c_compressionLevel]: LEVEL } }));
}
