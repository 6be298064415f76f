/** A node's life, as routes and metrics see it: alone over the embedded store, or one of a cluster over Redis. */
import type { Rules } from "../cluster/ports/rules.ts";
import type { Entry } from "./entry.ts";
import type { Metrics } from "./metrics.ts";
import type { Pace } from "./pace.ts";
import type { Settings } from "./settings.ts";
import type { Texts } from "./text-store.ts";

export type Status =
  | { readonly kind: "ready" }
  | { readonly kind: "starting" | "draining" | "expelled" | "drained"; readonly reason: string };

/** A member of the cluster, as told to who asks. */
export interface MemberShown {
  readonly id: string;
  readonly incarnation: string;
  readonly url: string;
  readonly partitions: number;
  readonly regions: number;
  readonly state: string;
}

export interface Service {
  readonly settings: Settings;
  /** The node's name. */
  readonly id: string;
  /** A fresh one each time the process starts or joins anew. */
  readonly incarnation: string;
  readonly pace: Pace;
  readonly texts: Texts;
  /** The rules of modes, as this node knows them. */
  readonly rules: Rules;
  /** How full the queue to the store is, 0 to 1; 0 while the store is away: then rows are not queued but snapshotted later. */
  readonly storeQueue: number;
  readonly status: Status;
  /** Why reports get `202` at present; `undefined` where they do not. */
  readonly degradedReason: string | undefined;
  /** `undefined` until the node can answer. */
  readonly entry: Entry | undefined;
  readonly epoch: number;
  /** Resolves when the node cannot go on: the process has to end, and the message says why. */
  readonly failure: Promise<Error>;
  members(): MemberShown[];
  /** Adds what this kind of node has to tell. */
  registerMetrics(metrics: Metrics): void;

  /**
   * Begins to serve; resolves when ready, or when told to drain before.
   * @param port of the public listener
   * @param url where the public listener is reached
   */
  start(port: number, url: string): Promise<void>;
  /** Stops being ready; resolves when whoever asks may be sent elsewhere. What is asked is answered all the while. */
  drain(): Promise<void>;
  /** Stores what is left and lets go. To be called when nothing is asked any more; false where not all could be stored. */
  stop(): Promise<boolean>;
}
