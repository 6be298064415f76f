/**
 * One partition of the players: who is where (presence), how many are where (tally), what the log has yet to be told.
 * Times are tenths of a second of observed time. A report sets where a player is; counts are derived from that.
 */
import { ChangedPlayers } from "./changed-players.ts";
import type { HashKey } from "./half-sip-hash.ts";
import { invariant } from "./invariant.ts";
import { MODE_MASK, RESERVED_MODE } from "./modes.ts";
import { PartitionSweep } from "./partition-sweep.ts";
import { CELL, NOWHERE, PresenceTable, ROW_WORDS, SEEN, SEQ } from "./presence-table.ts";
import { RowBuffer } from "./row-buffer.ts";
import { Standings } from "./standings.ts";
import { Tally } from "./tally.ts";

/** A report without a sequence number. */
export const NO_SEQ = -1;

/** What a report did. `late`: an older `seq` came after a newer one, ignored. `full`: no room for another player. */
export type ReportEffect = "changed" | "renewed" | "late" | "full";

export interface PartitionOptions {
  readonly key: HashKey;
  /** Silence after which a player is disconnected. */
  readonly sessionTenths: number;
  /** How long a removed player's `seq` is remembered (R27). */
  readonly removalTenths: number;
  /** Whether changes are kept for the log. */
  readonly isLogged: boolean;
}

/** Sums over all partitions: of each cell, or of what cells have in common. */
export interface CellSums {
  add(cell: number, change: number): void;
  /** R28: players in the reserved mode, who are in no cell that is counted. */
  unnamed: number;
}

export class Partition {
  table: PresenceTable;
  tally: Tally;
  /** Rows that changed and that the log has not been handed yet, oldest first. */
  readonly unlogged = new RowBuffer();
  /** True where something changed or was renewed since this was last set to false: a snapshot would differ. */
  isTouched = false;
  /** R28: players whose mode's name was lost; they are in no tally. */
  unnamed = 0;
  /** R26: nobody is disconnected for silence before this time. */
  graceUntil = 0;
  /** R13: who changed since a copy's last round; `undefined` while no copy is under way. */
  changed: ChangedPlayers | undefined;
  /** R30: whose connection stands for each player. */
  readonly standings: Standings;
  private readonly silentSweep = new PartitionSweep(this);
  private readonly options: PartitionOptions;
  private readonly sums: CellSums;

  /** @param sums told of every change to the tally */
  constructor(options: PartitionOptions, sums: CellSums) {
    this.options = options;
    this.sums = sums;
    this.table = this.newTable();
    this.tally = new Tally(options.key.high, () => this.cells());
    this.standings = new Standings(options.key, options.sessionTenths);
  }

  /** A table for players of this partition, with nobody in it. */
  newTable(): PresenceTable {
    return new PresenceTable(this.options.key);
  }

  /** R13: notes who changes from now on; what was noted before is given up. */
  noteChanges(): ChangedPlayers {
    this.changed = new ChangedPlayers(this.options.key);
    return this.changed;
  }

  /** Applies a report: the player is in `cell` and nowhere else, heard of `now`. R30: no connection stands for the player then. */
  report(
    hash: number,
    id0: number,
    id1: number,
    id2: number,
    id3: number,
    cell: number,
    seq: number,
    now: number,
  ): ReportEffect {
    const { table } = this;
    const base = this.findLive(hash, id0, id1, id2, id3, now);
    if (base < 0) return this.connect(table.insert(hash, id0, id1, id2, id3), cell, seq, now);
    const { rows } = table;
    const known = (rows[base + SEQ] as number) >>> 0;
    if (isBefore(seq, known)) return "late";
    const from = rows[base + CELL] as number;
    this.isTouched = true;
    this.standings.vacate(hash, id0, id1, id2, id3, now);
    rows[base + SEEN] = now;
    if (seq !== NO_SEQ) rows[base + SEQ] = seq;
    if (this.changed !== undefined) this.noteChange(base);
    if (from === cell) {
      // A newer seq is remembered too, else an older report could undo this one after a crash.
      if (seq !== NO_SEQ && seq !== known) this.log(base);
      return "renewed";
    }
    rows[base + CELL] = cell;
    if (from !== NOWHERE) this.leave(from);
    this.enter(cell);
    this.log(base);
    return "changed";
  }

  /** Whether a report with this `seq` would be `late`. */
  isLate(hash: number, id0: number, id1: number, id2: number, id3: number, seq: number, now: number): boolean {
    const base = seq > 0 ? this.findLive(hash, id0, id1, id2, id3, now) : -1;
    return base >= 0 && isBefore(seq, (this.table.rows[base + SEQ] as number) >>> 0);
  }

  /** Renews the player's session; false where not connected. */
  renew(hash: number, id0: number, id1: number, id2: number, id3: number, now: number): boolean {
    const base = this.findLive(hash, id0, id1, id2, id3, now);
    if (base < 0 || this.cellAt(base) === NOWHERE) return false;
    this.table.rows[base + SEEN] = now;
    this.isTouched = true;
    if (this.changed !== undefined) this.noteChange(base);
    return true;
  }

  /**
   * Disconnects the player; false where not connected, or where a newer `seq` is known. The row stays for a while (R27), also
   * that of one who is not known here: the record, or a node whose key was given up (R12), may still know who fell silent.
   */
  remove(hash: number, id0: number, id1: number, id2: number, id3: number, seq: number, now: number): boolean {
    let base = this.findLive(hash, id0, id1, id2, id3, now);
    const isKnown = base >= 0;
    const known = isKnown ? (this.table.rows[base + SEQ] as number) >>> 0 : 0;
    const newest = seq === NO_SEQ ? known : seq;
    const isConnected = isKnown && this.cellAt(base) !== NOWHERE;
    if (newest < known || (isKnown && !isConnected && newest === known)) return false;
    if (!isKnown) base = this.table.insert(hash, id0, id1, id2, id3);
    if (base < 0) {
      if (this.options.isLogged) this.unlogged.push(Int32Array.of(id0, id1, id2, id3, NOWHERE, now, newest), 0);
      return false; // the partition is full
    }
    if (isConnected) this.leave(this.cellAt(base));
    this.standings.vacate(hash, id0, id1, id2, id3, now);
    this.write(base, NOWHERE, now, newest);
    if (this.changed !== undefined) this.noteChange(base);
    this.log(base);
    return isConnected;
  }

  /** Where the row of a player begins who is in the table and not overdue, or less than 0. Removed players are found too. */
  findLive(hash: number, id0: number, id1: number, id2: number, id3: number, now: number): number {
    const base = this.table.find(hash, id0, id1, id2, id3);
    if (base < 0 || !this.isOverdue(base, now)) return base;
    this.beforeForgotten(base, now);
    this.table.remove(base);
    return -1;
  }

  /** The cell in the row that begins at `base`. */
  cellAt(base: number): number {
    return this.table.rows[base + CELL] as number;
  }

  /** Where the row of each player begins who is not overdue, removed ones included. Nothing may change meanwhile. */
  *liveRows(now: number): Generator<number> {
    const { rows } = this.table;
    for (let base = 0; base < rows.length; base += ROW_WORDS)
      if (!this.table.isFree(base) && !this.isOverdue(base, now)) yield base;
  }

  /** The cell of each player who is connected, in a mode that has a name. */
  *cells(): Generator<number> {
    const { rows } = this.table;
    for (let base = 0; base < rows.length; base += ROW_WORDS)
      if (!this.table.isFree(base) && isCounted(rows[base + CELL] as number)) yield rows[base + CELL] as number;
  }

  /** Whether the player in the row that begins at `base` is to be forgotten. */
  isOverdue(base: number, now: number): boolean {
    const silence = now - (this.table.rows[base + SEEN] as number);
    if (this.cellAt(base) === NOWHERE) return silence >= this.options.removalTenths;
    return silence >= this.options.sessionTenths && now >= this.graceUntil;
  }

  /** Told before a row goes: the player is counted no more. */
  beforeForgotten(base: number, now: number): void {
    const cell = this.cellAt(base);
    if (cell !== NOWHERE) this.leave(cell);
    this.standings.vacateRow(this.table.rows, base, now);
    if (this.changed !== undefined) this.noteChange(base);
    this.isTouched = true;
  }

  /** Forgets who has been silent for a session's life: a piece of a pass, see PartitionSweep. */
  sweep(now: number, budget: number): number {
    return this.silentSweep.goOn(now, budget);
  }

  /**
   * Sets a player's row as a snapshot or the log has it: what replay does. Idempotent. Nothing is logged.
   * @returns false where the partition is full
   */
  restore(hash: number, words: Int32Array, at: number, cell: number, seen: number): boolean {
    const [id0, id1, id2, id3] = [
      words[at] as number,
      words[at + 1] as number,
      words[at + 2] as number,
      words[at + 3] as number,
    ];
    let base = this.table.find(hash, id0, id1, id2, id3);
    if (base < 0) base = this.table.insert(hash, id0, id1, id2, id3);
    else if (this.cellAt(base) !== NOWHERE) this.leave(this.cellAt(base));
    if (base < 0) return false;
    this.write(base, cell, seen, words[at + SEQ] as number);
    if (cell !== NOWHERE) this.enter(cell);
    return true;
  }

  /** Takes a table over that was filled apart from this partition, in which nobody may be. O(rows). */
  fill(table: PresenceTable): void {
    invariant(this.table.size === 0, "only an empty partition is filled");
    this.table = table;
    const { rows } = table;
    for (let base = 0; base < rows.length; base += ROW_WORDS)
      if (!table.isFree(base) && rows[base + CELL] !== NOWHERE) this.enter(rows[base + CELL] as number);
    this.isTouched = true;
  }

  /** Forgets everybody, so that nobody of this partition is counted any more. */
  clear(): void {
    for (const cell of this.cells()) this.sums.add(cell, -1);
    this.sums.unnamed -= this.unnamed;
    this.unnamed = 0;
    this.table = this.newTable();
    this.changed = undefined;
    this.tally = new Tally(this.options.key.high, () => this.cells());
    this.unlogged.clear();
  }

  private connect(base: number, cell: number, seq: number, now: number): ReportEffect {
    if (base < 0) return "full";
    this.write(base, cell, now, seq === NO_SEQ ? 0 : seq);
    this.enter(cell);
    if (this.changed !== undefined) this.noteChange(base);
    this.log(base);
    return "changed";
  }

  private write(base: number, cell: number, seen: number, seq: number): void {
    const { rows } = this.table;
    rows[base + CELL] = cell;
    rows[base + SEEN] = seen;
    rows[base + SEQ] = seq;
    this.isTouched = true;
  }

  /**
   * R13: the next round of the copy under way holds this row, or says that it is gone. Where too many changed, whoever
   * copies finds out, and begins anew.
   */
  private noteChange(base: number): void {
    if (this.changed?.note(this.table.rows, base) === false) this.changed = undefined;
  }

  private enter(cell: number): void {
    if (!isCounted(cell)) return this.addUnnamed(1);
    this.tally.enter(cell);
    this.sums.add(cell, 1);
  }

  private leave(cell: number): void {
    if (!isCounted(cell)) return this.addUnnamed(-1);
    this.tally.leave(cell);
    this.sums.add(cell, -1);
  }

  private addUnnamed(change: number): void {
    for (const sums of [this, this.sums]) sums.unnamed += change;
  }

  private log(base: number): void {
    if (this.options.isLogged) this.unlogged.push(this.table.rows, base);
  }
}

/** Whether a report with this `seq` comes after one that was not older; 0 and NO_SEQ begin anew. */
function isBefore(seq: number, known: number): boolean {
  return seq > 0 && seq <= known;
}

/** Whether a tally has a player in this cell. False for NOWHERE too, whose bits are all set. */
export function isCounted(cell: number): boolean {
  return (cell & MODE_MASK) !== RESERVED_MODE;
}
