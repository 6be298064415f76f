/**
 * What `npm run mutants` runs against a mutant of `cluster/` that no unit test noticed: the scenarios of the faults that
 * are planted in the mutated folder, then some seeds of random faults. In this process, since Stryker plants its mutants here.
 */
import { expect, test } from "vitest";
import { ClusterNode } from "../../cluster/cluster-node.ts";
import { type Job, runJob, watchRejections } from "../../simulator/jobs.ts";
import { PLANTED_FAULTS } from "../../simulator/planted-faults.ts";

const SEEDS = 4;

const folder = process.env["HEADCOUNT_MUTANTS"] ?? "cluster";
watchRejections();

test.each([...scenariosOf(folder)])("scenario: %s", async (scenario) => {
  expect(await failureOf({ seed: 1, scenario })).toBeUndefined();
});

test.each(Array.from({ length: SEEDS }, (_, index) => index + 1))("random faults, seed %i", async (seed) => {
  expect(await failureOf({ seed, scenario: undefined })).toBeUndefined();
});

async function failureOf(job: Job): Promise<string | undefined> {
  return (await runJob(job, ClusterNode, false)).failure;
}

function scenariosOf(mutated: string) {
  const faults = Object.values(PLANTED_FAULTS);
  const own = faults.filter(({ patches }) => patches.some(({ file }) => file.startsWith(`${mutated}/`)));
  return new Set(own.flatMap(({ scenarios = [] }) => scenarios));
}
