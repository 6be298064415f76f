/**
 * A node's place in the cluster (R7 to R11) and its licence (R14): joins, renews its lease, follows the view, leaves.
 * A state machine over the shared store; it acts when `tick` is called and when answers come.
 */
import { invariant } from "../../engine/invariant.ts";
import { markOf } from "../ports/mark.ts";
import type { ClusterKey, MemberList, RenewalAnswer, Run, SharedStore } from "../ports/shared-store.ts";
import { isNewer, type Member, memberOf, NO_VIEW, type View } from "../ports/view.ts";
import { ClosedPorts, LICENCE_MARGIN_MS } from "./closed-ports.ts";
import { type Clocks, Renewals, type Sent } from "./renewals.ts";

export interface MembershipPorts extends Clocks {
  readonly store: SharedStore;
  /** A UUID nobody used before. */
  readonly randomId: () => string;
  /** R10: members unheard for a lease, or that have not answered for one. */
  readonly accused: () => string[];
  /** Joiners who answered at the address that they give. */
  readonly called: () => string[];
  /** Whether this node has not heard half of the other members for a lease. */
  readonly isAlone: () => boolean;
  /**
   * R15: what this node holds, for the others to read; undefined where it need not be said again.
   * @param named what it said last under this run of the store; undefined: nothing, or it is asked for
   */
  readonly held: (named: string | undefined) => string | undefined;
  /** The view is another one now. */
  readonly onView: () => void;
  /** R15: under which runs the tags are, as of an answer; before anything else that it says. */
  readonly onTagRuns: (runs: readonly Run[]) => void;
  /** An answer brought the list, or confirmed the one known. */
  readonly onList: (list: MemberList) => void;
  /** R12: another key stands than this node's; nothing was renewed. */
  readonly onOtherKey: (run: Run, standing: ClusterKey) => Promise<void>;
  /** It has waited a lease for the others to call it back; told once in each incarnation. */
  readonly onNotCalledBack: (peerUrl: string) => void;
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
const NOT_CALLED_LEASES = 2;
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
  listedAtMs = -Infinity;
  /** R28: of the modes' names, as the last renewal said; 0 for none. */
  modesRevision = 0;
  /** Times this node was expelled. */
  expulsions = 0;
  /** It has not heard half of the others for a lease: the Redis that it reaches may be the master no more. */
  isAlone = false;
  private readonly ports: MembershipPorts;
  private readonly key: ClusterKey;
  /** R12: what a renewal shows of the key. */
  private readonly mark: string;
  private readonly leaseMs: number;
  private readonly renewals: Renewals;
  private readonly closedPorts = new ClosedPorts();
  /** This node as the view has it. */
  private place: Member | undefined;
  /** The incarnation of which that was told. */
  private toldNotCalledBack: string | undefined;
  /** R15: what this incarnation named last under this run, as far as the store has said. */
  private named: string | undefined;

  constructor(ports: MembershipPorts, { member, key }: MembershipOptions) {
    this.ports = ports;
    this.key = key;
    this.mark = markOf(key.hashKey);
    this.leaseMs = key.leaseMs;
    this.renewals = new Renewals(ports, key.leaseMs);
    this.me = { ...member, incarnation: ports.randomId(), isLeaving: false };
  }

  /** Whether this incarnation is in the list, as far as it knows. */
  get isListed(): boolean {
    return this.place !== undefined;
  }

  /** It is listed, and owns nothing until the others have called it back. */
  get isAwaitingCalls(): boolean {
    return this.place?.isJoining === true;
  }

  /**
   * Nobody, or too few, called it back for two leases: they do not reach it at the address that it gives. Within one, those
   * who could may be dead: a silence of all gives every member another lease (R7).
   */
  get isNotCalledBack(): boolean {
    return this.isAwaitingCalls && this.ports.nowMs() - this.listedAtMs > NOT_CALLED_LEASES * this.leaseMs;
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
    if (this.closedPorts.isDue(this.ports.bareMs())) this.renewNow();
    if (this.renewals.isDue(this.state === "listed" ? this.me : undefined)) void this.renew();
    this.tellNotCalledBack();
  }

  /** The next renewal comes at the next tick. */
  renewNow(): void {
    this.renewals.hurry();
  }

  /** R10: a peer's connection ended and its port refuses, or another incarnation answers there. */
  noteClosed(incarnation: string): void {
    this.closedPorts.note(incarnation);
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

  private tellNotCalledBack(): void {
    const { incarnation, peerUrl } = this.me;
    if (!this.isNotCalledBack || this.toldNotCalledBack === incarnation) return;
    this.toldNotCalledBack = incarnation;
    this.ports.onNotCalledBack(peerUrl);
  }

  private become(state: MembershipState): void {
    invariant(FROM[state].includes(this.state), `a member may become ${state}, was ${this.state}`);
    this.state = state;
  }

  private async renew(): Promise<void> {
    const { ports, renewals } = this;
    const sent = this.nextRenewal();
    renewals.begin(sent);
    try {
      const answer = await ports.store.renew(sent.renewal, this.leaseMs);
      const isMine = sent.renewal.member.incarnation === this.me.incarnation;
      if (renewals.onAnswered(sent) && isActive(this.state) && isMine) await this.take(answer, sent);
      else this.doubtNamed(sent);
    } catch (error) {
      this.doubtNamed(sent);
      renewals.onFailed();
      ports.onFault(error);
    } finally {
      renewals.end(sent);
    }
  }

  /** R15: nobody knows whether the store has heard what this renewal named. */
  private doubtNamed({ renewal }: Sent): void {
    if (renewal.held !== undefined) this.named = undefined;
  }

  private nextRenewal(): Sent {
    const { ports, view, me, run } = this;
    const stamp = this.renewals.next();
    const words = this.closedPorts.words(stamp.atBareMs);
    const renewal = {
      member: me,
      mark: this.mark,
      isJoining: this.state === "joining",
      epoch: view.epoch,
      nonce: view.nonce,
      freshNonce: ports.randomId(),
      revision: this.list?.revision ?? 0,
      licenceMs: stamp.namedMs,
      accused: ports.accused(),
      ...words,
      called: ports.called(),
      held: ports.held(this.named),
    };
    return { stamp, renewal, run, words };
  }

  private async take(answer: RenewalAnswer, sent: Sent): Promise<void> {
    if (answer.kind === "other key") return this.ports.onOtherKey(answer.run, answer.key);
    if (answer.run !== this.run) this.enterRun(answer.run);
    this.ports.onTagRuns(answer.tagRuns);
    switch (answer.kind) {
      case "gone":
        return this.restore(answer.run);
      case "expelled":
        return this.rejoin(isNewer(this.view, answer.list.view) ? this.view : answer.list.view);
      case "absent":
        this.list = answer.list;
        this.named = undefined;
        this.follow(answer.list.view);
        if (this.state === "reaching") return this.reachPeers();
        if (this.state === "leaving") return;
        this.become("joining");
        return this.renewNow();
      case "renewed":
      case "accused":
        if (this.state !== "leaving") this.become(answer.kind === "renewed" ? "listed" : "accused");
        if (answer.kind === "renewed") this.renewals.license(sent);
        if (sent.renewal.held !== undefined && sent.run === this.run) this.named = sent.renewal.held;
        if (answer.mustName) this.nameAgain();
        this.modesRevision = answer.modesRevision ?? 0;
        this.learn(answer.list);
        this.closedPorts.onAnswered(sent, this.ports.bareMs(), (each) => this.licenceOf(each));
    }
  }

  /** R15: nobody knows what the store still has, nor what it has heard. */
  private enterRun(run: Run): void {
    this.run = run;
    this.list = this.named = undefined; // revisions begin anew
    this.closedPorts.clear();
    this.renewNow(); // what is held is named under this run
  }

  /** R15: what is held is not known under this run. */
  private nameAgain(): void {
    this.named = undefined;
    this.renewNow();
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
    this.list = this.named = undefined; // revisions begin anew
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
    const { ports, isListed } = this;
    this.view = view;
    this.viewLearntAtBareMs = ports.bareMs();
    this.place = memberOf(view, this.me.incarnation);
    if (this.isListed && !isListed) this.listedAtMs = ports.nowMs();
    this.closedPorts.keep((incarnation) => memberOf(view, incarnation) !== undefined);
  }

  /** R8: named expelled, so everything is dropped, and a new incarnation joins. */
  private rejoin(view: View): void {
    this.expulsions++;
    const before = this.me.incarnation;
    this.me = { ...this.me, incarnation: this.ports.randomId() };
    this.list = this.named = undefined;
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
