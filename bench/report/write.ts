/** Writes the report of a run beside its raw figures. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Results } from "../results.ts";
import { resultsMarkdown } from "./markdown.ts";
import { overloadPlot, resultsPlot, soakPlot } from "./plots.ts";

export function writeReport(results: Results, folder: string): void {
  writeFileSync(join(folder, "RESULTS.md"), resultsMarkdown(results));
  const plot = resultsPlot(results);
  if (plot !== undefined) writeFileSync(join(folder, "results.svg"), plot);
  if (results.overload !== undefined) writeFileSync(join(folder, "overload.svg"), overloadPlot(results.overload));
  if (results.soak !== undefined) writeFileSync(join(folder, "soak.svg"), soakPlot(results.soak));
}
