/** What a figure is to reach, and whether it did. The median counts. */
import { type Spread, spreadOf } from "../support/spread.ts";

export interface Goal {
  readonly part: string;
  readonly text: string;
  readonly target: { readonly atLeast: number } | { readonly atMost: number };
  readonly reached: Spread;
  readonly digits: number;
  readonly isMet: boolean;
}

export function atLeast(part: string, text: string, target: number, values: readonly number[], digits = 2): Goal[] {
  if (values.length === 0) return []; // not measured
  const reached = spreadOf(values);
  return [{ part, text, target: { atLeast: target }, reached, digits, isMet: reached.median >= target }];
}

export function atMost(part: string, text: string, target: number, values: readonly number[], digits = 2): Goal[] {
  if (values.length === 0) return [];
  const reached = spreadOf(values);
  return [{ part, text, target: { atMost: target }, reached, digits, isMet: reached.median <= target }];
}

export function count(value: number): string {
  return value.toLocaleString("en");
}
