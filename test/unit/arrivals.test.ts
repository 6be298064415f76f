import { expect, test } from "vitest";
import { Metrics } from "../../node/metrics.ts";
import type { Service } from "../../node/service.ts";
import { Arrivals } from "../../node/usage/arrivals.ts";
import { Usage } from "../../node/usage/usage.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

test("a farm that pushes a mode from few prefixes has a large share of it, and an honest crowd has none", () => {
  const arrivals = new Arrivals(() => 0);
  for (let player = 0; player < 5000; player++)
    arrivals.note(`GM0${player % 3}`, `10.${player % 250}.${player % 99}.0/24`);
  expect(arrivals.largestShare()).toBeLessThan(0.05);
  for (let bot = 0; bot < 2000; bot++) arrivals.note("GM01", `203.0.113.0/24`, "https://login.example");
  const [first] = arrivals.byMode();
  expect(first).toMatchObject({ mode: "GM01", arrivals: 3667 });
  expect(first?.prefixes[0]).toEqual({ source: "203.0.113.0/24", arrivals: 2000, share: 0.5454 });
  expect(first?.issuers.map(({ source, arrivals: count }) => [source, count])).toEqual([
    ["https://login.example", 2000],
    ["unknown", 1667],
  ]);
  expect(arrivals.largestShare()).toBe(0.5454);
});
test("what comes to more modes than there can be is counted as missed", () => {
  const arrivals = new Arrivals(() => 0);
  for (let mode = 0; mode < 1030; mode++) arrivals.note(`GM${mode}`, "203.0.113.0/24", undefined, 2);
  expect(arrivals.missed).toBe(12);
  expect(arrivals.byMode()).toHaveLength(20);
});
test("few arrivals are no sign, nor are those of whom nothing is known", () => {
  const arrivals = new Arrivals(() => 0);
  arrivals.note("GM01", "203.0.113.0/24", undefined, 99);
  arrivals.note("GM02", undefined, undefined, 1000);
  expect(arrivals.largestShare()).toBe(0);
  arrivals.note("GM01", "203.0.113.0/24");
  expect(arrivals.largestShare()).toBe(1);
});
test("arrivals are forgotten after ten minutes", () => {
  let nowMs = 0;
  const arrivals = new Arrivals(() => nowMs);
  for (let minute = 0; minute < 12; minute++) {
    nowMs = minute * MINUTE;
    arrivals.note("GM01", `10.0.${minute}.0/24`);
  }
  expect(arrivals.byMode(), "the last five slices of two minutes").toMatchObject([{ mode: "GM01", arrivals: 10 }]);
  nowMs = 60 * MINUTE;
  expect(arrivals.byMode()).toEqual([]);
});
test("usage is told by hour, the newest first, and two days are kept", () => {
  let nowMs = Date.parse("2026-11-27T10:30:00Z");
  const service = { registerMetrics: () => undefined } as unknown as Service;
  const metrics = new Metrics(service);
  const usage = new Usage(metrics, () => nowMs);
  const answer = (route: string, status: number): void => void (metrics.route(route).answers[status] as number)++;
  answer("POST /v1/reports", 200);
  metrics.totals.changed += 7;
  nowMs += HOUR;
  usage.byHour(1); // as the timer does
  answer("POST /v1/reports", 200);
  answer("POST /v1/reports", 503);
  answer("GET /v1/players", 200);
  metrics.totals.renewed += 2;
  expect(usage.byHour(24)).toEqual([
    {
      from: "2026-11-27T11:00:00.000Z",
      calls: { "POST /v1/reports": 2, "GET /v1/players": 1 },
      answers: { 200: 2, 503: 1 },
      rows: 2,
      streams: 0,
      sessions: 0,
    },
    {
      from: "2026-11-27T10:30:00.000Z",
      calls: { "POST /v1/reports": 1 },
      answers: { 200: 1 },
      rows: 7,
      streams: 0,
      sessions: 0,
    },
  ]);
  expect(usage.byHour(1)).toHaveLength(1);
  for (let hour = 0; hour < 60; hour++) {
    nowMs += HOUR;
    usage.byHour(1);
  }
  expect(usage.byHour(100)).toHaveLength(48);
  usage.close();
});
