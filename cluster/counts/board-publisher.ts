/** R23: which boards of this node are due for the sorted sets in the store, for people and dashboards. */
import type { Ranked } from "../../engine/board.ts";
import type { RegionBoards } from "./region-boards.ts";

/** Boards at a time: of one region at most every 100 ms, of all within half a second. */
const PUBLISHED_MAX = 50;
/** Published again although nothing changed: the store may have lost it. */
const AGAIN_MS = 10_000;

interface Published {
  readonly term: number;
  readonly version: number;
  readonly atMs: number;
}

export class BoardPublisher {
  private readonly boards: RegionBoards;
  private readonly send: (region: number, term: number, version: number, counts: readonly Ranked[]) => void;
  /** The one longest not published first. */
  private readonly published = new Map<number, Published>();

  constructor(
    boards: RegionBoards,
    send: (region: number, term: number, version: number, counts: readonly Ranked[]) => void,
  ) {
    this.boards = boards;
    this.send = send;
  }

  /** Publishes some of those that changed. To be called every 100 ms. */
  publish(nowMs: number): void {
    for (const region of this.published.keys()) if (!this.boards.owns(region)) this.published.delete(region);
    let left = PUBLISHED_MAX;
    for (const region of this.inTurn()) {
      const state = this.boards.state(region);
      if (left === 0 || !state?.isWhole) continue;
      const { term, version } = state;
      const last = this.published.get(region);
      if (last?.term === term && last.version === version && nowMs - last.atMs < AGAIN_MS) continue;
      left--;
      this.published.delete(region);
      this.published.set(region, { term, version, atMs: nowMs });
      this.send(region, term, version, this.boards.ranking(region));
    }
  }

  private inTurn(): number[] {
    const never = [...this.boards.owned].filter((region) => !this.published.has(region));
    return [...never, ...this.published.keys()];
  }
}
