/** What the tests of a partition share: one that is called with player numbers. */
import { Boards } from "../../engine/boards.ts";
import { MODE_BITS } from "../../engine/modes.ts";
import { NO_SEQ, Partition, type PartitionOptions } from "../../engine/partition.ts";
import { CELL, ROW_WORDS, SEEN, SEQ } from "../../engine/presence-table.ts";
import { assertPartitionSound } from "../../engine/soundness.ts";
import type { ProfileId } from "../../engine/profile-id.ts";
import { itemAt } from "../../simulator/item-at.ts";
import { hashOf, KEY, playerId } from "../../simulator/players.ts";

export const SESSION = 900;
export const REMOVAL = 40;
export const [CA, US] = [1 << MODE_BITS, 2 << MODE_BITS];
export const MODES = ["GM00", "GM01"];

/** A partition, called with player numbers in place of hashes and ids. */
export class NumberedPartition {
  readonly boards = new Boards(MODES, KEY.high);
  readonly partition: Partition;

  constructor(options: Partial<PartitionOptions> = {}) {
    const all = { key: KEY, sessionTenths: SESSION, removalTenths: REMOVAL, isLogged: true, ...options };
    this.partition = new Partition(all, this.boards);
  }
  report(player: number, cell: number, seq: number, now: number): string {
    const [id0, id1, id2, id3] = playerId(player);
    return this.partition.report(hashOf(playerId(player)), id0, id1, id2, id3, cell, seq, now);
  }
  renew(player: number, now: number): boolean {
    const [id0, id1, id2, id3] = playerId(player);
    return this.partition.renew(hashOf(playerId(player)), id0, id1, id2, id3, now);
  }
  remove(player: number, now: number, seq = NO_SEQ): boolean {
    const [id0, id1, id2, id3] = playerId(player);
    return this.partition.remove(hashOf(playerId(player)), id0, id1, id2, id3, seq, now);
  }
  restore(player: number, cell: number, seen: number, seq: number): boolean {
    const words = Int32Array.of(99, ...playerId(player), 0, 0, seq);
    return this.partition.restore(hashOf(playerId(player)), words, 1, cell, seen);
  }
  /** Where the row is, whether overdue or not. */
  baseOf(player: number): number {
    const [id0, id1, id2, id3] = playerId(player);
    return this.partition.table.find(hashOf(playerId(player)), id0, id1, id2, id3);
  }
  row(player: number): { cell: number; seen: number; seq: number } | undefined {
    const base = this.baseOf(player);
    if (base < 0) return undefined;
    const { rows } = this.partition.table;
    return { cell: itemAt(rows, base + CELL), seen: itemAt(rows, base + SEEN), seq: itemAt(rows, base + SEQ) >>> 0 };
  }
  counts(): Record<number, number> {
    this.assertSound();
    return Object.fromEntries(this.partition.tally.cells());
  }
  /** What was logged since the last call: player, cell, seen, seq. */
  logged(): number[][] {
    const { unlogged } = this.partition;
    const rows = Array.from({ length: unlogged.count }, (_, row) => {
      const words = unlogged.words.subarray(row * ROW_WORDS, (row + 1) * ROW_WORDS);
      return [~itemAt(words, 2), itemAt(words, CELL), itemAt(words, SEEN), itemAt(words, SEQ) >>> 0];
    });
    unlogged.clear();
    return rows;
  }
  /** Whether anything was touched since the last call. */
  touched(): boolean {
    const { isTouched } = this.partition;
    this.partition.isTouched = false;
    return isTouched;
  }
  assertSound(): void {
    const { table } = this.partition;
    assertPartitionSound(this.partition, (base) => hashOf(table.rows.subarray(base, base + 4) as ProfileId));
  }
}
