/** Rows waiting for the log: a growing array of ROW_WORDS words each, used again once it was drained. */
import { ROW_WORDS } from "./presence-table.ts";

const ROWS_MIN = 4;
const ROWS_KEPT = 256;

export class RowBuffer {
  words = new Int32Array(ROWS_MIN * ROW_WORDS);
  count = 0;

  /** Copies the row that begins at `base` of `rows`. */
  push(rows: Int32Array, base: number): void {
    const at = this.count * ROW_WORDS;
    if (at === this.words.length) this.grow();
    const { words } = this;
    for (let word = 0; word < ROW_WORDS; word++) words[at + word] = rows[base + word] as number;
    this.count++;
  }

  /** Forgets the rows, and the room that a burst took. */
  clear(): void {
    this.count = 0;
    if (this.words.length > ROWS_KEPT * ROW_WORDS) this.words = new Int32Array(ROWS_MIN * ROW_WORDS);
  }

  private grow(): void {
    const words = new Int32Array(this.words.length * 2);
    words.set(this.words);
    this.words = words;
  }
}
