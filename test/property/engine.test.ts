import fc from "fast-check";
import { expect, test } from "vitest";

import { type DecodedRows, decodeRows, encodeRows } from "../../engine/codec.ts";
import { Engine, type EngineOptions } from "../../engine/engine.ts";
import { NO_SEQ } from "../../engine/partition.ts";
import { takenRows } from "../../engine/presence-table.ts";
import { formatProfileId } from "../../engine/profile-id.ts";
import { regionOf } from "../../engine/places.ts";
import { itemAt } from "../../simulator/item-at.ts";
import { drained } from "../support/drained.ts";
import { EngineModel } from "../support/engine-model.ts";
import { hashOf, KEY_BYTES, playerId } from "../../simulator/players.ts";
import { plainRows } from "../support/rows.ts";

const PLAYERS = 60; // over two partitions: their tables grow, shrink and close gaps around their end
const PLACES = { regions: ["AD", "CA", "US", "ZW"], modes: ["GM01", "GM02", "ranked:duo", "a"] } as const;
const OPTIONS: EngineOptions = {
  partitions: 2,
  hashKey: KEY_BYTES,
  sessionMs: 4000,
  removalMs: 1500,
  graceMs: 2500,
  isLogged: true,
};
const PARTITIONS = [0, 1];
const PLAYER_BY_ID = new Map(
  Array.from({ length: PLAYERS }, (_, player) => [formatProfileId(playerId(player)), player]),
);
const partitionOf = (player: number): number => hashOf(playerId(player)) >>> 31;

/** The engine, its clocks, and the records that outlive it. */
class Real {
  engine = new Engine(OPTIONS, 0);
  nowMs = 0;
  wallMs = 1_700_000_000_000;
  private readonly records = PARTITIONS.map((): { snapshot: Uint8Array[]; log: DecodedRows[] } => ({
    snapshot: [],
    log: [],
  }));

  get writtenAtMs(): number {
    return this.engine.writtenAtMs(this.nowMs, this.wallMs);
  }
  drain(partition: number): void {
    itemAt(this.records, partition).log.push(drained(this.engine, partition, this.writtenAtMs));
  }
  snapshot(partition: number): void {
    const copy = this.engine.copy(partition, this.writtenAtMs);
    this.records[partition] = { snapshot: [encodeRows("snapshot", { ...copy, ...takenRows(copy.words) })], log: [] };
  }
  restart(nowMs: number, replays: number): void {
    this.nowMs = nowMs;
    this.engine = new Engine(OPTIONS, nowMs);
    for (const [partition, { snapshot, log }] of this.records.entries()) {
      const messages: DecodedRows[] = snapshot.map((bytes) => decodeRows("snapshot", bytes));
      for (let replay = 0; replay < replays; replay++) messages.push(...log);
      this.engine.recover(partition, messages, this.wallMs);
    }
  }
}

type Command = fc.Command<EngineModel, Real>;
/** A command is one function over both, named for what is printed when it fails. */
function command(name: string, run: (model: EngineModel, real: Real) => void): Command {
  return {
    check: () => true,
    run: (model, real) => {
      run(model, real);
      expectEqual(model, real);
    },
    toString: () => name,
  };
}

function expectEqual(model: EngineModel, { engine }: Real): void {
  engine.assertSound();
  expect(engine.time.tenths).toBe(model.now);
  const inTables = new Set<number>();
  for (const partition of PARTITIONS) {
    const copy = engine.copy(partition, 0);
    for (const { id, place, age, seq } of plainRows({ ...copy, ...takenRows(copy.words) })) {
      const player = PLAYER_BY_ID.get(id) as number;
      const known = model.players.get(player);
      if (known === undefined) expect.fail(`player ${player} is invented, or still there after being found overdue`);
      expect({ player, partition, place, seen: copy.now - age, seq }).toEqual({
        player,
        partition: partitionOf(player),
        place: known.place,
        seen: known.seen,
        seq: known.seq,
      });
      inTables.add(player);
    }
  }
  for (const player of model.players.keys())
    if (!inTables.has(player)) {
      if (!model.isOverdue(player)) expect.fail(`player ${player} is lost`);
      model.players.delete(player);
    }
  const boards = model.boards();
  for (const region of PLACES.regions) {
    const board = engine.boards.of(regionOf(region));
    const sorted = [...(boards.get(region) ?? [])].sort(
      ([a, playersA], [b, playersB]) => playersB - playersA || (a < b ? -1 : 1),
    );
    expect(board.top(100).map(({ mode, players }) => [mode, players])).toEqual(sorted);
    expect(board.top(2)).toEqual(board.top(100).slice(0, 2));
    expect(board.players).toBe(sorted.reduce((sum, [, players]) => sum + players, 0));
  }
}

function reportBoth(
  model: EngineModel,
  { engine }: Real,
  player: number,
  place: readonly [string, string],
  seq: number | undefined,
): void {
  const [id, [region, mode]] = [playerId(player), place];
  const effect = engine.report(engine.hash(id), id, regionOf(region), engine.admitMode(mode), seq ?? NO_SEQ);
  expect(effect).toBe(model.report(player, place, seq));
}

const anyPlayer = fc.nat(PLAYERS - 1);
const anyPlace = fc.tuple(fc.constantFrom(...PLACES.regions), fc.constantFrom(...PLACES.modes));
const anySeq = fc.oneof(
  { weight: 4, arbitrary: fc.constant(undefined) },
  { weight: 4, arbitrary: fc.nat(6) },
  { weight: 1, arbitrary: fc.constantFrom(2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1) },
);
const anyRun = fc
  .tuple(anyPlayer, fc.integer({ min: 2, max: 40 }))
  .map(([first, length]) => Array.from({ length }, (_, index) => (first + index) % PLAYERS));

const reports = fc
  .tuple(anyPlayer, anyPlace, anySeq)
  .map(([player, place, seq]) =>
    command(`${player} reports ${place.join(" ")} seq ${seq}`, (model, real) =>
      reportBoth(model, real, player, place, seq),
    ),
  );
const crowdReports = fc.tuple(anyRun, anyPlace).map(([players, place]) =>
  command(`${players.length} players from ${players[0]} report ${place.join(" ")}`, (model, real) => {
    for (const player of players) reportBoth(model, real, player, place, undefined);
  }),
);
const renews = anyPlayer.map((player) =>
  command(`${player} renews`, (model, { engine }) => {
    expect(engine.renew(engine.hash(playerId(player)), playerId(player))).toBe(model.renew(player));
  }),
);
const removes = fc
  .tuple(
    fc.oneof(
      anyPlayer.map((player) => [player]),
      anyRun,
    ),
    anySeq,
  )
  .map(([players, seq]) =>
    command(`${players.length} players from ${players[0]} are removed, seq ${seq}`, (model, { engine }) => {
      for (const player of players) {
        const id = playerId(player);
        expect(engine.remove(engine.hash(id), id, seq ?? NO_SEQ)).toBe(model.remove(player, seq));
      }
    }),
  );
const finds = anyPlayer.map((player) =>
  command(`${player} is looked for`, (model, { engine }) => {
    const found = engine.find(engine.hash(playerId(player)), playerId(player));
    const known = model.find(player);
    if (known === undefined) return expect(found).toBeUndefined();
    const [region, mode] = known.place ?? [undefined, ""];
    return expect(found).toEqual({
      region: region === undefined ? -1 : regionOf(region),
      mode,
      seenMs: engine.time.clockMs(known.seen),
    });
  }),
);
const timePasses = fc
  .record({
    ms: fc.oneof(fc.nat(300), fc.integer({ min: 900, max: 1100 }), fc.nat(10_000)),
    budget: fc.constantFrom(0, 1, 30, 300),
  })
  .map(({ ms, budget }) =>
    command(`${ms} ms pass, ${budget} rows are swept`, (model, real) => {
      real.nowMs += ms;
      real.wallMs += ms;
      model.pass(ms);
      real.engine.sweep(real.nowMs, budget);
    }),
  );
const secondsPass = fc.integer({ min: 1, max: 6 }).map((seconds) =>
  command(`${seconds} s pass, all is swept`, (model, real) => {
    for (let second = 0; second < seconds; second++) {
      real.nowMs += 1000;
      real.wallMs += 1000;
      model.pass(1000);
      real.engine.sweep(real.nowMs, Infinity);
      expectEqual(model, real);
      // One sweep may only complete a pass, the next may miss rows that moved around the end of the table.
      for (const [player, known] of model.players)
        if (model.isOverdue(player) && ++known.missedBy === 3) expect.fail(`player ${player} is not forgotten`);
    }
  }),
);
const warms = anyRun.map((players) =>
  command(`${players.length} players from ${players[0]} are read ahead`, (_, { engine }) => {
    engine.warm(
      Int32Array.from(players, (player) => hashOf(playerId(player))),
      players.length,
    );
  }),
);
const drains = fc.constantFrom(...PARTITIONS).map((partition) =>
  command(`the log of ${partition} is written`, (model, real) => {
    real.drain(partition);
    model.drain(partition, real.writtenAtMs);
  }),
);
const snapshots = fc.constantFrom(...PARTITIONS).map((partition) =>
  command(`a snapshot of ${partition} is written`, (model, real) => {
    real.snapshot(partition);
    model.snapshot(partition, real.writtenAtMs);
  }),
);
const restarts = fc
  .record({
    awayMs: fc.oneof(fc.constant(0), fc.nat(5000)),
    nowMs: fc.nat(10 ** 6),
    replays: fc.integer({ min: 1, max: 2 }),
  })
  .map(({ awayMs, nowMs, replays }) =>
    command(`restart after ${awayMs} ms at ${nowMs}, each log replayed ${replays} times`, (model, real) => {
      real.wallMs += awayMs;
      real.restart(nowMs, replays);
      model.restart(real.wallMs);
    }),
  );

test("Engine equals a Map of players, whatever is reported, renewed, removed, written, forgotten and recovered", () => {
  const commands = [
    ...Array<fc.Arbitrary<Command>>(4).fill(reports),
    ...Array<fc.Arbitrary<Command>>(2).fill(crowdReports),
    ...Array<fc.Arbitrary<Command>>(2).fill(drains),
    renews,
    removes,
    finds,
    timePasses,
    secondsPass,
    warms,
    snapshots,
    restarts,
  ];
  fc.assert(
    fc.property(fc.commands(commands, { size: "+1", maxCommands: 80 }), (steps) => {
      const { sessionMs, removalMs, graceMs } = OPTIONS;
      const times = { sessionTenths: sessionMs / 100, removalTenths: removalMs / 100, graceTenths: graceMs / 100 };
      fc.modelRun(() => ({ model: new EngineModel({ ...times, partitionOf }), real: new Real() }), steps);
    }),
    { numRuns: 80 },
  );
});

test("Engine.find() never says that a player was heard of later than it was, nor much earlier, after a restart too", () => {
  const anyPausesMs = fc.array(fc.nat(1000), { maxLength: 30 });
  fc.assert(
    fc.property(
      anyPausesMs,
      fc.nat(1000),
      anyPausesMs,
      fc.nat(1000),
      fc.nat(100_000),
      (before, lagMs, after, laterMs, awayMs) => {
        const [real, id] = [new Real(), playerId(1)];
        const pass = (ms: number): void => {
          real.nowMs += ms;
          real.wallMs += ms;
        };
        const look = (pauseMs: number): void => {
          pass(pauseMs);
          real.engine.sweep(real.nowMs, 0);
        };
        for (const pauseMs of before) look(pauseMs);
        pass(lagMs);
        const heardAtMs = real.wallMs;
        real.engine.report(real.engine.hash(id), id, regionOf("CA"), real.engine.admitMode("GM01"), NO_SEQ);
        for (const pauseMs of after) look(pauseMs);
        pass(laterMs);
        real.snapshot(partitionOf(1));
        real.wallMs += awayMs;
        real.restart(1000, 1);
        const seenAgoMs = 1000 - (real.engine.find(real.engine.hash(id), id)?.seenMs ?? NaN);
        const heardAgoMs = real.wallMs - heardAtMs;
        expect(seenAgoMs).toBeGreaterThanOrEqual(heardAgoMs);
        expect(seenAgoMs).toBeLessThanOrEqual(heardAgoMs + lagMs + 200);
      },
    ),
  );
});
