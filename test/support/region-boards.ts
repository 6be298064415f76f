/** What the tests of a region's boards share: the boards of two partitions, and what these say. */
import { NO_TALLIES } from "../../cluster/counts/counts-codec.ts";
import type { StatedTally, Tallies } from "../../cluster/counts/counts-messages.ts";
import { RegionBoards } from "../../cluster/counts/region-boards.ts";
import { countrySums } from "../../cluster/counts/sums.ts";
import { regionOf } from "../../engine/places.ts";

export const [CA, US] = [regionOf("CA"), regionOf("US")];
export const MODES = ["GM01", "GM02"];
export const [GM01, GM02] = [0, 1];

export interface Said extends Partial<Omit<StatedTally, "cells">> {
  readonly cells?: readonly (readonly [region: number, mode: number, players: number])[];
}

const REST = { source: 0, term: 1, version: 1, isAllCells: true, isDoubtful: false, isUnsure: false };

function statedTally(said: Said): StatedTally {
  return { ...REST, isUnreadable: false, ...said, cells: (said.cells ?? []).flat() };
}

/** The boards of two partitions, at a node that owns CA and US since epoch 1. */
export class TwoPartitionBoards {
  readonly boards = new RegionBoards(countrySums(2), 77);

  constructor() {
    this.view(1, [CA, US]);
  }

  view(epoch: number, mine: readonly number[]): boolean {
    return this.boards.onView(epoch, ["one", "two"], (region) => mine.includes(region));
  }

  /** @returns partitions of which the whole is wanted, then those that spoke */
  say(said: Said, asOfMs = 0, modes: readonly string[] = MODES): [number[], number[]] {
    return this.tell({ items: [said], modes }, asOfMs).slice(0, 2) as [number[], number[]];
  }

  /** @returns partitions of which all cells are wanted, those that spoke, and whether the list is needed */
  tell(
    { items, ...message }: Partial<Omit<Tallies, "items">> & { items: readonly Said[] },
    asOfMs = 0,
    from = "one",
  ): [number[], number[], boolean] {
    const spoken: number[] = [];
    const tallies = { ...NO_TALLIES, modes: MODES, ...message, items: items.map(statedTally) };
    const needs = this.boards.apply(from, tallies, asOfMs, (partition) => spoken.push(partition));
    return [[...needs.sources], spoken, needs.needsList];
  }

  top(region: number): Record<string, number> | undefined {
    const state = this.boards.state(region);
    return state && Object.fromEntries(state.counts.top.map(({ mode, players }) => [mode, players]));
  }
}
