/**
 * `npm run mutants`: plants one small fault after another in a folder, and counts how many the tests notice.
 *
 *   npm run mutants                               engine/
 *   npm run mutants -- cluster/counts             a room of cluster/: unit tests and properties first, then the
 *                                                 simulator against those mutants that none of these noticed
 *   npm run mutants -- cluster/counts/asking.ts   one file
 *   npm run mutants -- cluster/counts --units     without the simulator
 *   npm run mutants -- cluster/counts --share 5   5 % of them, chosen by their texts: the same ones each time
 *
 * A room takes hours. So its files are done one after another, and what came of each is kept under reports/mutants/: a run
 * that was ended goes on where it was, and one after a change repeats only what the change may have changed.
 */
import { createHash } from "node:crypto";
import { globSync, mkdirSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { parseArgs } from "node:util";
import { Stryker } from "@stryker-mutator/core";
import { Instrumenter } from "@stryker-mutator/instrumenter";

type Results = Awaited<ReturnType<Stryker["runMutationTest"]>>;
type Mutant = Awaited<ReturnType<Instrumenter["instrument"]>>["mutants"][number];

/** The least that must be noticed, in percent. */
const LEAST = { engine: 85, cluster: 80 } as const;

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { units: { type: "boolean", default: false }, share: { type: "string", default: "100" } },
});
const share = Number(values.share);
if (!(share > 0 && share <= 100))
  throw new RangeError(`--share: more than 0 and at most 100 percent, not ${values.share}`);
const reports = share === 100 ? "reports/mutants" : `reports/mutants-${share}-percent`;

/** Which mutants are run; the others are planted, but never switched on. Stryker itself knows only places in the text. */
let isRun: (mutant: Mutant) => boolean = isInShare;
const all = Reflect.get(Instrumenter.prototype, "instrument") as (
  ...given: unknown[]
) => ReturnType<Instrumenter["instrument"]>;
Instrumenter.prototype.instrument = async function (this: Instrumenter, files, options) {
  const { mutants, ...rest } = await all.call(this, files, options);
  return { ...rest, mutants: mutants.filter((mutant) => isRun(mutant)) };
};

let isEnough = true;
for (const target of positionals.length === 0 ? ["engine"] : positionals) {
  const results: Results = [];
  for (const part of partsOf(target)) {
    const ofPart = await runPart(part);
    console.log(figures(part, ofPart));
    results.push(...ofPart);
  }
  for (const mutant of results.filter(isUnnoticed)) console.log(`${mutant.status}: ${describe(mutant).slice(0, 200)}`);
  console.log(figures(target, results));
  isEnough &&= noticedPercent(results) >= (target.startsWith("engine") ? LEAST.engine : LEAST.cluster);
}
process.exitCode = isEnough ? 0 : 1;

/** What is run at once: the engine, a file of the cluster, or a share of a room. */
function partsOf(target: string): string[] {
  const files = target.endsWith(".ts") ? globSync(target) : globSync(join(target, "*.ts"));
  if (files.length === 0 || !/^(engine|cluster)\b/.test(target))
    throw new RangeError(`Cannot mutate ${target}: name engine, cluster, a room of cluster/, or a file of these`);
  const isWhole = !target.endsWith(".ts") && (target === "engine" || share < 100);
  return isWhole ? [join(target, "*.ts")] : files.toSorted();
}

async function runPart(part: string): Promise<Results> {
  isRun = isInShare;
  const units = await runPass(part, false);
  if (part.startsWith("engine") || values.units) return units;
  if (units.length === 0) return runPass(part, true); // no unit test reaches it, so Stryker planted nothing
  const unnoticed = new Set(units.filter(isUnnoticed).map(({ id }) => id));
  if (unnoticed.size === 0) return units;
  isRun = ({ id }) => unnoticed.has(id);
  const simulated = new Map((await runPass(part, true)).map((mutant) => [mutant.id, mutant]));
  return units.map((mutant) => simulated.get(mutant.id) ?? mutant);
}

function runPass(part: string, isSimulated: boolean): Promise<Results> {
  process.env["HEADCOUNT_MUTANTS"] = dirname(part);
  process.env["HEADCOUNT_MUTANTS_SIMULATED"] = isSimulated ? "1" : "0";
  mkdirSync(dirname(reportOf(part, isSimulated, "json")), { recursive: true });
  const stryker = new Stryker({
    mutate: [part],
    incrementalFile: reportOf(part, isSimulated, "json"),
    htmlReporter: { fileName: reportOf(part, isSimulated, "html") },
  });
  return stryker.runMutationTest();
}

/** By a hash, so that the choice owes nothing to whoever makes it. */
function isInShare({ fileName, location: { start }, mutatorName, replacement }: Mutant): boolean {
  const text = `${relative(".", fileName)}:${start.line}:${start.column}:${mutatorName}:${replacement}`;
  return createHash("sha256").update(text).digest().readUInt32LE(0) < (share / 100) * 2 ** 32;
}

function reportOf(part: string, isSimulated: boolean, kind: "json" | "html"): string {
  return join(reports, `${part.replace(/(\/\*)?\.ts$/, "")}${isSimulated ? "-simulated" : ""}.${kind}`);
}

function isUnnoticed({ status }: Results[number]): boolean {
  return status === "Survived" || status === "NoCoverage";
}

/** Where a mutant is, and what it does there. */
function describe({ fileName, location: { start, end }, mutatorName, replacement }: Results[number]): string {
  const where = `${relative(".", fileName)}:${start.line}:${start.column}-${end.line}:${end.column}`;
  return `${where}: ${mutatorName}: ${(replacement ?? "").replaceAll(/\s+/g, " ")}`;
}

function noticedPercent(results: Results): number {
  const noticed = results.filter(({ status }) => status === "Killed" || status === "Timeout").length;
  return (100 * noticed) / (noticed + results.filter(isUnnoticed).length);
}

function figures(what: string, results: Results): string {
  if (results.length === 0) return `${what}: no test reaches it`;
  const count = (status: string): number => results.filter((result) => result.status === status).length;
  return (
    `${what}: ${noticedPercent(results).toFixed(1)} % noticed: ${count("Killed")} killed, ${count("Timeout")} timed out, ` +
    `${count("Survived")} survived, ${count("NoCoverage")} not covered; ` +
    `not counted: ${count("RuntimeError")} that broke the run, ${count("Ignored")} ignored`
  );
}
