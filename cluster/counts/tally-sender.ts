/**
 * What each owner of boards has been told of the sources that this node holds, and what it must be told now (R20, R21):
 * owners of countries of its partitions, owners of areas of its countries (R31).
 *
 * Counts travel as absolute numbers. A cell that changed is sent, with every other one that changed, until a message that
 * has it is acknowledged: so any message can be lost, late or repeated, and several may be under way. Versions are
 * numbers of messages, drawn from one counter that never falls while the process lives.
 *
 * What this node speaks for is one statement, the same for all: a list of its sources with term and marks. Who has
 * taken the list in is told only its number (R20).
 */
import { COUNTRIES, countryOf } from "../../engine/places.ts";
import { Names } from "../ports/names.ts";
import type { CountSources } from "./count-sources.ts";
import { NO_TALLIES } from "./counts-codec.ts";
import type { StatedTally, Tallies } from "./counts-messages.ts";
import type { TallyNeeds } from "./heard-sources.ts";
import { type Sums, targetsOf } from "./sums.ts";

/** What is to be said of a source that is held here. */
export interface Speech {
  /** Of a partition's claim, or a country's board. */
  readonly term: number;
  /** Players of it are in doubt (R26), or missing. */
  readonly isDoubtful: boolean;
  /** R14: false where this node may not speak for it just now; its counts go on, but count as unheard. */
  readonly isLicensed: boolean;
}

export interface TallyPorts {
  /** Of a source that is held here; else `undefined`. */
  speaks(source: number): Speech | undefined;
  /** R21: partitions of this node whose record cannot be read. */
  unreadable(): Iterable<number>;
  /** R31: whether all that is said may be older than it should be. */
  isStale(): boolean;
}

/** What one owner of boards has of one source. Cells as the sources name them. */
interface Outbox<Cell> {
  /** The last version it acknowledged. */
  acknowledged: number;
  /** The number of the last message built when all cells became due; NOT_DUE where they are not. */
  allDueAt: number;
  /** Cells that changed, each with the number of the last message that was built before it did. */
  readonly cells: Map<Cell, number>;
}

interface Destination<Cell> {
  readonly outboxes: Map<number, Outbox<Cell>>;
  /** Sources of which something has not been acknowledged. */
  readonly dirty: Set<number>;
  /** How many boards it owns. */
  targets: number;
  /** The last list that it has taken in. */
  statement: number;
}

/** One message to one destination. */
export interface Parcel<Cell = unknown> {
  readonly tallies: Tallies;
  readonly destination: Destination<Cell>;
  /** Sources were left out for want of room. */
  readonly isCut: boolean;
}

const NOT_DUE = -1;
/** Of more changed cells than this, all cells are sent. */
const OUTBOX_CELLS_MAX = 4096;
/** Cells a message, but for the source that exceeds it: some 20 KB, so that rows get through between two. */
const MESSAGE_CELLS_MAX = 4000;

export class TallySender<Cell> {
  private readonly sums: Sums;
  private readonly sources: CountSources<Cell>;
  private readonly ports: TallyPorts;
  /** Sources that are held here, and what may be said of each just now. */
  private readonly held = new Map<number, Speech | undefined>();
  private unreadable: readonly number[] = [];
  private destinations = new Map<string, Destination<Cell>>();
  /** The owner of each board. */
  private owners: (Destination<Cell> | undefined)[] = [];
  /** By country: the owners of the boards that count who is there, each once. */
  private routes: (readonly Destination<Cell>[])[] = [];
  private messages = 0;
  /** The number of what `held` and `unreadable` say. */
  private statement = 1;

  constructor(sums: Sums, sources: CountSources<Cell>, ports: TallyPorts) {
    this.sums = sums;
    this.sources = sources;
    this.ports = ports;
  }

  /** Sources that are held here. */
  get holding(): number[] {
    return [...this.held.keys()];
  }

  holds(source: number): boolean {
    return this.held.has(source);
  }

  /** R21: from now on this node speaks for a source; every owner of boards will be told all of it. */
  take(source: number): void {
    this.drop(source);
    this.held.set(source, undefined); // until it is looked at, which finds a new term
  }

  drop(source: number): void {
    this.statement++;
    this.held.delete(source);
    for (const { outboxes, dirty } of this.destinations.values()) {
      outboxes.delete(source);
      dirty.delete(source);
    }
  }

  /** R21: whoever becomes the owner of a board will be told all; whoever is not listed is forgotten. */
  onView(members: readonly string[], ownerOf: (target: number) => string | undefined): void {
    const { sums, owners: before } = this;
    this.destinations = new Map(members.map((member) => [member, this.destinations.get(member) ?? newDestination()]));
    for (const destination of this.destinations.values()) destination.targets = 0;
    const gaining = new Set<Destination<Cell>>();
    this.owners = targetsOf(sums).map((target, slot) => {
      const destination = this.destinations.get(ownerOf(target) ?? "");
      if (destination === undefined) return undefined;
      destination.targets++;
      if (destination !== before[slot]) gaining.add(destination);
      return destination;
    });
    this.routes = Array.from({ length: COUNTRIES }, (_, country) => this.routeOf(country));
    for (const destination of this.destinations.values()) {
      if (destination.targets === 0) clear(destination);
      else if (gaining.has(destination)) for (const source of this.held.keys()) this.owe(destination, source);
    }
  }

  /** Looks at what was taken and which cells changed. To be called right before messages are built, in the same turn. */
  look(): void {
    for (const [source, speech] of this.held) {
      if (speech === undefined) this.speechOf(source);
      if (!this.sources.drain(source, (cell) => this.note(source, cell))) this.oweAll(source);
    }
  }

  /** R20: looks at what may be said of all sources. To be called right before a beat is built, in the same turn. */
  restate(): void {
    for (const source of this.held.keys()) this.speechOf(source);
    const unreadable = [...this.ports.unreadable()].filter((source) => !this.held.has(source));
    if (unreadable.join() !== this.unreadable.join()) this.statement++;
    this.unreadable = unreadable;
  }

  /** Whether there is something that a member has not acknowledged. */
  isDirty(member: string): boolean {
    return (this.destinations.get(member)?.dirty.size ?? 0) > 0;
  }

  /** Whether a member must be told something at each beat. */
  isOwed(member: string): boolean {
    return (this.destinations.get(member)?.targets ?? 0) > 0 && this.held.size + this.unreadable.length > 0;
  }

  /**
   * What a member must be told; `undefined` where it is not listed.
   * @param isBeat R20: states how far all sources are, not only those that changed
   */
  build(member: string, isBeat: boolean): Parcel<Cell> | undefined {
    const destination = this.destinations.get(member);
    if (destination === undefined) return undefined;
    if (!isBeat || destination.targets === 0) return this.parcel(destination, destination.dirty);
    return this.stated(destination, destination.statement);
  }

  /**
   * R24: what a member is told because it asks. It may not arrive, so it counts for nothing here.
   * @param proven sources for which this node may speak
   * @param wanted those of which the member needs all cells
   * @param statement the last list that the member knows
   */
  answer(
    member: string,
    proven: readonly number[],
    wanted: readonly number[],
    statement: number,
  ): Parcel<Cell> | undefined {
    const destination = this.destinations.get(member);
    if (destination === undefined || destination.targets === 0) return undefined;
    for (const source of wanted) if (this.held.has(source)) this.owe(destination, source);
    const isUnlicensed = (speech: Speech | undefined): boolean => speech?.isLicensed === false;
    const isAll = proven.length === this.held.size && ![...this.held.values()].some(isUnlicensed); // R14
    return isAll ? this.stated(destination, statement) : this.parcel(destination, proven, new Set(proven));
  }

  /** A member has taken a message in, but for what it needs. */
  acknowledge({ destination, tallies }: Parcel<Cell>, { sources, needsList }: TallyNeeds): void {
    const { statement, isList, items } = tallies;
    const isWanted = new Set(sources);
    for (const stated of items) {
      const outbox = destination.outboxes.get(stated.source);
      if (outbox === undefined || this.held.get(stated.source)?.term !== stated.term) continue;
      if (!isWanted.has(stated.source)) this.acknowledgeOne(destination, outbox, stated);
      else if (outbox.allDueAt === NOT_DUE) this.owe(destination, stated.source);
    }
    if (isList && sources.length === 0) destination.statement = Math.max(destination.statement, statement);
    if (needsList && destination.statement === statement) destination.statement = 0;
  }

  /** Cells that messages to come will name. */
  *cells(): Generator<Cell> {
    this.look();
    for (const { outboxes } of this.destinations.values())
      for (const { cells } of outboxes.values()) yield* cells.keys();
  }

  private routeOf(country: number): readonly Destination<Cell>[] {
    const { firstTarget } = this.sums;
    const owners = this.sums.targetsOf(country).map((target) => this.owners[target - firstTarget]);
    return [...new Set(owners)].filter((owner) => owner !== undefined);
  }

  /** What may be said of a source just now; a change of it is a change of the statement. */
  private speechOf(source: number): Speech | undefined {
    const before = this.held.get(source);
    const speech = this.ports.speaks(source);
    if (speech?.term !== before?.term || speech?.isDoubtful !== before?.isDoubtful) this.oweAll(source);
    else if (speech?.isLicensed === before?.isLicensed) return speech;
    this.statement++;
    this.held.set(source, speech);
    return speech;
  }

  /** R20: how far all sources are, in one number where the destination knows what it stands for. */
  private stated(destination: Destination<Cell>, known: number): Parcel<Cell> {
    const changes = known === this.statement ? this.parcel(destination, destination.dirty) : undefined;
    if (changes?.isCut === false) return { ...changes, tallies: { ...changes.tallies, statement: this.statement } };
    const all = this.parcel(destination, this.held.keys());
    if (all.isCut) return all; // as many as fit, and no statement: what is left out counts as unheard
    const items = [...all.tallies.items, ...this.unreadable.map(unreadableTally)];
    return { ...all, tallies: { ...all.tallies, statement: this.statement, isList: true, items } };
  }

  private parcel(destination: Destination<Cell>, sources: Iterable<number>, isProven = NONE): Parcel<Cell> {
    const version = ++this.messages;
    const modes = new Names();
    const items: StatedTally[] = [];
    let [room, isCut] = [MESSAGE_CELLS_MAX, false];
    for (const source of sources) {
      const speech = this.speechOf(source);
      const outbox = destination.outboxes.get(source);
      if (speech === undefined || outbox === undefined) continue;
      const isDirty = destination.dirty.has(source);
      isCut ||= isDirty && room <= 0;
      if (isDirty && room <= 0) continue;
      const { term, isDoubtful, isLicensed } = speech;
      const cells = isDirty ? this.cellsOf(source, destination, outbox, modes) : [];
      items.push({
        source,
        term,
        version: isDirty ? version : outbox.acknowledged,
        isAllCells: outbox.allDueAt !== NOT_DUE,
        isDoubtful,
        isUnsure: !isLicensed && !isProven.has(source),
        isUnreadable: false,
        cells,
      });
      room -= cells.length / 3;
    }
    const isStale = this.ports.isStale();
    return { destination, tallies: { ...NO_TALLIES, isStale, modes: modes.list, items }, isCut };
  }

  private cellsOf(source: number, destination: Destination<Cell>, outbox: Outbox<Cell>, modes: Names): number[] {
    const { sources } = this;
    const cells: number[] = [];
    const add = (cell: Cell, players: number): void => {
      const region = sources.regionOf(source, cell);
      if (this.routeTo(region).includes(destination)) cells.push(region, modes.numberOf(sources.modeOf(cell)), players);
    };
    if (outbox.allDueAt === NOT_DUE) for (const cell of outbox.cells.keys()) add(cell, sources.players(source, cell));
    else for (const [cell, players] of sources.cells(source)) add(cell, players);
    return cells;
  }

  private routeTo(region: number): readonly Destination<Cell>[] {
    return this.routes[countryOf(region)] ?? [];
  }

  private note(source: number, cell: Cell): void {
    for (const destination of this.routeTo(this.sources.regionOf(source, cell))) {
      const outbox = destination.outboxes.get(source);
      if (outbox === undefined) continue;
      outbox.cells.set(cell, this.messages);
      destination.dirty.add(source);
      if (outbox.cells.size > OUTBOX_CELLS_MAX) this.owe(destination, source);
    }
  }

  private oweAll(source: number): void {
    for (const destination of this.destinations.values()) if (destination.targets > 0) this.owe(destination, source);
  }

  /** All cells of a source are due. */
  private owe(destination: Destination<Cell>, source: number): void {
    const outbox = destination.outboxes.get(source);
    destination.dirty.add(source);
    if (outbox === undefined)
      destination.outboxes.set(source, { acknowledged: 0, allDueAt: this.messages, cells: new Map() });
    else {
      outbox.allDueAt = this.messages;
      outbox.cells.clear();
    }
  }

  private acknowledgeOne({ dirty }: Destination<Cell>, outbox: Outbox<Cell>, { source, version }: StatedTally): void {
    outbox.acknowledged = Math.max(outbox.acknowledged, version);
    if (outbox.allDueAt < version) outbox.allDueAt = NOT_DUE;
    for (const [cell, notedAt] of outbox.cells) if (notedAt < version) outbox.cells.delete(cell);
    if (outbox.cells.size === 0 && outbox.allDueAt === NOT_DUE) dirty.delete(source);
  }
}

const NONE: ReadonlySet<number> = new Set();

function unreadableTally(source: number): StatedTally {
  return {
    source,
    term: 0,
    version: 0,
    isAllCells: false,
    isDoubtful: false,
    isUnsure: false,
    isUnreadable: true,
    cells: [],
  };
}

function newDestination<Cell>(): Destination<Cell> {
  return { outboxes: new Map(), dirty: new Set(), targets: 0, statement: 0 };
}

function clear<Cell>(destination: Destination<Cell>): void {
  destination.outboxes.clear();
  destination.dirty.clear();
  destination.statement = 0;
}
