/** R4: what fails in the store under one tag: it is counted and told, and nothing is tried again before a pause that grows. */
import { StoreFullError } from "../ports/record-store.ts";
import type { RecorderPorts, RecorderTotals } from "./recorder.ts";

const RETRY_FIRST_MS = 100;
const RETRY_LAST_MS = 1000;

export class TagFaults {
  /** It refused an append for want of memory, and has taken none since. */
  isFull = false;
  private readonly ports: Pick<RecorderPorts, "nowMs" | "onStoreFault">;
  private readonly totals: RecorderTotals;
  private retryMs = 0;
  private retryAtMs = -Infinity;

  constructor(ports: Pick<RecorderPorts, "nowMs" | "onStoreFault">, totals: RecorderTotals) {
    this.ports = ports;
    this.totals = totals;
  }

  /** A call failed. */
  note(error: unknown): void {
    if (error instanceof StoreFullError) this.isFull = true;
    this.retryMs = Math.min(RETRY_LAST_MS, this.retryMs === 0 ? RETRY_FIRST_MS : this.retryMs * 2);
    this.retryAtMs = this.ports.nowMs() + this.retryMs;
    this.tell(error);
  }

  /** The store answered, but not as it should: no reason to wait. */
  tell(error: unknown): void {
    this.totals.faults++;
    this.ports.onStoreFault(error);
  }

  /** Whether the last call failed, as far as is known. */
  get isFailing(): boolean {
    return this.retryMs > 0;
  }

  isPaused(nowMs: number): boolean {
    return nowMs < this.retryAtMs;
  }

  /** It was written: the next pause is a short one again. */
  onWritten(): void {
    this.retryMs = 0;
  }

  /** The store can be written again, as far as is known: nobody waits for the pause to end. */
  resume(): void {
    this.retryMs = 0;
    this.retryAtMs = -Infinity;
  }
}
