import { defineConfig } from "vitest/config";

/** What Stryker runs against each mutant of the engine: the fast tests only. */
export default defineConfig({
  test: {
    include: ["test/unit/**/*.test.ts", "test/property/**/*.test.ts"],
    exclude: ["test/unit/{bench,crowd}.test.ts"],
    testTimeout: 60_000,
  },
});
