import { crc32 } from "node:zlib";

import fc from "fast-check";
import { expect, test } from "vitest";

import { decodeRows, encodeRows, type Kind, MalformedMessageError, type Rows } from "../../engine/codec.ts";
import { MODE_BITS } from "../../engine/modes.ts";
import { NOWHERE } from "../../engine/presence-table.ts";
import { REGIONS } from "../../engine/places.ts";
import { anyProfileId } from "../../simulator/players.ts";
import { plainMessage, plainRows } from "../support/rows.ts";

const anyKind = fc.constantFrom<Kind>("log", "snapshot");
const anyNames = fc.uniqueArray(fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$/), {
  minLength: 1,
  maxLength: 8,
});
const anyRows: fc.Arbitrary<Rows> = anyNames.chain((modeNames) => {
  const anyCell = fc
    .tuple(fc.nat(REGIONS.length - 1), fc.nat(modeNames.length - 1))
    .map(([region, mode]) => (region << MODE_BITS) | mode);
  const now = 2 ** 29;
  const anyRow = fc
    .tuple(
      anyProfileId,
      fc.oneof(fc.constant(NOWHERE), anyCell),
      fc.oneof(fc.nat(now), fc.constant(-now)),
      fc.integer(),
    )
    .map(([id, cell, seen, seq]) => [...id, cell, seen, seq]);
  return fc
    .record({
      words: fc.array(anyRow, { maxLength: 12 }).map((rows) => Int32Array.from(rows.flat())),
      modeNames: fc.constant(modeNames),
      now: fc.constant(now),
      writtenAtMs: fc.double({ noNaN: true, noDefaultInfinity: true }),
    })
    .map((rows) => ({ ...rows, count: rows.words.length / 7 }));
});
/** True where the bytes are refused as they should be, false where they are taken; any other error is thrown on. */
function isRefused(kind: Kind, bytes: Uint8Array): boolean {
  try {
    decodeRows(kind, bytes);
    return false;
  } catch (error) {
    if (error instanceof MalformedMessageError) return true;
    throw error;
  }
}

test("decodeRows() reads what encodeRows() wrote", () => {
  fc.assert(
    fc.property(anyKind, anyRows, (kind, rows) => {
      const bytes = encodeRows(kind, rows);
      expect(bytes.length % 4).toBe(0);
      const message = decodeRows(kind, bytes);
      expect(plainMessage(message)).toEqual(plainRows(rows));
      expect(message.writtenAtMs).toBe(rows.writtenAtMs);
    }),
  );
});
test("decodeRows() refuses a message cut short at any byte, and the other kind", () => {
  fc.assert(
    fc.property(anyKind, anyRows, (kind, rows) => {
      const bytes = encodeRows(kind, rows);
      for (let length = 0; length < bytes.length; length++)
        if (!isRefused(kind, bytes.subarray(0, length))) expect.fail(`cut at ${length}`);
      expect(isRefused(kind === "log" ? "snapshot" : "log", bytes)).toBe(true);
    }),
    { numRuns: 30 },
  );
});
test("decodeRows() refuses a message in which any one byte was changed", () => {
  fc.assert(
    fc.property(anyKind, anyRows, fc.integer({ min: 1, max: 255 }), (kind, rows, change) => {
      const bytes = encodeRows(kind, rows);
      for (let at = 0; at < bytes.length; at++) {
        (bytes[at] as number) ^= change;
        if (!isRefused(kind, bytes)) expect.fail(`byte ${at}`);
        (bytes[at] as number) ^= change;
      }
      expect(isRefused(kind, bytes)).toBe(false);
    }),
    { numRuns: 30 },
  );
});
test("decodeRows() refuses arbitrary bytes", () => {
  fc.assert(fc.property(anyKind, fc.uint8Array({ size: "large" }), isRefused));
});
test("decodeRows() refuses or takes arbitrary bytes under a head and checksum that fit, and never fails otherwise", () => {
  // Counts that promise little, bytes that are often letters: so that names, padding and rows are reached.
  const anyBody = fc.array(fc.oneof(fc.nat(3), fc.integer({ min: 48, max: 122 }), fc.nat(255)), { maxLength: 120 });
  fc.assert(
    fc.property(anyBody, fc.nat(3), fc.nat(3), fc.nat(3), (body, regions, modes, rows) => {
      const bytes = Buffer.alloc(28 + body.length);
      bytes.set(body, 24);
      bytes[0] = 1;
      bytes[1] = 1;
      bytes.writeUInt16LE(regions, 2);
      bytes.writeUInt16LE(modes, 4);
      bytes.writeUInt32LE(rows, 8);
      bytes.writeUInt32LE(bytes.length, 12);
      bytes.writeUInt32LE(crc32(bytes.subarray(0, -4)), bytes.length - 4);
      if (isRefused("log", bytes)) return;
      for (const { id, place, age } of plainMessage(decodeRows("log", bytes))) {
        expect(id).not.toMatch(/^[0-]*$/);
        expect(age).toBeGreaterThanOrEqual(0);
        if (place !== undefined) expect(place).not.toContain(undefined);
      }
    }),
    { numRuns: 500 },
  );
});
