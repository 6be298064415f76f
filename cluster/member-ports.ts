/** What a member of the cluster needs of the world, and what it tells. */
import type { TableCopy } from "../engine/engine.ts";
import type { StoreReturnEvent } from "./moves/store-return.ts";
import type { TakeBackEvent } from "./moves/take-back.ts";
import type { TakeOverEvent } from "./moves/take-over-steps.ts";
import type { PartitionIndex } from "./ports/record-store.ts";
import type { ClusterKey, SharedStore } from "./ports/shared-store.ts";
import type { Transport } from "./ports/transport.ts";
import type { StoreHealthEvent } from "./records/store-health.ts";

/** What an operator may want to read in the log. */
export type ClusterEvent =
  | TakeOverEvent
  | TakeBackEvent
  | { readonly kind: "view"; readonly epoch: number; readonly members: number; readonly partitions: number }
  | StoreReturnEvent
  | StoreHealthEvent
  /** R8. `partitionsLost`: what was acknowledged there no record is known to have; its table is kept for a while. */
  | { readonly kind: "expelled"; readonly incarnation: string; readonly partitionsLost: number }
  | { readonly kind: "other key" }
  | { readonly kind: "dropped records of another key"; readonly tags: number }
  | { readonly kind: "rekeyed"; readonly players: number; readonly failed: number }
  | { readonly kind: "not called back"; readonly peerUrl: string }
  | { readonly kind: "superseded"; readonly partition: PartitionIndex }
  | { readonly kind: "modes lost"; readonly players: number }
  | { readonly kind: "modes returned"; readonly modes: readonly string[] };

export interface MemberPorts {
  readonly store: SharedStore;
  readonly transport: Transport;
  /** Goes on while the machine sleeps: for what must last at most so long. */
  readonly nowMs: () => number;
  /** The bare monotonic clock: for what must last at least so long. */
  readonly bareMs: () => number;
  readonly wallMs: () => number;
  readonly randomId: () => string;
  readonly encode: (copy: TableCopy) => Promise<Uint8Array>;
  readonly decompress: (snapshot: Uint8Array) => Promise<Uint8Array>;
  readonly atTurnEnd: (task: () => void) => void;
  readonly tell: (event: ClusterEvent) => void;
  /** R12: this member's key is given up for the one that stands; it does nothing more. */
  readonly onKeyLost: (standing: ClusterKey) => void;
}

export interface MemberOptions {
  readonly snapshotMs: number;
  /** Whether to go on without what is damaged in a record. */
  readonly isRepair: boolean;
}
