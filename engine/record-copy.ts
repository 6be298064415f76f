/** R1: a table that is made of a record before that is claimed, and put in the partition's place if the claim confirms it. */
import { ApartTable } from "./apart-table.ts";
import { cellOf, type DecodedRows } from "./codec.ts";
import { CELL, ROW_WORDS, SEEN } from "./presence-table.ts";
import { SEEN_MAX } from "./replay.ts";

export class RecordCopy extends ApartTable {
  /**
   * Sets the rows of a message, as `replay()` does in a partition.
   * @param passedMs since the message was written: everybody aged by as much
   * @throws {RangeError} if it holds players of another partition, or more than there is room for
   */
  replay(message: DecodedRows, passedMs: number): void {
    const { words, count, regions } = message;
    const modes = this.meet(message);
    const now = this.engine.time.tenths;
    const passed = Math.min(Math.ceil(passedMs / 100), SEEN_MAX);
    for (let base = 0; base < count * ROW_WORDS; base += ROW_WORDS) {
      const seen = now - Math.min((words[base + SEEN] as number) + passed, SEEN_MAX);
      this.set(words, base, cellOf(words[base + CELL] as number, regions, modes), seen);
    }
  }

  /** Puts the table in the partition's place. @param graceMs R26: nobody is disconnected for so long */
  install(graceMs: number): void {
    this.putInPlace(this.table.size === 0 ? 0 : this.engine.time.tenths + Math.ceil(graceMs / 100));
  }
}
