/**
 * What a run is made of (R9, R12, R15): the masters' replication ids, sorted; the history of the list, as
 * `generation.nonce`; the mark of the key. `lua/run.lua` takes it apart in the same way.
 */
import type { Run } from "../../cluster/ports/shared-store.ts";

/** In the place of a history or a mark that is not known, or not there. */
export const UNKNOWN = "-";

export function encodeRun(masters: string, history = UNKNOWN, mark = UNKNOWN): Run {
  return `${masters} ${history} ${mark}`;
}

export function mastersOf(run: Run): string {
  return run.slice(0, run.indexOf(" "));
}

export function markOfRun(run: Run): string {
  return run.slice(run.lastIndexOf(" ") + 1);
}

/** How many times a key has replaced another, and one. */
export function generationOf(history: string): number {
  return Number.parseInt(history, 10) || 1;
}
