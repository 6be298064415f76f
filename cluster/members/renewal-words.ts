/**
 * What a member's renewals say: which view it knows (R9), which others it cannot hear, found closed or has called (R10), and
 * what it holds (R15). It remembers what the store is known to have heard, so that it says that again only where it must.
 */
import type { Renewal } from "../ports/shared-store.ts";
import { isListed, type Member, type View } from "../ports/view.ts";
import { ClosedPorts } from "./closed-ports.ts";
import type { Sent, Stamp } from "./renewals.ts";

export interface WordsPorts {
  /** A UUID nobody used before. */
  readonly randomId: () => string;
  /** R10: members unheard for a lease, or that have not answered for one. */
  readonly accused: () => string[];
  /** Joiners who answered at the address that they give. */
  readonly called: () => string[];
  /**
   * R15: what this node holds, for the others to read; undefined where it need not be said again.
   * @param named what it said last under this run of the store; undefined: nothing, or it is asked for
   */
  readonly held: (named: string | undefined) => string | undefined;
}

/** Who renews, and what it knows of the list. */
interface Asker {
  readonly member: Member;
  readonly view: View;
  readonly isJoining: boolean;
  readonly revision: number;
}

export class RenewalWords {
  private readonly ports: WordsPorts;
  private readonly mark: string;
  private readonly closedPorts = new ClosedPorts();
  /** R15: what this incarnation named last under this run, as far as the store has said. */
  private named: string | undefined;

  /** @param mark of the key (R12) */
  constructor(ports: WordsPorts, mark: string) {
    this.ports = ports;
    this.mark = mark;
  }

  /** R10: a peer's connection ended and its port refuses, or another incarnation answers there. */
  noteClosed(incarnation: string): void {
    this.closedPorts.note(incarnation);
  }

  /** Whether something is to be said that cannot wait for the next renewal. */
  isDue(bareMs: number): boolean {
    return this.closedPorts.isDue(bareMs);
  }

  /** What the next renewal is to say. */
  next(stamp: Stamp, { member, view, isJoining, revision }: Asker): Renewal {
    const { randomId, accused, called, held } = this.ports;
    return {
      member,
      mark: this.mark,
      isJoining,
      epoch: view.epoch,
      nonce: view.nonce,
      freshNonce: randomId(),
      revision,
      licenceMs: stamp.namedMs,
      number: stamp.number,
      accused: accused(),
      ...this.closedPorts.words(stamp.atBareMs),
      called: called(),
      held: held(this.named),
    };
  }

  /** R15: the store took a renewal; `isRunSame` where it is still of the run under which that was sent. */
  onNamed({ renewal }: Sent, isRunSame: boolean): void {
    if (renewal.held !== undefined && isRunSame) this.named = renewal.held;
  }

  /** @param licenceOf of a member, as it stands after the answer */
  onAnswered({ renewal, stamp }: Sent, bareMs: number, licenceOf: (incarnation: string) => number): void {
    this.closedPorts.onAnswered({ words: renewal, stamp }, bareMs, licenceOf);
  }

  /** R15: nobody knows whether the store has heard what this renewal named. */
  onUnanswered({ renewal }: Sent): void {
    if (renewal.held !== undefined) this.named = undefined;
  }

  /** R15: the store does not have what was named. */
  nameAgain(): void {
    this.named = undefined;
  }

  /** R10, R15: nobody knows what the store has heard under another run. */
  enterRun(): void {
    this.named = undefined;
    this.closedPorts.clear();
  }

  /** Whoever is not listed any more needs no accusing. */
  onView(view: View): void {
    this.closedPorts.keep((incarnation) => isListed(view, incarnation));
  }
}
