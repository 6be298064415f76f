/** R10: this node as the list has it: since when, and whether the others have called it back at the address that it gives. */
import { type Member, memberOf, type View } from "../ports/view.ts";

export interface ListingPorts {
  readonly nowMs: () => number;
  /** It has waited two leases for the others to call it back; told once in each incarnation. */
  readonly onNotCalledBack: (peerUrl: string) => void;
}

/** For this part of a lease a newcomer has the counts of its regions to take in. */
const NEW_SHARE = 5;
const CALLED_WITHIN_LEASES = 2;

export class Listing {
  /** When this node last came into the list. */
  private sinceMs = -Infinity;
  private readonly ports: ListingPorts;
  private readonly leaseMs: number;
  private member: Member | undefined;
  /** The incarnation of which it was told that nobody calls it back. */
  private toldOf: string | undefined;

  constructor(ports: ListingPorts, leaseMs: number) {
    this.ports = ports;
    this.leaseMs = leaseMs;
  }

  /** A view is followed. */
  onView(view: View, incarnation: string): void {
    const { isListed } = this;
    this.member = memberOf(view, incarnation);
    if (this.isListed && !isListed) this.sinceMs = this.ports.nowMs();
  }

  get isListed(): boolean {
    return this.member !== undefined;
  }

  /** It came just now. */
  get isNew(): boolean {
    return this.ports.nowMs() - this.sinceMs <= this.leaseMs / NEW_SHARE;
  }

  /** It is listed, and owns nothing until the others have called it back. */
  get isAwaitingCalls(): boolean {
    return this.member?.isJoining === true;
  }

  /**
   * Nobody, or too few, called it back for two leases: they do not reach it at the address that it gives. Within one, those
   * who could may be dead: a silence of all gives every member another lease (R7).
   */
  get isNotCalledBack(): boolean {
    return this.isAwaitingCalls && this.ports.nowMs() - this.sinceMs > CALLED_WITHIN_LEASES * this.leaseMs;
  }

  tick(): void {
    if (this.member === undefined || !this.isNotCalledBack) return;
    const { incarnation, peerUrl } = this.member;
    if (this.toldOf === incarnation) return;
    this.toldOf = incarnation;
    this.ports.onNotCalledBack(peerUrl);
  }
}
