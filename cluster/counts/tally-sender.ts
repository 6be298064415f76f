/**
 * What each region owner has been told of the partitions that this node holds, and what it must be told now (R20, R21).
 *
 * Counts travel as absolute numbers. A cell that changed is sent, with every other one that changed, until a message that
 * has it is acknowledged: so any message can be lost, late or repeated, and several may be under way. Versions are
 * numbers of messages, drawn from one counter that never falls while the process lives.
 *
 * What this node speaks for is one statement, the same for all: a list of its partitions with term and marks. Who has
 * taken the list in is told only its number (R20).
 */
import type { Engine } from "../../engine/engine.ts";
import { MODE_BITS } from "../../engine/modes.ts";
import type { Partition } from "../../engine/partition.ts";
import { countryOf } from "../../engine/places.ts";
import { Names } from "../ports/names.ts";
import { NO_TALLIES, type StatedTally, type Tallies } from "./counts-codec.ts";
import type { TallyNeeds } from "./region-boards.ts";

/** What is to be said of a partition that is held here. */
export interface Speech {
  /** Of its claim. */
  readonly term: number;
  /** R26: all its players were silent longer than a session: they are in doubt. */
  readonly isDoubtful: boolean;
  /** R14: false where this node may not speak for it just now; its counts go on, but count as unheard. */
  readonly isLicensed: boolean;
}

export interface TallyPorts {
  /** Of a partition that is held here; else `undefined`. */
  speaks(partition: number): Speech | undefined;
  /** R21: partitions of this node whose record cannot be read. */
  unreadable(): Iterable<number>;
}

/** What one owner of regions has of one partition. */
interface Outbox {
  /** The last version it acknowledged. */
  acknowledged: number;
  /** The number of the last message built when all cells became due; NOT_DUE where they are not. */
  allDueAt: number;
  /** Cells that changed, each with the number of the last message that was built before it did. */
  readonly cells: Map<number, number>;
}

interface Destination {
  readonly outboxes: Map<number, Outbox>;
  /** Partitions of which something has not been acknowledged. */
  readonly dirty: Set<number>;
  regions: number;
  /** The last list that it has taken in. */
  statement: number;
}

/** One message to one destination. */
export interface Parcel {
  readonly tallies: Tallies;
  readonly destination: Destination;
  /** Partitions were left out for want of room. */
  readonly isCut: boolean;
}

const NOT_DUE = -1;
/** Of more changed cells than this, all cells are sent. */
const OUTBOX_CELLS_MAX = 4096;
/** Cells a message, but for the partition that exceeds it: some 20 KB, so that rows get through between two. */
const MESSAGE_CELLS_MAX = 4000;
const MODE_MASK = (1 << MODE_BITS) - 1;

export class TallySender {
  private readonly engine: Engine;
  private readonly ports: TallyPorts;
  /** Partitions that are served here, and what may be said of each just now. */
  private readonly held = new Map<number, Speech | undefined>();
  private unreadable: readonly number[] = [];
  private destinations = new Map<string, Destination>();
  /** By country. */
  private owners: (Destination | undefined)[] = [];
  private messages = 0;
  /** The number of what `held` and `unreadable` say. */
  private statement = 1;

  constructor(engine: Engine, ports: TallyPorts) {
    this.engine = engine;
    this.ports = ports;
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
    this.statement++;
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

  /** Looks at what was taken and which cells changed. To be called right before messages are built, in the same turn. */
  look(): void {
    for (const [partition, speech] of this.held) {
      if (speech === undefined) this.speechOf(partition);
      const { tally } = this.engine.partitions[partition] as Partition;
      if (tally.hasChanges && !tally.drain((cell) => this.note(partition, cell))) this.oweAll(partition);
    }
  }

  /** R20: looks at what may be said of all partitions. To be called right before a beat is built, in the same turn. */
  restate(): void {
    for (const partition of this.held.keys()) this.speechOf(partition);
    const unreadable = [...this.ports.unreadable()].filter((partition) => !this.held.has(partition));
    if (unreadable.join() !== this.unreadable.join()) this.statement++;
    this.unreadable = unreadable;
  }

  /** Whether there is something that a member has not acknowledged. */
  isDirty(member: string): boolean {
    return (this.destinations.get(member)?.dirty.size ?? 0) > 0;
  }

  /** Whether a member must be told something at each beat. */
  isOwed(member: string): boolean {
    return (this.destinations.get(member)?.regions ?? 0) > 0 && this.held.size + this.unreadable.length > 0;
  }

  /**
   * What a member must be told; `undefined` where it is not listed.
   * @param isBeat R20: states how far all partitions are, not only those that changed
   */
  build(member: string, isBeat: boolean): Parcel | undefined {
    const destination = this.destinations.get(member);
    if (destination === undefined) return undefined;
    if (!isBeat || destination.regions === 0) return this.parcel(destination, destination.dirty);
    return this.stated(destination, destination.statement);
  }

  /**
   * R24: what a member is told because it asks. It may not arrive, so it counts for nothing here.
   * @param proven partitions for which this node may speak
   * @param wanted those of which the member needs all cells
   * @param statement the last list that the member knows
   */
  answer(member: string, proven: readonly number[], wanted: readonly number[], statement: number): Parcel | undefined {
    const destination = this.destinations.get(member);
    if (destination === undefined || destination.regions === 0) return undefined;
    for (const partition of wanted) if (this.held.has(partition)) this.owe(destination, partition);
    const isAll = proven.length === this.held.size && this.isAllLicensed;
    return isAll ? this.stated(destination, statement) : this.parcel(destination, proven, new Set(proven));
  }

  /** A member has taken a message in, but for what it needs. */
  acknowledge({ destination, tallies }: Parcel, { partitions, needsList }: TallyNeeds): void {
    const { statement, isList, items } = tallies;
    const isWanted = new Set(partitions);
    for (const stated of items) {
      const outbox = destination.outboxes.get(stated.partition);
      if (outbox === undefined || this.held.get(stated.partition)?.term !== stated.term) continue;
      if (!isWanted.has(stated.partition)) this.acknowledgeOne(destination, outbox, stated);
      else if (outbox.allDueAt === NOT_DUE) this.owe(destination, stated.partition);
    }
    if (isList && partitions.length === 0) destination.statement = Math.max(destination.statement, statement);
    if (needsList && destination.statement === statement) destination.statement = 0;
  }

  /** Modes that messages to come will name, by the engine's numbers. */
  *modes(): Generator<number> {
    this.look();
    for (const { outboxes } of this.destinations.values())
      for (const { cells } of outboxes.values()) for (const cell of cells.keys()) yield cell & MODE_MASK;
  }

  /** R14: nothing is served here that this node may not speak for without a proof. */
  private get isAllLicensed(): boolean {
    return ![...this.held.values()].some((speech) => speech?.isLicensed === false);
  }

  /** What may be said of a partition just now; a change of it is a change of the statement. */
  private speechOf(partition: number): Speech | undefined {
    const before = this.held.get(partition);
    const speech = this.ports.speaks(partition);
    if (speech?.term !== before?.term || speech?.isDoubtful !== before?.isDoubtful) this.oweAll(partition);
    else if (speech?.isLicensed === before?.isLicensed) return speech;
    this.statement++;
    this.held.set(partition, speech);
    return speech;
  }

  /** R20: how far all partitions are, in one number where the destination knows what it stands for. */
  private stated(destination: Destination, known: number): Parcel {
    const changes = known === this.statement ? this.parcel(destination, destination.dirty) : undefined;
    if (changes?.isCut === false) return { ...changes, tallies: { ...changes.tallies, statement: this.statement } };
    const all = this.parcel(destination, this.held.keys());
    if (all.isCut) return all; // as many as fit, and no statement: what is left out counts as unheard
    const items = [...all.tallies.items, ...this.unreadable.map(unreadableTally)];
    return { ...all, tallies: { ...all.tallies, statement: this.statement, isList: true, items } };
  }

  private parcel(destination: Destination, partitions: Iterable<number>, isProven = NONE): Parcel {
    const version = ++this.messages;
    const modes = new Names();
    const items: StatedTally[] = [];
    let [room, isCut] = [MESSAGE_CELLS_MAX, false];
    for (const partition of partitions) {
      const speech = this.speechOf(partition);
      const outbox = destination.outboxes.get(partition);
      if (speech === undefined || outbox === undefined) continue;
      const isDirty = destination.dirty.has(partition);
      isCut ||= isDirty && room <= 0;
      if (isDirty && room <= 0) continue;
      const { term, isDoubtful, isLicensed } = speech;
      const cells = isDirty ? this.cellsOf(partition, destination, outbox, modes) : [];
      items.push({
        partition,
        term,
        version: isDirty ? version : outbox.acknowledged,
        isAllCells: outbox.allDueAt !== NOT_DUE,
        isDoubtful,
        isUnsure: !isLicensed && !isProven.has(partition),
        isUnreadable: false,
        cells,
      });
      room -= cells.length / 3;
    }
    return { destination, tallies: { ...NO_TALLIES, modes: modes.list, items }, isCut };
  }

  private cellsOf(partition: number, destination: Destination, outbox: Outbox, modes: Names): number[] {
    const { tally } = this.engine.partitions[partition] as Partition;
    const cells: number[] = [];
    const add = (cell: number, players: number): void => {
      const region = cell >>> MODE_BITS;
      if (this.owners[countryOf(region)] === destination)
        cells.push(region, modes.numberOf(this.engine.modes.names[cell & MODE_MASK] as string), players);
    };
    if (outbox.allDueAt === NOT_DUE) for (const cell of outbox.cells.keys()) add(cell, tally.players(cell));
    else for (const [cell, players] of tally.cells()) add(cell, players);
    return cells;
  }

  private note(partition: number, cell: number): void {
    const destination = this.owners[countryOf(cell >>> MODE_BITS)];
    const outbox = destination?.outboxes.get(partition);
    if (destination === undefined || outbox === undefined) return;
    outbox.cells.set(cell, this.messages);
    destination.dirty.add(partition);
    if (outbox.cells.size > OUTBOX_CELLS_MAX) this.owe(destination, partition);
  }

  private oweAll(partition: number): void {
    for (const destination of this.destinations.values()) if (destination.regions > 0) this.owe(destination, partition);
  }

  /** All cells of a partition are due. */
  private owe(destination: Destination, partition: number): void {
    const outbox = destination.outboxes.get(partition);
    destination.dirty.add(partition);
    if (outbox === undefined)
      destination.outboxes.set(partition, { acknowledged: 0, allDueAt: this.messages, cells: new Map() });
    else {
      outbox.allDueAt = this.messages;
      outbox.cells.clear();
    }
  }

  private acknowledgeOne({ dirty }: Destination, outbox: Outbox, { partition, version }: StatedTally): void {
    outbox.acknowledged = Math.max(outbox.acknowledged, version);
    if (outbox.allDueAt < version) outbox.allDueAt = NOT_DUE;
    for (const [cell, notedAt] of outbox.cells) if (notedAt < version) outbox.cells.delete(cell);
    if (outbox.cells.size === 0 && outbox.allDueAt === NOT_DUE) dirty.delete(partition);
  }
}

const NONE: ReadonlySet<number> = new Set();

function unreadableTally(partition: number): StatedTally {
  return {
    partition,
    term: 0,
    version: 0,
    isAllCells: false,
    isDoubtful: false,
    isUnsure: false,
    isUnreadable: true,
    cells: [],
  };
}

function newDestination(): Destination {
  return { outboxes: new Map(), dirty: new Set(), regions: 0, statement: 0 };
}

function clear(destination: Destination): void {
  destination.outboxes.clear();
  destination.dirty.clear();
  destination.statement = 0;
}
