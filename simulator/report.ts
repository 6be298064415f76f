/** What many runs did together, for people. */
import type { Result, Totals } from "./jobs.ts";

const FIGURES: readonly (readonly [name: string, figure: Exclude<keyof Totals, "faults">])[] = [
  ["events", "tasks"],
  ["messages", "messages"],
  ["store steps", "storeSteps"],
  ["acknowledged", "acknowledgements"],
  ["only counted", "counted"],
  ["refused", "refusals"],
  ["by rules", "ruledOut"],
  ["record checks", "recordsChecked"],
  ["reads checked", "reads"],
];

export class Report {
  runs = 0;
  failures = 0;
  private readonly totals = new Map<string, number>();
  private readonly faults = new Map<string, number>();
  private readonly startedMs = performance.now();

  add({ failure, totals }: Result): void {
    this.runs++;
    if (failure !== undefined) this.failures++;
    const { faults, ...numbers } = totals;
    for (const [name, value] of Object.entries(numbers)) this.totals.set(name, (this.totals.get(name) ?? 0) + value);
    for (const [kind, count] of Object.entries(faults)) this.faults.set(kind, (this.faults.get(kind) ?? 0) + count);
  }

  text(): string {
    const count = (value = 0): string => Math.round(value).toLocaleString("en-US");
    const hours = (this.totals.get("virtualMs") ?? 0) / 3_600_000;
    const seconds = (performance.now() - this.startedMs) / 1000;
    const faults = [...this.faults].toSorted((one, other) => other[1] - one[1]);
    const lines: [string, string][] = [
      ["runs", `${count(this.runs)}, ${count(this.failures)} with a broken promise`],
      ["simulated", `${hours.toFixed(1)} hours in ${seconds.toFixed(0)} s`],
      ...FIGURES.map(([name, figure]): [string, string] => [name, count(this.totals.get(figure))]),
      ["faults", faults.map(([kind, times]) => `${kind} ${count(times)}`).join(", ")],
    ];
    return lines.map(([name, value]) => `${name.padEnd(14)} ${value}`).join("\n");
  }
}
