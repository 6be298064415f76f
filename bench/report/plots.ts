/** The plots of a run: results.svg for the comparison, soak.svg for memory over time. */
import type { EngineSize, LoadSeries, OverloadResult, Results, SoakResult } from "../results.ts";
import { spreadOf } from "../support/spread.ts";
import { overloadDrawings } from "./overload.ts";
import { type Bar, type BarPanel, drawBars, drawLines, type Drawing, page } from "./svg.ts";

/** `undefined` where nothing that it shows was measured. */
export function resultsPlot({ engine, http, batches, reads }: Results): string | undefined {
  const drawings: Drawing[] = [
    ...(http?.runs.map(({ connections, pipelined, contestants }) => {
      const how = pipelined === 1 ? "" : `, pipelined by ${pipelined}`;
      return drawBars(loadPanel(`Single reports over HTTP, ${connections} connections${how}`, contestants));
    }) ?? []),
    ...(batches ? [drawBars(loadPanel(`Reports in batches of ${batches.batch}`, batches.contestants))] : []),
    ...(reads ? [drawBars(loadPanel("Heartbeats", reads.heartbeats))] : []),
    ...(reads ? [drawBars(loadPanel("Reads of top modes", reads.contestants))] : []),
    ...(engine?.sizes.map((size) => drawBars(enginePanel(size))) ?? []),
    ...(engine ? [drawMemory(engine.memory)] : []),
  ];
  return drawings.length > 0 ? page(drawings) : undefined;
}

export function overloadPlot(overload: OverloadResult): string {
  return page(overloadDrawings(overload));
}

export function soakPlot({ samples, settleMinutes }: SoakResult): string {
  const lastMinute = (samples.at(-1)?.second ?? 0) / 60;
  const step = lastMinute > 2 ? Math.ceil(lastMinute / 10) : lastMinute / 4;
  const ticks = Array.from({ length: Math.floor(lastMinute / step) + 1 }, (_, at) => at * step);
  return page([
    drawLines({
      title: `Memory of the node in a soak; it is to be flat from minute ${settleMinutes}`,
      lines: [{ label: "resident, MiB", points: samples.map(({ second, rssMiB }) => [second / 60, rssMiB] as const) }],
      xLabel: "minutes",
      xTicks: ticks.map((minute) => [minute, String(Number(minute.toFixed(1)))] as const),
      isXLogarithmic: false,
      rules: [],
    }),
  ]);
}

function loadPanel(title: string, contestants: readonly LoadSeries[]): BarPanel {
  const bars = contestants.map(({ name, cpuUs }): Bar => {
    const spread = spreadOf(cpuUs);
    return { label: name, spread, kind: kindOf(name), text: `${spread.median.toPrecision(3)} µs` };
  });
  return { title: `${title}: CPU time of each, µs`, bars, isLogarithmic: false };
}

function enginePanel({ players, contestants }: EngineSize): BarPanel {
  const bars = contestants.map(({ name, nsPerReport }): Bar => {
    const spread = spreadOf(nsPerReport);
    return { label: name, spread, kind: kindOf(name), text: `${spread.median.toFixed(0)} ns` };
  });
  const title = `Engine: nanoseconds a report, ${players.toLocaleString("en")} players (logarithmic)`;
  return { title, bars, isLogarithmic: true };
}

function drawMemory(memory: NonNullable<Results["engine"]>["memory"]): Drawing {
  const shown = memory.filter(({ players }) => players >= 3_000 || memory.length < 8);
  return drawLines({
    title: "Engine: bytes a player, rows and indexes",
    lines: [
      { label: "at the size, bytes", points: shown.map(({ players, tableBytes }) => [players, tableBytes] as const) },
      {
        label: "worst on the way",
        points: shown.map(({ players, worstTableBytes }) => [players, worstTableBytes] as const),
      },
    ],
    xLabel: "players",
    xTicks: shown
      .filter((_, at) => at % 4 === 0)
      .map(({ players }) => [players, players.toLocaleString("en", { notation: "compact" })] as const),
    isXLogarithmic: true,
    rules: [
      { y: 48, label: "48: goal, average" },
      { y: 64, label: "64: goal, most" },
    ],
  });
}

function kindOf(name: string): Bar["kind"] {
  if (name.startsWith("headcount")) return "headcount";
  return name.startsWith("redis") || name === "plain-map" ? "rival" : "floor";
}
