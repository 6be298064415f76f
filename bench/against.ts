/** `npm run bench -- --against <revision>`: the same parts with another revision's node beside today's, compared. */
import { measureBatches } from "./batches.ts";
import { measureHttp } from "./http.ts";
import { measureLatency } from "./latency.ts";
import { measureMemory } from "./memory.ts";
import { measureReads } from "./reads.ts";
import { residentPerPlayer } from "./report/goals.ts";
import { hasRoom } from "./report/load.ts";
import { spreadText, table } from "./report/text.ts";
import type { LoadSeries, PartName } from "./results.ts";
import type { Settings } from "./settings.ts";
import { checkOut } from "./support/checkout.ts";
import { type Revision, TODAY } from "./support/headcount.ts";
import { ratiosOf, spreadOf } from "./support/spread.ts";

/** One figure of one contestant of today's, and of the same contestant at the other revision; round by round. */
export interface Pair {
  readonly contestant: string;
  readonly figure: string;
  readonly today: readonly number[];
  readonly other: readonly number[];
  /** Whether the ratio means something: throughput does only where the load had room. */
  readonly isComparable: boolean;
}

type Compare = (settings: Settings, other: Revision) => Promise<Pair[]>;

/** The parts in which a node takes part. */
const COMPARED: Partial<Record<PartName, Compare>> = {
  http: async (settings, other) =>
    (await measureHttp(settings, [TODAY, other])).runs.flatMap(({ connections, pipelined, contestants }) =>
      loadPairs(other, contestants, `, ${connections} connections${pipelined === 1 ? "" : ` × ${pipelined}`}`),
    ),
  batches: async (settings, other) => loadPairs(other, (await measureBatches(settings, [TODAY, other])).contestants),
  reads: async (settings, other) => {
    const { heartbeats, contestants } = await measureReads(settings, [TODAY, other]);
    return [...loadPairs(other, heartbeats, ", heartbeats"), ...loadPairs(other, contestants, ", top modes")];
  },
  latency: async (settings, other) =>
    pairsOf(other, (await measureLatency(settings, [TODAY, other])).contestants, "", {
      "p50 at half of capacity, ms": ({ p50Ms }) => p50Ms,
      "p99 at half of capacity, ms": ({ p99Ms }) => p99Ms,
    }),
  memory: async (settings, other) => {
    const { cases } = await measureMemory(settings, [TODAY, other]);
    const sizes = [...new Set(cases.map(({ players }) => players))];
    return sizes.flatMap((size) =>
      pairsOf(
        other,
        cases.filter(({ players }) => players === size),
        `, ${size.toLocaleString("en")} players`,
        { "resident bytes a player": residentPerPlayer },
      ),
    );
  },
};

export const COMPARED_PARTS = Object.keys(COMPARED) as PartName[];

/** Measures and prints; nothing is kept. */
export async function compareWith(revision: string, parts: readonly PartName[], settings: Settings): Promise<void> {
  const other = checkOut(revision);
  for (const part of parts) {
    console.log(`${part} …`);
    console.log(`\n${pairsTable((await COMPARED[part]?.(settings, other)) ?? [], other)}\n`);
  }
}

export function pairsTable(pairs: readonly Pair[], other: Revision): string {
  const rows = pairs.map(({ contestant, figure, today, other: before, isComparable }) => [
    contestant,
    figure,
    spreadText(spreadOf(before), 2),
    spreadText(spreadOf(today), 2),
    isComparable ? spreadText(spreadOf(ratiosOf(today, before)), 2) : "– (the load's core was full)",
  ]);
  return table(["contestant", "figure", other.name, "today", "today to then"], rows);
}

/** What both revisions did under load. */
export function loadPairs(other: Revision, contestants: readonly LoadSeries[], where = ""): Pair[] {
  return [
    ...pairsOf(other, contestants, where, { "µs of CPU each": ({ cpuUs }) => cpuUs }),
    ...pairsOf(other, contestants, where, { "a second": ({ perSecond }) => perSecond }, hasRoom),
    ...pairsOf(other, contestants, where, { "p99, ms": ({ p99Ms }) => p99Ms }),
  ];
}

function pairsOf<T extends { readonly name: string }>(
  other: Revision,
  contestants: readonly T[],
  where: string,
  figures: Readonly<Record<string, (contestant: T) => readonly number[]>>,
  isComparable: (contestant: T) => boolean = () => true,
): Pair[] {
  return contestants.flatMap((then) => {
    if (!then.name.startsWith(other.name)) return [];
    const name = TODAY.name + then.name.slice(other.name.length);
    const today = contestants.find((one) => one.name === name);
    if (today === undefined) throw new Error(`Cannot compare "${then.name}": no contestant is called "${name}"`);
    const pairs = Object.entries(figures).map(([figure, valuesOf]) => ({
      contestant: name + where,
      figure,
      today: valuesOf(today),
      other: valuesOf(then),
      isComparable: isComparable(today) && isComparable(then),
    }));
    return pairs.filter((pair) => pair.today.length > 0); // the load could tell
  });
}
