/** What is told of the parts about too much load and idle connections: goals, tables and the plot. */
import type { IdleResult, OverloadResult } from "../results.ts";
import type { StepFigures } from "../support/flood-child.ts";
import { ratiosOf, spreadOf } from "../support/spread.ts";
import { atLeast, atMost, count, type Goal } from "./goal.ts";
import { drawLines, type Drawing } from "./svg.ts";
import { heading, number, percentText, spreadText, table } from "./text.ts";

type Step = OverloadResult["steps"][number];
type KindName = keyof StepFigures["kinds"];

/** Where the load had too little of its core to send nearly as much as it should, nothing is said of the node. */
const SENT_LEAST = 0.9;

export function overloadGoals({ steps, carriedPerSecond }: OverloadResult): Goal[] {
  const peaks = peaksOf(steps);
  const isSent = (times: number, round: StepFigures): boolean =>
    round.offeredPerSecond >= SENT_LEAST * times * carriedPerSecond;
  const at = (times: number): Step["rounds"] =>
    steps.find((step) => step.times === times)?.rounds.filter((round) => isSent(times, round)) ?? [];
  const goodput = (times: number): number[] =>
    (steps.find((step) => step.times === times)?.rounds ?? []).flatMap((round, index) =>
      isSent(times, round) ? [round.acceptedPerSecond / (peaks[index] as number)] : [],
    );
  const last = steps.at(-1)?.rounds ?? [];
  return [
    ...atLeast("overload", "served at twice what the node can carry, of the most it serves", 0.9, goodput(2)),
    ...atMost("overload", "p99 of what is served then, ms", 100, p99(at(2)), 0),
    ...atLeast("overload", "served at five times, of the most it serves", 0.7, goodput(5)),
    ...atMost(
      "overload",
      "heartbeats refused at twice, while other kinds are, of those that came",
      0,
      at(2).map(refusedHeartbeats),
    ),
    ...atLeast("overload", "answered as asked a second after the load has fallen", 1, last.map(servedShare), 4),
  ];
}

export function overloadText(overload: OverloadResult): string[] {
  const { players, connections, carriedPerSecond, steps } = overload;
  const peaks = peaksOf(steps);
  const rows = steps.map(({ times, rounds }) => [
    number(times),
    number(Math.round(spreadOf(rounds.map(({ offeredPerSecond }) => offeredPerSecond)).median)),
    spreadText(spreadOf(ratiosOf(accepted(rounds), peaks)), 2),
    spreadText(spreadOf(p99(rounds)), 0),
    ...(["heartbeats", "reports", "other reads", "look-ups"] as const).map((kind) => fates(rounds, kind)),
    percentText(rounds.map(({ loadBusy }) => loadBusy)),
  ]);
  return [
    heading("More than a node can do", overload),
    `Half heartbeats, 30 % reports, 12 % popular modes and 8 % look-ups over ${connections} connections, ${number(players)} players, with the log. Each request is sent at its own random ` +
      "instant, whatever was answered before, and its time counts from that instant. A connection that the node closes is opened again at once, and what had no answer on it is lost. " +
      `*Times*: of ${number(carriedPerSecond)} a second, the most that the node served in a search before. *Served* is of the most in the same round. Of each kind: served, refused with an answer of its own, lost. ` +
      "The last row is the load after it has fallen, from one second on. Rounds in which the load could not send nine tenths of what it should count for no goal.",
    "![Offered load against what is served and its p99](overload.svg)",
    table(
      [
        "times",
        "requests/s",
        "served",
        "p99, ms",
        "heartbeats",
        "reports",
        "popular modes",
        "look-ups",
        "load's core busy",
      ],
      rows,
    ),
  ];
}

export function overloadDrawings({ steps }: OverloadResult): Drawing[] {
  const rising = steps.slice(0, -1);
  const peaks = peaksOf(steps);
  const ticks = rising.map(({ times }) => [times, String(times)] as const);
  const line = (label: string, value: (rounds: Step["rounds"]) => readonly number[]) => ({
    label,
    points: rising.map(({ times, rounds }) => [times, spreadOf(value(rounds)).median] as const),
  });
  const axis = { xLabel: "offered, times what the node can carry", xTicks: ticks, isXLogarithmic: false };
  return [
    drawLines({
      title: "Served, in percent of the most",
      lines: [line("all kinds", (rounds) => ratiosOf(accepted(rounds), peaks).map((share) => share * 100))],
      ...axis,
      rules: [
        { y: 90, label: "90: goal at twice" },
        { y: 70, label: "70: goal at five times" },
      ],
    }),
    drawLines({
      title: "p99 of what is served, milliseconds from the instant it was due",
      lines: [line("p99, ms", p99)],
      ...axis,
      rules: [{ y: 100, label: "100: goal at twice" }],
    }),
  ];
}

export function idleGoals({ idleConnections, withoutMs, besideMs }: IdleResult): Goal[] {
  const text = `p99 beside ${count(idleConnections)} idle connections, times without`;
  return atMost("idle", text, 2, ratiosOf(besideMs, withoutMs));
}

export function idleText(idle: IdleResult): string[] {
  const { idleConnections, connections, reportsPerSecond, withoutMs, besideMs, bytes } = idle;
  return [
    heading("Idle connections", idle),
    `${number(reportsPerSecond)} reports a second at random instants over ${connections} connections, p99 in milliseconds from when one was due; in each round once without and once beside ` +
      `${number(idleConnections)} connections that asked once and then keep silent.`,
    table(
      ["", "figure"],
      [
        ["p99 without, ms", spreadText(spreadOf(withoutMs), 1)],
        ["p99 beside them, ms", spreadText(spreadOf(besideMs), 1)],
        ["resident memory of one, KiB", spreadText(spreadOf(bytes.map((each) => each / 1024)), 1)],
      ],
    ),
  ];
}

/** The most that was served in each round. */
function peaksOf(steps: OverloadResult["steps"]): number[] {
  const rounds = steps[0]?.rounds.length ?? 0;
  return Array.from({ length: rounds }, (_, round) =>
    Math.max(...steps.map((step) => step.rounds[round]?.acceptedPerSecond ?? 0)),
  );
}

function accepted(rounds: Step["rounds"]): number[] {
  return rounds.map(({ acceptedPerSecond }) => acceptedPerSecond);
}

function p99(rounds: Step["rounds"]): number[] {
  return rounds.map(({ p99Ms }) => p99Ms);
}

function refusedHeartbeats({ kinds }: StepFigures): number {
  const { accepted: served = 0, refused = 0, lost = 0 } = kinds["heartbeats"] ?? {};
  return refused / Math.max(1, served + refused + lost);
}

function servedShare({ kinds }: StepFigures): number {
  const all = Object.values(kinds);
  const served = all.reduce((sum, kind) => sum + kind.accepted, 0);
  return (
    served /
    Math.max(
      1,
      all.reduce((sum, kind) => sum + kind.accepted + kind.refused + kind.lost + kind.failed, 0),
    )
  );
}

function fates(rounds: Step["rounds"], kind: KindName): string {
  const shares = (fate: "accepted" | "refused" | "lost"): string =>
    percentText(
      rounds.map(({ kinds }) => {
        const { accepted: served = 0, refused = 0, lost = 0, failed = 0 } = kinds[kind] ?? {};
        return { accepted: served, refused, lost }[fate] / Math.max(1, served + refused + lost + failed);
      }),
    );
  return `${shares("accepted")}, ${shares("refused")}, ${shares("lost")}`;
}
