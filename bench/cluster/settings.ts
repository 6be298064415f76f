/** How much of everything a run does. Full runs are what CLUSTER-RESULTS.md shows; quick ones only show that it works. */
export interface ClusterSettings {
  readonly cost: CostSettings;
  readonly failover: FailoverSettings;
  readonly freshness: FreshnessSettings;
  readonly growth: GrowthSettings;
  readonly renewals: RenewalsSettings;
}

export interface CostSettings {
  readonly rounds: number;
  readonly players: number;
  /** Single reports a second, and which of these loads the designs on Redis get too. */
  readonly singlesPerSecond: readonly number[];
  readonly rivalsPerSecond: number;
  readonly batch: number;
  readonly batchesPerSecond: number;
  /** Once for each system: until its code is compiled. */
  readonly heatSeconds: number;
  /** Unmeasured and measured seconds of each turn. */
  readonly warmSeconds: number;
  readonly seconds: number;
}

/** Of an event nothing is left where no client waits longer than this. */
export const CALM_MS = 300;

export interface FailoverSettings {
  readonly rounds: number;
  readonly players: number;
  /** Few enough that one core has room for a fourth node that starts: what is measured is the move, not a lack of CPU. */
  readonly requestsPerSecond: number;
  /**
   * Before each round. Nodes that were filled at full speed, or have just started, write their snapshots for a while; and a
   * licence, which whoever takes over waits for, follows the slowest renewal of the last ten seconds (R14).
   */
  readonly settleSeconds: number;
  /** Watched after each event at least. */
  readonly seconds: number;
}

export interface FreshnessSettings {
  readonly rounds: number;
  readonly players: number;
  readonly reportsPerSecond: number;
  readonly probes: number;
  readonly seconds: number;
}

export interface GrowthSettings {
  readonly sizes: readonly GrowthSizeSettings[];
  /** Of the placement alone. */
  readonly placements: readonly { readonly nodes: number; readonly partitions: number }[];
  /** Virtual time. */
  readonly idleMs: number;
}

export interface RenewalsSettings {
  readonly rounds: number;
  readonly members: readonly number[];
}

export interface GrowthSizeSettings {
  readonly nodes: number;
  readonly partitions: number;
  readonly players: number;
  /** Of load, in virtual time. */
  readonly loadMs: number;
  /** Whether nodes are drained and killed too. */
  readonly isWhole: boolean;
}

/** More partitions in larger clusters: a node should have a dozen at the least. */
function partitionsFor(nodes: number): number {
  return nodes <= 20 ? 256 : nodes <= 50 ? 1024 : 4096;
}

function placements(from: number, to: number): { nodes: number; partitions: number }[] {
  return Array.from({ length: to - from + 1 }, (_, at) => ({ nodes: from + at, partitions: partitionsFor(from + at) }));
}

function size(nodes: number, millions: number, loadMs: number): GrowthSizeSettings {
  return { nodes, partitions: partitionsFor(nodes), players: millions * 1e6, loadMs, isWhole: nodes <= 20 };
}

export const FULL: ClusterSettings = {
  cost: {
    rounds: 4,
    players: 100_000,
    singlesPerSecond: [2_500, 5_000, 7_500],
    rivalsPerSecond: 5_000,
    batch: 1_000,
    batchesPerSecond: 100,
    heatSeconds: 12,
    warmSeconds: 1,
    seconds: 5,
  },
  failover: { rounds: 3, players: 1_000_000, requestsPerSecond: 300, settleSeconds: 20, seconds: 6 },
  freshness: { rounds: 3, players: 100_000, reportsPerSecond: 3_000, probes: 4, seconds: 8 },
  growth: {
    sizes: [
      size(3, 1, 1000),
      size(5, 2, 1000),
      size(10, 5, 600),
      size(20, 10, 400),
      size(50, 25, 200),
      size(100, 50, 60),
    ],
    placements: placements(3, 100),
    idleMs: 300,
  },
  renewals: { rounds: 15, members: [3, 100, 1000] },
};

export const QUICK: ClusterSettings = {
  cost: {
    rounds: 1,
    players: 2_000,
    singlesPerSecond: [500],
    rivalsPerSecond: 500,
    batch: 100,
    batchesPerSecond: 10,
    heatSeconds: 1,
    warmSeconds: 0.5,
    seconds: 1,
  },
  failover: { rounds: 1, players: 5_000, requestsPerSecond: 100, settleSeconds: 1, seconds: 2 },
  freshness: { rounds: 1, players: 2_000, reportsPerSecond: 200, probes: 2, seconds: 2 },
  growth: {
    sizes: [{ nodes: 3, partitions: 64, players: 1_000, loadMs: 200, isWhole: true }],
    placements: placements(3, 6),
    idleMs: 200,
  },
  renewals: { rounds: 1, members: [3] },
};
