/**
 * R12: what a member does when another key stands than its own. It also makes each tag follow the key of the list.
 *
 * Two keys come about when a store comes back empty while all members are cut off from it, and a newcomer founds anew. The
 * members then vote for their key. It replaces the other when more than half of them have voted, and more than live under
 * the other, so one node that was suspended cannot erase a living cluster. A member that has voted for two leases in vain,
 * with most of its peers out of reach, joins under the key that stands. So does one whose vote was tied for half a lease:
 * more than half have voted, and as many or more live under the other. In that time others may vote.
 */
import { type ClusterKey, OtherKeyError, type Run, type SharedStore } from "../ports/shared-store.ts";
import { isListed } from "../ports/view.ts";
import type { Membership } from "./membership.ts";

export interface KeyKeeperPorts {
  readonly store: SharedStore;
  readonly membership: Membership;
  /** The bare monotonic clock: who gives its key up has asked for it at least so long. */
  readonly bareMs: () => number;
  readonly randomId: () => string;
  /** How many listed peers were heard of within a lease. */
  readonly heardCount: () => number;
  /** This member's key is given up; called once. */
  readonly onLost: (standing: ClusterKey) => void;
  /** Tags lost records of another key. */
  readonly onTagsAdopted: (count: number) => void;
  readonly onFault: (error: unknown) => void;
}

const ASKED_LEASES = 2;
/** Part of a lease; members vote several times in it. */
const TIED_LEASES = 0.5;
/** Pause before tags are brought to the key again. */
const RETRY_MS = 200;

export class KeyKeeper {
  private readonly ports: KeyKeeperPorts;
  private readonly key: ClusterKey;
  /** Since when this member has asked for its key without a break, and when it last did. */
  private askingSinceMs = -Infinity;
  private askedAtMs = -Infinity;
  /** Since when its votes were tied, without a break; Infinity: the last was not. */
  private tiedSinceMs = Infinity;
  private isLost = false;
  /** Under a new run nobody knows which key lies in which tag. */
  private isAdoptionDue = false;
  private isAdopting = false;
  private adoptAtMs = -Infinity;

  constructor(ports: KeyKeeperPorts, key: ClusterKey) {
    this.ports = ports;
    this.key = key;
  }

  tick(): void {
    const { membership, bareMs } = this.ports;
    // Only who renewed under this key may drop what lies under another.
    const mayAdopt = this.isAdoptionDue && !this.isAdopting && membership.list !== undefined;
    if (mayAdopt && bareMs() >= this.adoptAtMs) void this.adoptTags();
  }

  onRun(): void {
    this.isAdoptionDue = true;
  }

  /** A call was refused because of the key: where the list has ours, a tag has another. */
  onFault(error: unknown): void {
    if (error instanceof OtherKeyError) this.isAdoptionDue = true;
  }

  /** A renewal was answered with another key. */
  async onOtherKey(run: Run, standing: ClusterKey): Promise<void> {
    const { store, membership, randomId } = this.ports;
    const { view, me, run: runBefore } = membership;
    if (this.isLost) return;
    if (!isListed(view, me.incarnation)) return this.lose(standing); // nothing is held here
    const vote = { incarnation: me.incarnation, view, key: this.key, freshNonce: randomId() };
    const answer = await store.vote(run, vote, this.key.leaseMs);
    if (membership.run !== runBefore) return; // a later renewal was answered since, perhaps under this key: this answer is old
    switch (answer) {
      case "outnumbered":
        return this.lose(standing);
      case "counted":
        this.noteAsked();
        this.tiedSinceMs = Infinity;
        return this.isHopeless ? this.lose(standing) : undefined;
      case "tied":
        this.noteAsked();
        this.tiedSinceMs = Math.min(this.tiedSinceMs, this.askedAtMs);
        return this.isTiedForLong ? this.lose(standing) : undefined;
      default:
        this.tiedSinceMs = Infinity;
        membership.renewNow();
    }
  }

  private noteAsked(): void {
    const nowMs = this.ports.bareMs();
    const pauseMs = nowMs - this.askedAtMs;
    // Who was suspended, or could not reach the store, has not asked meanwhile.
    if (pauseMs > this.key.leaseMs) this.askingSinceMs = nowMs;
    // Nor could the others, perhaps: one pause must not be all of the time that they have to vote.
    if (pauseMs >= TIED_LEASES * this.key.leaseMs) this.tiedSinceMs = Infinity;
    this.askedAtMs = nowMs;
  }

  /** Asked long enough, and those who could ask as well are not there. */
  private get isHopeless(): boolean {
    const { membership, heardCount } = this.ports;
    const askedMs = this.askedAtMs - this.askingSinceMs;
    return askedMs >= ASKED_LEASES * this.key.leaseMs && (heardCount() + 1) * 2 <= membership.view.members.length;
  }

  private get isTiedForLong(): boolean {
    return this.askedAtMs - this.tiedSinceMs >= TIED_LEASES * this.key.leaseMs;
  }

  private lose(standing: ClusterKey): void {
    if (this.isLost) return; // another renewal's answer came first
    this.isLost = true;
    this.ports.onLost(standing);
  }

  private async adoptTags(): Promise<void> {
    const { store, membership, bareMs, onTagsAdopted, onFault } = this.ports;
    const { run } = membership;
    if (run === undefined) return;
    this.isAdopting = true;
    this.isAdoptionDue = false;
    try {
      const count = await store.adoptTags(run);
      if (count > 0) onTagsAdopted(count);
    } catch (error) {
      this.isAdoptionDue = true;
      this.adoptAtMs = bareMs() + RETRY_MS;
      onFault(error);
    } finally {
      this.isAdopting = false;
    }
  }
}
