/**
 * Where requests enter: what routes ask, wherever the player's partition and the region's board are. Alone, everything
 * is here (`entry-alone.ts`); in a cluster some other node may own it (`entry-cluster.ts`).
 */
import type { Done, Outcome, Place, PlayerRequest, Refused } from "../cluster/ports/rows.ts";
import type { Ranked } from "../engine/board.ts";
import type { ProfileId } from "../engine/profile-id.ts";
import type { RegionPlayers } from "../engine/places.ts";

/** Reports about many players, in the order in which they are to take effect. */
export interface Reports {
  readonly count: number;
  /** Four words a report. */
  readonly ids: Int32Array;
  /** Region numbers. */
  readonly regions: Uint16Array;
  /** Names of modes, some perhaps more than once, and which of them each report names. */
  readonly modes: readonly string[];
  readonly modeOf: Uint16Array;
  /** 0 … 2^32 - 1, or NO_SEQ. */
  readonly seqs: Float64Array;
  /** 1 where the player leaves: then neither region nor mode says anything. Left out where nobody does. */
  readonly leaves?: Uint8Array;
  /** What the player of a report has that modes may ask for; left out where nobody has anything. */
  readonly entitlementsOf?: (index: number) => readonly string[];
}

export interface ReportsOutcome {
  readonly changed: number;
  /** The same by their modes, as `Reports.modes` has them. */
  readonly changedBy: Int32Array;
  readonly renewed: number;
  readonly late: number;
  /** Who left, and who left without being connected. */
  readonly removed: number;
  readonly nowhere: number;
  /** Of those, how many outlive this process. */
  readonly remembered: number;
  /** In no order. */
  readonly refused: readonly { readonly index: number; readonly why: Refused }[];
}

/** How far an answer about counts can be trusted. */
export interface Wholeness {
  /** False while not every partition has spoken. */
  readonly isComplete: boolean;
  /** True while the answer is older than it should be. */
  readonly isStale: boolean;
}

/** What is known of a place. The same (term, version) of the same table, if any, says the same everywhere. */
export interface RegionCounts extends Wholeness {
  /** Where there is a privacy floor: of which all of it was read. Another one wherever something changed. */
  readonly table?: object | undefined;
  /** Players in modes that are not shown, together; 0 where that is not shown either. Only with a privacy floor. */
  readonly others?: number;
  readonly players: number;
  readonly term: number;
  readonly version: number;
  /** The counts are as of so many milliseconds ago. */
  readonly ageMs: number;
  /** The modes with the most players, best first, 132 at the most. */
  top(limit: number): readonly Ranked[];
}

/** The countries of an area, or the subdivisions of a country. */
export interface Overview extends Wholeness {
  /** In the area or the country. */
  readonly players: number;
  /** Those with players, most players first, equal ones by code. */
  readonly regions: readonly RegionPlayers[];
}

/** Counts as they are shown to whoever asks. */
export interface CountsShown {
  /** What this node knows of a place. Of a subdivision: what it heard last, and it asks again as long as somebody wants to know. */
  regionCounts(place: number): RegionCounts;
  /** @param area WORLD where it is left out */
  overview(area?: number): Overview;
  /** Players in all regions. */
  players(): Wholeness & { readonly players: number };
}

/** What a request did, as soon as that is known here: alone at once, in a cluster with the owner's answer. Not told of one that is refused. */
export type Noted = (effect: Done["effect"], place: Place | undefined) => void;

export interface Entry extends CountsShown {
  /** What everybody may know, where there is a privacy floor; the rest is for operators. */
  readonly published: CountsShown | undefined;
  /**
   * Asks something about one player; `region` and `mode` only of a report.
   * @param settle called once, perhaps at once
   * @param note called before that
   */
  submit(request: PlayerRequest, settle: (outcome: Outcome) => void, note?: Noted): void;
  /** Reports of many players at once; `settle` is called once. */
  submitAll(reports: Reports, settle: (outcome: ReportsOutcome) => void): void;
  /** The counts of a subdivision, at most a second old: at once where this node has them. `undefined` where nobody answered. */
  askSubdivision(place: number, settle: (counts: RegionCounts | undefined) => void): void;
  /** The same of all subdivisions of a country. */
  askSubdivisions(country: number, settle: (overview: Overview | undefined) => void): void;
  /** The counts of a place from its owner, after everything acknowledged before (R24); `undefined` where nobody answered. */
  askOwner(place: number, settle: (counts: RegionCounts | undefined) => void): void;
}

/** Reads the profile id of one of many reports into `id`. */
export function readId(ids: Reports["ids"], index: number, id: ProfileId): void {
  id[0] = ids[4 * index] as number;
  id[1] = ids[4 * index + 1] as number;
  id[2] = ids[4 * index + 2] as number;
  id[3] = ids[4 * index + 3] as number;
}
