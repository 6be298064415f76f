import { expect, test } from "vitest";
import { EXPIRED, OUT_OF_TURN } from "../../cluster/rows/answer-codec.ts";
import {
  A,
  B,
  C,
  DONE,
  elsewhere,
  ME,
  playersOf,
  reportOf,
  TestEntry,
  NO_OWNER,
  OVERLOADED,
  isDone,
} from "../support/forwarding.ts";
import { itemAt } from "../../simulator/item-at.ts";

test("Forwarder.submit() applies a row at once where this node owns its partition, under the epoch it knows", () => {
  const entry = new TestEntry();
  entry.owner = ME;
  entry.newestEpoch = 7;
  entry.submit(3, 1);
  expect(entry.applied.map(({ row, epoch }) => [row, epoch])).toEqual([[reportOf(3, 1), 7]]);
  expect(entry.outcomes).toEqual(isDone(1));
  expect([entry.calls.length, entry.forwarder.figures.rowsQueued]).toEqual([0, 0]);
});
test("Forwarder sends the rows of a turn in one batch per peer, when the turn ends", async () => {
  const entry = new TestEntry();
  entry.owners.set(9, B);
  entry.submit(3, 1);
  entry.submit(9, 2);
  entry.submit(4, 3);
  expect(entry.calls).toHaveLength(0);
  await entry.endTurn();
  expect(entry.calls.map(({ to, rows }) => [to, ...playersOf(rows)])).toEqual([
    [A, 1, 3],
    [B, 2],
  ]);
  expect(entry.forwarder.figures.sent).toEqual({ peersInFlight: 2, batches: 2, batchRows: 3, batchesUnheard: 0 });
  await itemAt(entry.calls, 0).answer(DONE, { kind: "refused", reason: "no room for the mode" });
  await itemAt(entry.calls, 1).answer(DONE);
  expect(entry.outcomes).toEqual([
    [1, DONE],
    [3, { kind: "refused", reason: "no room for the mode" }],
    [2, DONE],
  ]);
  expect(entry.forwarder.figures).toMatchObject({ rowsQueued: 0, sent: { peersInFlight: 0 } });
  expect(entry.forwarder.figures.rowsRefused["no room for the mode"]).toBe(1);
});
test("Forwarder has one batch under way per peer, and the next fills meanwhile", async () => {
  const entry = new TestEntry();
  entry.submit(3, 1);
  await entry.endTurn();
  entry.submit(3, 2);
  entry.submit(4, 3);
  await entry.endTurn();
  entry.submit(3, 4);
  await entry.endTurn();
  expect(entry.sent).toEqual([[1]]);
  await entry.last.answer(DONE);
  expect(new Set(entry.sent[1])).toEqual(new Set([2, 3, 4]));
  expect(itemAt(entry.calls, 1).number, "numbers of batches rise").toBeGreaterThan(itemAt(entry.calls, 0).number);
});
test("Forwarder bounds a batch in rows, and the partition it cut goes behind the others", async () => {
  const entry = new TestEntry({ batchRowsMax: 3 });
  entry.submit(3, 1, 2, 3, 4, 5);
  entry.submit(4, 6);
  await entry.endTurn();
  await entry.last.answer(DONE, DONE, DONE);
  await entry.last.answer(DONE, DONE, DONE);
  expect(entry.sent).toEqual([
    [1, 2, 3],
    [6, 4, 5],
  ]);
  expect(entry.outcomes).toEqual(isDone(1, 2, 3, 6, 4, 5));
});
test("Forwarder gives a call a third of the deadline, and not more than its rows have", async () => {
  const entry = new TestEntry({ deadlineMs: 1500 });
  entry.submitRow(reportOf(3, 1, { untilMs: 300 }));
  await entry.endTurn();
  await entry.last.answer(DONE);
  entry.submitRow(reportOf(3, 2, { untilMs: 300 }));
  entry.submitRow(reportOf(3, 3, { untilMs: 1500 }));
  await entry.endTurn();
  expect(entry.calls.map(({ timeoutMs }) => timeoutMs)).toEqual([300, 500]);
});

test("R18: a batch that nobody answered goes again under its number, with doubling pauses", async () => {
  const entry = new TestEntry();
  entry.submit(3, 1, 2);
  entry.submit(4, 3);
  await entry.endTurn();
  entry.submit(3, 4);
  const pauses = [20, 40, 80, 160, 200, 200];
  for (const [failed, pauseMs] of pauses.entries()) {
    await entry.last.fail();
    await entry.pass(pauseMs - 1);
    expect(entry.calls).toHaveLength(failed + 1);
    await entry.pass(1);
    expect(entry.calls).toHaveLength(failed + 2);
  }
  expect(new Set(entry.calls.map(({ number }) => number)).size).toBe(1);
  expect(new Set(entry.sent.map(String))).toEqual(new Set(["1,2,3"]));
  expect(entry.forwarder.figures.sent).toMatchObject({ batches: 1, batchRows: 3, batchesUnheard: 6, peersInFlight: 1 });
  await entry.last.answer(DONE, DONE, DONE);
  expect(entry.last.number).toBeGreaterThan(itemAt(entry.calls, 0).number);
  expect(playersOf(entry.last.rows), "what waited meanwhile").toEqual([4]);
  await entry.last.answer(DONE);
  entry.submit(3, 5);
  await entry.endTurn();
  await entry.last.fail();
  await entry.pass(20);
  expect(entry.calls, "an answer ends the doubling").toHaveLength(10);
});
test("Forwarder takes an answer that it cannot read for none, and sends what is `out of turn` in a new batch", async () => {
  const entry = new TestEntry();
  entry.submit(3, 1);
  await entry.endTurn();
  await entry.last.answerBytes(new Uint8Array(40));
  await entry.pass(20);
  expect(entry.calls.map(({ number }) => number)).toEqual([1, 1]);
  await entry.last.answer(OUT_OF_TURN);
  await entry.pass(40);
  expect(entry.calls.map(({ number }) => number)).toEqual([1, 1, 2]);
  expect([entry.outcomes, entry.forwarder.figures.rowsRetried.lost]).toEqual([[], 1]);
});
test("Forwarder.onView() sends rows elsewhere at once that were at a peer not listed any more, and hears it no more", async () => {
  const entry = new TestEntry();
  entry.submit(3, 1);
  await entry.endTurn();
  entry.submit(4, 2);
  await entry.learn(() => {
    entry.expel(A);
    entry.owner = B;
  });
  expect(entry.last.to).toBe(B);
  expect(new Set(entry.sent[1])).toEqual(new Set([1, 2]));
  await itemAt(entry.calls, 0).answer({ kind: "refused", reason: "overloaded" });
  expect(entry.outcomes).toEqual([]);
  await itemAt(entry.calls, 1).answer(DONE, DONE);
  expect(new Map(entry.outcomes)).toEqual(
    new Map([
      [1, DONE],
      [2, DONE],
    ]),
  );
  expect(entry.forwarder.figures.sent.peersInFlight).toBe(0);
});
test("Forwarder.onView() tries at once what pauses, and what waits for a peer that pauses", async () => {
  const entry = new TestEntry();
  entry.owners.set(4, B);
  entry.submit(3, 1);
  entry.submit(4, 2);
  await entry.endTurn();
  await itemAt(entry.calls, 0).answer(elsewhere("loading"));
  await itemAt(entry.calls, 1).fail();
  expect(entry.calls).toHaveLength(2);
  await entry.learn(() => entry.owners.set(3, C));
  expect(new Map(entry.calls.slice(2).map(({ to, rows }) => [to, playersOf(rows)]))).toEqual(
    new Map([
      [B, [2]],
      [C, [1]],
    ]),
  );
});

test("Forwarder.tick() refuses what is over wherever it is, once, and whatever is answered later", async () => {
  const entry = new TestEntry();
  entry.owners.set(5, ME);
  entry.owner = undefined;
  entry.submit(5, 1);
  entry.owners.set(3, A);
  entry.submit(3, 2);
  entry.submit(4, 3);
  await entry.endTurn();
  entry.submit(3, 4);
  entry.atOnce = undefined;
  await entry.learn(() => entry.owners.set(4, ME));
  await entry.pass(1999);
  expect(entry.outcomes).toEqual(isDone(1));
  await entry.pass(1);
  expect(new Map(entry.outcomes.slice(1))).toEqual(new Map([2, 3, 4].map((player) => [player, NO_OWNER])));
  itemAt(entry.applied, 1).settle(DONE);
  await entry.last.answer(elsewhere("moved"));
  await entry.pass(100);
  expect(entry.outcomes).toHaveLength(4);
  expect(entry.calls, "what is settled is not sent again").toHaveLength(1);
  entry.submit(3, 5);
  await entry.endTurn();
  expect(entry.sent[1]).toEqual([5]);
});
test("Forwarder tells `no owner` where the owner dropped a row because its time was over", async () => {
  const entry = new TestEntry();
  entry.submit(3, 1, 2);
  await entry.endTurn();
  await entry.last.answer(EXPIRED, DONE);
  expect(entry.outcomes).toEqual([[1, NO_OWNER], ...isDone(2)]);
  expect(entry.forwarder.figures.rowsExpired).toBe(1);
});
test("Forwarder refuses what it has no room for, rows of many sooner than single ones", async () => {
  const entry = new TestEntry({ rowsMax: 8 });
  for (let player = 1; player <= 7; player++) entry.submitRow(reportOf(3, player, { isBulk: true }));
  expect(entry.outcomes).toEqual([[7, OVERLOADED]]);
  entry.submit(3, 8, 9, 10);
  expect(entry.outcomes.slice(1)).toEqual([[10, OVERLOADED]]);
  expect(entry.forwarder.figures).toMatchObject({ rowsQueued: 8, rowsRefused: { overloaded: 2 } });
  await entry.endTurn();
  await entry.last.answer(...entry.last.rows.map(() => DONE));
  expect(entry.forwarder.figures.rowsQueued).toBe(0);
  entry.submitRow(reportOf(3, 11, { isBulk: true }));
  expect(entry.outcomes).toHaveLength(10);
});
test("Forwarder refuses a row that comes back from this node itself where there is no room", () => {
  const entry = new TestEntry({ rowsMax: 1 });
  entry.submit(3, 1);
  entry.owner = ME;
  entry.atOnce = () => elsewhere("loading");
  entry.submit(4, 2);
  expect(entry.outcomes).toEqual([[2, OVERLOADED]]);
  entry.atOnce = () => DONE;
  entry.submit(4, 3);
  expect(entry.outcomes).toEqual([[2, OVERLOADED], ...isDone(3)]);
});
test("Forwarder takes a place to be older by the time its answer took", async () => {
  const entry = new TestEntry();
  entry.submitRow(reportOf(3, 1, { operation: "find", region: 0, mode: "" }));
  await entry.endTurn();
  entry.now += 30;
  const found = { ...DONE, effect: "found", place: { region: 4, mode: "GM1", ageMs: 500 } } as const;
  await entry.last.answer(found);
  expect(entry.outcomes).toEqual([[1, { ...found, place: { region: 4, mode: "GM1", ageMs: 530 } }]]);
});

test("a report costs one call where its owner settles it at once, whatever came before", async () => {
  const entry = new TestEntry();
  for (let player = 1; player <= 50; player++) {
    entry.submit(3, player);
    await entry.endTurn();
    await entry.last.answer(DONE);
  }
  expect([entry.calls.length, entry.outcomes.length]).toEqual([50, 50]);
});

test("R29 Forwarder sends what players are entitled to, and the newest version of the rules that a row's entry knew", async () => {
  const entry = new TestEntry();
  entry.submitRow(reportOf(3, 1, { entitlements: ["season-pass"], rulesVersion: 6 }));
  entry.submitRow(reportOf(3, 2, { rulesVersion: 7 }));
  await entry.endTurn();
  const told = itemAt(entry.calls, 0).rows.map(({ entitlements, rulesVersion }) => [entitlements, rulesVersion]);
  expect(told).toEqual([
    [["season-pass"], 7],
    [[], 7],
  ]);
});
test("R19, R29 Forwarder leaves to the next batch what players are entitled to past the most of one, in order", async () => {
  const entry = new TestEntry();
  const entitledTo = (player: number): readonly string[] => Array.from({ length: 64 }, (_, at) => `${player}.${at}`);
  for (let player = 1; player <= 66; player++)
    entry.submitRow(reportOf(player % 2, player, { entitlements: player === 66 ? [] : entitledTo(player) }));
  await entry.endTurn();
  expect(itemAt(entry.sent, 0).length, "64 sets of 64").toBe(64);
  await itemAt(entry.calls, 0).answer(...Array.from({ length: 64 }, () => DONE));
  await entry.endTurn();
  expect([...itemAt(entry.sent, 0), ...itemAt(entry.sent, 1)].filter((player) => player % 2 === 1)).toEqual(
    Array.from({ length: 33 }, (_, at) => 2 * at + 1),
  );
  expect(entry.sent.flat().length).toBe(66);
});
