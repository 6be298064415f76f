/**
 * What each region owner has been told of the partitions that this node holds, and what it must be told now (R20, R21).
 *
 * Counts travel as absolute numbers. A cell that changed is sent, with every other one that changed, until a message that
 * has it is acknowledged: so any message can be lost, late or repeated, and several may be under way. Versions are
 * numbers of messages, drawn from one counter that never falls while the process lives.
 */
import type { Engine } from "../../engine/engine.ts";
import { MODE_BITS } from "../../engine/modes.ts";
import type { Tallies, TallyEntry } from "./counts-codec.ts";
import { Names } from "../ports/names.ts";

/** What is to be said of a partition that is held here. */
export interface Speech {
  /** Of its claim. */
  readonly term: number;
  /** R26: all its players were silent longer than a session: they are in doubt. */
  readonly isDoubtful: boolean;
  /** R14: false where this node may not speak for it just now; its counts go on, but count as unheard. */
  readonly isLicensed: boolean;
}

/** What one owner of regions has of one partition. */
interface Outbox {
  /** The last version it acknowledged. */
  acknowledged: number;
  /** The number of the last message built when the whole became due; NOT_DUE where it is not. */
  wholeDueAt: number;
  /** Cells that changed, each with the number of the last message that was built before it did. */
  readonly cells: Map<number, number>;
}

interface Destination {
  readonly outboxes: Map<number, Outbox>;
  /** Partitions of which something has not been acknowledged. */
  readonly dirty: Set<number>;
  regions: number;
}

/** One message to one destination. */
export interface Parcel {
  readonly tallies: Tallies;
  readonly destination: Destination;
}

const NOT_DUE = -1;
/** More changed cells than this are sent as a whole. */
const OUTBOX_CELLS_MAX = 4096;
/** Cells a message, but for the partition that exceeds it: some 20 KB, so that rows get through between two. */
const MESSAGE_CELLS_MAX = 4000;
const MODE_MASK = (1 << MODE_BITS) - 1;

export class TallySender {
  private readonly engine: Engine;
  private readonly speaks: (partition: number) => Speech | undefined;
  /** Partitions that are served here, and what may be said of each just now. */
  private readonly held = new Map<number, Speech | undefined>();
  private destinations = new Map<string, Destination>();
  /** By region. */
  private owners: (Destination | undefined)[] = [];
  private messages = 0;

  constructor(engine: Engine, speaks: (partition: number) => Speech | undefined) {
    this.engine = engine;
    this.speaks = speaks;
  }

  /** Partitions that are served here. */
  get partitions(): number[] {
    return [...this.held.keys()];
  }

  /** R21: from now on this node speaks for a partition; every owner of regions will be told all of it. */
  take(partition: number): void {
    this.drop(partition);
    this.held.set(partition, undefined); // until it is looked at, which finds a new term
  }

  drop(partition: number): void {
    this.held.delete(partition);
    for (const { outboxes, dirty } of this.destinations.values()) {
      outboxes.delete(partition);
      dirty.delete(partition);
    }
  }

  /** R21: whoever becomes the owner of a region will be told all; whoever is not listed is forgotten. */
  onView(members: readonly string[], ownerOf: (region: number) => string | undefined, regions: number): void {
    const before = this.owners;
    this.destinations = new Map(members.map((member) => [member, this.destinations.get(member) ?? newDestination()]));
    for (const destination of this.destinations.values()) destination.regions = 0;
    const gaining = new Set<Destination>();
    this.owners = Array.from({ length: regions }, (_, region) => {
      const destination = this.destinations.get(ownerOf(region) ?? "");
      if (destination === undefined) return undefined;
      destination.regions++;
      if (destination !== before[region]) gaining.add(destination);
      return destination;
    });
    for (const destination of this.destinations.values()) {
      if (destination.regions === 0) clear(destination);
      else if (gaining.has(destination)) for (const partition of this.held.keys()) this.owe(destination, partition);
    }
  }

  /** Looks at what changed and at what may be said. To be called right before messages are built, in the same turn. */
  look(): void {
    for (const [partition, before] of this.held) {
      const { tally } = this.engine.partitions[partition];
      if (tally.hasChanges && !tally.drain((cell) => this.note(partition, cell))) this.oweWhole(partition);
      const speech = this.speaks(partition);
      this.held.set(partition, speech);
      if (speech?.term !== before?.term || speech?.isDoubtful !== before?.isDoubtful) this.oweWhole(partition);
    }
  }

  /** Whether there is something that a member has not acknowledged. */
  isDirty(member: string): boolean {
    return (this.destinations.get(member)?.dirty.size ?? 0) > 0;
  }

  /**
   * What a member must be told; `undefined` where it is not listed.
   * @param isBeat R20: states how far all partitions are, not only those that changed
   */
  build(member: string, isBeat: boolean): Parcel | undefined {
    const destination = this.destinations.get(member);
    if (destination === undefined) return undefined;
    const isAll = isBeat && destination.regions > 0;
    return this.parcel(destination, isAll ? this.held.keys() : destination.dirty, false);
  }

  /**
   * R24: what a member is told of partitions because it asks. It may not arrive, so it counts for nothing here.
   * @param partitions those that this node may speak for
   * @param wanted those of which the member needs the whole
   */
  answer(member: string, partitions: readonly number[], wanted: readonly number[]): Tallies {
    const destination = this.destinations.get(member);
    if (destination === undefined || destination.regions === 0) return { modes: [], entries: [] };
    for (const partition of wanted) if (this.held.has(partition)) this.owe(destination, partition);
    return this.parcel(destination, partitions, true).tallies;
  }

  /**
   * A member has taken a message in.
   * @param wanted partitions of which it needs the whole instead
   */
  acknowledge({ destination, tallies }: Parcel, wanted: readonly number[]): void {
    const isWanted = new Set(wanted);
    for (const entry of tallies.entries) {
      const outbox = destination.outboxes.get(entry.partition);
      if (outbox === undefined || this.held.get(entry.partition)?.term !== entry.term) continue;
      if (!isWanted.has(entry.partition)) this.settle(destination, outbox, entry);
      else if (outbox.wholeDueAt === NOT_DUE) this.owe(destination, entry.partition);
    }
  }

  /** Modes that messages to come will name, by the engine's numbers. */
  *modes(): Generator<number> {
    this.look();
    for (const { outboxes } of this.destinations.values())
      for (const { cells } of outboxes.values()) for (const cell of cells.keys()) yield cell & MODE_MASK;
  }

  private parcel(destination: Destination, partitions: Iterable<number>, isConfirmed: boolean): Parcel {
    const to = ++this.messages;
    const modes = new Names();
    const entries: TallyEntry[] = [];
    let room = MESSAGE_CELLS_MAX;
    for (const partition of partitions) {
      const speech = this.held.get(partition);
      const outbox = destination.outboxes.get(partition);
      if (speech === undefined || outbox === undefined) continue;
      const isDirty = destination.dirty.has(partition);
      if (isDirty && room <= 0) continue;
      const { term, isDoubtful } = speech;
      const from = outbox.acknowledged;
      const isWhole = outbox.wholeDueAt !== NOT_DUE;
      const cells = isDirty ? this.cellsOf(partition, destination, outbox, modes) : [];
      const isUnsure = !speech.isLicensed && !isConfirmed;
      entries.push({ partition, term, from, to: isDirty ? to : from, isWhole, isDoubtful, isUnsure, cells });
      room -= cells.length / 3;
    }
    return { destination, tallies: { modes: modes.list, entries } };
  }

  private cellsOf(partition: number, destination: Destination, outbox: Outbox, modes: Names): number[] {
    const { tally } = this.engine.partitions[partition];
    const cells: number[] = [];
    const add = (cell: number, players: number): void => {
      const region = cell >>> MODE_BITS;
      if (this.owners[region] === destination)
        cells.push(region, modes.numberOf(this.engine.modes.names[cell & MODE_MASK]), players);
    };
    if (outbox.wholeDueAt === NOT_DUE) for (const cell of outbox.cells.keys()) add(cell, tally.players(cell));
    else for (const [cell, players] of tally.cells()) add(cell, players);
    return cells;
  }

  private note(partition: number, cell: number): void {
    const destination = this.owners[cell >>> MODE_BITS];
    const outbox = destination?.outboxes.get(partition);
    if (destination === undefined || outbox === undefined) return;
    outbox.cells.set(cell, this.messages);
    destination.dirty.add(partition);
    if (outbox.cells.size > OUTBOX_CELLS_MAX) this.owe(destination, partition);
  }

  private oweWhole(partition: number): void {
    for (const destination of this.destinations.values()) if (destination.regions > 0) this.owe(destination, partition);
  }

  /** The whole of a partition is due. */
  private owe(destination: Destination, partition: number): void {
    const outbox = destination.outboxes.get(partition);
    destination.dirty.add(partition);
    if (outbox === undefined)
      destination.outboxes.set(partition, { acknowledged: 0, wholeDueAt: this.messages, cells: new Map() });
    else {
      outbox.wholeDueAt = this.messages;
      outbox.cells.clear();
    }
  }

  private settle({ dirty }: Destination, outbox: Outbox, { partition, to }: TallyEntry): void {
    outbox.acknowledged = Math.max(outbox.acknowledged, to);
    if (outbox.wholeDueAt < to) outbox.wholeDueAt = NOT_DUE;
    for (const [cell, notedAt] of outbox.cells) if (notedAt < to) outbox.cells.delete(cell);
    if (outbox.cells.size === 0 && outbox.wholeDueAt === NOT_DUE) dirty.delete(partition);
  }
}

function newDestination(): Destination {
  return { outboxes: new Map(), dirty: new Set(), regions: 0 };
}

function clear(destination: Destination): void {
  destination.outboxes.clear();
  destination.dirty.clear();
}
