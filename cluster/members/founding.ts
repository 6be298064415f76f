/**
 * R12: finds the cluster's key, or founds the cluster: once, and only after two leases in which nobody came who knows
 * better. What a node brings must agree with what stands, but for the hash key.
 */
import type { ClusterKey, RenewalAnswer, SharedStore } from "../ports/shared-store.ts";
import { type Member, NO_VIEW, type View } from "../ports/view.ts";

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

export interface FoundingPorts {
  readonly store: SharedStore;
  readonly nowMs: () => number;
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
  private readonly member: Member;
  private readonly proposal: ClusterKey;
  private isLooking = false;
  private isOver = false;
  private nextAtMs = -Infinity;
  /** Since when nobody is known to have a key. */
  private missingSinceMs: number | undefined;

  constructor(ports: FoundingPorts, member: Member, proposal: ClusterKey) {
    this.ports = ports;
    this.member = member;
    this.proposal = proposal;
  }

  tick(): void {
    if (!this.isOver && !this.isLooking && this.ports.nowMs() >= this.nextAtMs) void this.look();
  }

  private async look(): Promise<void> {
    const { nowMs } = this.ports;
    this.isLooking = true;
    try {
      await this.find();
    } catch (error) {
      this.missingSinceMs = undefined; // who could not look has not waited
      this.ports.onFault(error);
    } finally {
      this.isLooking = false;
      this.nextAtMs = nowMs() + this.proposal.leaseMs / PAUSES_A_LEASE;
    }
  }

  private async find(): Promise<void> {
    const { store, nowMs } = this.ports;
    const answer = await this.lookAtList();
    const { run } = answer;
    const view = answer.kind === "absent" ? answer.list.view : NO_VIEW;
    const { key, isFounded } = await store.readKey(run);
    if (key !== undefined) return this.agree(isFounded ? key : await store.found(run, key), view);
    this.missingSinceMs ??= nowMs();
    if (nowMs() - this.missingSinceMs < WAITED_LEASES * this.proposal.leaseMs) return;
    this.agree(await store.found(run, this.proposal), view);
  }

  /** A renewal by somebody who is not listed and does not ask to be: it changes nothing and tells the run. */
  private lookAtList(): Promise<RenewalAnswer> {
    const renewal = {
      member: this.member,
      isJoining: false,
      epoch: 0,
      nonce: "",
      freshNonce: this.ports.randomId(),
      revision: 0,
      licenceMs: 0,
      accused: [],
      closed: [],
      closedStill: [],
      called: [],
      held: undefined,
    };
    return this.ports.store.renew(renewal, this.proposal.leaseMs);
  }

  private agree(standing: ClusterKey, view: View): void {
    this.isOver = true;
    for (const field of Object.keys(this.proposal) as (keyof ClusterKey)[])
      if (field !== "hashKey" && standing[field] !== this.proposal[field])
        return this.ports.onDisagreement(new DisagreementError(field, standing[field], this.proposal[field]));
    this.ports.onFound(standing, view);
  }
}
