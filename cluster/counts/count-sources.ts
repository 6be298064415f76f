/** Where a level's sources keep their counts: partitions in the engine, countries on the boards of this node. */
import type { Engine } from "../../engine/engine.ts";
import { MODE_BITS, MODE_MASK } from "../../engine/modes.ts";
import type { Partition } from "../../engine/partition.ts";
import type { RegionBoards } from "./region-boards.ts";

/** @typeParam Cell how a source names one of its counts; compared by value */
export interface CountSources<Cell> {
  /**
   * Hands over each cell of a source that changed since the last call, perhaps more than once.
   * @returns false where that is not known: any cell may have changed
   */
  drain(source: number, see: (cell: Cell) => void): boolean;
  /** Every cell with players in it, in no order. */
  cells(source: number): Iterable<readonly [cell: Cell, players: number]>;
  players(source: number, cell: Cell): number;
  regionOf(source: number, cell: Cell): number;
  modeOf(cell: Cell): string;
}

/** Partitions' players: a cell is region << MODE_BITS | mode. */
export class PartitionCounts implements CountSources<number> {
  private readonly engine: Engine;

  constructor(engine: Engine) {
    this.engine = engine;
  }

  drain(partition: number, see: (cell: number) => void): boolean {
    const { tally } = this.partition(partition);
    return !tally.hasChanges || tally.drain(see);
  }

  cells(partition: number): Iterable<readonly [cell: number, players: number]> {
    return this.partition(partition).tally.cells();
  }

  players(partition: number, cell: number): number {
    return this.partition(partition).tally.players(cell);
  }

  regionOf(_partition: number, cell: number): number {
    return cell >>> MODE_BITS;
  }

  modeOf(cell: number): string {
    return this.engine.modes.names[cell & MODE_MASK] as string;
  }

  private partition(partition: number): Partition {
    return this.engine.partitions[partition] as Partition;
  }
}

/** The boards of countries: a cell is a mode, by its name, since numbers of boards get other names. */
export class CountryCounts implements CountSources<string> {
  private readonly boards: RegionBoards;
  private readonly changed = new Map<number, Set<string>>();

  constructor(boards: RegionBoards) {
    this.boards = boards;
  }

  /** A count of a country changed. */
  note(country: number, mode: string): void {
    const modes = this.changed.get(country);
    if (modes === undefined) this.changed.set(country, new Set([mode]));
    else modes.add(mode);
  }

  /** Nobody will ask for a country's changes. */
  forget(country: number): void {
    this.changed.delete(country);
  }

  drain(country: number, see: (mode: string) => void): boolean {
    for (const mode of this.changed.get(country) ?? []) see(mode);
    this.changed.delete(country);
    return true;
  }

  cells(country: number): Iterable<readonly [mode: string, players: number]> {
    return this.boards.playersByMode(country);
  }

  players(country: number, mode: string): number {
    return this.boards.players(country, mode);
  }

  regionOf(country: number): number {
    return country;
  }

  modeOf(mode: string): string {
    return mode;
  }
}
