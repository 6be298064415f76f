/**
 * Checks what the documents say of the code: every rule that is cited has a section in docs/rules.md, every section names the
 * file that keeps it and the test that guards it, and every file, test, scenario and state that a document names is there.
 * Lists that the code knows better must be as it says; `--write` writes them.
 */
import { globSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join, posix } from "node:path";
import { checkDiagrams } from "./diagrams.ts";
import {
  checkLists,
  type Lists,
  listOfPages,
  listOfScenarios,
  tableOfFaults,
  tableOfReasons,
  withLists,
} from "./lists.ts";

const RULES = "docs/rules.md";
const EXCLUDED = ["**/node_modules/**", "reports/**", "data/**", ".git/**"];
/** They say what was, so they may name what is no more. */
const HISTORY = /^CHANGELOG\.md$|^bench\/.*RESULTS\.md$/;
/** `R5`, and not `R5xx`, a part of a longer name, or a letter of another language. */
const CITATION = /(?<![\w.-])R(\d{1,2})(?![\w-])/g;
const QUOTED_SCENARIO = /[Ss]cenarios?:?\s"([^"]+)"/g;
/** In a document: a file between backticks, or one that a link leads to. */
const NAMED_FILE = /`((?:[\w.-]+\/)*[\w-]+(?:\.[\w-]+)*\.(?:ts|js|lua|md|json|yml|cfg))`/g;
const LINKED_FILE = /\]\((?!https?:|#)([^)#\s]+)(?:#[^)]*)?\)/g;
const PLACEHOLDER = /[<*]|^x\.|^a\./;

/** The breaches in a project's folder, one line each: `file:line: what is wrong`. */
export function checkDocs(root: string, scenarios: readonly string[], lists: Lists): string[] {
  const read = (file: string): string => readFileSync(join(root, file), "utf8");
  const all = filesOf(root);
  const codeOf = (file: string): string | undefined => (all.includes(file) ? read(file) : undefined);
  const rules = rulesIn(read(RULES));
  return [
    ...rules.flatMap((rule) => checkRule(rule)),
    ...all.filter((file) => /\.(ts|lua|md)$/.test(file)).flatMap((file) => checkCitations(file, read(file), rules)),
    ...all.filter(isOfToday).flatMap((file) => {
      const text = read(file);
      return [
        ...checkNames(file, text, all, scenarios),
        ...checkDiagrams(file, text, codeOf),
        ...checkLists(file, text, lists),
      ];
    }),
  ];
}

/** Writes the lists of all documents as the code has them. */
export function writeLists(root: string, lists: Lists): void {
  for (const file of filesOf(root).filter(isOfToday)) {
    const path = join(root, file);
    const text = readFileSync(path, "utf8");
    const written = withLists(text, lists);
    if (written !== text) writeFileSync(path, written);
  }
}

function filesOf(root: string): string[] {
  const found = globSync("**/*.{ts,js,lua,md,json,yml,yaml,cfg,html,cs}", { cwd: root, exclude: EXCLUDED });
  return found.map((file) => file.replaceAll("\\", "/"));
}

function isOfToday(file: string): boolean {
  return file.endsWith(".md") && !HISTORY.test(file);
}

interface RuleSection {
  readonly rule: number;
  readonly line: number;
  readonly text: string;
}

function rulesIn(text: string): RuleSection[] {
  const lines = text.split("\n");
  const starts = [...lines.keys()].filter((line) => /^## R\d/.test(lines[line] ?? ""));
  return starts.map((start, index) => ({
    rule: Number(/^## R(\d+)/.exec(lines[start] ?? "")?.[1]),
    line: start + 1,
    text: lines.slice(start, starts[index + 1]).join("\n"),
  }));
}

function checkRule({ rule, line, text }: RuleSection): string[] {
  const missing = ["Kept by:", "Guarded by:"].filter((part) => !text.includes(part));
  const errors = missing.map((part) => `${RULES}:${line}: the section of R${rule} has no line "${part}"`);
  const isGuarded = /Guarded by:[^]*(\.test\.ts`|scenario ")/.test(text);
  if (missing.length === 0 && !isGuarded)
    errors.push(`${RULES}:${line}: nothing guards R${rule}: no test, no scenario`);
  return errors;
}

function checkCitations(file: string, text: string, rules: readonly RuleSection[]): string[] {
  const known = new Set(rules.map(({ rule }) => rule));
  return eachMatch(text, CITATION).flatMap(({ match, line }) =>
    known.has(Number(match[1])) ? [] : [`${file}:${line}: cites R${match[1]}, which ${RULES} does not have`],
  );
}

function checkNames(file: string, text: string, all: readonly string[], scenarios: readonly string[]): string[] {
  const names = new Set(all.map((each) => basename(each)));
  const isThere = (name: string): boolean => {
    if (name.startsWith("../")) return all.includes(posix.join(dirname(file), name));
    return name.includes("/") ? all.some((each) => each === name || each.endsWith(`/${name}`)) : names.has(name);
  };
  const named = eachMatch(text, NAMED_FILE).flatMap(({ match, line }) => {
    const [, name = ""] = match;
    return PLACEHOLDER.test(name) || isThere(name) ? [] : [`${file}:${line}: names ${name}, which is not there`];
  });
  const linked = eachMatch(text, LINKED_FILE).flatMap(({ match, line }) => {
    const target = posix.normalize(posix.join(dirname(file), match[1] ?? ""));
    const isFound = all.some((each) => each === target || each.startsWith(`${target.replace(/\/$/, "")}/`));
    return isFound || !/\.\w+$/.test(target) ? [] : [`${file}:${line}: links to ${target}, which is not there`];
  });
  const played = eachMatch(text, QUOTED_SCENARIO).flatMap(({ match, line }) => {
    const name = (match[1] ?? "").replaceAll(/\s+/g, " "); // it may go on in the next line
    return scenarios.includes(name) ? [] : [`${file}:${line}: names the scenario "${name}", which is not there`];
  });
  return [...named, ...linked, ...played];
}

/** Of the numbered pages in a folder. */
function headingsIn(folder: string): [file: string, heading: string][] {
  const files = globSync("[0-9]*.md", { cwd: folder }).toSorted();
  return files.map((file) => {
    const [, heading = ""] = /^# (?:\d+\. )?(.+)$/m.exec(readFileSync(join(folder, file), "utf8")) ?? [];
    return [file, `${Number.parseInt(file)}. ${heading}`];
  });
}

function eachMatch(text: string, pattern: RegExp): { match: RegExpMatchArray; line: number }[] {
  return [...text.matchAll(pattern)].map((match) => ({
    match,
    line: text.slice(0, match.index).split("\n").length,
  }));
}

if (import.meta.main) {
  const { SCENARIO_NAMES } = await import("../simulator/scenario-names.ts");
  const { PLANTED_FAULTS } = await import("../simulator/planted-faults.ts");
  const { REASONS } = await import("../node/http/reasons.ts");
  const root = join(import.meta.dirname, "..");
  const lists = {
    reasons: tableOfReasons(REASONS),
    scenarios: listOfScenarios(SCENARIO_NAMES),
    "planted faults": tableOfFaults(PLANTED_FAULTS),
    decisions: listOfPages(headingsIn(join(root, "docs/decisions"))),
  };
  if (process.argv.includes("--write")) writeLists(root, lists);
  const breaches = checkDocs(root, SCENARIO_NAMES, lists);
  for (const breach of breaches) console.error(breach);
  if (breaches.length > 0) process.exitCode = 1;
}
