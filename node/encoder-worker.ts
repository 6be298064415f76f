/** The thread behind `SnapshotEncoder`: a copied table in, a compressed snapshot message out. */
import { constants, zstdCompressSync } from "node:zlib";
import { move } from "piscina";
import { encodeRows } from "../engine/codec.ts";
import type { TableCopy } from "../engine/engine.ts";
import { takenRows } from "../engine/presence-table.ts";

const LEVEL = 1; // 0.72 of the size at some 400 MB/s; higher levels win little on random ids

export default function encode(copy: TableCopy): Uint8Array {
  const message = encodeRows("snapshot", { ...copy, ...takenRows(copy.words) });
  const snapshot = zstdCompressSync(message, { params: { [constants.ZSTD_c_compressionLevel]: LEVEL } });
  return move(Uint8Array.from(snapshot)) as unknown as Uint8Array;
}
