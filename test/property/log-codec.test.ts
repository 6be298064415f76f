import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeRows, encodeRows, MalformedMessageError } from "../../engine/codec.ts";
import { decodeLog, LogEncoder, type LogRows } from "../../engine/log-codec.ts";
import { MODE_BITS, RESERVED_MODE } from "../../engine/modes.ts";
import { NOWHERE } from "../../engine/presence-table.ts";
import { REGIONS } from "../../engine/places.ts";
import { anyProfileId } from "../../simulator/players.ts";
import { partsOf } from "../support/drained.ts";

const CONTEXT = { modeNames: ["a", "GM01", "ranked:duo"], now: 2 ** 29, writtenAtMs: 1_700_000_000_000.25 };

const anyCell = fc
  .tuple(fc.nat(REGIONS.length - 1), fc.constantFrom(0, 1, 2, RESERVED_MODE))
  .map(([region, mode]) => (region << MODE_BITS) | mode);
const anyRow = fc
  .tuple(anyProfileId, fc.oneof(fc.constant(NOWHERE), anyCell), fc.nat(2 ** 29), fc.integer())
  .map(([id, cell, seen, seq]) => [...id, cell, seen, seq]);
const anyPart: fc.Arbitrary<LogRows> = fc
  .array(anyRow, { maxLength: 5 })
  .map((rows) => ({ words: Int32Array.from(rows.flat()), count: rows.length }));
const anyParts = fc.array(anyPart, { maxLength: 12 });

const encoder = new LogEncoder(); // of all runs: nothing of one may be in another

test("whatever partitions have for the log, together it says what it says apart, and what each says by itself", () => {
  fc.assert(
    fc.property(anyParts, (parts) => {
      const each = parts.map((part) => decodeRows("log", encodeRows("log", { ...part, ...CONTEXT })));
      expect(partsOf(encoder.together(parts, CONTEXT))).toEqual(each);
      expect(partsOf(encoder.apart(parts, CONTEXT))).toEqual(each);
    }),
  );
});

test("decodeLog() refuses a part cut short or too long, and takes or refuses arbitrary bytes, and never fails otherwise", () => {
  const isRefused = (head: Uint8Array, part: Uint8Array): boolean => {
    try {
      const { words, count, regions, modes } = decodeLog(head, part);
      expect(words.length).toBe(count * 7);
      expect([...regions, ...modes]).not.toContain(undefined);
      return false;
    } catch (error) {
      if (error instanceof MalformedMessageError) return true;
      throw error;
    }
  };
  fc.assert(
    fc.property(anyPart, fc.uint8Array(), fc.nat(), fc.integer({ min: 1, max: 255 }), (own, any, place, change) => {
      const { headBytes, bytes } = encoder.together([own], CONTEXT);
      const [head, part] = [bytes.slice(0, headBytes), bytes.slice(headBytes)];
      for (let length = 0; length < part.length; length++) expect(isRefused(head, part.subarray(0, length))).toBe(true);
      expect(isRefused(head, Buffer.concat([part, any]))).toBe(any.length > 0);
      isRefused(head, any);
      isRefused(head, Buffer.concat([part.subarray(0, 4), any, part.subarray(4 + any.length)]));
      const damaged = head.slice();
      (damaged[place % headBytes] as number) ^= change;
      expect(isRefused(damaged, part)).toBe(true);
    }),
  );
});
