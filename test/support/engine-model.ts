/**
 * The plainest engine: a Map of players, and records as lists. The properties hold the engine against it.
 * Times are tenths of a second of observed time. Players and partitions are numbers, regions and modes names.
 */

export interface ModelPresence {
  /** `undefined` for a player who was removed. */
  place: readonly [region: string, mode: string] | undefined;
  seen: number;
  seq: number;
  /** Sweeps that should have forgotten the player. */
  missedBy: number;
}

/** A row as it was written: how old it was, and when that was. */
interface WrittenRow {
  readonly player: number;
  readonly place: ModelPresence["place"];
  readonly age: number;
  readonly seq: number;
  readonly writtenAtMs: number;
}

export interface ModelOptions {
  readonly sessionTenths: number;
  readonly removalTenths: number;
  readonly graceTenths: number;
  readonly partitionOf: (player: number) => number;
}

export class EngineModel {
  players = new Map<number, ModelPresence>();
  now = 0;
  /** Until when nobody is disconnected for silence, of partitions whose record had anybody in it. */
  private readonly graceUntil = new Map<number, number>();
  private observedMs = 0;
  /** Changes not written yet, and what was written, by partition. */
  private readonly unlogged = new Map<number, { player: number; presence: ModelPresence }[]>();
  private readonly records = new Map<number, WrittenRow[]>();
  private readonly options: ModelOptions;

  constructor(options: ModelOptions) {
    this.options = options;
  }

  /** Who is connected, or removed and remembered. Whoever is overdue is forgotten here. */
  find(player: number): ModelPresence | undefined {
    if (this.isOverdue(player)) this.players.delete(player);
    return this.players.get(player);
  }

  report(player: number, place: readonly [string, string], seq: number | undefined): "changed" | "renewed" | "late" {
    const known = this.find(player);
    if (known === undefined) {
      this.set(player, { place, seen: this.now, seq: seq ?? 0, missedBy: 0 });
      return "changed";
    }
    if (seq !== undefined && seq > 0 && seq <= known.seq) return "late";
    const isChanged = String(known.place) !== String(place);
    const newest = { place, seen: this.now, seq: seq ?? known.seq, missedBy: 0 };
    if (isChanged || newest.seq !== known.seq) this.set(player, newest);
    else this.players.set(player, newest);
    return isChanged ? "changed" : "renewed";
  }

  renew(player: number): boolean {
    const known = this.find(player);
    if (known?.place === undefined) return false;
    known.seen = this.now;
    return true;
  }

  remove(player: number, seq?: number): boolean {
    const known = this.find(player);
    if (known !== undefined && seq !== undefined && known.seq > seq) return false;
    const removed = { place: undefined, seen: this.now, seq: seq ?? known?.seq ?? 0, missedBy: 0 };
    const isRemoved = known !== undefined && known.place === undefined;
    if (!isRemoved || removed.seq !== known.seq) this.set(player, removed);
    return known !== undefined && !isRemoved;
  }

  pass(ms: number): void {
    this.observedMs += Math.min(ms, 1000);
    this.now = Math.floor(this.observedMs / 100);
  }

  isOverdue(player: number): boolean {
    const known = this.players.get(player);
    if (known === undefined) return false;
    const silence = this.now - known.seen;
    if (known.place === undefined) return silence >= this.options.removalTenths;
    return (
      silence >= this.options.sessionTenths && this.now >= (this.graceUntil.get(this.options.partitionOf(player)) ?? 0)
    );
  }

  /** Writes a partition's changes behind its record. */
  drain(partition: number, wallMs: number): void {
    const rows = (this.unlogged.get(partition) ?? []).map(({ player, presence }) =>
      this.written(player, presence, wallMs),
    );
    this.records.set(partition, [...(this.records.get(partition) ?? []), ...rows]);
    this.unlogged.delete(partition);
  }

  /** Replaces a partition's record by its players. */
  snapshot(partition: number, wallMs: number): void {
    const rows = [...this.players]
      .filter(([player]) => this.options.partitionOf(player) === partition)
      .map(([player, presence]) => this.written(player, presence, wallMs));
    this.records.set(partition, rows);
  }

  /** Forgets all but the records, and reads those. */
  restart(wallMs: number): void {
    this.players.clear();
    this.unlogged.clear();
    this.observedMs = 0;
    this.now = 0;
    this.graceUntil.clear();
    for (const [partition, rows] of this.records) {
      if (rows.length > 0) this.graceUntil.set(partition, this.options.graceTenths);
      for (const { player, place, age, seq, writtenAtMs } of rows) {
        const passed = Math.ceil((wallMs - writtenAtMs) / 100);
        this.players.set(player, { place, seen: 0 - age - passed, seq, missedBy: 0 });
      }
    }
  }

  /** Players by mode, for each region with players. */
  boards(): Map<string, Map<string, number>> {
    const boards = new Map<string, Map<string, number>>();
    for (const { place } of this.players.values()) {
      if (place === undefined) continue;
      const [region, mode] = place;
      const board = boards.get(region) ?? new Map<string, number>();
      boards.set(region, board.set(mode, (board.get(mode) ?? 0) + 1));
    }
    return boards;
  }

  private set(player: number, presence: ModelPresence): void {
    this.players.set(player, presence);
    this.log(player, presence);
  }

  private log(player: number, presence: ModelPresence): void {
    const partition = this.options.partitionOf(player);
    this.unlogged.set(partition, [...(this.unlogged.get(partition) ?? []), { player, presence: { ...presence } }]);
  }

  private written(player: number, { place, seen, seq }: ModelPresence, writtenAtMs: number): WrittenRow {
    return { player, place, age: Math.max(0, this.now - seen), seq, writtenAtMs };
  }
}
