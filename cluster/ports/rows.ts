/** What is asked about one player, and what became of it: the rows that nodes forward to each other. */
import type { Verdict } from "../../engine/catalogue.ts";
import { NO_SEQ } from "../../engine/partition.ts";
import type { ProfileId } from "../../engine/profile-id.ts";
import type { Stamp } from "../../engine/standings.ts";
import type { PartitionIndex } from "./record-store.ts";

/** `end` (R30): the player's connection ended without a word. */
export type Operation = "report" | "renew" | "remove" | "find" | "end";

/** What is asked about one player, as it comes in. */
export interface PlayerRequest {
  readonly operation: Operation;
  /** Read before the call returns. */
  readonly id: ProfileId;
  /** Region number; 0 where it is no report. */
  readonly region: number;
  /** Empty where it is no report. */
  readonly mode: string;
  /** 0 … 2^32 - 1, or NO_SEQ. */
  readonly seq: number;
  /** One of many that came together: refused earlier where there is little room, and not among what a player may ask. */
  readonly isBulk?: boolean;
  /** Of a report: what the player has that a mode may ask for. Nothing where it is left out. */
  readonly entitlements?: readonly string[];
  /** Of a heartbeat: its answer is to say where the player stands. */
  readonly isPlaceAsked?: boolean;
  /** R12: a player who was counted already, told again by a node whose key was given up: the rules were asked then. */
  readonly isRetold?: boolean;
  /** R30: of a report: it comes over a connection, which stands for the player from then on. */
  readonly isPlay?: boolean;
  /** R30: of `end`, and of a renewal by a connection that stands as far as it knows. */
  readonly stamp?: Stamp | undefined;
}

/** The same on its way, with where it goes and until when it counts. */
export interface Row extends Omit<PlayerRequest, "id"> {
  /** The player's keyed hash; its top bits name the partition. */
  readonly hash: number;
  readonly partition: PartitionIndex;
  readonly id0: number;
  readonly id1: number;
  readonly id2: number;
  readonly id3: number;
  /** By this node's clock: nobody waits for an answer after this, perhaps sooner where the row came from a peer. */
  readonly untilMs: number;
  readonly isBulk: boolean;
  readonly entitlements: readonly string[];
  readonly isPlaceAsked: boolean;
  readonly isRetold: boolean;
  readonly isPlay: boolean;
  readonly stamp: Stamp | undefined;
  /** R29: of the catalogue that the entry knew. A report is judged by this version or a newer one. */
  readonly rulesVersion: number;
}

/** Where a player is. */
export interface Place {
  /** Region number; -1 where the player was removed. */
  readonly region: number;
  readonly mode: string;
  /** At most so long ago the player was heard of, in milliseconds. */
  readonly ageMs: number;
}

/** R28: whether the player is connected, in a mode whose name was lost. */
export function isModeLost({ region, mode }: Pick<Place, "region" | "mode">): boolean {
  return region >= 0 && mode === "";
}

/**
 * What became of a row at the owner.
 * `changed`, `renewed`, `late` of a report; `renewed`, `nowhere` of a heartbeat; `removed`, `nowhere`, `late` of a
 * removal; `found`, `nowhere` of a look-up. `place` where the player stands, of a late report, `found`, and a heartbeat that asks for it, unless its mode was lost; of `nowhere`, when it was removed, as
 * long as that is known (R27).
 * R30: `superseded` of a renewal or an end that names a stamp: the connection stands no longer. `noted` of an end. `stamp` of a report over a
 * connection that stands now.
 */
export interface Done {
  readonly kind: "done";
  readonly effect: "changed" | "renewed" | "late" | "removed" | "found" | "nowhere" | "superseded" | "noted";
  /** False: counted, but the store cannot be written just now. */
  readonly isRemembered: boolean;
  readonly place: Place | undefined;
  readonly stamp?: Stamp | undefined;
}

/**
 * Told to the client; nothing changed, except that after `no owner` nobody knows. `mode not known` (R28): of a report, the
 * store could not be asked about its mode; of a look-up, the mode's name was lost.
 */
export type Refused =
  | {
      readonly kind: "refused";
      readonly reason:
        | "overloaded"
        | "no room for the mode"
        | "no room for the player"
        | "no owner"
        | "mode not known"
        /** By the rules of the studio's modes. */
        | Verdict;
    }
  | TooOften;

/** The player reports more often than is allowed. */
export interface TooOften {
  readonly kind: "refused";
  readonly reason: "too often";
  /** In so many seconds a report is taken again: 1 … 2^24 - 1. */
  readonly waitS: number;
}

/**
 * R18: whether a row that an owner may have applied already may be applied once more, perhaps by another owner.
 * A look-up changes nothing, and a heartbeat only makes a session longer, by the deadline at most; neither can undo what
 * came since. A report with `seq` is ignored where a newer one stands. A report without it would undo a newer one, and so
 * would a removal, also with a `seq`: it would disconnect a player who has come back since with a report that had none. That a connection
 * ended, or stands, changes nothing where another has played since (R30).
 */
export function mayRepeat({ operation, seq }: Row): boolean {
  if (operation === "report") return seq !== NO_SEQ;
  return operation !== "remove";
}

/** R18: told to the entry, which tries again elsewhere or later. `holder`: who has it, as far as is known. */
export interface Elsewhere {
  readonly kind: "elsewhere";
  readonly reason: "moved" | "held by" | "loading";
  readonly holder: string | undefined;
}

/** Of refusals, none of each reason yet. */
export function noRefusals(): Record<Refused["reason"], number> {
  return {
    overloaded: 0,
    "no room for the mode": 0,
    "no room for the player": 0,
    "no owner": 0,
    "mode not known": 0,
    "too often": 0,
    "unknown mode": 0,
    "not entitled": 0,
    "not offered": 0,
    retired: 0,
    "switch forbidden": 0,
  };
}

export type RowOutcome = Done | Refused | Elsewhere;
/** What an entry answers in the end. */
export type Outcome = Done | Refused;

/** The owner's side on this node, as forwarding sees it. */
export interface RowHandler {
  /**
   * Applies a row, or says why not. Applied at once, in the order of calls; `settle` is called once, perhaps at once,
   * when it may be answered (R5). `elsewhere` that is told before the call returns means that nothing changed; told
   * later, that the row had been applied and nobody knows whether that stays (R18).
   * @param epoch under which it was sent (R17)
   */
  apply(row: Row, epoch: number, settle: (outcome: RowOutcome) => void): void;
}
