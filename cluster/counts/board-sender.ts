/** What each node has been told of the boards of the regions that this node owns, and what it must be told now (R23). */
import { REGIONS } from "../../engine/regions.ts";
import type { BoardEntry } from "./counts-codec.ts";
import type { RegionBoards } from "./region-boards.ts";

export class BoardSender {
  private readonly boards: RegionBoards;
  /** Term and version of each region that a node said it has; two numbers a region. */
  private acknowledged = new Map<string, Float64Array>();

  constructor(boards: RegionBoards) {
    this.boards = boards;
  }

  /** Forgets what nodes have that are not listed any more. */
  onView(members: readonly string[]): void {
    this.acknowledged = new Map(
      members.map((member) => [member, this.acknowledged.get(member) ?? new Float64Array(REGIONS.length * 2)]),
    );
  }

  /** All boards of mine that are whole, as of now, with their counts where the node may not have them. */
  build(member: string, isStale: boolean): BoardEntry[] {
    const known = this.acknowledged.get(member);
    const entries: BoardEntry[] = [];
    for (const region of this.boards.owned) {
      const state = this.boards.state(region);
      if (!state?.isWhole) continue;
      const { term, version, isComplete } = state;
      const isKnown = known?.[region * 2] === term && known[region * 2 + 1] === version;
      entries.push({ region, term, version, isStale, isComplete, counts: isKnown ? undefined : state.counts });
    }
    return entries;
  }

  /** @param wanted regions whose counts the node still needs */
  acknowledge(member: string, entries: readonly BoardEntry[], wanted: readonly number[]): void {
    const known = this.acknowledged.get(member);
    if (known === undefined) return;
    for (const { region, term, version } of entries) {
      const isOlder = known[region * 2] > term || (known[region * 2] === term && known[region * 2 + 1] > version);
      if (isOlder && !wanted.includes(region)) continue;
      known[region * 2] = wanted.includes(region) ? 0 : term;
      known[region * 2 + 1] = version;
    }
  }
}
