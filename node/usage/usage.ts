/** What was asked of this node, hour by hour, for as long as it runs; kept for two days. */
import type { Metrics } from "../metrics.ts";
import { Arrivals } from "./arrivals.ts";

export const HOURS_MAX = 48;

export interface HourUsage {
  /** When the hour began, or the node if later. */
  readonly from: string;
  /** Calls answered, by route. */
  readonly calls: Readonly<Record<string, number>>;
  /** The same by status. */
  readonly answers: Readonly<Record<string, number>>;
  /** Reports that took effect, those in batches too. */
  readonly rows: number;
  /** Streams that were opened. */
  readonly streams: number;
  /** Sessions that were opened. */
  readonly sessions: number;
}

/** All so far. */
interface Reading {
  readonly calls: ReadonlyMap<string, number>;
  readonly answers: ReadonlyMap<string, number>;
  readonly rows: number;
  readonly streams: number;
  readonly sessions: number;
}

const HOUR_MS = 3_600_000;
const NOTHING: Reading = { calls: new Map(), answers: new Map(), rows: 0, streams: 0, sessions: 0 };

export class Usage {
  readonly arrivals: Arrivals;
  private readonly metrics: Metrics;
  private readonly wallMs: () => number;
  /** When each hour began, and what there was until then; the present one is last. */
  private readonly hours: { readonly fromMs: number; readonly before: Reading }[];
  private readonly timer: NodeJS.Timeout;

  /** @param wallMs milliseconds since 1970 */
  constructor(metrics: Metrics, wallMs: () => number = Date.now) {
    this.metrics = metrics;
    this.wallMs = wallMs;
    this.arrivals = new Arrivals(wallMs);
    this.hours = [{ fromMs: wallMs(), before: NOTHING }];
    this.timer = setInterval(() => this.turn(), HOUR_MS / 60).unref();
    metrics.gauge(
      "arrivals_largest_share",
      "Of the players who came to a mode in ten minutes, the largest share from one prefix of addresses (a /24, of IPv6 a /48); of modes with 100 arrivals at the least",
      () => this.arrivals.largestShare(),
    );
    metrics.counter(
      "arrivals_missed_total",
      "Players who came to a mode and of whom no prefix was noted: there were too many modes",
      () => this.arrivals.missed,
    );
  }

  close(): void {
    clearInterval(this.timer);
  }

  /** The newest first. @param hours 1 to HOURS_MAX */
  byHour(hours: number): HourUsage[] {
    this.turn();
    const readings = [...this.hours.map(({ before }) => before).slice(1), this.read()];
    return this.hours
      .map(({ fromMs, before }, at) => usageOf(fromMs, before, readings[at] as Reading))
      .toReversed()
      .slice(0, hours);
  }

  /** Begins another hour where one has begun. */
  private turn(): void {
    const hourMs = Math.floor(this.wallMs() / HOUR_MS) * HOUR_MS;
    if (hourMs <= (this.hours.at(-1)?.fromMs ?? 0)) return;
    this.hours.push({ fromMs: hourMs, before: this.read() });
    if (this.hours.length > HOURS_MAX) this.hours.shift();
  }

  private read(): Reading {
    const [calls, answers] = [new Map<string, number>(), new Map<string, number>()];
    for (const [route, counts] of this.metrics.answersByRoute())
      for (const [status, count] of counts) {
        calls.set(route, (calls.get(route) ?? 0) + count);
        answers.set(String(status), (answers.get(String(status)) ?? 0) + count);
      }
    const { changed, renewed, late, streams, sessions } = this.metrics.totals;
    return { calls, answers, rows: changed + renewed + late, streams, sessions };
  }
}

function usageOf(fromMs: number, before: Reading, after: Reading): HourUsage {
  return {
    from: new Date(fromMs).toISOString(),
    calls: differences(before.calls, after.calls),
    answers: differences(before.answers, after.answers),
    rows: after.rows - before.rows,
    streams: after.streams - before.streams,
    sessions: after.sessions - before.sessions,
  };
}

function differences(before: ReadonlyMap<string, number>, after: ReadonlyMap<string, number>): Record<string, number> {
  const entries = Array.from(after, ([name, count]) => [name, count - (before.get(name) ?? 0)] as const);
  return Object.fromEntries(entries.filter(([, count]) => count > 0));
}
