/** The answer about a place's popular modes: as text, made once per change of the counts and not once per reader. */
import type { RegionCounts } from "../entry.ts";
import { type Coding, pack } from "./packing.ts";
import { weakTagOf } from "./tags.ts";

/** The answer's text on either side of `asOf`, and a tag that stands for all of it but that. */
export interface PopularModesAnswer {
  readonly before: string;
  readonly after: string;
  readonly etag: string;
  readonly packed: Partial<Record<Coding, Packed>>;
}

/** A whole answer. */
interface Packed {
  readonly bytes: Buffer;
  readonly madeMs: number;
}

/**
 * So long all who ask get the same packed copy of an answer that still stands: it says of an instant before that the counts were so,
 * which is true. A node alone would else pack anew for every millisecond in which somebody asks.
 */
const PACKED_FOR_MS = 100;
const INSTANT_LENGTH = "2026-01-01T00:00:00.000Z".length;

interface Cached {
  table: RegionCounts["table"];
  term: number;
  version: number;
  isComplete: boolean;
  isStale: boolean;
  hidden: ReadonlySet<string>;
  /** Another number whenever it changed, of all places and times. */
  changes: number;
  readonly answers: Map<number, PopularModesAnswer>;
}

const NEVER_ASKED = {
  table: undefined,
  term: -1,
  version: -1,
  isComplete: false,
  isStale: false,
  hidden: new Set<string>(),
  changes: 0,
};
/** Values of `top` that are kept per place; clients of one game ask for one or two. */
const TOPS_MAX = 4;
/** So many places are kept, more than countries and areas: whoever asks for all subdivisions in turn must not fill the memory. */
const PLACES_MAX = 512;

export class PopularModes {
  private readonly cached = new Map<string, Cached>();
  private readonly placesMax: number;
  private changes = 0;

  constructor(placesMax = PLACES_MAX) {
    this.placesMax = placesMax;
  }

  /**
   * @param hidden modes in quarantine: another set with every change
   * @param top how many modes, 1 to 100
   */
  answer(place: string, counts: RegionCounts, hidden: ReadonlySet<string>, top: number): PopularModesAnswer {
    const { answers } = this.cachedOf(place, counts, hidden);
    let answer = answers.get(top);
    if (answer === undefined) answers.set(top, (answer = write(place, counts, hidden, top)));
    return answer;
  }

  /** Another number whenever what stands of the place has changed, as far as anybody asked. */
  changesOf(place: string, counts: RegionCounts, hidden: ReadonlySet<string>): number {
    return this.cachedOf(place, counts, hidden).changes;
  }

  private cachedOf(place: string, counts: RegionCounts, hidden: ReadonlySet<string>): Cached {
    const { table, term, version, isComplete, isStale } = counts;
    let cached = this.cached.get(place);
    if (cached === undefined) this.keep(place, (cached = { ...NEVER_ASKED, answers: new Map() }));
    const isSameVersion = cached.table === table && cached.term === term && cached.version === version;
    const isSame =
      isSameVersion && cached.hidden === hidden && cached.isComplete === isComplete && cached.isStale === isStale;
    if (!isSame) cached.changes = ++this.changes;
    if (!isSame || cached.answers.size > TOPS_MAX) cached.answers.clear();
    cached.table = table;
    cached.term = term;
    cached.version = version;
    cached.isComplete = isComplete;
    cached.isStale = isStale;
    cached.hidden = hidden;
    return cached;
  }

  /** The one that came first makes room. */
  private keep(place: string, cached: Cached): void {
    const [first] = this.cached.keys();
    if (this.cached.size >= this.placesMax && first !== undefined) this.cached.delete(first);
    this.cached.set(place, cached);
  }
}

function write(place: string, counts: RegionCounts, hidden: ReadonlySet<string>, top: number): PopularModesAnswer {
  const ranked = counts.top(top + hidden.size).filter(({ mode }) => !hidden.has(mode));
  const modes = ranked.slice(0, top).map(({ mode, players }, index) => {
    const share = Math.round((players / counts.players) * 10_000) / 10_000;
    return `{"mode":"${mode}","rank":${index + 1},"players":${players},"share":${share}}`;
  });
  const before = `{"region":"${place}","players":${counts.players},"asOf":"`;
  const flaws = `${counts.isComplete ? "" : `"complete":false,`}${counts.isStale ? `"stale":true,` : ""}`;
  const others = (counts.others ?? 0) > 0 ? `,"others":{"players":${counts.others}}` : "";
  const after = `",${flaws}"gamemodes":[${modes.join(",")}]${others}}`;
  return { before, after, etag: weakTagOf(before + after), packed: {} };
}

export function textOf({ before, after }: PopularModesAnswer, asOf: string): string {
  return before + asOf + after;
}

export function lengthOf({ before, after }: PopularModesAnswer): number {
  return before.length + INSTANT_LENGTH + after.length;
}

/** Packed once, for a moment. */
export function packedOf(answer: PopularModesAnswer, asOf: string, coding: Coding, nowMs = performance.now()): Buffer {
  const there = answer.packed[coding];
  if (there !== undefined && nowMs - there.madeMs < PACKED_FOR_MS) return there.bytes;
  const bytes = pack(textOf(answer, asOf), coding);
  answer.packed[coding] = { bytes, madeMs: nowMs };
  return bytes;
}

/** Instants as RFC 3339, each made once. */
export class Clock {
  private ms = -1;
  private text = "";

  /** The instant `ageMs` ago. */
  ago(ageMs: number): string {
    const ms = Date.now() - Math.trunc(ageMs);
    if (ms !== this.ms) this.text = new Date(ms).toISOString();
    this.ms = ms;
    return this.text;
  }
}
