/**
 * What the nodes of a cluster share, as they see it: the list of members, the cluster's key and the partitions'
 * records. Redis keeps it; the simulator has a model; both pass the same suites.
 *
 * Calls reject with `StoreUnavailableError` where nobody knows what became of them. Every call that touches records or
 * the list names the run of the store that its caller believes in (R15) and rejects with `OtherRunError` under another.
 */
import {
  type Append,
  type AppendAnswer,
  type Claim,
  type PartitionIndex,
  type PartitionRecord,
  type Snapshot,
  type SnapshotAnswer,
  StoreUnavailableError,
} from "./record-store.ts";
import type { ModeNameStore } from "./mode-name-store.ts";
import type { Member, View } from "./view.ts";

/**
 * R15: names the history of the store: it changes when the store restarts, fails over or is another.
 * Opaque; with several masters it names all of them.
 */
export type Run = string;

/** R15: the store is not the one that the caller believes in; nothing was done. Renew to learn the new run. */
export class OtherRunError extends StoreUnavailableError {}

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

export interface Renewal {
  readonly member: Member;
  /** True to be added to the list where it is not in it (R8). */
  readonly isJoining: boolean;
  /** R9: of the view that the caller knows. */
  readonly epoch: number;
  readonly nonce: string;
  /** For the list, should it change: a fresh one. */
  readonly freshNonce: string;
  /** Of the last answer: the list is not sent again where nothing changed since; 0 for the first. */
  readonly revision: number;
  /** R10: incarnations unheard for a lease. */
  readonly accused: readonly string[];
  /** R10: incarnations whose port refused a connection since the last renewal. */
  readonly refused: readonly string[];
  /** R15: what the caller holds, for the others to read: opaque text, bounded by 64 KiB. */
  readonly held: string;
}

/** A member as the list has it. */
export interface Listed {
  readonly member: Member;
  /** R15: the run under which it renewed last. */
  readonly run: Run;
  readonly held: string;
}

/** The list as of one renewal. `listed` is in the order of `view.members`. */
export interface MemberList {
  readonly view: View;
  readonly listed: readonly Listed[];
  /** Rises with every change of the list, of a run or of what is held. */
  readonly revision: number;
}

/**
 * `renewed`: the caller is listed; `list` is absent where nothing changed since `revision`.
 * `expelled`, `absent` (R8): the caller is not listed. `gone` (R9): the list is gone, or below the epoch the caller knows.
 */
export type RenewalAnswer =
  | {
      readonly kind: "renewed";
      readonly run: Run;
      readonly list: MemberList | undefined;
      /** R28: of the modes' names; absent while there are none. */
      readonly modesRevision?: number;
    }
  | { readonly kind: "expelled" | "absent"; readonly run: Run; readonly list: MemberList }
  | { readonly kind: "gone"; readonly run: Run };

/** Who has a record, as the store says. */
export interface Standing {
  /** `undefined` where nobody ever claimed it. */
  readonly claim: Claim | undefined;
  /** R14: the epoch up to which its claimant raised it; its own term where it was not raised. */
  readonly raisedTo: number;
  /** R2: bytes sent since the claim was founded. */
  readonly length: number;
}

/**
 * R1. `before`: what stood until this instant. `record` only where it was asked for. `isLost` (R12): the cluster is
 * founded and the record is not there: the store lost it.
 */
export type TakenAnswer =
  | {
      readonly kind: "claimed";
      readonly before: Standing;
      readonly record: PartitionRecord | undefined;
      readonly isLost: boolean;
    }
  | { readonly kind: "refused"; readonly standing: Standing };

/** R2; `unheard`: nobody knows whether it landed (only this part of the call failed). */
export type SharedAppendAnswer = AppendAnswer | "unheard";

export interface SharedStore extends ModeNameStore {
  // The list of members (R7 to R11). Asks every master which run it is (R15), then runs one script.

  renew(renewal: Renewal, leaseMs: number): Promise<RenewalAnswer>;
  /** R9: writes a view back where the list is gone or older; under the same epoch with another nonce raises above both. */
  restore(run: Run, view: View, freshNonce: string, leaseMs: number): Promise<void>;
  /** R1: makes the epoch at least `above` + 1. */
  raiseEpoch(run: Run, above: number, freshNonce: string): Promise<void>;
  /** R11: takes a member off the list; it is not named expelled. */
  leave(run: Run, incarnation: string, freshNonce: string): Promise<void>;

  // The cluster's key (R12).

  /** From its own key or any record. `isFounded` false while the founding is not complete. */
  readKey(run: Run): Promise<{ readonly key: ClusterKey | undefined; readonly isFounded: boolean }>;
  /** Key, then all records with the key in each, then `founded`; goes on where another stopped. Answers what stands. */
  found(run: Run, proposal: ClusterKey): Promise<ClusterKey>;
  /** Writes the key of a founded cluster, and `founded`, where the store lost them; records that are gone stay gone. */
  restoreKey(run: Run, key: ClusterKey): Promise<void>;

  // Records (R1 to R3). A claim is known by its founding: (term, incarnation); raising does not change it.

  /** Who has these records, without taking them. In the order asked. */
  standing(run: Run, partitions: readonly PartitionIndex[]): Promise<Standing[]>;
  /**
   * R1: takes records for a term above what they are raised to, or one's own again (length and snapshot number go on then).
   * @param isLoaded whether to answer snapshot and log
   */
  take(run: Run, partitions: readonly PartitionIndex[], claim: Claim, isLoaded: boolean): Promise<TakenAnswer[]>;
  /** R14: raises one's own claims to an epoch, never lowers them. Answers as append does. */
  raise(
    run: Run,
    claims: readonly { readonly partition: PartitionIndex; readonly claim: Claim }[],
    epoch: number,
  ): Promise<SharedAppendAnswer[]>;
  /** R2. */
  append(run: Run, appends: readonly Append[]): Promise<SharedAppendAnswer[]>;
  /** R3. */
  snapshot(run: Run, partition: PartitionIndex, claim: Claim, snapshot: Snapshot): Promise<SnapshotAnswer>;

  // For people and dashboards.

  /** Publishes a region's board as a sorted set, unless a newer (region term, version) stands (R23). */
  publish(
    region: string,
    term: number,
    version: number,
    counts: readonly { readonly mode: string; readonly players: number }[],
  ): Promise<void>;
  close(): Promise<void>;
}
