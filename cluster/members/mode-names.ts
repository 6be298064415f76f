/**
 * R28: the names of modes that the cluster agrees on, as this node knows them. A state machine over the shared store; it
 * acts when `tick` is called, when somebody asks for a name, and when answers come.
 *
 * Why names must be agreed: a table names the modes of its players, and any node may have to take any table. If each node
 * admitted names by itself, all tables together could name more than one node has numbers for. So there is one set, with
 * a limit, and an entry asks before it lets a row with another name pass. The owner of the player does not ask: the entry
 * has, an answer that takes a round trip more would slow down the first report of every mode, and with the store away the
 * owner could only refuse what is allowed. It notices by itself where it holds a name that it does not know as agreed, and
 * says so.
 *
 * Why a name that nobody is in may go although nobody can look at all nodes at one instant:
 *  1. It is marked. Whoever knows the mark asks before it uses the name, and asking takes the mark away.
 *  2. A member calls the mark settled when it has known it for so long that no row which it let pass before can still be
 *     applied (SETTLED_AFTER deadlines, by the clock that counts at least so much). When every listed member has, no row
 *     with the name is under way anywhere, and none starts.
 *  3. From then on players come to the name only with a table that is taken over. Each member says which partitions it
 *     has and that none of its tables holds the name; when these are all partitions, no table does, and the name is gone.
 *     A partition that nobody has cannot be spoken for, so a dead node's players keep their names until they are taken.
 * A member that holds a marked name says so, which takes the mark away; a newcomer counts from when it is listed.
 *
 * Two things can still bring back a name that is gone: a row that outlived its deadline (a process that was stopped in
 * the middle of sending it), and a record whose last rows never landed. The owner then holds a name that is not agreed,
 * tells it, and it is agreed again, past the limit if need be, since players count more. The limit is a quarter of the
 * numbers that a node has, so that there is room for this.
 *
 * Where the store lost the names, or is another, every member tells all that it holds. Until it has been told what is
 * agreed now, it goes on with what it knew: the same argument holds for what it let pass meanwhile.
 */
import type { AdmittedModes, ModeNamesAnswer, ModeNameStore } from "../ports/mode-name-store.ts";
import { type PartitionIndex, StoreUnavailableError } from "../ports/record-store.ts";
import type { Run } from "../ports/shared-store.ts";

/** The tables of this node, as far as they concern modes. */
export interface ModeTables {
  /** Rises whenever a name comes into use that had no number before. */
  additions(): number;
  /** Every name that has a number. */
  names(): Iterable<string>;
  /** Whether somebody is in it. */
  isInUse(name: string): boolean;
  /** Players who came with a table whose mode found no number. */
  unnamedPlayers(): number;
  /** Takes the number of each of these names where nobody needs it, so that its next use is an addition. */
  release(names: ReadonlySet<string>): void;
  /** Partitions whose tables are here and up to date. */
  partitions(): readonly PartitionIndex[];
}

export interface ModeNamesPorts {
  readonly store: ModeNameStore;
  readonly tables: ModeTables;
  /** `undefined` before the store has answered. */
  readonly run: () => Run | undefined;
  readonly incarnation: () => string;
  readonly isListed: () => boolean;
  /** Of the names, as the last renewal said; 0 for none. */
  readonly revisionTold: () => number;
  /** The bare clock: what must last at least so long is measured by it. */
  readonly bareMs: () => number;
  readonly onFault: (error: unknown) => void;
  /** Names that were gone are held here all the same, and agreed again. */
  readonly onReturn: (names: readonly string[]) => void;
  /** So many players are in no mode: more than were told before. */
  readonly onLost: (players: number) => void;
}

export interface ModeNamesOptions {
  readonly modesMax: number;
  readonly leaseMs: number;
  readonly deadlineMs: number;
  readonly partitionCount: number;
}

/** R27: a row may be applied so many deadlines after it was sent, at the most. */
const SETTLED_AFTER = 2;
/** While names are marked, a member tells what it holds so often in a lease. */
const TOLD_A_LEASE = 3;
/** It does not tell anything more often than this. */
const TOLD_A_LEASE_MAX = 10;
/** Where there was no room, so long nobody asks for names that are not known: enough for anybody who tries. */
const FULL_FOR_MS = 250;
const CANDIDATES_MAX = 16;
/** Names looked at for that: each costs a look at every region. */
const CANDIDATES_LOOKED_AT = 256;

export class ModeNames {
  private returned = 0;
  private readonly ports: ModeNamesPorts;
  private readonly options: ModeNamesOptions;
  private readonly admitted = new Set<string>();
  private readonly marked = new Set<string>();
  private revision = 0;
  private settledRevision = 0;
  /** Revisions that are not settled yet, and since when they are known. */
  private learned: { readonly revision: number; readonly atMs: number }[] = [];
  /** Rises when the store may have lost the names: answers of before say nothing then. */
  private generation = 0;
  /** Under which the list was seen last. */
  private knownRun: Run | undefined;
  private unnamedTold = 0;
  private isTelling = false;
  private mustTell = false;
  private toldAtMs = -Infinity;
  private toldRevisions = "";
  private additionsSeen = 0;
  private mustReview = false;
  private fullUntilMs = -Infinity;
  private candidatesFrom = 0;

  constructor(ports: ModeNamesPorts, options: ModeNamesOptions) {
    this.ports = ports;
    this.options = options;
  }

  /** How many names are agreed, as far as this node knows; how many of them may go; how many came back (see above). */
  get figures(): { readonly agreed: number; readonly marked: number; readonly returned: number } {
    return { agreed: this.admitted.size + this.marked.size, marked: this.marked.size, returned: this.returned };
  }

  /** Whether a row with this name may pass without asking. */
  isAdmitted(name: string): boolean {
    return this.admitted.has(name);
  }

  /** Whether it is among the names that are agreed, marked or not. */
  isAgreed(name: string): boolean {
    return this.admitted.has(name) || this.marked.has(name);
  }

  /**
   * Asks for names, known ones too.
   * @returns those for which there is no room
   * @throws {StoreUnavailableError} (rejects) where nobody knows
   */
  async admit(names: readonly string[]): Promise<ReadonlySet<string>> {
    const { store, run, bareMs, onFault } = this.ports;
    const isFull = bareMs() < this.fullUntilMs && this.ports.revisionTold() <= this.revision;
    if (isFull && !names.some((name) => this.isAgreed(name))) return new Set(names);
    const current = run();
    if (current === undefined) throw new StoreUnavailableError("Cannot admit a mode: the store has not answered yet");
    const { generation } = this;
    const asked = { names, candidates: this.candidates(), modesMax: this.options.modesMax, revision: this.revision };
    let answer: AdmittedModes;
    try {
      answer = await store.admitModes(current, asked);
    } catch (error) {
      onFault(error);
      throw error;
    }
    this.learn(answer, generation);
    if (answer.refused.length > 0 && answer.revision === this.revision) this.fullUntilMs = bareMs() + FULL_FOR_MS;
    return new Set(answer.refused);
  }

  /** R15: the names lie beside the list, so under another run nobody knows whether they are there. */
  onRun(run: Run | undefined): void {
    if (run === this.knownRun) return;
    if (this.knownRun !== undefined) this.beginAnew();
    this.knownRun = run;
  }

  private beginAnew(): void {
    this.generation++;
    this.revision = this.settledRevision = 0;
    this.learned = [];
    this.mustTell = true;
  }

  /** Lets time pass. To be called some 50 times a second. */
  tick(): void {
    const { tables, isListed, run } = this.ports;
    this.lookForUnnamed();
    const current = run();
    if (this.isTelling || current === undefined || !isListed()) return;
    const nowMs = this.ports.bareMs();
    const { leaseMs } = this.options;
    if (nowMs - this.toldAtMs < leaseMs / TOLD_A_LEASE_MAX) return;
    this.settle(nowMs);
    if (this.mustReview || tables.additions() !== this.additionsSeen) this.review();
    if (this.isDue(nowMs)) void this.tell(current, nowMs);
  }

  private lookForUnnamed(): void {
    const players = this.ports.tables.unnamedPlayers();
    if (players > this.unnamedTold) this.ports.onLost(players);
    this.unnamedTold = players;
  }

  private isDue(nowMs: number): boolean {
    if (this.mustTell || this.ports.revisionTold() > this.revision) return true;
    if (this.marked.size === 0) return false;
    const isLongAgo = nowMs - this.toldAtMs >= this.options.leaseMs / TOLD_A_LEASE;
    return isLongAgo || this.toldRevisions !== this.revisions;
  }

  private get revisions(): string {
    return `${this.revision} ${this.settledRevision}`;
  }

  private async tell(run: Run, nowMs: number): Promise<void> {
    const { store, tables, incarnation, onFault } = this.ports;
    const { generation, revision, settledRevision } = this;
    const { partitionCount } = this.options;
    const held = this.held();
    this.isTelling = true;
    this.mustTell = false;
    this.toldAtMs = nowMs;
    this.toldRevisions = this.revisions;
    const about = { incarnation: incarnation(), revision, settledRevision, partitionCount };
    try {
      const answer = await store.tellModes(run, { ...about, partitions: tables.partitions(), held });
      this.learn(answer, generation);
      if (revision > 0) this.noteReturns(answer.returned); // else the store had lost them
    } catch (error) {
      this.mustTell = true;
      onFault(error);
    } finally {
      this.isTelling = false;
    }
  }

  /** What is held and may be news; all of it where nobody knows what the store has. */
  private held(): string[] {
    const { tables } = this.ports;
    const names = [...tables.names()].filter((name) => this.revision === 0 || !this.admitted.has(name));
    return names.filter((name) => tables.isInUse(name));
  }

  private noteReturns(names: readonly string[]): void {
    this.returned += names.length;
    if (names.length > 0) this.ports.onReturn(names);
  }

  /** Names that are not agreed: those in use are told, the numbers of the others are taken back. */
  private review(): void {
    const { tables } = this.ports;
    this.mustReview = false;
    this.additionsSeen = tables.additions();
    const unused = new Set<string>();
    for (const name of tables.names()) {
      if (this.isAgreed(name)) continue;
      if (tables.isInUse(name)) this.mustTell = true;
      else unused.add(name);
    }
    if (unused.size === 0) return;
    tables.release(unused);
    this.mustReview = [...tables.names()].some((name) => unused.has(name)); // a row that waits for the log names it
  }

  private settle(nowMs: number): void {
    const settledAfterMs = SETTLED_AFTER * this.options.deadlineMs;
    let [oldest] = this.learned;
    for (; oldest !== undefined && nowMs - oldest.atMs > settledAfterMs; [oldest] = this.learned) {
      this.settledRevision = oldest.revision;
      this.learned.shift();
    }
  }

  private learn({ revision, isFullList, added, gone, marked }: ModeNamesAnswer, generation: number): void {
    if (generation !== this.generation || revision < this.revision) return;
    if (revision > this.revision) this.learned.push({ revision, atMs: this.ports.bareMs() });
    this.revision = revision;
    const agreed = isFullList ? new Set(added) : new Set([...this.admitted, ...this.marked, ...added]);
    for (const name of isFullList ? [] : gone) agreed.delete(name);
    if (isFullList || gone.length > 0) this.mustReview = true;
    this.admitted.clear();
    this.marked.clear();
    for (const name of agreed) this.admitted.add(name);
    for (const name of marked) if (this.admitted.delete(name)) this.marked.add(name);
  }

  /** Some names that nobody here is in: others the next time. */
  private candidates(): string[] {
    const { tables } = this.ports;
    const names = [...this.admitted];
    if (this.admitted.size + this.marked.size < this.options.modesMax) return [];
    const found: string[] = [];
    const lookedAtMax = Math.min(names.length, CANDIDATES_LOOKED_AT);
    for (let looked = 0; looked < lookedAtMax && found.length < CANDIDATES_MAX; looked++) {
      const name = names[this.candidatesFrom++ % names.length] as string;
      if (!tables.isInUse(name)) found.push(name);
    }
    return found;
  }
}
