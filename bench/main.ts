/** `npm run bench`: measures what was asked for and writes results.json, RESULTS.md and the plots. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { Command, InvalidArgumentError, Option } from "commander";
import { COMPARED_PARTS, compareWith } from "./against.ts";
import { measureBatches } from "./batches.ts";
import { measureEngine } from "./engine.ts";
import { measureFloor } from "./floor.ts";
import { measureHttp } from "./http.ts";
import { measureIdle } from "./idle.ts";
import { measureLatency } from "./latency.ts";
import { measureMemory } from "./memory.ts";
import { measureOverload } from "./overload.ts";
import { measureReads } from "./reads.ts";
import { measureRules } from "./rules.ts";
import { measureSessions } from "./sessions.ts";
import { writeReport } from "./report/write.ts";
import { type PartName, type Results, RESULTS_FORM } from "./results.ts";
import { FULL, QUICK, type Settings } from "./settings.ts";
import { measureSnapshots } from "./snapshots.ts";
import { measureSoak } from "./soak.ts";
import { measureStreams } from "./streams.ts";
import { measureTokens } from "./tokens.ts";
import { canPin, LOAD_CORE } from "./support/children.ts";
import { describeMachine } from "./support/machine.ts";

const PARTS = {
  engine: measureEngine,
  http: (settings) => measureHttp(settings),
  batches: (settings) => measureBatches(settings),
  reads: (settings) => measureReads(settings),
  latency: (settings) => measureLatency(settings),
  memory: (settings) => measureMemory(settings),
  snapshots: measureSnapshots,
  soak: measureSoak,
  tokens: measureTokens,
  rules: measureRules,
  floor: measureFloor,
  overload: measureOverload,
  idle: measureIdle,
  sessions: measureSessions,
  streams: measureStreams,
} as const satisfies Record<PartName, (settings: Settings) => Promise<unknown>>;

interface Options {
  readonly only?: readonly PartName[];
  readonly quick?: boolean;
  readonly rounds?: number;
  readonly soak?: boolean;
  readonly soakMinutes?: number;
  readonly out?: string;
  readonly report?: boolean;
  readonly against?: string;
}

const HERE = fileURLToPath(new URL(".", import.meta.url));

const program = new Command("npm run bench --")
  .description("Measures Headcount side by side with its floors and with the designs on Redis.")
  .addOption(new Option("--only <part...>", "these parts; the rest of the results stays").choices(Object.keys(PARTS)))
  .option("--quick", "tiny inputs, to see that it works; results go to a temporary folder unless told")
  .option("--rounds <count>", "turns of each contestant", wholeNumber)
  .option("--soak", "the soak too, some thirty minutes more")
  .option("--soak-minutes <minutes>", "length of the soak", wholeNumber)
  .option("--out <folder>", "where results go (default: bench)")
  .option("--report", "measure nothing: make the report again from results.json")
  .addOption(
    new Option(
      "--against <revision>",
      `today's node beside that one's, printed only (${COMPARED_PARTS.join(", ")})`,
    ).conflicts(["report", "out", "soak", "soakMinutes"]),
  );

async function main(options: Options): Promise<void> {
  // This process makes load and asks: it stays off the core that is measured.
  if (canPin && !options.report) spawnSync("taskset", ["-a", "-c", "-p", String(LOAD_CORE), String(process.pid)]);
  if (options.against === undefined) await measureAndReport(options);
  else await compareWith(options.against, comparedParts(options), settingsOf(options));
}

async function measureAndReport(options: Options): Promise<void> {
  const folder = resolve(options.out ?? (options.quick ? join(tmpdir(), "headcount-bench") : HERE));
  mkdirSync(folder, { recursive: true });
  const path = join(folder, "results.json");
  if (!options.report) for (const part of partsOf(options)) await measure(part, path, options);
  const results = readResults(path);
  if (results === undefined) throw new Error(`Cannot report: ${path} is not there, or another release made it`);
  writeReport(results, folder);
  console.log(`${join(folder, "RESULTS.md")} is written`);
}

/** Measures a part and puts it into results.json; what other parts left there stays. */
async function measure(part: PartName, path: string, options: Options): Promise<void> {
  const startedMs = performance.now();
  console.log(`${part} …`);
  const measured = { date: new Date().toISOString(), isQuick: options.quick === true };
  const result = await PARTS[part](settingsOf(options));
  const before = readResults(path) ?? {};
  const results = { ...before, form: RESULTS_FORM, machine: describeMachine(), [part]: { ...measured, ...result } };
  writeFileSync(path, `${JSON.stringify(results, undefined, 1)}\n`);
  console.log(`${part} took ${((performance.now() - startedMs) / 1000).toFixed(0)} s`);
}

/** What is in results.json; `undefined` where there is none, or one of another form. */
function readResults(path: string): Results | undefined {
  if (!existsSync(path)) return undefined;
  const results = JSON.parse(readFileSync(path, "utf8")) as Results;
  return results.form === RESULTS_FORM ? results : undefined;
}

function partsOf({ only, soak, soakMinutes }: Options): readonly PartName[] {
  const isSoaked = soak === true || soakMinutes !== undefined;
  return only ?? (Object.keys(PARTS) as PartName[]).filter((part) => part !== "soak" || isSoaked);
}

/** Refused before anything is measured. */
function comparedParts({ only }: Options): readonly PartName[] {
  const other = only?.find((part) => !COMPARED_PARTS.includes(part));
  if (other !== undefined) program.error(`error: --against compares ${COMPARED_PARTS.join(", ")}, not ${other}`);
  return only ?? COMPARED_PARTS;
}

function settingsOf({ quick, rounds, soakMinutes }: Options): Settings {
  const settings = quick ? QUICK : FULL;
  return {
    ...settings,
    rounds: rounds ?? settings.rounds,
    soak: { ...settings.soak, minutes: soakMinutes ?? settings.soak.minutes },
  };
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError("It must be a whole number, 1 or more.");
  return value;
}

await main(program.parse().opts<Options>());
process.exit();
