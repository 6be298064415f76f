/**
 * R13, the taker's side of a copy: a table of its own, filled with what the holder sends, and put in the partition's place
 * once it is whole. Until then it is on no board, in no tally, nothing in it expires, and what the partition had stays.
 *
 * Rows keep the holder's observed time, moved by one distance for the whole copy. So ages are exact to the tenth whenever
 * a row was sent, and the last round decides by how much all of them are moved once more.
 */
import { cellOf, type DecodedRows, GONE } from "./codec.ts";
import type { Engine } from "./engine.ts";
import type { Partition } from "./partition.ts";
import { CELL, type PresenceTable, ROW_WORDS, SEEN, SEQ } from "./presence-table.ts";
import { emptyProfileId } from "./profile-id.ts";
import { sumOf, type TableSum } from "./table-sum.ts";

/** The id that is hashed just now. */
const id = emptyProfileId();

export class IncomingCopy {
  /** The modes of its rows, which keep their numbers as long. */
  readonly modes = new Set<number>();
  private readonly engine: Engine;
  private readonly partition: number;
  private readonly table: PresenceTable;
  /** From the holder's observed time to this node's, in tenths. */
  private aheadBy: number | undefined;
  private asOf = -Infinity;

  constructor(engine: Engine, partition: number) {
    this.engine = engine;
    this.partition = partition;
    this.table = (engine.partitions[partition] as Partition).newTable();
    engine.incoming.add(this);
  }

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
    const modes = this.engine.modeNumbers.ofMessage(decoded, this.engine.time.tenths);
    for (const mode of modes) this.modes.add(mode);
    if (count > this.table.size) this.table.reserve(count);
    for (let base = 0; base < count * ROW_WORDS; base += ROW_WORDS) {
      const place = words[base + CELL] as number;
      if (place === GONE) this.remove(words, base);
      else this.set(words, base, cellOf(place, regions, modes));
    }
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
    const { engine, partition, table } = this;
    this.moveBy(asOfHere - this.asOf - (this.aheadBy ?? 0));
    engine.clear(partition);
    const target = engine.partitions[partition] as Partition;
    target.fill(table);
    target.graceUntil = asOfHere + Math.ceil(graceLeftMs / 100);
    this.drop();
  }

  /** The table is needed no more, or is the partition's. */
  drop(): void {
    this.engine.incoming.delete(this);
  }

  private set(words: Int32Array, at: number, cell: number): void {
    const [id0, id1, id2, id3] = [
      words[at] as number,
      words[at + 1] as number,
      words[at + 2] as number,
      words[at + 3] as number,
    ];
    const hash = this.hashOf(words, at);
    let base = this.table.find(hash, id0, id1, id2, id3);
    if (base < 0) base = this.table.insert(hash, id0, id1, id2, id3);
    if (base < 0) throw new RangeError("Cannot take in a round: more players than there is room for");
    const { rows } = this.table;
    rows[base + CELL] = cell;
    rows[base + SEEN] = this.asOf - (words[at + SEEN] as number) + (this.aheadBy ?? 0);
    rows[base + SEQ] = words[at + SEQ] as number;
  }

  private remove(words: Int32Array, at: number): void {
    const hash = this.hashOf(words, at);
    const base = this.table.find(
      hash,
      words[at] as number,
      words[at + 1] as number,
      words[at + 2] as number,
      words[at + 3] as number,
    );
    if (base >= 0) this.table.remove(base); // else it came and went between two rounds
  }

  private hashOf(words: Int32Array, at: number): number {
    for (let word = 0; word < 4; word++) id[word] = words[at + word] as number;
    const hash = this.engine.hash(id);
    if (this.engine.partitionOf(hash) === this.partition) return hash;
    throw new RangeError("Cannot take in a round: it holds a player of another partition");
  }

  private moveBy(tenths: number): void {
    const { rows } = this.table;
    if (tenths === 0) return;
    for (let base = 0; base < rows.length; base += ROW_WORDS)
      if (!this.table.isFree(base)) (rows[base + SEEN] as number) += tenths;
  }
}
