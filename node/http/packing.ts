/**
 * Which way of packing a client takes (RFC 9110, 12.5.3), and the packing itself.
 *
 * zstd at its usual level takes as long as gzip at its fastest, and its answers are a quarter smaller; brotli needs twice the time for the same
 * size (docs/decisions/0031-answers-are-packed-once.md). Whoever takes neither gets the answer as it is.
 *
 * BREACH: a packed body whose length tells a secret needs a secret beside something that the asker chooses. No answer has a secret in it: tokens
 * and keys are never answered, and what is packed is the same for everybody who may ask.
 */
import { promisify } from "node:util";
import { constants, gzip, gzipSync, zstdCompress, zstdCompressSync } from "node:zlib";

/** The better ones first. */
const CODINGS = ["zstd", "gzip"] as const;
export type Coding = (typeof CODINGS)[number];

/** What a client takes. */
export interface Wanted {
  /** `undefined`: no packing that is known here. */
  readonly coding: Coding | undefined;
  /** It takes nothing that is not packed. */
  readonly isPackedOnly: boolean;
}

/** Shorter answers fit into a packet anyhow. */
const PACKED_LENGTH_MIN = 1024;
/** What may be packed at once, while everybody waits: some 100 µs. */
const AT_ONCE_LENGTH_MAX = 128 * 1024;
const FAST = { level: constants.Z_BEST_SPEED };
const AS_IT_IS: Wanted = { coding: undefined, isPackedOnly: false };
/** Weight 0 to 1, at most three decimals. */
const ELEMENT = /^\s*([!#$%&'*+.^_`|~\w-]+)\s*(?:;\s*q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\s*)?$/i;
/** Longer ones are no browser's. */
const HEADER_LENGTH_MAX = 256;
const KNOWN_MAX = 64;

/** There are few such headers, and each comes with nearly every request. */
const known = new Map<string, Wanted>();

/** @param header Accept-Encoding */
export function wantedBy(header: string | undefined): Wanted {
  if (header === undefined || header === "" || header.length > HEADER_LENGTH_MAX) return AS_IT_IS;
  let wanted = known.get(header);
  if (wanted !== undefined) return wanted;
  wanted = read(header);
  if (known.size >= KNOWN_MAX) known.clear();
  known.set(header, wanted);
  return wanted;
}

function read(header: string): Wanted {
  const weights = new Map<string, number>();
  for (const element of header.split(",")) {
    const [, name, weight = "1"] = ELEMENT.exec(element) ?? [];
    if (name !== undefined) weights.set(name.toLowerCase().replace(/^x-gzip$/, "gzip"), Number(weight));
  }
  const others = weights.get("*");
  // Who takes anything has hardly thought of zstd.
  const weightOf = (coding: Coding): number => weights.get(coding) ?? (coding === "gzip" ? (others ?? 0) : 0);
  const [best] = CODINGS.toSorted((one, other) => weightOf(other) - weightOf(one));
  const plain = weights.get("identity") ?? (others === 0 ? 0 : undefined);
  const isTaken = best !== undefined && weightOf(best) > 0 && weightOf(best) >= (plain ?? 0);
  return { coding: isTaken ? best : undefined, isPackedOnly: plain === 0 };
}

/** How an answer of so many characters is to be packed; `undefined`: not at all. */
export function codingFor({ coding, isPackedOnly }: Wanted, length: number): Coding | undefined {
  return isLong(length) || isPackedOnly ? coding : undefined;
}

/** Whether an answer of so many characters comes packed to whoever takes that. */
export function isLong(length: number): boolean {
  return length >= PACKED_LENGTH_MIN;
}

/** At once. @param text short, see `packLater` */
export function pack(text: string | Buffer, coding: Coding): Buffer {
  return coding === "gzip" ? gzipSync(text, FAST) : zstdCompressSync(text);
}

/** In another thread where it is long. */
export async function packLater(body: string | Buffer, coding: Coding): Promise<Buffer> {
  if (body.length <= AT_ONCE_LENGTH_MAX) return pack(body, coding);
  return coding === "gzip" ? promisify(gzip)(body) : promisify(zstdCompress)(body);
}
