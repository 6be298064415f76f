/**
 * The traffic that every contestant gets: the same players, regions and modes from the same seed.
 *
 * A few regions and modes hold most of the players, as in a real game: the region with rank k has a weight of
 * 1 / k^1.2 (the first holds a quarter of the players), the mode with rank k one of 1 / k. A new report draws both anew, so nearly all are moves.
 */
import { emptyProfileId, formatProfileId } from "../../engine/profile-id.ts";
import { COUNTRY_CODES } from "../../engine/places.ts";

export const MODES: readonly string[] = Array.from(
  { length: 20 },
  (_, index) => `GM${String(index + 1).padStart(2, "0")}`,
);

/** Where changes are made that somebody watches: next to nobody else is there. */
export const [PROBED_REGION, PROBED_MODE] = [COUNTRY_CODES.at(-1) as string, "PROBED"];

const DRAWS = 1 << 16;
const REGION_DRAWS = drawsOf(COUNTRY_CODES.length, 1.2);
const MODE_DRAWS = drawsOf(MODES.length, 1);

/** Reports in order: `count` rows, in arrays so that reading them costs a contestant next to nothing. */
export interface ReportStream {
  readonly count: number;
  /** Whose report: the player's number. */
  readonly players: Int32Array;
  /** Four words of profile id a report. */
  readonly ids: Int32Array;
  /** Index into COUNTRY_CODES. */
  readonly regions: Uint16Array;
  /** Index into MODES. */
  readonly modes: Uint16Array;
}

export function emptyStream(count: number): ReportStream {
  return {
    count,
    players: new Int32Array(count),
    ids: new Int32Array(count * 4),
    regions: new Uint16Array(count),
    modes: new Uint16Array(count),
  };
}

/** The first report of players `first` … `first + count - 1`, written into `stream`. */
export function fillConnects(stream: ReportStream, first: number, count: number, seed: number): ReportStream {
  const random = randomOf(seed ^ mix(first));
  for (let at = 0; at < count; at++) fillReport(stream, at, first + at, random);
  return { ...stream, count };
}

/** Reports of random players among the first `playerCount`. */
export function fillReports(stream: ReportStream, playerCount: number, seed: number): ReportStream {
  const random = randomOf(seed);
  for (let at = 0; at < stream.count; at++)
    fillReport(stream, at, Math.floor((random() / 2 ** 32) * playerCount), random);
  return stream;
}

function fillReport(stream: ReportStream, at: number, player: number, random: () => number): void {
  stream.players[at] = player;
  writeId(stream.ids, at * 4, player);
  const draw = random();
  stream.regions[at] = REGION_DRAWS[draw >>> 16] as number;
  stream.modes[at] = MODE_DRAWS[draw & 0xffff] as number;
}

/** The profile id of a player's number: random-looking words in the form of a version 4 UUID. */
export function writeId(words: Int32Array, at: number, player: number): void {
  words[at] = mix(player * 4 + 1);
  words[at + 1] = (mix(player * 4 + 2) & ~0xf000) | 0x4000;
  words[at + 2] = (mix(player * 4 + 3) & 0x3fffffff) | 0x80000000;
  words[at + 3] = mix(player * 4 + 4);
}

/** The profile id as text: one flat string as a parser would give it, not the tree of pieces it was put together from. */
export function uuidOf(player: number): string {
  const words = emptyProfileId();
  writeId(words, 0, player);
  return Buffer.from(formatProfileId(words), "latin1").toString("latin1");
}

/** A region's and a mode's name from one 32-bit random number. */
export function placeOf(draw: number): { region: string; mode: string } {
  return {
    region: COUNTRY_CODES[REGION_DRAWS[draw >>> 16] as number] as string,
    mode: MODES[MODE_DRAWS[draw & 0xffff] as number] as string,
  };
}

/** Mulberry32: 32-bit unsigned random numbers, the same for the same seed. */
export function randomOf(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
}

/** Murmur3's finisher: one to one over 32 bits. */
function mix(value: number): number {
  let mixed = value | 0;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}

/** A table to draw from: index k stands in it in proportion to its weight, 1 / (k + 1)^skew. */
function drawsOf(count: number, skew: number): Uint16Array {
  const weights = Array.from({ length: count }, (_, index) => 1 / (index + 1) ** skew);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const draws = new Uint16Array(DRAWS);
  let at = 0;
  let upTo = 0;
  for (const [index, weight] of weights.entries()) {
    upTo += weight / total;
    while (at < DRAWS && at < upTo * DRAWS) draws[at++] = index;
  }
  return draws.fill(count - 1, at);
}
