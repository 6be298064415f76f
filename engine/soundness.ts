/** What must hold after every call, and stops the node where it does not: O(players), for tests and the simulator. */
import { Boards } from "./boards.ts";
import { invariant } from "./invariant.ts";
import type { ModePlayers } from "./mode-players.ts";
import { MODE_BITS, MODE_MASK } from "./modes.ts";
import { isCounted, type Partition } from "./partition.ts";
import { isArea, type Place, PLACES, WORLD } from "./places.ts";
import { NOWHERE, ROW_WORDS } from "./presence-table.ts";

/** Every count is the number of presences there, and every row can be found. */
export function assertPartitionSound(partition: Partition, hashOf: (base: number) => number): void {
  const { table, tally } = partition;
  const { rows } = table;
  const counted = new Map<number, number>();
  let [size, unnamed] = [0, 0];
  for (let base = 0; base < rows.length; base += ROW_WORDS) {
    if (table.isFree(base)) continue;
    size++;
    const found = table.find(
      hashOf(base),
      rows[base] as number,
      rows[base + 1] as number,
      rows[base + 2] as number,
      rows[base + 3] as number,
    );
    invariant(found === base, "every player has one row, and the search ends at it");
    const cell = partition.cellAt(base);
    if (isCounted(cell)) counted.set(cell, (counted.get(cell) ?? 0) + 1);
    else if (cell !== NOWHERE) unnamed++;
  }
  invariant(unnamed === partition.unnamed, "players in the reserved mode are counted apart");
  invariant(size === table.size, "the size is the number of rows");
  const tallied = new Map(tally.cells());
  invariant(tallied.size === counted.size, "a cell is tallied where a player is in it");
  for (const [cell, players] of counted)
    invariant(tallied.get(cell) === players, "a count is the number of presences there");
}

/** What is summed over all partitions is the sum of their tallies. */
export function assertSumsSound(kept: Boards | ModePlayers, partitions: readonly Partition[]): void {
  const sums = new Map<number, number>();
  for (const { tally } of partitions)
    for (const [cell, players] of tally.cells()) sums.set(cell, (sums.get(cell) ?? 0) + players);
  if (kept instanceof Boards) assertBoards(kept, sums);
  else assertModes(kept, sums);
}

function assertBoards(boards: Boards, sums: ReadonlyMap<number, number>): void {
  const [regions, areas] = [new Map<number, number>(), new Map<number, number>()];
  for (const [cell, players] of sums) {
    const region = cell >>> MODE_BITS;
    for (const place of [region, ...(PLACES[region] as Place).within]) {
      const counted = isArea(place) ? areas : regions;
      const around = (place << MODE_BITS) | (cell & MODE_MASK);
      counted.set(around, (counted.get(around) ?? 0) + players);
    }
  }
  const playersIn = (cell: number): number => boards.of(cell >>> MODE_BITS).count(cell & MODE_MASK);
  for (const [cell, players] of regions) invariant(playersIn(cell) === players, "a board is the sum of tallies");
  const total = [...sums.values()].reduce((sum, players) => sum + players, 0);
  invariant(total === boards.players, "the sum of all counts is the number of players");
  for (const [cell, players] of areas) invariant(playersIn(cell) === players, "an area is the sum of its countries");
  invariant(total === boards.of(WORLD).players, "everybody is in the world");
}

function assertModes(modes: ModePlayers, sums: ReadonlyMap<number, number>): void {
  const players = new Int32Array(1 << MODE_BITS);
  for (const [cell, count] of sums) (players[cell & MODE_MASK] as number) += count;
  const isSum = players.every((count, mode) => count === modes.of(mode));
  invariant(isSum, "a mode's players are the sum of tallies");
}
