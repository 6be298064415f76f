/**
 * Installs what is missing, quietly. Runs before `npm start`, `npm test` and the benchmarks (package.json, `pre…`),
 * so it is plain JavaScript for any Node from 18 on, and uses nothing from node_modules.
 *
 *   node scripts/install.js             the packages that a node needs
 *   node scripts/install.js --redis     and the program redis-server
 *   node scripts/install.js --dev       the packages for development too
 *   node scripts/install.js --tools     and all programs in TOOLS
 *
 * `scripts/README.md` says how it decides.
 */
import { spawnSync } from "node:child_process";
import { accessSync, constants, existsSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { basename, delimiter, dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

/**
 * Programs that tests and benchmarks use and npm does not bring. Without `brew` it is for Linux only. `service`: Debian's
 * package starts one on the usual port; tests start their own, so that one is not left behind.
 */
const REDIS = {
  command: "redis-server",
  apt: "redis-server",
  brew: "redis",
  service: "redis-server",
  without: "whatever needs Redis: clusters of several nodes, their tests and benchmarks",
};
const TOOLS = [
  REDIS,
  { command: "wrk", apt: "wrk", brew: "wrk", without: "benchmarks over HTTP, and their tests" },
  { command: "haproxy", apt: "haproxy", brew: "haproxy", service: "haproxy", without: "tests of the load balancer" },
  {
    command: "docker-compose",
    apt: "docker-compose",
    brew: "docker-compose",
    without: "a second look at docker-compose.yml",
  },
  { command: "ip", apt: "iproute2", without: "tests that cut a network" },
  { command: "chromium-headless-shell", apt: "chromium-headless-shell", without: "tests in a browser" },
].filter(({ brew }) => brew !== undefined || process.platform === "linux");

/** npm's own waits (10 s, 60 s) would keep someone who is offline waiting for more than a minute. */
const NPM_CI = [
  "--no-audit",
  "--no-fund",
  "--loglevel=error",
  "--fetch-retry-mintimeout=2000",
  "--fetch-retry-maxtimeout=8000",
];

const root = fileURLToPath(new URL("..", import.meta.url));
const wantsTools = process.argv.includes("--tools");
const isForDevelopment = wantsTools || process.argv.includes("--dev");
const toolsWanted = wantsTools ? TOOLS : process.argv.includes("--redis") ? [REDIS] : [];
const lockfile = readJson(join(root, "package-lock.json"));
const nodeNeeded = readJson(join(root, "package.json")).engines.node.replace(">=", "");
const bundledNodePackage = `node_modules/node-${process.platform}-${process.arch}`;
const bundledNode = join(root, bundledNodePackage, "bin", "node");
const libcHere = process.report?.getReport().header.glibcVersionRuntime === undefined ? "musl" : "glibc";

if (lockfile.packages[bundledNodePackage] === undefined) requireNode(process.versions.node);
if (!isInstalled()) installPackages();
requireNode(nodeVersion());
installTools();

/** Whether node_modules holds what the lockfile says: npm leaves there a list of what it installed. */
function isInstalled() {
  const list = join(root, "node_modules", ".package-lock.json");
  if (!existsSync(list)) return false;
  const installed = readJson(list).packages;
  return Object.entries(lockfile.packages).every(
    ([path, locked]) =>
      !isNeeded(path, locked) ||
      (installed[path]?.version === locked.version && installed[path]?.integrity === locked.integrity),
  );
}

function isNeeded(path, locked) {
  if (path === "" || locked.link) return false;
  if (isForDevelopment) return !locked.optional || isForThisMachine(locked);
  if (path === bundledNodePackage) return !isNewEnough(process.versions.node);
  return !locked.dev && !locked.devOptional && !locked.optional;
}

/** Of the optional packages, mostly binaries, those that are made for this platform and no other. */
function isForThisMachine({ os, cpu, libc }) {
  const isOneOf = (names, name) => names === undefined || [names].flat().includes(name);
  return os !== undefined && isOneOf(os, process.platform) && isOneOf(cpu, process.arch) && isOneOf(libc, libcHere);
}

function installPackages() {
  console.error("installing dependencies (first time, about half a minute)");
  const startedMs = Date.now();
  npmCi(process.execPath);
  // Binaries that this Node is too old for were left out, without a word. The Node just installed gets them.
  if (!isInstalled() && nodeVersion() !== process.versions.node) npmCi(bundledNode);
  console.error(`installed in ${Math.round((Date.now() - startedMs) / 1000)} s`);
}

function npmCi(node) {
  const args = ["ci", ...NPM_CI, "--include=optional", ...(isForDevelopment ? ["--include=dev"] : [])];
  const npm = process.env.npm_execpath ?? "";
  const result =
    basename(npm) === "npm-cli.js"
      ? spawnSync(node, [npm, ...args], { cwd: root, encoding: "utf8" })
      : spawnSync("npm", args, { cwd: root, encoding: "utf8", shell: process.platform === "win32" });
  if (result.status === 0) return;
  const said = `${result.stdout ?? ""}${result.stderr ?? ""}${result.error?.message ?? ""}`;
  const isOffline = /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH/.test(said);
  fail(
    isOffline
      ? "Could not install the dependencies: the package registry cannot be reached.\n" +
          "Installing needs the network once. Check the connection (and npm's proxy setting), then run the same command again."
      : "Could not install the dependencies: `npm ci` failed.",
    said,
  );
}

/** The version of the Node that npm's scripts will run with: the one in node_modules where it works, else this one. */
function nodeVersion() {
  if (!existsSync(bundledNode)) return process.versions.node;
  const result = spawnSync(bundledNode, ["-p", "process.versions.node"], { encoding: "utf8" });
  const link = join(root, "node_modules", ".bin", "node");
  // Made for another C library (Alpine): it would only hide the machine's own Node.
  if (result.status !== 0) rmSync(link, { force: true });
  // npm 10 takes this link away with the package of the other platform, which has a `node` too.
  else if (!existsSync(link)) symlinkSync(relative(dirname(link), bundledNode), link);
  return result.status === 0 ? result.stdout.trim() : process.versions.node;
}

function isNewEnough(version) {
  const [major, minor] = version.split(".").map(Number);
  const [majorNeeded, minorNeeded] = nodeNeeded.split(".").map(Number);
  return major > majorNeeded || (major === majorNeeded && minor >= minorNeeded);
}

function requireNode(version) {
  if (isNewEnough(version)) return;
  fail(
    `Headcount needs Node ${nodeNeeded} or newer and found ${version}.\n` +
      "It brings its own on Linux (x64 and arm64, with glibc); here, please install a newer Node, then run the same command again.",
  );
}

function installTools() {
  const missing = toolsWanted.filter((tool) => !isOnPath(tool.command));
  if (missing.length === 0) return;
  const installer = findInstaller();
  for (const tool of missing) {
    let said = "";
    if (installer !== undefined) {
      console.error(`installing ${tool.command} with ${installer.name}`);
      said = installer.install(tool);
    }
    if (isOnPath(tool.command)) continue;
    console.error(
      `${tool.command} is missing${installer === undefined ? "" : `, and ${installer.name} could not install it`}. ` +
        `Skipped without it: ${tool.without}.\n  To install it: ${howToInstall(tool)}`,
    );
    if (said !== "") console.error(indent(said, 5));
  }
}

/** The system's package manager where it can be used without asking anything: apt-get as root or by sudo, or brew. */
function findInstaller() {
  if (process.platform === "darwin" && isOnPath("brew")) {
    return { name: "brew", install: (tool) => run("brew", ["install", "--quiet", tool.brew]).said };
  }
  if (process.platform !== "linux" || !isOnPath("apt-get")) return undefined;
  const isRoot = process.getuid() === 0;
  if (!isRoot && (!isOnPath("sudo") || !run("sudo", ["-n", "true"]).isOk)) return undefined;
  const asRoot = (...words) => {
    const line = ["env", "DEBIAN_FRONTEND=noninteractive", ...words];
    return isRoot ? run(line[0], line.slice(1)) : run("sudo", ["-n", ...line]);
  };
  const aptGet = (...words) => asRoot("apt-get", "-qq", "-o", "DPkg::Lock::Timeout=60", ...words);
  return {
    name: "apt-get",
    install: (tool) => {
      let result = aptGet("install", "-y", "--no-install-recommends", tool.apt);
      if (!result.isOk) {
        aptGet("update");
        result = aptGet("install", "-y", "--no-install-recommends", tool.apt);
      }
      if (result.isOk && tool.service !== undefined && existsSync("/run/systemd/system")) {
        asRoot("systemctl", "disable", "--now", tool.service);
      }
      return result.isOk ? "" : result.said;
    },
  };
}

function howToInstall(tool) {
  if (process.platform === "darwin") return `brew install ${tool.brew}`;
  if (isOnPath("apt-get")) return `sudo apt-get install ${tool.apt}`;
  return `the package is called ${[...new Set([tool.apt, tool.brew ?? tool.apt])].join(" or ")} in your system's package manager`;
}

function isOnPath(command) {
  return (process.env.PATH ?? "").split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, command), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

function run(command, args) {
  const result = spawnSync(command, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"], timeout: 300_000 });
  return {
    isOk: result.status === 0,
    said: `${result.stdout ?? ""}${result.stderr ?? ""}${result.error?.message ?? ""}`,
  };
}

function readJson(path) {
  return JSON.parse(readFileSync(path, "utf8"));
}

function indent(text, linesMax) {
  const lines = text.split("\n").filter((line) => line.trim() !== "" && !line.includes("A complete log of this run"));
  return lines
    .slice(0, linesMax)
    .map((line) => `  ${line}`)
    .join("\n");
}

/** @returns {never} */
function fail(message, details = "") {
  console.error(`\n${message}`);
  if (details !== "") console.error(indent(details, 15));
  process.exit(1);
}
