/** What the store fails with just now, for people: a fault is told when it differs from the one before, and when all is well again. */
import { toldOf } from "../ports/record-store.ts";

export type StoreHealthEvent =
  | { readonly kind: "store fault"; readonly reason: string; readonly partitionsAhead: number }
  | { readonly kind: "store healed" };

export interface StoreHealthPorts {
  readonly nowMs: () => number;
  readonly partitionsAhead: () => number;
  /** Whether the lease is renewed. */
  readonly isLicensed: () => boolean;
  readonly tell: (event: StoreHealthEvent) => void;
}

const OVER_AFTER_MS = 1000;

export class StoreHealth {
  /** The last fault, until all is well again. */
  reason: string | undefined;
  /** What anybody may be told of it. */
  told: string | undefined;
  private readonly ports: StoreHealthPorts;
  private faultAtMs = -Infinity;

  constructor(ports: StoreHealthPorts) {
    this.ports = ports;
  }

  onFault(error: unknown): void {
    const { nowMs, partitionsAhead, tell } = this.ports;
    const reason = error instanceof Error ? error.message : String(error);
    if (reason !== this.reason) tell({ kind: "store fault", reason, partitionsAhead: partitionsAhead() });
    this.reason = reason;
    this.told = toldOf(error);
    this.faultAtMs = nowMs();
  }

  /** The store is well again when nothing is ahead, the lease is renewed, and nothing failed for a while. */
  tick(): void {
    const { nowMs, partitionsAhead, isLicensed, tell } = this.ports;
    const isQuiet = nowMs() - this.faultAtMs > OVER_AFTER_MS;
    if (this.reason === undefined || !isQuiet || partitionsAhead() > 0 || !isLicensed()) return;
    this.reason = undefined;
    this.told = undefined;
    tell({ kind: "store healed" });
  }
}
