import { expect, test } from "vitest";
import { decodeAnswers } from "../../cluster/rows/answer-codec.ts";
import { encodeBatch } from "../../cluster/rows/row-codec.ts";
import { A, B, DONE, elsewhere, ME, playersOf, reportOf, TestEntry, NO_OWNER, isDone } from "../support/forwarding.ts";

test("R18: `moved` goes to the owner by the newest view at once, and after a pause where that is the same", async () => {
  const entry = new TestEntry();
  entry.submit(3, 1);
  await entry.endTurn();
  await entry.last.answer(elsewhere("moved"));
  expect(entry.calls).toHaveLength(1);
  await entry.pass(19);
  expect(entry.calls).toHaveLength(1);
  await entry.pass(1);
  expect(entry.calls.map(({ to }) => to)).toEqual([A, A]);
  entry.owner = B;
  await entry.last.answer(elsewhere("moved"));
  expect(entry.last.to).toBe(B);
});
test("R18: `moved` by a node that the view names anew, since the row left, is asked again at once", async () => {
  const entry = new TestEntry();
  entry.submit(3, 1);
  await entry.endTurn();
  await entry.learn(() => undefined);
  await entry.last.answer(elsewhere("moved"));
  expect(entry.calls.map(({ to }) => to)).toEqual([A, A]);
});
test("R18: `held by` sends the partition's rows to the holder until a newer view", async () => {
  const entry = new TestEntry();
  entry.submit(3, 1);
  await entry.endTurn();
  await entry.last.answer(elsewhere("held by", B));
  expect([entry.last.to, ...playersOf(entry.last.rows)]).toEqual([B, 1]);
  await entry.last.answer(DONE);
  entry.submit(3, 2);
  entry.submit(4, 3);
  await entry.endTurn();
  expect(entry.calls.slice(2).map(({ to, rows }) => [to, ...playersOf(rows)])).toEqual(
    expect.arrayContaining([
      [B, 2],
      [A, 3],
    ]),
  );
  for (const call of entry.calls.slice(2)) await call.answer(DONE);
  await entry.learn(() => undefined);
  entry.submit(3, 4);
  await entry.endTurn();
  expect(entry.last.to).toBe(A);
});
test("R18: a hint ends with the holder's refusal, or where nobody listens, and is not followed to who is not listed", async () => {
  for (const end of ["refusal", "no port", "not listed", "this node itself"] as const) {
    const entry = new TestEntry();
    entry.submit(3, 1);
    await entry.endTurn();
    if (end === "not listed") entry.listed.delete(B);
    await entry.last.answer(elsewhere("held by", end === "this node itself" ? ME : B));
    if (end === "refusal") await entry.last.answer(elsewhere("moved"));
    if (end === "no port") await entry.last.refuse();
    await entry.pass(40);
    const expected = { refusal: [A, B, A], "no port": [A, B, A], "not listed": [A, A], "this node itself": [A] };
    expect(
      entry.calls.map(({ to }) => to),
      end,
    ).toEqual(expected[end]);
    expect(entry.outcomes, end).toEqual(end === "this node itself" ? isDone(1) : []);
  }
});
test("R18: two nodes that send a row to each other are asked with pauses between", async () => {
  const entry = new TestEntry();
  entry.submit(3, 1);
  await entry.endTurn();
  for (let asked = 0; asked < 6; asked++)
    if (entry.calls.length > asked) await entry.last.answer(elsewhere("held by", entry.last.to === A ? B : A));
  expect(entry.calls.map(({ to }) => to)).toEqual([A, B, A]);
  await entry.pass(20);
  expect(entry.calls).toHaveLength(4);
});
test("R18: `loading` is asked again after a pause, and holds up no other partition", async () => {
  const entry = new TestEntry();
  entry.submit(3, 1);
  entry.submit(4, 2);
  await entry.endTurn();
  await entry.last.answer(elsewhere("loading"), DONE);
  entry.submit(3, 3);
  entry.submit(4, 4);
  await entry.endTurn();
  expect(entry.sent).toEqual([[1, 2], [4]]);
  await entry.last.answer(DONE);
  await entry.pass(9);
  expect(entry.calls).toHaveLength(2);
  await entry.pass(1);
  expect(entry.sent[2]).toEqual([1, 3]);
  expect(entry.forwarder.figures.rowsRetried.loading).toBe(1);
});
test("R18: a row that nobody takes is told `no owner` at its deadline, once", async () => {
  for (const refusal of [elsewhere("loading"), elsewhere("moved"), undefined]) {
    const entry = new TestEntry();
    if (refusal === undefined) entry.owner = undefined;
    entry.submit(3, 1);
    await entry.endTurn();
    for (let tick = 0; tick < 110; tick++) {
      if (entry.calls.length > 0 && refusal !== undefined) await entry.last.answer(refusal);
      if (tick === 99) expect(entry.outcomes).toEqual([]);
      await entry.pass(20);
    }
    expect(entry.outcomes).toEqual([[1, NO_OWNER]]);
    expect(entry.forwarder.figures).toMatchObject({ rowsQueued: 0, rowsExpired: 1, rowsRefused: { "no owner": 1 } });
  }
});
test("R18: a forwarded row is never forwarded again", async () => {
  const [entry, peer] = [new TestEntry(), new TestEntry()];
  peer.atOnce = () => elsewhere("held by", B);
  const body = encodeBatch(1, [reportOf(3, 1)], 0);
  const answers = decodeAnswers(await peer.forwarder.receive(ME, 1, 0, body), 1, 1);
  await peer.endTurn();
  expect(answers).toEqual([elsewhere("held by", B)]);
  expect([peer.applied.length, peer.calls.length, peer.forwarder.figures.rowsQueued]).toEqual([1, 0, 0]);
  entry.submit(3, 1);
  await entry.endTurn();
  await entry.last.answer(...answers);
  expect(entry.last.to, "the entry goes there itself").toBe(B);
});
