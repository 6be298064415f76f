import { expect, test } from "vitest";
import { Metrics } from "../../node/metrics.ts";
import type { Service } from "../../node/service.ts";

/** A service that counts how often it was asked, as a collection does once. */
function counted(): { readonly metrics: Metrics; readonly collections: () => number } {
  let collections = 0;
  const service: Partial<Service> = {
    status: { kind: "ready" },
    degradedReason: undefined,
    entry: undefined,
    registerMetrics: () => {},
    get epoch() {
      return ++collections;
    },
  };
  const metrics = new Metrics(service as Service);
  return { metrics, collections: () => collections };
}

test("Metrics.text() collects once for all who ask at once, and again for who asks later", async () => {
  const { metrics, collections } = counted();
  const texts = await Promise.all(Array.from({ length: 100 }, () => metrics.text()));
  expect([collections(), new Set(texts).size]).toEqual([1, 1]);
  await expect.poll(() => metrics.text().then(collections), { timeout: 5000 }).toBe(2);
});

test("Metrics.text() tries again after a collection that failed", async () => {
  const { metrics } = counted();
  let isBroken = true;
  metrics.gauge("broken", "Fails once", () => {
    if (isBroken) throw new Error("broken");
    return 1;
  });
  await expect(metrics.text()).rejects.toThrow("broken");
  isBroken = false;
  await expect.poll(() => metrics.text(), { timeout: 5000 }).toContain("headcount_broken 1");
});

test("Metrics.countUnrouted() counts what no route was found for under a label of its own", async () => {
  const { metrics } = counted();
  metrics.countUnrouted(431);
  metrics.countUnrouted(431);
  expect(await metrics.text()).toContain('headcount_http_requests_total{route="malformed",status="431"} 2');
});

test("RouteMetrics times the first request and then one in so many, of each route by itself", () => {
  const { metrics } = counted();
  for (const label of ["one", "other"]) {
    const timed = Array.from({ length: 33 }, () => metrics.route(label).startTiming() > 0);
    expect(timed.flatMap((isTimed, index) => (isTimed ? [index] : []))).toEqual([0, 16, 32]);
  }
});
