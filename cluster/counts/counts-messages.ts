/** What nodes tell each other about counts (R20 to R24, R31). As bytes: `counts-codec.ts`. */
import type { Ranked } from "../../engine/board.ts";
import type { StatedTables } from "./tables-codec.ts";

/** The counts of a partition, or of a country (R31), for one owner of boards, or only how far they are. */
export interface StatedTally {
  /** The partition's number, or the country's. */
  readonly source: number;
  /** Of its claim, or its board. */
  readonly term: number;
  /** Rises with every change that is told, over all sources of a sender. */
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
  /** What is said may be older than it should be: somebody below was not heard of (R20, R31). */
  readonly isStale: boolean;
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

export type Boards = Stated<StatedBoard>;

/** Of one level: tallies for the boards that the receiver owns, boards for its read view. */
export interface LevelTell {
  readonly tallies: Tallies;
  readonly boards: Boards;
}
/** What the receiver needs of a level; of what it does not name, all has been taken in. */
export interface LevelNeeds {
  /** R20: the receiver does not know the statement: it needs the list. */
  readonly needsTallyList: boolean;
  readonly needsBoardList: boolean;
  /** Sources of which all cells are needed. */
  readonly sources: readonly number[];
  /** Places whose counts are needed. */
  readonly regions: readonly number[];
}

/** Of countries, of areas, and what is published of countries. */
export interface Tell {
  readonly kind: "tell";
  readonly countries: LevelTell;
  readonly areas: LevelTell;
  readonly tables: StatedTables;
}
export interface Told {
  readonly kind: "told";
  /** Sent under another epoch than the receiver's: nothing was taken in. */
  readonly isOtherEpoch: boolean;
  readonly countries: LevelNeeds;
  readonly areas: LevelNeeds;
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
/** Asks the owner of places for their boards. */
export interface Ask {
  readonly kind: "ask";
  /** R24: with every report acknowledged so far. */
  readonly isFlushed: boolean;
  readonly places: readonly number[];
}
/** A board as it is answered. */
export interface AskedBoard {
  readonly stated: StatedBoard;
  readonly isStale: boolean;
}
/** Those that the receiver can answer. */
export interface Asked {
  readonly kind: "asked";
  readonly boards: readonly AskedBoard[];
}
/** Asks a country's owner who is in its subdivisions. */
export interface List {
  readonly kind: "list";
  readonly country: number;
}
/** The subdivisions of a country that anybody is in. */
export interface Inside {
  readonly country: number;
  /** In the country, with those of whom no subdivision is known. */
  readonly players: number;
  readonly term: number;
  readonly version: number;
  readonly isComplete: boolean;
  readonly isStale: boolean;
  readonly subdivisions: readonly SubdivisionPlayers[];
}
export interface SubdivisionPlayers {
  readonly region: number;
  readonly players: number;
}
/** `undefined`: the receiver cannot answer. */
export interface Listed {
  readonly kind: "listed";
  readonly inside: Inside | undefined;
}
export type CountsMessage = Tell | Told | Flush | Flushed | Ask | Asked | List | Listed;
