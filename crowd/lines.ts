// What is printed: a line each second, and the summary.
import type { MessageCause } from "./crowd.ts";
import type { Reading } from "./meter.ts";

const SUCCESSES = new Set(["200", "202", "204"]);
const REFUSALS = new Set(["403", "429"]); // blocked, too many
const BEHIND_SHOWN_MS = 100;

/** The crowd at the moment of printing. */
export interface Standing {
  readonly connected: number;
  readonly silent: number;
  /** For how long the next message has been waiting to be sent. */
  readonly behindMs: number;
}

/** What the bots among them did, in none of the other figures. */
export interface BotReading {
  readonly reading: Reading;
  readonly connected: number;
}

/** One second in one line. */
export function progressLine(
  second: number,
  lap: Reading,
  { connected, silent, behindMs }: Standing,
  bots?: BotReading,
): string {
  return [
    `${second.toFixed(0).padStart(5)} s`,
    `connected ${whole(connected)}${silent > 0 ? ` (${whole(silent)} silent)` : ""}`,
    `${whole(lap.messages / lap.seconds)} reports/s`,
    `p50 ${milliseconds(lap.latencyMs(50))}`,
    `p99 ${milliseconds(lap.latencyMs(99))}`,
    `202: ${whole(lap.answers.get("202") ?? 0)}`,
    `errors: ${errorsOf(lap)}`,
    ...(bots ? [`bots: ${botFigures(bots)}`] : []),
    ...(behindMs > BEHIND_SHOWN_MS ? [`behind ${milliseconds(behindMs)}`] : []),
  ].join("  ");
}

export function summaryLines(total: Reading, { connected, silent }: Standing, bots?: BotReading): string[] {
  const of = (cause: MessageCause): string => whole(total.causes.get(cause) ?? 0);
  const percentiles = [50, 90, 99, 99.9, 100].map((percentile) => {
    const name = percentile === 100 ? "max" : `p${percentile}`;
    return `${name} ${milliseconds(total.latencyMs(percentile))}`;
  });
  const answers = [...total.answers].filter(([answer]) => SUCCESSES.has(answer));
  return [
    `${total.seconds.toFixed(1)} s: ${whole(total.messages)} messages, ${whole(total.messages / total.seconds)} a second`,
    `  players    ${whole(connected)} connected, ${whole(silent)} of them silent`,
    `  messages   ${of("begin")} began, ${of("switch")} switched mode, ${of("border")} crossed a border, ${of("renew")} renewed, ${of("leave")} left`,
    `  latency    ${percentiles.join("  ")}  (from the intended time)`,
    `  answers    ${answers.map(([answer, count]) => `${answer}: ${whole(count)}`).join("  ") || "none"}`,
    `  errors     ${errorsOf(total)}`,
    ...(bots ? [`  bots       ${whole(bots.reading.causes.get("begin") ?? 0)} came, ${botFigures(bots)}`] : []),
  ];
}

function botFigures({ reading, connected }: BotReading): string {
  const refused = listed(reading, (answer) => REFUSALS.has(answer));
  const others = listed(reading, (answer) => !SUCCESSES.has(answer) && !REFUSALS.has(answer));
  const figures = `${whole(connected)} connected, ${whole(reading.messages)} messages taken, refused: ${refused || "none"}`;
  return others ? `${figures}, errors: ${others}` : figures;
}

function errorsOf(reading: Reading): string {
  return listed(reading, (answer) => !SUCCESSES.has(answer)) || "none";
}

function listed({ answers }: Reading, isMeant: (answer: string) => boolean): string {
  const meant = [...answers].filter(([answer]) => isMeant(answer));
  return meant.map(([answer, count]) => `${answer}: ${whole(count)}`).join("  ");
}

export function whole(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}

function milliseconds(value: number): string {
  if (Number.isNaN(value)) return "-";
  return value < 1_000 ? `${value.toPrecision(3)} ms` : `${(value / 1_000).toFixed(1)} s`;
}
