/**
 * A node's place in the cluster (R7 to R11) and its licence (R14): joins, renews its lease, follows the view, leaves.
 * A state machine over the shared store; it acts when `tick` is called and when answers come.
 */
import type { MemberList, RenewalAnswer, Run, SharedStore } from "../ports/shared-store.ts";
import { isNewer, type Member, memberOf, NO_VIEW, type View } from "../ports/view.ts";

export interface MembershipPorts {
  readonly store: SharedStore;
  readonly nowMs: () => number;
  /** Milliseconds since 1970. */
  readonly wallMs: () => number;
  /** A UUID nobody used before. */
  readonly randomId: () => string;
  /** R10: peers unheard for a lease. */
  readonly unheard: () => string[];
  /** R10: peers whose port refused a connection since this was last asked. */
  readonly takeRefused: () => string[];
  /** R15: what this node holds, for the others to read. */
  readonly held: () => string;
  /** The view is another one now. */
  readonly onView: () => void;
  /** R15: the store is of another run than before; undefined before: the first. */
  readonly onRun: (before: Run | undefined) => void;
  /** An answer brought the list, or confirmed the one known. */
  readonly onList: (list: MemberList) => void;
  /** R9: the list was gone and is written back; so may be other things. */
  readonly onRestored: () => void;
  /** R8: this incarnation was named expelled; a new one has taken its place. */
  readonly onExpelled: (before: string) => void;
  /** Whether at least half of the other members that are listed answer this node. */
  readonly reachesPeers: () => Promise<boolean>;
  readonly onFault: (error: unknown) => void;
}

export interface MembershipOptions {
  readonly member: Omit<Member, "incarnation" | "isLeaving">;
  readonly leaseMs: number;
}

/** A lease is renewed so many times in its length. */
export const RENEWALS_A_LEASE = 3;
/** After a renewal that failed the next comes so much sooner. */
const RETRIES_A_RENEWAL = 4;

interface Answered {
  /** When the newest renewal that was answered had been sent, by both clocks. */
  readonly sentAtMs: number;
  readonly sentAtWallMs: number;
}

export class Membership {
  view: View = NO_VIEW;
  /** R15: the run of the store that this node believes in; undefined before the first answer. */
  run: Run | undefined;
  list: MemberList | undefined;
  me: Member;
  /** Whether this incarnation is in the list, as far as it knows. */
  isListed = false;
  listedAtMs = -Infinity;
  /** R28: of the modes' names, as the last renewal said; 0 for none. */
  modesRevision = 0;
  /** Times this node was expelled. */
  expulsions = 0;
  private readonly ports: MembershipPorts;
  private readonly options: MembershipOptions;
  private isActive = false;
  private isJoining = true;
  private isRenewing = false;
  /**
   * After an expulsion: who reaches the store but not its peers would join, take its share, and be expelled again, for ever.
   */
  private mustReachPeers = false;
  private isReaching = false;
  private isGone = false;
  private dueAtMs = -Infinity;
  private answered: Answered | undefined;

  constructor(ports: MembershipPorts, options: MembershipOptions) {
    this.ports = ports;
    this.options = options;
    this.me = { ...options.member, incarnation: ports.randomId(), isLeaving: false };
  }

  /** R14: whether the last renewal that was answered is fresh by both clocks, and no newer view is known than it brought. */
  get isLicensed(): boolean {
    if (this.answered === undefined || this.list === undefined || this.list.view.epoch < this.view.epoch) return false;
    const halfLeaseMs = this.options.leaseMs / 2;
    const { sentAtMs, sentAtWallMs } = this.answered;
    const isFresh = this.ports.nowMs() - sentAtMs < halfLeaseMs && this.ports.wallMs() - sentAtWallMs < halfLeaseMs;
    return isFresh && this.isListed;
  }

  /**
   * Begins to join.
   * @param view the newest one known: where the store lost it meanwhile, it is written back first (R9)
   */
  join(view: View = NO_VIEW): void {
    this.isActive = true;
    this.isJoining = true;
    this.follow(view);
    this.renewNow();
  }

  tick(): void {
    if (this.isActive && !this.isRenewing && this.ports.nowMs() >= this.dueAtMs) void this.renew();
  }

  /** The next renewal comes at the next tick. */
  renewNow(): void {
    this.dueAtMs = -Infinity;
  }

  /** A view came from a peer (R17): followed where it is newer; what the store says of it is asked at once. */
  adopt(view: View): void {
    if (!this.isActive) return;
    this.renewNow();
    if (isNewer(view, this.view)) this.follow(view);
  }

  /** R11: owns nothing new from the next view on. */
  beginLeaving(): void {
    this.me = { ...this.me, isLeaving: true };
    this.renewNow();
  }

  /** R1: the epoch must be above what refused a claim. */
  async raiseEpoch(above: number): Promise<void> {
    if (this.run === undefined) return;
    await this.attempt(this.ports.store.raiseEpoch(this.run, above, this.ports.randomId()));
    this.renewNow();
  }

  /** R11: goes off the list; true once that is done. */
  async leave(): Promise<boolean> {
    if (this.run === undefined) return true;
    const { incarnation } = this.me;
    this.isGone = true; // a renewal that finds it absent since must not join again
    const hasLeft = await this.attempt(this.ports.store.leave(this.run, incarnation, this.ports.randomId()));
    if (hasLeft) this.isActive = false;
    return hasLeft;
  }

  private async attempt(call: Promise<void>): Promise<boolean> {
    try {
      await call;
      return true;
    } catch (error) {
      this.ports.onFault(error);
      return false;
    }
  }

  private async renew(): Promise<void> {
    const { ports, view, me } = this;
    this.isRenewing = true;
    const [sentAtMs, sentAtWallMs] = [ports.nowMs(), ports.wallMs()];
    const renewalMs = this.options.leaseMs / RENEWALS_A_LEASE;
    this.dueAtMs = sentAtMs + renewalMs;
    try {
      const renewal = {
        member: me,
        isJoining: this.isJoining && !this.mustReachPeers && !this.isGone,
        epoch: view.epoch,
        nonce: view.nonce,
        freshNonce: ports.randomId(),
        revision: this.list?.revision ?? 0,
        accused: ports.unheard(),
        refused: ports.takeRefused(),
        held: ports.held(),
      };
      const answer = await ports.store.renew(renewal, this.options.leaseMs);
      if (this.isActive && me.incarnation === this.me.incarnation) await this.take(answer, { sentAtMs, sentAtWallMs });
    } catch (error) {
      this.dueAtMs = Math.min(this.dueAtMs, ports.nowMs() + renewalMs / RETRIES_A_RENEWAL);
      ports.onFault(error);
    } finally {
      this.isRenewing = false;
    }
  }

  private async take(answer: RenewalAnswer, answered: Answered): Promise<void> {
    if (answer.run !== this.run) {
      const before = this.run;
      this.run = answer.run;
      this.list = undefined; // revisions begin anew
      this.renewNow(); // what is held is named under this run (R15)
      this.ports.onRun(before);
    }
    switch (answer.kind) {
      case "gone":
        return this.restore(answer.run);
      case "expelled":
        return this.rejoin(isNewer(this.view, answer.list.view) ? this.view : answer.list.view);
      case "absent":
        this.isJoining = true;
        this.list = answer.list;
        this.follow(answer.list.view);
        return this.mustReachPeers ? this.reachPeers() : this.isGone ? undefined : this.renewNow();
      case "renewed":
        this.isJoining = false;
        this.answered = answered;
        this.modesRevision = answer.modesRevision ?? 0;
        this.learn(answer.list);
    }
  }

  private async reachPeers(): Promise<void> {
    if (this.isReaching) return;
    this.isReaching = true;
    this.mustReachPeers = !(await this.ports.reachesPeers());
    this.isReaching = false;
    if (!this.mustReachPeers) this.renewNow();
  }

  private learn(list: MemberList | undefined): void {
    // R9: revisions only rise, so another node found the list gone and wrote it back.
    if (list !== undefined && this.list !== undefined && list.revision < this.list.revision) this.ports.onRestored();
    this.list = list ?? this.list;
    if (this.list === undefined) return this.renewNow();
    this.follow(this.list.view);
    this.ports.onList(this.list);
  }

  /** R9: the list is gone or older than what this node knows: the newest view the members know is written back. */
  private async restore(run: Run): Promise<void> {
    this.list = undefined; // revisions begin anew
    this.ports.onRestored();
    await this.ports.store.restore(run, this.view, this.ports.randomId(), this.options.leaseMs);
    this.renewNow();
  }

  /** Takes over a view, unless an older one. */
  private follow(view: View): void {
    const isOther = view.epoch === this.view.epoch && view.nonce !== this.view.nonce;
    if (!isNewer(view, this.view) && !isOther) return;
    if (view.expelled.includes(this.me.incarnation)) return this.rejoin(view);
    this.view = view;
    const isListed = memberOf(view, this.me.incarnation) !== undefined;
    if (isListed && !this.isListed) this.listedAtMs = this.ports.nowMs();
    this.isListed = isListed;
    this.ports.onView();
  }

  /** R8: named expelled, so everything is dropped, and a new incarnation joins. */
  private rejoin(view: View): void {
    this.expulsions++;
    const before = this.me.incarnation;
    this.me = { ...this.me, incarnation: this.ports.randomId() };
    this.view = view;
    this.isListed = false;
    this.list = undefined;
    this.answered = undefined;
    this.isJoining = true;
    this.mustReachPeers = true;
    this.ports.onExpelled(before);
    this.ports.onView();
    this.renewNow();
  }
}
