/**
 * `npm test`: every check in order, each with its time, stopping at the first that fails. The last line counts the tests.
 * What a passing check prints is left out; the tests show their own progress.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { delimiter, dirname, join, relative } from "node:path";
import type { Readable } from "node:stream";
import { answersUnseen, SEEN_FILE } from "./answers-seen.ts";

const CHECKS: readonly (readonly [name: string, ...command: [string, ...string[]]])[] = [
  ["format", "oxfmt", "--check"],
  ["lint", "oxlint"],
  ["types", "tsc"],
  ["layers", "node", "scripts/check-layers.ts"],
  ["sizes", "node", "scripts/check-sizes.ts"],
  ["documents", "node", "scripts/check-docs.ts"],
  ["dead code", "knip"],
  ["commit messages", "node", "scripts/check-commits.ts"],
  ["description", "node", "scripts/check-description.ts"],
  ["client", "node", "scripts/build-client.ts", "--check"],
];
/**
 * Lines run side by side, the streams of a line one after the other. Tests of whole services, and of the contracts with Redis
 * and clients, often wait: for leases to end, for processes to start. The others compute, and none of them measures how soon
 * something happens, so they take what the former leave of the cores.
 */
const LINES: readonly (readonly Stream[])[] = [
  [{ name: "services", kinds: ["contract", "e2e"], niceness: 0 }],
  [
    { name: "parts", kinds: ["unit", "property"], niceness: 10 },
    { name: "simulation", kinds: ["simulation"], niceness: 19 },
  ],
];
/** What lies in test/ beside the kinds. */
const NO_KINDS = ["data", "support", "README.md"];
const SHOWN_MAX = 20;
const SLOWEST_SHOWN = 10;

interface Stream {
  readonly name: string;
  /** Folders in test/. */
  readonly kinds: readonly string[];
  /** 0: as anybody; 19: only what all others leave. */
  readonly niceness: number;
}

interface Ended {
  readonly name: string;
  readonly isOk: boolean;
  readonly report: TestReport | undefined;
  /** How long it took, as text. */
  readonly took: string;
}

/** The part of vitest's JSON report that is read here. */
interface TestReport {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    /** Milliseconds since 1970. */
    readonly startTime: number;
    readonly endTime: number;
    readonly assertionResults: readonly TestResult[];
  }[];
}

interface TestResult {
  readonly fullName: string;
  readonly status: string;
  readonly failureMessages: readonly string[];
}

const root = join(import.meta.dirname, "..");
const path = [join(root, "node_modules", ".bin"), process.env["PATH"]].join(delimiter);
const running = new Set<ChildProcess>();
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => {
    for (const child of running) child.kill(signal);
  });
}

for (const [index, [name, ...command]] of CHECKS.entries()) {
  const startedMs = performance.now();
  const { isOk, output } = await run(command, "quiet");
  if (isOk) {
    console.log(`${name.padEnd(16)} ok ${seconds(startedMs).padStart(8)}`);
    continue;
  }
  const notRun = [...CHECKS.slice(index + 1).map(([later]) => later), "tests"];
  console.log(`\n──── ${name}: FAILED after ${seconds(startedMs)} (${command.join(" ")})\n\n${output.trim()}\n`);
  console.log(`──── ${name}: FAILED. Not run: ${notRun.join(", ")}.`);
  process.exit(1);
}
process.exit((await runTests()) ? 0 : 1);

async function runTests(): Promise<boolean> {
  const known = new Set([...NO_KINDS, ...LINES.flat().flatMap(({ kinds }) => kinds)]);
  const forgotten = readdirSync(join(root, "test")).filter((name) => !known.has(name));
  if (forgotten.length > 0) throw new Error(`no stream runs the tests in test/${forgotten.join(", test/")}`);
  const startedMs = performance.now();
  mkdirSync(join(root, "reports"), { recursive: true });
  rmSync(SEEN_FILE, { force: true });
  const ended = (await Promise.all(LINES.map(runLine))).flat();
  const isOk = ended.every((stream) => stream.isOk);
  console.log(
    isOk ? `tests            ok ${seconds(startedMs).padStart(8)}` : `──── tests: FAILED after ${seconds(startedMs)}`,
  );
  for (const { name, report } of ended)
    if (report === undefined) console.log(`vitest left no report of the tests of ${name}: it could not run them`);
  const reports = ended.flatMap(({ report }) => report ?? []);
  if (reports.length < ended.length) return false;
  const report = reports.reduce(added);
  console.log(`by stream        ${ended.map(({ name, took }) => `${name} ${took}`).join(", ")}`);
  for (const line of timesOf(report)) console.log(line);
  const skipped = testsOf(report, ({ status }) => status !== "passed" && status !== "failed");
  tell("skipped", skipped);
  tell(
    "failed",
    testsOf(report, ({ status }) => status === "failed"),
  );
  // A file that cannot be loaded has no tests to count, and still must not look like a pass.
  const brokenFiles = report.testResults.filter(
    (file) => file.status === "failed" && !file.assertionResults.some(({ status }) => status === "failed"),
  );
  const failed = report.numFailedTests + brokenFiles.length;
  if (!isOk && failed === 0) console.log("every test passed, but vitest saw an error outside of them (above)");
  console.log(
    `${report.numPassedTests} passed, ${failed} failed${skipped.length > 0 ? `, ${skipped.length} skipped` : ""}`,
  );
  return isOk && failed === 0 && areAllAnswersSeen(skipped.length);
}

async function runLine(line: readonly Stream[]): Promise<Ended[]> {
  const ended: Ended[] = [];
  for (const stream of line) ended.push(await runStream(stream));
  return ended;
}

async function runStream({ name, kinds, niceness }: Stream): Promise<Ended> {
  const startedMs = performance.now();
  const file = `reports/tests-${name}.json`;
  rmSync(join(root, file), { force: true });
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${file}`];
  const projects = kinds.map((kind) => `--project=${kind}`);
  const command = ["nice", "-n", `${niceness}`, "vitest", "run", ...projects, ...reporters] as const;
  const { isOk } = await run(command, "shown");
  let report: TestReport | undefined;
  try {
    report = JSON.parse(readFileSync(join(root, file), "utf8")) as TestReport;
  } catch {
    // It has none: whoever called is told.
  }
  return { name, isOk, report, took: seconds(startedMs) };
}

/** Each by its name, with the first line of why it failed. */
function testsOf({ testResults }: TestReport, isMeant: (test: TestResult) => boolean): string[] {
  return testResults.flatMap(({ name, assertionResults }) =>
    assertionResults.filter(isMeant).map(({ fullName, failureMessages: [why] }) => {
      const told = why === undefined ? "" : `: ${why.split("\n", 1)[0]}`;
      return `${relative(root, name)}: ${fullName}${told}`;
    }),
  );
}

function tell(what: string, tests: readonly string[]): void {
  for (const test of tests.slice(0, SHOWN_MAX)) console.log(`${what}: ${test}`);
  if (tests.length > SHOWN_MAX) console.log(`${what}: ${tests.length - SHOWN_MAX} more`);
}

function added(one: TestReport, other: TestReport): TestReport {
  return {
    numPassedTests: one.numPassedTests + other.numPassedTests,
    numFailedTests: one.numFailedTests + other.numFailedTests,
    testResults: [...one.testResults, ...other.testResults],
  };
}

/** Every documented status of every call is seen by some test; where tests are skipped those are only told. */
function areAllAnswersSeen(skipped: number): boolean {
  const unseen = answersUnseen();
  if (unseen.length === 0) return true;
  console.log(`answers that are described and that no test has seen: ${unseen.join(", ")}`);
  return skipped > 0;
}

/** What each kind of tests took, files added up (only those of e2e run one at a time), and the files that took longest. */
function timesOf({ testResults }: TestReport): string[] {
  const byKind = new Map<string, number>();
  const files = testResults.map(({ name, startTime, endTime }) => ({
    file: relative(join(root, "test"), name),
    tookMs: endTime - startTime,
  }));
  for (const { file, tookMs } of files) {
    const kind = dirname(file);
    byKind.set(kind, (byKind.get(kind) ?? 0) + tookMs);
  }
  const slowest = files.toSorted((one, other) => other.tookMs - one.tookMs).slice(0, SLOWEST_SHOWN);
  const told = (rows: readonly (readonly [string, number])[]): string =>
    rows.map(([what, tookMs]) => `${what} ${(tookMs / 1000).toFixed(0)} s`).join(", ");
  return [
    `by kind          ${told([...byKind].toSorted(([, one], [, other]) => other - one))}`,
    `slowest files    ${told(slowest.map(({ file, tookMs }) => [file, tookMs] as const))}`,
  ];
}

/** Runs a command of node_modules/.bin from the project's folder; `quiet` collects what it prints. */
function run([command, ...args]: readonly [string, ...string[]], mode: "quiet" | "shown") {
  return new Promise<{ isOk: boolean; output: string }>((resolve) => {
    const hasChoice = "NO_COLOR" in process.env || "FORCE_COLOR" in process.env;
    const color = hasChoice ? {} : process.stdout.isTTY ? { FORCE_COLOR: "1" } : { NO_COLOR: "1" };
    const child = spawn(command, args, {
      cwd: root,
      env: { ...color, ...process.env, PATH: path },
      stdio: ["ignore", "pipe", "pipe"],
    });
    running.add(child);
    let output = "";
    const collect = (chunk: Buffer) => (output += chunk.toString());
    for (const stream of [child.stdout, child.stderr])
      if (mode === "quiet") stream.on("data", collect);
      else showLines(stream);
    child.on("error", (error) => resolve({ isOk: false, output: `cannot run ${command}: ${error.message}` }));
    child.on("close", (code) => {
      running.delete(child);
      resolve({ isOk: code === 0, output });
    });
  });
}

/** Whole lines only: others write beside it. */
function showLines(stream: Readable): void {
  let rest = "";
  stream.setEncoding("utf8");
  stream.on("data", (chunk: string) => {
    const end = chunk.lastIndexOf("\n") + 1;
    process.stdout.write(end === 0 ? "" : rest + chunk.slice(0, end));
    rest = end === 0 ? rest + chunk : chunk.slice(end);
  });
  stream.on("end", () => process.stdout.write(rest));
}

function seconds(startedMs: number): string {
  return `${((performance.now() - startedMs) / 1000).toFixed(1)} s`;
}
