/**
 * What members name of their tables in their renewals (R15): the runs that they believe in, and under each the partitions of
 * which they have a table, with its term, and whether it is ahead of the record (R4).
 */
import type { PartitionIndex } from "../ports/record-store.ts";
import type { Run } from "../ports/shared-records.ts";

/** One table that a member has. */
export interface NamedTable {
  readonly term: number;
  readonly isAhead: boolean;
}

/** Of one member, by tag: the run it believes in, and its tables. */
export type NamedTables = ReadonlyMap<
  number,
  { readonly run: Run; readonly namesAll: boolean; readonly tables: ReadonlyMap<PartitionIndex, NamedTable> }
>;

export interface Naming {
  readonly run: Run;
  readonly tag: number;
  /** False where there may be tables that are not named. */
  readonly namesAll: boolean;
  readonly tables: Iterable<readonly [partition: PartitionIndex, table: NamedTable]>;
}

/** Stands before the tables of a line that leaves none out. */
const ALL = "*";

/** For the list: tags under the same run share a line. The same namings give the same text. */
export function namingText(namings: Iterable<Naming>): string {
  const lines = new Map<string, { run: Run; tags: number[]; tables: string[] }>();
  for (const { run, tag, namesAll, tables } of namings) {
    const kind = namesAll ? ALL : "";
    const line = lines.get(kind + run) ?? { run, tags: [], tables: namesAll ? [ALL] : [] };
    lines.set(kind + run, line);
    line.tags.push(tag);
    for (const [partition, { term, isAhead }] of tables) line.tables.push(`${partition}:${term}${isAhead ? "+" : ""}`);
  }
  return JSON.stringify(Array.from(lines.values(), ({ run, tags, tables }) => [run, tags, tables.join(",")]));
}

/** @returns nothing of what cannot be read: it was written by another version, and counts as not named */
export function namedTables(text: string, tagsCount: number): NamedTables {
  const named = new Map<number, { run: Run; namesAll: boolean; tables: Map<PartitionIndex, NamedTable> }>();
  for (const line of linesOf(text)) {
    if (!isLine(line)) continue;
    const [run, tags, tables] = line;
    const namesAll = tables.startsWith(ALL);
    for (const tag of tags) named.set(tag, { run, namesAll, tables: new Map() });
    for (const [, partition, term, ahead] of tables.matchAll(/(\d{1,4}):(\d{1,15})(\+?)/g))
      named.get(Number(partition) % tagsCount)?.tables.set(Number(partition), {
        term: Number(term),
        isAhead: ahead !== "",
      });
  }
  return named;
}

function linesOf(text: string): unknown[] {
  try {
    const lines: unknown = JSON.parse(text);
    return Array.isArray(lines) ? lines : [];
  } catch {
    return [];
  }
}

function isLine(line: unknown): line is [Run, number[], string] {
  if (!Array.isArray(line) || line.length !== 3) return false;
  const [run, tags, tables] = line as unknown[];
  return typeof run === "string" && typeof tables === "string" && Array.isArray(tags) && tags.every(Number.isInteger);
}
