/** `npm run simulate`: see `--help`. One seed is one run; the exit code is 1 where a promise was broken. */
import { availableParallelism } from "node:os";
import { Command, InvalidArgumentError } from "commander";
import { catchFault } from "./fault-hunt.ts";
import type { Job, Result } from "./jobs.ts";
import { plant } from "./patching.ts";
import { faultNamed, PLANTED_FAULTS } from "./planted-faults.ts";
import { runPool } from "./pool.ts";
import { Report } from "./report.ts";
import { SCENARIO_NAMES, type ScenarioName } from "./scenario-names.ts";

interface Options {
  readonly seeds: readonly [first: number, last: number];
  readonly workers: number;
  readonly scenario: ScenarioName | "all" | undefined;
  readonly fault: string | undefined;
  readonly trace: boolean;
  readonly keepGoing: boolean;
}

const program = new Command("simulate")
  .description("Runs the real cluster code over a simulated network, store and clock, and checks every promise.")
  .option("--seeds <first-last>", "random runs", seedsOf, [1, 200])
  .option("--workers <count>", "processes", Number, availableParallelism())
  .option("--scenario <name>", `a named scenario, or all:\n${SCENARIO_NAMES.join("\n")}`, scenarioOf)
  .option("--fault <name>", "plants a fault and runs until it is caught; or all", faultOf)
  .option("--trace", "prints every event of one seed or scenario", false)
  .option("--keep-going", "goes on after a broken promise", false);
program.parse();
const options: Options = program.opts();

process.exitCode = (await main()) ? 0 : 1;

async function main(): Promise<boolean> {
  if (options.trace) return trace();
  if (options.fault !== undefined) return hunt();
  return run();
}

/** Random runs or scenarios. A signal ends them early; what they did is told all the same. */
async function run(): Promise<boolean> {
  const report = new Report();
  let isEnding = false;
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => (isEnding = true));
  await runPool(jobs(), {
    workers: options.workers,
    onResult: (result) => {
      report.add(result);
      if (result.failure !== undefined) explain(result);
      return !isEnding && (result.failure === undefined || options.keepGoing);
    },
  });
  console.log(report.text());
  return report.failures === 0;
}

function* jobs(): Generator<Job> {
  const { scenario } = options;
  const names: readonly (ScenarioName | undefined)[] = scenario === "all" ? SCENARIO_NAMES : [scenario];
  for (let [seed] = options.seeds; seed <= options.seeds[1]; seed++)
    for (const name of names) yield { seed, scenario: name };
}

function explain({ job, failure }: Result): void {
  const what = job.scenario === undefined ? "" : ` --scenario ${JSON.stringify(job.scenario)}`;
  console.log(`${job.scenario ?? `seed ${job.seed}`}: ${failure}`);
  console.log(`  npm run simulate -- --trace${what} --seeds ${job.seed}`);
}

/** Plants faults, one after the other, and tells what caught each, as rows of the table in docs/simulation.md. */
async function hunt(): Promise<boolean> {
  const names = options.fault === "all" ? Object.keys(PLANTED_FAULTS) : [options.fault as string];
  let isAllCaught = true;
  for (const name of names) {
    const { rule, harmless } = faultNamed(name);
    const { caughtBy, failure, runs } = await catchFault(name, options.seeds[1], options.workers);
    const by = failure === undefined ? `not caught: ${harmless ?? "?"}` : `${caughtBy}: ${failure.split("\n")[0]}`;
    console.log(`| ${rule} | ${name} | ${runs} | ${by} |`);
    isAllCaught &&= failure !== undefined || harmless !== undefined;
  }
  return isAllCaught;
}

/** One run in this process, told in full. */
async function trace(): Promise<boolean> {
  if (options.fault !== undefined) plant(faultNamed(options.fault).patches);
  const { runJob, watchRejections } = await import("./jobs.ts");
  const { ClusterNode } = await import("../cluster/cluster-node.ts");
  watchRejections();
  const scenario = options.scenario === "all" ? undefined : options.scenario;
  const { lines, failure } = await runJob({ seed: options.seeds[0], scenario }, ClusterNode, true);
  for (const line of lines) console.log(line);
  console.log(failure ?? "every promise was kept");
  return failure === undefined;
}

function scenarioOf(text: string): ScenarioName | "all" {
  const name = SCENARIO_NAMES.find((known) => known === text);
  if (name === undefined && text !== "all") throw new InvalidArgumentError("no scenario has this name");
  return name ?? "all";
}

function faultOf(text: string): string {
  if (text !== "all" && PLANTED_FAULTS[text] === undefined) throw new InvalidArgumentError("no fault has this name");
  return text;
}

function seedsOf(text: string): [number, number] {
  const match = /^(\d+)(?:-(\d+))?$/.exec(text);
  if (match === null) throw new InvalidArgumentError("must be a number, or two with a dash between");
  return [Number(match[1]), Number(match[2] ?? match[1])];
}
