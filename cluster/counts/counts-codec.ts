/**
 * What nodes tell each other about counts (R20 to R24, R31), as bytes (`bytes.ts`):
 *
 *   0  u8  version, 4
 *   1  u8  kind: 1 tell, 2 told, 3 flush, 4 flushed, 5 ask, 6 asked, 7 list, 8 listed
 *   2      the parts of its kind, see below
 *   end - 4  the checksum
 *
 *   tell      of countries, then of areas: tallies, boards;  then tables
 *   tallies   statement, flags (1 a list, 2 stale);  modes, then each: name;  tallies, then each: source, term, version,
 *             flags (1 all cells, 2 in doubt, 4 unsure, 8 unreadable), cells, then each: region, index into the modes, players
 *   boards    statement, flags (1 a list, 2 stale);  how many, then each: region, term, version, flags (1 complete,
 *             2 held back, 4 with its counts: players, modes, then each: name, players)
 *   tables    see `tables-codec.ts`
 *
 * Everything is checked before anything is handed out: a malformed message changes nothing.
 */
import type { Ranked } from "../../engine/board.ts";
import { COUNTRIES, PLACES, REGION_COUNT } from "../../engine/places.ts";
import { ByteReader, ByteWriter } from "./bytes.ts";
import type {
  AskedBoard,
  Boards,
  CountsMessage,
  Inside,
  LevelNeeds,
  LevelTell,
  StatedBoard,
  StatedTally,
  Tallies,
} from "./counts-messages.ts";
import { AREA_SUMS, countrySums, type Sums } from "./sums.ts";
import { readTables, writeTables } from "./tables-codec.ts";

/** Modes in the counts of a board that travels: 100 that are shown at the most, and 32 that an operator may hide. */
export const TOP_MAX = 132;
/** What can be in one partition, and a count's width. */
const PLAYERS_MAX = 2 ** 31 - 1;
const TELL_MODES_MAX = 4096;
const VERSION = 4;
/** Places in one question: some 60 KB are answered. */
export const ASKED_MAX = 32;
const KINDS = ["tell", "told", "flush", "flushed", "ask", "asked", "list", "listed"] as const;
const [LIST, STALE] = [1, 2];
const [ALL_CELLS, DOUBTFUL, UNSURE, UNREADABLE] = [1, 2, 4, 8];
const [COMPLETE, HELD_BACK, WITH_COUNTS] = [1, 2, 4]; // of a list of subdivisions: 1 complete, 2 stale
const OTHER_EPOCH = 1;
const [NEEDS_TALLY_LIST, NEEDS_BOARD_LIST] = [1, 2];
const FLUSHED = 1;

export const NO_TALLIES: Tallies = { statement: 0, isList: false, isStale: false, modes: [], items: [] };
export const NO_BOARDS: Boards = { statement: 0, isList: false, isStale: false, items: [] };

export function encodeCounts(message: CountsMessage): Uint8Array {
  const writer = new ByteWriter();
  writer.byte(VERSION);
  writer.byte(KINDS.indexOf(message.kind) + 1);
  switch (message.kind) {
    case "tell":
      for (const { tallies, boards } of [message.countries, message.areas]) {
        writeTallies(writer, tallies);
        writeBoards(writer, boards);
      }
      writeTables(writer, message.tables);
      break;
    case "told":
      writer.byte(bits([message.isOtherEpoch, OTHER_EPOCH]));
      writeNeeds(writer, message.countries);
      writeNeeds(writer, message.areas);
      break;
    case "flush":
      writer.number(message.statement);
      writer.list(message.partitions, writeNumber);
      break;
    case "flushed":
      writer.byte(bits([message.isOtherEpoch, OTHER_EPOCH]));
      writeTallies(writer, message.tallies);
      break;
    case "ask":
      writer.byte(bits([message.isFlushed, FLUSHED]));
      writer.list(message.places, writeNumber);
      break;
    case "asked":
      writer.list(message.boards, writeAsked);
      break;
    case "list":
      writer.number(message.country);
      break;
    case "listed":
      writer.list(message.inside === undefined ? [] : [message.inside], writeInside);
  }
  return writer.end();
}

/**
 * Decodes one message that fills `bytes`.
 * @param partitions how many the cluster has
 * @throws {MalformedMessageError} if it is anything but a whole, sound message
 */
export function decodeCounts(bytes: Uint8Array, partitions: number): CountsMessage {
  const reader = new ByteReader(bytes, partitions);
  const message = readMessage(reader, reader.head(VERSION, KINDS));
  reader.end();
  return message;
}

function readMessage(reader: ByteReader, kind: CountsMessage["kind"]): CountsMessage {
  switch (kind) {
    case "tell":
      return {
        kind,
        countries: readLevel(reader, countrySums(reader.partitions)),
        areas: readLevel(reader, AREA_SUMS),
        tables: readTables(reader),
      };
    case "told": {
      const isOtherEpoch = reader.flags(OTHER_EPOCH) !== 0;
      const countries = readNeeds(reader, countrySums(reader.partitions));
      return { kind, isOtherEpoch, countries, areas: readNeeds(reader, AREA_SUMS) };
    }
    case "flush":
      return { kind, statement: reader.number(), partitions: reader.list(reader.partitions, readPartition) };
    case "flushed":
      return {
        kind,
        isOtherEpoch: reader.flags(OTHER_EPOCH) !== 0,
        tallies: readTallies(reader, countrySums(reader.partitions)),
      };
    case "ask":
      return { kind, isFlushed: reader.flags(FLUSHED) !== 0, places: reader.list(ASKED_MAX, readPlace) };
    case "asked":
      return { kind, boards: reader.list(ASKED_MAX, readAsked) };
    case "list":
      return { kind, country: readCountry(reader) };
    case "listed":
      return { kind, inside: reader.list(1, readInside)[0] };
  }
}

function readLevel(reader: ByteReader, sums: Sums): LevelTell {
  return { tallies: readTallies(reader, sums), boards: readBoards(reader, sums) };
}

function writeNeeds(writer: ByteWriter, { needsTallyList, needsBoardList, sources, regions }: LevelNeeds): void {
  writer.byte(bits([needsTallyList, NEEDS_TALLY_LIST], [needsBoardList, NEEDS_BOARD_LIST]));
  writer.list(sources, writeNumber);
  writer.list(regions, writeNumber);
}

function readNeeds(reader: ByteReader, sums: Sums): LevelNeeds {
  const flags = reader.flags(NEEDS_TALLY_LIST | NEEDS_BOARD_LIST);
  return {
    needsTallyList: (flags & NEEDS_TALLY_LIST) !== 0,
    needsBoardList: (flags & NEEDS_BOARD_LIST) !== 0,
    sources: reader.list(sums.sources, (each) => each.number(sums.sources - 1)),
    regions: reader.list(sums.targets, (each) => readTarget(each, sums)),
  };
}

function writeTallies(writer: ByteWriter, { statement, isList, isStale, modes, items }: Tallies): void {
  writer.number(statement);
  writer.byte(bits([isList, LIST], [isStale, STALE]));
  writer.list(modes, writeName);
  writer.list(items, writeTally);
}

function readTallies(reader: ByteReader, sums: Sums): Tallies {
  const [statement, flags] = [reader.number(), reader.flags(LIST | STALE)];
  const modes = reader.list(TELL_MODES_MAX, readMode);
  const items = reader.list(sums.sources, (each) => readTally(each, sums, modes.length));
  return { statement, isList: (flags & LIST) !== 0, isStale: (flags & STALE) !== 0, modes, items };
}

function writeTally(writer: ByteWriter, tally: StatedTally): void {
  const { cells, isAllCells, isDoubtful, isUnsure, isUnreadable } = tally;
  writer.number(tally.source);
  writer.number(tally.term);
  writer.number(tally.version);
  writer.byte(bits([isAllCells, ALL_CELLS], [isDoubtful, DOUBTFUL], [isUnsure, UNSURE], [isUnreadable, UNREADABLE]));
  writer.number(cells.length / 3);
  for (let at = 0; at < cells.length; at += 3) {
    writer.region(cells[at] as number);
    writer.number(cells[at + 1] as number);
    writer.number(cells[at + 2] as number);
  }
}

function readTally(reader: ByteReader, sums: Sums, modeCount: number): StatedTally {
  const source = reader.number(sums.sources - 1);
  const [term, version] = [reader.number(), reader.number()];
  const flags = reader.flags(ALL_CELLS | DOUBTFUL | UNSURE | UNREADABLE);
  const isUnreadable = (flags & UNREADABLE) !== 0;
  const count = reader.count(isUnreadable ? 0 : Infinity);
  const cells: number[] = [];
  for (let cell = 0; cell < count; cell++) {
    cells.push(sums === AREA_SUMS ? readCountry(reader) : reader.region());
    cells.push(reader.number(modeCount - 1));
    cells.push(reader.number(PLAYERS_MAX));
  }
  const isAllCells = (flags & ALL_CELLS) !== 0;
  const isDoubtful = (flags & DOUBTFUL) !== 0;
  const isUnsure = (flags & UNSURE) !== 0;
  return { source, term, version, isAllCells, isDoubtful, isUnsure, isUnreadable, cells };
}

function writeBoards(writer: ByteWriter, { statement, isList, isStale, items }: Boards): void {
  writer.number(statement);
  writer.byte(bits([isList, LIST], [isStale, STALE]));
  writer.list(items, writeBoard);
}

function readBoards(reader: ByteReader, sums: Sums): Boards {
  const [statement, flags] = [reader.number(), reader.flags(LIST | STALE)];
  const items = reader.list(sums.targets, (each) => readBoard(each, readTarget(each, sums)));
  return { statement, isList: (flags & LIST) !== 0, isStale: (flags & STALE) !== 0, items };
}

function writeBoard(writer: ByteWriter, { region, term, version, isComplete, isHeldBack, counts }: StatedBoard): void {
  writer.number(region);
  writer.number(term);
  writer.number(version);
  writer.byte(bits([isComplete, COMPLETE], [isHeldBack, HELD_BACK], [counts !== undefined, WITH_COUNTS]));
  if (counts === undefined) return;
  writer.number(counts.players);
  writer.list(counts.top, writeRanked);
}

function readBoard(reader: ByteReader, region: number): StatedBoard {
  const [term, version] = [reader.number(), reader.number()];
  const flags = reader.flags(COMPLETE | HELD_BACK | WITH_COUNTS);
  const isWithCounts = (flags & WITH_COUNTS) !== 0;
  const counts = isWithCounts ? { players: reader.number(), top: reader.list(TOP_MAX, readRanked) } : undefined;
  const [isComplete, isHeldBack] = [(flags & COMPLETE) !== 0, (flags & HELD_BACK) !== 0];
  return { region, term, version, isComplete, isHeldBack, counts };
}

function writeAsked(writer: ByteWriter, { stated, isStale }: AskedBoard): void {
  writer.byte(bits([isStale, STALE]));
  writeBoard(writer, stated);
}

function readAsked(reader: ByteReader): AskedBoard {
  const isStale = reader.flags(STALE) !== 0;
  return { isStale, stated: readBoard(reader, readPlace(reader)) };
}

function writeInside(writer: ByteWriter, inside: Inside): void {
  const { country, players, term, version, isComplete, isStale, subdivisions } = inside;
  for (const number of [country, players, term, version]) writer.number(number);
  writer.byte(bits([isComplete, COMPLETE], [isStale, STALE]));
  writer.list(subdivisions, (to, one) => {
    to.number(one.region);
    to.number(one.players);
  });
}

function readInside(reader: ByteReader): Inside {
  const [country, players, term, version] = [readCountry(reader), reader.number(), reader.number(), reader.number()];
  const flags = reader.flags(COMPLETE | STALE);
  const subdivisions = reader.list(REGION_COUNT, (each) => ({ region: each.region(), players: each.number() }));
  const [isComplete, isStale] = [(flags & COMPLETE) !== 0, (flags & STALE) !== 0];
  return { country, players, term, version, isComplete, isStale, subdivisions };
}

function writeRanked(writer: ByteWriter, { mode, players }: Ranked): void {
  writer.name(mode);
  writer.number(players);
}

function readRanked(reader: ByteReader): Ranked {
  return { mode: reader.mode(), players: reader.number() };
}

function bits(...flags: readonly (readonly [isSet: boolean, bit: number])[]): number {
  let sum = 0;
  for (const [isSet, bit] of flags) if (isSet) sum |= bit;
  return sum;
}

const writeNumber = (writer: ByteWriter, value: number): void => writer.number(value);
const writeName = (writer: ByteWriter, name: string): void => writer.name(name);
const readPartition = (reader: ByteReader): number => reader.partition();
const readCountry = (reader: ByteReader): number => reader.number(COUNTRIES - 1);
const readPlace = (reader: ByteReader): number => reader.number(PLACES.length - 1);
const readTarget = (reader: ByteReader, { firstTarget, targets }: Sums): number =>
  reader.number(firstTarget + targets - 1, firstTarget);
const readMode = (reader: ByteReader): string => reader.mode();
