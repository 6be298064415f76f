/**
 * A map that remembers what was used of late, and no more than so much: what is used is kept in a young map, which becomes the old one
 * when it is full; what was in the old one before is forgotten. A map from which the first entry is taken each time, to
 * forget exactly the one that was used longest ago, would look through all the places that became empty.
 */
export class Recent<Value> {
  private readonly youngMax: number;
  private young = new Map<string, Value>();
  private old = new Map<string, Value>();

  /** @param most entries, but for one or two; at least the half of it that was used last is remembered */
  constructor(most: number) {
    this.youngMax = Math.ceil(most / 2);
  }

  get size(): number {
    return this.young.size + this.old.size;
  }

  get(key: string): Value | undefined {
    const found = this.young.get(key);
    if (found !== undefined) return found;
    const value = this.old.get(key);
    if (value === undefined) return undefined;
    this.old.delete(key);
    this.set(key, value);
    return value;
  }

  set(key: string, value: Value): void {
    this.young.set(key, value);
    if (this.young.size <= this.youngMax) return;
    this.old = this.young;
    this.young = new Map();
  }

  delete(key: string): void {
    this.young.delete(key);
    this.old.delete(key);
  }
}
