/**
 * The size check: no file is longer than 400 lines, no class longer than 250. What is longer has a second reason to
 * change; split along it. Lines are counted as they are written, comments and empty ones too.
 */
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseAst } from "vitest/node";

const FILE_LINES_MAX = 400;
const CLASS_LINES_MAX = 250;
const FOLDERS = ["engine", "node", "cluster", "client", "crowd", "simulator", "scripts", "bench", "test"];

/** A node of the tree as far as it is read here. */
interface SyntaxNode {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [key: string]: unknown;
}

/** What is too long in a project's folder, one line each: `file:line: what, and by how much`. */
export function checkSizes(root: string): string[] {
  const files = globSync(`{${FOLDERS.join(",")}}/**/*.{ts,js}`, { cwd: root, exclude: ["**/node_modules/**"] });
  return files
    .map((file) => file.replaceAll("\\", "/"))
    .toSorted()
    .flatMap((file) => checkFile(file, readFileSync(join(root, file), "utf8")));
}

function checkFile(file: string, source: string): string[] {
  const lines = lineOf(source, source.trimEnd().length);
  const whole = lines > FILE_LINES_MAX ? [`${file}:1: the file has ${lines} lines, ${FILE_LINES_MAX} at the most`] : [];
  const tree = parseAst(source, { lang: file.endsWith(".ts") ? "ts" : "js" }) as unknown as SyntaxNode;
  const classes = classesIn(tree).flatMap(({ start, end, ...node }) => {
    const first = lineOf(source, start);
    const length = lineOf(source, end) - first + 1;
    const name = (node["id"] as { name?: string } | null)?.name ?? "without a name";
    if (length <= CLASS_LINES_MAX) return [];
    return [`${file}:${first}: class ${name} has ${length} lines, ${CLASS_LINES_MAX} at the most`];
  });
  return [...whole, ...classes];
}

function classesIn(node: SyntaxNode): SyntaxNode[] {
  const inside = Object.values(node)
    .flat()
    .filter((child) => typeof (child as SyntaxNode | null)?.type === "string")
    .flatMap((child) => classesIn(child as SyntaxNode));
  return node.type === "ClassDeclaration" || node.type === "ClassExpression" ? [node, ...inside] : inside;
}

/** The line that a place in the text is in, from 1. */
function lineOf(source: string, at: number): number {
  return source.slice(0, at).split("\n").length;
}

if (import.meta.main) {
  const breaches = checkSizes(join(import.meta.dirname, ".."));
  for (const breach of breaches) console.error(breach);
  if (breaches.length > 0) process.exitCode = 1;
}
