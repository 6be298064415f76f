/** R28: what becomes of players whose mode finds no number, and of numbers that go to another name. */
import { expect, test } from "vitest";
import { type DecodedRows, decodeRows, encodeRows } from "../../engine/codec.ts";
import { Engine, type EngineOptions } from "../../engine/engine.ts";
import { MODES_MAX } from "../../engine/modes.ts";
import { NO_SEQ } from "../../engine/partition.ts";
import { CELL, ROW_WORDS, takenRows } from "../../engine/presence-table.ts";
import { itemAt, take } from "../../simulator/item-at.ts";
import { playerId } from "../../simulator/players.ts";
import { drained } from "../support/drained.ts";
import { CA, OPTIONS, WALL_MS } from "../support/numbered-engine.ts";

const PARTITION = 5;

const engineOf = (options: Partial<EngineOptions> = {}): Engine => new Engine({ ...OPTIONS, ...options }, 0);
const hashOf = (engine: Engine, player: number): number => engine.hash(playerId(player));
const report = (engine: Engine, player: number, mode: string): string =>
  engine.report(hashOf(engine, player), playerId(player), CA, engine.admitMode(mode), NO_SEQ);
const remove = (engine: Engine, player: number): boolean =>
  engine.remove(hashOf(engine, player), playerId(player), NO_SEQ);
const modeOf = (engine: Engine, player: number): string | undefined =>
  engine.find(hashOf(engine, player), playerId(player))?.mode;

/** Players of one partition. */
function playersOf(engine: Engine, count: number): number[] {
  const players: number[] = [];
  for (let player = 1; players.length < count; player++)
    if (engine.partitionOf(hashOf(engine, player)) === PARTITION) players.push(player);
  return players;
}

/** A record that has each of these players in the mode beside it. */
function recordOf(players: readonly number[], modes: readonly string[]): DecodedRows {
  const words = new Int32Array(players.length * ROW_WORDS);
  for (const [index, player] of players.entries()) {
    words.set(playerId(player), index * ROW_WORDS);
    words[index * ROW_WORDS + CELL] = index << 16;
  }
  return { writtenAtMs: WALL_MS, count: players.length, regions: [CA], modes, words };
}

/** A snapshot of the partition, as bytes and back. */
function snapshotOf(engine: Engine): DecodedRows {
  const copy = engine.copy(PARTITION, WALL_MS);
  return decodeRows("snapshot", encodeRows("snapshot", { ...copy, ...takenRows(copy.words) }));
}

test("Engine.recover() takes a table that names more modes than there are numbers: the rest is in the reserved mode", () => {
  const engine = engineOf();
  const players = playersOf(engine, 4097);
  const names = players.map((_, index) => `m${index}`);
  engine.recover(PARTITION, [recordOf(players, names)], WALL_MS);
  engine.assertSound();
  expect([engine.unnamedPlayers, itemAt(engine.partitions, PARTITION).unnamed]).toEqual([2, 2]);
  expect(engine.boards.players).toBe(4095);
  expect(players.slice(4094).map((player) => modeOf(engine, player))).toEqual(["m4094", "", ""]);
  expect(
    engine.boards
      .of(CA)
      .top(Infinity)
      .every(({ mode }) => names.includes(mode)),
  ).toBe(true);
});

test("five nodes that admitted 1024 modes each make tables that one node can take, one after the other", () => {
  const survivor = engineOf();
  for (let node = 0; node < 5; node++) {
    const engine = engineOf();
    for (let player = 1, mode = 0; mode < MODES_MAX; player++)
      if (engine.partitionOf(hashOf(engine, player)) === node) report(engine, player, `n${node}-m${mode++}`);
    survivor.recover(node, [drained(engine, node, WALL_MS)], WALL_MS);
  }
  survivor.assertSound();
  expect(survivor.boards.players + survivor.unnamedPlayers).toBe(5 * MODES_MAX);
  expect(survivor.unnamedPlayers).toBe(5 * MODES_MAX - 4095);
});

test("a player leaves the reserved mode by a report, a removal or silence, and stays in it by a heartbeat", () => {
  const engine = engineOf();
  const [reports, leaves, renews, other] = take(4, playersOf(engine, 4));
  engine.recover(PARTITION, [recordOf([reports, leaves, renews, other], ["", "", "", "GM01"])], WALL_MS, 0);
  expect(engine.unnamedPlayers).toBe(3);
  expect(report(engine, reports, "GM01")).toBe("changed");
  expect(modeOf(engine, reports)).toBe("GM01");
  expect(remove(engine, leaves)).toBe(true);
  expect(engine.renew(hashOf(engine, renews), playerId(renews))).toBe(true);
  expect(engine.unnamedPlayers).toBe(1);
  engine.assertSound();
  for (let nowMs = 0; nowMs <= 2 * OPTIONS.sessionMs; nowMs += 500) engine.sweep(nowMs, Infinity);
  engine.assertSound();
  expect([engine.unnamedPlayers, engine.boards.players]).toEqual([0, 0]);
});

test("the reserved mode outlives snapshot and log, and goes with its partition", () => {
  const before = engineOf();
  const players = playersOf(before, 3);
  before.recover(PARTITION, [recordOf(players, ["", "GM01", ""])], WALL_MS);
  const after = engineOf();
  after.recover(PARTITION, [snapshotOf(before)], WALL_MS);
  expect(players.map((player) => modeOf(after, player))).toEqual(["", "GM01", ""]);
  expect(after.unnamedPlayers).toBe(2);
  // A seq that is new is logged, wherever the player is.
  report(after, itemAt(players, 0), "GM02");
  const log = drained(after, PARTITION, WALL_MS);
  after.recover(PARTITION, [snapshotOf(before), log], WALL_MS);
  expect(players.map((player) => modeOf(after, player))).toEqual(["GM02", "GM01", ""]);
  after.assertSound();
  after.clear(PARTITION);
  expect([after.unnamedPlayers, itemAt(after.partitions, PARTITION).unnamed]).toEqual([0, 0]);
  after.assertSound();
});

test("no client can name the reserved mode", () => {
  const engine = engineOf();
  expect(engine.admitMode("")).toBe(-1);
  expect(engineOf({ areModesAgreed: true }).admitMode("")).toBe(-1);
});

test("Engine.isModeInUse() says whether somebody is in a mode, in any partition", () => {
  const engine = engineOf();
  report(engine, 1, "left");
  report(engine, 1, "busy");
  expect(["left", "busy", "unheard-of"].map((name) => engine.isModeInUse(name))).toEqual([false, true, false]);
});

test("an engine of a cluster takes 4095 modes, and forgets at once what is empty where it needs room", () => {
  const engine = engineOf({ areModesAgreed: true });
  report(engine, 1, "busy");
  for (let mode = 1; mode < 4095; mode++) expect(engine.admitMode(`m${mode}`)).toBe(mode);
  expect(engine.admitMode("one-more")).toBeGreaterThan(0);
  expect(engine.modes.count).toBe(2);
  expect(modeOf(engine, 1)).toBe("busy");
});

test("a mode's number goes to another name only when the boards have seen its last player leave", () => {
  const engine = engineOf({ sessionMs: 0, isLogged: false });
  report(engine, 1, "old");
  for (let mode = 1; mode < MODES_MAX; mode++) engine.admitMode(`m${mode}`);
  expect(engine.boards.of(CA).top(1)).toEqual([{ mode: "old", players: 1 }]);
  const { version } = engine.boards.of(CA);
  remove(engine, 1);
  report(engine, 2, "new");
  expect(engine.modes.peek("old")).toBe(-1);
  expect(engine.boards.of(CA).top(1)).toEqual([{ mode: "new", players: 1 }]);
  expect(engine.boards.of(CA).version, "an ETag must not stand for both").not.toBe(version);
});
