import fc from "fast-check";
import { expect, test } from "vitest";

import { FATE_GRACE_MS } from "../../cluster/rows/answer-codec.ts";
import { itemAt } from "../../simulator/item-at.ts";
import { DEADLINE_MS, ForwardingModel, HEALED_AT_MS, type Weather } from "../support/forwarding-model.ts";

const TICK_MS = 20;
const EMPTY = { rowsQueued: 0, sent: { peersInFlight: 0 }, received: { rowsOpen: 0, fatesWaiting: 0 } };
const anyWeather: fc.Arbitrary<Weather> = fc.record({
  seed: fc.nat(),
  lossRatio: fc.constantFrom(0, 0.05, 0.2),
  repeatRatio: fc.constantFrom(0, 0.1, 0.5),
  delayMsMax: fc.constantFrom(10, 300, 2000),
  landMsMax: fc.constantFrom(5, 50, 300),
  moves: fc.nat(6),
  deaths: fc.nat(2),
  steps: fc.nat(3),
  rows: fc.nat(120),
  rowsMax: fc.constantFrom(8, 65_536),
  batchRowsMax: fc.constantFrom(2, 8192),
});

/** Called after every event, so without `expect`, which takes longer than the event. */
function checkBounds({ nodes, weather }: ForwardingModel): void {
  for (const { forwarder, calls, view } of nodes) {
    if (forwarder.figures.rowsQueued > weather.rowsMax) expect.fail("more rows than there is room for");
    for (const [what, count] of calls)
      if (count > 1 && view.listed.has(what.slice(-36))) expect.fail(`${count} calls under way with ${what}`);
    const { rowsOpen, fatesWaiting } = forwarder.figures.received;
    if (rowsOpen + fatesWaiting > weather.rowsMax) expect.fail("more rows without a fate than there is room for");
  }
}

/**
 * R19: of an entry's rows in a partition, none older lands after one that was done. One that was not done, and of which
 * nobody knows whether it took effect, may be followed by an older one that goes again.
 */
function expectOrder({ truths, nodes, told }: ForwardingModel): void {
  for (const [partition, { landed }] of truths.entries()) {
    const last = new Map(landed.map((player, index) => [player, index]));
    expect(last.size, "R18: nothing without a seq lands twice").toBe(landed.length);
    for (const node of nodes) {
      let oldersLast = -1;
      for (const { row, outcomes } of told.filter((each) => each.row.partition === partition && each.entry === node)) {
        const rowsLast = last.get(row.id0) ?? -1;
        if (outcomes[0]?.kind === "done") expect(rowsLast, `row ${row.id0}`).toBeGreaterThan(oldersLast);
        oldersLast = Math.max(oldersLast, rowsLast);
      }
    }
  }
}

test("Forwarder keeps the order of rows, settles each once and in time, and stays in its bounds, whatever the network does", async () => {
  await fc.assert(
    fc.asyncProperty(anyWeather, async (weather) => {
      const model = new ForwardingModel(weather);
      await model.run(() => checkBounds(model));
      const living = model.told.filter(({ entry }) => !entry.isDead);
      for (const { outcomes, settledAtMs, submittedAtMs } of living) {
        expect(outcomes).toHaveLength(1);
        const lateMs = FATE_GRACE_MS + TICK_MS + weather.landMsMax;
        expect(settledAtMs).toBeLessThanOrEqual(submittedAtMs + DEADLINE_MS + lateMs);
      }
      expectOrder(model);
      for (const { forwarder, isDead } of model.nodes) if (!isDead) expect(forwarder.figures).toMatchObject(EMPTY);
    }),
    { numRuns: 200 },
  );
});
test("Forwarder finds an owner for every row once the faults are over", async () => {
  await fc.assert(
    fc.asyncProperty(anyWeather, async (weather) => {
      const model = new ForwardingModel({ ...weather, landMsMax: 50, rowsMax: 65_536 });
      await model.run(() => undefined);
      const healed = model.told.filter(({ submittedAtMs }) => submittedAtMs >= HEALED_AT_MS);
      for (const { outcomes, submittedAtMs, settledAtMs } of healed) {
        const outcome = itemAt(outcomes, 0);
        expect(outcome.kind === "done" || outcome.reason === "no room for the player").toBe(true);
        expect(settledAtMs - submittedAtMs).toBeLessThan(DEADLINE_MS / 2);
      }
    }),
    { numRuns: 100 },
  );
});
