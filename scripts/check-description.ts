/** The description of the service is clean by the linter's recommended rules; a warning counts as an error. */
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describeService } from "./describe.ts";

const FILE = "reports/openapi.json";
/** The linter asks the network for newer releases of itself, and tells its makers of its use, unless told not to. */
const OFFLINE = { REDOCLY_TELEMETRY: "off", REDOCLY_SUPPRESS_UPDATE_NOTICE: "true" };

const root = join(import.meta.dirname, "..");
mkdirSync(join(root, "reports"), { recursive: true });
writeFileSync(join(root, FILE), `${JSON.stringify(await describeService(), null, 2)}\n`);
const { status } = spawnSync(
  process.execPath,
  [
    fileURLToPath(import.meta.resolve("@redocly/cli/bin/cli.js")),
    "lint",
    FILE,
    "--extends=recommended-strict",
    "--format=stylish",
  ],
  { cwd: root, env: { ...process.env, ...OFFLINE }, stdio: "inherit" },
);
process.exit(status ?? 1);
