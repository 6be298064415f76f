import { crc32 } from "node:zlib";

import { expect, test } from "vitest";

import { decodeRows, encodeRows, type Kind, MalformedMessageError, type Rows } from "../../engine/codec.ts";
import { NOWHERE } from "../../engine/presence-table.ts";
import { REGION_COUNT, REGIONS, regionOf } from "../../engine/places.ts";
import { plainMessage, plainRows } from "../support/rows.ts";

const cellOf = (region: string, mode: number): number => (regionOf(region) << 12) | mode;
const ROWS: Rows = {
  words: Int32Array.from(
    [
      [0x01020304, 2, 3, 4, cellOf("CA", 2), 90, 7],
      [-1, -2, -3, -4, NOWHERE, 100, -1],
      [9, 9, 9, 9, cellOf("US", 0), 40, 0],
      [8, 8, 8, 8, cellOf("CA", 0), 100, 1],
    ].flat(),
  ),
  count: 4,
  modeNames: ["GM01", "unused", "ranked:duo"],
  now: 100,
  writtenAtMs: 1_700_000_000_123.5,
};
/** Where the parts of `encodeRows("log", ROWS)` begin. */
const NAMES_AT = 24; // CA US, 10 ranked:duo, 4 GM01: 20 bytes
const ROWS_AT = 44;
const BYTES = ROWS_AT + 4 * 28 + 4;
/** The same message as it was written before there were subdivisions. */
const COUNTRIES_AS_EVER =
  "AQECAAIAAAAEAAAAoAAAAAC4h1b+vHhCQ0FVUwpyYW5rZWQ6ZHVvBEdNMDEEAwIBAgAAAAMAAAAEAAAAAAAAAAoAAAAHAAAA//////7////9" +
  "/////P////////8AAAAA/////wkAAAAJAAAACQAAAAkAAAABAAEAPAAAAAAAAAAIAAAACAAAAAgAAAAIAAAAAAABAAAAAAABAAAAp6SNkQ==";

/** The message after `change`, with a checksum that fits it. */
function forged(change: (bytes: Buffer) => void): Buffer {
  const bytes = Buffer.from(encodeRows("log", ROWS));
  change(bytes);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, -4)), BYTES - 4);
  return bytes;
}
function refusalOf(bytes: Uint8Array, kind: Kind = "log"): MalformedMessageError {
  try {
    decodeRows(kind, bytes);
  } catch (error) {
    if (error instanceof MalformedMessageError) return error;
    throw error;
  }
  return expect.fail("the message was taken");
}

test("encodeRows() lays a message out as drawn at the top of codec.ts", () => {
  const bytes = Buffer.from(encodeRows("log", ROWS));
  expect(bytes).toHaveLength(BYTES);
  expect([bytes[0], bytes[1]], "version and kind").toEqual([1, 1]);
  expect(
    [2, 4, 6].map((at) => bytes.readUInt16LE(at)),
    "regions, modes, 0",
  ).toEqual([2, 2, 0]);
  expect(
    [8, 12].map((at) => bytes.readUInt32LE(at)),
    "rows and bytes",
  ).toEqual([4, BYTES]);
  expect(bytes.readDoubleLE(16)).toBe(1_700_000_000_123.5);
  expect(bytes.toString("latin1", NAMES_AT, ROWS_AT)).toBe("CAUS\x0aranked:duo\x04GM01");
  const words = Array.from({ length: 28 }, (_, word) => bytes.readInt32LE(ROWS_AT + 4 * word));
  expect(words.slice(0, 7)).toEqual([0x01020304, 2, 3, 4, 0, 10, 7]);
  expect(words.slice(7, 14)).toEqual([-1, -2, -3, -4, -1, 0, -1]);
  expect(words.slice(14, 21)).toEqual([9, 9, 9, 9, 1 | (1 << 16), 60, 0]);
  expect(words.slice(21, 28)).toEqual([8, 8, 8, 8, 1 << 16, 0, 1]);
  expect(bytes.readUInt32LE(BYTES - 4)).toBe(crc32(bytes.subarray(0, -4)));
});
test("encodeRows() pads names with zeros to a multiple of four", () => {
  for (const [name, namesBytes] of [
    ["a", 4],
    ["ab", 8],
    ["abcde", 8],
    ["abcdef", 12],
  ] as const) {
    const bytes = encodeRows("log", { ...ROWS, count: 1, modeNames: ["", "", name] });
    expect(bytes.length, name).toBe(24 + namesBytes + 28 + 4);
    expect(decodeRows("log", bytes).modes).toEqual([name]);
  }
});
test("encodeRows() leaves nothing of one message to the next", () => {
  const first = encodeRows("log", ROWS);
  encodeRows("log", { ...ROWS, words: Int32Array.of(1, 1, 1, 1, cellOf("ZW", 1), 0, 0), count: 1 });
  expect(encodeRows("log", ROWS)).toEqual(first);
});
test("encodeRows() takes the first `count` rows only, none too", () => {
  expect(decodeRows("log", encodeRows("log", { ...ROWS, count: 1 })).count).toBe(1);
  const none = encodeRows("snapshot", { ...ROWS, count: 0 });
  expect(none).toHaveLength(28);
  expect(decodeRows("snapshot", none)).toEqual({
    writtenAtMs: ROWS.writtenAtMs,
    count: 0,
    regions: [],
    modes: [],
    words: new Int32Array(0),
  });
});
test("encodeRows() gives a row that was seen after now the age 0", () => {
  const bytes = encodeRows("log", { ...ROWS, now: 50 });
  expect(plainMessage(decodeRows("log", bytes)).map(({ age }) => age)).toEqual([0, 0, 10, 0]);
});
test("decodeRows() reads what was encoded", () => {
  const message = decodeRows("log", encodeRows("log", ROWS));
  expect(message.writtenAtMs).toBe(ROWS.writtenAtMs);
  expect(message.regions.map((region) => REGIONS[region])).toEqual(["CA", "US"]);
  expect(message.modes).toEqual(["ranked:duo", "GM01"]);
  expect(plainMessage(message)).toEqual(plainRows(ROWS));
});
test("decodeRows() reads a message wherever it lies in memory", () => {
  const bytes = encodeRows("log", ROWS);
  const around = new Uint8Array(BYTES + 9).fill(0xff);
  around.set(bytes, 5);
  const message = decodeRows("log", around.subarray(5, 5 + BYTES));
  expect(message).toEqual(decodeRows("log", bytes));
});
test("decodeRows() names countries by their two letters, as it always did, and subdivisions by their whole codes", () => {
  const ofCountries = Buffer.from(encodeRows("log", ROWS));
  expect(ofCountries.toString("base64"), "byte for byte").toBe(COUNTRIES_AS_EVER);
  const cells = ["US-CA", "FR-IDF", "GB", "AD-02"].map((region) => cellOf(region, 0));
  const rows = { ...ROWS, words: Int32Array.from(cells.flatMap((cell, row) => [1, 2, 3, row, cell, 100, 0])) };
  const bytes = Buffer.from(encodeRows("log", rows));
  expect(bytes.toString("latin1", NAMES_AT, NAMES_AT + 26)).toBe("\x85US-CA\x86FR-IDFGB\x85AD-02\x04GM01");
  expect(plainMessage(decodeRows("log", bytes))).toEqual(plainRows(rows));
});
const regionsNamed = (names: string): string[] => {
  const [count, ...letters] = names.split(" ");
  const text = Buffer.from(letters.join(""), "latin1");
  const bytes = Buffer.alloc(24 + ((text.length + 3) & ~3) + 4);
  bytes.set([1, 1, Number(count)]);
  bytes.writeUInt32LE(bytes.length, 12);
  bytes.set(text, 24);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, -4)), bytes.length - 4);
  return decodeRows("log", bytes).regions.map((region) => REGIONS[region] as string);
};
test("decodeRows() counts a subdivision that this table lacks in its country", () => {
  expect(regionsNamed("3 \x85US-CA \x85US-ZZ \x86FR-ZZZ")).toEqual(["US-CA", "US", "FR"]);
  expect(regionsNamed("2 \x85US-PR \x84XK-1")).toEqual(["PR", "XK"]);
});
test.each([
  "1 \x85us-ca",
  "1 \x85US-Ca",
  "1 \x85XX-CA",
  "1 \x82US",
  "1 \x83US-",
  "1 \x87US-CALI",
  "1 \x85US_CA",
  "1 \x85US-\xc7A",
  "1 \x86US-CA\0",
  "1 \x80",
  "1 \xffUS-CA",
  "1 \x86US-CA",
  "2 \x85US-CA \x85US-",
  "1 \x85150-1",
  "1 150",
])("decodeRows() refuses the regions %j", (names) => {
  expect(() => regionsNamed(names)).toThrow(MalformedMessageError);
});
test("decodeRows() names all regions and 4095 modes; R28 the last number is the reserved mode's, which has no name", () => {
  const modeNames = Array.from({ length: 4096 }, (_, mode) => (mode < 4095 ? `m${mode}` : ""));
  const words = new Int32Array(REGION_COUNT * 7);
  for (let row = 0; row < REGION_COUNT; row++)
    words.set([1, 2, 3, row, ((row % REGION_COUNT) << 12) | (row % 4096), 0, 0], row * 7);
  const rows = { ...ROWS, words, count: REGION_COUNT, modeNames };
  const message = decodeRows("snapshot", encodeRows("snapshot", rows));
  expect([message.regions.length, message.modes.length]).toEqual([REGION_COUNT, 4096]);
  expect(plainMessage(message)).toEqual(plainRows(rows));
});

test.each<[what: string, offset: number, rule: string, bytes: Uint8Array]>([
  ["no bytes", 0, "at least 28 bytes", Buffer.alloc(0)],
  ["27 bytes", 27, "at least 28 bytes", Buffer.alloc(27)],
  ["another version", 0, "version 1, not 2", forged((bytes) => (bytes[0] = 2))],
  ["another kind", 1, "kind 1 (log), not 2", encodeRows("snapshot", ROWS)],
  ["bytes missing", 12, `${BYTES} bytes, not ${BYTES - 1}`, encodeRows("log", ROWS).subarray(0, -1)],
  ["bytes too many", 12, `${BYTES} bytes, not ${BYTES + 1}`, Buffer.concat([encodeRows("log", ROWS), Buffer.alloc(1)])],
  ["a wrong checksum", BYTES - 4, "the checksum fits", Buffer.from(encodeRows("log", ROWS)).fill(0, BYTES - 4)],
  ["something in the reserved bytes", 6, "two bytes of zero", forged((bytes) => (bytes[7] = 1))],
  [
    "more regions than there are",
    2,
    `at most ${REGION_COUNT} regions`,
    forged((bytes) => bytes.writeUInt16LE(REGION_COUNT + 1, 2)),
  ],
  ["more modes than there can be", 4, "at most 4096 modes", forged((bytes) => bytes.writeUInt16LE(4097, 4))],
  ["no time of writing", 16, "a finite time of writing", forged((bytes) => bytes.writeDoubleLE(NaN, 16))],
  ["an endless time of writing", 16, "a finite time of writing", forged((bytes) => bytes.writeDoubleLE(Infinity, 16))],
  ["a region that is none", NAMES_AT + 2, "a region's code", forged((bytes) => bytes.write("XX", NAMES_AT + 2))],
  ["a region in lower case", NAMES_AT, "a region's code", forged((bytes) => bytes.write("ca", NAMES_AT))],
  ["letters behind a mode that has none", NAMES_AT + 5, "a mode's name", forged((bytes) => (bytes[NAMES_AT + 4] = 0))],
  ["a mode with a space", NAMES_AT + 4, "a mode's name", forged((bytes) => bytes.write(" ", NAMES_AT + 6))],
  [
    "a mode too long",
    NAMES_AT + 4,
    "a mode's name",
    forged((bytes) => {
      bytes[NAMES_AT + 4] = 65;
      bytes.write("x".repeat(65), NAMES_AT + 5);
    }),
  ],
  [
    "a mode that runs into the checksum",
    NAMES_AT + 5,
    "a name ends before the checksum",
    forged((bytes) => (bytes[NAMES_AT + 4] = 200)),
  ],
  [
    "regions that run into the checksum",
    BYTES - 4,
    "a name ends before the checksum",
    forged((bytes) => {
      bytes.writeUInt16LE(67, 2);
      bytes.fill("CA", NAMES_AT, BYTES - 4);
    }),
  ],
  [
    "names that go on behind the message",
    BYTES - 3,
    "a name ends before the checksum",
    forged((bytes) => {
      bytes.writeUInt16LE(66, 2);
      bytes.fill("CA", NAMES_AT, BYTES - 4);
    }),
  ],
  ["fewer rows than said", 8, "5 rows end where the checksum begins", forged((bytes) => bytes.writeUInt32LE(5, 8))],
  ["more rows than said", 8, "3 rows end where the checksum begins", forged((bytes) => bytes.writeUInt32LE(3, 8))],
  [
    "four billion rows",
    8,
    "4294967295 rows end where the checksum begins",
    forged((bytes) => bytes.writeUInt32LE(2 ** 32 - 1, 8)),
  ],
  [
    "padding that is not zero",
    ROWS_AT - 1,
    "names are padded with zeros",
    forged((bytes) => {
      bytes[NAMES_AT + 15] = 3;
      bytes[ROWS_AT - 1] = 1;
    }),
  ],
  [
    "a nil id",
    ROWS_AT + 28,
    "a profile id that is not nil",
    forged((bytes) => bytes.fill(0, ROWS_AT + 28, ROWS_AT + 44)),
  ],
  [
    "a region that is not named",
    ROWS_AT + 16,
    "a region and mode that the message names",
    forged((bytes) => bytes.writeUInt16LE(2, ROWS_AT + 16)),
  ],
  [
    "a mode that is not named",
    ROWS_AT + 16,
    "a region and mode that the message names",
    forged((bytes) => bytes.writeUInt16LE(2, ROWS_AT + 18)),
  ],
  [
    "half of nowhere",
    ROWS_AT + 28 + 16,
    "a region and mode that the message names",
    forged((bytes) => bytes.writeUInt16LE(0, ROWS_AT + 28 + 16)),
  ],
  [
    "an endless age",
    ROWS_AT + 84 + 20,
    "an age below 2^31 tenths of a second",
    forged((bytes) => bytes.writeUInt32LE(2 ** 31, ROWS_AT + 84 + 20)),
  ],
])("decodeRows() refuses %s and says where (byte %i)", (_, offset, rule, bytes) => {
  const refusal = refusalOf(bytes);
  expect(refusal.message).toBe(`Malformed message at byte ${offset}: must hold: ${rule}`);
  expect([refusal.offset, refusal.name]).toEqual([offset, "MalformedMessageError"]);
});
test("decodeRows() refuses a log where a snapshot is due", () => {
  expect(refusalOf(encodeRows("log", ROWS), "snapshot").message).toContain("kind 2 (snapshot), not 1");
});
test("decodeRows() takes an id that is not nil in one word only, and the largest age", () => {
  const message = forged((bytes) => {
    bytes.fill(0, ROWS_AT, ROWS_AT + 12);
    bytes.writeUInt32LE(2 ** 31 - 1, ROWS_AT + 20);
  });
  expect(plainMessage(decodeRows("log", message))[0]).toMatchObject({
    id: "00000000-0000-0000-0000-000000000004",
    age: 2 ** 31 - 1,
  });
});
