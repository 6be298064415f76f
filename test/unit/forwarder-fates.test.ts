import { expect, test } from "vitest";
import { FATE_GRACE_MS, LOST, TAKEN_IN } from "../../cluster/rows/answer-codec.ts";
import type { Row } from "../../cluster/ports/rows.ts";
import { NO_SEQ } from "../../engine/partition.ts";
import {
  A,
  B,
  C,
  DONE,
  elsewhere,
  incarnationOf,
  ME,
  playersOf,
  reportOf,
  TestEntry,
  NO_OWNER,
  OVERLOADED,
  isDone,
  toEach,
} from "../support/forwarding.ts";
import { itemAt } from "../../simulator/item-at.ts";

const noSeq = (partition: number, player: number): Row => reportOf(partition, player, { seq: NO_SEQ });

test("R18: a row with a fate is not repeated, though one before it came back", async () => {
  const entry = new TestEntry();
  entry.submit(3, 1, 2, 3);
  await entry.endTurn();
  entry.owners.set(3, B);
  await entry.last.answer(elsewhere("moved"), DONE, OVERLOADED);
  expect(playersOf(entry.last.rows)).toEqual([1]);
  expect(entry.outcomes).toEqual([...isDone(2), [3, OVERLOADED]]);
});
test("R18: once rows are taken in the next batch goes, of the same partition too, and each row waits for its fate", async () => {
  const entry = new TestEntry();
  entry.submit(3, 1, 2);
  entry.submit(4, 9);
  await entry.endTurn();
  entry.submit(3, 5);
  await entry.last.answer(TAKEN_IN, DONE, TAKEN_IN);
  expect(entry.sent[1]).toEqual([5]);
  expect(entry.outcomes).toEqual(isDone(2));
  expect(entry.forwarder.figures, "they count as queued").toMatchObject({ rowsQueued: 3, sent: { peersInFlight: 1 } });
  await entry.last.answer(TAKEN_IN);
  expect(await entry.hearFates(A, { batch: 2, index: 0, answer: DONE })).toHaveLength(0);
  const refused = { kind: "refused", reason: "no room for the player" } as const;
  await entry.hearFates(A, { batch: 1, index: 2, answer: refused }, { batch: 1, index: 0, answer: DONE });
  expect(entry.outcomes).toEqual([...isDone(2, 5), [9, refused], ...isDone(1)]);
  expect(entry.forwarder.figures.rowsQueued).toBe(0);
});
test("R18: a fate that is told again, comes from another node or is of an unknown row changes nothing", async () => {
  const entry = new TestEntry();
  entry.submit(3, 1, 2);
  await entry.endTurn();
  await entry.last.answer(TAKEN_IN, TAKEN_IN);
  await entry.hearFates(B, { batch: 1, index: 0, answer: DONE });
  await entry.hearFates(A, { batch: 2, index: 0, answer: DONE }, { batch: 1, index: 2, answer: DONE });
  expect(entry.outcomes).toEqual([]);
  for (let told = 0; told < 2; told++) await entry.hearFates(A, { batch: 1, index: 1, answer: DONE });
  expect(entry.outcomes).toEqual(isDone(2));
});
test("R18: fates that overtake the answer to their batch count, and the answer then changes nothing", async () => {
  const entry = new TestEntry();
  entry.submit(3, 1, 2);
  await entry.endTurn();
  await entry.hearFates(A, { batch: 1, index: 0, answer: DONE });
  expect(entry.outcomes).toEqual(isDone(1));
  await entry.last.answer(OVERLOADED, DONE);
  expect(entry.outcomes).toEqual(isDone(1, 2));
});
test("R18: while rows are without a fate their partition's rows go to no other node", async () => {
  const entry = new TestEntry();
  entry.submit(3, 1);
  await entry.endTurn();
  await entry.last.answer(TAKEN_IN);
  await entry.learn(() => entry.owners.set(3, B));
  entry.submit(3, 2);
  entry.submit(4, 3);
  await entry.endTurn();
  expect(toEach(entry.calls)).toEqual([
    [A, 1],
    [A, 3],
  ]);
  await entry.hearFates(A, { batch: 1, index: 0, answer: DONE });
  expect(toEach(entry.calls.slice(2))).toEqual([[B, 2]]);
});
test("R18: a row that was taken in and lost goes again with a seq, before what waits, and is told `no owner` without", async () => {
  const entry = new TestEntry();
  entry.submit(3, 1);
  entry.submitRow(noSeq(3, 2));
  entry.submitRow(reportOf(3, 3, { operation: "remove", region: 0, mode: "" }));
  entry.submitRow(reportOf(3, 4, { operation: "renew", region: 0, mode: "", seq: NO_SEQ }));
  entry.submitRow(reportOf(3, 5, { operation: "find", region: 0, mode: "", seq: NO_SEQ }));
  await entry.endTurn();
  await entry.last.answer(TAKEN_IN, TAKEN_IN, TAKEN_IN, TAKEN_IN, TAKEN_IN);
  await entry.learn(() => entry.owners.set(3, B));
  entry.submit(3, 6);
  await entry.hearFates(A, ...[4, 3, 2, 1, 0].map((index) => ({ batch: 1, index, answer: LOST })));
  expect(entry.outcomes, "a removal's seq is compared by nobody").toEqual([
    [3, NO_OWNER],
    [2, NO_OWNER],
  ]);
  expect(toEach(entry.calls.slice(1))).toEqual([[B, 1, 4, 5, 6]]);
  expect(entry.forwarder.figures).toMatchObject({ rowsLost: 2, rowsRetried: { lost: 3 } });
});
test("R18: what this node itself had applied and lost goes again with a seq, and is told `no owner` without", async () => {
  const entry = new TestEntry();
  entry.owner = ME;
  entry.atOnce = undefined;
  entry.submit(3, 1);
  entry.submitRow(noSeq(3, 2));
  entry.owner = undefined;
  await entry.learn(() => undefined);
  entry.submit(4, 3);
  entry.submitRow(noSeq(4, 4));
  await entry.learn(() => (entry.owner = ME));
  expect(playersOf(entry.applied.map(({ row }) => row))).toEqual([1, 2, 3, 4]);
  entry.owner = A;
  for (const each of entry.applied) each.settle(elsewhere("moved"));
  await entry.endTurn();
  expect(entry.outcomes).toEqual([
    [2, NO_OWNER],
    [4, NO_OWNER],
  ]);
  expect(toEach(entry.calls)).toEqual([[A, 1, 3]]);
});
test("R18: a row without a seq that was refused, so not applied, goes again", async () => {
  const entry = new TestEntry();
  entry.submitRow(noSeq(3, 1));
  await entry.endTurn();
  await entry.last.answer(elsewhere("held by", B));
  await entry.last.answer(elsewhere("held by", ME));
  expect(entry.outcomes).toEqual(isDone(1));
});
test("R18: who may have applied a batch is lost when it is listed no more, or another answers in its place", async () => {
  for (const end of ["not listed", "another", "this node rejoined"] as const) {
    const entry = new TestEntry();
    entry.owners.set(4, B);
    entry.submit(3, 1);
    entry.submitRow(noSeq(3, 2));
    await entry.endTurn();
    await entry.last.answer(TAKEN_IN, TAKEN_IN);
    entry.submit(5, 3);
    entry.submitRow(noSeq(5, 4));
    entry.submit(4, 5);
    await entry.endTurn();
    await itemAt(entry.calls, 1).fail();
    await entry.pass(20);
    expect(toEach(entry.calls), "silence alone is no loss").toEqual([
      [A, 1, 2],
      [A, 3, 4],
      [B, 5],
      [A, 3, 4],
    ]);
    const owners = (): void => void (entry.owner = C);
    if (end === "another") await entry.learn(owners);
    if (end === "another") await entry.last.meetAnother();
    if (end === "not listed") await entry.learn(() => (owners(), entry.expel(A)));
    if (end === "this node rejoined") await entry.learn(() => (owners(), (entry.incarnation = incarnationOf(9))));
    expect(new Map(entry.outcomes), end).toEqual(
      new Map([
        [2, NO_OWNER],
        [4, NO_OWNER],
      ]),
    );
    expect(playersOf(entry.calls.filter(({ to }) => to === C).flatMap(({ rows }) => rows)), end).toEqual([1, 3]);
  }
});
test("R11, R18: who left by itself is waited for while a call to it is under way, is asked once more, and is lost without an answer", async () => {
  for (const end of ["moved", "moved, told again", "taken in", "silence", "nobody"] as const) {
    const entry = new TestEntry();
    entry.submit(3, 1);
    entry.submitRow(noSeq(3, 2));
    await entry.endTurn();
    await entry.learn(() => ((entry.owner = B), entry.leave(A)));
    entry.submit(3, 3);
    entry.submit(4, 4);
    await entry.endTurn();
    expect(entry.outcomes, "nothing is told yet").toEqual([]);
    const call = itemAt(entry.calls, 0);
    if (end === "moved") await call.answer(elsewhere("moved"), elsewhere("moved"));
    if (end === "taken in") await call.answer(TAKEN_IN, TAKEN_IN);
    if (end === "silence" || end === "moved, told again") {
      await call.fail();
      expect(toEach(entry.calls.slice(2)), end).toEqual([[A, 1, 2]]);
      expect(entry.outcomes, "nothing is told yet").toEqual([]);
    }
    if (end === "silence") await entry.last.fail();
    if (end === "moved, told again") await entry.last.answer(elsewhere("moved"), elsewhere("moved"));
    if (end === "nobody") await call.refuse();
    await entry.calls.at(1)?.answer(DONE);
    const isLost = end === "taken in" || end === "silence";
    expect(entry.outcomes[0], end).toEqual(isLost ? [2, NO_OWNER] : [4, DONE]);
    const toB = toEach(entry.calls.slice(2)).filter(([to]) => to === B);
    expect(toB, end).toEqual([isLost ? [B, 1, 3] : [B, 1, 2, 3]]);
    expect(entry.forwarder.figures.sent.peersInFlight, end).toBe(1);
  }
});
test("R11, R18: a batch that was to be repeated when its peer left is repeated once", async () => {
  const entry = new TestEntry();
  entry.submitRow(noSeq(3, 1));
  await entry.endTurn();
  await entry.last.fail();
  await entry.learn(() => ((entry.owner = B), entry.leave(A)));
  expect(toEach(entry.calls)).toEqual([
    [A, 1],
    [A, 1],
  ]);
  await entry.last.answer(elsewhere("moved"));
  expect(toEach(entry.calls.slice(2))).toEqual([[B, 1]]);
  expect(entry.outcomes).toEqual([]);
});
test("R18: what no port took has not arrived, and goes elsewhere even without a seq", async () => {
  const entry = new TestEntry();
  entry.submitRow(noSeq(3, 1));
  await entry.endTurn();
  await entry.last.refuse();
  await entry.learn(() => (entry.owner = B));
  expect(toEach(entry.calls)).toEqual([
    [A, 1],
    [B, 1],
  ]);
  expect(entry.forwarder.figures.rowsRetried.unheard).toBe(1);
});
test("R18: a refused port after a call that may have arrived is no proof: the batch waits for its peer's loss", async () => {
  const entry = new TestEntry();
  entry.submitRow(noSeq(3, 1));
  await entry.endTurn();
  await entry.last.fail();
  await entry.pass(20);
  await entry.last.refuse();
  await entry.learn(() => (entry.owner = B));
  expect(toEach(entry.calls)).toEqual([
    [A, 1],
    [A, 1],
    [A, 1],
  ]);
  await entry.learn(() => entry.expel(A));
  expect(entry.outcomes).toEqual([[1, NO_OWNER]]);
});
test("R18: a row that is over keeps its place in a batch that goes again, with no time left", async () => {
  const entry = new TestEntry();
  entry.submitRow(reportOf(3, 1, { untilMs: 100 }));
  entry.submit(3, 2);
  await entry.endTurn();
  await entry.pass(100);
  await entry.last.fail();
  await entry.pass(20);
  expect(entry.last.rows.map(({ id0, untilMs }) => [id0, untilMs - entry.now])).toEqual([
    [1, 0],
    [2, 1880],
  ]);
  await entry.last.answer(TAKEN_IN, TAKEN_IN);
  expect(entry.outcomes).toEqual([[1, NO_OWNER]]);
});
test("R18: a row that was taken in waits a little longer than its time for its fate, and then no more", async () => {
  const entry = new TestEntry();
  entry.submit(3, 1, 2);
  await entry.endTurn();
  await entry.last.answer(TAKEN_IN, TAKEN_IN);
  await entry.pass(2000 + FATE_GRACE_MS - 1);
  await entry.hearFates(A, { batch: 1, index: 0, answer: { ...DONE, isRemembered: false } });
  await entry.learn(() => (entry.owner = B));
  await entry.pass(1);
  expect(entry.outcomes).toEqual([
    [1, { ...DONE, isRemembered: false }],
    [2, NO_OWNER],
  ]);
  entry.submit(3, 3);
  await entry.endTurn();
  expect(entry.last.to).toBe(B);
  await entry.hearFates(A, { batch: 1, index: 1, answer: DONE });
  expect(entry.outcomes).toHaveLength(2);
});
