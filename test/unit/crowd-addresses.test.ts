import { BlockList, isIPv4, isIPv6 } from "node:net";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { botsOrigin, FARM_PREFIXES, farmPrefixes, playersOrigin } from "../../crowd/addresses.ts";

const seeds = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const upTo = (count: number): number[] => Array.from({ length: count }, (_, number) => number);

describe("addresses", () => {
  test("playersOrigin() gives a player the same address in every seat, of reserved space, for any seed and player", () => {
    const reserved = new BlockList();
    reserved.addSubnet("240.0.0.0", 4, "ipv4");
    reserved.addSubnet("3fff::", 20, "ipv6");
    fc.assert(
      fc.property(seeds, fc.nat(2 ** 32 - 1), fc.nat(), (seed, serial, seat) => {
        const { address, isBot } = playersOrigin(seed)(seat, serial);
        expect(playersOrigin(seed)(0, serial).address).toBe(address);
        expect(isBot).toBe(false);
        expect(reserved.check(address, isIPv6(address) ? "ipv6" : "ipv4"), address).toBe(true);
        expect(address).not.toMatch(/^\S+\.(?:0|255)$/);
      }),
    );
  });

  test("playersOrigin() brings players from about as many networks as there are, some of IPv6; another seed from others", () => {
    const players = 10_000;
    const addresses = upTo(players).map((serial) => playersOrigin(1)(0, serial).address);
    const networks = new Set(
      addresses.map((address) => (isIPv4(address) ? /^(?:\d+\.){3}/ : /^(?:[^:]+:){3}/).exec(address)![0]),
    );
    expect(networks.size).toBeGreaterThan(0.98 * players);
    expect(addresses.filter(isIPv6).length / players).toBeCloseTo(0.3, 1);
    const others = new Set(upTo(players).map((serial) => playersOrigin(2)(0, serial).address));
    expect(addresses.filter((address) => others.has(address)).length).toBeLessThan(5);
  });

  test("farmPrefixes() names different /24 of the benchmarks' space, the same for one seed", () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const prefixes = farmPrefixes(seed);
        expect(new Set(prefixes).size).toBe(FARM_PREFIXES);
        for (const prefix of prefixes) {
          const [, third] = /^198\.1[89]\.(\d{1,3})\.0\/24$/.exec(prefix) ?? [];
          expect(Number(third), prefix).toBeLessThan(256);
        }
        expect(farmPrefixes(seed)).toEqual(prefixes);
      }),
    );
    expect(farmPrefixes(1)).not.toEqual(farmPrefixes(2));
  });

  test("botsOrigin() spreads bots over the prefixes and all their addresses; who comes anew to a seat comes from there", () => {
    const prefixes = ["198.18.4.0/24", "198.19.255.0/24"];
    const origin = botsOrigin(prefixes);
    expect(upTo(4).map((seat) => origin(seat, seat))).toEqual(
      ["198.18.4.1", "198.19.255.1", "198.18.4.2", "198.19.255.2"].map((address) => ({ address, isBot: true })),
    );
    expect(origin(3, 12_345)).toEqual(origin(3, 3));
    const counts = [...Map.groupBy(upTo(2 * 254 * 3), (seat) => origin(seat, 0).address).values()];
    expect(counts.map((seats) => seats.length)).toEqual(Array.from({ length: 2 * 254 }, () => 3));
    expect(origin(2 * 254, 0).address).toBe("198.18.4.1");
  });
});
