/**
 * Who is due next: a binary heap of seats by time, that also knows where each seat stands, so that a time can be
 * moved or taken back. Three columns, 16 bytes a seat, allocated once:
 *   times      Float64Array, by seat        when the seat is due
 *   heap       Int32Array, by position      seats, the earliest at 0
 *   positions  Int32Array, by seat          where in the heap, -1: not in it
 * Every change costs O(log n).
 */
export class Agenda {
  readonly #times: Float64Array;
  readonly #heap: Int32Array;
  readonly #positions: Int32Array;
  #count = 0;

  constructor(seatCount: number) {
    this.#times = new Float64Array(seatCount);
    this.#heap = new Int32Array(seatCount);
    this.#positions = new Int32Array(seatCount).fill(-1);
  }

  /** When the first one is due; `Infinity` where nobody is. */
  get firstMs(): number {
    return this.#count === 0 ? Infinity : (this.#times[this.#heap[0] as number] as number);
  }

  /** The seat that is due first; ask only where `firstMs` is finite. */
  get first(): number {
    return this.#heap[0] as number;
  }

  /** Puts the seat in, or moves it. */
  set(seat: number, timeMs: number): void {
    let position = this.#positions[seat] as number;
    if (position === -1) position = this.#count++;
    this.#times[seat] = timeMs;
    this.#settle(seat, position);
  }

  /** Takes the seat out, if it is in. */
  remove(seat: number): void {
    const position = this.#positions[seat] as number;
    if (position === -1) return;
    this.#positions[seat] = -1;
    const last = this.#heap[--this.#count] as number;
    if (last !== seat) this.#settle(last, position);
  }

  /** Finds the place of a seat that may stand at `position`: up while it is earlier, else down while it is later. */
  #settle(seat: number, position: number): void {
    const [times, heap, positions] = [this.#times, this.#heap, this.#positions];
    const timeMs = times[seat] as number;
    while (position > 0) {
      const parent = (position - 1) >> 1;
      if ((times[heap[parent] as number] as number) <= timeMs) break;
      heap[position] = heap[parent] as number;
      positions[heap[position] as number] = position;
      position = parent;
    }
    for (let child = 2 * position + 1; child < this.#count; child = 2 * position + 1) {
      if (
        child + 1 < this.#count &&
        (times[heap[child + 1] as number] as number) < (times[heap[child] as number] as number)
      )
        child++;
      if ((times[heap[child] as number] as number) >= timeMs) break;
      heap[position] = heap[child] as number;
      positions[heap[position] as number] = position;
      position = child;
    }
    heap[position] = seat;
    positions[seat] = position;
  }
}
