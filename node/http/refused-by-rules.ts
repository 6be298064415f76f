/** What a client is told whose report the rules of the studio's modes refuse: the same in single reports and in rows of batches. */
import type { Asked, Catalogue, CatalogueMode, Verdict } from "../../engine/catalogue.ts";
import { REGIONS } from "../../engine/places.ts";
import { refusal } from "../values.ts";
import type { Reason, Refusal } from "./reasons.ts";

/** What a report asked for, as far as words need it. */
export type AskedFor = Pick<Asked, "mode" | "region" | "entitlements">;

/** Of a list in a message; the others are counted. */
const NAMED_MAX = 8;

/** @param rules of the mode, as this node knows them: `undefined` where the player's owner knew others */
type Wording = (asked: AskedFor, rules: CatalogueMode | undefined) => string;

/** A new verdict cannot compile unanswered. */
const VERDICTS = {
  "unknown mode": {
    status: 400,
    reason: "unknown-mode",
    message: ({ mode }) => refusal("gamemode", "a mode of the catalogue", mode),
  },
  "not entitled": {
    status: 403,
    reason: "not-entitled",
    message: ({ mode, entitlements }, rules) => {
      const missing = rules?.requires?.filter((each) => !entitlements.includes(each)) ?? [];
      const what = missing.length === 0 ? "entitlements" : named(missing);
      return `gamemode ${mode} needs ${what}, which the player's token or row does not have`;
    },
  },
  "not offered": {
    status: 403,
    reason: "not-offered",
    message: ({ mode, region }, rules) => {
      const codes = rules?.regions?.map((each) => REGIONS[each] as string) ?? [];
      const where = codes.length === 0 ? "" : ` (${named(codes)})`;
      return refusal("region", `a country in which ${mode} is offered${where}`, REGIONS[region]);
    },
  },
  retired: {
    status: 403,
    reason: "retired",
    message: ({ mode }, rules) => {
      const since =
        rules?.retiredMs === undefined ? "" : ` (this one is since ${new Date(rules.retiredMs).toISOString()})`;
      return refusal("gamemode", `one that is not retired${since}`, mode);
    },
  },
  "switch forbidden": {
    status: 409,
    reason: "switch-forbidden",
    message: ({ mode }, rules) => {
      const from =
        rules?.from === undefined
          ? ""
          : `: ${mode} only from ${rules.from.length === 0 ? "no mode" : named(rules.from)}`;
      return refusal("gamemode", `one that the player may come into from where it is now${from}`, mode);
    },
  },
} as const satisfies Record<Verdict, { readonly status: number; readonly reason: Reason; readonly message: Wording }>;

/** @param catalogue that this node knows; the player's owner may have judged by another */
export function refusalByRules(verdict: Verdict, asked: AskedFor, catalogue: Catalogue): Refusal {
  const { status, reason, message } = VERDICTS[verdict];
  const wording: Wording = message;
  return { status, reason, message: wording(asked, catalogue.rulesOf(asked.mode)) };
}

function named(names: readonly string[]): string {
  const more = names.length - NAMED_MAX;
  return names.slice(0, NAMED_MAX).join(", ") + (more > 0 ? ` and ${more} more` : "");
}
