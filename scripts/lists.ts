/** Lists in documents that the code knows better: they stand between two marks, and are written from the code. */
import type { REASONS } from "../node/http/reasons.ts";
import type { PlantedFault } from "../simulator/planted-faults/planted-fault.ts";

/** The text of each list, by its name. */
export type Lists = Readonly<Record<string, string>>;

const LIST = /<!-- list: ([\w -]+) -->\n\n([^]*?)\n\n<!-- end of list -->/g;

/** What a document's lists say that the code does not, one line each. */
export function checkLists(file: string, text: string, lists: Lists): string[] {
  return [...text.matchAll(LIST)].flatMap(({ index, 1: name = "", 2: stands }) => {
    const place = `${file}:${text.slice(0, index).split("\n").length}`;
    const made = lists[name];
    if (made === undefined) return [`${place}: nobody makes the list "${name}"`];
    const wrong = `${place}: the list "${name}" is not what the code says: node scripts/check-docs.ts --write`;
    return made === stands ? [] : [wrong];
  });
}

/** The document with its lists as the code has them. */
export function withLists(text: string, lists: Lists): string {
  return text.replaceAll(LIST, (whole, name: string) => {
    const made = lists[name];
    return made === undefined ? whole : `<!-- list: ${name} -->\n\n${made}\n\n<!-- end of list -->`;
  });
}

export function listOfScenarios(names: readonly string[]): string {
  return names.map((name) => `- ${name}`).join("\n");
}

/** The pages of decisions, by number: each file with its heading. */
export function listOfPages(headings: readonly (readonly [file: string, heading: string])[]): string {
  return headings.map(([file, heading]) => `- [${heading}](${file})`).join("\n");
}

/** Why requests are refused, by reason. */
export function tableOfReasons(reasons: typeof REASONS): string {
  const rows = Object.entries(reasons).map(
    ([reason, { statuses, what, advice }]) => `| \`${reason}\` | ${statuses.join(", ")} | ${what} | ${advice} |`,
  );
  return ["| reason | status | what it says | what to do |", "| --- | --- | --- | --- |", ...rows].join("\n");
}

/** By rule, in the order of the source. */
export function tableOfFaults(faults: Readonly<Record<string, PlantedFault>>): string {
  const rows = Object.entries(faults).map(([name, fault]) => `| ${fault.rule} | ${name} | ${fateOf(fault)} |`);
  return ["| rule | breach | looked for in, or why it is not |", "| --- | --- | --- |", ...rows].join("\n");
}

function fateOf({ scenarios = [], harmless, rare }: PlantedFault): string {
  if (harmless !== undefined) return `**harmless**: ${harmless}`;
  if (rare !== undefined) return `**rare**: ${rare}`;
  return scenarios.length === 0 ? "random seeds" : scenarios.map((name) => `"${name}"`).join("; ");
}
