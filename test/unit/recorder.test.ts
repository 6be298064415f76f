import { expect, test } from "vitest";
import type { AppendAnswer, Commit } from "../../cluster/ports/record-store.ts";
import { DEADLINE_MS, RecorderBench, SESSION_MS, SNAPSHOT_MS } from "../support/recorder-bench.ts";
import { MemoryStore } from "../support/memory-store.ts";

test("R5: a report is answered when the store has its row, not before", async () => {
  const bench = await RecorderBench.open();
  bench.store.hang();
  const told = bench.report(1, "GM01");
  await bench.settle();
  expect(told.answers).toEqual([]);
  bench.store.release();
  await bench.settle();
  expect(told.answers).toEqual(["remembered"]);
});

test("R5: a report repeated while its first append is under way waits for it", async () => {
  const bench = await RecorderBench.open();
  bench.store.hang();
  bench.report(1, "GM01");
  await bench.settle();
  const repeated = bench.report(1, "GM01");
  const looked = bench.told(1);
  await bench.settle();
  expect([repeated.answers, looked.answers]).toEqual([[], []]);
  bench.store.release();
  await bench.settle();
  expect([repeated.answers, looked.answers]).toEqual([["remembered"], ["remembered"]]);
});

test("R5: a partition with nothing under way answers at once", async () => {
  const bench = await RecorderBench.open();
  expect(bench.told(1).answers).toEqual(["remembered"]);
});

test("group commit: reports of one turn share one append, those that come meanwhile share the next", async () => {
  const bench = await RecorderBench.open();
  bench.store.hang();
  for (let player = 0; player < 50; player++) bench.report(player, "GM01");
  await bench.settle();
  for (let player = 50; player < 100; player++) bench.report(player, "GM01");
  bench.store.release();
  await bench.settle();
  expect(bench.recorder.totals).toMatchObject({ commits: 2, rows: 100 });
});

test("a renewal is not logged, a newer seq is", async () => {
  const bench = await RecorderBench.open();
  bench.report(1, "GM01", 1);
  await bench.settle();
  bench.report(1, "GM01");
  await bench.settle();
  expect(bench.recorder.totals.commits).toBe(1);
  bench.report(1, "GM01", 2);
  await bench.settle();
  expect(bench.recorder.totals.commits).toBe(2);
});

test("what was remembered is there after a restart, removals too", async () => {
  const bench = await RecorderBench.open();
  bench.report(1, "GM01");
  bench.report(2, "GM01");
  await bench.settle();
  bench.report(2, "GM02");
  bench.remove(1);
  await bench.settle();
  const next = await bench.restart(2);
  expect([next.modeOf(1), next.modeOf(2)]).toEqual(["", "GM02"]);
  expect(next.engine.boards.players).toBe(1);
});

test("R3: a snapshot replaces the log it covers, and rows after its copy stand", async () => {
  const bench = await RecorderBench.open();
  bench.report(1, "GM01");
  await bench.settle();
  await bench.pass(SESSION_MS / 3 + 1000);
  expect(bench.recorder.totals.snapshots).toBeGreaterThan(0);
  bench.report(1, "GM02");
  await bench.settle();
  const next = await bench.restart(2);
  expect(next.modeOf(1)).toBe("GM02");
});

test("R3: rows reported between a snapshot's copy and its landing are neither lost nor doubled", async () => {
  const bench = await RecorderBench.open();
  bench.report(1, "GM01");
  await bench.settle();
  let finish = (): void => {};
  bench.encoding = new Promise((resolve) => (finish = resolve));
  await bench.pass(SESSION_MS / 3 + 1000);
  const told = bench.report(1, "GM02");
  await bench.settle();
  expect(told.answers).toEqual(["remembered"]);
  finish();
  await bench.settle();
  expect(bench.recorder.totals.snapshots).toBeGreaterThan(0);
  expect((await bench.restart(2)).modeOf(1)).toBe("GM02");
});

test("R3: a snapshot never overtakes the append whose rows it covers", async () => {
  let release = (): void => {};
  class LateAppends extends MemoryStore {
    late: Promise<void> | undefined;
    override async append(commit: Commit): Promise<AppendAnswer[]> {
      await this.late;
      return super.append(commit);
    }
  }
  const store = new LateAppends({ isOneFile: false });
  const bench = await RecorderBench.open({ store });
  bench.report(1, "GM01");
  await bench.settle();
  store.late = new Promise((resolve) => (release = resolve));
  bench.nowMs += SESSION_MS;
  const told = bench.report(1, "GM02");
  await bench.settle();
  bench.recorder.tick();
  await bench.settle();
  release();
  await bench.settle();
  expect(told.answers).toEqual(["remembered"]);
  expect([bench.recorder.totals.snapshots > 0, bench.recorder.aheadCount]).toEqual([true, 0]);
});

test("R3: due within a third of the session's life where something was only renewed, not where nothing was touched", async () => {
  const bench = await RecorderBench.open();
  bench.report(1, "GM01");
  await bench.settle();
  await bench.pass(SESSION_MS / 3 + 1000);
  const { snapshots } = bench.recorder.totals;
  await bench.pass(SESSION_MS);
  expect(bench.recorder.totals.snapshots).toBe(snapshots);
  bench.report(1, "GM01");
  await bench.pass(SESSION_MS / 3 + 1000);
  expect(bench.recorder.totals.snapshots).toBe(snapshots + 1);
});

test("R3: due when the log is longer than a quarter of the snapshot, but not sooner than the pause between two", async () => {
  const bench = await RecorderBench.open();
  const report = async (): Promise<void> => {
    for (let round = 0; round < 100; round++) {
      bench.report(1, round % 2 === 0 ? "GM01" : "GM02");
      await bench.settle();
    }
  };
  await report();
  while (bench.recorder.totals.snapshots === 0) await bench.pass(20);
  await report();
  await bench.pass(SNAPSHOT_MS - 1000);
  expect(bench.recorder.totals.snapshots).toBe(1);
  await bench.pass(1000);
  expect(bench.recorder.totals.snapshots).toBe(2);
}, 20_000);

test.each([true, false])(
  "R4: an append that fails is counted, not remembered; healed by a snapshot (one file: %s)",
  async (isOneFile) => {
    const bench = await RecorderBench.open({ store: new MemoryStore({ isOneFile }) });
    bench.store.goAway();
    const told = bench.report(1, "GM01");
    await bench.settle();
    expect(told.answers).toEqual(["counted"]);
    expect(bench.report(1, "GM02").answers).toEqual(["counted"]);
    expect(bench.recorder.aheadCount).toBe(isOneFile ? 16 : 1);
    bench.store.comeBack();
    await bench.pass(20_000);
    expect(bench.recorder.aheadCount).toBe(0);
    expect(bench.healed).toBe(1);
    expect(bench.told(1).answers).toEqual(["remembered"]);
    expect((await bench.restart(2)).modeOf(1)).toBe("GM02");
  },
);

test("R4: one file: nothing is remembered before everything is snapshotted", async () => {
  const bench = await RecorderBench.open({ store: new MemoryStore({ isOneFile: true }) });
  bench.store.failNextAppends();
  bench.report(1, "GM01");
  await bench.settle();
  expect(bench.recorder.aheadCount).toBe(16);
  for (let player = 2; player < 40; player++) expect(bench.report(player, "GM01").answers).toEqual(["counted"]);
});

test("R4: an append whose answer got lost is healed too", async () => {
  const bench = await RecorderBench.open();
  bench.store.loseNextAnswers();
  const told = bench.report(1, "GM01");
  await bench.settle();
  expect(told.answers).toEqual(["counted"]);
  await bench.pass(20_000);
  expect(bench.report(1, "GM02").answers).toEqual([]);
  await bench.settle();
  expect((await bench.restart(2)).modeOf(1)).toBe("GM02");
});

test("R4: an append that hangs is given up after the deadline; its partitions are ahead until snapshotted", async () => {
  const bench = await RecorderBench.open();
  bench.store.hang();
  const told = bench.report(1, "GM01");
  await bench.pass(DEADLINE_MS - 100);
  expect(told.answers).toEqual([]);
  await bench.pass(300);
  expect(told.answers).toEqual(["counted"]);
  bench.store.release();
  await bench.pass(20_000);
  expect(bench.recorder.aheadCount).toBe(0);
  expect((await bench.restart(2)).modeOf(1)).toBe("GM01");
});

test("R4: a row that waited for two slow appends is answered in its time, and nothing falls ahead", async () => {
  const bench = await RecorderBench.open();
  bench.store.hang();
  const first = bench.report(1, "GM01");
  await bench.pass(500);
  const second = bench.report(2, "GM01");
  await bench.pass(1200);
  bench.store.release();
  bench.store.hang();
  await bench.settle();
  expect([first.answers, second.answers]).toEqual([["remembered"], []]);
  const third = bench.report(2, "GM02");
  await bench.pass(1000);
  expect([second.answers, third.answers, bench.recorder.aheadCount]).toEqual([["counted"], [], 0]);
  bench.store.release();
  await bench.settle();
  expect([third.answers, bench.faults]).toEqual([["remembered"], []]);
  expect((await bench.restart(2)).modeOf(2)).toBe("GM02");
});

test("R4: a store that lost the tail of the log is found out at the next append, and what it lost is written again", async () => {
  const bench = await RecorderBench.open();
  bench.report(1, "GM01");
  await bench.settle();
  bench.report(1, "GM02");
  await bench.settle();
  bench.store.forgetTail(bench.partitionOf(1));
  const told = bench.report(1, "GM03");
  await bench.settle();
  expect(told.answers).toEqual(["counted"]);
  await bench.pass(20_000);
  expect((await bench.restart(2)).modeOf(1)).toBe("GM03");
});

test("R4: rows reported while healing are in the log after it", async () => {
  const bench = await RecorderBench.open();
  bench.store.failNextAppends();
  bench.report(1, "GM01");
  await bench.settle();
  let finish = (): void => {};
  bench.encoding = new Promise((resolve) => (finish = resolve));
  await bench.pass(1000);
  expect(bench.report(1, "GM02").answers).toEqual(["counted"]);
  finish();
  await bench.settle();
  expect(bench.recorder.aheadCount).toBe(0);
  expect((await bench.restart(2)).modeOf(1)).toBe("GM02");
});

test("R1: who was superseded is told, and its append does not land", async () => {
  const bench = await RecorderBench.open();
  bench.report(1, "GM01");
  await bench.settle();
  await bench.restart(2);
  bench.report(1, "GM02");
  await bench.settle();
  expect(bench.superseded).toEqual([bench.partitionOf(1)]);
  expect((await bench.restart(3)).modeOf(1)).toBe("GM01");
});

test("durability snapshot: answered from memory, stored by snapshots alone", async () => {
  const bench = await RecorderBench.open({ durability: "snapshot" });
  expect(bench.report(1, "GM01").answers).toEqual(["remembered"]);
  await bench.pass(SNAPSHOT_MS + 100);
  expect(bench.recorder.totals).toMatchObject({ commits: 0, snapshots: 1 });
  expect((await bench.restart(2)).modeOf(1)).toBe("GM01");
});

test("drain() stores everything and says so; false where the store does not let it", async () => {
  const bench = await RecorderBench.open();
  bench.report(1, "GM01");
  const pause = async (): Promise<void> => bench.pass(20);
  expect(await bench.recorder.drain(60_000, pause)).toBe(true);
  expect((await bench.restart(2)).modeOf(1)).toBe("GM01");
  bench.store.goAway();
  bench.report(1, "GM02");
  expect(await bench.recorder.drain(1000, pause)).toBe(false);
});

test("R4: one file: what was lost of one partition makes all of them ahead", async () => {
  const bench = await RecorderBench.open({ store: new MemoryStore({ isOneFile: true }) });
  bench.report(1, "GM01");
  await bench.settle();
  bench.store.forgetTail(bench.partitionOf(1));
  bench.report(1, "GM02");
  await bench.settle();
  expect([bench.recorder.aheadCount, bench.faults.length]).toEqual([16, 1]);
});

test("R4: one file: rows of a partition that is healed before the others are bounded, and logged", async () => {
  const bench = await RecorderBench.open({ store: new MemoryStore({ isOneFile: true }) });
  bench.store.failNextAppends();
  bench.report(1, "GM01");
  await bench.settle();
  // Healing begins with the partitions in front; the rest waits for the encoder.
  let finish = (): void => {};
  bench.nowMs += 1000;
  bench.recorder.tick();
  bench.encoding = new Promise((resolve) => (finish = resolve));
  while (bench.recorder.aheadCount === 16) await bench.settle();
  bench.store.hang();
  const answers = Array.from({ length: 50 }, (_, player) => bench.report(player, "GM02").answers);
  expect(answers).toEqual(Array.from({ length: 50 }, () => ["counted"]));
  expect(bench.recorder.rowsQueued).toBeGreaterThan(0);
  bench.encoding = undefined;
  finish();
  bench.store.release();
  await bench.pass(20_000);
  expect([bench.recorder.aheadCount, bench.recorder.rowsQueued]).toEqual([0, 0]);
  expect((await bench.restart(2)).modeOf(1)).toBe("GM02");
});

test("R27: the removal of a player who had fallen silent is remembered, though the record still knows the player", async () => {
  const bench = await RecorderBench.open();
  bench.report(1, "GM01");
  await bench.settle();
  for (let ms = 0; ms < SESSION_MS; ms += 1000) bench.engine.time.advance((bench.nowMs += 1000));
  expect(bench.modeOf(1)).toBeUndefined();
  const told = bench.remove(1);
  expect(told.answers).toEqual([]);
  await bench.settle();
  expect(told.answers).toEqual(["remembered"]);
  expect((await bench.restart(2)).modeOf(1)).toBe("");
});
