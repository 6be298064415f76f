/** A figure measured several times: the middle one, and how far the others were from it. */
export interface Spread {
  readonly min: number;
  readonly median: number;
  readonly max: number;
}

/** @throws {RangeError} where there is no value */
export function spreadOf(values: readonly number[]): Spread {
  if (values.length === 0) throw new RangeError("Cannot tell a spread: there is no value");
  const sorted = [...values].sort((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  const median = ((sorted[Math.floor(middle)] as number) + (sorted[Math.ceil(middle)] as number)) / 2;
  return { min: sorted[0] as number, median, max: sorted[sorted.length - 1] as number };
}

/** Round by round what `values` was of `floor`: contestants take turns, so a slow minute slows both. Empty where one is missing. */
export function ratiosOf(values: readonly number[], floor: readonly number[]): number[] {
  return values.slice(0, floor.length).map((value, round) => value / (floor[round] as number));
}
