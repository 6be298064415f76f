/**
 * What nodes say to each other when a partition moves (lane `control`): JSON, and rows as bytes behind it.
 * Everything is checked before it is handed out.
 */
import { MalformedMessageError } from "../../engine/codec.ts";
import { ROW_WORDS } from "../../engine/presence-table.ts";
import type { StandingsCopy } from "../../engine/standings.ts";
import type { TableSum } from "../../engine/table-sum.ts";
import type { FoundedClaim, PartitionIndex } from "../ports/record-store.ts";
import { isIncarnation } from "../ports/view.ts";

/** R13: the next piece of a partition's copy, or the one before once more. */
export interface CopyRequest {
  readonly kind: "copy";
  readonly partition: PartitionIndex;
  /** Rises with every copy that a taker begins: what belongs to an older one counts no more. */
  readonly copy: number;
  /** 0: the table, which begins the copy; then its rounds. */
  readonly round: number;
  /** Stop, let go, and tell what is still missing. */
  readonly isLast: boolean;
}

/** `served`: I serve these, under these terms (R6). */
export type HandOffRequest =
  | CopyRequest
  | { readonly kind: "served"; readonly partitions: readonly PartitionIndex[]; readonly terms: readonly number[] };

/** What the last round says of the whole copy. */
export interface LastRound extends TableSum {
  /** How many rounds there were, this one too. */
  readonly rounds: number;
  /** What stood in the store when the holder had stopped: the copy only counts where it still stands (R1). */
  readonly claim: FoundedClaim;
  readonly length: number;
  /** R26: what is left of the recovery grace, and of the doubt whether anybody is still there. */
  readonly graceLeftMs: number;
  readonly doubtLeftMs: number;
  /** R30. */
  readonly standings: StandingsCopy;
}

export interface CopiedRows {
  readonly kind: "rows";
  readonly copy: number;
  readonly round: number;
  /** The holder's observed time, in tenths: ages are counted up to here. */
  readonly asOf: number;
  readonly last: LastRound | undefined;
  /** Of round 0: as a snapshot's; else a codec message of kind `round`. */
  readonly bytes: Uint8Array;
}

/**
 * `not held`: it answers nothing for the partition. `busy`: not now, begin a new copy later. `not yet`: it is at work on
 * the answer; ask for the same again.
 */
export type CopyAnswer =
  | CopiedRows
  | { readonly kind: "not held" }
  | { readonly kind: "busy" }
  | { readonly kind: "not yet" };

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export function encodeRequest(request: HandOffRequest): Uint8Array {
  return encoder.encode(JSON.stringify(request));
}

/** @throws {MalformedMessageError} */
export function decodeRequest(bytes: Uint8Array, partitions: number): HandOffRequest {
  const value = jsonOf(bytes, 0) as Partial<Record<keyof CopyRequest | "partitions" | "terms", unknown>>;
  const isHere = (each: unknown): each is number => isCount(each) && each < partitions;
  if (value.kind === "copy") {
    const { kind, partition, copy, round, isLast } = value;
    require(isHere(partition), "a partition of this cluster");
    require(isCount(copy) && isCount(round) && typeof isLast === "boolean", "a round of a copy");
    return { kind, partition, copy, round, isLast };
  }
  require(value.kind === "served", "a known kind");
  require(isArrayOf(value.partitions, isHere), "partitions of this cluster");
  require(isArrayOf(value.terms, isCount) &&
    value.terms.length === value.partitions.length, "a term for each partition");
  return { kind: "served", partitions: value.partitions, terms: value.terms };
}

/** u32 bytes of JSON | JSON | rows | with the last round, the words of standings */
export function encodeAnswer(answer: CopyAnswer): Uint8Array {
  if (answer.kind !== "rows") return framed(answer, NO_ROWS, NO_ROWS);
  const { bytes, last, ...plain } = answer;
  if (last === undefined) return framed(plain, bytes, NO_ROWS);
  const { words, ...standings } = last.standings;
  const about = { ...plain, last: { ...last, standings: { ...standings, bytes: words.byteLength } } };
  return framed(about, bytes, new Uint8Array(words.buffer, words.byteOffset, words.byteLength));
}

function framed(plain: object, rows: Uint8Array, behind: Uint8Array): Uint8Array {
  const json = encoder.encode(JSON.stringify(plain));
  const rowsAt = 4 + json.length;
  const bytes = new Uint8Array(rowsAt + rows.length + behind.length);
  new DataView(bytes.buffer).setUint32(0, json.length, true);
  bytes.set(json, 4);
  bytes.set(rows, rowsAt);
  bytes.set(behind, rowsAt + rows.length);
  return bytes;
}

/** @throws {MalformedMessageError} */
export function decodeAnswer(bytes: Uint8Array): CopyAnswer {
  require(bytes.length >= 4, "a length");
  const rowsAt = 4 + new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(0, true);
  require(rowsAt <= bytes.length, "JSON that ends within the message");
  const value = jsonOf(bytes.subarray(4, rowsAt), 4) as Partial<Record<keyof CopiedRows, unknown>>;
  const { kind, copy, round, asOf, last } = value;
  const rows = bytes.subarray(rowsAt);
  if (kind === "not held" || kind === "busy" || kind === "not yet") {
    require(rows.length === 0, "nothing behind the answer");
    return { kind };
  }
  require(kind === "rows" && isCount(copy) && isCount(round) && isCount(asOf), "a known answer");
  const about = last === undefined ? undefined : lastOf(last, rows);
  const end = rows.length - (about?.standings.words.byteLength ?? 0);
  return { kind, copy, round, asOf, last: about, bytes: rows.subarray(0, end) };
}

const NO_ROWS = new Uint8Array(0);

/** @param body what is behind the JSON: rows, and then the words of standings */
function lastOf(value: unknown, body: Uint8Array): LastRound {
  const plain = (value ?? {}) as Partial<Record<keyof LastRound, unknown>>;
  const { claim, length, rounds, rows, checksum, graceLeftMs, doubtLeftMs } = plain;
  const { term, incarnation, founding } = (claim ?? {}) as Partial<Record<keyof FoundedClaim, unknown>>;
  require(isCount(term) && isIncarnation(incarnation) && isIncarnation(founding), "a claim");
  require(isCount(length) && isCount(rounds) && isCount(rows), "a length, rounds and rows");
  require(isCount(graceLeftMs) && isCount(doubtLeftMs), "what is left of grace and doubt");
  require(isArrayOf(checksum, isCount) && checksum.length === 2, "a checksum of two numbers");
  const [one, other] = checksum as [number, number];
  const stood = { term, incarnation, founding };
  const standings = standingsOf(plain.standings, body);
  return { claim: stood, length, rounds, rows, checksum: [one, other], graceLeftMs, doubtLeftMs, standings };
}

function standingsOf(value: unknown, body: Uint8Array): StandingsCopy {
  const { firstTerm, unsureUntil, bytes } = (value ?? {}) as Partial<Record<keyof StandingsCopy | "bytes", unknown>>;
  require(isCount(firstTerm) && isCount(unsureUntil) && isCount(bytes), "what is said of standings");
  require(bytes <= body.length && bytes % (4 * ROW_WORDS) === 0, "whole rows of standings");
  return { firstTerm, unsureUntil, words: new Int32Array(new Uint8Array(body.subarray(body.length - bytes)).buffer) };
}

function jsonOf(bytes: Uint8Array, offset: number): unknown {
  try {
    const value: unknown = JSON.parse(decoder.decode(bytes));
    if (typeof value === "object" && value !== null) return value;
  } catch {
    // told below
  }
  throw new MalformedMessageError(offset, "must hold: JSON");
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isArrayOf(value: unknown, isOne: (each: unknown) => boolean): value is number[] {
  return Array.isArray(value) && value.every(isOne);
}

function require(holds: boolean, rule: string): asserts holds {
  if (!holds) throw new MalformedMessageError(0, `must hold: ${rule}`);
}
