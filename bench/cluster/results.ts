/** What a run measured, raw, as it lies in cluster-results.json. Lists hold one figure per round, in order. */
import type { Machine, Measured } from "../results.ts";

export interface ClusterResults {
  readonly machine: Machine;
  readonly cost?: CostResult & Measured;
  readonly failover?: FailoverResult & Measured;
  readonly freshness?: FreshnessResult & Measured;
  readonly growth?: GrowthResult & Measured;
  readonly renewals?: RenewalsResult & Measured;
}

export type ClusterPart = Exclude<keyof ClusterResults, "machine">;

/** CPU time by system under equal load (goals 1 and 5). */
export interface CostResult {
  readonly players: number;
  readonly loads: readonly CostLoad[];
  /** Milliseconds of CPU a second with nothing to do. */
  readonly idle: readonly { readonly name: string; readonly serversMs: readonly number[] }[];
}

export interface CostLoad {
  readonly batch: number;
  readonly reportsPerSecond: number;
  readonly systems: readonly SystemCost[];
}

export interface SystemCost {
  readonly name: string;
  /** Microseconds of CPU per report answered with 200: of all nodes, and of Redis beside. */
  readonly serversUs: readonly number[];
  readonly redisUs: readonly number[];
  readonly p50Ms: readonly number[];
  readonly p99Ms: readonly number[];
  /** Reports answered with 200, a second. */
  readonly answeredPerSecond: readonly number[];
  /** Requests with other answers or none, over all rounds. */
  readonly refused: number;
}

/** Waits of clients while nodes die, come and go (goal 2). */
export interface FailoverResult {
  readonly players: number;
  readonly requestsPerSecond: number;
  readonly leaseMs: number;
  readonly events: readonly EventWaits[];
}

export type EventName = "nothing" | "kill -9" | "join" | "drain" | "rolling restart";

export interface EventWaits {
  readonly name: EventName;
  /** From a client's first try to its success. */
  readonly longestMs: readonly number[];
  readonly p99Ms: readonly number[];
  readonly requests: readonly number[];
  /** First tries that were refused or broke off. */
  readonly refused: readonly number[];
  /** Successes that were `202`: counted, not stored. */
  readonly counted: readonly number[];
}

/** From `200` at one node to the answer of another (goal 3). */
export interface FreshnessResult {
  readonly reportsPerSecond: number;
  readonly samples: number;
  readonly p50Ms: readonly number[];
  readonly p99Ms: readonly number[];
  readonly maxMs: readonly number[];
}

/** What renewals cost Redis, by its own count. */
export interface RenewalsResult {
  readonly everyMs: number;
  readonly sizes: readonly RenewalCost[];
}

export interface RenewalCost {
  readonly members: number;
  /** Of one renewal, a figure a round: the script, and asking which run of Redis it is (R15). */
  readonly scriptUs: readonly number[];
  readonly runUs: readonly number[];
}

/** Simulated (goal 4). */
export interface GrowthResult {
  readonly legMs: number;
  readonly storeMs: number;
  readonly sizes: readonly GrowthSize[];
  readonly placements: readonly PlacementSize[];
}

export interface GrowthSize {
  readonly nodes: number;
  readonly partitions: number;
  readonly players: number;
  readonly reportsPerSecond: number;
  readonly reports: number;
  readonly answered: number;
  /** Between nodes, per report: messages (a call is two), their bytes, rows in a batch. */
  readonly rowMessages: number;
  readonly rowBytes: number;
  readonly rowsPerBatch: number;
  /** On the lane of counts, all nodes together, a second. */
  readonly countMessagesPerSecond: number;
  readonly countBytesPerSecond: number;
  readonly idleMessagesPerSecond: number;
  readonly idleBytesPerSecond: number;
  readonly storeCallsPerReport: number;
  /** How often the view changed. */
  readonly viewsPerJoin: number;
  readonly viewsPerDrain: number | undefined;
  readonly viewsPerKill: number | undefined;
  /** Share of the partitions that a join moved. */
  readonly movedPerJoin: number;
}

/** From the placement alone. */
export interface PlacementSize {
  readonly nodes: number;
  readonly partitions: number;
  /** Largest over mean: partitions, and regions. */
  readonly balance: number;
  /** Share of the partitions that move when one joins, times N + 1. */
  readonly movedTimesNodes: number;
}
