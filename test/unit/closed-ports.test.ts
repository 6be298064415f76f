import { expect, test } from "vitest";
import { ClosedPorts } from "../../cluster/members/closed-ports.ts";

const LICENCE_MS = 400;
const NOTHING = { closed: [], closedStill: [] };

/** Renews at a time: says what is to be said, and is answered at once, or some time later. */
function renew(ports: ClosedPorts, bareMs: number, answeredAtMs = bareMs): ReturnType<ClosedPorts["words"]> {
  const words = ports.words(bareMs);
  ports.onAnswered({ words, stamp: { atBareMs: bareMs } }, answeredAtMs, () => LICENCE_MS);
  return words;
}

test("R10: a closed port is said at once, and again when the licence is over, then no more", () => {
  const ports = new ClosedPorts();
  expect(ports.isDue(0)).toBe(false);
  ports.note("dead");
  expect(ports.isDue(0)).toBe(true);
  expect(renew(ports, 0, 5)).toEqual({ closed: ["dead"], closedStill: [] });
  for (const bareMs of [133, 266, 399]) expect(renew(ports, bareMs)).toEqual(NOTHING);
  expect([ports.isDue(504), ports.isDue(505)]).toEqual([false, true]);
  expect(renew(ports, 505)).toEqual({ closed: [], closedStill: ["dead"] });
  expect(renew(ports, 600)).toEqual(NOTHING);
});
test("R10: it is not said again before three renewals that were sent since have been answered", () => {
  const ports = new ClosedPorts();
  ports.note("dead");
  const words = ports.words(0);
  ports.onAnswered({ words, stamp: { atBareMs: 0 } }, 300, () => LICENCE_MS);
  ports.onAnswered({ words: NOTHING, stamp: { atBareMs: 200 } }, 310, () => LICENCE_MS); // was sent before the first word was answered
  for (const bareMs of [400, 2000]) expect(renew(ports, bareMs)).toEqual(NOTHING);
  expect(ports.words(3000)).toEqual(NOTHING);
  expect(renew(ports, 3100)).toEqual(NOTHING);
  expect(ports.words(3200)).toEqual({ closed: [], closedStill: ["dead"] });
});
test("R10: a word of which nobody knows whether it was heard is said again, until it is answered", () => {
  const ports = new ClosedPorts();
  ports.note("dead");
  for (const bareMs of [0, 100]) expect(ports.words(bareMs).closed).toEqual(["dead"]);
  renew(ports, 200);
  ports.note("dead");
  expect(ports.words(300)).toEqual(NOTHING);
});
test("R10: nothing is said of who is listed no more, nor to another run of the store", () => {
  const ports = new ClosedPorts();
  ports.note("dead");
  ports.note("gone");
  ports.keep((incarnation) => incarnation === "dead");
  expect(ports.words(0).closed).toEqual(["dead"]);
  ports.clear();
  expect(ports.isDue(10_000)).toBe(false);
});
