/** R13: a partition is copied while it goes on; after the last round both tables are equal. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeRows, encodeRows } from "../../engine/codec.ts";
import { Engine, type EngineOptions } from "../../engine/engine.ts";
import { IncomingCopy } from "../../engine/incoming-copy.ts";
import { OutgoingCopy } from "../../engine/outgoing-copy.ts";
import { NO_SEQ } from "../../engine/partition.ts";
import { takenRows } from "../../engine/presence-table.ts";
import { formatProfileId } from "../../engine/profile-id.ts";
import { regionOf } from "../../engine/places.ts";
import { isSameSum } from "../../engine/table-sum.ts";
import { itemAt, take } from "../../simulator/item-at.ts";
import { hashOf, KEY_BYTES, playerId } from "../../simulator/players.ts";
import { EngineModel } from "../support/engine-model.ts";
import { type PlainRow, plainRows } from "../support/rows.ts";

const PARTITION = 0;
const OPTIONS: EngineOptions = {
  partitions: 2,
  hashKey: KEY_BYTES,
  sessionMs: 4000,
  removalMs: 1500,
  graceMs: 2500,
  isLogged: true,
};
const REGION_CODES = ["AD", "CA", "ZW"];
const MODE_NAMES = ["GM01", "GM02", "ranked:duo"];
const partitionOf = (player: number): number => hashOf(playerId(player)) >>> 31;
/** Of the partition that is copied; enough that its table grows and shrinks. */
const PLAYERS = Array.from({ length: 160 }, (_, player) => player).filter(
  (player) => partitionOf(player) === PARTITION,
);

/** A holder that goes on, the plainest engine beside it, and a taker with a clock and numbers of modes of its own. */
class Scene {
  readonly holder = new Engine(OPTIONS, 5000);
  readonly taker: Engine;
  readonly model: EngineModel;
  readonly incoming: IncomingCopy;
  private outgoing: OutgoingCopy | undefined;
  private readonly aheadMs: number;
  private nowMs = 5000;

  constructor(aheadMs: number) {
    const { sessionMs, removalMs, graceMs } = OPTIONS;
    const times = { sessionTenths: sessionMs / 100, removalTenths: removalMs / 100, graceTenths: graceMs / 100 };
    this.model = new EngineModel({ ...times, partitionOf });
    this.aheadMs = aheadMs;
    this.taker = new Engine(OPTIONS, this.nowMs + aheadMs);
    for (let spent = 0; spent < aheadMs; spent += 1000) this.taker.sweep(this.nowMs + aheadMs + spent, 0);
    for (const name of ["other", ...MODE_NAMES.toReversed()]) this.taker.admitMode(name);
    this.incoming = new IncomingCopy(this.taker, PARTITION);
  }

  report(player: number, place: readonly [string, string], seq: number | undefined): void {
    const [id, [region, mode]] = [playerId(player), place];
    const { holder } = this;
    const effect = holder.report(holder.hash(id), id, regionOf(region), holder.admitMode(mode), seq ?? NO_SEQ);
    expect(effect).toBe(this.model.report(player, place, seq));
  }

  renew(player: number): void {
    const id = playerId(player);
    expect(this.holder.renew(this.holder.hash(id), id)).toBe(this.model.renew(player));
  }

  remove(player: number, seq?: number): void {
    const id = playerId(player);
    expect(this.holder.remove(this.holder.hash(id), id, seq ?? NO_SEQ)).toBe(this.model.remove(player, seq));
  }

  pass(ms: number, budget: number): void {
    this.nowMs += ms;
    this.model.pass(ms);
    this.holder.sweep(this.nowMs, budget);
    this.taker.sweep(this.nowMs + 2 * this.aheadMs, Infinity);
  }

  begin(): void {
    this.outgoing = new OutgoingCopy(this.holder, PARTITION);
    const copy = this.holder.copy(PARTITION, 0);
    const bytes = encodeRows("snapshot", { ...copy, ...takenRows(copy.words) });
    this.incoming.apply(decodeRows("snapshot", bytes), copy.now);
  }

  round(): void {
    if (this.outgoing === undefined) return;
    const { bytes, asOf } = this.outgoing.takeRound(0);
    this.incoming.apply(decodeRows("round", bytes), asOf);
  }

  /** The last round, some time after which the taker has it. */
  end(lateMs: number): void {
    if (this.outgoing === undefined) this.begin();
    this.round();
    const sum = this.outgoing?.sum();
    const held = rowsOf(this.holder);
    this.outgoing?.end();
    expect(isSameSum(this.incoming.sum(), sum ?? { rows: -1, checksum: [0, 0] })).toBe(true);
    const asOfHere = this.taker.time.tenths;
    this.pass(lateMs, 0);
    this.incoming.install(asOfHere, 300);
    const passed = this.taker.time.tenths - asOfHere;
    expect(rowsOf(this.taker)).toEqual(held.map((row) => ({ ...row, age: row.age + passed })));
    expect(itemAt(this.taker.partitions, PARTITION).graceUntil).toBe(asOfHere + 3);
    expect(this.taker.apart.size).toBe(0);
    this.taker.assertSound();
    this.holder.assertSound();
  }

  /** Everybody whom the plain model has is in the holder's table, and nobody whom it has not. */
  expectModel(): void {
    const rows = new Map(rowsOf(this.holder).map((row) => [row.id, row]));
    for (const player of PLAYERS) {
      const [known, row] = [this.model.players.get(player), rows.get(formatProfileId(playerId(player)))];
      if (row === undefined) expect(known === undefined || this.model.isOverdue(player)).toBe(true);
      else
        expect(row).toMatchObject({ place: known?.place, seq: known?.seq, age: this.model.now - (known?.seen ?? 0) });
    }
  }
}

function rowsOf(engine: Engine): PlainRow[] {
  const copy = engine.copy(PARTITION, 0);
  return plainRows({ ...copy, ...takenRows(copy.words) }).sort((one, other) => (one.id < other.id ? -1 : 1));
}

type Step = (scene: Scene) => void;
const anyRun = fc
  .tuple(fc.nat(PLAYERS.length - 1), fc.integer({ min: 1, max: 50 }))
  .map(([first, length]) => Array.from({ length }, (_, index) => itemAt(PLAYERS, (first + index) % PLAYERS.length)));
const anyPlace = fc.tuple(fc.constantFrom(...REGION_CODES), fc.constantFrom(...MODE_NAMES));
const anySeq = fc.option(fc.oneof(fc.nat(5), fc.constant(2 ** 32 - 1)), { nil: undefined });
const anyStep: fc.Arbitrary<Step> = fc.oneof(
  fc.tuple(anyRun, anyPlace, anySeq).map(
    ([players, place, seq]): Step =>
      (scene) =>
        players.forEach((player) => scene.report(player, place, seq)),
  ),
  anyRun.map(
    (players): Step =>
      (scene) =>
        players.forEach((player) => scene.renew(player)),
  ),
  fc.tuple(anyRun, fc.option(fc.nat(6), { nil: undefined })).map(
    ([players, seq]): Step =>
      (scene) =>
        players.forEach((player) => scene.remove(player, seq)),
  ),
  fc.tuple(fc.oneof(fc.nat(250), fc.integer({ min: 800, max: 1500 })), fc.constantFrom(0, 20, 1000)).map(
    ([ms, budget]): Step =>
      (scene) =>
        scene.pass(ms, budget),
  ),
  fc.constant<Step>((scene) => scene.round()),
);

test("R13: after the last round the taker's table equals the holder's in every field, whatever happened in between", () => {
  fc.assert(
    fc.property(
      fc.nat(3000),
      fc.array(anyStep, { maxLength: 15 }),
      fc.array(anyStep, { maxLength: 40, size: "max" }),
      fc.nat(900),
      (aheadMs, before, during, lateMs) => {
        const scene = new Scene(aheadMs);
        for (const step of before) step(scene);
        scene.begin();
        for (const step of during) step(scene);
        scene.expectModel();
        scene.end(lateMs);
      },
    ),
    { numRuns: 300 },
  );
});
test("R13: a table that grows from nothing and one that empties are copied too", () => {
  const growing = new Scene(0);
  growing.begin();
  for (const player of PLAYERS) growing.report(player, ["CA", "GM01"], undefined);
  growing.round();
  growing.end(0);
  const emptying = new Scene(700);
  for (const player of PLAYERS) emptying.report(player, ["CA", "GM01"], 1);
  emptying.begin();
  for (let second = 0; second < 7; second++) emptying.pass(1000, 1000);
  expect(rowsOf(emptying.holder)).toEqual([]);
  emptying.end(100);
  expect(rowsOf(emptying.taker)).toEqual([]);
});
test("R13: a sum tells a row too few, another place, another age and another seq apart", () => {
  const [player, other] = take(2, PLAYERS);
  const tables = [
    (scene: Scene) => scene.report(player, ["CA", "GM01"], 1),
    (scene: Scene) => scene.report(other, ["CA", "GM01"], 1),
    (scene: Scene) => scene.report(player, ["AD", "GM01"], 1),
    (scene: Scene) => scene.report(player, ["CA", "GM02"], 1),
    (scene: Scene) => scene.report(player, ["CA", "GM01"], 2),
    (scene: Scene) => {
      scene.report(player, ["CA", "GM01"], 1);
      scene.pass(100, 0);
    },
    (scene: Scene) => {
      scene.report(player, ["CA", "GM01"], 1);
      scene.remove(player);
    },
    () => undefined,
  ];
  const sums = tables.map((fill) => {
    const scene = new Scene(0);
    fill(scene);
    return new OutgoingCopy(scene.holder, PARTITION).sum();
  });
  for (const [index, sum] of sums.entries()) expect(sums.findIndex((each) => isSameSum(each, sum))).toBe(index);
});
