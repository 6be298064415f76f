/**
 * One group commit as one row of the shared log: the parts of all its partitions in one run of bytes.
 *
 *   header     24 bytes   magic u32 | segments u16, claims u16 | bytes of claims u32 | bytes of head u32 | commit number f64
 *   segments   16 each    partition u16, claim index u16 | bytes of part u32 | from f64
 *   claims     8 + n      term f64, then incarnation: bytes u32, UTF-8, zeros up to a multiple of 8
 *   head                  what all parts are read with
 *   parts                 one after another, in the order of the segments
 *
 * Numbers are little-endian, as on every machine Node runs on. `from` is the length that the part continues under
 * its claim, so each segment says by itself where it belongs, whatever was lost around it.
 *
 * Rows of format 1 have no head and whole messages for parts, and their header is
 *              24 bytes   magic u32 | segments u32 | claims u32 | bytes of claims u32 | commit number f64
 */
import { type Append, type Claim, type Commit, NO_HEAD } from "../../cluster/ports/record-store.ts";

const MAGIC = 0x324c4348; // "HCL2"
const MAGIC_1 = 0x314c4348; // "HCL1", of format 1
const HEADER_BYTES = 24;
const SEGMENT_BYTES = 16;
const INCARNATIONS_KEPT = 64;
/** The claim of a segment that did not land: its part lies in the row, and nobody reads it. */
const NO_CLAIM = 0xffff;

/** One run of bytes seen as the three kinds of numbers in it. */
export interface Words {
  readonly u8: Uint8Array;
  readonly u32: Uint32Array;
  readonly f64: Float64Array;
}

export function wordsOf(buffer: ArrayBufferLike): Words {
  return { u8: new Uint8Array(buffer), u32: new Uint32Array(buffer), f64: new Float64Array(buffer) };
}

const isOfFormat1 = (words: Words): boolean => words.u32[0] === MAGIC_1;
const claimsBytes = (words: Words): number => words.u32[isOfFormat1(words) ? 3 : 2] as number;

/** Where things lie in the row at the start of `words`. */
export const rowAt = {
  isRow: (words: Words): boolean => words.u32[0] === MAGIC || isOfFormat1(words),
  segmentCount: (words: Words): number => (words.u32[1] as number) & 0xffff,
  claimCount: (words: Words): number =>
    isOfFormat1(words) ? (words.u32[2] as number) : (words.u32[1] as number) >>> 16,
  headBytes: (words: Words): number => (isOfFormat1(words) ? 0 : (words.u32[3] as number)),
  claimsStart: (words: Words): number => HEADER_BYTES + rowAt.segmentCount(words) * SEGMENT_BYTES,
  headStart: (words: Words): number => rowAt.claimsStart(words) + claimsBytes(words),
  commitNumber: (words: Words): number => words.f64[2] as number,
  partition: (words: Words, segment: number): number => (words.u32[6 + segment * 4] as number) & 0xffff,
  claimIndex: (words: Words, segment: number): number => (words.u32[6 + segment * 4] as number) >>> 16,
  partBytes: (words: Words, segment: number): number => words.u32[7 + segment * 4] as number,
  from: (words: Words, segment: number): number => words.f64[4 + segment * 2] as number,
} as const;

export function setCommitNumber(words: Words, commitNumber: number): void {
  words.f64[2] = commitNumber;
}

/** Nobody reads this segment from now on. */
export function dropSegment(words: Words, segment: number): void {
  words.u32[6 + segment * 4] = rowAt.partition(words, segment) | (NO_CLAIM << 16);
}

/** Writes rows; keeps the bytes of the incarnations it met, since every commit carries the same few. */
export class LogRowWriter {
  readonly #incarnations = new Map<string, Uint8Array>();
  #claims: Claim[] = [];
  #claimIndexes = new Uint16Array(64);
  #claimsBytes = 0;

  /** How many bytes the row of this commit takes; to be followed by `write` of the same. */
  measure({ appends, content }: Commit): number {
    const count = appends.length;
    if (this.#claimIndexes.length < count) this.#claimIndexes = new Uint16Array(count * 2);
    this.#claims = [];
    this.#claimsBytes = 0;
    let claim: Claim | undefined;
    let claimIndex = 0;
    for (let index = 0; index < count; index += 1) {
      const append = appends[index] as Append;
      if (append.claim !== claim) {
        claim = append.claim;
        claimIndex = this.#indexOf(claim);
      }
      this.#claimIndexes[index] = claimIndex;
    }
    return HEADER_BYTES + count * SEGMENT_BYTES + this.#claimsBytes + content.length;
  }

  /** @returns the bytes written, as measured */
  write({ appends, headBytes, content }: Commit, words: Words): number {
    const { u8, u32, f64 } = words;
    const count = appends.length;
    u32[0] = MAGIC;
    u32[1] = count | (this.#claims.length << 16);
    u32[2] = this.#claimsBytes;
    u32[3] = headBytes;
    f64[2] = 0;
    for (let index = 0; index < count; index += 1) {
      const { partition, from, bytes } = appends[index] as Append;
      u32[6 + index * 4] = partition | ((this.#claimIndexes[index] as number) << 16);
      u32[7 + index * 4] = bytes;
      f64[4 + index * 2] = from;
    }
    const at = this.#writeClaims(words, HEADER_BYTES + count * SEGMENT_BYTES);
    u8.set(content, at);
    return at + content.length;
  }

  #indexOf(claim: Claim): number {
    const claims = this.#claims;
    for (let index = 0; index < claims.length; index += 1) {
      if ((claims[index] as Claim).term === claim.term && (claims[index] as Claim).incarnation === claim.incarnation)
        return index;
    }
    this.#claimsBytes += padded(12 + this.#encoded(claim.incarnation).length);
    return claims.push(claim) - 1;
  }

  #encoded(incarnation: string): Uint8Array {
    let encoded = this.#incarnations.get(incarnation);
    if (encoded === undefined) {
      if (this.#incarnations.size >= INCARNATIONS_KEPT) this.#incarnations.clear();
      encoded = new TextEncoder().encode(incarnation);
      this.#incarnations.set(incarnation, encoded);
    }
    return encoded;
  }

  #writeClaims({ u8, u32, f64 }: Words, start: number): number {
    let at = start;
    for (const claim of this.#claims) {
      const incarnation = this.#encoded(claim.incarnation);
      const end = at + padded(12 + incarnation.length);
      f64[at / 8] = claim.term;
      u32[at / 4 + 2] = incarnation.length;
      u8.set(incarnation, at + 12);
      u8.fill(0, at + 12 + incarnation.length, end);
      at = end;
    }
    return at;
  }
}

/** The claims that the row's segments name by index. */
export function claimsOf(words: Words): Claim[] {
  const claims: Claim[] = [];
  let at = rowAt.claimsStart(words);
  for (let index = 0; index < rowAt.claimCount(words); index += 1) {
    const bytes = words.u32[at / 4 + 2] as number;
    // Copied first: a decoder refuses shared memory.
    const incarnation = new TextDecoder().decode(words.u8.slice(at + 12, at + 12 + bytes));
    claims.push({ term: words.f64[at / 8] as number, incarnation });
    at += padded(12 + bytes);
  }
  return claims;
}

/** A row of no segments: it stands where a commit was lost. */
export function emptyLogRow(commitNumber: number): Uint8Array {
  const words = wordsOf(new ArrayBuffer(HEADER_BYTES));
  words.u32[0] = MAGIC;
  setCommitNumber(words, commitNumber);
  return words.u8;
}

export interface Segment {
  readonly partition: number;
  readonly claim: Claim;
  readonly from: number;
  /** Of all the row's segments the same array. */
  readonly head: Uint8Array;
  readonly bytes: Uint8Array;
}

/** The row's segments that landed, as a list; their bytes are views of the row. */
export function segmentsOf(words: Words): Segment[] {
  const claims = claimsOf(words);
  const segments: Segment[] = [];
  const headStart = rowAt.headStart(words);
  let at = headStart + rowAt.headBytes(words);
  const head = at === headStart ? NO_HEAD : words.u8.subarray(headStart, at);
  for (let index = 0; index < rowAt.segmentCount(words); index += 1) {
    const end = at + rowAt.partBytes(words, index);
    const claim = claims[rowAt.claimIndex(words, index)];
    const [partition, from] = [rowAt.partition(words, index), rowAt.from(words, index)];
    if (claim !== undefined) segments.push({ partition, claim, from, head, bytes: words.u8.subarray(at, end) });
    at = end;
  }
  return segments;
}

/** A row read from a file as words; numbers past its last whole 8 bytes are only in `u8`. */
export function wordsOfRow(row: Uint8Array): Words {
  const aligned = row.byteOffset % 8 === 0 ? row : row.slice();
  const { buffer, byteOffset, byteLength } = aligned;
  return {
    u8: aligned,
    u32: new Uint32Array(buffer, byteOffset, byteLength >>> 2),
    f64: new Float64Array(buffer, byteOffset, byteLength >>> 3),
  };
}

function padded(bytes: number): number {
  return (bytes + 7) & ~7;
}
