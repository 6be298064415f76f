/** The checksum at the end of every message. */
import { crc32 } from "node:zlib";

/** CRC-32 of all bytes but the last four, which keep it. */
export function checksum(bytes: Uint8Array): number {
  return crc32(bytes.subarray(0, bytes.length - 4));
}
