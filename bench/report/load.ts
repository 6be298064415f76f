/** How contestants under load compare: by CPU time always, by throughput only where the load had room. */
import type { LoadSeries } from "../results.ts";
import { ratiosOf, spreadOf } from "../support/spread.ts";
import { atLeast, type Goal } from "./goal.ts";
import { number, percentText, spreadText, table } from "./text.ts";

/** A load whose core is busier than that may be what was measured. */
const LOAD_BUSY_MAX = 0.9;

/** Whether the load's core was so idle that the contestant's throughput is its own. */
export function hasRoom({ loadBusy }: LoadSeries): boolean {
  return spreadOf(loadBusy).median < LOAD_BUSY_MAX;
}

export function named(contestants: readonly LoadSeries[], name: string): LoadSeries {
  const found = contestants.find((contestant) => contestant.name === name);
  if (found === undefined) throw new Error(`Cannot judge the results: no contestant is called "${name}"`);
  return found;
}

/** How many times as good `ours` is as `rival`. */
export function goodnessGoals(
  part: string,
  text: string,
  target: number,
  ours: LoadSeries,
  rival: LoadSeries,
): readonly Goal[] {
  const isComparable = hasRoom(ours) && hasRoom(rival);
  return [
    ...atLeast(part, `${text}, by CPU`, target, ratiosOf(rival.cpuUs, ours.cpuUs)),
    ...(isComparable ? atLeast(part, `${text}, by throughput`, target, ratiosOf(ours.perSecond, rival.perSecond)) : []),
  ];
}

/** @param unit what is counted, "report" or "read" */
export function loadTable(unit: string, contestants: readonly LoadSeries[], floorName: string): string {
  const floor = named(contestants, floorName);
  const rows = contestants.map((one) => [
    one.name,
    spreadText(spreadOf(one.cpuUs), spreadOf(one.cpuUs).max < 10 ? 2 : 1),
    spreadOf(ratiosOf(floor.cpuUs, one.cpuUs)).median.toFixed(2),
    spreadText(spreadOf(one.perSecond), 0),
    hasRoom(one) && hasRoom(floor) ? spreadOf(ratiosOf(one.perSecond, floor.perSecond)).median.toFixed(2) : "–",
    one.p99Ms.length === 0 ? "–" : spreadText(spreadOf(one.p99Ms), 1),
    `${percentText(one.serverBusy)} / ${percentText(one.loadBusy)}`,
    spreadOf(one.loadCpuUs).median.toFixed(1),
    one.refused === 0 ? "0" : `**${number(one.refused)}**`,
  ]);
  const head = [
    "contestant",
    `µs of CPU a ${unit}`,
    "times as good as the floor",
    `${unit}s/s`,
    "of the floor's",
    "p99, ms",
    "core busy, server / load",
    "load, µs a request",
    "not 2xx",
  ];
  const crowded = contestants.filter((one) => !hasRoom(one)).map(({ name }) => name);
  const note =
    crowded.length === 0
      ? "Throughput is compared: the load's core was below 90 % for all of them."
      : `Throughput is not compared where the load's core was 90 % busy or more: ${crowded.join(", ")}.`;
  return `${table(head, rows)}\n\n${note}`;
}
