/** What processes take of the machine, as the system counts it. */
import { readFileSync } from "node:fs";

/** The unit of /proc: USER_HZ, 100 on every Linux. */
const TICK_MS = 10;

/** Milliseconds of CPU that these processes took so far, all together: user and system time of all their threads. */
export function cpuMsOf(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + ticksOf(pid, 11) * TICK_MS, 0);
}

/** The same of all children of this process that have ended. */
export function endedChildrenCpuMs(): number {
  return ticksOf("self", 13) * TICK_MS;
}

/** Bytes of memory that are resident for a process. */
export function residentBytesOf(pid: number): number {
  const found = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  if (found === null) throw new Error(`Cannot tell the memory of process ${pid}: its status has no VmRSS`);
  return Number(found[1]) * 1024;
}

/** User and system time: the field `first` after the name, and the one behind it. */
function ticksOf(pid: number | "self", first: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" "); // the name before it may hold anything
  return Number(fields[first]) + Number(fields[first + 1]);
}
