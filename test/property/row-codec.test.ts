import { crc32 } from "node:zlib";

import fc from "fast-check";
import { expect, test } from "vitest";

import { type Answer, decodeAnswers, encodeAnswers, EXPIRED, OUT_OF_TURN } from "../../cluster/rows/answer-codec.ts";
import { decodeBatch, encodeBatch } from "../../cluster/rows/row-codec.ts";
import type { Place, Row } from "../../cluster/ports/rows.ts";
import { MalformedMessageError } from "../../engine/codec.ts";
import { VERDICTS } from "../../engine/catalogue.ts";
import { ENTITLEMENTS_MAX, isEntitlement } from "../../engine/entitlement.ts";
import { isModeName } from "../../engine/modes.ts";
import { NO_SEQ } from "../../engine/partition.ts";
import { REGIONS } from "../../engine/places.ts";
import type { Stamp } from "../../engine/standings.ts";
import { incarnationOf, PARTITIONS } from "../support/forwarding.ts";
import { anyProfileId } from "../../simulator/players.ts";

const anyMode = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$/);
const anyRegion = fc.nat(REGIONS.length - 1);
const anySeq = fc.oneof(fc.constantFrom(NO_SEQ, 0, 2 ** 32 - 1), fc.nat());
const anyWord = fc.oneof(fc.constantFrom(0, 1, 2 ** 31, 2 ** 32 - 1), fc.integer({ min: 0, max: 2 ** 32 - 1 }));
const anyStamp: fc.Arbitrary<Stamp> = fc.record({ term: anyWord, count: anyWord });
const [noRegion, noMode, isNoPlay, noStamp] = [
  fc.constant(0),
  fc.constant(""),
  fc.constant(false),
  fc.constant(undefined),
];
const anyWhere = fc.oneof(
  fc.record({
    operation: fc.constant("report" as const),
    region: anyRegion,
    mode: anyMode,
    isPlay: fc.boolean(),
    stamp: noStamp,
  }),
  fc.record({
    operation: fc.constantFrom("renew", "remove", "find"),
    region: noRegion,
    mode: noMode,
    isPlay: isNoPlay,
    stamp: noStamp,
  }),
  fc.record({
    operation: fc.constantFrom("renew", "end"),
    region: noRegion,
    mode: noMode,
    isPlay: isNoPlay,
    stamp: anyStamp,
  }),
);
/** Some of the same few, as of players of one studio, and some of anybody's. */
const anyEntitlements = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom<readonly string[]>([], ["season-pass"], ["season-pass", "GM01"]) },
  fc.array(fc.stringMatching(/^[A-Za-z0-9._:-]{1,64}$/), { maxLength: ENTITLEMENTS_MAX }),
);
const anyRow: fc.Arbitrary<Omit<Row, "rulesVersion">> = fc
  .tuple(anyProfileId, fc.integer(), anyWhere, anySeq, fc.nat(2 ** 24 - 1), fc.boolean(), anyEntitlements, fc.boolean())
  .map(([id, hash, where, seq, untilMs, isBulk, entitlements, isRetold]) => ({
    ...where,
    hash,
    partition: hash >>> 24,
    id0: id[0],
    id1: id[1],
    id2: id[2],
    id3: id[3],
    seq: where.stamp === undefined ? seq : NO_SEQ,
    untilMs,
    isBulk,
    entitlements: where.operation === "report" ? entitlements : [],
    isRetold: where.operation === "report" && isRetold,
    isPlaceAsked: where.operation === "renew" && where.stamp === undefined && isRetold,
  }));
const anyVersion = fc.oneof(fc.nat(9), fc.maxSafeNat());
/** All of a batch are told of the same version. */
const anyRows: fc.Arbitrary<Row[]> = fc
  .tuple(fc.array(anyRow, { minLength: 1, maxLength: 20 }), anyVersion)
  .map(([rows, rulesVersion]) => rows.map((row) => ({ ...row, rulesVersion })));

const anyPlace: fc.Arbitrary<Place> = fc.oneof(
  fc.record({ region: anyRegion, mode: anyMode, ageMs: fc.nat() }),
  fc.record({ region: fc.constant(-1), mode: fc.constant(""), ageMs: fc.integer({ min: 0, max: 2 ** 32 - 1 }) }),
);
const anyAnswer: fc.Arbitrary<Answer> = fc.oneof(
  fc.record({
    kind: fc.constant("done" as const),
    effect: fc.constantFrom("changed", "renewed", "late", "removed", "found", "nowhere", "superseded", "noted"),
    isRemembered: fc.boolean(),
    place: fc.option(anyPlace, { nil: undefined }),
    stamp: fc.option(anyStamp, { nil: undefined }),
  }),
  fc.record({
    kind: fc.constant("refused" as const),
    reason: fc.constantFrom(
      "overloaded",
      "no room for the mode",
      "no room for the player",
      "no owner",
      "mode not known",
      ...VERDICTS,
    ),
  }),
  fc.record({
    kind: fc.constant("refused" as const),
    reason: fc.constant("too often" as const),
    waitS: fc.integer({ min: 1, max: 2 ** 24 - 1 }),
  }),
  fc.record({
    kind: fc.constant("elsewhere" as const),
    reason: fc.constantFrom("moved", "held by", "loading"),
    holder: fc.option(fc.nat(15).map(incarnationOf), { nil: undefined }),
  }),
  fc.constantFrom(EXPIRED, OUT_OF_TURN),
);
const anyAnswers = fc.array(anyAnswer, { minLength: 1, maxLength: 20 });

const batchOf = (number: number, rows: readonly Row[]): Uint8Array => encodeBatch(number, rows, 0);
/** True where the bytes are refused as they should be, false where they are taken; any other error is thrown on. */
function isRefused(decode: () => unknown): boolean {
  try {
    decode();
    return false;
  } catch (error) {
    if (error instanceof MalformedMessageError) return true;
    throw error;
  }
}
/** Each message with what reads it. */
const anyMessage = fc.oneof(
  anyRows.map((rows) => ({
    bytes: batchOf(5, rows),
    decode: (bytes: Uint8Array): unknown => decodeBatch(bytes, PARTITIONS, 0),
  })),
  anyAnswers.map((answers) => ({
    bytes: encodeAnswers(5, answers),
    decode: (bytes: Uint8Array): unknown => decodeAnswers(bytes, 5, answers.length),
  })),
);

test("decodeBatch() reads what encodeBatch() wrote", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2 ** 53 - 1 }), anyRows, (number, rows) => {
      const bytes = batchOf(number, rows);
      expect(bytes.length % 4).toBe(0);
      expect(decodeBatch(bytes, PARTITIONS, 0)).toEqual({ number, rows });
    }),
  );
});
test("decodeAnswers() reads what encodeAnswers() wrote", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2 ** 53 - 1 }), anyAnswers, (number, answers) => {
      expect(decodeAnswers(encodeAnswers(number, answers), number, answers.length)).toEqual(answers);
    }),
  );
});
test("decodeBatch() and decodeAnswers() refuse a message cut short at any byte", () => {
  fc.assert(
    fc.property(anyMessage, ({ bytes, decode }) => {
      for (let length = 0; length < bytes.length; length++)
        if (!isRefused(() => decode(bytes.subarray(0, length)))) expect.fail(`cut at ${length}`);
    }),
    { numRuns: 30 },
  );
});
test("decodeBatch() and decodeAnswers() refuse a message in which any one byte was changed", () => {
  fc.assert(
    fc.property(anyMessage, fc.integer({ min: 1, max: 255 }), ({ bytes, decode }, change) => {
      for (let at = 0; at < bytes.length; at++) {
        (bytes[at] as number) ^= change;
        if (!isRefused(() => decode(bytes))) expect.fail(`byte ${at}`);
        (bytes[at] as number) ^= change;
      }
      expect(isRefused(() => decode(bytes))).toBe(false);
    }),
    { numRuns: 30 },
  );
});
test("decodeBatch() and decodeAnswers() refuse arbitrary bytes", () => {
  fc.assert(
    fc.property(fc.uint8Array({ size: "large" }), (bytes) => {
      expect(isRefused(() => decodeBatch(bytes, PARTITIONS, 0))).toBe(true);
      expect(isRefused(() => decodeAnswers(bytes, 1, 1))).toBe(true);
    }),
  );
});
test("decodeBatch() and decodeAnswers() refuse or take forged bytes under a checksum that fits, and hand out nothing unsound", () => {
  const anyForgery = fc.array(fc.tuple(fc.nat(), fc.oneof(fc.nat(3), fc.integer({ min: 48, max: 122 }), fc.nat(255))), {
    minLength: 1,
    maxLength: 6,
  });
  fc.assert(
    fc.property(anyMessage, anyForgery, ({ bytes, decode }, forgery) => {
      const forged = Buffer.from(bytes);
      for (const [at, byte] of forgery) forged[at % forged.length] = byte;
      forged.writeUInt32LE(crc32(forged.subarray(0, -4)), forged.length - 4);
      let decoded: unknown;
      if (isRefused(() => (decoded = decode(forged)))) return;
      if (Array.isArray(decoded)) for (const answer of decoded as Answer[]) expectSoundAnswer(answer);
      else for (const row of (decoded as { rows: Row[] }).rows) expectSoundRow(row);
    }),
    { numRuns: 2000 },
  );
});

function expectSoundRow(row: Row): void {
  const { operation, id0, id1, id2, id3, hash, partition, region, mode, seq, untilMs } = row;
  const { entitlements, isRetold, rulesVersion, isPlay, isPlaceAsked, stamp } = row;
  if (operation !== "renew") expect(isPlaceAsked).toBe(false);
  expect(entitlements.length <= ENTITLEMENTS_MAX && entitlements.every(isEntitlement)).toBe(true);
  expect(Number.isSafeInteger(rulesVersion) && rulesVersion >= 0).toBe(true);
  if (operation !== "report") expect([entitlements.length, isRetold, isPlay]).toEqual([0, false, false]);
  expect(stamp !== undefined || operation !== "end", "an end names a stamp").toBe(true);
  if (stamp !== undefined) expectSoundStamp(operation, seq, stamp);
  expect([id0, id1, id2, id3]).not.toEqual([0, 0, 0, 0]);
  expect(partition).toBe(hash >>> 24);
  if (operation === "report") expect(REGIONS[region] !== undefined && isModeName(mode)).toBe(true);
  else expect([region, mode]).toEqual([0, ""]);
  expect(Number.isInteger(seq) && seq >= -1 && seq < 2 ** 32).toBe(true);
  expect(Number.isInteger(untilMs) && untilMs >= 0).toBe(true);
}
function expectSoundStamp(operation: Row["operation"], seq: number, { term, count }: Stamp): void {
  expect(["renew", "end"]).toContain(operation);
  expect(seq).toBe(NO_SEQ);
  for (const word of [term, count]) expect(Number.isInteger(word) && word >= 0 && word < 2 ** 32).toBe(true);
}
function expectSoundAnswer(answer: Answer): void {
  if (answer.kind === "elsewhere" && answer.holder !== undefined) expect(answer.holder).toMatch(/^[0-9a-f-]{36}$/);
  if (answer.kind !== "done" || answer.place === undefined) return;
  const { region, mode, ageMs } = answer.place;
  expect(region === -1 ? mode === "" : REGIONS[region] !== undefined && isModeName(mode)).toBe(true);
  expect(ageMs).toBeGreaterThanOrEqual(0);
}
