/**
 * A node's place in the cluster (R7 to R11) and its licence (R14): joins, renews its lease, follows the view, leaves.
 * A state machine over the shared store; it acts when `tick` is called and when answers come.
 */
import { invariant } from "../../engine/invariant.ts";
import { markOf } from "../ports/mark.ts";
import type { ClusterKey, MemberList, RenewalAnswer, Run, SharedStore } from "../ports/shared-store.ts";
import { isNewer, type Member, NO_VIEW, type View } from "../ports/view.ts";
import { LICENCE_MARGIN_MS } from "./closed-ports.ts";
import { Listing, type ListingPorts } from "./listing.ts";
import { RenewalWords, type WordsPorts } from "./renewal-words.ts";
import { type Clocks, Renewals, type Sent } from "./renewals.ts";

export interface MembershipPorts extends Clocks, WordsPorts, ListingPorts {
  readonly store: SharedStore;
  /** Whether this node has not heard half of the other members for a lease. */
  readonly isAlone: () => boolean;
  /** The view is another one now. */
  readonly onView: () => void;
  /** R15: under which runs the tags are, as of an answer; before anything else that it says. */
  readonly onTagRuns: (runs: readonly Run[]) => void;
  /** An answer brought the list, or confirmed the one known. */
  readonly onList: (list: MemberList) => void;
  /** R12: another key stands than this node's; nothing was renewed. */
  readonly onOtherKey: (run: Run, standing: ClusterKey) => Promise<void>;
  /** R8: this incarnation was named expelled; a new one has taken its place. */
  readonly onExpelled: (before: string) => void;
  /** Whether half of the other members that are listed, and one at least, answer this node. */
  readonly reachesPeers: () => Promise<boolean>;
  readonly onFault: (error: unknown) => void;
}

export interface MembershipOptions {
  readonly member: Omit<Member, "incarnation" | "isLeaving" | "isJoining">;
  readonly key: ClusterKey;
}

/**
 * `resting`: before it joins. `joining`: asks to be listed. `listed`: renews. `accused`: listed and marked (R10), so it
 * answers nothing unlogged. `reaching`: it was expelled and joins only when its peers answer, or else it would take its
 * share and be expelled in a loop. `leaving`: goes off the list, and does not join again. `gone`: is off the list.
 */
export type MembershipState = "resting" | "joining" | "listed" | "accused" | "reaching" | "leaving" | "gone";

/** Which states each may come from. */
const FROM: Readonly<Record<MembershipState, readonly MembershipState[]>> = {
  resting: [],
  joining: ["resting", "joining", "listed", "accused", "reaching"],
  listed: ["joining", "listed", "accused"],
  accused: ["joining", "listed", "accused"],
  reaching: ["joining", "listed", "accused", "reaching"],
  leaving: ["joining", "listed", "accused", "reaching", "leaving"],
  gone: ["leaving"],
};

export class Membership {
  view: View = NO_VIEW;
  /** When the view was learnt, by the bare clock: whoever takes over waits from then on for the licence of the holder. */
  viewLearntAtBareMs = -Infinity;
  /** R15: the run of the store that this node believes in; undefined before the first answer. */
  run: Run | undefined;
  list: MemberList | undefined;
  me: Member;
  state: MembershipState = "resting";
  /** R28: of the modes' names, as the last renewal said; 0 for none. */
  modesRevision = 0;
  /** Times this node was expelled. */
  expulsions = 0;
  /** It has not heard half of the others for a lease: the Redis that it reaches may be the master no more. */
  isAlone = false;
  readonly listing: Listing;
  private readonly ports: MembershipPorts;
  private readonly key: ClusterKey;
  private readonly leaseMs: number;
  private readonly renewals: Renewals;
  private readonly words: RenewalWords;

  constructor(ports: MembershipPorts, { member, key }: MembershipOptions) {
    this.ports = ports;
    this.key = key;
    this.leaseMs = key.leaseMs;
    this.renewals = new Renewals(ports, key.leaseMs);
    this.words = new RenewalWords(ports, markOf(key.hashKey));
    this.listing = new Listing(ports, key.leaseMs);
    this.me = { ...member, incarnation: ports.randomId(), isLeaving: false };
  }

  /** Whether this incarnation is in the list, as far as it knows. */
  get isListed(): boolean {
    return this.listing.isListed;
  }

  /**
   * R14: whether what writes nothing may be answered: the last renewal that was answered had been sent less than its
   * licence ago, no newer view is known than it brought, and the peers are heard.
   */
  get isLicensed(): boolean {
    const { list, view, renewals } = this;
    if (this.state !== "listed" || !this.isListed || this.isAlone) return false;
    return list !== undefined && list.view.epoch >= view.epoch && renewals.isLicensed;
  }

  /** R14: how long a member may still answer unlogged that had not learnt the present view; half a lease where it is not known. */
  licenceOf(incarnation: string | undefined): number {
    return licenceIn(this.list, this.view, incarnation) ?? this.leaseMs / 2;
  }

  /**
   * R13, R14: when none of these answers what writes nothing any more, by the bare clock.
   * @param incarnations undefined: somebody of whom nothing is known
   */
  licencesOverAtBareMs(incarnations: readonly (string | undefined)[]): number {
    const licencesMs = incarnations.map((incarnation) => this.licenceOf(incarnation));
    return this.viewLearntAtBareMs + Math.max(...licencesMs) + LICENCE_MARGIN_MS;
  }

  /**
   * Begins to join.
   * @param view the newest one known: where the store lost it meanwhile, it is written back first (R9)
   */
  join(view: View = NO_VIEW): void {
    this.become("joining");
    this.follow(view);
    this.renewNow();
  }

  tick(): void {
    if (!isActive(this.state)) return;
    this.isAlone = this.ports.isAlone();
    this.renewIfDue();
    this.listing.tick();
  }

  /** The next renewal comes at the next tick. */
  renewNow(): void {
    this.renewals.hurry();
  }

  /** R10: a peer's connection ended and its port refuses, or another incarnation answers there. */
  noteClosed(incarnation: string): void {
    this.words.noteClosed(incarnation);
    if (isActive(this.state)) this.renewIfDue(); // whoever takes over waits from the answer on
  }

  /** A view came from a peer (R17): followed where it is newer; what the store says of it is asked at once. */
  adopt(view: View): void {
    if (!isActive(this.state)) return;
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
    const { store, randomId, onFault } = this.ports;
    await isDone(store.raiseEpoch(this.run, above, randomId()), onFault);
    this.renewNow();
  }

  /** R11: goes off the list; true once that is done. */
  async leave(): Promise<boolean> {
    if (this.run === undefined) return true;
    const { store, randomId, onFault } = this.ports;
    this.become("leaving");
    const hasLeft = await isDone(store.leave(this.run, this.me.incarnation, randomId()), onFault);
    if (hasLeft) this.become("gone");
    return hasLeft;
  }

  private become(state: MembershipState): void {
    invariant(FROM[state].includes(this.state), `a member may become ${state}, was ${this.state}`);
    this.state = state;
  }

  private renewIfDue(): void {
    if (this.words.isDue(this.ports.bareMs())) this.renewNow();
    if (this.renewals.isDue(this.state === "listed" ? this.me : undefined)) void this.renew();
  }

  private async renew(): Promise<void> {
    const { ports, renewals } = this;
    const sent = this.nextRenewal();
    renewals.begin(sent);
    try {
      const answer = await ports.store.renew(sent.renewal, this.leaseMs);
      const isMine = sent.renewal.member.incarnation === this.me.incarnation;
      if (renewals.onAnswered(sent) && isActive(this.state) && isMine) await this.take(answer, sent);
      else this.words.onUnanswered(sent);
    } catch (error) {
      this.words.onUnanswered(sent);
      renewals.onFailed();
      ports.onFault(error);
    } finally {
      renewals.end(sent);
    }
  }

  private nextRenewal(): Sent {
    const { view, me: member, run, list } = this;
    const stamp = this.renewals.next();
    const isJoining = this.state === "joining";
    return { stamp, run, renewal: this.words.next(stamp, { member, view, isJoining, revision: list?.revision ?? 0 }) };
  }

  private async take(answer: RenewalAnswer, sent: Sent): Promise<void> {
    if (answer.kind === "other key") return this.ports.onOtherKey(answer.run, answer.key);
    if (answer.run !== this.run) this.enterRun(answer.run);
    this.ports.onTagRuns(answer.tagRuns);
    switch (answer.kind) {
      case "gone":
        return this.restore(answer.run);
      case "late":
        return this.words.onUnanswered(sent);
      case "expelled":
        return this.rejoin(isNewer(this.view, answer.list.view) ? this.view : answer.list.view);
      case "absent":
        this.list = answer.list;
        this.words.nameAgain();
        this.follow(answer.list.view);
        if (this.state === "reaching") return this.reachPeers();
        if (this.state === "leaving") return;
        this.become("joining");
        return this.renewNow();
      case "renewed":
      case "accused":
        if (this.state !== "leaving") this.become(answer.kind === "renewed" ? "listed" : "accused");
        if (answer.kind === "renewed") this.renewals.license(sent);
        this.words.onNamed(sent, sent.run === this.run);
        if (answer.mustName) {
          this.words.nameAgain();
          this.renewNow();
        }
        this.modesRevision = answer.modesRevision ?? 0;
        this.learn(answer.list);
        this.words.onAnswered(sent, this.ports.bareMs(), (each) => this.licenceOf(each));
    }
  }

  /** R15: nobody knows what the store still has, nor what it has heard. */
  private enterRun(run: Run): void {
    this.run = run;
    this.list = undefined; // revisions begin anew
    this.words.enterRun();
    this.renewNow(); // what is held is named under this run
  }

  private async reachPeers(): Promise<void> {
    if (!(await this.ports.reachesPeers()) || this.state !== "reaching") return;
    this.become("joining");
    this.renewNow();
  }

  private learn(list: MemberList | undefined): void {
    this.list = list ?? this.list;
    if (this.list === undefined) return this.renewNow();
    this.follow(this.list.view);
    this.ports.onList(this.list);
  }

  /** R9: the list is gone or older than what this node knows: the newest view the members know is written back. */
  private async restore(run: Run): Promise<void> {
    this.list = undefined; // revisions begin anew
    this.words.nameAgain();
    await this.ports.store.restore(run, this.view, this.key, this.ports.randomId(), this.leaseMs);
    this.renewNow();
  }

  /** Takes over a view, unless an older one. */
  private follow(view: View): void {
    if (!isNewer(view, this.view) && (view.epoch < this.view.epoch || view.nonce === this.view.nonce)) return;
    if (view.expelled.includes(this.me.incarnation)) return this.rejoin(view);
    this.see(view);
    this.ports.onView();
  }

  private see(view: View): void {
    this.view = view;
    this.viewLearntAtBareMs = this.ports.bareMs();
    this.listing.onView(view, this.me.incarnation);
    this.words.onView(view);
  }

  /** R8: named expelled, so everything is dropped, and a new incarnation joins. */
  private rejoin(view: View): void {
    this.expulsions++;
    const before = this.me.incarnation;
    this.me = { ...this.me, incarnation: this.ports.randomId() };
    this.list = undefined;
    this.words.nameAgain();
    this.renewals.endLicence();
    if (this.state !== "leaving") this.become("reaching");
    this.see(view);
    this.ports.onExpelled(before);
    this.ports.onView();
    this.renewNow();
  }
}

function isActive(state: MembershipState): boolean {
  return state !== "resting" && state !== "gone";
}

/** R14: the licence that a member named last; undefined where it named none, or the list is older than the view. */
function licenceIn(list: MemberList | undefined, view: View, incarnation: string | undefined): number | undefined {
  if (list === undefined || list.view.epoch < view.epoch) return undefined;
  return list.listed.find(({ member }) => member.incarnation === incarnation)?.licenceMs || undefined;
}

/** Why a member has no licence, for people. */
export function whyUnlicensed({ state, isAlone }: Membership): string {
  if (state === "accused") return "most of the other nodes cannot hear this one, or cannot reach it";
  return isAlone ? "fewer than half of the other nodes are heard" : "the lease is not renewed";
}

async function isDone(call: Promise<void>, onFault: (error: unknown) => void): Promise<boolean> {
  try {
    await call;
    return true;
  } catch (error) {
    onFault(error);
    return false;
  }
}
