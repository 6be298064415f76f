/** A deliberate breach of a rule of the design. */
import type { Patch } from "../patching.ts";
import type { ScenarioName } from "../scenario-names.ts";

export interface PlantedFault {
  readonly rule: string;
  readonly patches: readonly Patch[];
  /** Of random runs, those that are tried first, where few seeds catch it. */
  readonly seeds?: readonly number[];
  /** Named scenarios that are tried next. */
  readonly scenarios?: readonly ScenarioName[];
  /** Why it does no harm, where it is not caught. */
  readonly harmless?: string;
  /** Why so few runs catch it that `npm test` does not look for it; `npm run simulate -- --fault` does. */
  readonly rare?: string;
}

export function fault(
  rule: string,
  file: string,
  find: string,
  replace: string,
  ...scenarios: ScenarioName[]
): PlantedFault {
  return { rule, patches: [{ file, find, replace }], scenarios };
}

/** What the Lua scripts do, as plain code: both are held to one suite. */
export const RECORD = "simulator/redis/record-model.ts";
export const KEYS = "simulator/redis/key-model.ts";
export const LIST = "simulator/redis/member-list-model.ts";
