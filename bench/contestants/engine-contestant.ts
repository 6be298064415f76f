/** What the engine benchmark asks of a contestant. It is timed over `apply` alone. */
import type { ReportStream } from "../support/traffic.ts";

export interface EngineContestant {
  /** Brings reports into the form that this contestant takes them in; not timed. */
  prepare(stream: ReportStream): PreparedReports;
  /** Applies prepared reports, in order. */
  apply(reports: PreparedReports): void | Promise<void>;
  /** Players by "region/mode"; those with no player left out. */
  counts(): Map<string, number> | Promise<Map<string, number>>;
  /** Bytes that it holds; where absent they are measured from outside (heap and array buffers). */
  bytes?(): number | Promise<number>;
  close?(): void;
}

export type PreparedReports = unknown;

/** Opens a contestant for up to `playersMax` players; the one on Redis finds it at the socket. */
export type OpenContestant = (
  playersMax: number,
  redisSocketPath: string,
) => EngineContestant | Promise<EngineContestant>;

/** The contestants by name, loaded only when asked for: each has a process of its own. */
export const ENGINE_CONTESTANTS = {
  headcount: async () => (await import("./headcount-engine.ts")).openHeadcount,
  "headcount-batch": async () => (await import("./headcount-engine.ts")).openHeadcountBatch,
  "headcount-log": async () => (await import("./headcount-engine.ts")).openHeadcountLog,
  "bare-probe": async () => (await import("./bare-probe.ts")).openBareProbe,
  "plain-map": async () => (await import("./plain-map.ts")).openPlainMap,
  "redis-lua": async () => (await import("./redis-pipeline.ts")).openRedisPipeline,
} as const satisfies Record<string, () => Promise<OpenContestant>>;

export type EngineContestantName = keyof typeof ENGINE_CONTESTANTS;
