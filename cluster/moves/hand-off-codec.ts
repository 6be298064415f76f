/**
 * What nodes say to each other when a partition moves (lane `control`): JSON, and tables as bytes behind it.
 * Everything is checked before it is handed out.
 */
import { MalformedMessageError } from "../../engine/codec.ts";
import type { FoundedClaim, PartitionIndex } from "../ports/record-store.ts";
import { isIncarnation } from "../ports/view.ts";

/** R13. `let go`: hand these over to me. `served`: I serve these, under these terms. */
export type HandOffRequest =
  | { readonly kind: "let go"; readonly partitions: readonly PartitionIndex[] }
  | { readonly kind: "served"; readonly partitions: readonly PartitionIndex[]; readonly terms: readonly number[] };

/** A partition's table as its holder gives it away. */
export interface HandedOver {
  readonly kind: "handed over";
  /** What stood in the store when the holder had stopped: it only counts where it still stands (R1). */
  readonly claim: FoundedClaim;
  readonly length: number;
  /** R26: what is left of the recovery grace, and of the doubt whether anybody is still there. */
  readonly graceLeftMs: number;
  readonly doubtLeftMs: number;
  /** As a snapshot's bytes. */
  readonly table: Uint8Array;
}

/** `not held`: it answers nothing for the partition. `busy`: not now, ask again. */
export type HandOffAnswer = HandedOver | { readonly kind: "not held" } | { readonly kind: "busy" };

/** Partitions that one message may name. */
export const HANDED_AT_ONCE_MAX = 16;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

export function encodeRequest(request: HandOffRequest): Uint8Array {
  return encoder.encode(JSON.stringify(request));
}

/** @throws {MalformedMessageError} */
export function decodeRequest(bytes: Uint8Array, partitions: number): HandOffRequest {
  const value = jsonOf(bytes, 0) as Partial<Record<"kind" | "partitions" | "terms", unknown>>;
  const named = value.partitions;
  require(isArrayOf(named, (each) => isCount(each) && each < partitions), "partitions of this cluster");
  if (value.kind === "let go") {
    require(named.length <= HANDED_AT_ONCE_MAX, `at most ${HANDED_AT_ONCE_MAX} partitions`);
    return { kind: "let go", partitions: named };
  }
  require(value.kind === "served", "a known kind");
  require(isArrayOf(value.terms, isCount) && value.terms.length === named.length, "a term for each partition");
  return { kind: "served", partitions: named, terms: value.terms };
}

/** u32 bytes of JSON | JSON: an answer each, with the bytes of its table | tables */
export function encodeAnswers(answers: readonly HandOffAnswer[]): Uint8Array {
  const plain = answers.map((answer) =>
    answer.kind === "handed over" ? { ...answer, table: answer.table.length } : answer,
  );
  const json = encoder.encode(JSON.stringify(plain));
  const tables = answers.map((answer) => (answer.kind === "handed over" ? answer.table : new Uint8Array(0)));
  const bytes = new Uint8Array(4 + json.length + tables.reduce((sum, { length }) => sum + length, 0));
  new DataView(bytes.buffer).setUint32(0, json.length, true);
  bytes.set(json, 4);
  let at = 4 + json.length;
  for (const table of tables) {
    bytes.set(table, at);
    at += table.length;
  }
  return bytes;
}

/**
 * @param count answers that were asked for
 * @throws {MalformedMessageError}
 */
export function decodeAnswers(bytes: Uint8Array, count: number): HandOffAnswer[] {
  require(bytes.length >= 4, "a length");
  const jsonBytes = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(0, true);
  require(4 + jsonBytes <= bytes.length, "JSON that ends within the message");
  const plain = jsonOf(bytes.subarray(4, 4 + jsonBytes), 4);
  require(Array.isArray(plain) && plain.length === count, "an answer for each partition");
  let at = 4 + jsonBytes;
  const answers = plain.map((value: unknown): HandOffAnswer => {
    const { kind } = (value ?? {}) as { kind?: unknown };
    if (kind === "not held" || kind === "busy") return { kind };
    require(kind === "handed over" && isHandedOver(value), "a known answer");
    require(at + value.table <= bytes.length, "tables that end within the message");
    const { claim, length, graceLeftMs, doubtLeftMs } = value;
    const table = bytes.subarray(at, (at += value.table));
    return { kind, claim, length, graceLeftMs, doubtLeftMs, table };
  });
  require(at === bytes.length, "nothing behind the tables");
  return answers;
}

type Plain = Omit<HandedOver, "table"> & { readonly table: number };

function isHandedOver(value: unknown): value is Plain {
  const { claim, length, graceLeftMs, doubtLeftMs, table } = value as Partial<Record<keyof Plain, unknown>>;
  const { term, incarnation, founding } = (claim ?? {}) as Partial<Record<keyof FoundedClaim, unknown>>;
  const isClaim = isCount(term) && isIncarnation(incarnation) && isIncarnation(founding);
  return isClaim && [length, graceLeftMs, doubtLeftMs, table].every(isCount);
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

function isArrayOf<T>(value: unknown, isOne: (each: unknown) => each is T): value is T[];
function isArrayOf(value: unknown, isOne: (each: unknown) => boolean): value is number[];
function isArrayOf(value: unknown, isOne: (each: unknown) => boolean): boolean {
  return Array.isArray(value) && value.every(isOne);
}

function require(holds: boolean, rule: string): asserts holds {
  if (!holds) throw new MalformedMessageError(0, `must hold: ${rule}`);
}
