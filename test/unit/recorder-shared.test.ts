/** What the recorder does where partitions come and go, and another node may take them (R4, R6, R14, R15). */
import { expect, test } from "vitest";
import { RecorderBench } from "../support/recorder-bench.ts";

const LATER = { term: 5, incarnation: "somebody else" };

test("R14: a claim is proven by an append that is sent after the question, although nothing changed", async () => {
  const bench = await RecorderBench.open();
  bench.store.hang();
  const told = bench.proven(1);
  await bench.settle();
  expect([told.answers, bench.store.calls.append]).toEqual([[], 1]);
  bench.store.release();
  await bench.settle();
  expect([told.answers, bench.recorder.totals.rows]).toEqual([["remembered"], 0]);
});
test("R14: an append under way when the question comes proves nothing", async () => {
  const bench = await RecorderBench.open();
  bench.store.hang();
  bench.report(1, "GM01");
  await bench.settle();
  const told = bench.proven(1);
  bench.store.release();
  await bench.settle();
  expect([told.answers, bench.store.calls.append]).toEqual([["remembered"], 2]);
});
test("R14: where the store cannot be written nothing is proven", async () => {
  const bench = await RecorderBench.open();
  bench.store.goAway();
  bench.report(1, "GM01");
  await bench.settle();
  expect([bench.proven(1).answers, bench.proven(2).answers]).toEqual([["counted"], ["counted"]]);
});
test("R6: a partition that is dropped tells everybody who waits that it is lost", async () => {
  const bench = await RecorderBench.open();
  bench.store.hang();
  const underWay = bench.report(1, "GM01");
  await bench.settle();
  const waiting = bench.report(1, "GM02");
  bench.recorder.drop(bench.partitionOf(1));
  expect([underWay.answers, waiting.answers, bench.told(1).answers]).toEqual([["lost"], ["lost"], ["lost"]]);
  bench.store.release();
  await bench.settle();
  expect([underWay.answers, waiting.answers]).toEqual([["lost"], ["lost"]]);
});
test("R6: an append that another node's claim refused is told, and an answer to an old claim is not", async () => {
  const bench = await RecorderBench.open();
  const partition = bench.partitionOf(1);
  await bench.store.claim([partition], LATER);
  bench.report(1, "GM01");
  await bench.settle();
  expect(bench.superseded).toEqual([partition]);
  bench.store.hang();
  bench.report(1, "GM02");
  await bench.settle();
  bench.recorder.drop(partition);
  bench.store.release();
  await bench.settle();
  expect(bench.superseded).toEqual([partition]);
});
test("R1: an adopted partition is written under its claim, from length 0", async () => {
  const bench = await RecorderBench.open();
  const partition = bench.partitionOf(1);
  bench.report(1, "GM01");
  await bench.settle();
  const claim = { term: 7, incarnation: "incarnation-1" };
  bench.recorder.drop(partition);
  await bench.store.claim([partition], claim);
  bench.recorder.adopt(partition, claim);
  const told = bench.report(1, "GM02");
  await bench.settle();
  expect(told.answers).toEqual(["remembered"]);
  expect((await bench.restart(8)).modeOf(1)).toBe("GM02");
});
test("R4: what is adopted in doubt is ahead until a snapshot of the whole has landed", async () => {
  const bench = await RecorderBench.open();
  const partition = bench.partitionOf(1);
  const claim = { term: 7, incarnation: "incarnation-1" };
  await bench.store.claim([partition], claim);
  bench.recorder.adopt(partition, claim, 400);
  expect([bench.report(1, "GM01").answers, bench.recorder.isPartitionAhead(partition)]).toEqual([["counted"], true]);
  await bench.pass(100);
  expect([bench.told(1).answers, bench.recorder.aheadCount]).toEqual([["remembered"], 0]);
  expect((await bench.restart(8)).modeOf(1)).toBe("GM01");
});
test("R15: when the store is in doubt every partition is ahead, and whoever waits is counted", async () => {
  const bench = await RecorderBench.open();
  bench.store.hang();
  const told = bench.report(1, "GM01");
  await bench.settle();
  bench.recorder.doubtStore();
  bench.store.release();
  await bench.settle();
  expect([bench.recorder.aheadCount, told.answers]).toEqual([16, ["counted"]]);
  await bench.pass(1000);
  expect([bench.recorder.aheadCount, bench.healed]).toEqual([0, 1]);
});
test("a shared store that fails is asked by one snapshot at a time; rows are not sent meanwhile", async () => {
  const bench = await RecorderBench.open();
  bench.store.goAway();
  bench.report(1, "GM01");
  await bench.settle();
  for (let player = 2; player < 40; player++) expect(bench.report(player, "GM01").answers).toEqual(["counted"]);
  await bench.settle();
  expect(bench.store.calls.append).toBe(1);
  await bench.pass(3000);
  expect(bench.store.calls.append).toBe(1);
  expect(bench.store.calls.snapshot).toBeLessThan(8);
  bench.store.comeBack();
  await bench.pass(6000);
  expect([bench.recorder.aheadCount, bench.told(5).answers]).toEqual([0, ["remembered"]]);
  expect((await bench.restart(2)).modeOf(39)).toBe("GM01");
});
test("R4: what waits behind an append that hangs is given up in its own time", async () => {
  const bench = await RecorderBench.open();
  bench.store.hang();
  bench.report(1, "GM01");
  await bench.settle();
  bench.nowMs += 1500;
  const waiting = bench.report(1, "GM02");
  const proven = bench.proven(bench.partitionOf(1) === bench.partitionOf(2) ? 3 : 2);
  await bench.pass(1900);
  expect(waiting.answers, "its partition is ahead").toEqual(["counted"]);
  expect(proven.answers).toEqual([]);
  await bench.pass(200);
  expect(proven.answers).toEqual(["counted"]);
});
test("R2: a store that lost the claim is claimed again, then healed", async () => {
  const bench = await RecorderBench.open();
  bench.report(1, "GM01");
  await bench.settle();
  bench.store.forgetAll();
  expect(bench.report(1, "GM02").answers).toEqual([]);
  await bench.pass(2000);
  expect(bench.reclaimed).toContain(bench.partitionOf(1));
  expect(bench.told(1).answers).toEqual(["remembered"]);
  expect((await bench.restart(2)).modeOf(1)).toBe("GM02");
});
test("R11: Recorder.hurry() makes everything due, and isIdle tells when it is stored", async () => {
  const bench = await RecorderBench.open();
  bench.report(1, "GM01");
  await bench.settle();
  bench.recorder.hurry([bench.partitionOf(1)]);
  expect(bench.recorder.isIdle).toBe(false);
  await bench.pass(100);
  expect(bench.recorder.isIdle).toBe(true);
});
