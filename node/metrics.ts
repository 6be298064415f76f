/** What the node tells Prometheus. The hot path only adds to plain numbers; they are read when somebody scrapes. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { Service } from "./service.ts";

/** One request in so many is timed: an observation costs as much as finding a player. */
const TIMED_EVERY = 16;
const STATUSES = 600;
const DURATION_BUCKETS_S = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];

/** What happened to reports, renewals and removals; plain numbers, added to on the hot path. */
export class Totals {
  changed = 0;
  renewed = 0;
  late = 0;
  rejected = 0;
  heartbeats = 0;
  removals = 0;
}

export class Metrics {
  readonly registry = new Registry();
  readonly totals = new Totals();
  private readonly answers = new Map<string, Float64Array>();
  private readonly durations: Histogram<"route">;
  private timed = 0;

  constructor(service: Service) {
    const { registry } = this;
    collectDefaultMetrics({ register: registry, prefix: "headcount_" });
    this.durations = new Histogram({
      name: "headcount_request_duration_seconds",
      help: `From a request's body to its answer, of one request in ${TIMED_EVERY}`,
      labelNames: ["route"],
      buckets: DURATION_BUCKETS_S,
      registers: [registry],
    });
    this.registerRequests();
    this.registerTotals();
    this.registerState(service);
    service.registerMetrics(this);
  }

  /** Answers so far of a route, by status; to be added to. */
  answersOf(route: string): Float64Array {
    let answers = this.answers.get(route);
    if (answers === undefined) this.answers.set(route, (answers = new Float64Array(STATUSES)));
    return answers;
  }

  /** A reading for `observe`, or 0 where this request is not timed. */
  startTiming(): number {
    this.timed = (this.timed + 1) % TIMED_EVERY;
    return this.timed === 0 ? performance.now() : 0;
  }

  observe(route: string, startedMs: number): void {
    if (startedMs !== 0) this.durations.observe({ route }, (performance.now() - startedMs) / 1000);
  }

  private registerRequests(): void {
    const { answers } = this;
    new Counter({
      name: "headcount_http_requests_total",
      help: "Requests answered, by route and status",
      labelNames: ["route", "status"],
      registers: [this.registry],
      collect() {
        this.reset();
        for (const [route, counts] of answers)
          for (const [status, count] of counts.entries())
            if (count > 0) this.inc({ route, status: String(status) }, count);
      },
    });
  }

  private registerTotals(): void {
    const { totals } = this;
    const counters: Record<keyof Totals, readonly [name: string, help: string]> = {
      changed: ["reports_moved_total", "Reports that moved or connected a player"],
      renewed: ["reports_renewed_total", "Reports that only renewed a session"],
      late: ["reports_late_total", "Reports ignored because a newer seq was known"],
      rejected: ["reports_rejected_total", "Reports refused"],
      heartbeats: ["heartbeats_total", "Heartbeats that renewed a session"],
      removals: ["removals_total", "Players disconnected on request"],
    };
    for (const total of Object.keys(counters) as (keyof Totals)[])
      this.counter(...counters[total], () => totals[total]);
  }

  private registerState(service: Service): void {
    this.gauge("players", "Players connected, as this node knows it", () => service.entry?.players().players ?? 0);
    this.gauge("ready", "1 while the node is ready", () => (service.status.kind === "ready" ? 1 : 0));
    this.gauge("degraded", "1 while the store cannot be written and reports get 202", () =>
      service.degradedReason === undefined ? 0 : 1,
    );
    this.gauge("epoch", "Epoch of the view", () => service.epoch);
  }

  gauge(name: string, help: string, value: () => number): void {
    new Gauge({
      name: `headcount_${name}`,
      help,
      registers: [this.registry],
      collect() {
        this.set(value());
      },
    });
  }

  counter(name: string, help: string, value: () => number): void {
    new Counter({
      name: `headcount_${name}`,
      help,
      registers: [this.registry],
      collect() {
        this.reset();
        this.inc(value());
      },
    });
  }

  /** @param values by what the label says; words with spaces become one of snake case */
  labelledCounter(name: string, help: string, label: string, values: () => Readonly<Record<string, number>>): void {
    new Counter({
      name: `headcount_${name}`,
      help,
      labelNames: [label],
      registers: [this.registry],
      collect() {
        this.reset();
        for (const [of, value] of Object.entries(values())) this.inc({ [label]: of.replaceAll(" ", "_") }, value);
      },
    });
  }
}
