/**
 * R16, R23: which boards of this node are due for the sorted sets in the store, for people and dashboards.
 *
 * Publishing must not slow the store down for anything else. So one call is under way at a time, a region's comes at most
 * once a second and names only the modes that changed, and none goes while some partition is ahead of its record.
 */
import { StoreUnavailableError } from "../ports/record-store.ts";
import type { PublishAnswer, PublishedBoard } from "../ports/shared-store.ts";

/** What is published: the boards, or with a privacy floor what may be shown of them. */
export interface BoardSource {
  owns(region: number): boolean;
  state(region: number): { readonly term: number; readonly version: number; readonly isWhole: boolean } | undefined;
  playersByMode(region: number): Iterable<readonly [mode: string, players: number]>;
}

export interface PublisherPorts {
  /** A clock that never goes back. */
  nowMs(): number;
  /** False while the store has more important things to do. */
  mayPublish(): boolean;
  /** Rejects where nobody knows whether it landed. */
  publish(region: number, board: PublishedBoard): Promise<PublishAnswer>;
}

/** One region comes at most so often. */
const PUBLISH_EVERY_MS = 1000;
/** Published again although nothing changed: the store may have lost it. */
const AGAIN_MS = 10_000;
/** Pause after a call that failed. */
const RETRY_MS = 1000;

/** What the store has of a region. */
interface Published {
  readonly term: number;
  readonly version: number;
  readonly atMs: number;
  /** `undefined` where the store has something else: all of the board must be sent. */
  readonly players: ReadonlyMap<string, number> | undefined;
}

export class BoardPublisher {
  /** Calls of which nobody knows what became. */
  failures = 0;
  private readonly boards: BoardSource;
  private readonly ports: PublisherPorts;
  /** Regions whose board may have changed since it was published, the one that waits longest first. */
  private readonly due = new Set<number>();
  /** The one published longest ago first. */
  private readonly published = new Map<number, Published>();
  private isCalling = false;
  private pausedUntilMs = -Infinity;

  constructor(boards: BoardSource, ports: PublisherPorts) {
    this.boards = boards;
    this.ports = ports;
  }

  /** Notes regions whose boards may have changed. */
  note(regions: readonly number[]): void {
    for (const region of regions) {
      if (this.boards.owns(region)) this.due.add(region);
      else this.forget(region);
    }
  }

  /** To be called every 100 ms. */
  tick(): void {
    if (!this.isCalling) void this.publishNext();
  }

  private forget(region: number): void {
    this.due.delete(region);
    this.published.delete(region);
  }

  private async publishNext(): Promise<void> {
    this.isCalling = true;
    for (let region = this.next(); region !== undefined; region = this.next()) await this.publish(region);
    this.isCalling = false;
  }

  private next(): number | undefined {
    const nowMs = this.ports.nowMs();
    if (nowMs < this.pausedUntilMs || !this.ports.mayPublish()) return undefined;
    for (const region of this.due) {
      const atMs = this.published.get(region)?.atMs ?? -Infinity;
      if (nowMs - atMs >= PUBLISH_EVERY_MS && this.boards.state(region)?.isWhole) return region;
    }
    for (const [region, { atMs }] of this.published) {
      if (nowMs - atMs < AGAIN_MS) break;
      if (this.boards.state(region)?.isWhole) return region;
    }
    return undefined;
  }

  private async publish(region: number): Promise<void> {
    const { term, version } = this.boards.state(region)!;
    const [players, before] = [new Map(this.boards.playersByMode(region)), this.published.get(region)];
    const board = changeOf(before, { term, version, players });
    this.due.delete(region);
    try {
      const answer = await this.ports.publish(region, board);
      if (!this.boards.owns(region)) return;
      const isOther = answer === "all wanted" || answer === "superseded";
      const atMs = answer === "all wanted" ? -Infinity : this.ports.nowMs();
      if (answer === "all wanted") this.due.add(region);
      this.published.delete(region); // to the end
      this.published.set(region, { term, version, atMs, players: isOther ? undefined : players });
    } catch (error) {
      if (!(error instanceof StoreUnavailableError)) throw error;
      this.failures++;
      this.due.add(region);
      this.pausedUntilMs = this.ports.nowMs() + RETRY_MS;
    }
  }
}

function changeOf(
  before: Published | undefined,
  { term, version, players }: { term: number; version: number; players: ReadonlyMap<string, number> },
): PublishedBoard {
  const known = before?.players;
  const since = before && known && { term: before.term, version: before.version };
  const changed = [...players].filter(([mode, count]) => known?.get(mode) !== count);
  return {
    term,
    version,
    modes: players.size,
    since,
    players: changed.map(([mode, count]) => ({ mode, players: count })),
    gone: [...(known?.keys() ?? [])].filter((mode) => !players.has(mode)),
  };
}
