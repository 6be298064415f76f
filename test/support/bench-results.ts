/** Made-up figures of a whole benchmark run, each of two rounds. */
import { type LoadSeries, type Results, RESULTS_FORM } from "../../bench/results.ts";

const MEASURED = { date: "2026-01-02T03:04:05.000Z", isQuick: false };

export function sampleResults(): Results {
  return {
    form: RESULTS_FORM,
    machine: { cpu: "a CPU", cores: 2, memoryGiB: 4, system: "a system", isPinned: true, versions: { Node: "24.0.0" } },
    engine: {
      ...MEASURED,
      sizes: [1e6, 1e7].map((players) => ({ players, isAgreed: true, contestants: engineContestants() })),
      memory: [1e4, 1e5, 1e6].map((players) => ({ players, tableBytes: 40, worstTableBytes: 50, allBytes: 60 })),
      commits: [16, 256].map((rows) => ({ rows, oneFileNs: [300, 400], sharedNs: [900, 800], floorNs: [50, 60] })),
      stops: { players: 1e6, growMs: [1, 2], deleteMs: [1, 2], sweepMs: [6, 7] },
    },
    http: {
      ...MEASURED,
      players: 100,
      runs: [
        ...[64, 256].map((connections) => ({ connections, pipelined: 1, contestants: httpSeries() })),
        { connections: 64, pipelined: 16, contestants: pipelinedSeries() },
      ],
    },
    batches: {
      ...MEASURED,
      players: 1_000_000,
      batch: 1_000,
      connections: 16,
      contestants: ["headcount log", "headcount none", "node:http, JSON.parse", "fastify, JSON parser"].map(series),
    },
    reads: {
      ...MEASURED,
      connections: 64,
      reportsPerSecond: 10_000,
      contestants: [
        "headcount, reports arriving",
        "fastify constant, reports arriving",
        "fastify constant, nothing else",
      ].map((name) => ({ ...series(name), acceptedPerSecond: [10_000, 9_999] })),
      heartbeats: ["headcount", "fastify constant"].map(series),
    },
    latency: {
      ...MEASURED,
      players: 100,
      connections: 256,
      contestants: ["headcount log", "fastify floor"].map((name) => ({
        name,
        sentPerSecond: 1_000,
        p50Ms: [0.5, 0.6],
        p99Ms: [2, 3],
        refused: 0,
      })),
    },
    memory: {
      ...MEASURED,
      cases: [
        { name: "headcount none", players: 1e6, emptyBytes: [100e6, 100e6], fullBytes: [170e6, 160e6] },
        { name: "headcount log", players: 1e7, emptyBytes: [100e6, 100e6], fullBytes: [1_100e6, 1_200e6] },
      ],
    },
    snapshots: {
      ...MEASURED,
      players: 1e6,
      reportsPerSecond: 20_000,
      pauses: ["no snapshots", "default, 10 s"].map((name) => ({
        name,
        p99Ms: [2, 3],
        maxMs: [5, 6],
        acceptedPerSecond: [1, 2],
        snapshotsPerSecond: [0, 1],
      })),
      restarts: [{ name: "after SIGKILL", players: 1e6, readyMs: [900, 1_100], playersAfter: 1e6 }],
    },
    tokens: {
      ...MEASURED,
      players: 100,
      connections: 64,
      contestants: ["no tokens", "known by the connection", "known by the hash"].map(series),
      arrivals: {
        strangers: 100,
        seconds: 30,
        othersPerSecond: 1_000,
        quietP99Ms: [1, 2],
        p99Ms: [30, 40],
        strangersP99Ms: [100, 200],
        refused: 3,
      },
    },
    rules: {
      ...MEASURED,
      players: 100,
      batch: 1_000,
      connections: 64,
      singles: ["no catalogue", "200 modes"].map(series),
      batches: ["no catalogue", "200 modes"].map(series),
    },
    floor: {
      ...MEASURED,
      players: 100,
      connections: 64,
      reportsPerSecond: 100,
      minPlayers: 10,
      quiet: ["no floor", "floor"].map(series),
      busy: ["no floor", "floor"].map(series),
    },
    overload: {
      ...MEASURED,
      players: 100,
      connections: 8,
      carriedPerSecond: 1000,
      steps: [0.5, 1, 2, 5, 0.5].map((times) => ({
        times,
        rounds: [1, 2].map(() => ({
          offeredPerSecond: 1000 * times,
          acceptedPerSecond: 1000 * Math.min(1, times),
          p50Ms: 1,
          p99Ms: 10 * times,
          kinds: { heartbeats: { accepted: 10, refused: 0, lost: 0, failed: 0 } },
          loadBusy: 0.2,
        })),
      })),
    },
    idle: {
      ...MEASURED,
      players: 100,
      connections: 8,
      idleConnections: 1000,
      reportsPerSecond: 100,
      withoutMs: [2, 3],
      besideMs: [3, 4],
      bytes: [10_000, 11_000],
    },
    sessions: {
      ...MEASURED,
      idleSessions: 1000,
      bytes: [9000, 10_000],
      connections: 8,
      underWay: 16,
      oneByOne: [1, 2].map((round) => ({ perSecond: 30_000 * round, cpuUs: 30, loadBusy: 0.5 })),
      several: [1, 2].map((round) => ({ perSecond: 60_000 * round, cpuUs: 15, loadBusy: 0.5 })),
      renewedUs: [1, 1.5],
      bytesOfRow: { there: 33, back: 5 },
    },
    streams: {
      ...MEASURED,
      players: 100,
      streams: 10,
      reportsPerSecond: 100,
      contestants: ["headcount", "fastify"].map((name) => ({
        name,
        bytes: [5000, 6000],
        cores: [0.3, 0.4],
        lastMs: [300, 310],
        eventsPerSecond: [3.8, 3.9],
      })),
      wire: { heartbeat: 200, standing: 230, changed: 700, popularModes: 800, event: 450, frame: 400, ping: 8 },
    },
    soak: {
      ...MEASURED,
      reportsPerSecond: 100,
      acceptedPerSecond: 99.5,
      refused: 0,
      settleMinutes: 2,
      samples: [0, 60, 120, 180, 240].map((second) => ({ second, rssMiB: 200, players: 10 })),
    },
  };
}

function engineContestants(): { name: string; nsPerReport: readonly number[]; bytesPerPlayer: number }[] {
  return Object.entries({
    headcount: 150,
    "headcount-batch": 140,
    "headcount-log": 200,
    "bare-probe": 100,
    "plain-map": 900,
    "redis-lua": 9_000,
  }).map(([name, ns]) => ({ name, nsPerReport: [ns, ns], bytesPerPlayer: 40 }));
}

function httpSeries(): LoadSeries[] {
  return ["headcount log", "headcount none", "fastify floor", "node:http", "redis lua", "redis watch"].map(series);
}

/** Nobody pipelines to Redis here, and wrk cannot tell how late such answers are. */
function pipelinedSeries(): LoadSeries[] {
  return httpSeries()
    .filter(({ name }) => !name.startsWith("redis"))
    .map((one) => ({ ...one, p99Ms: [] }));
}

/** Headcount takes half of what the others take. */
function series(name: string): LoadSeries {
  const cpuUs = name.startsWith("headcount") ? [10, 11] : [20, 22];
  const busy = { serverBusy: [1, 1], loadBusy: [0.5, 0.5] };
  return { name, perSecond: [100, 110], cpuUs, loadCpuUs: [5, 6], p99Ms: [1, 2], refused: 0, ...busy };
}
