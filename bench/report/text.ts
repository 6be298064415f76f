/** The pieces that the reports are made of. */
import type { Machine, Measured } from "../results.ts";
import { type Spread, spreadOf } from "../support/spread.ts";
import type { Goal } from "./goal.ts";

export function machineText({ cpu, cores, memoryGiB, system, isPinned, versions }: Machine): string {
  const names = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  const pinning = isPinned ? "pinned to cores of their own" : "**not pinned**: `taskset` or a second core is missing";
  return `Machine: ${cpu}, ${cores} cores, ${memoryGiB} GiB, ${system}; server and load ${pinning}. Versions: ${names.join(", ")}.`;
}

export function goalsText(goals: readonly Goal[]): string {
  const rows = goals.map(({ part, text, target, reached, digits, isMet }) => {
    const wanted = "atLeast" in target ? `≥ ${number(target.atLeast)}` : `≤ ${number(target.atMost)}`;
    return [part, text, wanted, spreadText(reached, digits), isMet ? "met" : "**not met**"];
  });
  const metCount = goals.filter(({ isMet }) => isMet).length;
  return `## Goals\n\n${metCount} of ${goals.length} met.\n\n${table(["part", "what", "goal", "reached", ""], rows)}`;
}

export function heading(title: string, { date, isQuick }: Measured): string {
  const quick = isQuick ? " **A quick run with tiny inputs: it shows that this works, the figures mean nothing.**" : "";
  return `## ${title}\n\nMeasured ${date.slice(0, 10)}.${quick}`;
}

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

export function spreadText({ min, median, max }: Spread, digits: number): string {
  const text = (value: number): string => number(value, digits);
  return min === max ? text(median) : `${text(median)} (${text(min)} – ${text(max)})`;
}

export function percentText(shares: readonly number[]): string {
  return `${(spreadOf(shares).median * 100).toFixed(0)} %`;
}

export function number(value: number, digits?: number): string {
  return value.toLocaleString(
    "en",
    digits === undefined ? {} : { minimumFractionDigits: digits, maximumFractionDigits: digits },
  );
}
