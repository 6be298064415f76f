/**
 * R13, the holder's side of a copy: a partition goes on, and notes whose rows changed; each round holds those rows as they
 * are then, or says that they are gone.
 */
import type { ChangedPlayers } from "./changed-players.ts";
import { encodeRows, GONE } from "./codec.ts";
import type { Engine } from "./engine.ts";
import type { Partition } from "./partition.ts";
import { CELL, type PresenceTable, ROW_WORDS, SEEN, SEQ, takenRows } from "./presence-table.ts";
import { emptyProfileId } from "./profile-id.ts";
import type { StandingsCopy } from "./standings.ts";
import { sumOf, type TableSum } from "./table-sum.ts";

/** What changed since the round before. */
export interface Round {
  /** Tenths of the holder's observed time: ages are counted up to here. */
  readonly asOf: number;
  /** A codec message of kind `round`. */
  readonly bytes: Uint8Array;
}

/** The id that is looked for just now. */
const id = emptyProfileId();

export class OutgoingCopy {
  private readonly engine: Engine;
  private readonly index: number;
  private readonly partition: Partition;
  private changed: ChangedPlayers;

  /** Begins to note what changes; the table is to be copied in the same turn. A copy of before is broken by that. */
  constructor(engine: Engine, partition: number) {
    this.engine = engine;
    this.index = partition;
    this.partition = engine.partitions[partition] as Partition;
    this.changed = this.partition.noteChanges();
  }

  /** Whether changes were not noted: another copy began, the partition was cleared, or too many changed. */
  get isBroken(): boolean {
    return this.partition.changed !== this.changed || this.engine.partitions[this.index] !== this.partition;
  }

  /** Every row that was written, renewed, removed or expired since the last round, or since the copy began. */
  takeRound(writtenAtMs: number): Round {
    const { engine, partition } = this;
    const asOf = engine.time.tenths;
    const { words, count } = takenRows(this.changed.table.rows.slice());
    this.changed = this.partition.noteChanges();
    for (let base = 0; base < count * ROW_WORDS; base += ROW_WORDS) this.readRow(partition.table, words, base, asOf);
    const bytes = encodeRows("round", { words, count, modeNames: engine.modes.names, now: asOf, writtenAtMs });
    return { asOf, bytes };
  }

  /** R30: whose connections stand, as it is now. */
  standings(): StandingsCopy {
    return this.partition.standings.copy();
  }

  /** Of the table as it is now. */
  sum(): TableSum {
    return sumOf(this.partition.table, this.engine.modes.names, this.engine.time.tenths);
  }

  /** Nothing is noted any more. */
  end(): void {
    if (!this.isBroken) this.partition.changed = undefined;
  }

  private readRow({ rows }: PresenceTable, words: Int32Array, at: number, asOf: number): void {
    for (let word = 0; word < 4; word++) id[word] = words[at + word] as number;
    const base = this.partition.table.find(this.engine.hash(id), id[0], id[1], id[2], id[3]);
    words[at + CELL] = base < 0 ? GONE : (rows[base + CELL] as number);
    words[at + SEEN] = base < 0 ? asOf : (rows[base + SEEN] as number);
    words[at + SEQ] = base < 0 ? 0 : (rows[base + SEQ] as number);
  }
}
