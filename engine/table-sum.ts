/**
 * R13: what two tables must have in common to be equal, whatever the order of their rows and the numbers of their modes:
 * how many rows, and the sum of a mixing hash over each row's id, region, mode, age and seq. Sums of two hashes, 64 bits
 * in all: they guard against a row that was left out, not against an attacker. Some 20 ns a row.
 *
 * Ages are in it, in whole tenths as of one instant of the holder's observed time: a taker keeps that time while it
 * copies, so they are exact on both sides (incoming-copy.ts).
 */
import { crc32 } from "node:zlib";
import { MODE_BITS, MODE_MASK, RESERVED_NAME } from "./modes.ts";
import { CELL, NOWHERE, type PresenceTable, ROW_WORDS, SEEN, SEQ } from "./presence-table.ts";
import { REGIONS } from "./places.ts";

export interface TableSum {
  readonly rows: number;
  /** Two numbers of 32 bits. */
  readonly checksum: readonly [number, number];
}

const REGION_HASHES = Int32Array.from(REGIONS, (code) => crc32(code));
const MIX_ONE = 0x85ebca6b; // odd factors of MurmurHash3's and xxHash's finalisers
const MIX_OTHER = 0x9e3779b1;

/**
 * @param modeNames name by mode number
 * @param asOf tenths of observed time: ages are counted up to here
 */
export function sumOf({ rows, size }: PresenceTable, modeNames: readonly string[], asOf: number): TableSum {
  const modeHashes = new Map<number, number>();
  let [one, other] = [0, 0];
  for (let base = 0; base < rows.length; base += ROW_WORDS) {
    const [id0, id1, id2, id3] = [
      rows[base] as number,
      rows[base + 1] as number,
      rows[base + 2] as number,
      rows[base + 3] as number,
    ];
    if ((id0 | id1 | id2 | id3) === 0) continue;
    const place = placeHash(rows[base + CELL] as number, modeNames, modeHashes);
    const idHash = mix(mix(mix(mix(id0) ^ id1) ^ id2) ^ id3);
    const hash = mix(mix(mix(idHash ^ place) ^ (asOf - (rows[base + SEEN] as number))) ^ (rows[base + SEQ] as number));
    one = (one + hash) | 0;
    other = (other + mix(hash ^ idHash ^ MIX_OTHER)) | 0;
  }
  return { rows: size, checksum: [one >>> 0, other >>> 0] };
}

export function isSameSum(sum: TableSum, other: TableSum): boolean {
  const [one, two] = [sum.checksum, other.checksum];
  return sum.rows === other.rows && one[0] === two[0] && one[1] === two[1];
}

function placeHash(cell: number, modeNames: readonly string[], modeHashes: Map<number, number>): number {
  if (cell === NOWHERE) return NOWHERE;
  const mode = cell & MODE_MASK;
  let hash = modeHashes.get(mode);
  if (hash === undefined) modeHashes.set(mode, (hash = crc32(modeNames[mode] ?? RESERVED_NAME) | 0));
  return mix(hash) ^ (REGION_HASHES[cell >>> MODE_BITS] as number);
}

function mix(word: number): number {
  const hash = Math.imul(word ^ (word >>> 16), MIX_ONE);
  return Math.imul(hash ^ (hash >>> 13), MIX_OTHER) ^ (hash >>> 16);
}
