/** Whether a planted fault is caught: by the seeds and scenarios that are known to, with some seeds each, then by random runs. */
import type { Job } from "./jobs.ts";
import { faultNamed } from "./planted-faults.ts";
import { runPool } from "./pool.ts";

export interface Catch {
  /** Runs until it was caught, or all. */
  readonly runs: number;
  /** `undefined`: by nothing. */
  readonly caughtBy: string | undefined;
  readonly failure: string | undefined;
}

const SEEDS_A_SCENARIO = 12;

/** @throws {Error} where the fault can no longer be planted: the source has changed */
export async function catchFault(name: string, seedsMax: number, workers: number): Promise<Catch> {
  const { scenarios = [], seeds = [] } = faultNamed(name);
  const jobs: Job[] = seeds.map((seed) => ({ seed, scenario: undefined }));
  for (let seed = 1; seed <= SEEDS_A_SCENARIO; seed++) for (const scenario of scenarios) jobs.push({ seed, scenario });
  for (let seed = 1; seed <= seedsMax; seed++) jobs.push({ seed, scenario: undefined });
  let runs = 0;
  let caught: Catch | undefined;
  await runPool(jobs, {
    workers,
    fault: name,
    onResult: ({ job, failure }) => {
      runs++;
      const caughtBy = job.scenario === undefined ? `seed ${job.seed}` : `"${job.scenario}", seed ${job.seed}`;
      if (failure !== undefined) caught ??= { runs, caughtBy, failure };
      return caught === undefined;
    },
  });
  return caught ?? { runs, caughtBy: undefined, failure: undefined };
}
