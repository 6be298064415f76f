/** Two copies of one table under way, and proofs that fail: what a recorder must not take one for the other. */
import { expect, test } from "vitest";
import type { HeldRecord } from "../../cluster/records/held-record.ts";
import { itemAt } from "../../simulator/item-at.ts";
import { RecorderBench } from "../support/recorder-bench.ts";

/** A bench whose encoder ends one job at a time, when it is told to. */
async function withQueue(): Promise<{ bench: RecorderBench; jobs: (() => void)[]; record: HeldRecord }> {
  const bench = await RecorderBench.open();
  bench.report(1, "GM01");
  await bench.settle();
  const jobs: (() => void)[] = [];
  const encoding = { get: () => new Promise<void>((end) => jobs.push(end)), set: () => undefined };
  Object.defineProperty(bench, "encoding", encoding);
  return { bench, jobs, record: bench.recorder.recordOf(bench.partitionOf(1))! };
}

/** R15: takes the record again under a higher term, with a copy of the table. */
async function takeBack(bench: RecorderBench, record: HeldRecord): Promise<void> {
  const claim = { ...record.claim, term: record.claim.term + 5, founding: "new" };
  await bench.recorder.heal(record, async ({ covers, bytes }) => {
    await bench.store.claim([record.partition], claim);
    const answer = await bench.store.snapshot(record.partition, claim, { number: 1, covers, coversAll: true, bytes });
    record.retake(claim);
    return answer;
  });
}

test("R4, R15: a take-back beside an older snapshot that waits for the encoder heals once, and that is dropped", async () => {
  const { bench, jobs, record } = await withQueue();
  bench.recorder.hurry([record.partition]);
  await bench.pass(20_000);
  expect([record.state, jobs.length]).toEqual(["level", 1]);
  bench.recorder.loseClaims(() => true);
  const taken = takeBack(bench, record);
  await bench.settle();
  const before = bench.recorder.totals.faults;
  for (let round = 0; round < 20; round++) {
    jobs.shift()?.();
    await bench.pass(100);
  }
  await taken;
  expect([record.state, record.healings, bench.recorder.totals.faults - before]).toEqual(["level", 1, 0]);
  expect(bench.report(1, "GM02").answers).toEqual([]);
});
test("R3, R15: the copy of before a take-back never follows the one that was taken back", async () => {
  const { bench, jobs, record } = await withQueue();
  bench.store.loseNextAnswers();
  bench.report(1, "GM02");
  await bench.settle();
  await bench.pass(100); // the first pause after a fault
  await bench.settle();
  expect([record.state, jobs.length]).toEqual(["healing", 1]);
  bench.recorder.loseClaims(() => true);
  const taken = takeBack(bench, record);
  await bench.settle();
  itemAt(jobs, 1)(); // the newer one is encoded first
  await taken;
  await bench.settle();
  const told = bench.report(1, "GM77");
  await bench.settle();
  expect([told.answers, record.state]).toEqual([["remembered"], "level"]);
  itemAt(jobs, 0)();
  await bench.pass(1000);
  expect((await bench.restart(99)).modeOf(1)).toBe("GM77");
});
test("R14: a proof that does not land proves nothing, with durability none too", async () => {
  const bench = await RecorderBench.open({ durability: "none" });
  const proven = bench.proven(1);
  await bench.settle();
  expect(proven.answers).toEqual(["remembered"]);
  bench.store.goAway();
  const unproven = bench.proven(1);
  await bench.settle();
  expect(unproven.answers).toEqual(["counted"]);
});
test("R14: proofs write nothing, and one that hangs makes nothing ahead", async () => {
  const bench = await RecorderBench.open();
  const { length, loggedBytes } = bench.recorder.recordOf(bench.partitionOf(1))!;
  for (let round = 0; round < 10; round++) {
    bench.proven(1);
    await bench.settle();
  }
  expect(bench.recorder.recordOf(bench.partitionOf(1))).toMatchObject({ length, loggedBytes });
  bench.store.hang();
  const hanging = [bench.proven(1), bench.proven(2)];
  await bench.pass(2500);
  expect([hanging.map(({ answers }) => answers), bench.recorder.aheadCount]).toEqual([[["counted"], ["counted"]], 0]);
  bench.store.release();
  await bench.pass(1000);
  expect(bench.recorder.aheadCount).toBe(0);
});
