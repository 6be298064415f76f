import { expect, test } from "vitest";
import { Catalogue, type CatalogueMode, NO_CATALOGUE, VERDICTS } from "../../engine/catalogue.ts";
import { COUNTRY_CODES, regionOf } from "../../engine/places.ts";
import { REASONS } from "../../node/http/reasons.ts";
import { refusalByRules } from "../../node/http/refused-by-rules.ts";

const ASKED = { mode: "GM10", region: regionOf("GB"), entitlements: ["beta"] };
const catalogueOf = (rules: Omit<CatalogueMode, "mode">): Catalogue =>
  new Catalogue({ version: 1, refusesUnknown: true, modes: [{ mode: "GM10", ...rules }] });
const messageOf = (verdict: (typeof VERDICTS)[number], rules: Omit<CatalogueMode, "mode"> = {}): string =>
  refusalByRules(verdict, ASKED, catalogueOf(rules)).message;

test("refusalByRules() has a status and a reason for every verdict, as they are listed", () => {
  for (const verdict of VERDICTS) {
    const { status, reason } = refusalByRules(verdict, ASKED, NO_CATALOGUE);
    expect(reason === undefined ? [] : REASONS[reason].statuses).toEqual([status]);
  }
});
test("refusalByRules() says what it can where the player's owner knew other rules than this node", () => {
  expect(VERDICTS.map((verdict) => refusalByRules(verdict, ASKED, NO_CATALOGUE).message)).toEqual([
    'gamemode must be a mode of the catalogue, got "GM10"',
    "gamemode GM10 needs entitlements, which the player's token or row does not have",
    'region must be a country in which GM10 is offered, got "GB"',
    'gamemode must be one that is not retired, got "GM10"',
    'gamemode must be one that the player may come into from where it is now, got "GM10"',
  ]);
});
test("refusalByRules() names what is missing, and what would do", () => {
  expect(messageOf("not entitled", { requires: ["season-pass", "beta"] })).toContain("GM10 needs season-pass, which");
  expect(messageOf("not offered", { regions: [regionOf("CA")] })).toContain("GM10 is offered (CA), got");
  expect(messageOf("switch forbidden", { from: ["GM01", "none"] })).toContain("now: GM10 only from GM01, none, got");
  expect(messageOf("switch forbidden", { from: [] })).toContain("now: GM10 only from no mode, got");
});
test("refusalByRules() names eight of many", () => {
  const regions = [...COUNTRY_CODES.keys()].filter((region) => region !== ASKED.region);
  expect(messageOf("not offered", { regions })).toContain("(AD, AE, AF, AG, AI, AL, AM, AO and 241 more)");
});
