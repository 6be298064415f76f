/**
 * A table that is filled apart from its partition, and put in its place once it is whole. Until then it is on no board, in no
 * tally, nothing in it expires, and what the partition had stays.
 */
import type { DecodedRows } from "./codec.ts";
import type { Engine } from "./engine.ts";
import { invariant } from "./invariant.ts";
import type { Partition } from "./partition.ts";
import { CELL, type PresenceTable, SEEN, SEQ } from "./presence-table.ts";
import { emptyProfileId } from "./profile-id.ts";

/** The id that is hashed just now. */
const id = emptyProfileId();

export class ApartTable {
  /** The modes of its rows, which keep their numbers as long. */
  readonly modes = new Set<number>();
  protected readonly engine: Engine;
  protected readonly table: PresenceTable;
  private readonly partition: number;

  constructor(engine: Engine, partition: number) {
    this.engine = engine;
    this.partition = partition;
    this.table = (engine.partitions[partition] as Partition).newTable();
    engine.apart.add(this);
  }

  get bytes(): number {
    return this.table.bytes;
  }

  /** The table is needed no more, or is the partition's. */
  drop(): void {
    this.engine.apart.delete(this);
  }

  /** The numbers here of the modes that a message names; room for its rows, where all may be new. */
  protected meet(decoded: DecodedRows): readonly number[] {
    const modes = this.engine.modeNumbers.ofMessage(decoded);
    for (const mode of modes) this.modes.add(mode);
    if (decoded.count > this.table.size) this.table.reserve(decoded.count);
    return modes;
  }

  /** @throws {RangeError} if it is a player of another partition, or there is no room */
  protected set(words: Int32Array, at: number, cell: number, seen: number): void {
    let base = this.find(words, at);
    if (base < 0) {
      const [id0, id1, id2, id3] = id;
      base = this.table.insert(this.engine.hash(id), id0, id1, id2, id3);
    }
    if (base < 0) throw new RangeError("Cannot take in a row: more players than there is room for");
    const { rows } = this.table;
    rows[base + CELL] = cell;
    rows[base + SEEN] = seen;
    rows[base + SEQ] = words[at + SEQ] as number;
  }

  /** Where the row of a message's player begins, or less than 0. @throws {RangeError} if it is a player of another partition */
  protected find(words: Int32Array, at: number): number {
    for (let word = 0; word < 4; word++) id[word] = words[at + word] as number;
    const hash = this.engine.hash(id);
    if (this.engine.partitionOf(hash) !== this.partition)
      throw new RangeError("Cannot take in a row: it is of a player of another partition");
    return this.table.find(hash, id[0], id[1], id[2], id[3]);
  }

  /** @param graceUntil R26, by this node's observed time */
  protected putInPlace(graceUntil: number): Partition {
    const { engine, partition, table } = this;
    invariant(engine.apart.has(this), "a table that is put in place was not dropped: its modes keep their numbers");
    engine.clear(partition);
    const target = engine.partitions[partition] as Partition;
    target.fill(table);
    target.graceUntil = graceUntil;
    this.drop();
    return target;
  }
}
