/** `npm run check-catalogue`, as whoever rolls a catalogue out runs it. */
import { execFile, execFileSync } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ADMIN_TOKEN, adminSettings } from "../support/admin.ts";
import { PROJECT_DIR, startNode, temporaryFolder } from "../support/node-process.ts";

const EXAMPLE = "deploy/catalogue.example.yaml";

function check(...args: readonly string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const script = join(PROJECT_DIR, "scripts/check-catalogue.ts");
  const { HEADCOUNT_ADMIN_TOKEN: _, ...env } = process.env;
  return new Promise((resolve) => {
    const options = { cwd: PROJECT_DIR, env, timeout: 30_000, killSignal: "SIGKILL" } as const;
    execFile(process.execPath, [script, ...args], options, (error, stdout, stderr) =>
      resolve({ code: Number(error?.code ?? 0), stdout, stderr }),
    );
  });
}

test("says what is in a file, or what is wrong with it and where", async () => {
  await using folder = await temporaryFolder();
  const bad = join(folder.path, "bad.yaml");
  await writeFile(bad, "version: 1\nmodes:\n  - { mode: GM01, loby: 8 }\n  - { mode: GM01 }\n");
  const good = await check(EXAMPLE);
  expect([good.code, good.stderr]).toEqual([0, ""]);
  expect(good.stdout).toMatch(/^Version 1: 3 modes, and any other mode is refused\.\n[^]*--against <file>\.\n$/);
  expect(await check(bad)).toEqual({
    code: 1,
    stdout: "",
    stderr: `${bad} has 2 faults:
bad.yaml:3:19: a field of modes[0] must be mode, name, lobby, requires, regions, from or retired, got "loby"
bad.yaml:4:13: modes[1].mode must be named once, and modes[0] has that name, got "GM01"
`,
  });
  const none = await check(join(folder.path, "none.yaml"));
  expect([none.code, none.stderr]).toEqual([1, expect.stringContaining("it cannot be read (ENOENT)")]);
});

test("refuses what is no file, and does not wait for what nobody writes into", async () => {
  await using folder = await temporaryFolder();
  const pipe = join(folder.path, "pipe.yaml");
  execFileSync("mkfifo", [pipe]);
  for (const path of [pipe, folder.path]) {
    const { code, stderr } = await check(path);
    expect([code, stderr]).toEqual([1, expect.stringContaining(": it must be a file")]);
  }
});

test("says what would change at a running node, and whether it would be followed at all", async () => {
  await using folder = await temporaryFolder();
  const [standing, next] = [join(folder.path, "standing.yaml"), join(folder.path, "next.yaml")];
  await writeFile(standing, "version: 2\nmodes: [{ mode: GM01 }]\n");
  await writeFile(next, "version: 3\nmodes: [{ mode: GM01, lobby: 4 }]\n");
  const settings = await adminSettings();
  await using node = await startNode({ env: { ...settings, HEADCOUNT_CATALOGUE: standing } });
  expect(node.stdout).toContain("by version 2");
  const admin = `http://127.0.0.1:${settings["HEADCOUNT_ADMIN_PORT"]}`;
  const asked = ["--admin", admin, "--token", ADMIN_TOKEN];
  const found = await check(next, ...asked);
  expect([found.code, found.stderr]).toEqual([0, ""]);
  expect(found.stdout).toContain(`Version 3 would take the place of version 2 at ${admin}.`);
  expect(found.stdout).toContain("  changed  GM01: lobby is added: 4\n");
  const older = await check(EXAMPLE, "--admin", `${admin}/#token=${ADMIN_TOKEN}`);
  expect([older.code, older.stdout]).toEqual([1, expect.stringContaining("It would NOT be followed: version 2")]);
  const stranger = await check(next, "--admin", admin);
  expect([stranger.code, stranger.stderr]).toEqual([1, expect.stringContaining("wants the admin token")]);
  const against = await check(next, "--against", standing);
  expect([against.code, against.stdout]).toEqual([0, expect.stringContaining(`at ${standing}.`)]);
});
