/**
 * The counting engine: the partitions that are held here, and the boards of the regions. Pure: no I/O, no clock, no
 * timers; time comes in as a number of milliseconds of a clock that never goes back.
 */
import { Boards } from "./boards.ts";
import type { DecodedRows } from "./codec.ts";
import type { ApartTable } from "./apart-table.ts";
import { halfSipHash, type HashKey, hashKeyOf } from "./half-sip-hash.ts";
import { invariant } from "./invariant.ts";
import type { EncodedLog, LogContext, LogRows } from "./log-codec.ts";
import { ModeNumbers } from "./mode-numbers.ts";
import { ModePlayers } from "./mode-players.ts";
import { MODE_BITS, Modes } from "./modes.ts";
import { ObservedTime } from "./observed-time.ts";
import { NO_SEQ, Partition, type ReportEffect } from "./partition.ts";
import { type KnownPlayer, type Presence, presenceAt } from "./presence.ts";
import { hashOfRow, SEQ } from "./presence-table.ts";
import type { ProfileId } from "./profile-id.ts";
import { replay } from "./replay.ts";
import { assertPartitionSound, assertSumsSound } from "./soundness.ts";
import { Sweep } from "./sweep.ts";

export interface EngineOptions {
  /** A power of two, 16 to 4096. */
  readonly partitions: number;
  /** 8 bytes nobody outside knows. */
  readonly hashKey: Uint8Array;
  /** Silence after which a player is disconnected. */
  readonly sessionMs: number;
  /** How long a removed player's `seq` is remembered (R27). */
  readonly removalMs: number;
  /** Least time to live of a player who was recovered from the store (R26). */
  readonly graceMs: number;
  /** Whether changes are kept for the log. */
  readonly isLogged: boolean;
  /** False where the boards of the regions are kept elsewhere, from the tallies: a report does not pay for them here. */
  readonly hasBoards?: boolean;
  /** R28: a cluster agrees on the modes' names, so that only their numbers limit them here. */
  readonly areModesAgreed?: boolean;
}

/** A partition's table as it stood, apart from it. */
export interface TableCopy {
  /** All rows of the table, free ones too. */
  readonly words: Int32Array<ArrayBuffer>;
  readonly modeNames: readonly string[];
  readonly now: number;
  readonly writtenAtMs: number;
}

export class Engine {
  readonly modes = new Modes();
  readonly partitions: Partition[];
  readonly time: ObservedTime;
  /** Modes that somebody outside still knows by their numbers, which stay theirs as long. Asked for seldom. */
  modesHeld: () => Iterable<number> = () => [];
  /** Tables that are being filled apart from the partitions; their modes are counted on no board yet. */
  readonly apart = new Set<ApartTable>();
  readonly modeNumbers: ModeNumbers;
  private readonly options: EngineOptions;
  /** One of the two. */
  private readonly sums: Boards | ModePlayers;
  private readonly key: HashKey;
  private readonly shift: number;
  private readonly sessionTenths: number;
  private readonly silentSweep: Sweep;

  constructor(options: EngineOptions, nowMs: number) {
    const { partitions } = options;
    const isPowerOfTwo = Number.isInteger(Math.log2(partitions));
    if (!isPowerOfTwo || partitions < 2 || partitions > 4096)
      throw new RangeError(`Cannot make Engine: partitions must be a power of two from 2 to 4096, got ${partitions}`);
    this.options = options;
    this.key = hashKeyOf(options.hashKey);
    this.sums = options.hasBoards === false ? new ModePlayers() : new Boards(this.modes.names, this.key.high);
    this.time = new ObservedTime(nowMs);
    this.shift = 32 - Math.log2(partitions);
    this.sessionTenths = Math.ceil(options.sessionMs / 100);
    this.partitions = Array.from({ length: partitions }, () => this.emptyPartition());
    this.silentSweep = new Sweep(this.partitions);
    const uses = {
      partitions: this.partitions,
      sums: this.sums,
      apart: this.apart,
      held: () => this.modesHeld(),
    };
    this.modeNumbers = new ModeNumbers(this.modes, uses, options.areModesAgreed === true);
  }

  /** The boards of all regions; only where they are kept. */
  get boards(): Boards {
    invariant(this.sums instanceof Boards, "only an engine with boards is asked for them");
    return this.sums;
  }

  /** Tells the boards, where they are kept, what changed, of `cellsMax` cells at the most. */
  catchUpBoards(cellsMax: number): void {
    if (this.sums instanceof Boards) this.sums.catchUp(cellsMax);
  }

  /** The keyed hash of an id; its top bits name the partition. */
  hash(id: ProfileId): number {
    return halfSipHash(this.key, id[0], id[1], id[2], id[3]);
  }

  partitionOf(hash: number): number {
    return hash >>> this.shift;
  }

  /**
   * The number of a mode that a client named, known or new. While `modes.isCrowded` it may be used only at once.
   * @returns -1 where nobody is in it and there is no room for another: see MODES_MAX
   */
  admitMode(name: string): number {
    const known = this.modes.peek(name);
    return known >= 0 && !this.modes.isCrowded ? known : this.modeNumbers.admit(name, this.time.tenths);
  }

  /** R28: whether somebody is in a mode of this name, in any partition that is here or on its way. */
  isModeInUse(name: string): boolean {
    return this.modeNumbers.isInUse(name);
  }

  /** R28: takes the numbers of these modes back, where nobody is in them and nothing that is still to be told names them. */
  releaseModes(names: ReadonlySet<string>): void {
    this.modeNumbers.release(names);
  }

  /** R28: players whose mode's name was lost. */
  get unnamedPlayers(): number {
    return this.sums.unnamed;
  }

  /**
   * Reads what reports with these hashes will need, so that their cache misses overlap instead of queueing.
   * Batches call it for some dozens at a time; it changes nothing.
   * @returns what it read, of no meaning; without it the reads would be optimised away
   */
  warm(hashes: Int32Array, count: number): number {
    let read = 0;
    for (let at = 0; at < count; at++)
      read ^= (this.partitions[(hashes[at] as number) >>> this.shift] as Partition).table.touch(hashes[at] as number);
    return read;
  }

  /** Sets where a player is. `mode` as `admitMode` gave it; `seq` 0 … 2^32 - 1, or NO_SEQ. */
  report(hash: number, id: ProfileId, region: number, mode: number, seq: number): ReportEffect {
    const partition = this.partitions[hash >>> this.shift] as Partition;
    const cell = (region << MODE_BITS) | mode;
    return partition.report(hash, id[0], id[1], id[2], id[3], cell, seq, this.time.tenths);
  }

  /** Renews a session; false where the player is not connected. */
  renew(hash: number, id: ProfileId): boolean {
    const partition = this.partitions[hash >>> this.shift] as Partition;
    return partition.renew(hash, id[0], id[1], id[2], id[3], this.time.tenths);
  }

  /**
   * Disconnects a player.
   * @param seq 0 … 2^32 - 1, or NO_SEQ
   * @returns false where the player was not connected, or a newer `seq` is known
   */
  remove(hash: number, id: ProfileId, seq: number): boolean {
    const partition = this.partitions[hash >>> this.shift] as Partition;
    return partition.remove(hash, id[0], id[1], id[2], id[3], seq, this.time.tenths);
  }

  /** Where a player is; `undefined` where nothing is known of one. */
  find(hash: number, id: ProfileId): Presence | undefined {
    const partition = this.partitions[hash >>> this.shift] as Partition;
    const base = partition.findLive(hash, id[0], id[1], id[2], id[3], this.time.tenths);
    return base < 0 ? undefined : presenceAt(partition.table.rows, base, this.modes, this.time);
  }

  /** Everybody in a partition who is not overdue, removed players too. Nothing may change meanwhile. */
  *players(partition: number): Generator<KnownPlayer> {
    const known = this.partitions[partition] as Partition;
    const { rows } = known.table;
    for (const base of known.liveRows(this.time.tenths)) {
      const seq = (rows[base + SEQ] as number) >>> 0;
      yield {
        ...presenceAt(rows, base, this.modes, this.time),
        id: rows.slice(base, base + 4) as ProfileId,
        seq: seq === 0 ? NO_SEQ : seq,
      };
    }
  }

  /** Bytes of all rows and indexes. */
  get tableBytes(): number {
    return this.partitions.reduce((bytes, { table }) => bytes + table.bytes, 0);
  }

  /** Bytes of all tallies. */
  get tallyBytes(): number {
    return this.partitions.reduce((bytes, { tally }) => bytes + tally.bytes, 0);
  }

  /**
   * Lets time pass and forgets some of those who have been silent too long: a rolling scan, one pass a second, a
   * bounded piece a call.
   * @param budget rows to look at; a row forgotten counts as SWEEP_FORGET_COST
   * @param isHeld R25: true while reports may not reach us, so that nobody ages
   */
  sweep(nowMs: number, budget: number, isHeld = false): void {
    this.time.advance(nowMs, isHeld);
    this.silentSweep.goOn(this.time.tenths, budget);
  }

  /**
   * When what is written now was written, in milliseconds since 1970: ages are counted up to the last look at the clock.
   * @param nowMs the clock that never goes back
   * @param wallMs the same instant, in milliseconds since 1970
   */
  writtenAtMs(nowMs: number, wallMs: number): number {
    return wallMs - (nowMs - this.time.clockMs(this.time.tenths));
  }

  /**
   * Encodes and clears what these partitions have for the log.
   * @param encode in which form
   */
  drainLog(
    partitions: readonly number[],
    writtenAtMs: number,
    encode: (parts: readonly LogRows[], context: LogContext) => EncodedLog,
  ): EncodedLog {
    const parts = partitions.map((partition) => (this.partitions[partition] as Partition).unlogged);
    const log = encode(parts, this.context(writtenAtMs));
    for (const part of parts) part.clear();
    this.modeNumbers.onLogged();
    return log;
  }

  /** A copy of a partition's table for its snapshot: free rows are still in it, see `takenRows`. */
  copy(partition: number, writtenAtMs: number): TableCopy {
    const { table } = this.partitions[partition] as Partition;
    return { words: table.rows.slice(), ...this.context(writtenAtMs), modeNames: [...this.modes.names] };
  }

  /**
   * Fills a partition from its record: the snapshot's rows, then each log message's, in the order they were written.
   * @param wallMs now, in milliseconds since 1970: everybody aged by as much since the rows were written
   * @param graceMs R26: least time to live that everybody in it gets
   * Modes that find no number leave their players in the reserved mode (R28).
   * @throws {RangeError} if it holds more players than there is room for, or players of another partition; the partition
   * is empty then
   */
  recover(
    partition: number,
    messages: readonly DecodedRows[],
    wallMs: number,
    graceMs: number = this.options.graceMs,
  ): void {
    this.clear(partition);
    try {
      for (const message of messages)
        replay(this, this.key, partition, message, Math.max(0, wallMs - message.writtenAtMs));
    } catch (error) {
      this.clear(partition);
      throw error;
    }
    if (messages.every(({ count }) => count === 0)) return;
    (this.partitions[partition] as Partition).graceUntil = this.time.tenths + Math.ceil(graceMs / 100);
  }

  /** R26: what is left of a partition's recovery grace, in milliseconds. */
  graceLeftMs(partition: number): number {
    return Math.max(0, (this.partitions[partition] as Partition).graceUntil - this.time.tenths) * 100;
  }

  /** Drops all that is known of a partition. */
  clear(partition: number): void {
    (this.partitions[partition] as Partition).clear();
    this.partitions[partition] = this.emptyPartition();
  }

  /** Stops on a broken rule. O(players). */
  assertSound(): void {
    for (const partition of this.partitions)
      assertPartitionSound(partition, (base) => hashOfRow(this.key, partition.table.rows, base));
    assertSumsSound(this.sums, this.partitions);
  }

  private context(writtenAtMs: number): LogContext {
    return { modeNames: this.modes.names, now: this.time.tenths, writtenAtMs };
  }

  private emptyPartition(): Partition {
    const { removalMs, isLogged } = this.options;
    const removalTenths = Math.ceil(removalMs / 100);
    const options = { key: this.key, sessionTenths: this.sessionTenths, removalTenths, isLogged };
    return new Partition(options, this.sums);
  }
}
