/** Breaches of R28: the names of modes. */
import { fault, type PlantedFault } from "./planted-fault.ts";

const GATE = "cluster/rows/mode-gate.ts";
const NAMES = "cluster/members/mode-names.ts";
/** What the Lua scripts do, as plain code: both are held to one suite. */
const SCRIPTS = "simulator/redis/mode-names-model.ts";
const MANY = "modes that come and go, more than there is room for";
const NEW = "a mode that is new, and a report behind it that needs no answer";
const AGAIN = "a mode used again in the moment in which it goes";
const EMPTY = "modes in use when the store comes back empty";
const DEATH = "a dead node's modes while room is needed";

export const MODE_FAULTS: Readonly<Record<string, PlantedFault>> = {
  "a name is admitted without asking": fault(
    "R28",
    GATE,
    'return operation === "report" && !this.ports.names.isAdmitted(mode);',
    "return false && (operation === undefined || mode === undefined);",
    MANY,
  ),
  "a row overtakes one that waits for its mode": fault(
    "R28",
    GATE,
    "if (queue === undefined && !mustAsk) return",
    "if (!mustAsk) return",
    NEW,
  ),
  "a marked name goes at once": fault(
    "R28",
    SCRIPTS,
    "if (mark.knownAt === 0 && settled >= mark.at) {",
    "gone.push(name);\n      if (mark.knownAt === 0 && settled >= mark.at) {",
    MANY,
    DEATH,
  ),
  "a marked name is used without asking": fault(
    "R28",
    NAMES,
    "return this.admitted.has(name);\n  }\n\n  /** Whether",
    "return this.isAgreed(name);\n  }\n\n  /** Whether",
    AGAIN,
  ),
  "who holds a marked name does not say so": fault(
    "R28",
    NAMES,
    "return names.filter((name) => tables.isInUse(name));",
    "return names.filter((name) => tables.isInUse(name) && !this.marked.has(name));",
    MANY,
    DEATH,
  ),
  "a name goes although nobody speaks for a partition": fault(
    "R28",
    SCRIPTS,
    "revision >= mark.knownAt && spoken.size === partitionCount)",
    "revision >= mark.knownAt && spoken.size <= partitionCount)",
    DEATH,
  ),
  "names that the store lost are not told again": fault(
    "R28",
    NAMES,
    "this.revision = this.settledRevision = 0;\n    this.learned = [];\n    this.mustTell = true;",
    "",
    EMPTY,
  ),
};
