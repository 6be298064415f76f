/** How busy a core was: a server that is not saturated was not measured, its load was. */
import { readFileSync } from "node:fs";

export interface CoreTimes {
  readonly busy: number;
  readonly all: number;
}

/** A core's time so far, in ticks; zeros where the system does not tell (only Linux does). */
export function coreTimes(core: number): CoreTimes {
  const line = readStat().find((text) => text.startsWith(`cpu${core} `));
  const ticks = line?.split(" ").slice(1, 9).map(Number) ?? [];
  const all = ticks.reduce((sum, value) => sum + value, 0);
  const [, , , idle = 0, waiting = 0] = ticks;
  return { busy: all - idle - waiting, all };
}

/** The share of its time that the core worked between two looks. */
export function busyShare(before: CoreTimes, after: CoreTimes): number {
  return (after.busy - before.busy) / Math.max(1, after.all - before.all);
}

function readStat(): string[] {
  try {
    return readFileSync("/proc/stat", "utf8").split("\n");
  } catch {
    return [];
  }
}
