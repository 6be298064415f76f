import { crc32 } from "node:zlib";

import { expect, test } from "vitest";

import {
  type Answer,
  decodeAnswers,
  decodeFates,
  encodeAnswers,
  encodeFates,
  EXPIRED,
  type Fate,
  LOST,
  OUT_OF_DATE,
  OUT_OF_TURN,
  TAKEN_IN,
} from "../../cluster/rows/answer-codec.ts";
import { BatchRoom } from "../../cluster/rows/batch-room.ts";
import { decodeBatch, encodeBatch } from "../../cluster/rows/row-codec.ts";
import type { Row } from "../../cluster/ports/rows.ts";
import { MalformedMessageError } from "../../engine/codec.ts";
import { VERDICTS } from "../../engine/catalogue.ts";
import { NO_SEQ } from "../../engine/partition.ts";
import { REGION_COUNT, REGIONS, regionOf } from "../../engine/places.ts";
import { itemAt } from "../../simulator/item-at.ts";
import { DONE, elsewhere, incarnationOf, PARTITIONS, reportOf } from "../support/forwarding.ts";

const [CA, US] = [regionOf("CA"), regionOf("US")];
const NONE = { region: 0, mode: "", seq: NO_SEQ };
const ROWS: readonly Row[] = [
  reportOf(3, 1, { region: CA, mode: "duo", seq: 2 ** 32 - 1, untilMs: 1500.9 }),
  reportOf(255, 2, { operation: "renew", ...NONE, untilMs: 900 }),
  reportOf(0, 3, { operation: "find", ...NONE, untilMs: 1000 + 2 ** 25 }),
  reportOf(128, 4, { region: US, mode: "GM01", seq: 0, untilMs: 1000 }),
  reportOf(3, 5, { region: US, mode: "duo", seq: NO_SEQ, untilMs: 1001, isBulk: true }),
  reportOf(3, 6, { operation: "remove", ...NONE, untilMs: 1001 }),
];
const HOLDER = incarnationOf(1);
const ANSWERS: readonly Answer[] = [
  DONE,
  { ...DONE, effect: "late", place: { region: CA, mode: "duo", ageMs: 1.2 } },
  elsewhere("held by", HOLDER),
  { kind: "done", effect: "found", isRemembered: false, place: { region: -1, mode: "", ageMs: 2 ** 33 } },
  { kind: "refused", reason: "no room for the mode" },
  EXPIRED,
];
/** Where the parts of `batch()` and `answers()` begin. */
const [NAMES_AT, HEAD_AT, ROWS_AT, ANSWERS_AT, PLACES_AT] = [24, 36, 48, 68, 92];

function batch(rows = ROWS): Uint8Array {
  return encodeBatch(77, rows, 1000);
}
const answers = (): Uint8Array => encodeAnswers(77, ANSWERS);

/** A message after `change`, with a checksum that fits it. */
function forged(message: Uint8Array, change: (bytes: Buffer) => void): Buffer {
  const bytes = Buffer.from(message);
  change(bytes);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, -4)), bytes.length - 4);
  return bytes;
}
function refusalOf(decode: () => unknown): string {
  try {
    decode();
  } catch (error) {
    if (error instanceof MalformedMessageError) return error.message;
    throw error;
  }
  return expect.fail("the message was taken");
}

test("encodeBatch() lays a batch out as drawn at the top of row-frame.ts and row-codec.ts", () => {
  const bytes = Buffer.from(batch());
  expect([bytes[0], bytes[1], bytes.readUInt16LE(2)], "version, kind, names").toEqual([4, 1, 2]);
  expect(
    [4, 8, 12].map((at) => bytes.readUInt32LE(at)),
    "rows, words, bytes",
  ).toEqual([6, 3 + 48, bytes.length]);
  expect(bytes.readDoubleLE(16)).toBe(77);
  expect(bytes.toString("latin1", NAMES_AT, HEAD_AT)).toBe("\x03duo\x04GM01\0\0\0");
  expect(bytes.length).toBe(ROWS_AT + 6 * 32 + 4);
  const words = Array.from({ length: 8 }, (_, word) => bytes.readInt32LE(ROWS_AT + 4 * word));
  expect(words.slice(0, 5)).toEqual([1, 3, -1, 4, (3 << 24) | 1]);
  expect(bytes.readUInt16LE(ROWS_AT + 20), "region").toBe(CA);
  expect(words.slice(6), "seq, operation and time left").toEqual([-1, 128 | (500 << 8)]);
  expect(bytes.readInt32LE(ROWS_AT + 32 + 20), "no place").toBe(-1);
  expect(bytes.readUInt32LE(bytes.length - 4)).toBe(crc32(bytes.subarray(0, -4)));
});
test("decodeBatch() reads what was encoded, with the time left counted from the sending", () => {
  const { number, rows } = decodeBatch(batch(), PARTITIONS, 5000);
  expect(number).toBe(77);
  const leftMs = [500, 0, 2 ** 24 - 1, 0, 1, 1];
  expect(rows).toEqual(ROWS.map((row, index) => ({ ...row, untilMs: 5000 + itemAt(leftMs, index) })));
});
test("decodeBatch() names the partition by the hash's top bits, whatever their number", () => {
  const row = reportOf(0, 1, { hash: 0xabcd1234 | 0 });
  for (const [partitions, partition] of [
    [16, 0xa],
    [256, 0xab],
    [4096, 0xabc],
  ] as const)
    expect(itemAt(decodeBatch(batch([row]), partitions, 0).rows, 0).partition).toBe(partition);
});
test("decodeBatch() reads a message wherever it lies in memory", () => {
  const around = new Uint8Array(batch().length + 9).fill(0xff);
  around.set(batch(), 5);
  expect(decodeBatch(around.subarray(5, -4), PARTITIONS, 0)).toEqual(decodeBatch(batch(), PARTITIONS, 0));
});
test("encodeBatch() keeps the largest batch below 1 MiB", () => {
  const rows = Array.from({ length: 8192 }, (_, index) =>
    reportOf(1, index + 1, { mode: `${index}`.padStart(64, "m") }),
  );
  const bytes = batch(rows);
  expect(bytes.length).toBeLessThan(2 ** 20);
  expect(decodeBatch(bytes, PARTITIONS, 1000)).toEqual({ number: 77, rows });
});
test("R30: a stamp stands where other rows have region, mode and seq, and behind an answer's place", () => {
  const stamp = { term: 7, count: 2 ** 32 - 1 };
  const rows = [
    reportOf(3, 1, { isPlay: true }),
    reportOf(3, 2, { ...NONE, operation: "renew", stamp }),
    reportOf(3, 3, { ...NONE, operation: "end", stamp }),
    reportOf(3, 4, { ...NONE, operation: "renew" }),
  ];
  const bytes = batch(rows);
  expect(bytes.length, "no more than without").toBe(batch(rows.map((row) => ({ ...row, isPlay: false }))).length);
  expect(decodeBatch(bytes, PARTITIONS, 1000).rows).toEqual(rows);
  const place = { region: CA, mode: "duo", ageMs: 2 };
  const told: Answer[] = [
    { ...DONE, stamp },
    { ...DONE, effect: "late", place, stamp },
    { ...DONE, effect: "noted" },
  ];
  expect(decodeAnswers(encodeAnswers(1, told), 1, told.length)).toEqual(told);
});
const PASS: readonly string[] = ["season-pass", "-beta"];
test("encodeBatch() writes the newest version of the rules that a row names, and each set of entitlements once", () => {
  const rows = [
    reportOf(3, 1, { mode: "duo", entitlements: PASS, rulesVersion: 2 ** 40 + 5, isRetold: true }),
    reportOf(3, 2, { mode: "duo" }),
    reportOf(3, 3, { mode: "duo", entitlements: [...PASS] }),
    reportOf(3, 4, { mode: "duo", entitlements: ["duo"] }),
  ];
  const bytes = Buffer.from(batch(rows));
  expect(bytes.toString("latin1", NAMES_AT, NAMES_AT + 24)).toBe("\x03duo\x0bseason-pass\x05-beta\0\0");
  const wordAt = (word: number): number => bytes.readInt32LE(NAMES_AT + 24 + 4 * word);
  expect([0, 1, 2].map(wordAt), "version and sets").toEqual([5, 256, 2]);
  expect(wordAt(3 + 7) & 0xff, "with a seq, told again, with entitlements").toBe(128 | 32 | 16);
  const behind = Array.from({ length: 8 }, (_, word) => wordAt(3 + 4 * 8 + word));
  expect(behind, "which sets rows have, and the sets").toEqual([0, 0, 1, 2, 1, 2, 1, 0]);
  const read = decodeBatch(bytes, PARTITIONS, 1000).rows;
  expect(read).toEqual(rows.map((row) => ({ ...row, rulesVersion: 2 ** 40 + 5 })));
  expect(itemAt(read, 2).entitlements, "shared").toBe(itemAt(read, 0).entitlements);
});
test("a batch takes in no more entitlements than its message has room for, and the first row always", () => {
  const rowOf = (player: number): Row => {
    const entitlements = Array.from({ length: 64 }, (_, index) => `${player}.${index}`.padStart(64, "e"));
    return reportOf(1, player, { mode: `${player}`.padStart(64, "m"), entitlements });
  };
  const room = new BatchRoom(8192);
  const taken = Array.from({ length: 65 }, (_, index) => rowOf(index + 1)).filter((row) => room.take(row));
  expect(taken.length).toBe(64);
  expect(room.take(itemAt(taken, 3)), "a set that is in it already").toBe(true);
  for (let player = 100; player < 100 + 8192 - 65; player++) expect(room.take(reportOf(1, player))).toBe(true);
  expect([room.isFull, room.take(reportOf(1, 9))]).toEqual([true, false]);
  const modes = (index: number): string => `${index}`.padStart(64, "m");
  const rows = Array.from({ length: 8192 }, (_, index) => ({ ...rowOf((index % 64) + 1), mode: modes(index) }));
  const bytes = batch(rows);
  expect(bytes.length).toBeLessThan(1.125 * 2 ** 20);
  expect(decodeBatch(bytes, PARTITIONS, 1000)).toEqual({ number: 77, rows });
});
test("decodeAnswers() reads what was encoded, every kind of answer", () => {
  expect(decodeAnswers(answers(), 77, ANSWERS.length)).toEqual([
    ANSWERS[0],
    { ...DONE, effect: "late", place: { region: CA, mode: "duo", ageMs: 2 } },
    ANSWERS[2],
    { ...ANSWERS[3], place: { region: -1, mode: "", ageMs: 2 ** 32 - 1 } },
    ANSWERS[4],
    EXPIRED,
  ]);
  const others: Answer[] = [
    ...(["changed", "renewed", "late", "removed", "found", "nowhere"] as const).flatMap((effect) =>
      [true, false].map((isRemembered) => ({ ...DONE, effect, isRemembered })),
    ),
    ...(["overloaded", "no room for the mode", "no room for the player", "no owner", "mode not known"] as const).map(
      (reason) => ({ kind: "refused", reason }) as const,
    ),
    ...VERDICTS.map((reason) => ({ kind: "refused", reason }) as const),
    ...[1, 2, 2 ** 24 - 1].map((waitS) => ({ kind: "refused", reason: "too often", waitS }) as const),
    elsewhere("moved"),
    elsewhere("loading"),
    elsewhere("held by"),
    OUT_OF_TURN,
    OUT_OF_DATE,
    TAKEN_IN,
    LOST,
  ];
  expect(decodeAnswers(encodeAnswers(1, others), 1, others.length)).toEqual(others);
});
test("encodeAnswers() takes a word a row where nothing is to be shown", () => {
  expect(encodeAnswers(1, new Array<Answer>(1000).fill(DONE)).length).toBe(24 + 1000 * 4 + 4);
});

test.each<[what: string, offset: number, rule: string, bytes: Uint8Array]>([
  ["no bytes", 0, "at least 28 bytes", Buffer.alloc(0)],
  ["27 bytes", 27, "at least 28 bytes", Buffer.alloc(27)],
  ["another version", 0, "version 4, not 1", forged(batch(), (bytes) => (bytes[0] = 1))],
  ["answers", 1, "kind 1 (batch), not 2", answers()],
  ["bytes missing", 12, "244 bytes, not 243", batch().subarray(0, -1)],
  ["a wrong checksum", 240, "the checksum fits", Buffer.from(batch()).fill(0, 240)],
  ["no rows", 4, "1 to 8192 rows", forged(batch(), (bytes) => bytes.writeUInt32LE(0, 4))],
  ["too many rows", 4, "1 to 8192 rows", forged(batch(), (bytes) => bytes.writeUInt32LE(8193, 4))],
  ["fewer rows than words", 8, "as many words as are said", forged(batch(), (bytes) => bytes.writeUInt32LE(5, 4))],
  ["more rows than words", 8, "8 words a row, behind 3", forged(batch(), (bytes) => bytes.writeUInt32LE(7, 4))],
  [
    "more words than there are",
    8,
    "4294967295 words end where the checksum begins",
    forged(batch(), (bytes) => bytes.writeUInt32LE(2 ** 32 - 1, 8)),
  ],
  ...[0, -1, 1.5, NaN, 2 ** 53].map(
    (number) =>
      [
        `the number ${number}`,
        16,
        "a whole number above 0",
        forged(batch(), (bytes) => bytes.writeDoubleLE(number, 16)),
      ] as [string, number, string, Uint8Array],
  ),
  [
    "a mode without letters",
    24,
    "names are those of modes and entitlements",
    forged(batch(), (bytes) => bytes.writeUInt16LE(3, 2)),
  ],
  [
    "a mode with a space",
    24,
    "names are those of modes and entitlements",
    forged(batch(), (bytes) => bytes.write(" ", NAMES_AT + 2)),
  ],
  [
    "a name that runs into the checksum",
    NAMES_AT,
    "a name ends before the checksum",
    forged(batch(), (bytes) => (bytes[NAMES_AT] = 216)),
  ],
  [
    "names that go on behind the message",
    234,
    "a name ends before the checksum",
    forged(batch(), (bytes) => {
      bytes.writeUInt16LE(200, 2);
      bytes.fill("\x09abcdefghi", NAMES_AT, 240);
    }),
  ],
  [
    "padding that is not zero",
    HEAD_AT - 3,
    "names are padded with zeros",
    forged(batch(), (bytes) => (bytes[HEAD_AT - 1] = 1)),
  ],
  [
    "a nil id",
    ROWS_AT + 32,
    "a profile id that is not nil",
    forged(batch(), (bytes) => bytes.fill(0, ROWS_AT + 32, ROWS_AT + 48)),
  ],
  [
    "an operation that is none",
    ROWS_AT + 28,
    "a known operation",
    forged(batch(), (bytes) => (bytes[ROWS_AT + 28] = 8)),
  ],
  [
    "a region that is none",
    ROWS_AT + 20,
    "a region in reports, and only there",
    forged(batch(), (bytes) => bytes.writeUInt16LE(REGION_COUNT, ROWS_AT + 20)),
  ],
  [
    "a region of a heartbeat",
    ROWS_AT + 32 + 20,
    "a region in reports, and only there",
    forged(batch(), (bytes) => bytes.writeInt32LE(0, ROWS_AT + 32 + 20)),
  ],
  [
    "a mode that is not named",
    ROWS_AT + 20,
    "a mode that the message names",
    forged(batch(), (bytes) => bytes.writeUInt16LE(2, ROWS_AT + 22)),
  ],
  [
    "a seq where none is said",
    ROWS_AT + 24,
    "no seq where none is said",
    forged(batch(), (bytes) => (bytes[ROWS_AT + 28] = 0)),
  ],
])("decodeBatch() refuses %s and says where (byte %i)", (_, offset, rule, bytes) => {
  expect(refusalOf(() => decodeBatch(bytes, PARTITIONS, 0))).toBe(
    `Malformed message at byte ${offset}: must hold: ${rule}`,
  );
});

test.each<[what: string, offset: number, rule: string, change: (bytes: Buffer) => unknown]>([
  ["those of another batch", 16, "batch 77, not 78", (bytes) => bytes.writeDoubleLE(78, 16)],
  ["fewer than rows", 4, "answers to 6 rows", (bytes) => bytes.writeUInt32LE(5, 4)],
  [
    "what is no answer",
    ANSWERS_AT,
    "a known answer, remembered only where it was done",
    (bytes) => (bytes[ANSWERS_AT] = 8),
  ],
  [
    "a refusal that is remembered",
    ANSWERS_AT + 16,
    "a known answer, remembered only where it was done",
    (bytes) => (bytes[ANSWERS_AT + 17] = 1),
  ],
  ["a refusal with a place", ANSWERS_AT + 17, "flags that fit", (bytes) => (bytes[ANSWERS_AT + 17] = 2)],
  ["a flag that is none", ANSWERS_AT + 1, "flags that fit", (bytes) => (bytes[ANSWERS_AT + 1] = 9)],
  ["a holder of what is done", ANSWERS_AT + 2, "a holder of what is elsewhere", (bytes) => (bytes[ANSWERS_AT + 2] = 1)],
  [
    "a holder that is not named",
    ANSWERS_AT + 10,
    "a holder that the message names",
    (bytes) => (bytes[ANSWERS_AT + 10] = 3),
  ],
  ["a mode as a holder", ANSWERS_AT + 10, "a holder that the message names", (bytes) => (bytes[ANSWERS_AT + 10] = 1)],
  ["a holder as a mode", PLACES_AT + 2, "a mode that the message names", (bytes) => (bytes[PLACES_AT + 2] = 2)],
  ["a mode that is not named", PLACES_AT + 2, "a mode that the message names", (bytes) => (bytes[PLACES_AT + 2] = 7)],
  ["a region that is none", PLACES_AT, "a region", (bytes) => bytes.writeUInt16LE(REGION_COUNT, PLACES_AT)],
  ["places that nobody has", 8, "as many places as are said", (bytes) => (bytes[ANSWERS_AT + 5] = 1)],
  ["a place that is not there", PLACES_AT + 16, "a place where one is said", (bytes) => (bytes[ANSWERS_AT + 1] = 3)],
])("decodeAnswers() refuses %s and says where (byte %i)", (_, offset, rule, change) => {
  const bytes = forged(answers(), change);
  expect(refusalOf(() => decodeAnswers(bytes, 77, 6))).toBe(`Malformed message at byte ${offset}: must hold: ${rule}`);
});
const FATES: readonly Fate[] = [
  { batch: 7, index: 3, answer: DONE },
  {
    batch: 2 ** 40 + 1,
    index: 8191,
    answer: { ...DONE, effect: "found", place: { region: CA, mode: "duo", ageMs: 2 } },
  },
  { batch: 2 ** 53 - 1, index: 0, answer: LOST },
  { batch: 2 ** 31, index: 1, answer: { kind: "refused", reason: "no room for the player" } },
];
const fates = (): Uint8Array => encodeFates(9, FATES);

test("decodeFates() reads what was encoded: which row of which batch, and what became of it", () => {
  expect(decodeFates(fates())).toEqual(FATES);
  expect(encodeFates(1, FATES.slice(2)).length).toBe(24 + 2 * 16 + 4);
});
test.each<[what: string, offset: number, rule: string, bytes: Uint8Array]>([
  ["a batch", 1, "kind 3 (fates), not 1", batch()],
  ["fewer words than fates", 8, "4 words a fate", forged(fates(), (bytes) => bytes.writeUInt32LE(5, 4))],
  ["what is no fate", 28, "done, refused or lost", forged(fates(), (bytes) => bytes.writeUInt32LE(51, 28))],
  ["no batch", 44, "a whole number of the batch, above 0", forged(fates(), (bytes) => bytes.fill(0, 44, 52))],
  ["a batch past all", 44, "a whole number of the batch, above 0", forged(fates(), (bytes) => bytes.fill(255, 44, 52))],
  ["a row past all", 52, "a row of a batch", forged(fates(), (bytes) => bytes.writeUInt32LE(8192, 52))],
])("decodeFates() refuses %s and says where (byte %i)", (_, offset, rule, bytes) => {
  expect(refusalOf(() => decodeFates(bytes))).toBe(`Malformed message at byte ${offset}: must hold: ${rule}`);
});
test("regions travel as their numbers, subdivisions too", () => {
  for (const region of REGIONS.keys())
    expect(itemAt(decodeBatch(batch([reportOf(1, 1, { region })]), PARTITIONS, 0).rows, 0).region).toBe(region);
});

/** A batch of two rows, the first with entitlements: names 24, head 48, rows 60, then which set, size, names. */
const entitledBatch = (): Uint8Array =>
  batch([reportOf(3, 1, { mode: "duo", entitlements: PASS }), reportOf(3, 2, { operation: "renew", ...NONE })]);
const [SETS_AT, WHICH_AT, SIZE_AT] = [56, 124, 128];
test.each<[what: string, offset: number, rule: string, change: (bytes: Buffer) => void]>([
  ["a version past all whole numbers", 48, "a whole number of the version", (bytes) => bytes.writeInt32LE(-1, 52)],
  ["more sets than rows that have any", WHICH_AT, "as many sets as there may be", (bytes) => (bytes[SETS_AT] = 2)],
  ["fewer sets than there are", 8, "as many words as are said", (bytes) => (bytes[SETS_AT] = 0)],
  ["a set below 0", WHICH_AT, "a set that the message has", (bytes) => bytes.writeInt32LE(-1, WHICH_AT)],
  ["a set that is not there", WHICH_AT, "a set that the message has", (bytes) => (bytes[WHICH_AT] = 1)],
  ["an empty set", SIZE_AT, "a set of entitlements that fits", (bytes) => (bytes[SIZE_AT] = 0)],
  ["a set past the most", SIZE_AT, "a set of entitlements that fits", (bytes) => (bytes[SIZE_AT] = 65)],
  ["a set that runs on", SIZE_AT, "a set ends before the checksum", (bytes) => (bytes[SIZE_AT] = 3)],
  ["a set that ends early", 8, "as many words as are said", (bytes) => (bytes[SIZE_AT] = 1)],
  ["a name that is none", SIZE_AT, "an entitlement that the message names", (bytes) => (bytes[SIZE_AT + 4] = 9)],
  ["a mode that is only an entitlement", 80, "a mode that the message names", (bytes) => (bytes[82] = 2)],
  ["a heartbeat that is told again", 120, "what only reports have", (bytes) => (bytes[120] = 1 | 32)],
])("decodeBatch() refuses %s (byte %i)", (_, offset, rule, change) => {
  const bytes = forged(entitledBatch(), change);
  expect(refusalOf(() => decodeBatch(bytes, PARTITIONS, 0))).toBe(
    `Malformed message at byte ${offset}: must hold: ${rule}`,
  );
});
test("decodeBatch() refuses a row that has entitlements in a message without any", () => {
  const bytes = forged(batch(), (plain) => (plain[ROWS_AT + 28] = 128 | 16));
  expect(refusalOf(() => decodeBatch(bytes, PARTITIONS, 0))).toContain("entitlements where some are said");
});
test("decodeBatch() refuses entitlements of what is no report", () => {
  const bytes = batch([reportOf(3, 2, { operation: "renew", ...NONE, entitlements: PASS })]);
  expect(refusalOf(() => decodeBatch(bytes, PARTITIONS, 0))).toContain("what only reports have");
});
