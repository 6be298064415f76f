/** `npm run bench:cluster`: measures what was asked for and writes cluster-results.json and CLUSTER-RESULTS.md. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { Command, InvalidArgumentError, Option } from "commander";
import { canPin, LOAD_CORE } from "../support/children.ts";
import { describeMachine } from "../support/machine.ts";
import { measureCost } from "./cost.ts";
import { measureFailover } from "./failover.ts";
import { measureFreshness } from "./freshness.ts";
import { measureGrowth } from "./growth.ts";
import { measureRenewals } from "./renewals.ts";
import { clusterMarkdown } from "./markdown.ts";
import type { ClusterPart, ClusterResults } from "./results.ts";
import { type ClusterSettings, FULL, QUICK } from "./settings.ts";

const PARTS = {
  cost: ({ cost }) => measureCost(cost),
  failover: ({ failover }) => measureFailover(failover),
  freshness: ({ freshness }) => measureFreshness(freshness),
  growth: ({ growth }) => measureGrowth(growth),
  renewals: ({ renewals }) => measureRenewals(renewals),
} as const satisfies Record<ClusterPart, (settings: ClusterSettings) => Promise<unknown>>;

interface Options {
  readonly only?: readonly ClusterPart[];
  readonly quick?: boolean;
  readonly rounds?: number;
  readonly out?: string;
  readonly report?: boolean;
}

const BENCH = fileURLToPath(new URL("..", import.meta.url));

const program = new Command("npm run bench:cluster --")
  .description("Measures a cluster: CPU beside one node and the designs on Redis, waits, freshness, growth, renewals.")
  .addOption(new Option("--only <part...>", "these parts; the rest of the results stays").choices(Object.keys(PARTS)))
  .option("--quick", "tiny inputs, to see that it works; results go to a temporary folder unless told")
  .option("--rounds <count>", "rounds of each part", wholeNumber)
  .option("--out <folder>", "where results go (default: bench)")
  .option("--report", "measure nothing: make the report again from cluster-results.json");

async function main(options: Options): Promise<void> {
  const folder = resolve(options.out ?? (options.quick ? join(tmpdir(), "headcount-bench") : BENCH));
  mkdirSync(folder, { recursive: true });
  const path = join(folder, "cluster-results.json");
  if (!options.report) {
    // This process asks too: it stays off the core that is measured.
    if (canPin) spawnSync("taskset", ["-a", "-c", "-p", String(LOAD_CORE), String(process.pid)]);
    for (const part of options.only ?? (Object.keys(PARTS) as ClusterPart[])) await measure(part, path, options);
  }
  writeFileSync(
    join(folder, "CLUSTER-RESULTS.md"),
    clusterMarkdown(JSON.parse(readFileSync(path, "utf8")) as ClusterResults),
  );
  console.log(`${join(folder, "CLUSTER-RESULTS.md")} is written`);
}

/** Measures a part and puts it into cluster-results.json; what other parts left there stays. */
async function measure(part: ClusterPart, path: string, options: Options): Promise<void> {
  const startedMs = performance.now();
  console.log(`${part} …`);
  const measured = { date: new Date().toISOString(), isQuick: options.quick === true };
  const result = await PARTS[part](settingsOf(options));
  const before = existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as Partial<ClusterResults>) : {};
  const results = { ...before, machine: describeMachine(), [part]: { ...measured, ...result } };
  writeFileSync(path, `${JSON.stringify(results, undefined, 1)}\n`);
  console.log(`${part} took ${((performance.now() - startedMs) / 1000).toFixed(0)} s`);
}

function settingsOf({ quick, rounds }: Options): ClusterSettings {
  const settings = quick ? QUICK : FULL;
  if (rounds === undefined) return settings;
  const { cost, failover, freshness, growth, renewals } = settings;
  return {
    cost: { ...cost, rounds },
    failover: { ...failover, rounds },
    freshness: { ...freshness, rounds },
    growth,
    renewals: { ...renewals, rounds },
  };
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError("It must be a whole number, 1 or more.");
  return value;
}

await main(program.parse().opts<Options>());
process.exit();
