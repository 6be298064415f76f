/** Another revision of this repository, laid out beside today's files with the same packages. */
import { spawnSync } from "node:child_process";
import { symlinkSync } from "node:fs";
import { join } from "node:path";
import { temporaryFolder } from "./children.ts";
import { type Revision, TODAY } from "./headcount.ts";

/**
 * Lays out a revision's files in a folder that goes away with this process. They are an archive, not a worktree, so that
 * the repository knows nothing of them and keeps nothing of them, however this process ends.
 * @param text what git takes for a commit
 */
export function checkOut(text: string): Revision {
  const commit = git("rev-parse", "--short", "--verify", "--end-of-options", `${text}^{commit}`).trim();
  const root = temporaryFolder();
  const archive = join(temporaryFolder(), "revision.tar");
  git("archive", "--format=tar", `--output=${archive}`, commit);
  run("tar", "-xf", archive, "-C", root);
  symlinkSync(join(TODAY.root, "node_modules"), join(root, "node_modules"));
  return { name: `${TODAY.name} at ${commit}`, root };
}

function git(...args: string[]): string {
  return run("git", "-C", TODAY.root, ...args);
}

function run(command: string, ...args: string[]): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: "utf8" });
  if (status === 0) return stdout;
  throw new Error(`Cannot check out the revision: ${command} ${args.join(" ")}: ${error?.message ?? stderr.trim()}`);
}
