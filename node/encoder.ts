/** Encodes snapshots in a thread of their own (piscina), so that neither encoding nor compression stops the loop. */
import { promisify } from "node:util";
import { zstdDecompress, zstdDecompressSync } from "node:zlib";
import { Piscina } from "piscina";
import type { TableCopy } from "../engine/engine.ts";
import { encodeSnapshot } from "./encode-snapshot.ts";

/** The most bytes that a partition's snapshot can be, uncompressed: 2^20 rows and every name. */
const MESSAGE_BYTES_MAX = 2 ** 20 * 28 + 2 ** 20;

/**
 * Compressed, some 8,000 players. Below this a snapshot is decompressed in place, half a millisecond at the most: through the
 * thread pool each of the dozens that a node takes over would wait for a turn of the event loop, just when that is busiest.
 */
const SMALL_SNAPSHOT_BYTES = 128 * 1024;

/** What a snapshot grows by when decompressed, at most as a rule: 1.4 times with random ids. */
const GROWTH = 2;

/** Below this a table is encoded in place, 0.1 ms: the way to the thread and back takes longer, and may have to wait. */
const SMALL_BYTES = 16_384;

export class SnapshotEncoder {
  /** Its thread is started with the node: who waits for a hand-off has no time for that. */
  private readonly pool = new Piscina<TableCopy, Uint8Array>({
    filename: new URL("./encoder-worker.ts", import.meta.url).href,
    minThreads: 1,
    maxThreads: 1,
    // It has a table's copy at a time, outside of its heap.
    resourceLimits: { maxYoungGenerationSizeMb: 2, maxOldGenerationSizeMb: 64 },
  });

  /** The copy's buffer is given away. */
  async encode(copy: TableCopy): Promise<Uint8Array> {
    if (copy.words.byteLength <= SMALL_BYTES) return encodeSnapshot(copy);
    return this.pool.run(copy, { transferList: [copy.words.buffer] });
  }

  close(): Promise<void> {
    return this.pool.destroy();
  }
}

const decompress = promisify(zstdDecompress);

/** @throws {Error} if the bytes are no such compressed message, or it would be larger than any can be */
export async function decompressSnapshot(snapshot: Uint8Array): Promise<Uint8Array> {
  // Mostly room for all of it: each piece of the result costs a way to another thread and back, and all are joined in the end.
  const chunkSize = Math.min(MESSAGE_BYTES_MAX, Math.max(Buffer.poolSize, snapshot.length * GROWTH));
  const options = { maxOutputLength: MESSAGE_BYTES_MAX, chunkSize };
  return snapshot.length > SMALL_SNAPSHOT_BYTES ? decompress(snapshot, options) : zstdDecompressSync(snapshot, options);
}
