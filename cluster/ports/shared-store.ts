/**
 * What the nodes of a cluster share, as they see it: the list of members, the cluster's key and the partitions'
 * records. Redis keeps it; the simulator has a model; both pass the same suites.
 *
 * Calls reject with `StoreUnavailableError` where nobody knows what became of them. Every call that touches records or
 * the list names the run of the store that its caller believes in (R15) and rejects with `OtherRunError` under another.
 */
import { StoreUnavailableError } from "./record-store.ts";
import type { Run, SharedRecords } from "./shared-records.ts";
import type { ModeNameStore } from "./mode-name-store.ts";
import type { Member, View } from "./view.ts";

export type { Run };

/** R15: the store is not the one that the caller believes in; nothing was done. Renew to learn the new run. */
export class OtherRunError extends StoreUnavailableError {}

/** R12: another key stands than the one whose mark the caller named; nothing was done. */
export class OtherKeyError extends StoreUnavailableError {}

/** R12: what every node must agree on, fixed when the cluster is founded. */
export interface ClusterKey {
  readonly partitions: number;
  /** 8 bytes nobody outside knows. */
  readonly hashKey: Uint8Array;
  readonly sessionMs: number;
  readonly graceMs: number;
  readonly leaseMs: number;
  readonly deadlineMs: number;
  readonly durability: string;
  readonly modesMax: number;
  /** Number of the placement's rule. */
  readonly placement: number;
}

/** What stands, as anybody sees it who is not listed (R12). */
export interface Look {
  /** Under the key that stands beside the list, where one does. */
  readonly run: Run;
  /** Beside the list. */
  readonly key: ClusterKey | undefined;
  /** Where none stands beside the list: the newest key that lies beside records. */
  readonly copy: ClusterKey | undefined;
  /** Under epoch 0 where nobody has joined yet; `NO_VIEW` where there is no list. */
  readonly view: View;
}

export interface Renewal {
  readonly member: Member;
  /** R12: of the caller's key. */
  readonly mark: string;
  /** True to be added to the list where it is not in it (R8). */
  readonly isJoining: boolean;
  /** R9: of the view that the caller knows. */
  readonly epoch: number;
  readonly nonce: string;
  /** For the list, should it change: a fresh one. */
  readonly freshNonce: string;
  /** Of the last answer: the list is not sent again where nothing changed since; 0 for the first. */
  readonly revision: number;
  /** R14: how long the caller may answer unlogged after it sent this; whoever waits for it waits so long. */
  readonly licenceMs: number;
  /**
   * From 1 on, higher than that of every renewal which this incarnation sent before. One that comes after a later one
   * changes nothing.
   */
  readonly number: number;
  /** R10: incarnations unheard for a lease, or that do not answer the caller at the address they give. */
  readonly accused: readonly string[];
  /** R10: incarnations whose port the caller found closed; said once, then again as `closedStill`. */
  readonly closed: readonly string[];
  /** R10: expelled where they have not renewed since this caller named them in `closed`, under the same run. */
  readonly closedStill: readonly string[];
  /** Joiners whom the caller has called at the address they give. */
  readonly called: readonly string[];
  /** R15: what the caller holds, for the others to read: opaque text, bounded by 64 KiB. `undefined`: as it named last. */
  readonly held: string | undefined;
}

/** A member as the list has it. */
export interface Listed {
  readonly member: Member;
  /** R15: the run under which it named what it holds. */
  readonly run: Run;
  readonly held: string;
  /** R14: the licence that it named with its last renewal as of this list; 0: none yet. */
  readonly licenceMs: number;
}

/** The list as of one renewal. `listed` is in the order of `view.members`. */
export interface MemberList {
  readonly view: View;
  readonly listed: readonly Listed[];
  /** Rises with every change of the list, or of what is named as held. */
  readonly revision: number;
}

/** R15: under which runs the store is. */
export interface Runs {
  /** Of the master that has the list. */
  readonly run: Run;
  /** By tag, of the master that has its records. */
  readonly tagRuns: readonly Run[];
}

/**
 * `renewed`: the caller is listed; `list` is absent where nothing changed since `revision`. `accused` (R10): it is listed
 * and marked, and its lease was not lengthened. `mustName` (R15): what it holds is not known under this run.
 * `expelled`, `absent` (R8): the caller is not listed. `gone` (R9): the list is gone, or below the epoch the caller knows.
 * `late`: a later renewal of the caller came before this one; nothing was done. `other key` (R12): this key stands, not the
 * caller's; nothing was done.
 */
export type RenewalAnswer =
  | (Runs & {
      readonly kind: "renewed" | "accused";
      readonly mustName: boolean;
      readonly list: MemberList | undefined;
      /** R28: of the modes' names; absent while there are none. */
      readonly modesRevision?: number;
    })
  | (Runs & { readonly kind: "expelled" | "absent"; readonly list: MemberList })
  | (Runs & { readonly kind: "gone" | "late" })
  | { readonly kind: "other key"; readonly run: Run; readonly key: ClusterKey };

/** A region's board for the sorted set: all of it, or what changed since another version of it. */
export interface PublishedBoard {
  /** Of the region (R22). */
  readonly term: number;
  readonly version: number;
  /** How many modes it has. */
  readonly modes: number;
  /** What this changes; `undefined`: `players` is all of it. */
  readonly since: { readonly term: number; readonly version: number } | undefined;
  readonly players: readonly { readonly mode: string; readonly players: number }[];
  /** Modes that nobody is in any more. */
  readonly gone: readonly string[];
}

/** R12: a member asks for its own key in the place of another that stands. */
export interface Vote {
  readonly incarnation: string;
  /** What the caller knows, itself in it: the list that is to be written back. */
  readonly view: View;
  readonly key: ClusterKey;
  /** Begins the new history; without spaces. */
  readonly freshNonce: string;
}

/**
 * `replaced`: more than half of the view's members asked within a lease, and more than live under the other key.
 * `counted`: not yet more than half. `tied`: more than half, but no more than live under the other key. `outnumbered`: as many
 * live there as the view has members, so that it stays.
 * `not needed`: no other key stands any more.
 */
export type VoteAnswer = "replaced" | "counted" | "tied" | "outnumbered" | "not needed";

/** `superseded`: a newer (region term, version) stands. `all wanted`: something else stands than what this changes. */
export type PublishAnswer = "published" | "superseded" | "all wanted";

export interface SharedStore extends SharedRecords, ModeNameStore {
  // The list of members (R7 to R11). Asks every master which run it is (R15), then runs one script.

  renew(renewal: Renewal, leaseMs: number): Promise<RenewalAnswer>;
  /**
   * R9: writes a view back with the key, where the list is gone or older; under the same epoch with another nonce raises
   * above both.
   * @param freshNonce begins the new history; not empty, without spaces
   */
  restore(run: Run, view: View, key: ClusterKey, freshNonce: string, leaseMs: number): Promise<void>;
  /**
   * R15: the store lost something under a run that all believe in. The list gets a fresh history, which every member learns
   * with its next renewal: a new run. Does nothing where the list is gone; rejects where it has another history already.
   * @param run with a history
   */
  beginRun(run: Run, freshNonce: string): Promise<void>;
  /** R1: makes the epoch at least `above` + 1. */
  raiseEpoch(run: Run, above: number, freshNonce: string): Promise<void>;
  /** R11: takes a member off the list; it is not named expelled. */
  leave(run: Run, incarnation: string, freshNonce: string): Promise<void>;

  // The cluster's key (R12).

  /** What stands; it changes nothing. */
  look(): Promise<Look>;
  /**
   * Founds in one script, which refuses where a list or a key stands: with an empty list, the key, and a fresh history.
   * Anew (under epoch 0) it then makes all records, empty, with the key beside them; where this key stands already, and
   * nobody has joined, it goes on with that. From a copy it makes none, since what is not there was lost.
   * @returns false where another key stands
   */
  found(run: Run, key: ClusterKey, from: "anew" | "a copy", freshNonce: string): Promise<boolean>;
  /**
   * Asks that this key replace the one that stands. When enough members have, key and list are replaced in one script,
   * under an epoch above both. A vote holds for a lease, so that who voted and died, or gave up, is not counted.
   */
  vote(run: Run, vote: Vote, leaseMs: number): Promise<VoteAnswer>;
  /**
   * Brings each tag to the key that stands beside the list, under which the caller has renewed. A tag with a key of a lower
   * generation loses its records: they name players of other partitions. Rejects where a tag has a newer key.
   * @returns how many tags lost records
   */
  adoptTags(run: Run): Promise<number>;

  // For people and dashboards.

  /** R16, R23: publishes a region's board as a sorted set, unless a newer one stands. */
  publish(region: string, board: PublishedBoard): Promise<PublishAnswer>;
  close(): Promise<void>;
}
