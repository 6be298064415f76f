/**
 * R28: the names of modes that a cluster agrees on, kept beside the list of members. Redis keeps them; the simulator has
 * a model; both pass the same suite (`test/contract/mode-names.ts`).
 *
 * The names have a revision, which rises with every change and is never 0 once there is a name. Whoever brings the
 * revision that it knows is told what changed since.
 */
import type { PartitionIndex } from "./record-store.ts";
import type { Run } from "./shared-store.ts";

/** Names that an entry wants to use. */
export interface AskedModes {
  /** Not known to the caller, or marked as far as it knows. */
  readonly names: readonly string[];
  /** Names that the caller believes unused: marked where there is no room. */
  readonly candidates: readonly string[];
  /** The most names there may be. */
  readonly modesMax: number;
  /** That the caller knows; 0 for none. */
  readonly revision: number;
}

/** What a member says of itself, so that marked names can go. */
export interface ToldModes {
  readonly incarnation: string;
  /** That the caller knows; 0 for none. */
  readonly revision: number;
  /** The newest revision that it has known for so long that no row which it sent without knowing it is under way. */
  readonly settledRevision: number;
  /** Partitions whose tables are here: `held` speaks for the players in them. */
  readonly partitions: readonly PartitionIndex[];
  /** How many partitions the cluster has. */
  readonly partitionCount: number;
  /** Names that somebody here is in and that are marked, or not agreed, as far as the caller knows. */
  readonly held: readonly string[];
}

/** What changed. */
export interface ModeNamesAnswer {
  readonly revision: number;
  /** `added` are all names there are: the caller knew too little to be told less. */
  readonly isFullList: boolean;
  readonly added: readonly string[];
  readonly gone: readonly string[];
  /** All that are marked: they may go, so whoever wants to use one asks first. */
  readonly marked: readonly string[];
}

export interface AdmittedModes extends ModeNamesAnswer {
  /** Those of the names asked for that found no room. */
  readonly refused: readonly string[];
}

export interface ToldAnswer extends ModeNamesAnswer {
  /** Those of the names held that had not been agreed, or not any more: they are now. */
  readonly returned: readonly string[];
}

export interface ModeNameStore {
  /**
   * Admits names as far as there is room; one that is marked loses its mark. Where there is no room, the candidates are
   * marked.
   */
  admitModes(run: Run, asked: AskedModes): Promise<AdmittedModes>;
  /**
   * Says what a listed member knows and holds. A name that it holds is agreed and not marked from then on, whatever the
   * limit: players count more. Names whose turn has come are gone.
   */
  tellModes(run: Run, told: ToldModes): Promise<ToldAnswer>;
}
