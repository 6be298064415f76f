/** What one batch has room for: so many rows, and what they are entitled to, so that its message stays short. */
import { NO_ENTITLEMENTS } from "../../engine/entitlement.ts";
import type { Row } from "../ports/rows.ts";
import { IN_SETS_MAX } from "./entitlement-sets.ts";

export class BatchRoom {
  private rowsLeft: number;
  private entitlementsLeft = IN_SETS_MAX;
  /** Sets that are in the batch already. */
  private readonly sets = new Set<string>();
  /** Rows of one token share the list itself. */
  private last: readonly string[] = NO_ENTITLEMENTS;

  constructor(rowsMax: number) {
    this.rowsLeft = rowsMax;
  }

  get isFull(): boolean {
    return this.rowsLeft === 0;
  }

  /** Takes a row in; false where there is no room for it. The first one always fits. */
  take({ entitlements }: Pick<Row, "entitlements">): boolean {
    if (this.rowsLeft === 0 || !this.takeSet(entitlements)) return false;
    this.rowsLeft--;
    return true;
  }

  private takeSet(entitlements: readonly string[]): boolean {
    if (entitlements.length === 0 || entitlements === this.last) return true;
    const set = entitlements.join(",");
    if (!this.sets.has(set)) {
      if (entitlements.length > this.entitlementsLeft) return false;
      this.entitlementsLeft -= entitlements.length;
      this.sets.add(set);
    }
    this.last = entitlements;
    return true;
  }
}
