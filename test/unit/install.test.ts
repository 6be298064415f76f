import { spawnSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { expect, onTestFinished, test } from "vitest";

const SCRIPT = join(import.meta.dirname, "../../scripts/install.js");
const PRODUCTION = { "node_modules/a": { version: "1.0.0", integrity: "sha512-a" } };
const ALL = { ...PRODUCTION, "node_modules/b": { version: "2.0.0", integrity: "sha512-b", dev: true } };
const OTHER_PLATFORM = { "node_modules/c": { version: "3.0.0", optional: true } };
const BUNDLED_NODE = `node_modules/node-${process.platform}-${process.arch}`;
const IS_LINUX = process.platform === "linux";
const TOOLS = ["redis-server", "wrk", "haproxy", "docker-compose", "ip", "chromium-headless-shell"];

test("install: nothing to do where node_modules holds what is locked", () => {
  const project = new Project({ installed: ALL, programs: TOOLS });
  expect(project.install("--tools")).toEqual({ status: 0, said: "", npmRuns: 0 });
});

test("install: development packages are not needed to start a node, but for the tests", () => {
  const project = new Project({ installed: PRODUCTION, programs: TOOLS });
  expect(project.install()).toEqual({ status: 0, said: "", npmRuns: 0 });
  expect(project.install("--tools")).toMatchObject({ status: 0, npmRuns: 1 });
});

test.each([
  ["nothing is installed", undefined],
  ["a package is missing", {}],
  ["a version differs", { "node_modules/a": { version: "1.0.1", integrity: "sha512-a" } }],
  ["the contents differ", { "node_modules/a": { version: "1.0.0", integrity: "sha512-z" } }],
])("install: runs npm, in two quiet lines, where %s", (_, installed) => {
  const project = new Project({ installed });
  const { status, said, npmRuns } = project.install();
  expect({ status, npmRuns }).toEqual({ status: 0, npmRuns: 1 });
  expect(said).toMatch(/^installing dependencies \(first time, about half a minute\)\ninstalled in \d+ s\n$/);
});

test("install: says plainly that the registry cannot be reached", () => {
  const project = new Project({ npm: `echo "npm error code EAI_AGAIN" >&2; exit 1` });
  const { status, said } = project.install();
  expect(status).toBe(1);
  expect(said).toContain("the package registry cannot be reached");
  expect(said).toContain("  npm error code EAI_AGAIN");
});

test("install: shows what npm says where it fails for another reason", () => {
  const project = new Project({ npm: `echo "npm error code ENOSPC" >&2; exit 1` });
  const { status, said } = project.install();
  expect(status).toBe(1);
  expect(said).toContain("`npm ci` failed");
  expect(said).toContain("  npm error code ENOSPC");
});

test("install: an old Node is refused before anything is installed, where the project cannot bring its own", () => {
  const project = new Project({ nodeNeeded: ">=99.1" });
  expect(project.install()).toEqual({
    status: 1,
    said: expect.stringContaining(`Headcount needs Node 99.1 or newer and found ${process.versions.node}`),
    npmRuns: 0,
  });
});

test("install: a Node in node_modules that cannot run here is taken out of the way", () => {
  const project = new Project({ installed: ALL });
  project.write(`${BUNDLED_NODE}/bin/node`, "#!/nowhere/ld-musl.so\n");
  project.write("node_modules/.bin/node", "#!/nowhere/ld-musl.so\n");
  expect(project.install().status).toBe(0);
  expect(existsSync(join(project.root, "node_modules/.bin/node"))).toBe(false);
});

test("install: links the Node in node_modules where npm did not", () => {
  const project = new Project({ installed: ALL, nodeNeeded: ">=99.1" });
  project.write(`${BUNDLED_NODE}/bin/node`, "#!/bin/sh\necho 99.2.0\n");
  project.write("package-lock.json", JSON.stringify({ packages: { ...ALL, [BUNDLED_NODE]: { optional: true } } }));
  project.write("node_modules/.package-lock.json", JSON.stringify({ packages: { ...ALL, [BUNDLED_NODE]: {} } }));
  project.write("node_modules/.bin/other", "");
  expect(project.install()).toEqual({ status: 0, said: "", npmRuns: 0 });
  expect(readlinkSync(join(project.root, "node_modules/.bin/node"))).toBe(
    `../${BUNDLED_NODE.replace("node_modules/", "")}/bin/node`,
  );
});

test("install: runs npm again, with the Node it just brought, where binaries were left out for an old Node", () => {
  const project = new Project({ installed: ALL });
  project.write(`${BUNDLED_NODE}/bin/node`, "#!/bin/sh\necho 99.2.0\n");
  project.write("node_modules/.bin/other", "");
  const binary = { version: "4.0.0", optional: true, os: [process.platform], cpu: [process.arch] };
  project.write("package-lock.json", JSON.stringify({ packages: { ...ALL, "node_modules/d": binary } }));
  expect(project.install()).toMatchObject({ status: 0, npmRuns: 0 });
  expect(project.install("--tools")).toMatchObject({ status: 0, npmRuns: 2 });
});

test("install: without a package manager it says what is missing, what is skipped, and goes on", () => {
  const { status, said } = new Project({
    installed: ALL,
    programs: TOOLS.filter((tool) => tool !== "redis-server"),
  }).install("--tools");
  expect(status).toBe(0);
  expect(said).toMatch(/^redis-server is missing\. Skipped without it: .* Redis.*\.\n {2}To install it: .*redis/);
});

test.runIf(IS_LINUX)("install: brings missing programs with apt-get", () => {
  const project = new Project({ installed: ALL });
  project.aptGet();
  expect(project.install("--tools")).toMatchObject({
    status: 0,
    said: TOOLS.map((tool) => `installing ${tool} with apt-get\n`).join(""),
  });
  expect(project.install("--tools").said).toBe("");
});

test.runIf(IS_LINUX)("install: Redis alone asks for no packages of development and no other program", () => {
  const project = new Project({ installed: PRODUCTION });
  project.aptGet();
  const said = "installing redis-server with apt-get\n";
  expect(project.install("--redis")).toEqual({ status: 0, said, npmRuns: 0 });
  expect(project.install("--redis").said).toBe("");
});

test.runIf(IS_LINUX)("install: says what apt-get said where it fails, and goes on", () => {
  const project = new Project({ installed: ALL, programs: TOOLS.filter((tool) => tool !== "wrk") });
  project.program("apt-get", `echo "E: Unable to locate package" >&2; exit 100`);
  const { status, said } = project.install("--tools");
  expect(status).toBe(0);
  expect(said).toContain("wrk is missing, and apt-get could not install it. Skipped without it: benchmarks");
  expect(said).toContain("To install it: sudo apt-get install wrk\n  E: Unable to locate package");
});

/** A project's folder with the script, a lockfile, and a PATH with only the programs it is given. */
class Project {
  readonly root = mkdtempSync(join(tmpdir(), "headcount-install-"));
  readonly #bin = join(this.root, "bin");

  constructor(options: {
    installed?: object | undefined;
    programs?: readonly string[];
    npm?: string;
    nodeNeeded?: string;
  }) {
    const { installed, programs = [], npm = "", nodeNeeded = ">=18.0" } = options;
    onTestFinished(() => rmSync(this.root, { recursive: true }));
    cpSync(SCRIPT, join(this.root, "scripts", "install.js"));
    mkdirSync(this.#bin);
    this.write("package.json", JSON.stringify({ type: "module", engines: { node: nodeNeeded } }));
    this.write("package-lock.json", JSON.stringify({ packages: { "": {}, ...ALL, ...OTHER_PLATFORM } }));
    if (installed !== undefined) this.write("node_modules/.package-lock.json", JSON.stringify({ packages: installed }));
    this.program("npm", `echo run >> "$BIN/npm-runs"; ${npm}`);
    for (const program of programs) this.program(program, "");
    // As if by sudo, for those who run the tests as themselves; the script calls `env` to set a variable.
    this.program("sudo", `[ "$2" = true ] && exit; shift; PATH="$BIN"; exec "$@"`);
    this.program("systemctl", "");
    symlinkSync("/usr/bin/env", join(this.#bin, "env"));
  }

  write(path: string, text: string): void {
    mkdirSync(join(this.root, path, ".."), { recursive: true });
    writeFileSync(join(this.root, path), text);
    chmodSync(join(this.root, path), 0o755);
  }

  program(name: string, script: string): void {
    this.write(`bin/${name}`, `#!/bin/sh\nPATH=/usr/bin:/bin\n${script}\n`);
  }

  /** One that brings a program of the package's name, but for `ip`. */
  aptGet(): void {
    const name = `for last; do :; done; [ "$last" = iproute2 ] && last=ip`;
    this.program("apt-get", `${name}; echo '#!/bin/sh' > "$BIN/$last"; chmod +x "$BIN/$last"`);
  }

  install(...args: string[]) {
    const { status, stdout, stderr } = spawnSync(process.execPath, ["scripts/install.js", ...args], {
      cwd: this.root,
      encoding: "utf8",
      env: { PATH: this.#bin, BIN: this.#bin },
    });
    const runs = join(this.#bin, "npm-runs");
    const npmRuns = existsSync(runs) ? spawnSync("wc", ["-l", runs], { encoding: "utf8" }).stdout.split(" ")[0] : "0";
    return { status, said: stdout + stderr, npmRuns: Number(npmRuns) };
  }
}
