/**
 * What the owners of boards have heard of each source, and when: whose tally counts, what is still needed, and what of all
 * boards follows from it: whether they are whole, complete, and fresh (R20 to R22).
 */
import type { StatedTally, Tallies } from "./counts-messages.ts";
import { HeardStatements } from "./heard-statements.ts";
import { PartitionTally } from "./partition-tally.ts";

/** R20: without a word from a source for so long, the boards are stale. */
export const STALE_MS = 300;

/** Of one source in a sender's list; `term` is UNREADABLE where the partition's record cannot be read. */
interface SpokenFor {
  readonly source: number;
  readonly term: number;
}

/** When a message's tallies were so, and who is told which of them are as of then, for sure. */
export interface Hearing {
  readonly sender: string;
  readonly asOfMs: number;
  readonly spoken: (source: number) => void;
}

/** What a node needs of a sender before all that it said counts. */
export interface TallyNeeds {
  /** Sources of which all cells are needed. */
  readonly sources: readonly number[];
  /** R20: true where the statement is not known, so that its list is needed. */
  readonly needsList: boolean;
}

/** No claim has such a term. */
const UNREADABLE = -1;

export class HeardSources {
  private epoch = 0;
  private readonly salt: number;
  private readonly tallies: (PartitionTally | undefined)[];
  /** By source: as of when its tally is, by this node's clock. */
  private readonly heardAtMs: Float64Array;
  private readonly statements = new HeardStatements<SpokenFor>();
  /** The newest term of a board: who told all cells before it has not spoken for every board. */
  private newestTerm = 0;
  /** Sources whose players are in doubt or cannot be read. */
  private incomplete = 0;
  /** The oldest `answeredEpoch`; 0 while a source has not answered. Undefined: to be looked up. */
  private oldestAnswer: number | undefined;

  /** @param salt any number nobody outside knows */
  constructor(count: number, salt: number) {
    this.salt = salt;
    this.tallies = Array.from({ length: count }, () => undefined);
    this.heardAtMs = new Float64Array(count).fill(-Infinity);
  }

  /** Those that spoke. */
  get all(): PartitionTally[] {
    return this.tallies.filter((tally) => tally !== undefined);
  }

  /** Sources of which all cells are needed: no board is complete without. */
  get unspoken(): number[] {
    const { tallies, newestTerm } = this;
    return [...tallies.keys()].filter((source) => (tallies[source]?.spokenEpoch ?? -1) < newestTerm);
  }

  /** No source's players are in doubt (R26) or unreadable (R21). */
  get areComplete(): boolean {
    return this.incomplete === 0;
  }

  /** R22: all sources have spoken for boards that were taken until then. */
  get oldestAnsweredEpoch(): number {
    this.oldestAnswer ??= this.tallies.reduce((oldest, tally) => Math.min(oldest, tally?.answeredEpoch ?? 0), Infinity);
    return this.oldestAnswer;
  }

  /** R24: the last list of a sender that is known here. */
  statementOf(sender: string): number {
    return this.statements.numberOf(sender);
  }

  /** @param newestTerm of all boards here @param isTaken whether any of them begins anew */
  onView(epoch: number, members: readonly string[], newestTerm: number, isTaken: boolean): void {
    this.epoch = epoch;
    this.newestTerm = newestTerm;
    this.statements.keep(members);
    if (isTaken) this.statements.clear();
  }

  /** Whether a source has not been heard of for too long (R20), or only what may be older than it should be (R31). */
  isStale(nowMs: number): boolean {
    const { heardAtMs } = this;
    for (let source = 0; source < heardAtMs.length; source++)
      if (nowMs - (heardAtMs[source] as number) > STALE_MS) return true;
    return false;
  }

  /** Takes in a message; `change` is told each tally that changes, and sets its cells. */
  hear(tallies: Tallies, hearing: Hearing, change: (tally: PartitionTally, stated: StatedTally) => void): TallyNeeds {
    const { statement, isList, isStale, items } = tallies;
    const { sender } = hearing;
    const sources: number[] = [];
    const spokenFor: SpokenFor[] = [];
    for (const stated of items) {
      const verdict = this.judge(stated, statement < this.statements.numberOf(sender));
      if (verdict === "all cells wanted") sources.push(stated.source);
      if (verdict === "superseded" || verdict === "all cells wanted") continue;
      const tally = (this.tallies[stated.source] ??= new PartitionTally(this.salt));
      if (verdict === "news") this.change(tally, stated, change);
      if (stated.isUnsure) continue;
      this.mark(tally, { isUnreadable: stated.isUnreadable });
      this.note(stated.source, isStale, hearing);
      spokenFor.push({ source: stated.source, term: stated.isUnreadable ? UNREADABLE : stated.term });
    }
    if (isList && statement > 0 && sources.length === 0) this.statements.learn(sender, statement, spokenFor);
    return { sources, needsList: !isList && statement > 0 && !this.hearUnchanged(tallies, hearing) };
  }

  /**
   * R20, R21: what is to be done with a stated tally. A change needs no check that it continues what is known: its sender
   * repeats each cell until a message with it was taken in.
   * @param isLate a newer list of its sender is known
   */
  private judge(stated: StatedTally, isLate: boolean): "news" | "known" | "superseded" | "all cells wanted" {
    const { source, term, version, isAllCells, isUnreadable } = stated;
    const tally = this.tallies[source];
    if (isUnreadable) return isLate ? "superseded" : "news";
    if (tally !== undefined && term < tally.term) return "superseded";
    if (tally === undefined || term > tally.term) return isAllCells ? "news" : "all cells wanted";
    if (isAllCells && version > tally.version) return "news";
    if (tally.spokenEpoch < this.newestTerm) return "all cells wanted";
    return version > tally.version ? "news" : "known";
  }

  private change(
    tally: PartitionTally,
    stated: StatedTally,
    change: (tally: PartitionTally, stated: StatedTally) => void,
  ): void {
    const { term, version, isAllCells, isDoubtful, isUnsure, isUnreadable } = stated;
    if (isUnreadable) {
      tally.unreadableEpoch = this.epoch;
      return; // what stands goes on
    }
    if (isAllCells && !isUnsure) tally.spokenEpoch = this.epoch;
    change(tally, stated);
    this.mark(tally, { isDoubtful });
    tally.term = term;
    tally.version = version;
  }

  private mark(tally: PartitionTally, marks: Partial<Pick<PartitionTally, "isDoubtful" | "isUnreadable">>): void {
    const before = Number(tally.isIncomplete);
    Object.assign(tally, marks);
    this.incomplete += Number(tally.isIncomplete) - before;
    this.oldestAnswer = undefined;
  }

  private note(source: number, isStale: boolean, { asOfMs, spoken }: Hearing): void {
    if (asOfMs >= (this.heardAtMs[source] as number)) this.heardAtMs[source] = isStale ? -Infinity : asOfMs;
    spoken(source);
  }

  /**
   * R20: a sender says that nothing changed since its last list but what the items beside it say.
   * @returns false where its list is needed
   */
  private hearUnchanged({ statement, isStale, items }: Tallies, hearing: Hearing): boolean {
    const unchanged = this.statements.itemsOf(hearing.sender, statement);
    if (unchanged === undefined) return false;
    const named = new Set(items.map(({ source }) => source));
    let isAgreed = true;
    for (const { source, term } of unchanged) {
      const tally = this.tallies[source] as PartitionTally; // the list made it
      if (named.has(source)) continue;
      if (term !== UNREADABLE && term !== tally.term) continue; // superseded since
      if (tally.isUnreadable === (term === UNREADABLE)) this.note(source, isStale, hearing);
      else isAgreed = false; // a message came that was long under way
    }
    return isAgreed;
  }
}
