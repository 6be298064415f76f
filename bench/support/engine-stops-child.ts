/**
 * Looks for the longest single call into the engine at a number of players and prints, as JSON, the longest of each kind:
 * while it grows from empty, while players are removed, and while silent ones are swept away.
 */
import { SWEEP_BUDGET_MIN } from "../../cluster/records/presences.ts";
import { NO_SEQ } from "../../engine/partition.ts";
import { newEngine } from "../contestants/headcount-engine.ts";
import { connectOne, idOf } from "./engine-players.ts";
import { randomOf } from "./traffic.ts";

export interface Stops {
  readonly growMs: number;
  readonly deleteMs: number;
  readonly sweepMs: number;
}

/** A node's pass over all rows takes so many calls, see `Presences.tick()`. */
const SWEEP_TICKS = 40;

const players = Number(process.argv[2]);
/** Rows a call, as the node asks for. */
const sweepRows = Math.max(SWEEP_BUDGET_MIN, Math.ceil(players / SWEEP_TICKS));
const engine = newEngine(false);
const random = randomOf(5);
let nowMs = 0;

const growMs = longest(players, (player) => connectOne(engine, player, random()));
const deleteMs = longest(Math.floor(players / 2), (player) => {
  const id = idOf(player);
  engine.remove(engine.hash(id), id, NO_SEQ);
});
// Everybody falls silent at once: time passes until the removed and the silent are overdue, and all of them go.
const sweepMs = longest(Math.ceil((players * 100) / sweepRows) + 200, () => engine.sweep((nowMs += 1_000), sweepRows));
if (engine.boards.players !== 0) throw new Error(`The sweep left ${engine.boards.players} players`);
console.log(JSON.stringify({ growMs, deleteMs, sweepMs } satisfies Stops));

/** The longest of `count` calls, in milliseconds. */
function longest(count: number, call: (at: number) => void): number {
  let longestMs = 0;
  for (let at = 0; at < count; at++) {
    const before = performance.now();
    call(at);
    longestMs = Math.max(longestMs, performance.now() - before);
  }
  return longestMs;
}
