/** What a catalogue says, and what another one would change, in words for people. */
import { asPlainText } from "./catalogue-file.ts";
import type { CatalogueText, WrittenMode } from "./catalogue-form.ts";
import { areAlike } from "./stored-catalogue.ts";

/** As a mode is written, but for its name. */
const FIELDS = ["name", "lobby", "requires", "regions", "from", "retired"] as const;
const LISTED_MAX = 12;

/** @returns lines */
export function summaryOf({ version, unknownModes, modes, leaderboards = [] }: CatalogueText): string[] {
  const count = (what: string, has: (mode: WrittenMode) => boolean): string[] => {
    const { length } = modes.filter(has);
    return length === 0 ? [] : [`  ${length} ${what}`];
  };
  return [
    `Version ${version}: ${headOf(modes.length, unknownModes === "refuse")}`,
    ...count("for whoever has the entitlements", ({ requires }) => requires !== undefined),
    ...count("in some countries only", ({ regions }) => regions !== undefined),
    ...count("from some modes only", ({ from }) => from !== undefined),
    ...count("with an end (retired)", ({ retired }) => retired !== undefined),
    ...(leaderboards.length === 0
      ? []
      : [`  ${numbered(leaderboards.length, "leaderboard")}: checked, and not served yet`]),
  ];
}

function headOf(count: number, isRefused: boolean): string {
  if (count > 0) return `${numbered(count, "mode")}, and any other mode is ${isRefused ? "refused" : "accepted"}.`;
  return isRefused
    ? "no modes, and every mode is refused: nobody could report anything."
    : "no modes, and every mode is accepted, as without a catalogue.";
}

export interface Comparison {
  /** Whether nodes would follow it, or do. */
  readonly isFollowed: boolean;
  readonly lines: readonly string[];
}

/**
 * @param standing in force; `undefined`: none
 * @param where it is
 */
export function compare(standing: CatalogueText | undefined, next: CatalogueText, where: string): Comparison {
  if (standing === undefined)
    return {
      isFollowed: true,
      lines: [`No catalogue is in force at ${where}: version ${next.version} would be the first.`],
    };
  const isAlike = areAlike(standing, next);
  const isFollowed = isAlike || next.version > standing.version;
  const lines = [
    ...unknownModesChanged(standing, next),
    ...modesChanged(standing.modes, next.modes),
    ...leaderboardsChanged(standing, next),
  ];
  const differences = [
    `What differs from version ${standing.version}:`,
    ...lines.map((line) => `  ${asPlainText(line)}`),
  ];
  const rest = lines.length > 0 ? differences : isAlike ? [] : ["But for the version both say the same."];
  return { isFollowed, lines: [verdictOf(standing, next, where), ...rest] };
}

function verdictOf(standing: CatalogueText, next: CatalogueText, where: string): string {
  const raise = `Give it version ${standing.version + 1} or higher.`;
  if (next.version > standing.version)
    return `Version ${next.version} would take the place of version ${standing.version} at ${where}.`;
  if (next.version < standing.version)
    return `It would NOT be followed: version ${standing.version} at ${where} is higher. ${raise}`;
  if (areAlike(standing, next)) return `Version ${next.version} is what there is at ${where}.`;
  return `It would NOT be followed: ${where} has version ${next.version} with other contents, and a node with this file would be degraded. ${raise}`;
}

function unknownModesChanged(standing: CatalogueText, next: CatalogueText): string[] {
  return standing.unknownModes === next.unknownModes
    ? []
    : [`unknownModes: ${standing.unknownModes} becomes ${next.unknownModes}`];
}

function modesChanged(standing: readonly WrittenMode[], next: readonly WrittenMode[]): string[] {
  const [before, after] = [byName(standing), byName(next)];
  const added = next.filter(({ mode }) => !before.has(mode)).map((mode) => `added    ${described(mode)}`);
  const removed = standing.filter(({ mode }) => !after.has(mode)).map((mode) => `removed  ${described(mode)}`);
  const changed = next.flatMap((mode) => {
    const old = before.get(mode.mode);
    return old === undefined ? [] : fieldsChanged(old, mode);
  });
  const isSame = ({ mode }: WrittenMode): boolean => before.has(mode) && after.has(mode);
  const order = (modes: readonly WrittenMode[]): string =>
    modes
      .filter(isSame)
      .map(({ mode }) => mode)
      .join(" ");
  const moved = order(standing) === order(next) ? [] : ["the order of modes, in which clients get them"];
  return [...added, ...removed, ...changed, ...moved];
}

function fieldsChanged(old: WrittenMode, mode: WrittenMode): string[] {
  return FIELDS.filter((field) => JSON.stringify(old[field]) !== JSON.stringify(mode[field])).map(
    (field) => `changed  ${mode.mode}: ${field} ${change(old[field], mode[field])}`,
  );
}

type Value = WrittenMode[keyof WrittenMode];

function change(old: Value, value: Value): string {
  if (old === undefined) return `is added: ${shown(value)}`;
  if (value === undefined) return `is gone, it was ${shown(old)}`;
  if (!Array.isArray(old) || !Array.isArray(value)) return `${shown(old)} becomes ${shown(value)}`;
  const added = value.filter((each) => !old.includes(each));
  const removed = old.filter((each) => !value.includes(each));
  const parts = [
    ...(added.length === 0 ? [] : [`also ${listed(added)}`]),
    ...(removed.length === 0 ? [] : [`no longer ${listed(removed)}`]),
  ];
  return parts.join("; ");
}

function leaderboardsChanged(standing: CatalogueText, next: CatalogueText): string[] {
  const text = ({ leaderboards = [] }: CatalogueText): string => JSON.stringify(leaderboards);
  return text(standing) === text(next) ? [] : ["the leaderboards"];
}

function byName(modes: readonly WrittenMode[]): Map<string, WrittenMode> {
  return new Map(modes.map((mode) => [mode.mode, mode]));
}

function described(mode: WrittenMode): string {
  const fields = FIELDS.filter((field) => mode[field] !== undefined).map((field) => `${field} ${shown(mode[field])}`);
  return fields.length === 0 ? mode.mode : `${mode.mode} (${fields.join(", ")})`;
}

function shown(value: Value): string {
  return Array.isArray(value) ? listed(value) : typeof value === "string" ? JSON.stringify(value) : String(value);
}

function listed(names: readonly string[]): string {
  const rest = names.length - LISTED_MAX;
  return names.slice(0, LISTED_MAX).join(" ") + (rest > 0 ? ` and ${rest} more` : "");
}

function numbered(count: number, what: string): string {
  return count === 1 ? `one ${what}` : `${count} ${what}s`;
}
