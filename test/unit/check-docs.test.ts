import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { checkDocs, writeLists } from "../../scripts/check-docs.ts";

const RULE = "## R1 Claim\n\nWhat it asks for.\n\nKept by: `a/claim.ts`.\nGuarded by: `claim.test.ts`.\n";
const SOUND = { "docs/rules.md": RULE, "a/claim.ts": "/** R1: claims. */\n", "test/claim.test.ts": "" };

/** The breaches in a project of these files. */
function breachesOf(
  files: Readonly<Record<string, string>>,
  scenarios: readonly string[] = [],
  lists: Readonly<Record<string, string>> = {},
): string[] {
  return checkDocs(projectOf(files), scenarios, lists);
}

/** A folder with these files. */
function projectOf(files: Readonly<Record<string, string>>): string {
  const root = mkdtempSync(join(tmpdir(), "headcount-docs-"));
  onTestFinished(() => rmSync(root, { recursive: true }));
  for (const [file, text] of Object.entries({ ...SOUND, ...files })) {
    mkdirSync(dirname(join(root, file)), { recursive: true });
    writeFileSync(join(root, file), text);
  }
  return root;
}

test("checkDocs() has nothing to say where every name leads somewhere", () => {
  const text = 'See `claim.ts`, `a/claim.ts`, `../a/claim.ts`, [rules](rules.md); scenario "two\nclaims".\n';
  expect(breachesOf({ "docs/more.md": text }, ["two claims"])).toEqual([]);
});

test.each([
  ["a rule without a section", { "a/b.ts": "\n// R7\n" }, "a/b.ts:2: cites R7, which docs/rules.md does not have"],
  ["a section without its test", { "docs/rules.md": RULE.replace("Guarded", "Kept") }, /no line "Guarded by:"$/],
  ["a file", { "docs/more.md": "`gone.ts`" }, "docs/more.md:1: names gone.ts, which is not there"],
  ["a file beside the folder", { "docs/more.md": "`../gone.ts`" }, /names \.\.\/gone\.ts/],
  ["a link", { "docs/more.md": "[x](gone.md)" }, "docs/more.md:1: links to docs/gone.md, which is not there"],
  [
    "a scenario",
    { "docs/more.md": 'scenario "gone"' },
    'docs/more.md:1: names the scenario "gone", which is not there',
  ],
])("checkDocs() finds %s that is not there", (_, files, breach) => {
  expect(breachesOf(files)).toEqual([typeof breach === "string" ? breach : expect.stringMatching(breach)]);
});

test("checkDocs() lets what tells of the past name what is no more", () => {
  expect(breachesOf({ "CHANGELOG.md": "`gone.ts`", "bench/RESULTS.md": "`gone.ts`" })).toEqual([]);
});

const MACHINE = 'type State = "idle" | "letting go";\nclass Machine {\n  letGo(): void {}\n}\n';
const diagramOf = (...lines: string[]): string => ["```mermaid", "stateDiagram-v2", ...lines, "```", ""].join("\n");
const FROM = "  %% code: a/machine.ts";

test("checkDocs() has nothing to say of a diagram whose states and verbs are names in the code", () => {
  const diagram = diagramOf(
    FROM,
    '  state "letting go" as lettingGo',
    "  [*] --> idle",
    "  idle --> lettingGo: letGo()",
  );
  expect(breachesOf({ "a/machine.ts": MACHINE, "docs/more.md": diagram })).toEqual([]);
});

test.each([
  ["a state", [FROM, "  [*] --> gone"], 'docs/more.md:1: draws the state "gone", which a/machine.ts does not have'],
  [
    "a state of two words",
    [FROM, '  state "not there" as gone', "  idle --> gone"],
    'docs/more.md:1: draws the state "not there", which a/machine.ts does not have',
  ],
  [
    "a verb",
    [FROM, "  idle --> idle: letGo(), holdOn()"],
    "docs/more.md:1: draws the verb holdOn(), which a/machine.ts does not have",
  ],
  ["its file", ["  %% code: a/gone.ts", "  idle --> idle"], "docs/more.md:1: draws a/gone.ts, which is not there"],
  ["any file", ["  idle --> idle"], "docs/more.md:1: a diagram of states names no file: %% code: a/b.ts"],
])("checkDocs() finds a diagram that draws %s that is not there", (_, lines, breach) => {
  expect(breachesOf({ "a/machine.ts": MACHINE, "docs/more.md": diagramOf(...lines) })).toContain(breach);
});

const LISTS = { fruit: "- apple\n- pear" };
const listed = (text: string): string =>
  `# Fruit\n\n<!-- list: fruit -->\n\n${text}\n\n<!-- end of list -->\n\nMore.\n`;

test("checkDocs() finds a list that is not what the code says, and writeLists() mends it", () => {
  expect(breachesOf({ "docs/more.md": listed("- apple\n- pear") }, [], LISTS)).toEqual([]);
  const stale = { "docs/more.md": listed("- apple") };
  expect(breachesOf(stale, [], LISTS)).toEqual([
    'docs/more.md:3: the list "fruit" is not what the code says: node scripts/check-docs.ts --write',
  ]);
  const root = projectOf(stale);
  writeLists(root, LISTS);
  expect(readFileSync(join(root, "docs/more.md"), "utf8")).toBe(listed("- apple\n- pear"));
});

test("checkDocs() finds a list that nobody makes", () => {
  expect(breachesOf({ "docs/more.md": listed("- apple") })).toEqual(['docs/more.md:3: nobody makes the list "fruit"']);
});
