/** Part 12: what a catalogue of modes costs a report whose mode asks nothing, over HTTP one by one and in batches. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { RulesResult } from "./results.ts";
import type { Settings } from "./settings.ts";
import { temporaryFolder } from "./support/children.ts";
import { fillByBatches } from "./support/fill.ts";
import { LONG_SESSION, startHeadcount } from "./support/headcount.ts";
import { batchReports, singleReports } from "./support/reports.ts";
import { MODES } from "./support/traffic.ts";
import { measureSeries, pooled, startAll, stopAll, twice } from "./support/turns.ts";
import { writeRequests } from "./support/wrk.ts";

const BATCH = 1_000;
const CATALOGUE_MODES = 200;

export async function measureRules({ rounds, rules }: Settings): Promise<Omit<RulesResult, "date" | "isQuick">> {
  const { players } = rules;
  const catalogue = { HEADCOUNT_CATALOGUE: writeCatalogue() };
  const running = await startAll(
    twice(
      [
        { name: "no catalogue", env: {} },
        { name: "200 modes", env: catalogue },
      ].map(({ name, env }) => ({
        name,
        start: () => startHeadcount({ durability: "none", env: { ...LONG_SESSION, ...env } }),
        fill: (server) => fillByBatches(server, players),
      })),
    ),
  );
  const singlesPath = await writeRequests(singleReports(players));
  const singles = await measureSeries(running, rounds, { ...rules, requestsPath: singlesPath, isForLane: true });
  const batchesPath = await writeRequests(batchReports(players, BATCH));
  const batches = await measureSeries(running, rounds, { ...rules, units: BATCH, requestsPath: batchesPath });
  await stopAll(running);
  return { players, batch: BATCH, connections: rules.connections, singles: pooled(singles), batches: pooled(batches) };
}

/** The modes that players report ask nothing; the others have rules of every kind. */
function writeCatalogue(): string {
  const others = Array.from({ length: CATALOGUE_MODES - MODES.length }, (_, index) => ({
    mode: `RULED${index}`,
    requires: ["season-pass"],
    regions: ["US", "CA"],
    from: ["GM01", "none"],
  }));
  const modes = [...MODES.map((mode) => ({ mode })), ...others];
  const path = join(temporaryFolder(), "catalogue.json");
  writeFileSync(path, JSON.stringify({ version: 1, unknownModes: "refuse", modes }));
  return path;
}
