/**
 * The counting engine: the partitions that are held here, and the boards of the regions. Pure: no I/O, no clock, no
 * timers; time comes in as a number of milliseconds of a clock that never goes back.
 */
import { Boards } from "./boards.ts";
import { cellOf, type DecodedRows, encodeRows } from "./codec.ts";
import type { IncomingCopy } from "./incoming-copy.ts";
import { halfSipHash, type HashKey, hashKeyOf } from "./half-sip-hash.ts";
import { invariant } from "./invariant.ts";
import { ModePlayers } from "./mode-players.ts";
import { MODE_BITS, MODE_MASK, Modes, MODES_MAX, RESERVED_MODE, RESERVED_NAME } from "./modes.ts";
import { ObservedTime } from "./observed-time.ts";
import { NO_SEQ, Partition, type ReportEffect } from "./partition.ts";
import { CELL, hashOfRow, NOWHERE, ROW_WORDS, SEEN, SEQ } from "./presence-table.ts";
import type { ProfileId } from "./profile-id.ts";

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

/** Where a player is, as far as known. */
export interface Presence {
  /** Region number; -1 where the player was removed. */
  readonly region: number;
  /** RESERVED_NAME where it was lost (R28), or the player was removed. */
  readonly mode: string;
  /** The player was heard of at this reading of the clock or later. */
  readonly seenMs: number;
}

/** A player with all that is known of one. */
export interface KnownPlayer extends Presence {
  readonly id: ProfileId;
  /** Newest applied, or NO_SEQ. */
  readonly seq: number;
}

const SWEEP_PAUSE_TENTHS = 10;
const FORGET_PAUSE_TENTHS = 10; // at most one search for forgotten modes a second: it reads every board

export class Engine {
  readonly modes = new Modes();
  readonly partitions: Partition[];
  readonly time: ObservedTime;
  /** Modes that somebody outside still knows by their numbers, which stay theirs as long. Asked for seldom. */
  modesHeld: () => Iterable<number> = () => [];
  /** R13: copies that are being filled apart from the partitions; their modes are counted on no board yet. */
  readonly incoming = new Set<IncomingCopy>();
  private readonly options: EngineOptions;
  /** One of the two. */
  private readonly sums: Boards | ModePlayers;
  private readonly key: HashKey;
  private readonly shift: number;
  private readonly sessionTenths: number;
  /** The partition that the pass has come to; behind the last where it is complete. */
  private sweeping = 0;
  private sweepBeganAt = 0;
  private modesSearchedAt = -FORGET_PAUSE_TENTHS;

  constructor(options: EngineOptions, nowMs: number) {
    const { partitions } = options;
    const isPowerOfTwo = Number.isInteger(Math.log2(partitions));
    if (!isPowerOfTwo || partitions < 2 || partitions > 4096)
      throw new RangeError(`Cannot make Engine: partitions must be a power of two from 2 to 4096, got ${partitions}`);
    this.options = options;
    this.sums = options.hasBoards === false ? new ModePlayers() : new Boards(this.modes.names);
    this.time = new ObservedTime(nowMs);
    this.key = hashKeyOf(options.hashKey);
    this.shift = 32 - Math.log2(partitions);
    this.sessionTenths = Math.ceil(options.sessionMs / 100);
    this.partitions = Array.from({ length: partitions }, () => this.emptyPartition());
  }

  /** The boards of all regions; only where they are kept. */
  get boards(): Boards {
    invariant(this.sums instanceof Boards, "only an engine with boards is asked for them");
    return this.sums;
  }

  /** Tells the boards, where they are kept, what changed, of `cellsMax` cells at the most. */
  settleBoards(cellsMax: number): void {
    if (this.sums instanceof Boards) this.sums.settle(cellsMax);
  }

  /** The keyed hash of an id; its top bits name the partition. */
  hash(id: ProfileId): number {
    return halfSipHash(this.key, id[0], id[1], id[2], id[3]);
  }

  partitionOf(hash: number): number {
    return hash >>> this.shift;
  }

  /**
   * The number of a mode that a client named, known or new.
   * @returns -1 where it is not known and there is no room for another: see MODES_MAX
   */
  admitMode(name: string): number {
    const now = this.time.tenths;
    const known = this.modes.find(name, now);
    if (known >= 0) return known;
    const max = this.options.areModesAgreed === true ? RESERVED_MODE : MODES_MAX;
    if (this.modes.count >= max) this.forgetModes(now);
    return this.modes.count >= max ? -1 : this.modes.intern(name, now);
  }

  /** R28: whether somebody is in a mode of this name, in any partition that is here or on its way. */
  isModeInUse(name: string): boolean {
    const mode = this.modes.peek(name);
    if (mode < 0) return false;
    return !this.sums.isModeEmpty(mode) || [...this.incoming].some(({ modes }) => modes.has(mode));
  }

  /** R28: takes the numbers of these modes back, where nobody is in them and nothing that is still to be told names them. */
  releaseModes(names: ReadonlySet<string>): void {
    this.forgetEmpty(this.time.tenths, (mode) => names.has(this.modes.names[mode] as string));
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

  /** Disconnects a player; false where not connected. */
  remove(hash: number, id: ProfileId): boolean {
    const partition = this.partitions[hash >>> this.shift] as Partition;
    return partition.remove(hash, id[0], id[1], id[2], id[3], this.time.tenths);
  }

  /** Where a player is; `undefined` where nothing is known of one. */
  find(hash: number, id: ProfileId): Presence | undefined {
    const partition = this.partitions[hash >>> this.shift] as Partition;
    const base = partition.findLive(hash, id[0], id[1], id[2], id[3], this.time.tenths);
    if (base < 0) return undefined;
    const cell = partition.cellAt(base);
    const seenMs = this.time.clockMs(partition.seenAt(base));
    if (cell === NOWHERE) return { region: -1, mode: "", seenMs };
    return { region: cell >>> MODE_BITS, mode: this.nameOf(cell & MODE_MASK), seenMs };
  }

  /** Everybody in a partition who is not overdue, removed players too. Nothing may change meanwhile. */
  *players(partition: number): Generator<KnownPlayer> {
    const known = this.partitions[partition] as Partition;
    const { rows } = known.table;
    for (const base of known.liveRows(this.time.tenths)) {
      const [cell, seq] = [rows[base + CELL] as number, (rows[base + SEQ] as number) >>> 0];
      const isRemoved = cell === NOWHERE;
      yield {
        id: rows.slice(base, base + 4) as ProfileId,
        region: isRemoved ? -1 : cell >>> MODE_BITS,
        mode: isRemoved ? "" : this.nameOf(cell & MODE_MASK),
        seenMs: this.time.clockMs(rows[base + SEEN] as number),
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
    const now = this.time.tenths;
    if (this.sweeping === this.partitions.length) {
      if (now - this.sweepBeganAt < SWEEP_PAUSE_TENTHS) return;
      this.sweeping = 0;
      this.sweepBeganAt = now;
    }
    while (this.sweeping < this.partitions.length && budget > 0) {
      budget = (this.partitions[this.sweeping] as Partition).sweep(now, budget);
      if (budget > 0) this.sweeping++;
    }
  }

  /**
   * When what is written now was written, in milliseconds since 1970: ages are counted up to the last look at the clock.
   * @param nowMs the clock that never goes back
   * @param wallMs the same instant, in milliseconds since 1970
   */
  writtenAtMs(nowMs: number, wallMs: number): number {
    return wallMs - (nowMs - this.time.clockMs(this.time.tenths));
  }

  /** Encodes and clears what a partition has for the log. */
  drainLog(partition: number, writtenAtMs: number): Uint8Array {
    const { unlogged } = this.partitions[partition] as Partition;
    const { words, count } = unlogged;
    const message = encodeRows("log", { words, count, ...this.context(writtenAtMs) });
    unlogged.clear();
    return message;
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
      for (const message of messages) this.replay(partition, message, Math.max(0, wallMs - message.writtenAtMs));
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
    const sums = new Map<number, number>();
    for (const partition of this.partitions) {
      partition.assertSound((base) => hashOfRow(this.key, partition.table.rows, base));
      for (const [cell, players] of partition.tally.cells()) sums.set(cell, (sums.get(cell) ?? 0) + players);
    }
    if (this.sums instanceof Boards) assertBoards(this.sums, sums);
    else assertModes(this.sums, sums);
  }

  private replay(partition: number, decoded: DecodedRows, passedMs: number): void {
    const now = this.time.tenths;
    const modes = this.modeNumbers(decoded);
    const target = this.partitions[partition] as Partition;
    const passed = Math.min(Math.ceil(passedMs / 100), SEEN_MAX);
    if (decoded.count > target.table.size) target.table.reserve(decoded.count);
    for (let base = 0; base < decoded.count * ROW_WORDS; base += ROW_WORDS) {
      const { words } = decoded;
      const cell = cellOf(words[base + CELL] as number, decoded.regions, modes);
      const hash = hashOfRow(this.key, words, base);
      if (hash >>> this.shift !== partition)
        throw new RangeError(`Cannot recover partition ${partition}: it holds a player of another one`);
      if (!target.restore(hash, words, base, cell, now - Math.min((words[base + SEEN] as number) + passed, SEEN_MAX)))
        throw new RangeError(`Cannot recover partition ${partition}: more players than there is room for`);
    }
  }

  private nameOf(mode: number): string {
    return mode === RESERVED_MODE ? RESERVED_NAME : (this.modes.names[mode] as string);
  }

  private context(writtenAtMs: number): { modeNames: readonly string[]; now: number; writtenAtMs: number } {
    return { modeNames: this.modes.names, now: this.time.tenths, writtenAtMs };
  }

  private emptyPartition(): Partition {
    const { removalMs, isLogged } = this.options;
    const removalTenths = Math.ceil(removalMs / 100);
    const options = { key: this.key, sessionTenths: this.sessionTenths, removalTenths, isLogged };
    return new Partition(options, this.sums);
  }

  /**
   * Forgets modes that nobody was in for a session's life, so that a mode which empties for a while keeps its place; where
   * a cluster keeps the places (R28), all that nobody is in.
   */
  private forgetModes(now: number): void {
    if (now - this.modesSearchedAt < FORGET_PAUSE_TENTHS) return;
    this.modesSearchedAt = now;
    this.forgetEmpty(this.options.areModesAgreed === true ? now : now - this.sessionTenths);
  }

  /** Forgets the modes not used since `before` in which nobody is. */
  private forgetEmpty(before: number, isWanted: (mode: number) => boolean = () => true): void {
    // A board that has not seen the last player leave would show the number's next name under its present version.
    this.settleBoards(Infinity);
    const waiting = this.modesWaiting();
    this.modes.forget(before, (mode) => isWanted(mode) && !waiting.has(mode) && this.sums.isModeEmpty(mode));
  }

  /** The modes of rows that wait for the log, which will need their names, and those held outside. */
  private modesWaiting(): Set<number> {
    const waiting = new Set(this.modesHeld());
    for (const { modes } of this.incoming) for (const mode of modes) waiting.add(mode);
    for (const { unlogged } of this.partitions)
      for (let row = 0; row < unlogged.count; row++)
        waiting.add((unlogged.words[row * ROW_WORDS + CELL] as number) & MODE_MASK);
    return waiting;
  }

  /**
   * The numbers of the modes a message names; where there is no room, those that nobody is in any more make it. What finds
   * none even so is under the reserved mode from now on.
   */
  modeNumbers({ modes }: DecodedRows): number[] {
    const now = this.time.tenths;
    const intern = (): number[] =>
      modes.map((name) => (name === RESERVED_NAME ? RESERVED_MODE : this.modes.intern(name, now)));
    const numbers = intern();
    if (!numbers.includes(-1)) return numbers;
    this.forgetEmpty(now);
    return intern().map((number) => (number < 0 ? RESERVED_MODE : number));
  }
}

function assertBoards(boards: Boards, sums: ReadonlyMap<number, number>): void {
  for (const [cell, players] of sums)
    invariant(boards.of(cell >>> MODE_BITS).count(cell & MODE_MASK) === players, "a board is the sum of tallies");
  const total = [...sums.values()].reduce((sum, players) => sum + players, 0);
  invariant(total === boards.players, "the sum of all counts is the number of players");
}

function assertModes(modes: ModePlayers, sums: ReadonlyMap<number, number>): void {
  const players = new Int32Array(1 << MODE_BITS);
  for (const [cell, count] of sums) (players[cell & MODE_MASK] as number) += count;
  const isSum = players.every((count, mode) => count === modes.of(mode));
  invariant(isSum, "a mode's players are the sum of tallies");
}

const SEEN_MAX = 2 ** 30; // ages beyond three years are all the same, and no sum with them overflows
