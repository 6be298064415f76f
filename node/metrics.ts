/** What the node tells Prometheus. The hot path only adds to plain numbers; they are read when somebody scrapes. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import { noRefusals } from "../cluster/ports/rows.ts";
import type { Service } from "./service.ts";

/** One request in so many is timed: an observation costs as much as finding a player. */
const TIMED_EVERY = 16;
/** Collections take at most this part of the time, however many ask: a pause so many times as long follows each. */
const COLLECT_PAUSE_RATIO = 20;
const COLLECT_PAUSE_MAX_MS = 1000;
const STATUSES = 600;
/** The label of requests that no route was found for, since they could not be read. */
const UNROUTED = "malformed";
const DURATION_BUCKETS_S = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];

/** What happened to reports, renewals, removals, streams and sessions; plain numbers, added to on the hot path. */
export class Totals {
  changed = 0;
  renewed = 0;
  late = 0;
  rejected = 0;
  heartbeats = 0;
  removals = 0;
  streams = 0;
  sessions = 0;
}

/** What is measured of one route. */
export class RouteMetrics {
  /** Answers so far, by status; to be added to. */
  readonly answers = new Float64Array(STATUSES);
  private readonly observeSeconds: (seconds: number) => void;
  private untimed = TIMED_EVERY - 1; // the first is timed

  constructor(observeSeconds: (seconds: number) => void) {
    this.observeSeconds = observeSeconds;
  }

  /** A reading for `observe`, or 0 where this request is not timed. */
  startTiming(): number {
    this.untimed = (this.untimed + 1) % TIMED_EVERY;
    return this.untimed === 0 ? performance.now() : 0;
  }

  observe(startedMs: number): void {
    if (startedMs !== 0) this.observeSeconds((performance.now() - startedMs) / 1000);
  }
}

export class Metrics {
  readonly registry = new Registry();
  readonly totals = new Totals();
  /** Reports that did not take effect, by why; to be added to. */
  readonly refused = noRefusals();
  private readonly routes = new Map<string, RouteMetrics>();
  private readonly durations: Histogram<"route">;
  private collecting: Promise<string> | undefined;
  private collected = "";
  private collectFromMs = -Infinity;

  constructor(service: Service) {
    const { registry } = this;
    collectDefaultMetrics({ register: registry, prefix: "headcount_" });
    this.durations = new Histogram({
      name: "headcount_request_duration_seconds",
      help: `From a request's body to its answer, by route, of one request in ${TIMED_EVERY}`,
      labelNames: ["route"],
      buckets: DURATION_BUCKETS_S,
      registers: [registry],
    });
    this.registerRequests();
    this.registerTotals();
    this.registerState(service);
    service.registerMetrics(this);
  }

  /** @param label the route's, of a bounded set: "POST /v1/reports" */
  route(label: string): RouteMetrics {
    let route = this.routes.get(label);
    if (route === undefined) {
      const durations = this.durations.labels({ route: label });
      this.routes.set(label, (route = new RouteMetrics((seconds) => durations.observe(seconds))));
    }
    return route;
  }

  /** Counts what was refused before any route was known: what is not HTTP, too large a head, what did not come in time. */
  countUnrouted(status: number): void {
    (this.route(UNROUTED).answers[status] as number)++;
  }

  /**
   * What is told, as text. A collection stops the event loop for milliseconds: so there is one for all who ask at once, then
   * a pause, and whoever asks meanwhile gets the same.
   */
  async text(): Promise<string> {
    if (this.collecting === undefined && performance.now() >= this.collectFromMs) this.collecting = this.collect();
    return (await this.collecting) ?? this.collected;
  }

  private async collect(): Promise<string> {
    const startedMs = performance.now();
    try {
      return (this.collected = await this.registry.metrics());
    } finally {
      const nowMs = performance.now();
      this.collectFromMs = nowMs + Math.min(COLLECT_PAUSE_RATIO * (nowMs - startedMs), COLLECT_PAUSE_MAX_MS);
      this.collecting = undefined;
    }
  }

  /** Answers so far of each route, by status. */
  *answersByRoute(): Generator<
    readonly [route: string, answers: readonly (readonly [status: number, count: number])[]]
  > {
    for (const [route, { answers }] of this.routes)
      yield [route, [...answers.entries()].filter(([, count]) => count > 0)];
  }

  private registerRequests(): void {
    const answersByRoute = () => this.answersByRoute();
    new Counter({
      name: "headcount_http_requests_total",
      help: "Requests answered, by route and status",
      labelNames: ["route", "status"],
      registers: [this.registry],
      collect() {
        this.reset();
        for (const [route, answers] of answersByRoute())
          for (const [status, count] of answers) this.inc({ route, status: String(status) }, count);
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
      streams: ["streams_opened_total", "Streams of server-sent events that were opened"],
      sessions: ["sessions_opened_total", "Requests for a session that became a WebSocket"],
    };
    for (const total of Object.keys(counters) as (keyof Totals)[])
      this.counter(...counters[total], () => totals[total]);
    const help = "Reports that a player's owner, or this node for it, refused, by why";
    this.labelledCounter("reports_refused_total", help, "reason", () => this.refused);
  }

  private registerState(service: Service): void {
    this.gauge("players", "Players connected, as this node knows it", () => service.entry?.players().players ?? 0);
    this.gauge("ready", "1 while the node is ready", () => (service.status.kind === "ready" ? 1 : 0));
    this.gauge("degraded", "1 while the store cannot be written and reports get 202", () =>
      service.degradedReason === undefined ? 0 : 1,
    );
    this.gauge("epoch", "Epoch of the view", () => service.epoch);
  }

  private about(name: string, help: string) {
    return { name: `headcount_${name}`, help, registers: [this.registry] };
  }

  gauge(name: string, help: string, value: () => number): void {
    new Gauge({
      ...this.about(name, help),
      collect() {
        this.set(value());
      },
    });
  }

  /** @param values by what the label says, of a bounded set */
  labelledGauge(name: string, help: string, label: string, values: () => Readonly<Record<string, number>>): void {
    new Gauge({
      ...this.about(name, help),
      labelNames: [label],
      collect() {
        this.reset();
        for (const [of, value] of Object.entries(values())) this.set({ [label]: of }, value);
      },
    });
  }

  counter(name: string, help: string, value: () => number): void {
    new Counter({
      ...this.about(name, help),
      collect() {
        this.reset();
        this.inc(value());
      },
    });
  }

  /** @param values by what the label says; words with spaces become one of snake case */
  labelledCounter(name: string, help: string, label: string, values: () => Readonly<Record<string, number>>): void {
    new Counter({
      ...this.about(name, help),
      labelNames: [label],
      collect() {
        this.reset();
        for (const [of, value] of Object.entries(values())) this.inc({ [label]: of.replaceAll(" ", "_") }, value);
      },
    });
  }
}
