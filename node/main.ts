/** The command: what is asked for, the settings, and in plain words why a node does not start. */
import packageJson from "../package.json" with { type: "json" };
import { StoreUnavailableError } from "../cluster/ports/record-store.ts";
import { UnreadableRecordError } from "../cluster/records/recovery.ts";
import { DamagedTextError } from "./followed-text.ts";
import { openStandard } from "./line-writer.ts";
import { helpText, readArguments, readSettings, SettingError } from "./settings.ts";
import { DamagedStoreError, FolderInUseError } from "./store/damage.ts";

const { version } = packageJson;
/** Errors an operator can mend: told in plain words, without a stack. */
const PLAIN_ERRORS = [
  SettingError,
  DamagedTextError,
  FolderInUseError,
  DamagedStoreError,
  StoreUnavailableError,
  UnreadableRecordError,
];
const out = openStandard("stdout");
const log = openStandard("stderr");

try {
  const { wanted, isAdminUsual } = readArguments(process.argv.slice(2));
  if (wanted === "help") out.write(helpText());
  else if (wanted === "version") out.write(`${version}\n`);
  else {
    const settings = readSettings(process.env, isAdminUsual);
    const { run } = await import("./run.ts"); // only now: a bad setting is told at once
    await run(settings, version, { out, log });
  }
} catch (error) {
  if (!PLAIN_ERRORS.some((kind) => error instanceof kind)) throw error;
  log.write(`headcount: ${(error as Error).message}\n`);
  process.exit(1);
}
