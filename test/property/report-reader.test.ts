/**
 * The law of the template reader: what it reads, `JSON.parse` and the schema read the same, and of everything else it says
 * nothing. So no batch can tell which of the two has read it.
 */
import fc from "fast-check";
import { expect, onTestFinished, test } from "vitest";

import { NO_SEQ } from "../../cluster/records/presences.ts";
import { MODES_MAX } from "../../engine/modes.ts";
import { emptyProfileId, formatProfileId, parseProfileId } from "../../engine/profile-id.ts";
import { isArea, PLACE_NUMBERS, regionOf } from "../../engine/places.ts";
import type { Reports } from "../../node/entry.ts";
import {
  BATCH_BYTES_MAX,
  readBatch,
  readReport,
  type Report,
  REPORT_BYTES_MAX,
} from "../../node/http/report-reader.ts";
import { BATCH_ROWS_MAX, BatchBody, Check, ReportBody, ReportRow } from "../../node/values.ts";
import { anyProfileId } from "../../simulator/players.ts";
import { recordingApp, REFUSED_MODE } from "../support/batch-app.ts";
import { jsonTexts, naughtyStrings, prototypePoisons, uuidLikes } from "../support/corpora.ts";

const bodyCheck = new Check(BatchBody, "body");
const rowCheck = new Check(ReportRow, "report");
const reportCheck = new Check(ReportBody, "body");

/** What a row says, as text. */
type Told = readonly [id: string, region: number, mode: string, seq: number];

/** The rows of a batch by `JSON.parse` and the schema, the slow and obvious way; `undefined` where not all is good. */
function bySchema(bytes: Uint8Array): Told[] | undefined {
  let body: unknown;
  try {
    body = JSON.parse(Buffer.from(bytes).toString());
  } catch {
    return undefined;
  }
  if (!bodyCheck.accepts(body)) return undefined;
  const told: Told[] = [];
  for (const row of body.reports) {
    if (!rowCheck.accepts(row)) return undefined;
    const id = emptyProfileId();
    parseProfileId(row.profileId, id);
    told.push([formatProfileId(id), regionOf(row.region), row.gamemode, row.seq ?? NO_SEQ]);
  }
  return told;
}

function toldBy({ count, ids, regions, modes, modeOf, seqs }: Reports): Told[] {
  return Array.from({ length: count }, (_, row) => {
    const id = formatProfileId(ids.slice(4 * row, 4 * row + 4) as ReturnType<typeof emptyProfileId>);
    return [id, regions[row] as number, modes[modeOf[row] as number] as string, seqs[row] as number];
  });
}

function expectLaw(bytes: Uint8Array): boolean {
  const read = readBatch(bytes);
  if (read !== undefined) expect(toldBy(read), Buffer.from(bytes).toString()).toEqual(bySchema(bytes));
  return read !== undefined;
}

/** A report by `JSON.parse` and the schema. */
function reportBySchema(bytes: Uint8Array): Report | undefined {
  try {
    const body: unknown = JSON.parse(Buffer.from(bytes).toString());
    if (!reportCheck.accepts(body)) return undefined;
    return { region: regionOf(body.region), mode: body.gamemode, seq: body.seq ?? NO_SEQ };
  } catch {
    return undefined;
  }
}

/** The same for a report, which stands in the middle of other requests. */
function expectReportLaw(bytes: Uint8Array): boolean {
  const around = Buffer.from('7}"}');
  const from = around.length;
  const read = readReport(Buffer.concat([around, bytes, around]), from, from + bytes.length);
  if (read !== undefined) expect(read, Buffer.from(bytes).toString()).toEqual(reportBySchema(bytes));
  return read !== undefined;
}

/** The ways in which clients write JSON, by their libraries. */
const STYLES: readonly ((value: unknown) => string)[] = [
  (value) => JSON.stringify(value),
  (value) => JSON.stringify(value, undefined, 2),
  (value) => JSON.stringify(value, undefined, "\t").replaceAll("\n", "\r\n"),
  (value) => JSON.stringify(value).replaceAll(/[:,]/g, "$& "), // json.dumps
  (value) => ` ${JSON.stringify(value, undefined, 4)}\n`,
];

const NAME_CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789".split("");
const anyModeName = fc
  .tuple(
    fc.constantFrom(...NAME_CHARACTERS),
    fc.string({ unit: fc.constantFrom(...NAME_CHARACTERS, ".", "_", "-"), maxLength: 63 }),
  )
  .map(([first, rest]) => first + rest);
const anyCase = (text: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  fc.tuple(text, fc.boolean()).map(([value, isLower]) => (isLower ? value.toLowerCase() : value.toUpperCase()));
const REGION_CODES = [...PLACE_NUMBERS].flatMap(([code, place]) => (isArea(place) ? [] : [code]));
const anyRegionCode = fc.oneof(
  fc.constantFrom(...REGION_CODES.filter(({ length }) => length === 2)),
  fc.constantFrom(...REGION_CODES),
  fc.constantFrom("US-CA", "US-PR", "FR-971", "NO-21", "NL-BQ1"),
);
const anyRow = fc.record(
  {
    profileId: anyCase(anyProfileId.map(formatProfileId)),
    region: anyCase(anyRegionCode),
    gamemode: fc.oneof(fc.constantFrom("GM01", "GM02", "gm01", REFUSED_MODE), anyModeName),
    seq: fc.oneof(fc.nat(), fc.constantFrom(0, 1, 2 ** 31, 2 ** 32 - 1)),
  },
  { requiredKeys: ["profileId", "region", "gamemode"] },
);
const anyBatch = fc.array(anyRow, { minLength: 1, maxLength: 12 }).map((reports) => ({ reports }));
const anyWritten = fc.tuple(anyBatch, fc.constantFrom(...STYLES)).map(([batch, write]) => Buffer.from(write(batch)));

const anyWrittenReport = fc
  .tuple(anyRow, fc.constantFrom(...STYLES))
  .map(([{ region, gamemode, seq }, write]) => Buffer.from(write({ region, gamemode, seq })));

/** What JSON is made of, and bytes of all kinds: what damage puts in. */
const anyByte = fc.oneof(fc.constantFrom(...Buffer.from('{}[]":, \n\\0123456789abcdefABCDEF-+.eE_u')), fc.nat(255));
const anyDamage = fc.record({
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  cut: fc.oneof(fc.constant(1), fc.constant(0), fc.nat(200)),
  put: fc.oneof(
    fc.array(anyByte, { maxLength: 4 }).map((bytes) => Buffer.from(bytes)),
    fc.constantFrom(
      ...['"seq":1', ',"seq":-0', "1e3", "1.0", "null", "{}", "\u00e9", "\ufeff", "\\u0041"].map(asBytes),
    ),
  ),
});

function asBytes(text: string): Buffer {
  return Buffer.from(text);
}

function damaged(bytes: Buffer, { at, cut, put }: { at: number; cut: number; put: Buffer }): Buffer {
  const from = Math.floor(at * bytes.length);
  return Buffer.concat([bytes.subarray(0, from), put, bytes.subarray(from + cut)]);
}

/** At each place: cut off there, that byte left out, and that byte replaced by every other. */
function* damagedAnywhere(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at++) {
    yield bytes.subarray(0, at);
    yield Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1)]);
    for (let byte = 0; byte < 256; byte++) {
      const other = Buffer.from(bytes);
      other[at] = byte;
      yield other;
    }
  }
}

/** A text in the place that a template marks. */
function placed(template: string, text: Uint8Array): Buffer {
  const [before = "", after = ""] = template.split("\0");
  return Buffer.concat([Buffer.from(before), text, Buffer.from(after)]);
}

/** A batch in which a text that is JSON, or claims to be, stands at each place of a value. */
function* bodiesWith(text: Uint8Array): Generator<Buffer> {
  const good = { profileId: '"6f0e4b1c-94a0-4c2e-8d55-0b9f3a7c1e21"', region: '"CA"', gamemode: '"GM01"', seq: "5" };
  const row = (fields: Readonly<Record<string, string>>): string =>
    `{${Object.entries(fields)
      .map(([name, value]) => `"${name}":${value}`)
      .join()}}`;
  const rows = Object.keys(good).map((field) => row({ ...good, [field]: "\0" }));
  const templates = ["\0", '{"reports":\0}', `{"reports":[${row(good)},\0]}`, '{"reports":[\0]}'];
  for (const template of [...templates, ...rows.map((bad) => `{"reports":[${row(good)},${bad}]}`)])
    yield placed(template, text);
}

/** Everything in test/data, as JSON. */
function* corpora(): Generator<Uint8Array> {
  for (const { bytes } of jsonTexts()) yield bytes;
  for (const text of prototypePoisons()) yield Buffer.from(text);
  for (const text of [...naughtyStrings(), ...uuidLikes()]) {
    yield Buffer.from(JSON.stringify(text));
    yield Buffer.from(`"${text}"`);
    yield Buffer.from(text);
  }
}

test("readBatch() reads what clients write, with and without seq, spaces and lines", () => {
  fc.assert(
    fc.property(anyWritten, (bytes) => {
      expect(expectLaw(bytes), bytes.toString()).toBe(true);
    }),
    { numRuns: 500 },
  );
});
test("readBatch() reads as the schema or not at all: damaged batches", () => {
  let reads = 0;
  fc.assert(
    fc.property(anyWritten, fc.array(anyDamage, { minLength: 1, maxLength: 3 }), (bytes, damages) => {
      readBatch(bytes); // what is left of it must not be read with the next one
      if (expectLaw(damages.reduce(damaged, bytes))) reads++;
    }),
    { numRuns: 5000 },
  );
  expect(reads).toBeGreaterThan(0);
});
test("readBatch() reads as the schema or not at all: batches cut anywhere, after the whole one", () => {
  const row = { profileId: "6f0e4b1c-94a0-4c2e-8d55-0b9f3a7c1e21", region: "CA", gamemode: "GM01", seq: 17 };
  for (const write of STYLES) {
    const bytes = Buffer.from(write({ reports: [row, row] }));
    for (let length = 0; length < bytes.length; length++) {
      expect(readBatch(bytes)?.count).toBe(2);
      expectLaw(bytes.subarray(0, length));
    }
  }
});
test("readBatch() reads as the schema or not at all: every byte of a batch replaced by every other, left out, and cut off", () => {
  for (const region of ["CA", "FR-IDF"]) {
    const row = { profileId: "6f0e4b1c-94a0-4c2e-8d55-0b9f3a7c1e21", region, gamemode: "G-1", seq: 17 };
    const bytes = Buffer.from(JSON.stringify({ reports: [row] }));
    for (const damagedBytes of damagedAnywhere(bytes)) expectLaw(damagedBytes);
  }
});
test("readBatch() reads as the schema or not at all: the public corpora, at every place of a value", () => {
  for (const text of corpora()) for (const bytes of bodiesWith(text)) expectLaw(bytes);
});
test("readBatch() reads as the schema or not at all: random bytes", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.array(anyByte, { maxLength: 300 }), (bytes, likely) => {
      expectLaw(bytes);
      expectLaw(Uint8Array.from(likely));
    }),
    { numRuns: 2000 },
  );
});
test("readReport() reads every code of a region, in any case, and leaves every other to the schema", () => {
  const letters = Array.from('-09AZaz/:@[`{ "');
  for (const code of REGION_CODES) {
    for (const written of [code, code.toLowerCase(), code.slice(0, 2) + code.slice(2).toLowerCase()])
      expect(expectReportLaw(Buffer.from(JSON.stringify({ region: written, gamemode: "GM01" }))), written).toBe(true);
    for (const letter of letters)
      for (const other of [code + letter, code.slice(0, -1) + letter, code.slice(0, -1)])
        expectReportLaw(Buffer.from(JSON.stringify({ region: other, gamemode: "GM01" })));
  }
});
test("readReport() reads what clients write, with and without seq, spaces and lines", () => {
  fc.assert(
    fc.property(anyWrittenReport, (bytes) => {
      expect(expectReportLaw(bytes), bytes.toString()).toBe(true);
    }),
    { numRuns: 500 },
  );
});
test("readReport() reads as the schema or not at all: damaged reports", () => {
  let reads = 0;
  fc.assert(
    fc.property(anyWrittenReport, fc.array(anyDamage, { minLength: 1, maxLength: 3 }), (bytes, damages) => {
      readReport(bytes, 0, bytes.length); // what is left of it must not be read with the next one
      if (expectReportLaw(damages.reduce(damaged, bytes))) reads++;
    }),
    { numRuns: 5000 },
  );
  expect(reads).toBeGreaterThan(0);
});
test("readReport() reads as the schema or not at all: every byte replaced by every other, left out, and cut off", () => {
  for (const region of ["CA", "US-PR"]) {
    const bytes = Buffer.from(JSON.stringify({ region, gamemode: "G-1", seq: 17 }));
    for (const damagedBytes of damagedAnywhere(bytes)) expectReportLaw(damagedBytes);
  }
});
test("readReport() reads as the schema or not at all: the public corpora, at every place of a value", () => {
  const places = [
    "\0",
    '{"region":\0,"gamemode":"GM01"}',
    '{"region":"CA","gamemode":\0}',
    '{"region":"CA","gamemode":"GM01","seq":\0}',
  ];
  for (const text of corpora()) for (const place of places) expectReportLaw(placed(place, text));
});
test("readReport() leaves a body that is too large alone, and reads names up to their longest", () => {
  const bytesOf = (length: number): Buffer =>
    Buffer.from(JSON.stringify({ region: "CA", gamemode: "m".repeat(length) }));
  const padded = (length: number): Buffer => Buffer.concat([bytesOf(4), Buffer.alloc(length - bytesOf(4).length, " ")]);
  expect(expectReportLaw(padded(REPORT_BYTES_MAX))).toBe(true);
  expect(expectReportLaw(padded(REPORT_BYTES_MAX + 1))).toBe(false);
  expect(expectReportLaw(bytesOf(64))).toBe(true);
  expect(expectReportLaw(bytesOf(65))).toBe(false);
});
test("POST /v1/reports answers the same, and does the same, whoever reads the batch", async () => {
  const { app, taken } = await recordingApp();
  onTestFinished(() => app.close());
  const post = async (payload: Buffer): Promise<unknown> => {
    taken.length = 0;
    const headers = { "content-type": "application/json" };
    const {
      statusCode,
      headers: answered,
      body,
    } = await app.inject({ method: "POST", url: "/v1/reports", headers, payload });
    return { statusCode, headers: { ...answered, date: "" }, body, taken: taken.map(toldBy) };
  };
  /** The same JSON with a space where the reader expects none. */
  const slowWay = (bytes: Buffer): Buffer =>
    Buffer.from(bytes.toString("latin1").replace('"reports":', '"reports" :'), "latin1");
  await fc.assert(
    fc.asyncProperty(anyWritten, fc.array(anyDamage, { maxLength: 1 }), async (written, damages) => {
      const bytes = damages.reduce(damaged, written);
      if (readBatch(bytes) === undefined) return;
      expect(readBatch(slowWay(bytes))).toBeUndefined();
      expect(await post(bytes)).toEqual(await post(slowWay(bytes)));
    }),
    { numRuns: 300 },
  );
});

const rowsOf = (count: number, modeOf: (row: number) => string): unknown[] =>
  Array.from({ length: count }, (_, row) => {
    const profileId = formatProfileId(Int32Array.of(row + 1, 0, 0, 1) as ReturnType<typeof emptyProfileId>);
    return { profileId, region: "CA", gamemode: modeOf(row) };
  });
const bytesOf = (reports: unknown[]): Buffer => Buffer.from(JSON.stringify({ reports }));

test("readBatch() reads as many rows as may be in a batch, and leaves one more to the schema", () => {
  const bytes = bytesOf(rowsOf(BATCH_ROWS_MAX, (row) => `GM${row % 20}`));
  expect(expectLaw(bytes)).toBe(true);
  expect(expectLaw(Buffer.from(bytes.toString().replace("]}", ",]}")))).toBe(false);
  expect(expectLaw(bytesOf(rowsOf(BATCH_ROWS_MAX + 1, () => "GM01")))).toBe(false);
});
test("readBatch() reads up to as many modes as can be in use", () => {
  expect(expectLaw(bytesOf(rowsOf(2 * MODES_MAX, (row) => `mode-${row % MODES_MAX}`)))).toBe(true);
  expect(expectLaw(bytesOf(rowsOf(2 * MODES_MAX, (row) => `mode-${row}`)))).toBe(false);
});
test("readBatch() leaves a body that is too large alone", () => {
  const bytes = bytesOf(rowsOf(1, () => "GM01"));
  const padded = (length: number): Buffer => Buffer.concat([bytes, Buffer.alloc(length - bytes.length, " ")]);
  expect(expectLaw(padded(BATCH_BYTES_MAX))).toBe(true);
  expect(expectLaw(padded(BATCH_BYTES_MAX + 1))).toBe(false);
});
