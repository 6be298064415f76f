/** CPU time of processes, as the system counts it: user and system time of all their threads. */
import { readFileSync } from "node:fs";

/** The unit of /proc: USER_HZ, 100 on every Linux. */
const TICK_MS = 10;

/** Milliseconds of CPU that these processes took so far, all together. */
export function cpuMsOf(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + ticksOf(pid) * TICK_MS, 0);
}

function ticksOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" "); // the name before it may hold anything
  return Number(fields[11]) + Number(fields[12]);
}
