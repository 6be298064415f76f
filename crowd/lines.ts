// What is printed: a line each second, and the summary.
import type { MessageCause } from "./crowd.ts";
import type { Reading } from "./meter.ts";

const SUCCESSES = new Set(["200", "202", "204"]);
const BEHIND_SHOWN_MS = 100;

/** The crowd at the moment of printing. */
export interface Standing {
  readonly connected: number;
  readonly silent: number;
  /** For how long the next message has been waiting to be sent. */
  readonly behindMs: number;
}

/** One second in one line. */
export function progressLine(second: number, lap: Reading, { connected, silent, behindMs }: Standing): string {
  return [
    `${second.toFixed(0).padStart(5)} s`,
    `connected ${whole(connected)}${silent > 0 ? ` (${whole(silent)} silent)` : ""}`,
    `${whole(lap.messages / lap.seconds)} reports/s`,
    `p50 ${milliseconds(lap.latencyMs(50))}`,
    `p99 ${milliseconds(lap.latencyMs(99))}`,
    `202: ${whole(lap.answers.get("202") ?? 0)}`,
    `errors: ${errorsOf(lap)}`,
    ...(behindMs > BEHIND_SHOWN_MS ? [`behind ${milliseconds(behindMs)}`] : []),
  ].join("  ");
}

export function summaryLines(total: Reading, { connected, silent }: Standing): string[] {
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
  ];
}

function errorsOf({ answers }: Reading): string {
  const errors = [...answers].filter(([answer]) => !SUCCESSES.has(answer));
  return errors.map(([answer, count]) => `${answer}: ${whole(count)}`).join("  ") || "none";
}

export function whole(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}

function milliseconds(value: number): string {
  if (Number.isNaN(value)) return "-";
  return value < 1_000 ? `${value.toPrecision(3)} ms` : `${(value / 1_000).toFixed(1)} s`;
}
