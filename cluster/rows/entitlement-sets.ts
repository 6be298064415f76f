/**
 * The entitlements of the rows of one batch as words: each different set is written once, and rows name its number. Players of one
 * studio have few different ones, so that they cost a word a row.
 *
 *   a word for each row that has any: the number of its set
 *   each set: how many, then the number of each name
 */
import { require } from "../../engine/codec.ts";
import { ENTITLEMENTS_MAX, isEntitlement } from "../../engine/entitlement.ts";
import type { Names } from "../ports/names.ts";

/** In the different sets of one batch, all together: 280 KiB at the most, where each is 64 letters long. */
export const IN_SETS_MAX = 4096;

/** The sets of the rows of a batch in the making. */
export class EntitlementSets {
  /** Of each row that has any, in their order: the number of its set. */
  private readonly setOf: number[] = [];
  private readonly sets: number[][] = [];
  private readonly numbers = new Map<string, number>();
  private readonly names: Names;
  private last: { readonly entitlements: readonly string[]; readonly number: number } | undefined;

  constructor(names: Names) {
    this.names = names;
  }

  get count(): number {
    return this.sets.length;
  }

  add(entitlements: readonly string[]): void {
    this.setOf.push(this.numberOf(entitlements));
  }

  /** Behind the rows of the batch. */
  words(): number[] {
    return [...this.setOf, ...this.sets.flatMap((set) => [set.length, ...set])];
  }

  private numberOf(entitlements: readonly string[]): number {
    if (this.last?.entitlements === entitlements) return this.last.number;
    const set = entitlements.join(",");
    let number = this.numbers.get(set);
    if (number === undefined) {
      number = this.sets.push(entitlements.map((name) => this.names.numberOf(name))) - 1;
      this.numbers.set(set, number);
    }
    this.last = { entitlements, number };
    return number;
  }
}

/** Words of a message, and where they are in it. */
interface Told {
  readonly words: Int32Array;
  readonly names: readonly string[];
  readonly wordsAt: number;
}

/**
 * Reads what `EntitlementSets` wrote.
 * @param start where its words begin, which end where all words do
 * @param rows of the batch that have any
 * @returns of each of those rows what it has, in their order; rows of one set share the list
 * @throws {MalformedMessageError} if it is anything but that
 */
export function readSets(
  { words, names, wordsAt }: Told,
  start: number,
  rows: number,
  count: number,
): readonly string[][] {
  const sets: string[][] = [];
  let [at, left] = [start + rows, IN_SETS_MAX];
  require(at <= words.length && count >= 0 && count <= rows, wordsAt + start * 4, "as many sets as there may be");
  for (let number = 0; number < count; number++) {
    const size = at < words.length ? (words[at] as number) : 0;
    require(size >= 1 && size <= Math.min(ENTITLEMENTS_MAX, left), wordsAt + at * 4, "a set of entitlements that fits");
    require(at + 1 + size <= words.length, wordsAt + at * 4, "a set ends before the checksum");
    sets.push(
      Array.from(words.subarray(at + 1, at + 1 + size), (name) => entitlementOf(names[name], wordsAt + at * 4)),
    );
    left -= size;
    at += 1 + size;
  }
  require(at === words.length, 8, "as many words as are said");
  return Array.from(words.subarray(start, start + rows), (number) => {
    const set = sets[number];
    require(set !== undefined, wordsAt + start * 4, "a set that the message has");
    return set;
  });
}

function entitlementOf(name: string | undefined, offset: number): string {
  require(name !== undefined && isEntitlement(name), offset, "an entitlement that the message names");
  return name;
}
