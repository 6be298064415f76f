import { expect, test } from "vitest";
import { PLACES } from "../../engine/places.ts";
import type { RegionCounts } from "../../node/entry.ts";
import { LiveAnswers } from "../../node/http/live-answers.ts";
import { PopularModes, textOf } from "../../node/http/popular-modes.ts";

const NOTHING_HIDDEN: ReadonlySet<string> = new Set();
const COUNTS: RegionCounts = {
  players: 3,
  term: 1,
  version: 1,
  ageMs: 0,
  isComplete: true,
  isStale: false,
  top: (limit) =>
    [
      { mode: "GM01", players: 2 },
      { mode: "GM02", players: 1 },
    ].slice(0, limit),
};

test("PopularModes.answer() makes an answer once, and anew where something changed", () => {
  const subject = new PopularModes();
  const answer = (counts: RegionCounts, top = 5) => subject.answer("US-CA", counts, NOTHING_HIDDEN, top);
  const first = answer(COUNTS);
  expect(textOf(first, "now")).toBe(
    '{"region":"US-CA","players":3,"asOf":"now","gamemodes":[{"mode":"GM01","rank":1,"players":2,"share":0.6667},{"mode":"GM02","rank":2,"players":1,"share":0.3333}]}',
  );
  expect(answer({ ...COUNTS, ageMs: 5 })).toBe(first);
  expect(answer(COUNTS, 1)).not.toBe(first);
  expect(answer(COUNTS)).toBe(first);
  for (const change of [{ version: 2 }, { term: 2 }, { isStale: true }, { isComplete: false }, { table: {} }])
    expect(answer({ ...COUNTS, ...change })).not.toBe(first);
});

test("PopularModes keeps the answers about all countries and areas, and not those about all places", () => {
  const subject = new PopularModes();
  const answer = (place: string) => subject.answer(place, COUNTS, NOTHING_HIDDEN, 5);
  const codes = PLACES.map(({ code }) => code);
  const often = codes.filter((code) => !code.includes("-"));
  const made = often.map(answer);
  expect(often.map(answer).every((again, at) => again === made[at])).toBe(true);
  const all = codes.map(answer);
  const kept = codes.toReversed().filter((code) => answer(code) === all[codes.indexOf(code)]);
  expect(kept.length).toBeGreaterThan(250);
  expect(kept.length).toBeLessThanOrEqual(512);
});

test("LiveAnswers: where every place is watched, none counts as changed because others are looked at", () => {
  const entry = { regionCounts: () => COUNTS };
  const context = { controls: { quarantined: NOTHING_HIDDEN }, service: { entry } };
  const subject = new LiveAnswers(context as unknown as ConstructorParameters<typeof LiveAnswers>[0]);
  const states = (): unknown[] => PLACES.map((_, place) => subject.read(place)?.state);
  const before = states();
  expect(before).not.toContain(undefined);
  expect(states()).toEqual(before);
});
