import fc from "fast-check";
import { expect, test } from "vitest";
import { gunzipSync, zstdDecompressSync } from "node:zlib";

import { type Coding, codingFor, pack, packLater, wantedBy } from "../../node/http/packing.ts";
import { packedOf, PopularModes, textOf } from "../../node/http/popular-modes.ts";
import type { RegionCounts } from "../../node/entry.ts";

test.each([
  [undefined, undefined, false],
  ["", undefined, false],
  ["gzip", "gzip", false],
  ["GZip", "gzip", false],
  ["x-gzip", "gzip", false],
  ["gzip, deflate, br, zstd", "zstd", false],
  ["gzip;q=1.0, zstd;q=0.9", "gzip", false],
  ["zstd;q=0.5,gzip;q=0.5", "zstd", false],
  ["br", undefined, false],
  ["*", "gzip", false],
  ["*;q=0", undefined, true],
  ["gzip, *;q=0", "gzip", true],
  ["zstd;q=0, *", "gzip", false],
  ["gzip;q=0", undefined, false],
  ["gzip;q=0.000", undefined, false],
  ["identity;q=0", undefined, true],
  ["identity;q=0, gzip;q=0.001", "gzip", true],
  ["identity, gzip;q=0.5", undefined, false],
  ["identity;q=0.5, gzip", "gzip", false],
  [" gzip ; Q=1 ", "gzip", false],
  ["gzip;q=2", undefined, false],
  ["gzip;q=-1, zstd;q=0.1234", undefined, false],
  ["gzip;level=9", undefined, false],
  [`${"x, ".repeat(100)}gzip`, undefined, false],
] as const)("Accept-Encoding: %s takes %s, packed only: %s", (header, coding, isPackedOnly) => {
  expect(wantedBy(header)).toEqual({ coding, isPackedOnly });
  expect(wantedBy(header), "again").toEqual({ coding, isPackedOnly });
});

test("a client never gets what it refuses, nor less wanted than what it names first", () => {
  const anyWeight = fc.integer({ min: 0, max: 1000 });
  const anyWeights = fc.dictionary(fc.constantFrom("gzip", "zstd", "br", "identity", "deflate"), anyWeight);
  fc.assert(
    fc.property(anyWeights, (weights) => {
      const header = Object.entries(weights).map(([name, weight]) => `${name};q=${(weight / 1000).toFixed(3)}`);
      const { coding, isPackedOnly } = wantedBy(header.join(", "));
      const of = (name: string): number => weights[name] ?? 0;
      if (coding === undefined) expect(Math.max(of("gzip"), of("zstd")) <= of("identity")).toBe(true);
      else expect(of(coding) > 0 && of(coding) === Math.max(of("gzip"), of("zstd"), of("identity"))).toBe(true);
      expect(isPackedOnly).toBe(weights["identity"] === 0);
    }),
  );
});

test("wantedBy() holds few of many headers", () => {
  for (let at = 0; at < 1000; at++) expect(wantedBy(`gzip, x${at}`).coding).toBe("gzip");
});

test("short answers are packed only for who takes nothing else", () => {
  expect(codingFor(wantedBy("gzip"), 1023)).toBeUndefined();
  expect(codingFor(wantedBy("gzip"), 1024)).toBe("gzip");
  expect(codingFor(wantedBy("gzip, identity;q=0"), 1)).toBe("gzip");
  expect(codingFor(wantedBy("identity;q=0"), 4096), "it gets it as it is").toBeUndefined();
});

const unpack = (bytes: Buffer, coding: Coding): string =>
  (coding === "gzip" ? gunzipSync(bytes) : zstdDecompressSync(bytes)).toString();

test.each(["gzip", "zstd"] as const)("%s gives back what was packed, long texts too", async (coding) => {
  for (const text of ["", "x", "{}".repeat(1000), "long ".repeat(100_000)]) {
    expect(unpack(pack(text, coding), coding)).toBe(text);
    expect(unpack(await packLater(text, coding), coding)).toBe(text);
  }
});

test("popular modes are packed once for a moment, and anew for other counts", () => {
  const counts = (version: number): RegionCounts => ({
    term: 1,
    version,
    players: 1,
    ageMs: 0,
    isComplete: true,
    isStale: false,
    top: () => [{ mode: `GM${version}`, players: 1 }],
  });
  const [all, SHOWN] = [new PopularModes(), new Set<string>()];
  const at = (version: number, asOf: string, nowMs: number): Buffer =>
    packedOf(all.answer("CA", counts(version), SHOWN, 5), asOf, "gzip", nowMs);
  const first = at(1, "2026-01-01T00:00:00.000Z", 0);
  expect(at(1, "2026-01-01T00:00:00.099Z", 99)).toBe(first);
  const later = at(1, "2026-01-01T00:00:00.100Z", 100);
  expect(unpack(later, "gzip")).toContain("00.100Z");
  const other = at(2, "2026-01-01T00:00:00.101Z", 101);
  expect(unpack(other, "gzip")).toBe(textOf(all.answer("CA", counts(2), SHOWN, 5), "2026-01-01T00:00:00.101Z"));
});
