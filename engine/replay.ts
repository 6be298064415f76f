/** Sets a partition's rows as a message of its record has them: a snapshot, or what the log has after it. */
import { cellOf, type DecodedRows } from "./codec.ts";
import type { Engine } from "./engine.ts";
import type { HashKey } from "./half-sip-hash.ts";
import type { Partition } from "./partition.ts";
import { CELL, hashOfRow, ROW_WORDS, SEEN } from "./presence-table.ts";

export const SEEN_MAX = 2 ** 30; // ages beyond three years are all the same, and no sum with them overflows

/**
 * Idempotent: a message replayed twice leaves what it leaves once.
 * @param passedMs since the message was written: everybody aged by as much
 * @throws {RangeError} if it holds players of another partition, or more than there is room for: some are set then
 */
export function replay(engine: Engine, key: HashKey, partition: number, message: DecodedRows, passedMs: number): void {
  const now = engine.time.tenths;
  const { words, count, regions } = message;
  const modes = engine.modeNumbers.ofMessage(message);
  const target = engine.partitions[partition] as Partition;
  const passed = Math.min(Math.ceil(passedMs / 100), SEEN_MAX);
  if (count > target.table.size) target.table.reserve(count);
  for (let base = 0; base < count * ROW_WORDS; base += ROW_WORDS) {
    const cell = cellOf(words[base + CELL] as number, regions, modes);
    const hash = hashOfRow(key, words, base);
    if (engine.partitionOf(hash) !== partition)
      throw new RangeError(`Cannot recover partition ${partition}: it holds a player of another one`);
    if (!target.restore(hash, words, base, cell, now - Math.min((words[base + SEEN] as number) + passed, SEEN_MAX)))
      throw new RangeError(`Cannot recover partition ${partition}: more players than there is room for`);
  }
}
