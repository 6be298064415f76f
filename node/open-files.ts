/** How many files, sockets among them, the system lets this process open. */
import { readFileSync } from "node:fs";

/** Where the system does not say (it is not Linux): less than what usual ones allow. */
const UNTOLD = 8192;

/** Node has raised the soft limit to the hard one when it started. Source: proc(5), /proc/pid/limits. */
export function openFilesMax(limits = readLimits()): number {
  const [, soft] = /^Max open files +(\d+|unlimited)/m.exec(limits) ?? [];
  if (soft === undefined) return UNTOLD;
  return soft === "unlimited" ? Infinity : Number(soft);
}

function readLimits(): string {
  try {
    return readFileSync("/proc/self/limits", "utf8");
  } catch {
    return "";
  }
}
