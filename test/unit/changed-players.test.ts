import { expect, test } from "vitest";
import { ChangedPlayers } from "../../engine/changed-players.ts";
import { ROW_WORDS } from "../../engine/presence-table.ts";
import { hashOf, KEY, playerId } from "../../simulator/players.ts";

/** The row of a player, behind another one. */
const rowsOf = (player: number): Int32Array => Int32Array.of(...Array<number>(ROW_WORDS).fill(9), ...playerId(player));

test("ChangedPlayers.note() notes each player once, so that a table's search finds the id", () => {
  const changed = new ChangedPlayers(KEY);
  for (const player of [1, 2, 1, 3, 2]) expect(changed.note(rowsOf(player), ROW_WORDS)).toBe(true);
  expect(changed.table.size).toBe(3);
  const isNoted = [1, 2, 3, 4].map((player) => changed.table.find(hashOf(playerId(player)), ...ids(player)) >= 0);
  expect(isNoted).toEqual([true, true, true, false]);
});
test("ChangedPlayers.note() says when too many changed; who is noted stays", () => {
  const changed = new ChangedPlayers(KEY);
  for (let player = 0; player < 1 << 16; player++) changed.note(rowsOf(player), ROW_WORDS);
  expect(changed.note(rowsOf(1 << 16), ROW_WORDS)).toBe(false);
  expect(changed.note(rowsOf(7), ROW_WORDS)).toBe(true);
  expect(changed.table.size).toBe(1 << 16);
});

function ids(player: number): [number, number, number, number] {
  return [...playerId(player)] as [number, number, number, number];
}
