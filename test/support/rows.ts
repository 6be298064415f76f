/** Rows of presence in plain words, for tests of what is written as bytes or copied. */

import type { DecodedRows, Rows } from "../../engine/codec.ts";
import { MODE_BITS } from "../../engine/modes.ts";
import { CELL, NOWHERE, ROW_WORDS, SEEN, SEQ } from "../../engine/presence-table.ts";
import { formatProfileId, type ProfileId } from "../../engine/profile-id.ts";
import { REGIONS } from "../../engine/places.ts";
import { itemAt } from "../../simulator/item-at.ts";

export interface PlainRow {
  readonly id: string;
  /** Region's code and mode, `undefined` for a player who was removed. */
  readonly place: readonly [region: string, mode: string] | undefined;
  /** Tenths of a second. */
  readonly age: number;
  readonly seq: number;
}

/** The rows with the age each has at `rows.now`. */
export function plainRows(rows: Omit<Rows, "writtenAtMs">): PlainRow[] {
  const { words, count, modeNames, now } = rows;
  return Array.from({ length: count }, (_, row) => {
    const [id, [cell, seen, seq]] = splitRow(words, row);
    const place = [REGIONS[cell >>> MODE_BITS] ?? "", modeNames[cell & ((1 << MODE_BITS) - 1)] ?? ""] as const;
    return { id, place: cell === NOWHERE ? undefined : place, age: now - seen, seq: seq >>> 0 };
  });
}

/** The rows of a decoded message. */
export function plainMessage(message: DecodedRows): PlainRow[] {
  return Array.from({ length: message.count }, (_, row) => {
    const [id, [names, age, seq]] = splitRow(message.words, row);
    const place = [REGIONS[message.regions[names & 0xffff] ?? -1] ?? "", message.modes[names >>> 16] ?? ""] as const;
    return { id, place: names === -1 ? undefined : place, age, seq: seq >>> 0 };
  });
}

function splitRow(words: Int32Array, row: number): [id: string, rest: [number, number, number]] {
  const own = words.subarray(row * ROW_WORDS, (row + 1) * ROW_WORDS);
  return [formatProfileId(own.subarray(0, 4) as ProfileId), [itemAt(own, CELL), itemAt(own, SEEN), itemAt(own, SEQ)]];
}
