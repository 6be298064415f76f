import { describe, expect, test } from "vitest";
import { chance } from "../../crowd/sampling.ts";
import { loadGamemodes } from "../../crowd/world.ts";
import { itemAt } from "../../simulator/item-at.ts";
import { sum, world } from "../support/crowd.ts";

describe("world", () => {
  test("loadGamemodes() gives distinct names of the service's form, without what is no longer or never was played", () => {
    const names = loadGamemodes();
    expect(names.length).toBeGreaterThan(60);
    expect(new Set(names).size).toBe(names.length);
    expect(names.filter((name) => !/^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$/.test(name))).toEqual([]);
    expect(names).toEqual(
      expect.arrayContaining(["lol:5v5-ranked-solo", "dota2:all-pick", "lol:teamfight-tactics-tockers-trials"]),
    );
    expect(names.filter((name) => /unknown|blind-pick|hexakill|custom-games|test-games/.test(name))).toEqual([]);
  });

  test("loadWorld() has all 249 countries, Namibia too, and people even where nobody counted them", () => {
    expect(world.regions).toHaveLength(249);
    expect(world.regions).toContain("NA");
    expect(world.regions.filter((code) => !/^[A-Z]{2}$/.test(code))).toEqual([]);
    const shares = world.regions.map((_, region) => world.regionShare(region));
    expect(Math.min(...shares)).toBeGreaterThan(0);
    expect(sum(shares)).toBeCloseTo(1);
    expect(shares[world.regions.indexOf("IN")]).toBeCloseTo(0.18, 2);
    expect(shares.filter((share) => share * 8.1e9 < 10_500)).toHaveLength(35); // 34 without a figure, and Tuvalu
  });

  test("loadWorld() lets modes fall off as measured, and one mode take nearly all in some countries", () => {
    const tastes = world.regions.map((_, region) =>
      world.gamemodes.map((__, gamemode) => world.gamemodeShare(region, gamemode)).sort((a, b) => b - a),
    );
    for (const shares of tastes) expect(sum(shares)).toBeCloseTo(1);
    const dominated = tastes.filter((shares) => itemAt(shares, 0) > 0.5);
    expect(dominated.length).toBeGreaterThan(10);
    expect(dominated.length).toBeLessThan(40);
    expect(itemAt(dominated, 0)[0]).toBeCloseTo(265 / 307);
    const usual = tastes.find((shares) => itemAt(shares, 0) < 0.5)!;
    expect(itemAt(usual, 0) / itemAt(usual, 1)).toBeCloseTo(0.1573 / 0.107);
    expect(itemAt(usual, 4) / itemAt(usual, 9)).toBeCloseTo(0.0516 / 0.0221);
    expect(Math.min(...usual)).toBeGreaterThan(0);
  });

  test("pickNeighbour() stays in the same part of the world, and never at home", () => {
    let count = 0;
    const draw = (): number => chance(3, 0, count++);
    const canada = world.regions.indexOf("CA");
    const near = new Set(Array.from({ length: 500 }, () => itemAt(world.regions, world.pickNeighbour(canada, draw))));
    expect([...near].filter((code) => !["US", "BM", "GL", "PM"].includes(code))).toEqual([]);
    const antarctica = world.regions.indexOf("AQ"); // in no part at all
    expect(world.pickNeighbour(antarctica, draw)).not.toBe(antarctica);
  });

  test("pickRegion() prefers those for whom it is evening", () => {
    const shareAt = (utcHour: number, code: string): number => {
      let count = 0;
      const draw = (): number => chance(4, 0, count++);
      const picks = Array.from({ length: 20_000 }, () => world.pickRegion(draw, utcHour));
      return picks.filter((region) => world.regions[region] === code).length / picks.length;
    };
    expect(shareAt(0, "US")).toBeGreaterThan(1.3 * shareAt(9, "US")); // 18:00 there against 3:00
    expect(shareAt(12, "CN")).toBeGreaterThan(1.3 * shareAt(19, "CN"));
  });
});
