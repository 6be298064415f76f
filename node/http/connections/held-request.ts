/**
 * The time limit of a request for which Node's own limit is the wrong one. Node's server counts from the first byte that it gets. A
 * request that the lane had begun to read is older than that. And one whose rest waits here, since its client is slow to take the
 * answers before, would get 408 without being late: its time begins when all that came was handed on.
 */

/** `head`: its head is not whole. `body`: its head is. */
type Part = "head" | "body";

export class HeldRequest {
  private part: Part | undefined;
  private sinceMs = 0;

  /** The time of the request that is under way is measured here, from `sinceMs` on. */
  watch(part: Part, sinceMs: number): void {
    this.part = part;
    this.sinceMs = sinceMs;
  }

  /** A request's head is whole. */
  onTake(): void {
    this.part = this.part === "head" ? "body" : undefined; // where another begins, the one before is whole
  }

  /**
   * Whether the client had longer than `withinMs` for the rest: true once. To be asked again and again.
   * @param isHeld whether something of it waits here
   * @param isWhole whether all requests that have begun are whole, but for one whose head is not
   */
  isLate(nowMs: number, withinMs: number, isHeld: boolean, isWhole: boolean): boolean {
    if (this.part === "body" && isWhole) this.part = undefined;
    if (this.part === undefined) return false;
    if (isHeld) this.sinceMs = nowMs;
    if (nowMs - this.sinceMs <= withinMs) return false;
    this.part = undefined;
    return true;
  }
}
