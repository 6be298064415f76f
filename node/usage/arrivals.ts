/**
 * From where a mode's players came within the last ten minutes: by prefix of their addresses (a /24, of IPv6 a /48) and by who signed their tokens. A farm that
 * pushes a mode shows as one that has a large share of it. In bounded memory: each minute counts those that came most (engine/space-saving.ts).
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

const MINUTE_MS = 60_000;
const MINUTES = 10;
/** Of pairs of mode and source, in each minute; 10 times 2 of these take some 6 MB. */
const PAIRS_MAX = 2048;
const MODES_MAX = 1024;
/** What fewer came to is no sign of anything. */
const ARRIVALS_MIN = 100;
const SOURCES_SHOWN = 5;
const MODES_SHOWN = 20;
/** Stands in no mode's name. */
const BETWEEN = " ";

interface Minute {
  readonly number: number;
  readonly modes: SpaceSaving;
  readonly prefixes: SpaceSaving;
  readonly issuers: SpaceSaving;
}

export class Arrivals {
  private readonly nowMs: () => number;
  /** The present one is last. */
  private minutes: Minute[] = [];

  constructor(nowMs: () => number) {
    this.nowMs = nowMs;
  }

  /** Players came to a mode, connected or from another one. */
  note(mode: string, prefix: string = UNKNOWN, issuer: string = UNKNOWN, players = 1): void {
    const { modes, prefixes, issuers } = this.minute();
    modes.add(mode, players);
    prefixes.add(mode + BETWEEN + prefix, players);
    issuers.add(mode + BETWEEN + issuer, players);
  }

  /** The modes with the most arrivals. */
  byMode(): ModeArrivals[] {
    this.minute();
    const of = (table: "modes" | "prefixes" | "issuers") => summed(this.minutes.map((minute) => minute[table]));
    const [prefixes, issuers] = [bySource(of("prefixes")), bySource(of("issuers"))];
    return [...of("modes")]
      .toSorted(([, one], [, other]) => other - one)
      .slice(0, MODES_SHOWN)
      .map(([mode, arrivals]) => ({
        mode,
        arrivals,
        prefixes: largestOf(prefixes.get(mode), arrivals),
        issuers: largestOf(issuers.get(mode), arrivals),
      }));
  }

  /** The largest share that one prefix has of any mode's arrivals, 0 to 1; modes with few arrivals aside. */
  largestShare(): number {
    const shares = this.byMode()
      .filter(({ arrivals }) => arrivals >= ARRIVALS_MIN)
      .map(({ prefixes }) => prefixes.find(({ source }) => source !== UNKNOWN)?.share ?? 0);
    return Math.max(0, ...shares);
  }

  private minute(): Minute {
    const number = Math.floor(this.nowMs() / MINUTE_MS);
    const newest = this.minutes.at(-1);
    if (newest?.number === number) return newest;
    const minute = {
      number,
      modes: new SpaceSaving(MODES_MAX),
      prefixes: new SpaceSaving(PAIRS_MAX),
      issuers: new SpaceSaving(PAIRS_MAX),
    };
    this.minutes = [...this.minutes.filter((each) => each.number > number - MINUTES), minute];
    return minute;
  }
}

function summed(tables: readonly SpaceSaving[]): Map<string, number> {
  const sums = new Map<string, number>();
  for (const table of tables)
    for (const { key, count, error } of table.counts()) sums.set(key, (sums.get(key) ?? 0) + count - error);
  return sums;
}

function bySource(pairs: ReadonlyMap<string, number>): Map<string, [source: string, arrivals: number][]> {
  const modes = new Map<string, [string, number][]>();
  for (const [pair, arrivals] of pairs) {
    const at = pair.indexOf(BETWEEN);
    const mode = pair.slice(0, at);
    const sources = modes.get(mode) ?? [];
    sources.push([pair.slice(at + BETWEEN.length), arrivals]);
    modes.set(mode, sources);
  }
  return modes;
}

function largestOf(sources: readonly (readonly [string, number])[] = [], all: number): Source[] {
  return sources
    .toSorted(([, one], [, other]) => other - one)
    .slice(0, SOURCES_SHOWN)
    .map(([source, arrivals]) => ({
      source,
      arrivals,
      share: Math.min(1, Math.round((arrivals / all) * 10_000) / 10_000),
    }));
}
