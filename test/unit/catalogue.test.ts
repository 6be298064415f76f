import { describe, expect, test } from "vitest";
import { type Asked, Catalogue, type CatalogueMode, NO_CATALOGUE, type Standing } from "../../engine/catalogue.ts";
import { regionOf } from "../../engine/places.ts";

const [CA, US, GB] = [regionOf("CA"), regionOf("US"), regionOf("GB")];
const RETIRED_MS = Date.UTC(2026, 11, 1);

const catalogueOf = (modes: readonly CatalogueMode[], refusesUnknown = true): Catalogue =>
  new Catalogue({ version: 7, refusesUnknown, modes });
const MODES: readonly CatalogueMode[] = [
  { mode: "GM01", name: "Team battle", lobby: 8 },
  { mode: "GM02", requires: ["season-pass", "beta"] },
  { mode: "GM03", retiredMs: RETIRED_MS },
  { mode: "GM04", regions: [US, CA] },
  { mode: "GM05", from: ["GM01", "none"] },
  { mode: "GM06", from: ["GM05"] },
  { mode: "GM07", from: [] },
  { mode: "GM08", requires: ["beta"], regions: [CA], from: ["GM01"], retiredMs: RETIRED_MS },
  { mode: "GM09", from: ["GM03"], retiredMs: RETIRED_MS },
];
const RULES = catalogueOf(MODES);

const asking = (mode: string, more: Partial<Asked> = {}): Asked => ({
  mode,
  region: CA,
  entitlements: [],
  nowMs: RETIRED_MS - 1,
  ...more,
});
const at = (mode: string, region = CA): Standing => ({ mode, region });
const judge = (asked: Asked, standing?: Standing, rules = RULES) => rules.judge(asked, () => standing);

describe("Catalogue.judge()", () => {
  test("refuses a mode that is not listed, where unknown ones are refused", () => {
    expect(judge(asking("GM99"))).toBe("unknown mode");
    expect(judge(asking("GM99"), at("GM99")), "where it stands in it").toBe("unknown mode");
    expect(judge(asking("gm01"))).toBe("unknown mode");
    expect(judge(asking("GM99"), undefined, catalogueOf(MODES, false))).toBeUndefined();
    expect(judge(asking("GM99"), undefined, NO_CATALOGUE)).toBeUndefined();
  });
  test("asks nothing of a mode without rules", () => {
    for (const standing of [undefined, at("GM01"), at("GM06"), at("")])
      expect(judge(asking("GM01", { region: GB, nowMs: RETIRED_MS + 1 }), standing)).toBeUndefined();
  });
  test("wants every entitlement that a mode requires, wherever the player stands", () => {
    for (const standing of [undefined, at("GM01"), at("GM02")]) {
      expect(judge(asking("GM02"), standing)).toBe("not entitled");
      expect(judge(asking("GM02", { entitlements: ["beta", "other"] }), standing)).toBe("not entitled");
      expect(judge(asking("GM02", { entitlements: ["beta", "other", "season-pass"] }), standing)).toBeUndefined();
    }
  });
  test("refuses a mode in a country in which it is not offered", () => {
    expect(judge(asking("GM04", { region: GB }))).toBe("not offered");
    expect(judge(asking("GM04", { region: GB }), at("GM04")), "across the border in the same mode").toBe("not offered");
    for (const region of [CA, US]) expect(judge(asking("GM04", { region }))).toBeUndefined();
  });
  test("lets nobody into a retired mode; who stands in it stays, until it moves", () => {
    expect(judge(asking("GM03"))).toBeUndefined();
    const late = asking("GM03", { nowMs: RETIRED_MS });
    expect(judge(late)).toBe("retired");
    expect(judge(late, at("GM01"))).toBe("retired");
    expect(judge(late, at("GM03"))).toBeUndefined();
    expect(judge({ ...late, region: US }, at("GM03"))).toBe("retired");
  });
  test("lets only those into a mode who come from where it says", () => {
    expect(judge(asking("GM05"))).toBeUndefined();
    expect(judge(asking("GM05"), at("GM01"))).toBeUndefined();
    expect(judge(asking("GM05"), at("GM02"))).toBe("switch forbidden");
    expect(judge(asking("GM06"), at("GM05"))).toBeUndefined();
    expect(judge(asking("GM06")), "who is not connected, where none is not named").toBe("switch forbidden");
    expect(judge(asking("GM07"), at("GM01")), "from nowhere").toBe("switch forbidden");
    expect(judge(asking("GM05"), at("none")), "a mode of that name is not listed").toBeUndefined();
  });
  test("takes a report of the mode in which the player stands for no switch, in another country too", () => {
    for (const mode of ["GM05", "GM06", "GM07"])
      for (const region of [CA, US]) expect(judge(asking(mode, { region }), at(mode))).toBeUndefined();
  });
  test("takes a mode whose name was lost for one that no rule names (R28)", () => {
    expect(judge(asking("GM05"), at(""))).toBe("switch forbidden");
  });
  test("names the first of several reasons, the one that nothing but the request decides before the others", () => {
    const late = { nowMs: RETIRED_MS };
    expect(judge(asking("GM08", { ...late, region: US }))).toBe("not entitled");
    expect(judge(asking("GM08", { ...late, region: US, entitlements: ["beta"] }))).toBe("not offered");
    expect(judge(asking("GM08", { ...late, entitlements: ["beta"] }))).toBe("retired");
    expect(judge(asking("GM08", { entitlements: ["beta"] }))).toBe("switch forbidden");
    expect(judge(asking("GM08", { entitlements: ["beta"] }), at("GM01"))).toBeUndefined();
    expect(judge(asking("GM09", late), at("GM03"))).toBe("retired");
  });
  test("asks where the player stands only for what depends on it", () => {
    const asked = (mode: string, more: Partial<Asked> = {}): boolean => {
      let isAsked = false;
      RULES.judge(asking(mode, more), () => void (isAsked = true));
      return isAsked;
    };
    expect(["GM01", "GM02", "GM03", "GM04", "GM99"].filter((mode) => asked(mode))).toEqual([]);
    expect(["GM05", "GM06"].every((mode) => asked(mode)) && asked("GM03", { nowMs: RETIRED_MS })).toBe(true);
  });
});

test("Catalogue.isFree() is true of modes that ask nothing of anybody", () => {
  expect(MODES.filter(({ mode }) => RULES.isFree(mode)).map(({ mode }) => mode)).toEqual(["GM01"]);
  expect([RULES.isFree("GM99"), catalogueOf(MODES, false).isFree("GM99"), NO_CATALOGUE.isFree("GM99")]).toEqual([
    false,
    true,
    true,
  ]);
});
test("Catalogue.isUnknown() is true of modes that are not listed, where those are refused", () => {
  expect([RULES.isUnknown("GM99"), RULES.isUnknown("GM07")]).toEqual([true, false]);
  expect([catalogueOf(MODES, false).isUnknown("GM99"), NO_CATALOGUE.isUnknown("GM99")]).toEqual([false, false]);
});
