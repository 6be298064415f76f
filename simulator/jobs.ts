/** One run of the simulator, and what came of it. */
import { makeRandomWorld, runRandom } from "./random-run.ts";
import type { ScenarioName } from "./scenario-names.ts";
import { SCENARIOS } from "./scenarios.ts";
import type { Scenario } from "./scenarios/scenario.ts";
import type { NodeClass } from "./simulated-node.ts";
import { BrokenPromise, type Tally, USUAL, World, type WorldSettings } from "./world.ts";

export interface Job {
  readonly seed: number;
  /** `undefined`: random faults. */
  readonly scenario: ScenarioName | undefined;
}

/** What a run did. */
export interface Totals extends Omit<Tally, "faults"> {
  readonly virtualMs: number;
  readonly tasks: number;
  readonly faults: Readonly<Record<string, number>>;
}

export interface Result {
  readonly job: Job;
  /** Which promise was broken; `undefined`: none. */
  readonly failure: string | undefined;
  readonly totals: Totals;
  readonly lines: readonly string[];
}

let current: World | undefined;
let stray: string | undefined;

/** A promise that nobody looks after, in any run, breaks it. */
export function watchRejections(): void {
  process.on("unhandledRejection", (reason) => {
    stray = `unhandled rejection: ${reason instanceof Error ? reason.stack : String(reason)}`;
    current?.fail(stray);
  });
}

export async function runJob(job: Job, nodeClass: NodeClass, isTraced: boolean): Promise<Result> {
  const { seed, scenario } = job;
  stray = undefined;
  const world =
    scenario === undefined
      ? makeRandomWorld(seed, nodeClass, isTraced)
      : new World(seed, nodeClass, isTraced, settingsOf(SCENARIOS[scenario], seed));
  current = world;
  let failure: string | undefined;
  try {
    if (scenario === undefined) await runRandom(world, seed);
    else await SCENARIOS[scenario](world, seed);
    await world.run(0); // a run ends with what was noticed in it, and something may have been noticed since
  } catch (error) {
    failure = error instanceof BrokenPromise ? error.message : String((error as Error).stack ?? error);
  }
  current = undefined;
  const { faults, ...numbers } = world.tally;
  const totals = {
    virtualMs: world.nowMs,
    tasks: world.time.tasks,
    ...numbers,
    faults: Object.fromEntries(faults),
  };
  return { job, failure: failure ?? stray, totals, lines: world.lines };
}

function settingsOf({ settings }: Scenario, seed: number): WorldSettings {
  return { ...USUAL, tagsCount: seed % 2 === 0 ? 1 : 4, ...settings };
}
