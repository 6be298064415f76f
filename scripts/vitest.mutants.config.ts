import { globSync } from "node:fs";
import { basename } from "node:path";

import { defineConfig } from "vitest/config";

/** What Stryker runs against each mutant of the engine: the tests named after its files, and the properties. */
const UNITS = globSync("engine/*.ts").map((file) => `test/unit/${basename(file, ".ts")}.test.ts`);

export default defineConfig({
  test: { include: [...UNITS, "test/property/**/*.test.ts"], testTimeout: 60_000 },
});
