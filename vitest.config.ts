import { availableParallelism } from "node:os";

import { defineConfig } from "vitest/config";

/**
 * Kinds of tests, by folder under test/. The times are for two busy cores, of which other tests with a higher priority take
 * most: past them a test hangs, it is not slow.
 */
const KINDS = [
  { name: "unit", timeoutMs: 30_000 },
  { name: "property", timeoutMs: 60_000 },
  { name: "contract", timeoutMs: 60_000 },
  { name: "simulation", timeoutMs: 300_000 },
];

export default defineConfig({
  test: {
    projects: [
      ...KINDS.map(({ name, timeoutMs }) => ({
        test: {
          name,
          include: [`test/${name}/**/*.test.ts`],
          testTimeout: timeoutMs,
          hookTimeout: timeoutMs,
          maxWorkers: availableParallelism(),
          sequence: { groupOrder: 1 },
        },
      })),
      {
        test: {
          name: "e2e",
          include: ["test/e2e/**/*.test.ts"],
          globalSetup: ["test/support/write-description.ts"],
          testTimeout: 180_000,
          hookTimeout: 180_000,
          // Real processes under load: one file at a time; in a run of all kinds (`npm test` makes two) after all others.
          maxWorkers: 1,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
