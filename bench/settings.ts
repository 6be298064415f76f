/** How much of everything a run does. Full runs are what RESULTS.md shows; quick ones only show that it works. */
export interface Settings {
  /** Turns that each contestant gets; the medians are over them. */
  readonly rounds: number;
  readonly engine: EngineSettings;
  readonly http: HttpSettings;
  readonly batches: LoadSettings;
  readonly reads: LoadSettings & PacedSettings;
  readonly latency: LoadSettings;
  readonly memory: MemorySettings;
  readonly snapshots: PacedSettings & SnapshotSettings;
  readonly soak: PacedSettings & SoakSettings;
  readonly tokens: LoadSettings & TokenSettings;
  readonly rules: LoadSettings;
  readonly floor: LoadSettings & PacedSettings;
  readonly overload: LoadSettings;
  readonly idle: LoadSettings & IdleSettings;
  readonly sessions: SessionSettings;
  readonly streams: PacedSettings & StreamsSettings;
}

export interface EngineSettings {
  readonly players: readonly number[];
  readonly reports: number;
  /** Largest size at which Redis takes part, and its reports a round: it takes too long for more. */
  readonly redisPlayersMax: number;
  readonly redisReports: number;
  /** Sizes at which bytes per player are measured: a sweep between two of them, in equal ratios, and some small ones. */
  readonly sweep: { readonly from: number; readonly to: number; readonly steps: number };
  readonly smallSizes: readonly number[];
  /** Players at which the longest single stop of the loop is looked for. */
  readonly stopPlayers: number;
}

export interface LoadSettings {
  readonly players: number;
  readonly connections: number;
  /** Unmeasured and measured seconds of each turn. */
  readonly warmSeconds: number;
  readonly seconds: number;
}

export interface HttpSettings extends Omit<LoadSettings, "connections"> {
  readonly connections: readonly number[];
  /** Connections that send `depth` requests at once, as a gateway does. */
  readonly pipelined: { readonly connections: number; readonly depth: number };
}

export interface TokenSettings {
  /** Players whose tokens are unknown, within how many seconds they arrive, and what others send meanwhile. */
  readonly arrivals: { readonly strangers: number; readonly seconds: number; readonly othersPerSecond: number };
}

export interface IdleSettings {
  readonly idleConnections: number;
  /** That come over the other connections. */
  readonly reportsPerSecond: number;
}

export interface SessionSettings extends Omit<LoadSettings, "players"> {
  readonly idleSessions: number;
  /** Plays of a session that wait for their answers. */
  readonly underWay: number;
  readonly renewedRows: number;
}

export interface StreamsSettings {
  readonly streams: number;
  /** Unmeasured and measured seconds of each turn. */
  readonly warmSeconds: number;
  readonly seconds: number;
}

export interface MemorySettings {
  readonly cases: readonly { readonly durability: "log" | "none"; readonly players: number }[];
  /** What a process gets to become quiet before its memory is looked at. */
  readonly quietSeconds: number;
}

export interface PacedSettings {
  readonly players: number;
  readonly reportsPerSecond: number;
  readonly batch: number;
}

export interface SnapshotSettings {
  /** Unmeasured and measured seconds of each turn. */
  readonly warmSeconds: number;
  readonly seconds: number;
  readonly restarts: number;
  /** Players with whom it is restarted. */
  readonly restartPlayers: readonly number[];
}

export interface SoakSettings {
  readonly minutes: number;
  /** Players who go and others who come, a second. */
  readonly churnPerSecond: number;
  readonly sampleSeconds: number;
  /** Minutes after which memory is to be flat. */
  readonly settleMinutes: number;
}

export const FULL: Settings = {
  rounds: 5,
  engine: {
    players: [100_000, 1_000_000, 10_000_000],
    reports: 1_000_000,
    redisPlayersMax: 1_000_000,
    redisReports: 100_000,
    sweep: { from: 100_000, to: 10_000_000, steps: 20 },
    smallSizes: [1_000, 3_000, 10_000, 30_000],
    stopPlayers: 10_000_000,
  },
  http: {
    players: 100_000,
    connections: [64, 256],
    pipelined: { connections: 64, depth: 16 },
    warmSeconds: 1,
    seconds: 5,
  },
  batches: { players: 1_000_000, connections: 16, warmSeconds: 1, seconds: 5 },
  reads: { players: 100_000, connections: 64, warmSeconds: 1, seconds: 5, reportsPerSecond: 10_000, batch: 100 },
  latency: { players: 100_000, connections: 256, warmSeconds: 1, seconds: 5 },
  tokens: {
    players: 20_000,
    connections: 64,
    warmSeconds: 1,
    seconds: 5,
    arrivals: { strangers: 100_000, seconds: 30, othersPerSecond: 1_000 },
  },
  rules: { players: 100_000, connections: 64, warmSeconds: 1, seconds: 5 },
  floor: { players: 100_000, connections: 64, warmSeconds: 1, seconds: 4, reportsPerSecond: 10_000, batch: 100 },
  overload: { players: 20_000, connections: 128, warmSeconds: 1, seconds: 3 },
  idle: {
    players: 20_000,
    connections: 64,
    idleConnections: 10_000,
    reportsPerSecond: 5_000,
    warmSeconds: 1,
    seconds: 5,
  },
  sessions: {
    idleSessions: 10_000,
    connections: 128,
    underWay: 16,
    renewedRows: 200_000,
    warmSeconds: 2,
    seconds: 5,
  },
  streams: {
    players: 100_000,
    streams: 10_000,
    reportsPerSecond: 10_000,
    batch: 100,
    warmSeconds: 2,
    seconds: 10,
  },
  memory: {
    cases: [
      { durability: "none", players: 1_000_000 },
      { durability: "log", players: 1_000_000 },
      { durability: "log", players: 10_000_000 },
    ],
    quietSeconds: 10,
  },
  snapshots: {
    players: 1_000_000,
    reportsPerSecond: 20_000,
    batch: 500,
    warmSeconds: 5,
    seconds: 10,
    restarts: 5,
    restartPlayers: [1_000_000, 10_000_000],
  },
  soak: {
    players: 200_000,
    reportsPerSecond: 20_000,
    batch: 500,
    minutes: 30,
    churnPerSecond: 500,
    sampleSeconds: 5,
    settleMinutes: 5,
  },
};

export const QUICK: Settings = {
  rounds: 2,
  engine: {
    players: [2_000, 20_000],
    reports: 20_000,
    redisPlayersMax: 20_000,
    redisReports: 2_000,
    sweep: { from: 1_000, to: 10_000, steps: 3 },
    smallSizes: [100],
    stopPlayers: 20_000,
  },
  http: {
    players: 1_000,
    connections: [8],
    pipelined: { connections: 8, depth: 16 },
    warmSeconds: 1,
    seconds: 1,
  },
  batches: { players: 2_000, connections: 4, warmSeconds: 1, seconds: 1 },
  reads: { players: 2_000, connections: 8, warmSeconds: 1, seconds: 1, reportsPerSecond: 1_000, batch: 50 },
  latency: { players: 1_000, connections: 8, warmSeconds: 1, seconds: 1 },
  tokens: {
    players: 300,
    connections: 8,
    warmSeconds: 1,
    seconds: 1,
    arrivals: { strangers: 200, seconds: 1, othersPerSecond: 100 },
  },
  rules: { players: 1_000, connections: 8, warmSeconds: 1, seconds: 1 },
  floor: { players: 1_000, connections: 8, warmSeconds: 1, seconds: 1, reportsPerSecond: 1_000, batch: 50 },
  overload: { players: 300, connections: 8, warmSeconds: 1, seconds: 1 },
  idle: {
    players: 300,
    connections: 8,
    idleConnections: 100,
    reportsPerSecond: 100,
    warmSeconds: 1,
    seconds: 1,
  },
  sessions: { idleSessions: 100, connections: 8, underWay: 16, renewedRows: 1_000, warmSeconds: 1, seconds: 1 },
  streams: { players: 1_000, streams: 50, reportsPerSecond: 500, batch: 50, warmSeconds: 1, seconds: 2 },
  memory: {
    cases: [
      { durability: "none", players: 2_000 },
      { durability: "log", players: 2_000 },
    ],
    quietSeconds: 1,
  },
  snapshots: {
    players: 20_000,
    reportsPerSecond: 2_000,
    batch: 100,
    warmSeconds: 1,
    seconds: 2,
    restarts: 1,
    restartPlayers: [2_000, 20_000],
  },
  soak: {
    players: 2_000,
    reportsPerSecond: 1_000,
    batch: 50,
    minutes: 0.2,
    churnPerSecond: 20,
    sampleSeconds: 1,
    settleMinutes: 0.1,
  },
};
