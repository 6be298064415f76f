import fc from "fast-check";
import { expect, test } from "vitest";

import type { Outcome, Refused } from "../../cluster/ports/rows.ts";
import { PlayerRates } from "../../cluster/records/player-rates.ts";
import { NO_SEQ, Presences } from "../../cluster/records/presences.ts";
import type { Recorder } from "../../cluster/records/recorder.ts";
import type { CatalogueMode } from "../../engine/catalogue.ts";
import { Engine } from "../../engine/engine.ts";
import { MODES_MAX } from "../../engine/modes.ts";
import { emptyProfileId } from "../../engine/profile-id.ts";
import { EntryAlone } from "../../node/alone/entry-alone.ts";
import { readId, type Reports, type ReportsOutcome } from "../../node/entry.ts";
import { playerId } from "../../simulator/players.ts";
import { CA, OPTIONS, START_MS } from "../support/numbered-engine.ts";
import { StubRules } from "../support/stub-rules.ts";

const PLAYERS = 40;
const MODES = ["GM01", "GM02", "GM03", "GM04"];

interface Report {
  readonly player: number;
  readonly region: number;
  readonly mode: number;
  readonly seq: number;
  /** The player leaves. */
  readonly isLeave?: boolean;
}

const anyReport: fc.Arbitrary<Report> = fc.record({
  player: fc.nat(PLAYERS - 1),
  region: fc.nat(2),
  mode: fc.nat(MODES.length - 1),
  seq: fc.oneof(fc.constant(NO_SEQ), fc.nat(3)),
});
/** One of four leaves. */
const anyRow: fc.Arbitrary<Report> = fc
  .tuple(anyReport, fc.nat(3))
  .map(([report, chance]) => ({ ...report, isLeave: chance === 0 }));
/** Longer ones than what is warmed at once. */
const anyBatch = fc.array(anyRow, { maxLength: 150 });

/**
 * An entry over an engine in which so many modes are in use.
 * @param areKnown whether those of the batches have names already, which wait for the log, although nobody is in them
 */
function entryWith(modesUsed: number, areKnown: boolean): [EntryAlone, Engine] {
  const engine = new Engine(OPTIONS, START_MS);
  const entry = new EntryAlone(new Presences(engine, undefined), 1, 0);
  const report = (player: number, mode: string): void => {
    const request = { operation: "report", id: playerId(player), region: CA, mode, seq: NO_SEQ } as const;
    entry.submit(request, () => undefined);
  };
  if (areKnown) for (const mode of [...MODES, "used0"]) report(1000, mode);
  for (let mode = 0; mode < modesUsed; mode++) report(1000 + mode, `used${mode}`);
  return [entry, engine];
}

/** @param isEachNamed whether each row brings the name of its mode, as the schema's way does */
function columnsOf(batch: readonly Report[], isEachNamed: boolean): Reports {
  return {
    count: batch.length,
    ids: Int32Array.from(batch.flatMap(({ player }) => [...playerId(player)])),
    regions: Uint16Array.from(batch, ({ region }) => region),
    modes: isEachNamed ? batch.map(({ mode }) => MODES[mode] as string) : MODES,
    modeOf: Uint16Array.from(batch, ({ mode }, row) => (isEachNamed ? row : mode)),
    seqs: Float64Array.from(batch, ({ seq }) => seq),
    ...(batch.some(({ isLeave }) => isLeave)
      ? { leaves: Uint8Array.from(batch, ({ isLeave }) => Number(isLeave === true)) }
      : {}),
  };
}

/** What a batch does, row by row. */
function oneByOne(entry: EntryAlone, { count, ids, regions, modes, modeOf, seqs, leaves }: Reports): ReportsOutcome {
  const totals = { changed: 0, renewed: 0, late: 0, removed: 0, nowhere: 0, remembered: 0 };
  const refused: { index: number; why: Refused }[] = [];
  const changedBy = new Int32Array(modes.length);
  for (let index = 0; index < count; index++) {
    const id = emptyProfileId();
    readId(ids, index, id);
    const mode = modes[modeOf[index] as number] as string;
    const [region, seq] = [regions[index] as number, seqs[index] as number];
    const operation = leaves?.[index] === 1 ? "remove" : "report";
    entry.submit({ operation, id, region, mode, seq }, (outcome) => {
      if (outcome.kind === "refused") refused.push({ index, why: outcome });
      else {
        totals[outcome.effect as "changed" | "renewed" | "late" | "removed" | "nowhere"]++;
        if (outcome.effect === "changed") (changedBy[modeOf[index] as number] as number)++;
        totals.remembered++;
      }
    });
  }
  return { ...totals, changedBy, refused };
}

function placeOf(entry: EntryAlone, player: number): unknown {
  let found: Outcome | undefined;
  entry.submit({ operation: "find", id: playerId(player), region: 0, mode: "", seq: NO_SEQ }, (outcome) => {
    found = outcome;
  });
  return found?.kind === "done" ? { region: found.place?.region, mode: found.place?.mode } : found;
}

/** A mode for which there is no room is refused, a row makes room, and the mode comes again. */
const ROOM_AMID_A_BATCH: [Report[][], number, boolean, boolean] = [
  [
    [{ player: 1, region: CA, mode: 0, seq: 0 }],
    [
      { player: 0, region: CA, mode: 1, seq: 0 },
      { player: 0, region: CA, mode: 3, seq: 0 },
      { player: 1, region: CA, mode: 1, seq: 0 },
      { player: 0, region: CA, mode: 3, seq: 0 },
    ],
  ],
  MODES_MAX - 2,
  false,
  false,
];

test("EntryAlone.submitAll() does what submit() does row by row, also where there is no room for some modes", () => {
  fc.assert(
    fc.property(
      fc.array(anyBatch, { minLength: 1, maxLength: 4 }),
      fc.constantFrom(0, MODES_MAX - 2, MODES_MAX),
      fc.boolean(),
      fc.boolean(),
      (batches, modesUsed, isEachNamed, areKnown) => {
        const [entry, engine] = entryWith(modesUsed, areKnown);
        const [model] = entryWith(modesUsed, areKnown);
        for (const batch of batches) {
          const columns = columnsOf(batch, isEachNamed);
          const outcomes: ReportsOutcome[] = [];
          entry.submitAll(columns, (outcome) => void outcomes.push(outcome));
          expect(outcomes).toEqual([oneByOne(model, columns)]);
        }
        for (let player = 0; player < PLAYERS; player++) expect(placeOf(entry, player)).toEqual(placeOf(model, player));
        expect(entry.overview()).toEqual(model.overview());
        expect(engine.boards.modesInUse).toBeLessThanOrEqual(MODES_MAX);
      },
    ),
    { numRuns: 60, examples: [ROOM_AMID_A_BATCH] },
  );
});
test("EntryAlone.submitAll() lets players be in 1024 modes at the most, also where one goes through known ones before", () => {
  const [entry, engine] = entryWith(MODES_MAX - 2, true);
  const reports = [0, 1, 2, 3].map((mode) => ({ player: 0, region: CA, mode, seq: NO_SEQ }));
  const others = [0, 1, 2].map((mode) => ({ player: 1 + mode, region: CA, mode, seq: NO_SEQ }));
  const outcomes: ReportsOutcome[] = [];
  entry.submitAll(columnsOf([...reports, ...others], false), (outcome) => void outcomes.push(outcome));
  const refused = [5, 6].map((index) => ({ index, why: { kind: "refused", reason: "no room for the mode" } }));
  expect(outcomes).toMatchObject([{ changed: 5, renewed: 0, late: 0, remembered: 5, refused }]);
  expect(engine.boards.modesInUse).toBe(MODES_MAX);
});
test("EntryAlone.submitAll() refuses all rows while too much waits for the store, and changes nothing", () => {
  const engine = new Engine(OPTIONS, START_MS);
  const entry = new EntryAlone(new Presences(engine, { isFull: true } as Recorder), 1, 0);
  const batch = [0, 1, 2].map((player) => ({ player, region: CA, mode: 0, seq: NO_SEQ }));
  const outcomes: ReportsOutcome[] = [];
  entry.submitAll(columnsOf(batch, false), (outcome) => void outcomes.push(outcome));
  const refused = [0, 1, 2].map((index) => ({ index, why: { kind: "refused", reason: "overloaded" } }));
  expect(outcomes).toMatchObject([{ changed: 0, renewed: 0, late: 0, remembered: 0, refused }]);
  expect([engine.boards.players, engine.modes.count]).toEqual([0, 0]);
});

test("EntryAlone refuses who reports too often and changes nothing by it; rows of batches are not counted", () => {
  const engine = new Engine(OPTIONS, START_MS);
  const rates = new PlayerRates({ count: 2, windowMs: 4000 }, () => START_MS);
  const entry = new EntryAlone(new Presences(engine, undefined, rates), 1, 0);
  const batch = [0, 0, 0, 1].map((player, mode) => ({ player, region: CA, mode, seq: NO_SEQ }));
  const outcomes: ReportsOutcome[] = [];
  entry.submitAll(columnsOf(batch, false), (outcome) => void outcomes.push(outcome));
  const why = { kind: "refused", reason: "too often", waitS: 2 } as const;
  expect(outcomes).toMatchObject([{ changed: 4, renewed: 0, late: 0, remembered: 4, refused: [] }]);
  const told: Outcome[] = [];
  const id = playerId(0);
  for (const operation of ["report", "renew", "report", "renew", "find", "remove", "report"] as const)
    entry.submit({ operation, id, region: CA, mode: MODES[3] as string, seq: NO_SEQ }, (outcome) => told.push(outcome));
  expect(told).toMatchObject([
    { effect: "changed" },
    { effect: "renewed" },
    why,
    why,
    { effect: "found", place: { mode: MODES[3] } },
    { effect: "removed" },
    why,
  ]);
});

test("EntryAlone.submit() says of a heartbeat where the player stands where that is asked, and only then", () => {
  const entry = new EntryAlone(new Presences(new Engine(OPTIONS, START_MS), undefined), 1, 0);
  const id = playerId(0);
  const told: Outcome[] = [];
  for (const isPlaceAsked of [true, false]) {
    const asked = { id, region: CA, mode: "GM01", seq: NO_SEQ, isPlaceAsked };
    for (const operation of ["report", "renew"] as const)
      entry.submit({ operation, ...asked }, (outcome) => told.push(outcome));
  }
  const place = { region: CA, mode: "GM01" };
  expect(told).toMatchObject([
    { effect: "changed" },
    { effect: "renewed", place },
    { effect: "renewed" },
    { effect: "renewed" },
  ]);
  expect(told.filter((outcome) => outcome.kind === "done" && outcome.place !== undefined)).toHaveLength(1);
});

const LATE_IN_AN_UNKNOWN_MODE = [0, 3].map((mode) => ({ player: 2, region: 0, mode, seq: 1 }));

test("EntryAlone.submitAll() judges each row where it takes effect, as submit() does one by one", () => {
  const modes: readonly CatalogueMode[] = [
    { mode: "GM01" },
    { mode: "GM02", from: ["GM01"] },
    { mode: "GM03", requires: ["season-pass"], regions: [0, 1] },
  ];
  const anyEntitled = fc.array(fc.constantFrom<readonly string[]>([], ["season-pass"]), { minLength: 150 });
  fc.assert(
    fc.property(anyBatch, anyEntitled, fc.boolean(), fc.boolean(), (batch, entitled, isEachNamed, refusesUnknown) => {
      const rules = new StubRules().set(modes, { refusesUnknown });
      const [together, alone] = [0, 1].map(() => {
        const engine = new Engine(OPTIONS, START_MS);
        return { engine, entry: new EntryAlone(new Presences(engine, undefined, undefined, rules), 1, 0) };
      }) as [Alone, Alone];
      const entitlementsOf = (row: number): readonly string[] => entitled[row] ?? [];
      const told: string[] = [];
      for (const [row, { player, region, mode, seq, isLeave }] of batch.entries())
        alone.entry.submit(
          {
            operation: isLeave === true ? "remove" : "report",
            id: playerId(player),
            region,
            mode: MODES[mode] as string,
            seq,
            entitlements: entitlementsOf(row),
          },
          (outcome) => (told[row] = outcome.kind === "refused" ? outcome.reason : outcome.effect),
        );
      const outcomes: ReportsOutcome[] = [];
      const reports = { ...columnsOf(batch, isEachNamed), entitlementsOf };
      together.entry.submitAll(reports, (outcome) => void outcomes.push(outcome));
      const countOf = (effect: string): number => told.filter((one) => one === effect).length;
      const done = ["changed", "renewed", "late", "removed", "nowhere"];
      const refused = [...told.entries()].filter(([, reason]) => !done.includes(reason));
      expect(outcomes).toMatchObject([
        {
          changed: countOf("changed"),
          late: countOf("late"),
          removed: countOf("removed"),
          refused: refused.map(([index, reason]) => ({ index, why: { kind: "refused", reason } })),
        },
      ]);
      for (let player = 0; player < PLAYERS; player++) {
        const id = playerId(player);
        const [one, other] = [together, alone].map(({ engine }) => engine.find(engine.hash(id), id));
        expect(one).toEqual(other);
      }
      expect(together.engine.modes.peek("GM04"), "a name that is refused takes no room").toBe(
        refusesUnknown ? -1 : alone.engine.modes.peek("GM04"),
      );
    }),
    { examples: [[LATE_IN_AN_UNKNOWN_MODE, [], false, true]] },
  );
});

interface Alone {
  readonly engine: Engine;
  readonly entry: EntryAlone;
}
