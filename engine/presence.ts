/** Where a player is, in the words of those who ask: a row of a table with its names, and the clock's time. */
import { MODE_BITS, MODE_MASK, type Modes, RESERVED_MODE, RESERVED_NAME } from "./modes.ts";
import type { ObservedTime } from "./observed-time.ts";
import { CELL, NOWHERE, SEEN } from "./presence-table.ts";
import type { ProfileId } from "./profile-id.ts";

/** Where a player is, as far as known. */
export interface Presence {
  /** Region number; -1 where the player was removed. */
  readonly region: number;
  /** RESERVED_NAME where it was lost (R28), or the player was removed. */
  readonly mode: string;
  /** The player was heard of at this reading of the clock or later. */
  readonly seenMs: number;
}

/** A player with all that is known of one. */
export interface KnownPlayer extends Presence {
  readonly id: ProfileId;
  /** Newest applied, or NO_SEQ. */
  readonly seq: number;
}

/** What the row says that begins at `base`. */
export function presenceAt(rows: Int32Array, base: number, modes: Modes, time: ObservedTime): Presence {
  const cell = rows[base + CELL] as number;
  const seenMs = time.clockMs(rows[base + SEEN] as number);
  if (cell === NOWHERE) return { region: -1, mode: "", seenMs };
  const mode = cell & MODE_MASK;
  const name = mode === RESERVED_MODE ? RESERVED_NAME : (modes.names[mode] as string);
  return { region: cell >>> MODE_BITS, mode: name, seenMs };
}
