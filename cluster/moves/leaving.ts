/**
 * R11: a node leaves as soon as others have what is here, or, with nobody to take it, as soon as it is stored. Then it
 * stays for a moment: rows that were sent to it before their entry knew that it left are answered "moved", and go on.
 */
import type { Membership } from "../members/membership.ts";
import type { PartitionIndex } from "../ports/record-store.ts";
import { memberOf } from "../ports/view.ts";
import type { Recorder } from "../records/recorder.ts";
import type { HandOff } from "./hand-off.ts";
import type { Holdings } from "./holdings.ts";

export interface LeavingPorts {
  readonly holdings: Holdings;
  readonly membership: Membership;
  readonly recorder: Recorder;
  readonly handOff: HandOff;
  /** R18: rows of peers that were taken in, and of which they have not been told what became. */
  readonly fatesOwed: () => number;
  readonly nowMs: () => number;
}

/** Rows sent to this node are here by then, and their answers with their entries. */
const STAYS_MS = 250;

export class Leaving {
  /** It is off the list. */
  isDone = false;
  private readonly ports: LeavingPorts;
  private isBegun = false;
  private isGoing = false;
  private endsAtMs = Infinity;
  /** Partitions that were made due for a last snapshot. */
  private readonly hurried = new Set<PartitionIndex>();

  constructor(ports: LeavingPorts) {
    this.ports = ports;
  }

  /** It is off the list, and its peers have had a moment to learn that. */
  get mayEnd(): boolean {
    return this.ports.nowMs() >= this.endsAtMs;
  }

  begin(): void {
    this.isBegun = true;
    this.ports.membership.beginLeaving();
  }

  tick(): void {
    if (!this.isBegun || this.isDone) return;
    const { holdings, membership, recorder, handOff, fatesOwed } = this.ports;
    const { view, me } = membership;
    const isAnybodyStaying = view.members.some(
      ({ incarnation, isLeaving, isJoining }) => incarnation !== me.incarnation && !isLeaving && isJoining !== true,
    );
    const held = holdings.where("serving", "settling", "taking", "letting go").length;
    if (isAnybodyStaying) this.hurried.clear();
    else this.hurry();
    const mayGo = isAnybodyStaying ? held === 0 && !handOff.isAwaited : recorder.isIdle;
    const isKnownToLeave = memberOf(view, me.incarnation)?.isLeaving ?? true;
    if (mayGo && isKnownToLeave && fatesOwed() === 0 && !this.isGoing) void this.go();
  }

  /** With nobody to take it, what is here is stored, and what comes here from others who leave. */
  private hurry(): void {
    const { holdings, recorder } = this.ports;
    const due = holdings.where("serving").filter((partition) => !this.hurried.has(partition));
    recorder.hurry(due);
    for (const partition of due) this.hurried.add(partition);
  }

  private async go(): Promise<void> {
    this.isGoing = true;
    const { membership, nowMs } = this.ports;
    this.isDone = await membership.leave();
    this.isGoing = false;
    const hasPeers = membership.view.members.some(({ incarnation }) => incarnation !== membership.me.incarnation);
    if (this.isDone) this.endsAtMs = nowMs() + (hasPeers ? STAYS_MS : 0);
  }
}
