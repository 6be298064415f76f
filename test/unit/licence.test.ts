import { expect, test } from "vitest";
import { LicencePace } from "../../cluster/members/licence.ts";

const LEASE_MS = 3000;

test("R14: a licence lasts 400 ms, or four times the slowest renewal of the last ten seconds, at most half a lease", () => {
  const pace = new LicencePace(LEASE_MS);
  expect(pace.licenceMs(0)).toBe(400);
  pace.note(100, 20);
  expect(pace.licenceMs(100)).toBe(400);
  pace.note(200, 150.3);
  pace.note(300, 120);
  expect(pace.licenceMs(300)).toBe(602);
  pace.note(400, 900);
  expect(pace.licenceMs(400)).toBe(LEASE_MS / 2);
  expect(pace.licenceMs(10_401)).toBe(400);
});
test("R14: once the slowest is ten seconds old the slowest of those after it counts", () => {
  const pace = new LicencePace(LEASE_MS);
  for (const [atMs, tookMs] of [
    [0, 300],
    [1000, 200],
    [2000, 110],
    [3000, 150],
  ] as const)
    pace.note(atMs, tookMs);
  const licences = [3000, 10_000, 10_001, 11_001, 13_001].map((nowMs) => pace.licenceMs(nowMs));
  expect(licences).toEqual([1200, 1200, 800, 600, 400]);
});
test("R14: renewals come every third of a licence; a short lease has a short licence", () => {
  expect(new LicencePace(LEASE_MS).renewalMs(0)).toBeCloseTo(133.3, 1);
  expect([new LicencePace(300).licenceMs(0), new LicencePace(300).renewalMs(0)]).toEqual([150, 50]);
});
