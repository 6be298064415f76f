import { expect, test } from "vitest";
import type { Board } from "../../engine/board.ts";
import type { Engine } from "../../engine/engine.ts";
import { InvariantError } from "../../engine/invariant.ts";
import { NO_SEQ } from "../../engine/partition.ts";
import { WORLD } from "../../engine/places.ts";
import { CELL, NOWHERE, ROW_WORDS } from "../../engine/presence-table.ts";
import { CA, NumberedEngine, US } from "../support/numbered-engine.ts";
import { CA as CA_CELL, NumberedPartition, US as US_CELL } from "../support/numbered-partition.ts";

const engineFaults: Record<string, [rule: string, plant: (engine: Engine) => void]> = {
  "a board that counts one too many": ["a board is the sum of tallies", (engine) => engine.boards.add(CA << 12, 1)],
  "a board that counts one too few": ["a board is the sum of tallies", (engine) => engine.boards.add(CA << 12, -1)],
  "a board of a region where nobody is": [
    "the sum of all counts is the number of players",
    (engine) => engine.boards.add(US << 12, 1),
  ],
  "an area that counts one too many": [
    "an area is the sum of its countries",
    (engine) => (engine.boards.of(WORLD) as Board).set(0, 6),
  ],
  "a mode in the world where nobody is": [
    "everybody is in the world",
    (engine) => (engine.boards.of(WORLD) as Board).set(1, 1),
  ],
  "a row that was changed behind the tally's back": [
    "a cell is tallied where a player is in it",
    (engine) => {
      const partition = engine.partitions.find(({ table }) => table.size > 0) as Engine["partitions"][number];
      const { rows } = partition.table;
      for (let base = 0; base < rows.length; base += ROW_WORDS) rows[base + CELL] = NOWHERE;
    },
  ],
};
test.each(Object.entries(engineFaults))("Engine.assertSound() stops on a planted fault: %s", (_, [rule, plant]) => {
  const subject = new NumberedEngine();
  for (let player = 0; player < 5; player++) subject.report(player, CA, "GM01");
  expect(() => subject.engine.assertSound()).not.toThrow();
  plant(subject.engine);
  expect(() => subject.engine.assertSound()).toThrow(new InvariantError(`Broken invariant: ${rule}`));
});

const partitionFaults: Record<string, [rule: string, plant: (subject: NumberedPartition) => void]> = {
  "a row where no search ends": [
    "every player has one row, and the search ends at it",
    (subject) => {
      const { rows } = subject.partition.table;
      const base = subject.baseOf(1);
      const free = [...Array(rows.length / ROW_WORDS).keys()]
        .map((row) => row * ROW_WORDS)
        .find(
          (at) =>
            subject.partition.table.isFree(at) &&
            subject.partition.table.isFree((at + rows.length - ROW_WORDS) % rows.length),
        ) as number;
      rows.copyWithin(free, base, base + ROW_WORDS);
      rows.fill(0, base, base + ROW_WORDS);
    },
  ],
  "a row more than the size": ["the size is the number of rows", (subject) => subject.partition.table.size--],
  "a player counted who is nowhere": [
    "a cell is tallied where a player is in it",
    (subject) => subject.partition.tally.enter(US_CELL + 1),
  ],
  "a player who is not counted": [
    "a cell is tallied where a player is in it",
    (subject) => subject.partition.tally.leave(US_CELL),
  ],
  "a player counted twice": [
    "a count is the number of presences there",
    (subject) => subject.partition.tally.enter(CA_CELL),
  ],
  "a player counted elsewhere": [
    "a cell is tallied where a player is in it",
    (subject) => (subject.partition.table.rows[subject.baseOf(3) + CELL] = CA_CELL),
  ],
};
test.each(Object.entries(partitionFaults))(
  "assertPartitionSound() stops on a planted fault: %s",
  (_, [rule, plant]) => {
    const subject = new NumberedPartition();
    for (const [player, cell] of [
      [1, CA_CELL],
      [2, CA_CELL],
      [3, US_CELL],
      [4, US_CELL],
    ] as const)
      subject.report(player, cell, NO_SEQ, 0);
    subject.remove(4, 0);
    expect(() => subject.assertSound()).not.toThrow();
    plant(subject);
    expect(() => subject.assertSound()).toThrow(new InvariantError(`Broken invariant: ${rule}`));
  },
);
