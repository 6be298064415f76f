/**
 * From where a mode's players came within the last ten minutes: by prefix of their addresses (a /24, of IPv6 a /48) and by who signed their tokens. A farm that
 * pushes a mode shows as one that has a large share of it. In bounded memory: of each mode, those that came most are counted (engine/space-saving.ts), in slices
 * of two minutes.
 */
import { SpaceSaving } from "../../engine/space-saving.ts";

/** Of whom nothing is known: behind a proxy that named nobody; without a token. */
export const UNKNOWN = "unknown";

export interface Source {
  readonly source: string;
  readonly arrivals: number;
  /** Of the mode's arrivals, four decimals. */
  readonly share: number;
}

export interface ModeArrivals {
  readonly mode: string;
  readonly arrivals: number;
  /** The largest first. */
  readonly prefixes: readonly Source[];
  readonly issuers: readonly Source[];
}

const SLICE_MS = 120_000;
const SLICES = 5;
/** In each slice, as many as there can be at once; what comes to more of them is counted as missed. */
const MODES_MAX = 1024;
/** Of prefixes, for each mode in each slice: with all modes in use some 16 MB. Whoever has more than a 32nd of a mode has a place. */
const PREFIXES_MAX = 32;
const ISSUERS_MAX = 4;
/** What fewer came to is no sign of anything. */
const ARRIVALS_MIN = 100;
const SOURCES_SHOWN = 5;
const MODES_SHOWN = 20;

/** What came to one mode in a slice. */
class ModeSlice {
  readonly prefixes = new SpaceSaving(PREFIXES_MAX);
  readonly issuers = new SpaceSaving(ISSUERS_MAX);
}

interface Slice {
  readonly number: number;
  readonly modes: Map<string, ModeSlice>;
}

export class Arrivals {
  /** Players of whom nothing was noted, since they came to one of too many modes. */
  missed = 0;
  private readonly nowMs: () => number;
  /** The present one is last. */
  private slices: Slice[] = [];

  constructor(nowMs: () => number) {
    this.nowMs = nowMs;
  }

  /** Players came to a mode, connected or from another one. */
  note(mode: string, prefix: string = UNKNOWN, issuer: string = UNKNOWN, players = 1): void {
    const { modes } = this.slice();
    let slice = modes.get(mode);
    if (slice === undefined) {
      if (modes.size === MODES_MAX) return void (this.missed += players);
      modes.set(mode, (slice = new ModeSlice()));
    }
    slice.prefixes.add(prefix, players);
    slice.issuers.add(issuer, players);
  }

  /** The modes with the most arrivals. */
  byMode(): ModeArrivals[] {
    this.slice();
    return [...this.totals()]
      .toSorted(([, one], [, other]) => other - one)
      .slice(0, MODES_SHOWN)
      .map(([mode, arrivals]) => {
        const slices = this.slices.flatMap(({ modes }) => modes.get(mode) ?? []);
        const prefixes = largestOf(summed(slices.map((slice) => slice.prefixes)), arrivals);
        const issuers = largestOf(summed(slices.map((slice) => slice.issuers)), arrivals);
        return { mode, arrivals, prefixes, issuers };
      });
  }

  /** The largest share that one prefix has of any mode's arrivals, 0 to 1; modes with few arrivals aside. */
  largestShare(): number {
    const shares = this.byMode()
      .filter(({ arrivals }) => arrivals >= ARRIVALS_MIN)
      .map(({ prefixes }) => prefixes.find(({ source }) => source !== UNKNOWN)?.share ?? 0);
    return Math.max(0, ...shares);
  }

  private totals(): Map<string, number> {
    const totals = new Map<string, number>();
    for (const { modes } of this.slices)
      for (const [mode, { prefixes }] of modes) totals.set(mode, (totals.get(mode) ?? 0) + prefixes.total);
    return totals;
  }

  private slice(): Slice {
    const number = Math.floor(this.nowMs() / SLICE_MS);
    const newest = this.slices.at(-1);
    if (newest?.number === number) return newest;
    const slice = { number, modes: new Map<string, ModeSlice>() };
    this.slices = [...this.slices.filter((each) => each.number > number - SLICES), slice];
    return slice;
  }
}

/** No more than came: what may be others' is left out. */
function summed(tables: readonly SpaceSaving[]): ReadonlyMap<string, number> {
  const sums = new Map<string, number>();
  for (const table of tables)
    for (const { key, count, error } of table.counts()) sums.set(key, (sums.get(key) ?? 0) + count - error);
  return sums;
}

function largestOf(sources: ReadonlyMap<string, number>, all: number): Source[] {
  return [...sources]
    .toSorted(([, one], [, other]) => other - one)
    .slice(0, SOURCES_SHOWN)
    .map(([source, arrivals]) => ({ source, arrivals, share: Math.round((arrivals / all) * 10_000) / 10_000 }));
}
