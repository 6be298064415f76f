import { expect, test } from "vitest";

import {
  decodeAnswers,
  EXPIRED,
  FATE_GRACE_MS,
  LOST,
  OUT_OF_DATE,
  OUT_OF_TURN,
  TAKEN_IN,
} from "../../cluster/rows/answer-codec.ts";
import { encodeBatch } from "../../cluster/rows/row-codec.ts";
import type { Row } from "../../cluster/ports/rows.ts";
import { NO_SEQ } from "../../engine/partition.ts";
import {
  A,
  B,
  C,
  type Call,
  DONE,
  elsewhere,
  incarnationOf,
  ME,
  playersOf,
  reportOf,
  TestEntry,
} from "../support/forwarding.ts";
import { itemAt } from "../../simulator/item-at.ts";

const NO_OWNER = { kind: "refused", reason: "no owner" } as const;
const OVERLOADED = { kind: "refused", reason: "overloaded" } as const;
const isDone = (...players: number[]): [number, object][] => players.map((player) => [player, DONE]);

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
test("R18: a row with a fate is not repeated, though one before it came back", async () => {
  const entry = new TestEntry();
  entry.submit(3, 1, 2, 3);
  await entry.endTurn();
  entry.owners.set(3, B);
  await entry.last.answer(elsewhere("moved"), DONE, OVERLOADED);
  expect(playersOf(entry.last.rows)).toEqual([1]);
  expect(entry.outcomes).toEqual([...isDone(2), [3, OVERLOADED]]);
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
    entry.listed.delete(A);
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
  for (let player = 1; player <= 7; player++) entry.submitRow(reportOf(3, player), true);
  expect(entry.outcomes).toEqual([[7, OVERLOADED]]);
  entry.submit(3, 8, 9, 10);
  expect(entry.outcomes.slice(1)).toEqual([[10, OVERLOADED]]);
  expect(entry.forwarder.figures).toMatchObject({ rowsQueued: 8, rowsRefused: { overloaded: 2 } });
  await entry.endTurn();
  await entry.last.answer(...entry.last.rows.map(() => DONE));
  expect(entry.forwarder.figures.rowsQueued).toBe(0);
  entry.submitRow(reportOf(3, 11), true);
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

const noSeq = (partition: number, player: number): Row => reportOf(partition, player, { seq: NO_SEQ });
const toEach = (calls: readonly Call[]): [string, ...number[]][] =>
  calls.map(({ to, rows }) => [to, ...playersOf(rows)]);

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
    if (end === "not listed") await entry.learn(() => (owners(), entry.listed.delete(A)));
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
  await entry.learn(() => entry.listed.delete(A));
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
test("R19: what is out of date by the bound alone goes again at once, to the same node and before what waits", async () => {
  const entry = new TestEntry();
  entry.submit(3, 1, 2);
  await entry.endTurn();
  entry.submit(3, 3);
  await entry.last.answer(OUT_OF_DATE, OUT_OF_DATE);
  expect(toEach(entry.calls.slice(1))).toEqual([[A, 1, 2, 3]]);
  expect(entry.forwarder.figures.rowsRetried["out of date"]).toBe(2);
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
