/**
 * What the owners of regions publish of them (the privacy floor), as bytes within a message about counts (`counts-codec.ts`):
 *
 *   number;  how many, then each: region, flags (1 with its table, 2 complete)
 *   with its table: floor, minute, others in floors;  exact modes, then each: name, players;
 *                   the other modes, then each: name, players in floors
 *
 * So what is rounded cannot travel in any other form.
 */
import {
  exactFrom,
  FLOOR_MAX,
  FLOOR_MIN,
  PUBLISHED_MODES_MAX,
  type PublishedMode,
  type PublishedTable,
  tableOf,
} from "../../engine/published-table.ts";
import { COUNTRIES } from "../../engine/places.ts";
import type { ByteReader, ByteWriter } from "./bytes.ts";

/** What a region's owner publishes of it. */
export interface StatedTable {
  readonly region: number;
  /** `undefined`: nothing before the next whole minute. */
  readonly table: PublishedTable | undefined;
}

/** With each beat: every table that the receiver may not have; those that it was told before stand. */
export interface StatedTables {
  /** Rises with every beat of a sender; 0: no beat. */
  readonly number: number;
  readonly items: readonly StatedTable[];
}

/** A count's width. */
const PLAYERS_MAX = 2 ** 31 - 1;
const [WITH_TABLE, COMPLETE] = [1, 2];

export const NO_TABLES: StatedTables = { number: 0, items: [] };

export function writeTables(writer: ByteWriter, { number, items }: StatedTables): void {
  writer.number(number);
  writer.list(items, writeTable);
}

/** @throws {MalformedMessageError} */
export function readTables(reader: ByteReader): StatedTables {
  return { number: reader.number(), items: reader.list(COUNTRIES, readTable) };
}

function writeTable(writer: ByteWriter, { region, table }: StatedTable): void {
  writer.region(region);
  if (table === undefined) return writer.byte(0);
  const { floor, minute, isComplete, others, modes } = table;
  writer.byte(isComplete ? WITH_TABLE | COMPLETE : WITH_TABLE);
  for (const number of [floor, minute, others / floor]) writer.number(number);
  for (const [isExact, scale] of [
    [true, 1],
    [false, floor],
  ] as const)
    writer.list(
      modes.filter((mode) => mode.isExact === isExact),
      (to, { mode, players }) => {
        to.name(mode);
        to.number(players / scale);
      },
    );
}

function readTable(reader: ByteReader): StatedTable {
  const [region, flags] = [reader.number(COUNTRIES - 1), reader.flags(WITH_TABLE | COMPLETE)];
  if ((flags & WITH_TABLE) === 0) return { region, table: undefined };
  const floor = reader.number(FLOOR_MAX);
  reader.require(floor >= FLOOR_MIN, `a floor of at least ${FLOOR_MIN}`);
  const [minute, others] = [reader.number(), reader.number(PLAYERS_MAX)];
  const modes: PublishedMode[] = [];
  for (const [isExact, scale, least] of [
    [true, 1, exactFrom(floor)],
    [false, floor, 1],
  ] as const)
    modes.push(
      ...reader.list(PUBLISHED_MODES_MAX - modes.length, () => {
        const [mode, players] = [reader.mode(), reader.number(PLAYERS_MAX)];
        reader.require(players >= least, `at least ${least} in a mode that is shown so`);
        return { mode, players: players * scale, isExact };
      }),
    );
  reader.require(new Set(modes.map(({ mode }) => mode)).size === modes.length, "each mode once");
  const about = { floor, minute, isComplete: (flags & COMPLETE) !== 0 };
  return { region, table: tableOf(about, modes, others * floor) };
}
