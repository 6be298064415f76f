/**
 * R13, the taker's side of a copy: a table of its own, filled with what the holder sends, and put in the partition's place
 * once it is whole.
 *
 * Rows keep the holder's observed time, moved by one distance for the whole copy. So ages are exact to the tenth whenever
 * a row was sent, and the last round decides by how much all of them are moved once more.
 */
import { ApartTable } from "./apart-table.ts";
import { cellOf, type DecodedRows, GONE } from "./codec.ts";
import { CELL, ROW_WORDS, SEEN } from "./presence-table.ts";
import type { StandingsCopy } from "./standings.ts";
import { sumOf, type TableSum } from "./table-sum.ts";

export class IncomingCopy extends ApartTable {
  /** From the holder's observed time to this node's, in tenths. */
  private aheadBy: number | undefined;
  private asOf = -Infinity;
  private standings: StandingsCopy | undefined;

  /**
   * Sets the rows of a message, and takes out those that are gone.
   * @param asOf the holder's observed time when it was made, in tenths
   * @throws {RangeError} if it holds players of another partition, or more players than there is room for, or
   * is older than the message before: this copy is worth nothing then
   */
  apply(decoded: DecodedRows, asOf: number): void {
    const { words, count, regions } = decoded;
    if (asOf < this.asOf) throw new RangeError("Cannot take in a round: it is older than the one before");
    this.asOf = asOf;
    this.aheadBy ??= this.engine.time.tenths - asOf;
    const modes = this.meet(decoded);
    for (let base = 0; base < count * ROW_WORDS; base += ROW_WORDS) {
      const place = words[base + CELL] as number;
      if (place === GONE) this.remove(words, base);
      else this.set(words, base, cellOf(place, regions, modes), asOf - (words[base + SEEN] as number) + this.aheadBy);
    }
  }

  /**
   * R30: whose connections stood when the holder had stopped.
   * @throws {RangeError} if one is a player's of another partition
   */
  stand(standings: StandingsCopy): void {
    for (let base = 0; base < standings.words.length; base += ROW_WORDS) this.find(standings.words, base);
    this.standings = standings;
  }

  /** Rows and checksum as of the newest message, to be held against the holder's. */
  sum(): TableSum {
    return sumOf(this.table, this.engine.modes.names, this.asOf + (this.aheadBy ?? 0));
  }

  /**
   * Puts the table in the partition's place.
   * @param asOfHere this node's observed time when the newest message came, in tenths
   * @param graceLeftMs R26: what was left of the recovery grace then
   */
  install(asOfHere: number, graceLeftMs: number): void {
    this.moveBy(asOfHere - this.asOf - (this.aheadBy ?? 0));
    const { standings } = this.putInPlace(asOfHere + Math.ceil(graceLeftMs / 100));
    if (this.standings !== undefined) standings.adopt(this.standings, asOfHere - this.asOf);
  }

  private remove(words: Int32Array, at: number): void {
    const base = this.find(words, at);
    if (base >= 0) this.table.remove(base); // else it came and went between two rounds
  }

  private moveBy(tenths: number): void {
    const { rows } = this.table;
    if (tenths === 0) return;
    for (let base = 0; base < rows.length; base += ROW_WORDS)
      if (!this.table.isFree(base)) (rows[base + SEEN] as number) += tenths;
  }
}
