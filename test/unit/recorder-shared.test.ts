/** What the recorder does where partitions come and go, and another node may take them (R4, R6, R14, R15). */
import { expect, test } from "vitest";
import { DEADLINE_MS, RecorderBench } from "../support/recorder-bench.ts";

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
  const claim = { term: 7, incarnation: "incarnation-1", founding: "f7" };
  bench.recorder.drop(partition);
  await bench.store.claim([partition], claim);
  bench.recorder.adopt({ partition, claim });
  const told = bench.report(1, "GM02");
  await bench.settle();
  expect(told.answers).toEqual(["remembered"]);
  expect((await bench.restart(8)).modeOf(1)).toBe("GM02");
});
test("R4: what is adopted as ahead stays so until a snapshot of the whole has landed", async () => {
  const bench = await RecorderBench.open();
  const partition = bench.partitionOf(1);
  const claim = { term: 7, incarnation: "incarnation-1", founding: "f7" };
  await bench.store.claim([partition], claim);
  bench.recorder.adopt({ partition, claim }, "ahead");
  expect([bench.report(1, "GM01").answers, bench.recorder.isPartitionAhead(partition)]).toEqual([["counted"], true]);
  await bench.pass(100);
  expect([bench.told(1).answers, bench.recorder.aheadCount]).toEqual([["remembered"], 0]);
  expect((await bench.restart(8)).modeOf(1)).toBe("GM01");
});
test("R15: when claims are lost their partitions are ahead until they are taken again, and whoever waits is counted", async () => {
  const bench = await RecorderBench.open();
  bench.store.hang();
  const told = bench.report(1, "GM01");
  await bench.settle();
  bench.recorder.loseClaims((partition) => partition === bench.partitionOf(1));
  bench.store.release();
  await bench.settle();
  expect([bench.recorder.aheadCount, told.answers]).toEqual([1, ["counted"]]);
  await bench.pass(5000);
  expect(bench.recorder.aheadCount, "nothing is written under a claim that may be lost").toBe(1);
  const record = bench.recorder.recordOf(bench.partitionOf(1))!;
  const claim = { term: 9, incarnation: "incarnation-1", founding: "again" };
  const healing = bench.recorder.heal(record, async ({ covers, bytes }) => {
    await bench.store.claim([record.partition], claim);
    record.retake(claim);
    return bench.store.snapshot(record.partition, claim, { number: 1, covers, coversAll: true, bytes });
  });
  bench.report(1, "GM02");
  expect(await healing).toBe("landed");
  expect(bench.recorder.aheadCount, "the append behind it has not landed").toBe(1);
  await bench.settle();
  expect([bench.recorder.aheadCount, bench.healed]).toEqual([0, 1]);
  expect((await bench.restart(10)).modeOf(1)).toBe("GM02");
});
test("R4: a full store that takes snapshots but no appends does not end being ahead, nor is filled up further", async () => {
  const bench = await RecorderBench.open();
  bench.report(1, "GM01");
  await bench.settle();
  bench.store.fill();
  bench.report(1, "GM02");
  await bench.settle();
  const partition = bench.partitionOf(1);
  const states = new Set<boolean>();
  for (let step = 0; step < 40; step++) {
    await bench.pass(500);
    states.add(bench.recorder.isPartitionAhead(partition));
  }
  expect([...states]).toEqual([true]);
  expect(bench.store.calls.snapshot, "one that is smaller than its record asks nobody").toBeLessThanOrEqual(1);
  bench.store.fill(false);
  await bench.pass(3000);
  expect([bench.recorder.aheadCount, bench.healed]).toEqual([0, 1]);
  expect((await bench.restart(2)).modeOf(1)).toBe("GM02");
});
test("R3: a snapshot whose number is refused goes on above the one that stands, after a pause", async () => {
  const bench = await RecorderBench.open();
  const partition = bench.partitionOf(1);
  const claim = bench.recorder.recordOf(partition)!.claim;
  await bench.store.snapshot(partition, claim, { number: 500, covers: 0, coversAll: false, bytes: new Uint8Array(4) });
  bench.store.failNextAppends();
  bench.report(1, "GM01");
  await bench.settle();
  await bench.pass(4000);
  expect([bench.recorder.aheadCount, bench.healed]).toEqual([0, 1]);
  expect(bench.store.calls.snapshot, "the first of these was the test's own").toBeLessThanOrEqual(3);
});
test("a tag that is away holds up no other", async () => {
  const bench = await RecorderBench.open({ tagsCount: 4 });
  const [one, other] = [
    1,
    Array.from({ length: 40 }, (_, at) => at + 2).find(
      (player) => bench.partitionOf(player) % 4 !== bench.partitionOf(1) % 4,
    )!,
  ];
  bench.store.hangOnly((partition) => partition % 4 === bench.partitionOf(one) % 4);
  const stuck = bench.report(one, "GM01");
  const fine = bench.report(other, "GM01");
  await bench.settle();
  expect([stuck.answers, fine.answers]).toEqual([[], ["remembered"]]);
  await bench.pass(DEADLINE_MS + 500);
  const next = bench.report(other, "GM02");
  await bench.settle();
  expect([stuck.answers, next.answers, bench.recorder.aheadCount]).toEqual([["counted"], ["remembered"], 1]);
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
