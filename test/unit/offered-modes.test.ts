import { expect, test } from "vitest";
import { Catalogue, NO_CATALOGUE } from "../../engine/catalogue.ts";
import { regionOf } from "../../engine/places.ts";
import { asHtml } from "../../node/admin/as-html.ts";
import { ANYWHERE, OfferedModes, plainJson } from "../../node/http/offered-modes.ts";

const [CA, DE] = [regionOf("CA"), regionOf("DE")];
const catalogue = new Catalogue({
  version: 7,
  refusesUnknown: true,
  modes: [{ mode: "GM02", retiredMs: 1000 }, { mode: "GM01", regions: [CA] }, { mode: "GM03" }],
});

test("OfferedModes tells what is offered there and not retired, until the very instant", () => {
  const offered = new OfferedModes();
  const modesAt = (region: number, nowMs: number): string[] =>
    (JSON.parse(offered.answer(catalogue, region, nowMs).text) as { modes: { mode: string }[] }).modes.map(
      ({ mode }) => mode,
    );
  expect(modesAt(ANYWHERE, 999)).toEqual(["GM02", "GM01", "GM03"]);
  expect(modesAt(DE, 999)).toEqual(["GM02", "GM03"]);
  expect(modesAt(ANYWHERE, 1000)).toEqual(["GM01", "GM03"]);
  expect(modesAt(CA, 999), "clocks are set back too").toEqual(["GM02", "GM01", "GM03"]);
});

test("OfferedModes makes one answer for all regions with the same modes, and another for another catalogue", () => {
  const offered = new OfferedModes();
  const answer = offered.answer(catalogue, DE, 0);
  expect(offered.answer(catalogue, regionOf("FR"), 5)).toBe(answer);
  expect(offered.answer(catalogue, CA, 0).etag).not.toBe(answer.etag);
  expect(offered.answer(NO_CATALOGUE, DE, 0).text).toBe('{"version":0,"modes":[]}');
});

test("OfferedModes keeps no more than so much, however many regions differ", () => {
  const name = "GM".padEnd(64, "x");
  const modes = Array.from({ length: 1024 }, (_, at) => ({
    mode: `${name.slice(0, 58)}${at}`,
    regions: [at % 249],
    from: Array.from({ length: 60 }, () => name),
  }));
  const vast = new Catalogue({ version: 1, refusesUnknown: false, modes });
  const offered = new OfferedModes();
  for (let region = ANYWHERE; region < 249; region++)
    expect(JSON.parse(offered.answer(vast, region, 0).text)).toMatchObject({ version: 1 });
  expect(offered.answer(vast, ANYWHERE, 0).text.length).toBeGreaterThan(4_000_000);
});

test("plainJson and asHtml show what is not seen, and nothing else is changed", () => {
  expect(plainJson({ a: "\u202e\u{e0041}é\u200d" })).toBe(String.raw`{"a":"\u202e\udb40\udc41é\u200d"}`);
  expect(JSON.parse(plainJson(["\u202e\u{e0041}\u2028é"]))).toEqual(["\u202e\u{e0041}\u2028é"]);
  expect(asHtml(`<b title='"&'>\u202e\u{e0041}\u200d`)).toBe(
    "<bdi>&lt;b title=&#39;&quot;&amp;&#39;&gt;[U+202E][U+E0041]\u200d</bdi>",
  );
});
