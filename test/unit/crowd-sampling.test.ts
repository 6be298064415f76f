import { describe, expect, test } from "vitest";
import { profileIdOf } from "../../crowd/profile-id.ts";
import { chance, Quantiles, WeightedPick } from "../../crowd/sampling.ts";
import { mean, UUID } from "../support/crowd.ts";

describe("sampling", () => {
  test("Quantiles.at() meets every percentile, and rises in between", () => {
    const quantiles = new Quantiles({ 0: 3, 25: 9, 50: 30, 100: 360 });
    expect([0, 0.25, 0.5].map((u) => quantiles.at(u))).toEqual([3, 9, 30].map((value) => expect.closeTo(value)));
    const values = Array.from({ length: 100 }, (_, percent) => quantiles.at(percent / 100));
    expect(values).toEqual(values.toSorted((a, b) => a - b));
  });

  test.each([{ 25: 9, 100: 30 }, { 0: 0, 100: 1 }, { 0: 5, 100: 4 }, {}])("Quantiles refuses %j", (points) => {
    expect(() => new Quantiles(points)).toThrow(/^Cannot draw from percentiles: they must rise from 0 to 100, got/);
  });

  test("Quantiles.residual() has the mean that renewal theory gives: E[x²] / 2 E[x]", () => {
    const quantiles = new Quantiles({ 0: 1, 100: 100 });
    const values = Array.from({ length: 20_000 }, (_, index) => quantiles.at((index + 0.5) / 20_000));
    const expected = mean(values.map((value) => value ** 2)) / mean(values) / 2;
    let count = 0;
    const residuals = values.map(() => quantiles.residual(() => chance(1, 2, count++)));
    expect(mean(residuals) / expected).toBeCloseTo(1, 1);
  });

  test("WeightedPick.at() gives each index its share, and none to weight 0", () => {
    const pick = new WeightedPick([0, 3, 0, 1, 0]);
    const counts = [0, 0, 0, 0, 0];
    for (let step = 0; step < 400; step++) (counts[pick.at(step / 400)] as number)++;
    expect(counts).toEqual([0, 300, 0, 100, 0]);
  });

  test.each([[[]], [[0, 0]], [[1, -1]], [[NaN]]])("WeightedPick refuses the weights %j", (weights) => {
    expect(() => new WeightedPick(weights)).toThrow(/^Cannot pick by weight: /);
  });

  test("chance() is even, whichever way the numbers are read", () => {
    for (const read of [
      (n: number) => chance(1, 2, n),
      (n: number) => chance(1, n, 0),
      (n: number) => chance(n, 0, 0),
    ]) {
      const counts = Array.from({ length: 16 }, () => 0);
      for (let n = 0; n < 16_000; n++) (counts[Math.floor(read(n) * 16)] as number)++;
      expect(Math.min(...counts)).toBeGreaterThan(850); // 1,000 ± 31 expected: five deviations
      expect(Math.max(...counts)).toBeLessThan(1_150);
    }
  });

  test("profileIdOf() gives valid UUIDs, none twice, others for another seed", () => {
    const ids = [1, 2, 2 ** 32 - 1].flatMap((seed) =>
      Array.from({ length: 5_000 }, (_, serial) => profileIdOf(seed, serial)),
    );
    expect(ids.filter((id) => !UUID.test(id))).toEqual([]);
    expect(new Set(ids).size).toBe(ids.length);
  });
});
