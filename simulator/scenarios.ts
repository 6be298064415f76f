/** The named scenarios. */
import type { ScenarioName } from "./scenario-names.ts";
import { CLAIMS } from "./scenarios/claims.ts";
import { CRASHES } from "./scenarios/crashes.ts";
import { FAILING } from "./scenarios/failing.ts";
import { FLUSHED } from "./scenarios/flushed.ts";
import { FOUNDING } from "./scenarios/founding.ts";
import { LICENCES } from "./scenarios/licences.ts";
import { MODES } from "./scenarios/modes.ts";
import { MOVING } from "./scenarios/moving.ts";
import { PLACES } from "./scenarios/places.ts";
import { PULLING } from "./scenarios/pulling.ts";
import { RETURNS } from "./scenarios/returns.ts";
import { RULES } from "./scenarios/rules.ts";
import { ROWS } from "./scenarios/rows.ts";
import { LARGE_RUNS } from "./scenarios/large.ts";
import { RECORDS } from "./scenarios/records.ts";
import type { Scenario } from "./scenarios/scenario.ts";
import { SESSION_SCENARIOS } from "./scenarios/sessions.ts";
import { STORE } from "./scenarios/store.ts";
import { WAITING } from "./scenarios/waiting.ts";
import { WORLD } from "./scenarios/world.ts";

export const SCENARIOS: Readonly<Record<ScenarioName, Scenario>> = {
  ...MOVING,
  ...STORE,
  ...FAILING,
  ...ROWS,
  ...FOUNDING,
  ...RECORDS,
  ...FLUSHED,
  ...CLAIMS,
  ...RETURNS,
  ...LICENCES,
  ...WORLD,
  ...LARGE_RUNS,
  ...WAITING,
  ...CRASHES,
  ...MODES,
  ...PULLING,
  ...PLACES,
  ...RULES,
  ...SESSION_SCENARIOS,
};
