import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { checkSizes } from "../../scripts/check-sizes.ts";

const fileOf = (lines: number): string => "// a line\n".repeat(lines);
const classOf = (lines: number, head = "class Long {"): string => `${head}\n${"  // a line\n".repeat(lines - 2)}}\n`;
const FOLDERS = ["engine", "node", "cluster", "crowd", "simulator", "scripts", "bench", "test"];

test.each(FOLDERS)("checkSizes() finds a file of more than 400 lines under %s/", (folder) => {
  const breaches = checkSizes(projectWith({ [`${folder}/deep/long.ts`]: fileOf(401), "engine/short.ts": fileOf(400) }));
  expect(breaches).toEqual([`${folder}/deep/long.ts:1: the file has 401 lines, 400 at the most`]);
});

test.each([
  ["class Long {", "Long"],
  ["export class Long extends Short {", "Long"],
  ["export const Long = class {", "without a name"],
])("checkSizes() finds a class of more than 250 lines: %s", (head, name) => {
  const root = projectWith({ "engine/a.ts": `\n${classOf(251, head)}`, "engine/b.ts": classOf(250, head) });
  expect(checkSizes(root)).toEqual([`engine/a.ts:2: class ${name} has 251 lines, 250 at the most`]);
});

test("checkSizes() finds a long class inside a function, and each of two", () => {
  const inside = `function make() {\n${classOf(260)}}\n`;
  expect(checkSizes(projectWith({ "node/a.js": inside, "node/b.ts": classOf(251) }))).toEqual([
    "node/a.js:2: class Long has 260 lines, 250 at the most",
    "node/b.ts:1: class Long has 251 lines, 250 at the most",
  ]);
});

test("checkSizes() leaves out what is installed and what is in other folders", () => {
  const root = projectWith({
    "node/node_modules/a.js": fileOf(500),
    "deploy/a.ts": fileOf(500),
  });
  expect(checkSizes(root)).toEqual([]);
});

function projectWith(files: Readonly<Record<string, string>>): string {
  const root = mkdtempSync(join(tmpdir(), "headcount-sizes-"));
  onTestFinished(() => rmSync(root, { recursive: true }));
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, file)), { recursive: true });
    writeFileSync(join(root, file), text);
  }
  return root;
}
