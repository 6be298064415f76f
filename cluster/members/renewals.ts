/** R14: a member's renewals under way, when the next is due, and the licence that those give which were answered. */
import type { Renewal, Run } from "../ports/shared-store.ts";
import type { Member } from "../ports/view.ts";
import { LicencePace } from "./licence.ts";

export interface Clocks {
  /** Goes on while the machine stands still: for what lasts at most so long. */
  readonly nowMs: () => number;
  /** The bare monotonic clock: for what lasts at least so long. */
  readonly bareMs: () => number;
  /** Milliseconds since 1970. */
  readonly wallMs: () => number;
}

/** When a renewal was sent, and what it is worth. */
export interface Stamp {
  readonly number: number;
  readonly atMs: number;
  readonly atWallMs: number;
  readonly atBareMs: number;
  /** The licence that its answer gives. */
  readonly licenceMs: number;
  /** The licence that it names, for those who wait for it. */
  readonly namedMs: number;
}

/** A renewal on its way. */
export interface Sent {
  readonly stamp: Stamp;
  readonly renewal: Renewal;
  /** R15: the run that the member believed in. */
  readonly run: Run | undefined;
}

/** The longest pause after a renewal that failed. */
const RETRY_MS = 100;

export class Renewals {
  private readonly clocks: Clocks;
  private readonly pace: LicencePace;
  private readonly underWay = new Set<Sent>();
  private lastNumber = 0;
  /** Of the newest renewal whose answer was taken: older ones that come late count no more. */
  private takenNumber = 0;
  /** The renewal under which the member has its licence. */
  private licensed: Stamp | undefined;
  private dueAtMs = -Infinity;

  constructor(clocks: Clocks, leaseMs: number) {
    this.clocks = clocks;
    this.pace = new LicencePace(leaseMs);
  }

  /** The next is due now. */
  hurry(): void {
    this.dueAtMs = -Infinity;
  }

  /**
   * One renewal at a time, but a second while the first is slow: a store that takes longer than a third of the longest
   * licence would else end it.
   * @param member who renews, where two may reach the store in either order: both say the same then
   */
  isDue(member: Member | undefined): boolean {
    const nowMs = this.clocks.nowMs();
    if (nowMs < this.dueAtMs) return false;
    const [first, second] = this.underWay;
    if (first === undefined) return true;
    const isSlow = nowMs - first.stamp.atMs >= this.pace.renewalMs(nowMs);
    return second === undefined && isSlow && first.renewal.held === undefined && first.renewal.member === member;
  }

  /** Stamps the next renewal. */
  next(): Stamp {
    const { nowMs, wallMs, bareMs } = this.clocks;
    const atMs = nowMs();
    const licenceMs = this.pace.licenceMs(atMs);
    // The licence of a renewal before may still count, where this one's answer is lost.
    const before = Array.from(this.underWay, ({ stamp }) => stamp.licenceMs);
    const namedMs = Math.max(licenceMs, this.licensed?.licenceMs ?? 0, ...before);
    return { number: ++this.lastNumber, atMs, atWallMs: wallMs(), atBareMs: bareMs(), licenceMs, namedMs };
  }

  begin(sent: Sent): void {
    this.underWay.add(sent);
    this.dueAtMs = sent.stamp.atMs + this.pace.renewalMs(sent.stamp.atMs);
  }

  /** @returns whether the answer is to be taken: none to a later renewal has been */
  onAnswered({ stamp }: Sent): boolean {
    const nowMs = this.clocks.nowMs();
    this.pace.note(nowMs, nowMs - stamp.atMs);
    if (stamp.number <= this.takenNumber) return false;
    this.takenNumber = stamp.number;
    return true;
  }

  onFailed(): void {
    const nowMs = this.clocks.nowMs();
    this.dueAtMs = Math.min(this.dueAtMs, nowMs + Math.min(RETRY_MS, this.pace.renewalMs(nowMs)));
  }

  end(sent: Sent): void {
    this.underWay.delete(sent);
  }

  /** An answer gives a licence, from the sending of its renewal on. */
  license({ stamp }: Sent): void {
    this.licensed = stamp;
  }

  endLicence(): void {
    this.licensed = undefined;
  }

  /** Whether the licence runs, by both clocks: a machine that stood still may have either of them wrong. */
  get isLicensed(): boolean {
    if (this.licensed === undefined) return false;
    const { licenceMs, atMs, atWallMs } = this.licensed;
    return this.clocks.nowMs() - atMs < licenceMs && this.clocks.wallMs() - atWallMs < licenceMs;
  }
}
