/**
 * What is wrong with a store's folder, in plain lines for whoever starts the node.
 */
import type { PartitionIndex } from "../../cluster/ports/record-store.ts";

/** What cannot be read any more. All empty and false: damage was found, but everything could be read around it. */
export interface Loss {
  /** What was found damaged, a line each: file, place, rule. */
  readonly findings: readonly string[];
  /** The founding is gone, and with the hash key every record. */
  readonly founding: boolean;
  /** Partitions of which nothing at all can be read. */
  readonly records: readonly PartitionIndex[];
  /** Partitions whose newest snapshot is gone; what was logged since is kept. */
  readonly snapshots: readonly PartitionIndex[];
  /** Ranges of group commits that are gone, first and last. */
  readonly commits: readonly (readonly [number, number])[];
}

/** The store's file does not hold what was written to it. Nothing on disk was changed. */
export class DamagedStoreError extends Error {
  override readonly name = "DamagedStoreError";
  readonly loss: Loss;

  constructor(folder: string, loss: Loss) {
    super(
      [
        `The store in ${folder} is damaged: ${loss.findings.join("; ")}.`,
        `Going on without the damaged part ${lossLine(loss)}.`,
        "Nothing was changed. HEADCOUNT_REPAIR=1 goes on without it and keeps a copy of the damaged files beside.",
      ].join("\n"),
    );
    this.loss = loss;
  }
}

/** Another process, or another store of this one, has the folder open. */
export class FolderInUseError extends Error {
  override readonly name = "FolderInUseError";

  constructor(folder: string) {
    super(`The store's folder ${folder} is in use by another process: each node needs a folder of its own`);
  }
}

/** "would lose …", for a sentence. */
export function lossLine(loss: Loss): string {
  if (loss.founding) return "would lose everything: the founding, and with it the key of every record, cannot be read";
  const parts = [
    listOf("everything of partition", loss.records),
    listOf("the snapshot of partition", loss.snapshots),
    listOf(
      "log commit",
      loss.commits.map(([first, last]) => (first === last ? `${first}` : `${first} to ${last}`)),
    ),
  ].filter((part) => part !== "");
  return parts.length === 0
    ? "would lose nothing that was acknowledged: all of it can be read"
    : `would lose ${parts.join(", ")}`;
}

const LISTED_MAX = 20;

function listOf(what: string, items: readonly (string | number)[]): string {
  if (items.length === 0) return "";
  const shown = items.slice(0, LISTED_MAX).join(", ");
  const more = items.length > LISTED_MAX ? ` and ${items.length - LISTED_MAX} more` : "";
  return `${what}${items.length > 1 ? "s" : ""} ${shown}${more}`;
}
