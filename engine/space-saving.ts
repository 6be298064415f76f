/**
 * Counts the keys that come most often, in a table of fixed size: a key that has no place takes that of the one with the least, and its count too. So no count is
 * too low, and none too high by more than what all came divided by the places. Source: Metwally, Agrawal, El Abbadi, Efficient Computation of Frequent and
 * Top-k Elements in Data Streams, 2005.
 */
export interface Counted {
  readonly key: string;
  /** Never less than it came. */
  readonly count: number;
  /** Of the count, what may be others'. */
  readonly error: number;
}

interface Place {
  key: string;
  count: number;
  error: number;
  /** In the heap. */
  at: number;
}

export class SpaceSaving {
  /** All that came. */
  total = 0;
  private readonly placesMax: number;
  private readonly places = new Map<string, Place>();
  /** The one with the least first; of 2 n + 1 and 2 n + 2 each has at least as much as n. */
  private readonly heap: Place[] = [];

  constructor(placesMax: number) {
    this.placesMax = placesMax;
  }

  /** @param times at least 1 */
  add(key: string, times = 1): void {
    this.total += times;
    const known = this.places.get(key);
    if (known !== undefined) known.count += times;
    const place = known ?? this.placeFor(key, times);
    this.sink(place);
  }

  /** In no order. */
  *counts(): Generator<Counted> {
    for (const { key, count, error } of this.heap) yield { key, count, error };
  }

  private placeFor(key: string, times: number): Place {
    if (this.heap.length < this.placesMax) {
      const place = { key, count: times, error: 0, at: this.heap.length };
      this.heap.push(place);
      this.places.set(key, place);
      this.rise(place);
      return place;
    }
    const least = this.heap[0] as Place;
    this.places.delete(least.key);
    least.key = key;
    least.error = least.count;
    least.count += times;
    this.places.set(key, least);
    return least;
  }

  private rise(place: Place): void {
    while (place.at > 0) {
      const parent = this.heap[(place.at - 1) >> 1] as Place;
      if (parent.count <= place.count) return;
      this.swap(parent, place);
    }
  }

  private sink(place: Place): void {
    for (;;) {
      const [left, right] = [this.heap[2 * place.at + 1], this.heap[2 * place.at + 2]];
      const less = right !== undefined && left !== undefined && right.count < left.count ? right : left;
      if (less === undefined || less.count >= place.count) return;
      this.swap(place, less);
    }
  }

  private swap(upper: Place, lower: Place): void {
    [upper.at, lower.at] = [lower.at, upper.at];
    this.heap[upper.at] = upper;
    this.heap[lower.at] = lower;
  }
}
