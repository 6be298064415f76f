/** The tests that Stryker runs against each mutant of a folder, which `scripts/mutants.ts` names in the environment. */
import { globSync, readFileSync } from "node:fs";
import { basename } from "node:path";

import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

const folder = process.env["HEADCOUNT_MUTANTS"] ?? "engine";
const isSimulated = process.env["HEADCOUNT_MUTANTS_SIMULATED"] === "1";

/** These play a cluster through hundreds of histories. They come with the simulator, as do tests that play its world. */
const LONG_PROPERTIES = ["test/property/counts.test.ts", "test/property/forwarder.test.ts"];

/** Of a process, though its own imports do not show it. */
const FAST_LANE = "test/property/fast-lane.test.ts";

/** Of these, Stryker takes those that reach the mutated file by their imports. */
function testsOfCluster(): string[] {
  return globSync("test/{unit,property}/*.test.ts").filter((file) => {
    const text = readFileSync(file, "utf8");
    // What belongs to a process or to a script is slow, or reads sources as they were before they were mutated.
    if (
      file === FAST_LANE ||
      /"\.\.\/\.\.\/(node|bench|crowd|scripts)\//.test(text) ||
      text.includes("planted-faults.ts")
    )
      return false;
    return isSimulated || !(LONG_PROPERTIES.includes(file) || text.includes("simulator/world.ts"));
  });
}

function testsOfEngine(): string[] {
  const units = globSync("engine/*.ts").map((file) => `test/unit/${basename(file, ".ts")}.test.ts`);
  return [...units, "test/property/**/*.test.ts"];
}

/** The first test that fails ends a mutant's run, so quick tests come first. By itself vitest begins with the slowest. */
class QuickestFirst extends BaseSequencer {
  override sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number =>
      ["/unit/", "/property/", "/simulation/"].findIndex((kind) => moduleId.includes(`/test${kind}`));
    return Promise.resolve(files.toSorted((one, other) => rank(one) - rank(other)));
  }
}

export default defineConfig({
  test: {
    include: [
      ...(folder === "engine" ? testsOfEngine() : testsOfCluster()),
      ...(isSimulated ? ["test/simulation/mutants.ts"] : []),
    ],
    setupFiles: folder === "engine" ? [] : ["test/support/short-properties.ts"],
    testTimeout: 60_000,
    sequence: { sequencer: QuickestFirst },
  },
});
