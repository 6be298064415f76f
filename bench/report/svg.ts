/** Plots as SVG text, made by hand: bars with the spread of their rounds, and lines. */
import type { Spread } from "../support/spread.ts";

export interface Bar {
  readonly label: string;
  readonly spread: Spread;
  readonly kind: "headcount" | "floor" | "rival";
  /** The figure as it stands beside the bar. */
  readonly text: string;
}

export interface BarPanel {
  readonly title: string;
  readonly bars: readonly Bar[];
  readonly isLogarithmic: boolean;
}

export interface LinePanel {
  readonly title: string;
  readonly lines: readonly { readonly label: string; readonly points: readonly (readonly [x: number, y: number])[] }[];
  readonly xLabel: string;
  readonly xTicks: readonly (readonly [x: number, label: string])[];
  readonly isXLogarithmic: boolean;
  /** Horizontal rules, such as a goal. */
  readonly rules: readonly { readonly y: number; readonly label: string }[];
}

/** A panel's drawing and how much room it takes. */
export interface Drawing {
  readonly svg: string;
  readonly height: number;
}

const WIDTH = 860;
const LABEL_WIDTH = 230;
const TEXT_WIDTH = 110;
const ROW = 22;
const PLOT_HEIGHT = 200;
const LEFT = 60;
const TOP = 44;
const FILLS = { headcount: "#1f6feb", floor: "#8c959f", rival: "#d1742f" };
const LINE_COLOURS = ["#1f6feb", "#d1742f", "#8c959f"];
const STYLE =
  "text{font:12px system-ui,sans-serif;fill:#1f2328}.title{font-weight:600;font-size:14px}.small{fill:#59636e}";

/** One picture of all drawings, one below the other. */
export function page(drawings: readonly Drawing[]): string {
  let top = 12;
  const placed = drawings.map(({ svg, height }) => {
    const group = `<g transform="translate(16 ${top})">${svg}</g>`;
    top += height + 18;
    return group;
  });
  const size = `width="${WIDTH + 32}" height="${top}" viewBox="0 0 ${WIDTH + 32} ${top}"`;
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" ${size}><style>${STYLE}</style>` +
    `<rect width="100%" height="100%" fill="#ffffff"/>\n${placed.join("\n")}\n</svg>\n`
  );
}

export function drawBars({ title, bars, isLogarithmic }: BarPanel): Drawing {
  const most = Math.max(...bars.map(({ spread }) => spread.max));
  const least = Math.min(...bars.map(({ spread }) => spread.min)) / 2;
  const room = WIDTH - LABEL_WIDTH - TEXT_WIDTH;
  const lengthOf = (value: number): number =>
    room * (isLogarithmic ? Math.log(value / least) / Math.log(most / least) : value / most);
  const rows = bars.map((bar, at) => drawBar(bar, 26 + at * ROW, lengthOf));
  return { svg: titleOf(title) + rows.join(""), height: 26 + bars.length * ROW };
}

function drawBar({ label, spread, kind, text }: Bar, top: number, lengthOf: (value: number) => number): string {
  const middle = top + ROW / 2;
  const [from, to] = [LABEL_WIDTH + lengthOf(spread.min), LABEL_WIDTH + lengthOf(spread.max)];
  return (
    `<text x="${LABEL_WIDTH - 8}" y="${middle + 4}" text-anchor="end">${escaped(label)}</text>` +
    `<rect x="${LABEL_WIDTH}" y="${top + 3}" width="${fixed(lengthOf(spread.median))}" height="${ROW - 6}" fill="${FILLS[kind]}"/>` +
    `<path d="M${fixed(from)} ${middle}H${fixed(to)}M${fixed(from)} ${middle - 4}v8M${fixed(to)} ${middle - 4}v8" stroke="#1f2328"/>` +
    `<text x="${fixed(Math.max(to, LABEL_WIDTH + lengthOf(spread.median)) + 8)}" y="${middle + 4}">${escaped(text)}</text>`
  );
}

export function drawLines(panel: LinePanel): Drawing {
  const points = panel.lines.flatMap((line) => line.points);
  const yMax = Math.max(...points.map(([, y]) => y), ...panel.rules.map(({ y }) => y)) * 1.1;
  const [xMin, xMax] = [Math.min(...points.map(([x]) => x)), Math.max(...points.map(([x]) => x))];
  const scale = panel.isXLogarithmic ? Math.log : (x: number): number => x;
  const width = WIDTH - LEFT - 20;
  const xAt = (x: number): number => LEFT + (width * (scale(x) - scale(xMin))) / (scale(xMax) - scale(xMin) || 1);
  const yAt = (y: number): number => TOP + PLOT_HEIGHT * (1 - y / yMax);
  const parts = [
    titleOf(panel.title),
    legendOf(panel.lines.map(({ label }) => label)),
    `<path d="M${LEFT} ${TOP}v${PLOT_HEIGHT}h${width}" fill="none" stroke="#59636e"/>`,
    ...panel.xTicks.map(([x, label]) => small(xAt(x), TOP + PLOT_HEIGHT + 16, label, "middle")),
    small(LEFT + width / 2, TOP + PLOT_HEIGHT + 34, panel.xLabel, "middle"),
    ...[0, 0.5, 1].map((share) => small(LEFT - 6, yAt(share * yMax) + 4, (share * yMax).toFixed(0), "end")),
    ...panel.rules.map(({ y, label }) => drawRule(width, yAt(y), label)),
    ...panel.lines.map(({ points: line }, at) => {
      const path = line.map(([x, y], index) => `${index === 0 ? "M" : "L"}${fixed(xAt(x))} ${fixed(yAt(y))}`);
      return `<path d="${path.join("")}" fill="none" stroke="${colourOf(at)}" stroke-width="2"/>`;
    }),
  ];
  return { svg: parts.join(""), height: TOP + PLOT_HEIGHT + 40 };
}

function legendOf(labels: readonly string[]): string {
  const items = labels.map((label, at) => {
    const x = LEFT + at * 180;
    return `<rect x="${x}" y="24" width="10" height="10" fill="${colourOf(at)}"/>` + small(x + 16, 33, label, "start");
  });
  return items.join("");
}

function drawRule(width: number, y: number, label: string): string {
  const line = `<path d="M${LEFT} ${fixed(y)}h${width}" stroke="#59636e" stroke-dasharray="4 4"/>`;
  return line + small(LEFT + width - 4, y - 5, label, "end");
}

function colourOf(line: number): string {
  return LINE_COLOURS[line % LINE_COLOURS.length] as string;
}

function small(x: number, y: number, text: string, anchor: "start" | "middle" | "end"): string {
  return `<text class="small" x="${fixed(x)}" y="${fixed(y)}" text-anchor="${anchor}">${escaped(text)}</text>`;
}

function titleOf(title: string): string {
  return `<text class="title" x="0" y="14">${escaped(title)}</text>`;
}

function fixed(value: number): string {
  return value.toFixed(1);
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
