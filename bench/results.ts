import type { StepFigures } from "./support/flood-child.ts";

/** The form of results.json; a file in another form is begun anew. */
export const RESULTS_FORM = 2;

/** What a run measured, raw, as it lies in results.json. Lists hold one figure per round, in order. */
export interface Results {
  readonly form: typeof RESULTS_FORM;
  readonly machine: Machine;
  readonly engine?: EngineResult;
  readonly http?: HttpResult;
  readonly batches?: BatchesResult;
  readonly reads?: ReadsResult;
  readonly latency?: LatencyResult;
  readonly memory?: MemoryResult;
  readonly snapshots?: SnapshotsResult;
  readonly soak?: SoakResult;
  readonly tokens?: TokensResult;
  readonly rules?: RulesResult;
  readonly floor?: FloorResult;
  readonly overload?: OverloadResult;
  readonly idle?: IdleResult;
  readonly sessions?: SessionsResult;
  readonly streams?: StreamsResult;
}

export type PartName = Exclude<keyof Results, "machine" | "form">;

/** What is to be made of the result of each part. */
export type ByPart<Made> = {
  readonly [Name in PartName]: (result: NonNullable<Results[Name]>) => readonly Made[];
};

/** Makes it of the parts that were measured, in the order of `by`. */
export function ofParts<Made>(results: Results, by: ByPart<Made>): Made[] {
  return (Object.keys(by) as PartName[]).flatMap((name) => {
    const result = results[name];
    return result === undefined ? [] : (by[name] as (result: unknown) => readonly Made[])(result);
  });
}

/** When a part was measured, and with how little. */
export interface Measured {
  readonly date: string;
  readonly isQuick: boolean;
}

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly system: string;
  /** Whether server and load were on cores of their own. */
  readonly isPinned: boolean;
  /** Name → version of what took part. */
  readonly versions: Readonly<Record<string, string>>;
}

export interface EngineResult extends Measured {
  readonly sizes: readonly EngineSize[];
  readonly memory: readonly MemorySample[];
  readonly stops: EngineStops;
  readonly commits?: readonly CommitCost[];
}

/** What encoding a row of a group commit and handing it to the store costs; the floor is one message of the same rows. */
export interface CommitCost {
  readonly rows: number;
  readonly oneFileNs: readonly number[];
  readonly sharedNs: readonly number[];
  readonly floorNs: readonly number[];
}

/** Bytes per player at a size. */
export interface MemorySample {
  readonly players: number;
  /** Rows and indexes. */
  readonly tableBytes: number;
  /** The most that rows and indexes came to on the way from the size before. */
  readonly worstTableBytes: number;
  /** Everything that the engine holds, measured from outside. */
  readonly allBytes: number;
}

export interface EngineSize {
  readonly players: number;
  /** Whether all contestants ended with the same counts. */
  readonly isAgreed: boolean;
  readonly contestants: readonly {
    readonly name: string;
    readonly nsPerReport: readonly number[];
    readonly bytesPerPlayer: number;
  }[];
}

/** The longest single call of each kind, in milliseconds. */
export interface EngineStops {
  readonly players: number;
  readonly growMs: readonly number[];
  readonly deleteMs: readonly number[];
  readonly sweepMs: readonly number[];
}

/** One contestant under load, one figure per round. */
export interface LoadSeries {
  readonly name: string;
  readonly perSecond: readonly number[];
  /** CPU time that one report or read took, all processes of the contestant together. */
  readonly cpuUs: readonly number[];
  /** CPU time that one request took of the load. */
  readonly loadCpuUs: readonly number[];
  /** Empty where the load cannot tell. */
  readonly p99Ms: readonly number[];
  /** Answers other than 200, over all rounds: a 202 is one that was not stored. */
  readonly refused: number;
  /** Share of its time that the server's core and the load's core worked. */
  readonly serverBusy: readonly number[];
  readonly loadBusy: readonly number[];
}

export interface HttpResult extends Measured {
  readonly players: number;
  readonly runs: readonly HttpRun[];
}

export interface HttpRun {
  readonly connections: number;
  /** Requests that a connection sends at once. */
  readonly pipelined: number;
  readonly contestants: readonly LoadSeries[];
}

export interface BatchesResult extends Measured {
  readonly players: number;
  readonly batch: number;
  readonly connections: number;
  /** Per second: reports, not requests. */
  readonly contestants: readonly LoadSeries[];
}

export interface ReadsResult extends Measured {
  readonly connections: number;
  readonly reportsPerSecond: number;
  readonly contestants: readonly (LoadSeries & { readonly acceptedPerSecond: readonly number[] })[];
  readonly heartbeats: readonly LoadSeries[];
}

/** Single reports at random instants, at half of what each contestant takes at the most. */
export interface LatencyResult extends Measured {
  readonly players: number;
  readonly connections: number;
  readonly contestants: readonly {
    readonly name: string;
    readonly sentPerSecond: number;
    /** From when a report was due to its answer. */
    readonly p50Ms: readonly number[];
    readonly p99Ms: readonly number[];
    readonly refused: number;
  }[];
}

/** Resident memory of a process when it has just started, and with players. */
export interface MemoryResult extends Measured {
  readonly cases: readonly {
    readonly name: string;
    readonly players: number;
    readonly emptyBytes: readonly number[];
    readonly fullBytes: readonly number[];
  }[];
}

export interface SnapshotsResult extends Measured {
  readonly players: number;
  readonly reportsPerSecond: number;
  /** Event-loop delay by pause between two snapshots of a partition. */
  readonly pauses: readonly {
    readonly name: string;
    readonly p99Ms: readonly number[];
    readonly maxMs: readonly number[];
    readonly acceptedPerSecond: readonly number[];
    /** Of partitions, each about players / 256. */
    readonly snapshotsPerSecond: readonly number[];
  }[];
  /** Milliseconds from spawning the process to `readyz` 200, after SIGTERM and after SIGKILL. */
  readonly restarts: readonly {
    readonly name: string;
    readonly players: number;
    readonly readyMs: readonly number[];
    readonly playersAfter: number;
  }[];
}

/** What tokens cost, and how others fare while players arrive whose tokens are unknown. */
export interface TokensResult extends Measured {
  readonly players: number;
  readonly connections: number;
  readonly contestants: readonly LoadSeries[];
  readonly arrivals: {
    readonly strangers: number;
    readonly seconds: number;
    readonly othersPerSecond: number;
    /** Of the others, before anybody arrives and while they do; from when a request was due to its answer. */
    readonly quietP99Ms: readonly number[];
    readonly p99Ms: readonly number[];
    readonly strangersP99Ms: readonly number[];
    readonly refused: number;
  };
}

/** What a catalogue of modes costs a report whose mode asks nothing. */
export interface RulesResult extends Measured {
  readonly players: number;
  /** Reports a batch. */
  readonly batch: number;
  readonly connections: number;
  readonly singles: readonly LoadSeries[];
  readonly batches: readonly LoadSeries[];
}

/** What the privacy floor costs a read of top modes. */
export interface FloorResult extends Measured {
  readonly players: number;
  readonly connections: number;
  readonly reportsPerSecond: number;
  readonly minPlayers: number;
  /** While nothing else happens, and while reports arrive. */
  readonly quiet: readonly LoadSeries[];
  readonly busy: readonly LoadSeries[];
}

/** Requests of all kinds, more and more of them, at random instants. */
export interface OverloadResult extends Measured {
  readonly players: number;
  readonly connections: number;
  /** The most that the node served of any rate. */
  readonly carriedPerSecond: number;
  /** In the order in which they were sent; the last is what came when the load had fallen, after a second. */
  readonly steps: readonly {
    /** Of what the node can carry. */
    readonly times: number;
    readonly rounds: readonly StepFigures[];
  }[];
}

/** Single reports at random instants, without other connections and beside idle ones. */
export interface IdleResult extends Measured {
  readonly players: number;
  readonly connections: number;
  readonly idleConnections: number;
  readonly reportsPerSecond: number;
  /** p99, from when a report was due to its answer. */
  readonly withoutMs: readonly number[];
  readonly besideMs: readonly number[];
  /** Resident memory that an idle connection took. */
  readonly bytes: readonly number[];
}

/** Sessions over WebSocket. */
export interface SessionsResult extends Measured {
  readonly idleSessions: number;
  /** Resident memory that an idle session took, with its player. */
  readonly bytes: readonly number[];
  readonly connections: number;
  /** Plays of each session that waited for their answers. */
  readonly underWay: number;
  readonly oneByOne: readonly SessionRound[];
  readonly several: readonly SessionRound[];
  /** CPU of a renewal, entry and owner together. */
  readonly renewedUs: readonly number[];
  /** A renewal's, on its way to the owner and back. */
  readonly bytesOfRow: { readonly there: number; readonly back: number };
}

export interface SessionRound {
  readonly perSecond: number;
  /** Of the server, a report. */
  readonly cpuUs: number;
  readonly loadBusy: number;
}

/** Streams of one region, while reports arrive elsewhere. */
export interface StreamsResult extends Measured {
  readonly players: number;
  readonly streams: number;
  readonly reportsPerSecond: number;
  /** The node first. */
  readonly contestants: readonly StreamsSeries[];
  readonly wire: WireBytes;
}

export interface StreamsSeries {
  readonly name: string;
  /** Resident memory that a stream took. */
  readonly bytes: readonly number[];
  /** CPU time by time: with the streams less without them. */
  readonly cores: readonly number[];
  /** Of changes, how long until the last stream showed it: p99. */
  readonly lastMs: readonly number[];
  /** To one stream. */
  readonly eventsPerSecond: readonly number[];
}

/** Request and answer. */
export interface WireBytes {
  readonly heartbeat: number;
  /** A heartbeat with `top` and `known`: nothing changed, and something did. */
  readonly standing: number;
  readonly changed: number;
  readonly popularModes: number;
  /** One way: of a stream, and the same over a session. */
  readonly event: number;
  readonly frame: number;
  /** Of a session, both ways: is it there still? */
  readonly ping: number;
}

export interface SoakResult extends Measured {
  readonly reportsPerSecond: number;
  readonly acceptedPerSecond: number;
  readonly refused: number;
  readonly settleMinutes: number;
  readonly samples: readonly { readonly second: number; readonly rssMiB: number; readonly players: number }[];
}
