import { expect, test } from "vitest";

import { REGIONS, regionOf } from "../../engine/places.ts";
import { itemAt } from "../../simulator/item-at.ts";
import { REGIONS as COUNTRIES } from "../support/corpora.ts";

test("REGIONS are the 249 countries, ascending", () => {
  expect(COUNTRIES).toHaveLength(249);
  expect(REGIONS).toEqual([...COUNTRIES].sort());
});
test("regionOf() gives a region's place in REGIONS, in either case", () => {
  for (const [number, code] of REGIONS.entries()) {
    const mixed = [
      code,
      code.toLowerCase(),
      code[0] + itemAt(code, 1).toLowerCase(),
      itemAt(code, 0).toLowerCase() + code[1],
    ];
    expect(mixed.map(regionOf), code).toEqual([number, number, number, number]);
  }
});
test("regionOf() knows Namibia, Antarctica and the United Kingdom as GB", () => {
  expect(["NA", "AQ", "GB"].map((code) => REGIONS[regionOf(code)])).toEqual(["NA", "AQ", "GB"]);
});
test.each([
  "XK",
  "UK",
  "EU",
  "ZZ",
  "AA",
  "QM",
  "XA",
  "SU",
  "AN",
  "",
  "C",
  "CAN",
  "124",
  "C ",
  " CA",
  "C4",
  "4C",
  " C",
  "`A",
  "{A",
  "CÀ",
  "\ud83c\udde8",
])("regionOf() refuses %j", (code) => expect(regionOf(code)).toBe(-1));
test("regionOf() takes two letters of ASCII only", () => {
  const codes = new Set(
    REGIONS.flatMap((code) => [
      code,
      code.toLowerCase(),
      code[0] + itemAt(code, 1).toLowerCase(),
      itemAt(code, 0).toLowerCase() + code[1],
    ]),
  );
  for (let unit = 0; unit < 2 ** 16; unit++) {
    const char = String.fromCharCode(unit);
    for (const code of [char + "a", "C" + char])
      if (regionOf(code) >= 0 !== codes.has(code)) expect.fail(`${unit}: ${code}`);
  }
});
