/**
 * The time limit of a request whose bytes the connection keeps back. Node's server limits the time of a request from its first
 * byte on, also while the rest waits here, since the client is slow to take the answers before it. That is no fault of
 * the request: what it has left begins when all that came was handed on.
 */

/** `head`: its head is not whole. `body`: its head is. */
type Part = "head" | "body";

export class HeldRequest {
  private part: Part | undefined;
  private sinceMs = 0;

  /** Node's server says that a request is late which is held, and looks at it no more. */
  spare(part: Part, nowMs: number): void {
    this.part = part;
    this.sinceMs = nowMs;
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
