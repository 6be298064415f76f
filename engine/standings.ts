/**
 * Whose connection stands for each player of one partition (R30): the one that played last. In memory only: it goes along where a partition
 * is handed over, and is neither logged nor in a snapshot, since the renewals of the connections that stand bring it back.
 *
 * A table of presences with other words behind the id:
 *   id0 id1 id2 id3 | term | count | state
 *     term, count  the stamp, two unsigned numbers: a later play has a higher one, also under a later owner
 *     state        0        the connection stands
 *                  -1       the same, by a former owner's stamp, and somebody else was heard since
 *                  2 s      the connection ended, and the player is removed at s unless somebody is heard before
 *                  2 s + 1  nobody stands, and nothing below this stamp does; forgotten at s, in seconds of observed time
 * 28 bytes a row, 33 to 42 with the room to grow, only of players who have a connection that plays, or had one within a session's life.
 */
import type { HashKey } from "./half-sip-hash.ts";
import { CELL, hashOfRow, PresenceTable, ROW_WORDS, SEEN, SEQ, takenRows } from "./presence-table.ts";

/** Which play it was that made a connection stand. */
export interface Stamp {
  /** Of the owner's claim. 0 … 2^32 - 1. */
  readonly term: number;
  /** 0 … 2^32 - 1. */
  readonly count: number;
}

/** What a holder knows, for whoever takes the partition from it. */
export interface StandingsCopy {
  /** Rows as in the table, none of them free. */
  readonly words: Int32Array;
  /** Stamps below are of owners from whom nothing was taken over. */
  readonly firstTerm: number;
  /** Tenths of the holder's observed time; 0: no stamp below came yet. */
  readonly unsureUntil: number;
}

const [TERM, COUNT, STATE] = [CELL, SEEN, SEQ];
const STANDS = 0;
const SHARED = -1;
const NOBODY = 1;
/**
 * Of the session's life: so long after the first stamp of a former owner came, everybody who stands has renewed here, and whoever sends heartbeats was
 * heard. Before that nobody is removed: whose stamp came first need not be who played last.
 */
const UNSURE_SHARE = 2 / 3;
const TENTHS_IN_S = 10;

export class Standings {
  private readonly key: HashKey;
  private readonly sessionTenths: number;
  private readonly table: PresenceTable;
  /** The newest stamp that was given. */
  private term = 0;
  private count = 0;
  /** Under which all is known that was noted: stamps below are a former owner's. */
  private firstTerm = Infinity;
  /** Rows that wait for their time. */
  private timed = 0;
  /** Until when a former owner's stamp may be one that stands no more. */
  private unsureUntil = 0;

  /** @param sessionTenths so long is known that nobody stands: whoever stood asks within that time, or is cut off */
  constructor(key: HashKey, sessionTenths: number) {
    this.key = key;
    this.sessionTenths = sessionTenths;
    this.table = new PresenceTable(key);
  }

  /** Players of whom something is known. */
  get size(): number {
    return this.table.size;
  }

  /**
   * The partition is owned here now. Whatever is noted from now on is above all stamps of former owners.
   * @param term of the claim
   */
  own(term: number): void {
    if (term > this.term) [this.term, this.count] = [term, 0];
    this.firstTerm = Math.min(this.firstTerm, term);
  }

  copy(): StandingsCopy {
    const { words, count } = takenRows(this.table.rows.slice());
    const firstTerm = Math.min(this.firstTerm, Number.MAX_SAFE_INTEGER); // what is told to peers has no Infinity
    const { unsureUntil } = this;
    return { words: words.subarray(0, count * ROW_WORDS), firstTerm, unsureUntil };
  }

  /**
   * Goes on with what the former holder knew; until then nothing is known.
   * @param aheadBy from the holder's observed time to this node's, in tenths
   */
  adopt({ words, firstTerm, unsureUntil }: StandingsCopy, aheadBy: number): void {
    this.firstTerm = firstTerm;
    this.unsureUntil = unsureUntil === 0 ? 0 : Math.max(1, unsureUntil + aheadBy);
    const aheadByS = Math.ceil(aheadBy / TENTHS_IN_S);
    this.table.reserve(words.length / ROW_WORDS);
    for (let from = 0; from < words.length; from += ROW_WORDS) {
      const base = this.take(hashOfRow(this.key, words, from), ...idAt(words, from));
      const state = words[from + STATE] as number;
      const here = isStanding(state) ? state : Math.max(2, state + 2 * aheadByS);
      if (base >= 0) this.write(base, words[from + TERM] as number, words[from + COUNT] as number, here);
    }
  }

  /** A connection has played: it stands, and no other. @param term of the claim under which the play was applied */
  play(hash: number, id0: number, id1: number, id2: number, id3: number, term: number): Stamp {
    this.own(term);
    this.advance();
    const base = this.take(hash, id0, id1, id2, id3);
    if (base >= 0) this.write(base, this.term, this.count, STANDS); // else there is no room: its renewals bring it back
    return { term: this.term, count: this.count };
  }

  /**
   * A connection that stood, as far as it knows, is still there. An unknown stamp is one of a former owner's.
   * @returns whether it stands
   */
  renew(hash: number, id0: number, id1: number, id2: number, id3: number, stamp: Stamp, now: number): boolean {
    const base = this.table.find(hash, id0, id1, id2, id3);
    if (base >= 0 && !this.isNewer(stamp, base)) return this.isSame(stamp, base) && isStanding(this.stateAt(base));
    if (this.unsureUntil === 0) this.unsureUntil = now + Math.ceil(this.sessionTenths * UNSURE_SHARE);
    const taken = base >= 0 ? base : this.take(hash, id0, id1, id2, id3);
    if (taken >= 0) this.write(taken, stamp.term, stamp.count, STANDS);
    return true;
  }

  /**
   * A connection ended without a word: the player is removed at `atTenths` unless somebody is heard before. An unknown stamp changes nothing.
   * @returns whether it stood
   */
  end(hash: number, id0: number, id1: number, id2: number, id3: number, stamp: Stamp, atTenths: number): boolean {
    const base = this.table.find(hash, id0, id1, id2, id3);
    if (base < 0 || !this.isSame(stamp, base) || !isStanding(this.stateAt(base))) return false;
    const isOwn = stamp.term >= this.firstTerm;
    const at = isOwn ? atTenths : Math.max(atTenths, this.unsureUntil);
    if (this.stateAt(base) === SHARED) this.vacate(hash, id0, id1, id2, id3, at);
    else this.write(base, stamp.term, stamp.count, Math.ceil(at / TENTHS_IN_S) * 2);
    return true;
  }

  /** Somebody else reported, or the player was removed: nobody stands any more who stood before. */
  vacate(hash: number, id0: number, id1: number, id2: number, id3: number, now: number): void {
    if (this.table.size === 0) return;
    const base = this.table.find(hash, id0, id1, id2, id3);
    if (base < 0) return;
    this.advance();
    const untilS = Math.ceil((now + this.sessionTenths) / TENTHS_IN_S);
    this.write(base, this.term, this.count, untilS * 2 + NOBODY);
  }

  /** The same of the player in the row of presences that begins at `base`. */
  vacateRow(rows: Int32Array, base: number, now: number): void {
    if (this.table.size === 0) return;
    const [id0, id1, id2, id3] = idAt(rows, base);
    this.vacate(hashOfRow(this.key, rows, base), id0, id1, id2, id3, now);
  }

  /**
   * The player was heard of from elsewhere: it is not removed because a connection ended. Whose stamp is a former owner's may have lost its standing
   * to a report that nobody remembers: so when that connection ends, silence decides.
   */
  hear(hash: number, id0: number, id1: number, id2: number, id3: number, now: number): void {
    if (this.table.size === 0) return;
    const base = this.table.find(hash, id0, id1, id2, id3);
    if (base < 0) return;
    const [state, term] = [this.stateAt(base), this.wordAt(base + TERM)];
    if (isEnded(state)) this.vacate(hash, id0, id1, id2, id3, now);
    else if (state === STANDS && term < this.firstTerm) this.write(base, term, this.wordAt(base + COUNT), SHARED);
  }

  /**
   * Forgets what was known long enough.
   * @returns the players whose connection ended long enough ago, four words each: they are to be removed now
   */
  due(now: number): Int32Array | undefined {
    if (this.timed === 0) return undefined;
    const nowS = Math.floor(now / TENTHS_IN_S);
    const [removed, forgotten]: [number[], number[]] = [[], []];
    const { rows } = this.table;
    for (let base = 0; base < rows.length; base += ROW_WORDS) {
      const state = this.stateAt(base);
      if (isStanding(state) || state >>> 1 > nowS) continue; // a free row's state is 0
      (isEnded(state) ? removed : forgotten).push(...idAt(rows, base));
    }
    for (let at = 0; at < forgotten.length; at += 4) this.forget(Int32Array.from(forgotten.slice(at, at + 4)));
    return removed.length === 0 ? undefined : Int32Array.from(removed);
  }

  private forget(id: Int32Array): void {
    const [id0, id1, id2, id3] = idAt(id, 0);
    this.table.remove(this.table.find(hashOfRow(this.key, id, 0), id0, id1, id2, id3));
    this.timed--;
  }

  /** Where the player's row begins, perhaps a new one that stands; less than 0 where there is no room. */
  private take(hash: number, id0: number, id1: number, id2: number, id3: number): number {
    const base = this.table.find(hash, id0, id1, id2, id3);
    return base >= 0 ? base : this.table.insert(hash, id0, id1, id2, id3);
  }

  private write(base: number, term: number, count: number, state: number): void {
    const { rows } = this.table;
    this.timed += Number(!isStanding(state)) - Number(!isStanding(this.stateAt(base)));
    rows[base + TERM] = term;
    rows[base + COUNT] = count;
    rows[base + STATE] = state;
  }

  /** The next stamp is above all that were given here, and above those of former owners: their terms were lower. */
  private advance(): void {
    this.count = (this.count + 1) >>> 0;
    if (this.count === 0) this.term++; // after 2^32 plays under one claim
  }

  private isNewer({ term, count }: Stamp, base: number): boolean {
    const [knownTerm, knownCount] = [this.wordAt(base + TERM), this.wordAt(base + COUNT)];
    return term > knownTerm || (term === knownTerm && count > knownCount);
  }

  private isSame({ term, count }: Stamp, base: number): boolean {
    return term === this.wordAt(base + TERM) && count === this.wordAt(base + COUNT);
  }

  private stateAt(base: number): number {
    return this.table.rows[base + STATE] as number;
  }

  private wordAt(at: number): number {
    return (this.table.rows[at] as number) >>> 0;
  }
}

function isStanding(state: number): boolean {
  return state <= STANDS;
}

function isEnded(state: number): boolean {
  return !isStanding(state) && (state & NOBODY) === 0;
}

function idAt(rows: Int32Array, base: number): [number, number, number, number] {
  return [rows[base] as number, rows[base + 1] as number, rows[base + 2] as number, rows[base + 3] as number];
}
