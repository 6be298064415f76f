// Chance without state: every number is a hash of (seed, stream, count), so one seed is one crowd, whatever else runs.

/** Uniform in [0, 1), 32 bits of it. `seed`, `stream` and `count` are taken modulo 2^32. */
export function chance(seed: number, stream: number, count: number): number {
  return hash32(seed, stream, count) / 2 ** 32;
}

/** 32 well mixed bits of three words. For one `seed` and `count` it is a bijection of `stream`. */
export function hash32(seed: number, stream: number, count: number): number {
  return mix32(mix32(mix32(seed) ^ stream) + Math.imul(count, 0x9e3779b1)) >>> 0;
}

/** Source: lowbias32 of Chris Wellons' hash-prospector (public domain); a bijection of 32 bits. */
function mix32(word: number): number {
  word = Math.imul(word ^ (word >>> 16), 0x21f0aaad);
  word = Math.imul(word ^ (word >>> 15), 0xd35a2d97);
  return word ^ (word >>> 15);
}

/** Picks an index by weight. Cost: O(log n). */
export class WeightedPick {
  readonly #sums: Float64Array;

  /** @throws {RangeError} unless there is a weight above 0 and none below */
  constructor(weights: ArrayLike<number>) {
    this.#sums = new Float64Array(weights.length);
    let sum = 0;
    for (let index = 0; index < weights.length; index++) {
      if (!((weights[index] as number) >= 0))
        throw new RangeError(`Cannot pick by weight: weight ${index} is ${weights[index]}`);
      sum += weights[index] as number;
      this.#sums[index] = sum;
    }
    if (!(sum > 0 && sum < Infinity)) throw new RangeError(`Cannot pick by weight: the weights add up to ${sum}`);
  }

  /** @param u uniform in [0, 1) */
  at(u: number): number {
    const sums = this.#sums;
    const target = u * (sums[sums.length - 1] as number);
    let [low, high] = [0, sums.length - 1];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((sums[middle] as number) > target) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

/** A distribution known by its percentiles; in between, the logarithm of the value runs straight. */
export class Quantiles {
  readonly #percents: number[];
  readonly #logs: number[];

  /** @param points percentile → value; 0 and 100 must be among them, values above 0 and rising */
  constructor(points: Readonly<Record<number, number>>) {
    const sorted = Object.entries(points)
      .map(([percent, value]) => ({ percent: Number(percent), value }))
      .sort((a, b) => a.percent - b.percent);
    this.#percents = sorted.map(({ percent }) => percent);
    this.#logs = sorted.map(({ value }) => Math.log(value));
    const isWhole = this.#percents[0] === 0 && this.#percents.at(-1) === 100;
    if (
      !isWhole ||
      !this.#logs.every(
        (log, index) => Number.isFinite(log) && (index === 0 || log >= (this.#logs[index - 1] as number)),
      )
    ) {
      throw new RangeError(`Cannot draw from percentiles: they must rise from 0 to 100, got ${JSON.stringify(points)}`);
    }
  }

  /** The largest value there is. */
  get max(): number {
    return Math.exp(this.#logs[this.#logs.length - 1] as number);
  }

  /** @param u uniform in [0, 1) */
  at(u: number): number {
    const percent = u * 100;
    let index = 1;
    while ((this.#percents[index] as number) < percent) index++;
    const share =
      (percent - (this.#percents[index - 1] as number)) /
      ((this.#percents[index] as number) - (this.#percents[index - 1] as number));
    return Math.exp(
      (this.#logs[index - 1] as number) + share * ((this.#logs[index] as number) - (this.#logs[index - 1] as number)),
    );
  }

  /**
   * What is left of one that is met half-way: long ones are met more often, and at any of their moments alike.
   * Source: inspection paradox of renewal theory; drawn by rejection.
   * @param draw uniform in [0, 1), a new one at each call
   */
  residual(draw: () => number): number {
    const max = this.max;
    for (;;) {
      const value = this.at(draw());
      if (draw() * max < value) return value * draw();
    }
  }
}
