/** Checks that the subject of every commit up to HEAD follows Conventional Commits. Nothing to check outside a git checkout. */
import { spawnSync } from "node:child_process";
import { realpathSync } from "node:fs";
import { join } from "node:path";

const TYPES = ["feat", "fix", "perf", "refactor", "test", "docs", "build", "ci", "chore", "style", "revert"];
const SUBJECT = new RegExp(`^(${TYPES.join("|")})(\\([a-z0-9 ,./-]+\\))?!?: \\S`);
const SUBJECT_CHARACTERS_MAX = 100;

const root = join(import.meta.dirname, "..");
const git = (...args: string[]) => spawnSync("git", args, { cwd: root, encoding: "utf8" });

const top = git("rev-parse", "--show-toplevel");
const isCheckout = top.status === 0 && realpathSync(top.stdout.trim()) === realpathSync(root);
const log = isCheckout ? git("log", "--no-merges", "--format=%h %s", "HEAD") : undefined;
if (log?.status !== 0) {
  console.log("no commits to check here");
} else {
  const bad = log.stdout.split("\n").filter((line) => {
    const subject = line.slice(line.indexOf(" ") + 1);
    return line !== "" && (!SUBJECT.test(subject) || subject.length > SUBJECT_CHARACTERS_MAX);
  });
  for (const line of bad) console.error(line);
  if (bad.length > 0) {
    console.error(
      `\nThe subjects above are not Conventional Commits. Expected "type(scope): what changed", at most ` +
        `${SUBJECT_CHARACTERS_MAX} characters, type one of ${TYPES.join(", ")}; the scope may be left out.`,
    );
    process.exitCode = 1;
  }
}
