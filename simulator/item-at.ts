/** What a test knows to be there, or an error that says what was missing. */

/** The item of a list at `index`, or of a record under a key. */
export function itemAt<T>(list: ArrayLike<T>, index: number): T;
export function itemAt<T>(record: Readonly<Record<string, T>>, key: string): T;
export function itemAt<T>(of: { readonly [key: string | number]: T }, key: string | number): T {
  const item = of[key];
  if (item === undefined) throw new RangeError(`Nothing at ${key} among ${Object.keys(of).length}`);
  return item;
}

/** The list itself, where it has a first item. */
export function nonEmpty<T>(list: readonly T[]): readonly [T, ...T[]] {
  itemAt(list, 0);
  return list as readonly [T, ...T[]];
}

/** The first items of a list, one for each variable they are destructured into. */
export function take<T, Count extends TakenCount>(count: Count, list: readonly T[]): Taken<T>[Count] {
  for (let index = 0; index < count; index++) itemAt(list, index);
  return list.slice(0, count) as unknown as Taken<T>[Count];
}

export type TakenCount = keyof Taken<unknown>;

export interface Taken<T> {
  readonly 1: [T];
  readonly 2: [T, T];
  readonly 3: [T, T, T];
  readonly 4: [T, T, T, T];
  readonly 5: [T, T, T, T, T];
  readonly 6: [T, T, T, T, T, T];
}
