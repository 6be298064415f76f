/** The named scenarios. */
import type { ScenarioName } from "./scenario-names.ts";
import { FAILING } from "./scenarios/failing.ts";
import { MOVING } from "./scenarios/moving.ts";
import { PULLING } from "./scenarios/pulling.ts";
import type { Scenario } from "./scenarios/scenario.ts";
import { STORE } from "./scenarios/store.ts";

export const SCENARIOS: Readonly<Record<ScenarioName, Scenario>> = { ...MOVING, ...STORE, ...FAILING, ...PULLING };
