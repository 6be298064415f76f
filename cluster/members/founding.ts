/**
 * R12: finds the cluster's key, or founds the cluster. A node founds only after two leases in which no node came that knows
 * an older key. If a key lies beside records, it founds with that key at once, since no other could read them. What a node
 * brings must agree with the key that stands, except for the hash key.
 */
import type { ClusterKey, SharedStore } from "../ports/shared-store.ts";
import type { View } from "../ports/view.ts";

/** A node brings something else than the cluster was founded with: it must not join. */
export class DisagreementError extends Error {
  override readonly name = "DisagreementError";
  readonly field: keyof ClusterKey;
  readonly standing: ClusterKey[keyof ClusterKey];
  readonly brought: ClusterKey[keyof ClusterKey];
  constructor(field: keyof ClusterKey, standing: ClusterKey[keyof ClusterKey], brought: ClusterKey[keyof ClusterKey]) {
    super(`${field} must be ${String(standing)}, as when the cluster was founded, got ${String(brought)}`);
    this.field = field;
    this.standing = standing;
    this.brought = brought;
  }
}

/** What a node brings that differs from what stands, but for the hash key; undefined where nothing does. */
export function disagreementOf(standing: ClusterKey, brought: ClusterKey): DisagreementError | undefined {
  for (const field of Object.keys(brought) as (keyof ClusterKey)[])
    if (field !== "hashKey" && standing[field] !== brought[field])
      return new DisagreementError(field, standing[field], brought[field]);
  return undefined;
}

export interface FoundingPorts {
  readonly store: SharedStore;
  /** The bare monotonic clock: a founder waits at least so long. */
  readonly bareMs: () => number;
  readonly randomId: () => string;
  /** @param view who was listed just before: should the store lose it now, who joins writes it back (R9) */
  readonly onFound: (key: ClusterKey, view: View) => void;
  readonly onFault: (error: unknown) => void;
  readonly onDisagreement: (error: DisagreementError) => void;
}

const WAITED_LEASES = 2;
const PAUSES_A_LEASE = 10;

export class Founding {
  private readonly ports: FoundingPorts;
  private readonly proposal: ClusterKey;
  private isLooking = false;
  private isOver = false;
  private nextAtMs = -Infinity;
  /** Since when nobody is known to have a key. */
  private missingSinceMs: number | undefined;

  constructor(ports: FoundingPorts, proposal: ClusterKey) {
    this.ports = ports;
    this.proposal = proposal;
  }

  tick(): void {
    if (!this.isOver && !this.isLooking && this.ports.bareMs() >= this.nextAtMs) void this.look();
  }

  private async look(): Promise<void> {
    const { bareMs } = this.ports;
    this.isLooking = true;
    try {
      await this.find();
    } catch (error) {
      this.missingSinceMs = undefined; // who could not look has not waited
      this.ports.onFault(error);
    } finally {
      this.isLooking = false;
      this.nextAtMs = bareMs() + this.proposal.leaseMs / PAUSES_A_LEASE;
    }
  }

  private async find(): Promise<void> {
    const { store, bareMs } = this.ports;
    const { run, key, copy, view } = await store.look();
    // Under epoch 0 nobody has joined: whoever founded it may have died before all its records were made.
    if (key !== undefined && view.epoch > 0) return this.agree(key, view);
    const known = key ?? copy;
    this.missingSinceMs ??= bareMs();
    if (known === undefined && bareMs() - this.missingSinceMs < WAITED_LEASES * this.proposal.leaseMs) return;
    const chosen = known ?? this.proposal;
    const from = key === undefined && copy !== undefined ? "a copy" : "anew";
    if (
      disagreementOf(chosen, this.proposal) === undefined &&
      !(await store.found(run, chosen, from, this.ports.randomId()))
    )
      return; // another key stands since
    this.agree(chosen, view);
  }

  private agree(standing: ClusterKey, view: View): void {
    this.isOver = true;
    const disagreement = disagreementOf(standing, this.proposal);
    if (disagreement === undefined) this.ports.onFound(standing, view);
    else this.ports.onDisagreement(disagreement);
  }
}
