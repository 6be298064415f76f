/** The short form of `npm run simulate`. Runs are in processes of their own: each virtual second costs a real millisecond. */
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { catchFault } from "../../simulator/fault-hunt.ts";
import type { Job, Result } from "../../simulator/jobs.ts";
import { patched } from "../../simulator/patching.ts";
import type { PlantedFault } from "../../simulator/planted-faults/planted-fault.ts";
import { PLANTED_FAULTS } from "../../simulator/planted-faults.ts";
import { runPool } from "../../simulator/pool.ts";
import { SCENARIO_NAMES } from "../../simulator/scenario-names.ts";

const SEEDS = 2000;
const SEEDS_A_SCENARIO = 3;
/** Most are caught by the first scenarios or seeds; the slowest took 45. */
const SEEDS_A_FAULT = 150;
/** Past these it hangs: two idle cores need a tenth of them, and `npm test` leaves it only what its other tests do not use. */
const RANDOM_TIMEOUT_MS = 1_200_000;
const SCENARIOS_TIMEOUT_MS = 480_000;
const FAULT_TIMEOUT_MS = 480_000;

test(
  `the cluster keeps every promise under random faults, ${SEEDS} seeds`,
  { timeout: RANDOM_TIMEOUT_MS },
  async () => {
    const jobs = Array.from({ length: SEEDS }, (_, index) => ({ seed: index + 1, scenario: undefined }));
    expect(await brokenPromises(jobs)).toEqual([]);
  },
);

test("the cluster keeps every promise in the named scenarios", { timeout: SCENARIOS_TIMEOUT_MS }, async () => {
  const seeds = Array.from({ length: SEEDS_A_SCENARIO }, (_, index) => index + 1);
  const jobs = SCENARIO_NAMES.flatMap((scenario) => seeds.map((seed) => ({ seed, scenario })));
  expect(await brokenPromises(jobs)).toEqual([]);
});

describe.concurrent("planted faults", () => {
  for (const [name, fault] of Object.entries(PLANTED_FAULTS)) {
    const { rule, patches, harmless, rare } = fault;
    test(
      `${rule}: ${name}: ${whatIsTested(fault)}`,
      {
        timeout: FAULT_TIMEOUT_MS,
      },
      async () => {
        for (const patch of patches)
          patched(readFileSync(join(import.meta.dirname, "../..", patch.file), "utf8"), [patch]);
        if (harmless === undefined && rare === undefined)
          expect(await catchFault(name, SEEDS_A_FAULT, 1)).toMatchObject({ failure: expect.any(String) });
      },
    );
  }
});

function whatIsTested({ harmless, rare }: PlantedFault): string {
  if (harmless !== undefined) return "can be planted, and does no harm";
  return rare === undefined ? "is caught" : "can be planted, and few runs catch it";
}

async function brokenPromises(jobs: Iterable<Job>): Promise<string[]> {
  const broken: string[] = [];
  await runPool(jobs, {
    workers: availableParallelism(),
    onResult: ({ job, failure }: Result) => {
      if (failure !== undefined) broken.push(`${replay(job)}: ${failure}`);
      return broken.length < 5;
    },
  });
  return broken;
}

function replay({ seed, scenario }: Job): string {
  const what = scenario === undefined ? "" : ` --scenario ${JSON.stringify(scenario)}`;
  return `npm run simulate -- --trace${what} --seeds ${seed}`;
}
