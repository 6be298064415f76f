import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { checkDocs } from "../../scripts/check-docs.ts";

const RULE = "## R1 Claim\n\nWhat it asks for.\n\nKept by: `a/claim.ts`.\nGuarded by: `claim.test.ts`.\n";
const SOUND = { "docs/rules.md": RULE, "a/claim.ts": "/** R1: claims. */\n", "test/claim.test.ts": "" };

/** The breaches in a project of these files. */
function breachesOf(files: Readonly<Record<string, string>>, scenarios: readonly string[] = []): string[] {
  const root = mkdtempSync(join(tmpdir(), "headcount-docs-"));
  onTestFinished(() => rmSync(root, { recursive: true }));
  for (const [file, text] of Object.entries({ ...SOUND, ...files })) {
    mkdirSync(dirname(join(root, file)), { recursive: true });
    writeFileSync(join(root, file), text);
  }
  return checkDocs(root, scenarios);
}

test("checkDocs() has nothing to say where every name leads somewhere", () => {
  const text = 'See `claim.ts`, `a/claim.ts`, `../a/claim.ts`, [rules](rules.md); scenario "two\nclaims".\n';
  expect(breachesOf({ "docs/more.md": text }, ["two claims"])).toEqual([]);
});

test.each([
  ["a rule without an entry", { "a/b.ts": "\n// R7\n" }, "a/b.ts:2: cites R7, which docs/rules.md does not have"],
  ["an entry without its test", { "docs/rules.md": RULE.replace("Guarded", "Kept") }, /no line "Guarded by:"$/],
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
