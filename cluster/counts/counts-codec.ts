/**
 * What nodes tell each other about counts (R20 to R24), as bytes (`bytes.ts`):
 *
 *   0  u8  version, 3
 *   1  u8  kind: 1 tell, 2 told, 3 flush, 4 flushed, 5 ask, 6 asked
 *   2      the parts of its kind, see below
 *   end - 4  the checksum
 *
 *   tallies   statement, flags (1 a list);  modes, then each: name;  tallies, then each: partition, term, version, flags
 *             (1 all cells, 2 in doubt, 4 unsure, 8 unreadable), cells, then each: region, index into the modes, players
 *   boards    statement, flags (1 a list, 2 stale);  how many, then each: region, term, version, flags (1 complete,
 *             2 held back, 4 with its counts: players, modes, then each: name, players)
 *   tables    see `tables-codec.ts`
 *
 * Everything is checked before anything is handed out: a malformed message changes nothing.
 */
import type { Ranked } from "../../engine/board.ts";
import { COUNTRIES } from "../../engine/places.ts";
import { ByteReader, ByteWriter } from "./bytes.ts";
import { readTables, type StatedTables, writeTables } from "./tables-codec.ts";

/** One partition's counts for one region owner, or only how far they are. */
export interface StatedTally {
  readonly partition: number;
  /** Of its claim. */
  readonly term: number;
  /** Rises with every change that is told, over all partitions of a sender. */
  readonly version: number;
  /** R21: these are all its cells in the regions that the receiver owns: whoever is not in them is not there. */
  readonly isAllCells: boolean;
  /** R26: its players are in doubt. */
  readonly isDoubtful: boolean;
  /** R14: its claimant may not speak for it just now: better than nothing, but it counts as unheard. */
  readonly isUnsure: boolean;
  /** R21: its record cannot be read, so nobody has anything to say of it: what stands goes on, and is incomplete. */
  readonly isUnreadable: boolean;
  /** Three numbers a cell: region, index into `modes`, players. */
  readonly cells: readonly number[];
}

/**
 * R20: how far a sender is. With a list, its items are all that the sender speaks for, and `statement` is the list's
 * number from then on. Without, nothing changed since that statement but what the items say. Statement 0 says nothing
 * of what is not among the items.
 */
interface Stated<Item> {
  readonly statement: number;
  readonly isList: boolean;
  readonly items: readonly Item[];
}

export interface Tallies extends Stated<StatedTally> {
  readonly modes: readonly string[];
}

/** A region's players and its best modes. */
export interface BoardCounts {
  readonly players: number;
  readonly top: readonly Ranked[];
}

/** R23: how far a board is, as of now; `counts` where the receiver may not have them. */
export interface StatedBoard {
  readonly region: number;
  readonly term: number;
  readonly version: number;
  /** False where players are in doubt (R26), or some cannot be read (R21). */
  readonly isComplete: boolean;
  /** It changed, and its counts come later: it was pushed a moment ago. */
  readonly isHeldBack: boolean;
  readonly counts: BoardCounts | undefined;
}

export interface Boards extends Stated<StatedBoard> {
  /** Some partition was not heard of (R20). */
  readonly isStale: boolean;
}

/** Tallies for the regions of the receiver, boards for its read view, and what is published of them. */
export interface Tell {
  readonly kind: "tell";
  readonly tallies: Tallies;
  readonly boards: Boards;
  readonly tables: StatedTables;
}
/** Of what was not asked for again, all has been taken in. */
export interface Told {
  readonly kind: "told";
  /** Sent under another epoch than the receiver's: nothing was taken in. */
  readonly isOtherEpoch: boolean;
  /** R20: the receiver does not know the statement: it needs the list. */
  readonly needsTallyList: boolean;
  readonly needsBoardList: boolean;
  /** Partitions of which all cells are needed. */
  readonly partitions: readonly number[];
  /** Regions whose counts are needed. */
  readonly regions: readonly number[];
}
/** R24: asks for all partitions that the receiver holds, now. */
export interface Flush {
  readonly kind: "flush";
  /** The receiver's last list that the asker knows; 0: none. */
  readonly statement: number;
  /** Those of which all cells are needed. */
  readonly partitions: readonly number[];
}
export interface Flushed {
  readonly kind: "flushed";
  readonly isOtherEpoch: boolean;
  readonly tallies: Tallies;
}
/** R24: asks a region's owner for its board, with every report acknowledged so far. */
export interface Ask {
  readonly kind: "ask";
  readonly region: number;
}
/** A board as it is answered. */
export interface AskedBoard {
  readonly stated: StatedBoard;
  readonly isStale: boolean;
}
/** `undefined`: the receiver is not the owner. */
export interface Asked {
  readonly kind: "asked";
  readonly board: AskedBoard | undefined;
}
export type CountsMessage = Tell | Told | Flush | Flushed | Ask | Asked;

/** Modes in the counts of a board that travels: 100 that are shown at the most, and 32 that an operator may hide. */
export const TOP_MAX = 132;
/** What can be in one partition, and a count's width. */
const PLAYERS_MAX = 2 ** 31 - 1;
const TELL_MODES_MAX = 4096;
const VERSION = 3;
const KINDS = ["tell", "told", "flush", "flushed", "ask", "asked"] as const;
const [LIST, STALE] = [1, 2];
const [ALL_CELLS, DOUBTFUL, UNSURE, UNREADABLE] = [1, 2, 4, 8];
const [COMPLETE, HELD_BACK, WITH_COUNTS] = [1, 2, 4];
const [OTHER_EPOCH, NEEDS_TALLY_LIST, NEEDS_BOARD_LIST] = [1, 2, 4];

export const NO_TALLIES: Tallies = { statement: 0, isList: false, modes: [], items: [] };
export const NO_BOARDS: Boards = { statement: 0, isList: false, isStale: false, items: [] };

export function encodeCounts(message: CountsMessage): Uint8Array {
  const writer = new ByteWriter();
  writer.byte(VERSION);
  writer.byte(KINDS.indexOf(message.kind) + 1);
  switch (message.kind) {
    case "tell":
      writeTallies(writer, message.tallies);
      writeBoards(writer, message.boards);
      writeTables(writer, message.tables);
      break;
    case "told": {
      const { isOtherEpoch, needsTallyList, needsBoardList } = message;
      writer.byte(
        bits([isOtherEpoch, OTHER_EPOCH], [needsTallyList, NEEDS_TALLY_LIST], [needsBoardList, NEEDS_BOARD_LIST]),
      );
      writer.list(message.partitions, writeNumber);
      writer.list(message.regions, writeRegion);
      break;
    }
    case "flush":
      writer.number(message.statement);
      writer.list(message.partitions, writeNumber);
      break;
    case "flushed":
      writer.byte(bits([message.isOtherEpoch, OTHER_EPOCH]));
      writeTallies(writer, message.tallies);
      break;
    case "ask":
      writer.region(message.region);
      break;
    case "asked":
      writer.byte(bits([message.board?.isStale ?? false, STALE]));
      writer.list(message.board === undefined ? [] : [message.board.stated], writeBoard);
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
      return { kind, tallies: readTallies(reader), boards: readBoards(reader), tables: readTables(reader) };
    case "told": {
      const flags = reader.flags(OTHER_EPOCH | NEEDS_TALLY_LIST | NEEDS_BOARD_LIST);
      return {
        kind,
        isOtherEpoch: (flags & OTHER_EPOCH) !== 0,
        needsTallyList: (flags & NEEDS_TALLY_LIST) !== 0,
        needsBoardList: (flags & NEEDS_BOARD_LIST) !== 0,
        partitions: reader.list(reader.partitions, readPartition),
        regions: reader.list(COUNTRIES, readRegion),
      };
    }
    case "flush":
      return { kind, statement: reader.number(), partitions: reader.list(reader.partitions, readPartition) };
    case "flushed":
      return { kind, isOtherEpoch: reader.flags(OTHER_EPOCH) !== 0, tallies: readTallies(reader) };
    case "ask":
      return { kind, region: reader.region() };
    case "asked": {
      const isStale = reader.flags(STALE) !== 0;
      const [stated] = reader.list(1, readBoard);
      return { kind, board: stated && { stated, isStale } };
    }
  }
}

function writeTallies(writer: ByteWriter, { statement, isList, modes, items }: Tallies): void {
  writer.number(statement);
  writer.byte(bits([isList, LIST]));
  writer.list(modes, writeName);
  writer.list(items, writeTally);
}

function readTallies(reader: ByteReader): Tallies {
  const [statement, isList] = [reader.number(), reader.flags(LIST) !== 0];
  const modes = reader.list(TELL_MODES_MAX, readMode);
  return { statement, isList, modes, items: reader.list(reader.partitions, (each) => readTally(each, modes.length)) };
}

function writeTally(writer: ByteWriter, tally: StatedTally): void {
  const { cells, isAllCells, isDoubtful, isUnsure, isUnreadable } = tally;
  writer.number(tally.partition);
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

function readTally(reader: ByteReader, modeCount: number): StatedTally {
  const partition = reader.partition();
  const [term, version] = [reader.number(), reader.number()];
  const flags = reader.flags(ALL_CELLS | DOUBTFUL | UNSURE | UNREADABLE);
  const isUnreadable = (flags & UNREADABLE) !== 0;
  const count = reader.count(isUnreadable ? 0 : Infinity);
  const cells: number[] = [];
  for (let cell = 0; cell < count; cell++) {
    cells.push(reader.region());
    cells.push(reader.number(modeCount - 1));
    cells.push(reader.number(PLAYERS_MAX));
  }
  const isAllCells = (flags & ALL_CELLS) !== 0;
  const isDoubtful = (flags & DOUBTFUL) !== 0;
  const isUnsure = (flags & UNSURE) !== 0;
  return { partition, term, version, isAllCells, isDoubtful, isUnsure, isUnreadable, cells };
}

function writeBoards(writer: ByteWriter, { statement, isList, isStale, items }: Boards): void {
  writer.number(statement);
  writer.byte(bits([isList, LIST], [isStale, STALE]));
  writer.list(items, writeBoard);
}

function readBoards(reader: ByteReader): Boards {
  const [statement, flags] = [reader.number(), reader.flags(LIST | STALE)];
  const items = reader.list(COUNTRIES, readBoard);
  return { statement, isList: (flags & LIST) !== 0, isStale: (flags & STALE) !== 0, items };
}

function writeBoard(writer: ByteWriter, { region, term, version, isComplete, isHeldBack, counts }: StatedBoard): void {
  writer.region(region);
  writer.number(term);
  writer.number(version);
  writer.byte(bits([isComplete, COMPLETE], [isHeldBack, HELD_BACK], [counts !== undefined, WITH_COUNTS]));
  if (counts === undefined) return;
  writer.number(counts.players);
  writer.list(counts.top, writeRanked);
}

function readBoard(reader: ByteReader): StatedBoard {
  const [region, term, version] = [reader.region(), reader.number(), reader.number()];
  const flags = reader.flags(COMPLETE | HELD_BACK | WITH_COUNTS);
  const isWithCounts = (flags & WITH_COUNTS) !== 0;
  const counts = isWithCounts ? { players: reader.number(), top: reader.list(TOP_MAX, readRanked) } : undefined;
  const [isComplete, isHeldBack] = [(flags & COMPLETE) !== 0, (flags & HELD_BACK) !== 0];
  return { region, term, version, isComplete, isHeldBack, counts };
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
const writeRegion = (writer: ByteWriter, region: number): void => writer.region(region);
const writeName = (writer: ByteWriter, name: string): void => writer.name(name);
const readPartition = (reader: ByteReader): number => reader.partition();
const readRegion = (reader: ByteReader): number => reader.region();
const readMode = (reader: ByteReader): string => reader.mode();
