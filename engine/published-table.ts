/**
 * The privacy floor: what of a region's counts is published, so that no number tells of fewer than `floor` players.
 *
 *   a mode with at least 100 floors   exactly; its number follows while the table stands, never below 100 floors
 *   a mode with at least one          rounded to the nearest multiple of the floor, halves up
 *   all other players together        rounded likewise, where there are at least `floor` of them
 *   fewer                             not at all
 *
 * The players of the region are the sum of these numbers. A table holds the best 132 modes as it shows them, so that which
 * they are tells nothing either; whoever is in another mode is one of the others.
 */
import type { Ranked } from "./board.ts";
import { invariant } from "./invariant.ts";

export interface PublishedMode extends Ranked {
  readonly isExact: boolean;
}

export interface PublishedTable {
  /** At least 2. */
  readonly floor: number;
  /** For which it was decided: whole minutes since 1970. */
  readonly minute: number;
  /** Whether the counts were complete then. */
  readonly isComplete: boolean;
  /** The sum of all numbers of the table. */
  readonly players: number;
  /** Most players first, equal ones by name. */
  readonly modes: readonly PublishedMode[];
  /** Players in none of these modes; 0 where that is not shown. */
  readonly others: number;
}

/** As many as a node shows, 100, and 32 that an operator may hide. */
export const PUBLISHED_MODES_MAX = 132;
export const FLOOR_MIN = 2;
export const FLOOR_MAX = 1000;
/** So many floors are shown exactly. */
const EXACT_FLOORS = 100;

/** From how many players on a mode is shown exactly. */
export function exactFrom(floor: number): number {
  return EXACT_FLOORS * floor;
}

/**
 * The table for a minute, of the counts as of now. It depends on nothing else.
 * @param counts the players of each mode that anybody is in, in any order
 */
export function decideTable(
  counts: Iterable<readonly [mode: string, players: number]>,
  about: Pick<PublishedTable, "floor" | "minute" | "isComplete">,
): PublishedTable {
  const { floor } = about;
  const shown: PublishedMode[] = [];
  const exactly = new Map<string, number>();
  let rest = 0;
  for (const [mode, players] of counts) {
    if (players < floor) rest += players;
    else {
      const isExact = players >= exactFrom(floor);
      exactly.set(mode, players);
      shown.push({ mode, players: isExact ? players : roundedTo(floor, players), isExact });
    }
  }
  shown.sort(byPlayers);
  for (const { mode } of shown.splice(PUBLISHED_MODES_MAX)) rest += exactly.get(mode) as number;
  return tableOf(about, shown, rest < floor ? 0 : roundedTo(floor, rest));
}

/**
 * The same table with the exact numbers as they are now.
 * @param countOf players of a mode
 * @returns the table itself where they are as they were
 */
export function followed(table: PublishedTable, countOf: (mode: string) => number): PublishedTable {
  let isSame = true;
  const modes = table.modes.map((shown) => {
    if (!shown.isExact) return shown;
    const players = Math.max(exactFrom(table.floor), countOf(shown.mode));
    if (players === shown.players) return shown;
    isSame = false;
    return { ...shown, players };
  });
  return isSame ? table : tableOf(table, modes, table.others);
}

/** Puts a table together of its numbers, in any order. */
export function tableOf(
  { floor, minute, isComplete }: Pick<PublishedTable, "floor" | "minute" | "isComplete">,
  modes: readonly PublishedMode[],
  others: number,
): PublishedTable {
  for (const { players, isExact } of modes)
    invariant(isExact ? players >= exactFrom(floor) : isMultiple(players, floor), "no number tells of few players");
  invariant(others === 0 || isMultiple(others, floor), "nor does that of the others");
  const players = modes.reduce((sum, mode) => sum + mode.players, others);
  return { floor, minute, isComplete, players, modes: modes.toSorted(byPlayers), others };
}

function byPlayers(one: Ranked, other: Ranked): number {
  return other.players - one.players || (one.mode < other.mode ? -1 : 1);
}

function roundedTo(floor: number, players: number): number {
  return Math.round(players / floor) * floor;
}

function isMultiple(players: number, floor: number): boolean {
  return players >= floor && players % floor === 0;
}
