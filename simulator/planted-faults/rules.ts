/** Breaches of R29: the rules of modes. */
import { fault, type PlantedFault } from "./planted-fault.ts";

const APPLIER = "cluster/rows/row-applier.ts";
const PRESENCES = "cluster/records/presences.ts";
const CODEC = "cluster/rows/row-codec.ts";
const NODE = "cluster/cluster-node.ts";
const OWNER = "an owner that has not heard of the rules that the entry knows";
const ENTRY = "an entry that has not heard of the rules that the owner knows";
const RACE = "two reports that race through two nodes for a forbidden switch";
const AGAIN = "a report that a dead owner had stored goes again under rules that forbid it";
const THAWED = "a thawed owner asked for a switch that only its old table forbids";
const DEATHS = "rules that change while nodes die, leave and come";

const JUDGED = "return catalogue.judge(asked, () => this.standing(hash, id));";

export const RULE_FAULTS: Readonly<Record<string, PlantedFault>> = {
  "an owner judges by older rules than the entry knows": fault(
    "R29",
    APPLIER,
    "if (this.isBehind(row)) return settle(LOADING);",
    "",
    OWNER,
  ),
  "the version of the rules does not travel": fault(
    "R29",
    CODEC,
    "rulesVersion = Math.max(rulesVersion, row.rulesVersion);",
    "rulesVersion = 0;",
    OWNER,
  ),
  "the entry judges instead of the owner": {
    rule: "R29",
    patches: [
      { file: PRESENCES, find: JUDGED, replace: "return catalogue.judge(asked, () => undefined) && undefined;" },
      {
        file: NODE,
        find: "member.modeGate.submit(row, settle);",
        replace: `const { catalogue } = this.ports.rules;
    const asked = { mode, region, entitlements: row.entitlements, nowMs: this.ports.rules.nowMs() };
    const place = member.presences.find(hash, id);
    const verdict = operation === "report" ? catalogue.judge(asked, () => place) : undefined;
    if (verdict !== undefined) settle({ kind: "refused", reason: verdict });
    else member.modeGate.submit(row, settle);`,
      },
    ],
    scenarios: [ENTRY, RACE],
  },
  "the entry judges what needs no row, and the owner the rest": {
    rule: "R29",
    patches: [
      {
        file: PRESENCES,
        find: JUDGED,
        replace: `const verdict = catalogue.judge(asked, () => this.standing(hash, id));
    return verdict === "switch forbidden" || verdict === "retired" ? verdict : undefined;`,
      },
      {
        file: NODE,
        find: "member.modeGate.submit(row, settle);",
        replace: `const { catalogue } = this.ports.rules;
    const asked = { mode, region, entitlements: row.entitlements, nowMs: this.ports.rules.nowMs() };
    const verdict = operation === "report" ? catalogue.judge(asked, () => undefined) : undefined;
    if (verdict === undefined || verdict === "switch forbidden" || verdict === "retired") member.modeGate.submit(row, settle);
    else settle({ kind: "refused", reason: verdict });`,
      },
    ],
    scenarios: [ENTRY],
  },
  "what the rules refuse is applied all the same": fault(
    "R29",
    PRESENCES,
    "if (verdict !== undefined) return verdict;",
    `if (verdict !== undefined) {
      this.engine.report(hash, id, reported.region, this.engine.admitMode(reported.mode), reported.seq);
      return verdict;
    }`,
    DEATHS,
  ),
  "a report that comes late is judged": fault(
    "R29",
    PRESENCES,
    'if (this.isLate(hash, id, seq)) return "late";',
    "",
    AGAIN,
  ),
  "a refusal by where a player stands needs no licence": fault(
    "R29",
    APPLIER,
    'if (outcome.kind === "refused" && !dependsOnStanding(outcome.reason)) return settle(outcome);',
    'if (outcome.kind === "refused") return settle(outcome);',
    THAWED,
  ),
  "where a player stands is not asked": fault(
    "R29",
    PRESENCES,
    JUDGED,
    'return catalogue.judge(asked, () => ({ mode: "GM01", region }));',
    RACE,
    DEATHS,
  ),
};
