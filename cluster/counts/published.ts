/**
 * The privacy floor across the cluster: each region's owner decides what is published of it, and every node shows that.
 *
 * Neither what a client sees nor when may depend on a count that is not published. So tables travel with the beats alone,
 * which come every 100 ms whatever changed, and a table is as of the last beat of its owner. Exact counts travel beside them,
 * whenever they change, for operators and for the owner that comes next.
 */
import type { PublishedTable } from "../../engine/published-table.ts";
import { PublishedTables, type WholeCounts } from "../../engine/published-tables.ts";
import { COUNTRIES } from "../../engine/places.ts";
import type { BoardSource } from "./board-publisher.ts";
import { STALE_MS } from "./heard-sources.ts";
import type { BoardState } from "./region-boards.ts";
import { NO_TABLES, type StatedTable, type StatedTables } from "./tables-codec.ts";

/** What is published of a region, as this node knows it. */
export interface PublishedView {
  /** `undefined`: nothing, until the next whole minute. */
  readonly table: PublishedTable | undefined;
  /** It stood then, by this node's clock, or later. */
  readonly asOfMs: number;
  /** True where another may stand by now. */
  readonly isStale: boolean;
}

interface Known {
  readonly table: PublishedTable | undefined;
  /** Whose beats say that it stands; `undefined` where the region has another owner since. */
  owner: string | undefined;
  asOfMs: number;
  /** As the owner said. */
  isStale: boolean;
  /** It is of an owner before, and the present one says nothing yet. */
  readonly isLeft: boolean;
}

export interface OwnedCounts {
  readonly owned: Iterable<number>;
  owns(region: number): boolean;
  /** `undefined` where they are not whole. */
  wholeCounts(region: number): WholeCounts | undefined;
  state(region: number): Pick<BoardState, "term" | "isWhole"> | undefined;
}

/** A region's table as it was when it was last looked at, and how often it was another one. */
interface Seen {
  readonly table: PublishedTable | undefined;
  readonly version: number;
}

export class Published implements BoardSource {
  private readonly floor: number;
  private readonly boards: OwnedCounts;
  private readonly tables: PublishedTables;
  private readonly mine = new Set<number>();
  private readonly seen = new Map<number, Seen>();
  private touched = new Set<number>();
  /** Tables of regions that were owned here last: their new owner may not know them, as one that has just joined. */
  private readonly handedOver = new Map<number, PublishedTable>();
  private ownerOf: (region: number) => string | undefined = () => undefined;
  private readonly known: (Known | undefined)[] = Array.from({ length: COUNTRIES }, () => undefined);
  /** By sender, its last beat that was taken in. */
  private readonly heard = new Map<string, number>();
  /** By reader, what it was told of each region. */
  private told = new Map<string, Map<number, PublishedTable | undefined>>();
  private beat = 0;

  /** @param floor 0: nothing is published, and nothing is held back */
  constructor(floor: number, boards: OwnedCounts) {
    this.floor = floor;
    this.boards = boards;
    this.tables = new PublishedTables(floor, (region) => boards.wholeCounts(region));
  }

  /** To be called after the boards have followed the view. @param isTaken whether any region begins anew */
  onView(members: readonly string[], ownerOf: (region: number) => string | undefined, isTaken: boolean): void {
    this.ownerOf = ownerOf;
    this.told = new Map(members.map((member) => [member, this.told.get(member) ?? new Map()]));
    for (const sender of this.heard.keys()) if (!members.includes(sender)) this.heard.delete(sender);
    for (const [region, known] of this.known.entries())
      if (known !== undefined && known.owner !== ownerOf(region)) known.owner = undefined;
    for (const region of this.mine) if (!this.boards.owns(region)) this.drop(region);
    if (!isTaken) return;
    for (const region of this.boards.owned) {
      const former = this.known[region]?.table;
      const isOlder = former === undefined || former.minute <= (this.tables.of(region)?.minute ?? -1);
      if (this.mine.has(region) && isOlder) continue;
      this.mine.add(region);
      this.handedOver.delete(region);
      // What stands goes on: a new owner shows neither more nor less before the next whole minute.
      this.tables.take(region, former);
    }
  }

  /** To be called some 50 times a second. */
  tick(wallMs: number): void {
    if (this.floor > 0) this.tables.decide(wallMs);
  }

  /** To be called before a beat is built for anybody else. @param me to whom it is told here and now */
  onBeat(me: string, isStale: boolean, nowMs: number): void {
    this.beat++;
    if (this.floor > 0) for (const region of this.mine) this.look(region);
    const tables = this.build(me);
    this.apply(me, tables, isStale, nowMs);
    this.acknowledge(me, tables);
  }

  /** Regions whose table changed since this was last asked for, those that were lost too. */
  takeTouched(): number[] {
    const touched = [...this.touched];
    this.touched.clear();
    return touched;
  }

  owns(region: number): boolean {
    return this.mine.has(region);
  }

  /** For the sorted sets: a version for each table. */
  state(region: number): { term: number; version: number; isWhole: boolean } | undefined {
    const state = this.boards.state(region);
    return state && { term: state.term, isWhole: state.isWhole, version: this.seen.get(region)?.version ?? 0 };
  }

  *playersByMode(region: number): Generator<readonly [mode: string, players: number]> {
    for (const { mode, players } of this.seen.get(region)?.table?.modes ?? []) yield [mode, players];
  }

  /** What a member may not have of the regions that are whole here. */
  build(member: string): StatedTables {
    const told = this.told.get(member);
    if (told === undefined) return NO_TABLES;
    const items: StatedTable[] = [];
    for (const region of this.mine) {
      const table = this.tables.of(region);
      if (told.has(region) && told.get(region) === table) continue;
      if (this.boards.wholeCounts(region) !== undefined) items.push({ region, table });
    }
    for (const [region, table] of this.handedOver) if (this.ownerOf(region) === member) items.push({ region, table });
    return { number: this.beat, items };
  }

  /** A member has taken that in. */
  acknowledge(member: string, { items }: StatedTables): void {
    for (const { region, table } of items)
      if (!this.mine.has(region)) this.handedOver.delete(region);
      else this.told.get(member)?.set(region, table);
  }

  /**
   * Takes in what a beat says, sent under this node's epoch.
   * @param isStale whether its sender's counts may be older than they should be
   * @param asOfMs when it was so, at the latest, by this node's clock
   */
  apply(owner: string, { number, items }: StatedTables, isStale: boolean, asOfMs: number): void {
    if (number <= (this.heard.get(owner) ?? 0)) return; // a later one has come, with all that this one says
    this.heard.set(owner, number);
    for (const { region, table } of items) {
      const isOwner = this.ownerOf(region) === owner;
      if (!isOwner && table !== undefined) this.tables.learn(region, table);
      if (isOwner) this.known[region] = { ...this.standing(region, table), owner, asOfMs, isStale };
    }
    for (const known of this.known) {
      if (known?.owner !== owner) continue;
      known.asOfMs = Math.max(known.asOfMs, asOfMs);
      known.isStale = isStale;
    }
  }

  /** Regions whose owner has another floor than this node, which an operator should know. */
  get regionsOfOtherFloor(): number {
    return this.known.filter((known) => known?.table !== undefined && known.table.floor !== this.floor).length;
  }

  /** Every region's owner has said what it publishes. */
  get knowsAllRegions(): boolean {
    return !this.known.includes(undefined);
  }

  /** A table with a lower floor than this node's is not shown. */
  of(region: number, nowMs: number): PublishedView {
    const known = this.known[region];
    if (known === undefined) return { table: undefined, asOfMs: nowMs, isStale: true };
    const { table, asOfMs, isLeft } = known;
    const isShown = table !== undefined && table.floor >= this.floor;
    const isStale = known.isStale || isLeft || nowMs - asOfMs > STALE_MS;
    return { table: isShown ? table : undefined, asOfMs, isStale };
  }

  /** An owner that knows of nothing yet takes nothing back: what stands is shown until it says more, and marked. */
  private standing(region: number, table: PublishedTable | undefined): Pick<Known, "table" | "isLeft"> {
    const left = this.known[region]?.table;
    return table === undefined && left !== undefined ? { table: left, isLeft: true } : { table, isLeft: false };
  }

  private look(region: number): void {
    this.tables.follow(region);
    const [table, seen] = [this.tables.of(region), this.seen.get(region)];
    if (seen !== undefined && seen.table === table) return;
    this.seen.set(region, { table, version: (seen?.version ?? 0) + 1 });
    this.touched.add(region);
  }

  private drop(region: number): void {
    const table = this.tables.of(region);
    if (table !== undefined) this.handedOver.set(region, table);
    this.mine.delete(region);
    this.tables.drop(region);
    this.seen.delete(region);
    this.touched.add(region);
    for (const told of this.told.values()) told.delete(region);
  }
}
