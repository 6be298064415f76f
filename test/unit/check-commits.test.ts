import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { expect, onTestFinished, test } from "vitest";

const SCRIPT = join(import.meta.dirname, "../../scripts/check-commits.ts");

test.each([
  ["feat: count players", true],
  ["fix(engine)!: count each player once", true],
  ["docs(readme, api): say what is promised", true],
  [`feat: ${"x".repeat(94)}`, true],
  [`feat: ${"x".repeat(95)}`, false],
  ["count players", false],
  ["feature: count players", false],
  ["feat:count players", false],
  ["feat: ", false],
  ["WIP", false],
])("check-commits: subject %j passes: %s", (subject, passes) => {
  const project = projectOfItsOwn();
  git(project, "init", "--quiet");
  for (const each of ["chore: begin", subject]) {
    git(
      project,
      "-c",
      "user.name=a",
      "-c",
      "user.email=a@example.org",
      "commit",
      "--quiet",
      "--allow-empty",
      "-m",
      each,
    );
  }
  const { status, stderr } = check(project);
  expect({ passes: status === 0, isNamed: stderr.includes(subject.trim()) }).toEqual({ passes, isNamed: !passes });
});

test("check-commits: a folder without git, and one without commits, have nothing to check", () => {
  const project = projectOfItsOwn();
  expect(check(project).status).toBe(0);
  git(project, "init", "--quiet");
  expect(check(project).status).toBe(0);
});

function projectOfItsOwn(): string {
  const project = mkdtempSync(join(tmpdir(), "headcount-commits-"));
  onTestFinished(() => rmSync(project, { recursive: true }));
  cpSync(SCRIPT, join(project, "scripts", "check-commits.ts"));
  return project;
}

function check(project: string) {
  return spawnSync(process.execPath, ["scripts/check-commits.ts"], { cwd: project, encoding: "utf8" });
}

function git(project: string, ...args: string[]): void {
  const { status, stderr } = spawnSync(
    "git",
    ["-c", "commit.gpgsign=false", "-c", "core.hooksPath=/dev/null", ...args],
    {
      cwd: project,
      encoding: "utf8",
    },
  );
  expect(status, stderr).toBe(0);
}
