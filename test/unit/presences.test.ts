import { expect, test } from "vitest";

import { Presences } from "../../cluster/records/presences.ts";
import type { Fate, Recorder } from "../../cluster/records/recorder.ts";
import { Engine } from "../../engine/engine.ts";
import { OPTIONS, START_MS } from "../support/numbered-engine.ts";

/** Presences whose recorder only notes who waits; of partition `n` are the hashes `n << 28`. */
function presencesWaiting(): { presences: Presences; told: (partition: number, fate: Fate) => void; asked: string[] } {
  const asked: string[] = [];
  const waiting = new Map<number, ((fate: Fate) => void)[]>();
  const recorder: Pick<Recorder, "whenRemembered"> = {
    whenRemembered(partition, rows, settle) {
      asked.push(`${rows} of ${partition}`);
      waiting.set(partition, [...(waiting.get(partition) ?? []), settle]);
    },
  };
  const told = (partition: number, fate: Fate): void => waiting.get(partition)?.shift()?.(fate);
  return { presences: new Presences(new Engine(OPTIONS, START_MS), recorder as Recorder), told, asked };
}

const hashesOf = (...partitions: number[]): Int32Array => Int32Array.from(partitions, (partition) => partition << 28);

test("Presences.whenAllRemembered() settles once, after all partitions, with the rows that are remembered", () => {
  const { presences, told, asked } = presencesWaiting();
  const settled: number[] = [];
  presences.whenAllRemembered(hashesOf(3, 15, 3, 0, 3, 15), 6, (remembered) => void settled.push(remembered));
  expect(asked).toEqual(["3 of 3", "2 of 15", "1 of 0"]);
  told(3, "remembered");
  told(0, "counted");
  expect(settled).toEqual([]);
  told(15, "remembered");
  expect(settled).toEqual([5]);
});
test("Presences.whenAllRemembered() keeps batches apart that wait at the same time", () => {
  const { presences, told, asked } = presencesWaiting();
  const settled: string[] = [];
  presences.whenAllRemembered(hashesOf(1, 1, 2), 3, (remembered) => void settled.push(`first ${remembered}`));
  presences.whenAllRemembered(hashesOf(1, 2, 2, 7), 3, (remembered) => void settled.push(`second ${remembered}`));
  expect(asked).toEqual(["2 of 1", "1 of 2", "1 of 1", "2 of 2"]);
  for (const partition of [2, 2, 1, 1]) told(partition, "remembered");
  expect(settled).toEqual(["first 3", "second 3"]);
});
test("Presences.whenAllRemembered() settles at once where no row was applied", () => {
  const { presences, asked } = presencesWaiting();
  const settled: number[] = [];
  presences.whenAllRemembered(hashesOf(1), 0, (remembered) => void settled.push(remembered));
  expect([settled, asked]).toEqual([[0], []]);
});
