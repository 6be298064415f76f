import { describe, expect, test } from "vitest";
import { entitlementsIn } from "../../node/access/grant.ts";

describe("entitlementsIn()", () => {
  test("keeps what has the form of an entitlement, each once", () => {
    const named = [
      "season-pass",
      "",
      7,
      null,
      ["beta"],
      "a b",
      "\u202eabc",
      "beta",
      "season-pass",
      "x".repeat(65),
      "-.:_",
    ];
    expect(entitlementsIn(named)).toEqual(["-.:_", "beta", "season-pass"]);
    expect(entitlementsIn([])).toEqual([]);
  });
  test("keeps 64 at the most, the first ones", () => {
    const many = Array.from({ length: 70 }, (_, index) => `e${String(index).padStart(2, "0")}`);
    expect(entitlementsIn(many)).toEqual(many.slice(0, 64));
  });
  test("gives the same list for the same entitlements, in whatever order, so that many grants share it", () => {
    const list = entitlementsIn(["one", "two"]);
    expect(entitlementsIn(["two", "one", "one"])).toBe(list);
    expect(entitlementsIn([])).toBe(entitlementsIn([1]));
  });
  test("forgets lists when there are many, and gives equal ones then", () => {
    const list = entitlementsIn(["kept", "for", "long"]);
    for (let index = 0; index < 10_000; index++) entitlementsIn([`own-${index}`]);
    expect(entitlementsIn(["kept", "for", "long"])).toEqual(list);
  });
});
