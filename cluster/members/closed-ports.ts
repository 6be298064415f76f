/**
 * R10: accuses members that have crashed. A member whose port this node found closed is named twice: at once, and again
 * when its licence is over by this node's bare clock. A renewal by the accused takes the first accusation back, so only a
 * member that has stopped renewing is expelled by the second.
 */

/** What one renewal says. */
export interface ClosedWords {
  readonly closed: readonly string[];
  readonly closedStill: readonly string[];
}

/** `found`: not said yet, or nobody knows whether the store heard it. `said`: the store has heard the first word. */
type Accusation =
  | { readonly kind: "found" }
  | {
      readonly kind: "said";
      readonly answeredAtBareMs: number;
      readonly licenceMs: number;
      /** This node's renewals that were sent and answered since: the store could have heard the accused, too. */
      readonly renewals: number;
    };

/** Past the licence of the accused: clocks do not run at the same speed. */
export const LICENCE_MARGIN_MS = 100;
const RENEWALS_BETWEEN = 3;

export class ClosedPorts {
  private readonly accusations = new Map<string, Accusation>();

  /** This node found the port of a member closed. */
  note(incarnation: string): void {
    if (!this.accusations.has(incarnation)) this.accusations.set(incarnation, { kind: "found" });
  }

  /** Whoever is not listed any more needs no accusing. */
  keep(isListed: (incarnation: string) => boolean): void {
    for (const incarnation of this.accusations.keys()) if (!isListed(incarnation)) this.accusations.delete(incarnation);
  }

  /** The store is of another run: nobody knows what it has heard. */
  clear(): void {
    this.accusations.clear();
  }

  /** What the next renewal is to say. */
  words(bareMs: number): ClosedWords {
    const [closed, closedStill]: [string[], string[]] = [[], []];
    for (const [incarnation, accusation] of this.accusations)
      if (accusation.kind === "found") closed.push(incarnation);
      else if (isOver(accusation, bareMs)) closedStill.push(incarnation);
    return { closed, closedStill };
  }

  /** Whether there is something to say. */
  isDue(bareMs: number): boolean {
    if (this.accusations.size === 0) return false;
    const { closed, closedStill } = this.words(bareMs);
    return closed.length + closedStill.length > 0;
  }

  /**
   * A renewal was answered.
   * @param licenceOf of a member, as it stood when the renewal was answered
   */
  onAnswered(
    { words, stamp }: { readonly words: ClosedWords; readonly stamp: { readonly atBareMs: number } },
    bareMs: number,
    licenceOf: (incarnation: string) => number,
  ): void {
    for (const [incarnation, accusation] of this.accusations)
      if (accusation.kind === "said" && stamp.atBareMs >= accusation.answeredAtBareMs)
        this.accusations.set(incarnation, { ...accusation, renewals: accusation.renewals + 1 });
    for (const incarnation of words.closedStill) this.accusations.delete(incarnation);
    for (const incarnation of words.closed)
      if (this.accusations.get(incarnation)?.kind === "found")
        this.accusations.set(incarnation, {
          kind: "said",
          answeredAtBareMs: bareMs,
          licenceMs: licenceOf(incarnation),
          renewals: 0,
        });
  }
}

function isOver({ answeredAtBareMs, licenceMs, renewals }: Accusation & { kind: "said" }, bareMs: number): boolean {
  return renewals >= RENEWALS_BETWEEN && bareMs - answeredAtBareMs >= licenceMs + LICENCE_MARGIN_MS;
}
