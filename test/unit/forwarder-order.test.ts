import { expect, test } from "vitest";
import { OUT_OF_DATE } from "../../cluster/rows/answer-codec.ts";
import { A, B, DONE, elsewhere, ME, playersOf, TestEntry, isDone, toEach } from "../support/forwarding.ts";
import { itemAt } from "../../simulator/item-at.ts";

test("R19: rows of a partition are at one node at a time, also where a newer view names another", async () => {
  const entry = new TestEntry();
  entry.submit(3, 1);
  await entry.endTurn();
  await entry.learn(() => entry.owners.set(3, B));
  entry.submit(3, 2);
  await entry.endTurn();
  expect(entry.sent).toEqual([[1]]);
  await entry.last.answer(elsewhere("moved"));
  expect(entry.calls.map(({ to, rows }) => [to, ...playersOf(rows)])).toEqual([
    [A, 1],
    [B, 1, 2],
  ]);
});
test("R19: rows under way to this node itself hold up those of their partition that would go elsewhere", async () => {
  const entry = new TestEntry();
  entry.owner = ME;
  entry.atOnce = undefined;
  entry.submit(3, 1);
  await entry.learn(() => entry.owners.set(3, A));
  entry.submit(3, 2);
  await entry.endTurn();
  expect([entry.applied.length, entry.calls.length]).toEqual([1, 0]);
  itemAt(entry.applied, 0).settle(DONE);
  await entry.endTurn();
  expect(entry.sent).toEqual([[2]]);
});
test("R19: what came back goes to the head of its queue, in its order", async () => {
  const entry = new TestEntry();
  entry.submit(3, 1, 2, 3);
  entry.submit(4, 9);
  await entry.endTurn();
  entry.submit(3, 4);
  entry.owners.set(3, B);
  const moved = elsewhere("moved");
  await entry.last.answer(DONE, moved, moved, DONE);
  expect(entry.outcomes).toEqual(isDone(1, 9));
  expect([entry.last.to, ...playersOf(entry.last.rows)]).toEqual([B, 2, 3, 4]);
  expect(entry.forwarder.figures.rowsRetried.moved).toBe(2);
});
test("R19: rows that came back late from this node itself keep their order", async () => {
  const entry = new TestEntry();
  entry.owner = ME;
  entry.atOnce = undefined;
  entry.submit(3, 1, 2, 3);
  entry.owner = A;
  itemAt(entry.applied, 1).settle(elsewhere("moved"));
  entry.submit(3, 4);
  itemAt(entry.applied, 0).settle(elsewhere("moved"));
  await entry.endTurn();
  expect(entry.calls, "one is still here").toHaveLength(0);
  itemAt(entry.applied, 2).settle(DONE);
  await entry.endTurn();
  expect(entry.sent, "and the one that was done does not go again").toEqual([[1, 2, 4]]);
  expect(entry.outcomes).toEqual(isDone(3));
});
test("R19: a row submitted while others are applied does not overtake them", async () => {
  const entry = new TestEntry();
  entry.owner = undefined;
  entry.submit(3, 1, 2);
  entry.atOnce = (row) => {
    if (row.id0 === 1) entry.submit(3, 3);
    return DONE;
  };
  await entry.learn(() => (entry.owner = ME));
  expect(playersOf(entry.applied.map(({ row }) => row))).toEqual([1, 2, 3]);
});
test("R19: this node's own handler is not given the rest of a partition of which it refused a row", async () => {
  const entry = new TestEntry();
  entry.owner = undefined;
  entry.submit(3, 1, 2, 3);
  entry.atOnce = ({ id0 }) => (id0 === 2 ? elsewhere("held by", B) : DONE);
  await entry.learn(() => (entry.owner = ME));
  expect(playersOf(entry.applied.map(({ row }) => row))).toEqual([1, 2]);
  expect([entry.last.to, ...playersOf(entry.last.rows)]).toEqual([B, 2, 3]);
  expect(entry.forwarder.figures.rowsRetried["held by"]).toBe(2);
});

test("R19: what is out of date by the bound alone goes again at once, to the same node and before what waits", async () => {
  const entry = new TestEntry();
  entry.submit(3, 1, 2);
  await entry.endTurn();
  entry.submit(3, 3);
  await entry.last.answer(OUT_OF_DATE, OUT_OF_DATE);
  expect(toEach(entry.calls.slice(1))).toEqual([[A, 1, 2, 3]]);
  expect(entry.forwarder.figures.rowsRetried["out of date"]).toBe(2);
});
