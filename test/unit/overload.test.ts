/** What the decisions about overload make of loads, on a modelled event loop in virtual time. */
import { describe, expect, test } from "vitest";
import { KINDS } from "../../node/limits/shedding.ts";
import { randomOf } from "../../bench/support/traffic.ts";
import { LoopModel, MIX, type Outcome } from "../support/loop-model.ts";

const CONNECTIONS = 128;
const model = (seed: number, connections = CONNECTIONS): LoopModel => {
  const random = randomOf(seed);
  return new LoopModel(connections, () => random() / 2 ** 32);
};
const sum = (counts: Outcome["accepted"]): number => KINDS.reduce((total, kind) => total + counts[kind], 0);

describe.each([1, 2, 3])("seed %i", (seed) => {
  test("within what it can serve nothing is refused, and a long stop of the loop changes nothing", () => {
    const loop = model(seed);
    const before = loop.run(loop.capacity * 0.7, 1);
    const after = loop.run(loop.capacity * 0.5, 1, 150);
    for (const { refused, lost } of [before, after]) expect([sum(refused), lost]).toEqual([0, 0]);
    expect(loop.run(loop.capacity * 0.7, 1).p99Ms).toBeLessThan(10);
  });
  test.each([
    [2, 0.9, 100],
    [5, 0.7, 200],
  ])(
    "at %i times what it can serve goodput is at least %f of that, and answers take up to %i ms",
    (times, least, ms) => {
      const loop = model(seed);
      loop.run(loop.capacity * times, 1.5);
      const { accepted, refused, p99Ms } = loop.run(loop.capacity * times, 3);
      expect(sum(accepted) / 3 / loop.capacity).toBeGreaterThan(least);
      expect(p99Ms).toBeLessThan(ms);
      expect(refused.heartbeats).toBe(0);
      expect(refused["look-ups"]).toBeGreaterThan(0);
    },
  );
  test("within a second after the load has fallen everything is answered", () => {
    const loop = model(seed);
    loop.run(loop.capacity * 5, 3);
    loop.run(loop.capacity * 0.5, 1);
    expect(loop.unread).toBe(0);
    const { offered, accepted, refused, lost, p99Ms } = loop.run(loop.capacity * 0.5, 1);
    expect([sum(refused), lost]).toEqual([0, 0]);
    expect(sum(accepted)).toBeGreaterThanOrEqual(offered - CONNECTIONS);
    expect(p99Ms).toBeLessThan(10);
  });
  test("a little too much is met by refusing alone: all connections are read", () => {
    const loop = model(seed);
    const { lost } = loop.run(loop.capacity * 1.4, 3);
    expect(lost).toBe(0);
    expect(loop.unread).toBe(0);
  });
  test.each([2, 5])(
    "thousands of connections at %i times the load: letting go of them does not take the time of serving",
    (times) => {
      const loop = model(seed, 2000);
      loop.run(loop.capacity * times, 1.5);
      const { accepted, refused, p99Ms } = loop.run(loop.capacity * times, 3);
      expect(sum(accepted) / 3 / loop.capacity).toBeGreaterThan(0.75);
      expect(refused.heartbeats).toBe(0);
      expect(p99Ms).toBeLessThan(300);
      loop.run(loop.capacity * 0.5, 3);
      expect(loop.unread).toBe(0);
      const { lost, refused: still } = loop.run(loop.capacity * 0.5, 1);
      expect([sum(still), lost]).toEqual([0, 0]);
    },
  );
  test("heartbeats alone, twice as many as it can serve", () => {
    const only = { ...MIX, heartbeats: { ...MIX.heartbeats, share: 100 } };
    for (const kind of ["reports", "other reads", "look-ups"] as const) only[kind] = { ...MIX[kind], share: 0 };
    const random = randomOf(seed);
    const loop = new LoopModel(CONNECTIONS, () => random() / 2 ** 32, only);
    loop.run(loop.capacity * 2, 1.5);
    const { accepted, p99Ms } = loop.run(loop.capacity * 2, 3);
    expect(sum(accepted) / 3 / loop.capacity).toBeGreaterThan(0.9);
    expect(p99Ms).toBeLessThan(200);
  });
});
