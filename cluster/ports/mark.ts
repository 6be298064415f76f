/**
 * R12: the mark of a cluster's key: a short text that tells keys apart and reveals nothing of them. It lies beside the
 * key in the store, is part of every run, and heads every envelope between peers.
 */
import { halfSipHash, hashKeyOf } from "../../engine/half-sip-hash.ts";

/** Hashed with the key they make its mark; no player has such an id. */
const MARK_IDS = [
  [-1, -1, -1, 1],
  [-1, -1, -1, 2],
] as const;

/** @param hashKey 8 bytes */
export function markWordsOf(hashKey: Uint8Array): readonly [number, number] {
  const key = hashKeyOf(hashKey);
  const hash = ([id0, id1, id2, id3]: (typeof MARK_IDS)[number]): number => halfSipHash(key, id0, id1, id2, id3);
  return [hash(MARK_IDS[0]), hash(MARK_IDS[1])];
}

/**
 * @param hashKey 8 bytes
 * @returns 16 hexadecimal digits
 */
export function markOf(hashKey: Uint8Array): string {
  return markWordsOf(hashKey)
    .map((word) => (word >>> 0).toString(16).padStart(8, "0"))
    .join("");
}
