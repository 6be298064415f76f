/** The description of the service is clean by the linter's recommended rules; a warning counts as an error. */
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { ADMIN_DESCRIPTION_FILE, DESCRIPTION_FILE } from "./answers-seen.ts";
import { describeService } from "./describe.ts";

/** The linter asks the network for newer releases of itself, and tells its makers of its use, unless told not to. */
const OFFLINE = { REDOCLY_TELEMETRY: "off", REDOCLY_SUPPRESS_UPDATE_NOTICE: "true" };

const root = join(import.meta.dirname, "..");
mkdirSync(dirname(DESCRIPTION_FILE), { recursive: true });
const { service, admin } = await describeService();
let isClean = true;
for (const [file, description] of [
  [DESCRIPTION_FILE, service],
  [ADMIN_DESCRIPTION_FILE, admin],
] as const) {
  writeFileSync(file, `${JSON.stringify(description, null, 2)}\n`);
  const { status } = spawnSync(
    process.execPath,
    [
      fileURLToPath(import.meta.resolve("@redocly/cli/bin/cli.js")),
      "lint",
      relative(root, file),
      "--extends=recommended-strict",
      "--format=stylish",
    ],
    { cwd: root, env: { ...process.env, ...OFFLINE }, stdio: "inherit" },
  );
  isClean &&= status === 0;
}
process.exit(isClean ? 0 : 1);
