/** The rules of modes, played against presences as a player's owner holds them, and against the plainest reading of them. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { NO_SEQ, Presences } from "../../cluster/records/presences.ts";
import { Catalogue, type CatalogueMode, NOT_CONNECTED, type Verdict } from "../../engine/catalogue.ts";
import { Engine } from "../../engine/engine.ts";
import { playerId } from "../../simulator/players.ts";
import { OPTIONS, START_MS } from "../support/numbered-engine.ts";
import { StubRules } from "../support/stub-rules.ts";

const MODES = ["GM01", "GM02", "GM03", "GM04"] as const;
const NAMES = ["season-pass", "beta"];
const PLAYERS = 3;
const [NOW_MS, REGIONS_COUNT] = [1000, 3];

const anyRules: fc.Arbitrary<CatalogueMode> = fc
  .record({
    mode: fc.constantFrom(...MODES),
    requires: fc.option(fc.subarray(NAMES, { minLength: 1 }), { nil: undefined }),
    regions: fc.option(fc.subarray([0, 1, 2], { minLength: 1 }), { nil: undefined }),
    from: fc.option(fc.subarray([...MODES, NOT_CONNECTED]), { nil: undefined }),
    retiredMs: fc.option(fc.constantFrom(NOW_MS - 1, NOW_MS, NOW_MS + 1), { nil: undefined }),
  })
  .map((rules) => JSON.parse(JSON.stringify(rules)) as CatalogueMode); // what is undefined is left out
const anyCatalogue = fc
  .tuple(fc.uniqueArray(anyRules, { selector: ({ mode }) => mode, maxLength: 4 }), fc.boolean())
  .map(([modes, refusesUnknown]) => new Catalogue({ version: 1, refusesUnknown, modes }));
const anyStep = fc.record({
  player: fc.nat(PLAYERS - 1),
  operation: fc.constantFrom("report", "report", "report", "remove", "renew"),
  region: fc.nat(REGIONS_COUNT - 1),
  mode: fc.constantFrom(...MODES),
  entitlements: fc.subarray(NAMES),
  seq: fc.oneof({ weight: 3, arbitrary: fc.constant(NO_SEQ) }, fc.nat(3)),
});

/** What API.md's table of refusals says, read from the top. */
function refusalOf(
  { data }: Catalogue,
  { mode, region, entitlements }: { mode: string; region: number; entitlements: readonly string[] },
  standing: { readonly mode: string; readonly region: number } | undefined,
): Verdict | undefined {
  const rules = data.modes.find((each) => each.mode === mode);
  if (rules === undefined) return data.refusesUnknown ? "unknown mode" : undefined;
  if ((rules.requires ?? []).some((each) => !entitlements.includes(each))) return "not entitled";
  if (rules.regions !== undefined && !rules.regions.includes(region)) return "not offered";
  const stays = standing !== undefined && standing.mode === mode;
  if ((rules.retiredMs ?? Infinity) <= NOW_MS && !(stays && standing.region === region)) return "retired";
  if (rules.from !== undefined && !stays && !rules.from.includes(standing?.mode ?? NOT_CONNECTED))
    return "switch forbidden";
  return undefined;
}

test("Presences.report() refuses what the rules refuse, and what is refused changes nothing", () => {
  fc.assert(
    fc.property(anyCatalogue, fc.array(anyStep, { maxLength: 60 }), (catalogue, steps) => {
      const rules = new StubRules();
      Object.assign(rules, { catalogue, now: NOW_MS });
      const engine = new Engine(OPTIONS, START_MS);
      const presences = new Presences(engine, undefined, undefined, rules);
      const standing = new Map<number, { mode: string; region: number; seq: number; isConnected: boolean }>();
      for (const { player, operation, ...reported } of steps) {
        const id = playerId(player);
        const hash = engine.hash(id);
        const known = standing.get(player);
        const connected = known?.isConnected === true ? known : undefined;
        if (operation === "renew") expect(presences.renew(hash, id)).toBe(connected !== undefined);
        else if (operation === "remove") {
          presences.remove(hash, id, NO_SEQ);
          standing.set(player, { mode: "", region: -1, seq: known?.seq ?? 0, isConnected: false });
        } else {
          const before = engine.find(hash, id);
          const isLate = reported.seq > 0 && reported.seq <= (known?.seq ?? 0);
          const refused = refusalOf(catalogue, reported, connected);
          const outcome = presences.report(hash, id, reported);
          if (isLate) expect(outcome).toBe("late");
          else if (refused !== undefined) expect(outcome).toBe(refused);
          else {
            const isSame = connected?.mode === reported.mode && connected.region === reported.region;
            expect(outcome).toBe(isSame ? "renewed" : "changed");
            const seq = reported.seq === NO_SEQ ? (known?.seq ?? 0) : reported.seq;
            standing.set(player, { mode: reported.mode, region: reported.region, seq, isConnected: true });
          }
          if (isLate || refused !== undefined) expect(engine.find(hash, id)).toEqual(before);
        }
      }
      engine.assertSound();
    }),
  );
});

test("leaving and coming back opens no way into a mode but the one of those who are not connected", () => {
  fc.assert(
    fc.property(anyCatalogue, fc.array(anyStep, { maxLength: 40 }), (catalogue, steps) => {
      const guarded = catalogue.data.modes.filter(({ from }) => from?.includes(NOT_CONNECTED) === false);
      const rules = new StubRules();
      Object.assign(rules, { catalogue, now: NOW_MS });
      const engine = new Engine(OPTIONS, START_MS);
      const presences = new Presences(engine, undefined, undefined, rules);
      const [id, hash] = [playerId(1), engine.hash(playerId(1))];
      let last: string = NOT_CONNECTED;
      for (const { operation, ...reported } of steps) {
        if (operation === "remove") {
          presences.remove(hash, id, NO_SEQ);
          last = NOT_CONNECTED;
        } else if (presences.report(hash, id, { ...reported, seq: NO_SEQ }) === "changed") {
          const { from } = guarded.find(({ mode }) => mode === reported.mode) ?? {};
          if (from !== undefined && last !== reported.mode) expect(from).toContain(last);
          last = reported.mode;
        }
      }
    }),
  );
});

test("Catalogue.judge() is a function of what it is given: it says the same again, and changes nothing", () => {
  fc.assert(
    fc.property(anyCatalogue, anyStep, fc.option(fc.constantFrom(...MODES)), (catalogue, step, stands) => {
      const before = structuredClone(catalogue.data);
      const asked = Object.freeze({ ...step, nowMs: NOW_MS });
      const standing = stands === null ? undefined : Object.freeze({ mode: stands, region: 0 });
      const verdict = catalogue.judge(asked, () => standing);
      expect(catalogue.judge(asked, () => standing)).toBe(verdict);
      expect(new Catalogue(before).judge(asked, () => standing)).toBe(verdict);
      expect(catalogue.data).toEqual(before);
      if (catalogue.isFree(step.mode)) expect(verdict).toBeUndefined();
      if (catalogue.isUnknown(step.mode)) expect(verdict).toBe("unknown mode");
    }),
  );
});
