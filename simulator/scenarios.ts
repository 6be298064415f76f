/** The named scenarios. */
import type { ScenarioName } from "./scenario-names.ts";
import { FAILING } from "./scenarios/failing.ts";
import { MODES, MODES_SETTINGS } from "./scenarios/modes.ts";
import { MOVING } from "./scenarios/moving.ts";
import type { Scenario } from "./scenarios/scenario.ts";
import { STORE } from "./scenarios/store.ts";
import type { SharedSettings } from "./world.ts";

export const SCENARIOS: Readonly<Record<ScenarioName, Scenario>> = { ...MOVING, ...STORE, ...FAILING, ...MODES };

/** What a scenario's cluster is founded with, where that is not as usual. */
export const SCENARIO_SETTINGS: Partial<Record<ScenarioName, Partial<SharedSettings>>> = MODES_SETTINGS;
