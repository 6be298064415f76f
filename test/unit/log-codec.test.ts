import { expect, test } from "vitest";
import { decodeRows, encodeRows, MalformedMessageError } from "../../engine/codec.ts";
import { decodeLog, type EncodedLog, LogEncoder, type LogRows } from "../../engine/log-codec.ts";
import { MODE_BITS } from "../../engine/modes.ts";
import { NOWHERE, ROW_WORDS } from "../../engine/presence-table.ts";
import { regionOf } from "../../engine/places.ts";
import { partsOf } from "../support/drained.ts";

const CONTEXT = { modeNames: ["GM01", "GM02", "ranked:duo"], now: 100, writtenAtMs: 1_700_000_000_000.5 };
const cellOf = (region: string, mode: number): number => (regionOf(region) << MODE_BITS) | mode;

/** One row for each cell. */
function rowsOf(...cells: readonly number[]): LogRows {
  const words = cells.flatMap((cell, index) => [1, 2, 3, index + 1, cell, 100 - index, 2 ** 31]);
  return { words: Int32Array.from(words), count: cells.length };
}

const CA = cellOf("CA", 1);
const PARTS = [rowsOf(CA), rowsOf(), rowsOf(cellOf("US", 2), NOWHERE, CA), rowsOf(CA, cellOf("CA", 2))];
const together = (parts = PARTS): EncodedLog => new LogEncoder().together(parts, CONTEXT);

test("LogEncoder.together() names everything once, in a head, and each part says how many rows it has", () => {
  const { headBytes, partBytes, bytes } = together();
  expect(partBytes).toEqual([4 + 28, 4, 4 + 3 * 28, 4 + 2 * 28]);
  expect(bytes.length).toBe(headBytes + partBytes.reduce((sum, length) => sum + length));
  const { regions, modes, count, writtenAtMs } = decodeRows("names", bytes.slice(0, headBytes));
  expect({ regions, modes, count, writtenAtMs }).toEqual({
    regions: [regionOf("CA"), regionOf("US")],
    modes: ["GM02", "ranked:duo"],
    count: 0,
    writtenAtMs: CONTEXT.writtenAtMs,
  });
  const words = new Int32Array(bytes.slice(headBytes).buffer);
  expect([...words.subarray(0, 1 + ROW_WORDS)]).toEqual([1, 1, 2, 3, 1, 0, 0, -(2 ** 31)]);
});

test("decodeLog() reads a part, with the names of its own rows, as `decodeRows` reads them as a message by themselves", () => {
  const messages = PARTS.map((part) => decodeRows("log", encodeRows("log", { ...part, ...CONTEXT })));
  expect(partsOf(together())).toEqual(messages);
  expect(partsOf(new LogEncoder().apart(PARTS, CONTEXT))).toEqual(messages);
});

test("LogEncoder.together() leaves nothing of one commit to the next, and takes no part, many rows and many parts", () => {
  const encoder = new LogEncoder();
  const large = rowsOf(...Array.from({ length: 60_000 }, (_, index) => cellOf("ZW", index % 3)));
  const many = Array.from({ length: 300 }, () => rowsOf(CA));
  for (const parts of [PARTS, [], [large, ...PARTS], many, [], PARTS]) {
    const encoded = encoder.together(parts, CONTEXT);
    expect(Buffer.compare(encoded.bytes, together(parts).bytes)).toBe(0);
    expect(partsOf(encoded).map(({ count }) => count)).toEqual(parts.map(({ count }) => count));
  }
});

test("LogEncoder.apart() gives bytes that are its caller's: the next ones lie elsewhere", () => {
  const encoder = new LogEncoder();
  const first = encoder.apart(PARTS, CONTEXT);
  const before = first.bytes.slice();
  encoder.apart([rowsOf(NOWHERE)], CONTEXT);
  expect(first.bytes).toEqual(before);
});

const head = (): Uint8Array => together().bytes.slice(0, together().headBytes);
const part = (change: (part: Uint8Array) => Uint8Array = (bytes) => bytes): Uint8Array => {
  const { headBytes, partBytes, bytes } = together([PARTS[0] as LogRows]);
  return change(bytes.slice(headBytes, headBytes + (partBytes[0] as number)));
};
const changed = (at: number, value: number) => (bytes: Uint8Array) => bytes.fill(value, at, at + 1);

test.each<[what: string, rule: string, head: Uint8Array, part: Uint8Array]>([
  ["a part without its count", "at least 4 bytes", head(), part((bytes) => bytes.subarray(0, 3))],
  ["a part cut short", "as many rows as there are bytes for", head(), part((bytes) => bytes.subarray(0, 31))],
  ["more rows than said", "as many rows as there are bytes for", head(), part(changed(0, 0))],
  ["fewer rows than said", "as many rows as there are bytes for", head(), part(changed(0, 2))],
  ["a nil id", "a profile id that is not nil", head(), part((bytes) => bytes.fill(0, 4, 20))],
  ["a region that is not named", "a region and mode that the message names", head(), part(changed(20, 2))],
  ["a mode that is not named", "a region and mode that the message names", head(), part(changed(22, 2))],
  [
    "a row that is gone",
    "a region and mode that the message names",
    head(),
    part((bytes) => changed(20, 0xfe)(bytes.fill(0xff, 20, 24))),
  ],
  ["an age of 2^31", "an age below 2^31 tenths of a second", head(), part(changed(27, 0x80))],
  ["a head that changed", "the checksum fits", changed(30, 7)(head()), part()],
  ["a head cut short", "bytes, not", head().subarray(0, -1), part()],
  ["a message for a head", "kind 4 (names), not 1", encodeRows("log", { ...rowsOf(CA), ...CONTEXT }), part()],
  ["a head with rows", "names without rows", encodeRows("names", { ...rowsOf(CA), ...CONTEXT }), part()],
])("decodeLog() refuses %s", (_, rule, ofHead, ofPart) => {
  const refused = (): unknown => decodeLog(ofHead, ofPart);
  expect(refused).toThrow(MalformedMessageError);
  expect(refused).toThrow(rule);
});
