import { expect, test } from "vitest";

import { MalformedMessageError } from "../../engine/codec.ts";
import {
  type Answer,
  decodeAnswers,
  decodeFates,
  EXPIRED,
  type Fate,
  FATE_GRACE_MS,
  LOST,
  OUT_OF_DATE,
  OUT_OF_TURN,
  TAKEN_IN,
} from "../../cluster/rows/answer-codec.ts";
import { encodeBatch } from "../../cluster/rows/row-codec.ts";
import { RowReceiver } from "../../cluster/rows/row-receiver.ts";
import type { Row, RowOutcome } from "../../cluster/ports/rows.ts";
import { PeerError } from "../../cluster/ports/transport.ts";
import {
  A,
  type Applied,
  B,
  DONE,
  elsewhere,
  incarnationOf,
  PARTITIONS,
  playersOf,
  reportOf,
} from "../support/forwarding.ts";
import { itemAt } from "../../simulator/item-at.ts";

const MOVED = elsewhere("moved");

/** A message of fates on its way to an entry, for the test to acknowledge. */
interface FatesCall {
  readonly to: string;
  readonly fates: readonly Fate[];
  acknowledge(): Promise<void>;
  fail(): Promise<void>;
}

class TestOwner {
  now = 1000;
  readonly listed = new Set([A, B]);
  readonly applied: Applied[] = [];
  readonly calls: FatesCall[] = [];
  atOnce: ((row: Row) => RowOutcome) | undefined = () => DONE;
  readonly receiver: RowReceiver;
  private readonly tasks: (() => void)[] = [];

  constructor(rowsMax?: number) {
    const ports = {
      nowMs: () => this.now,
      isListed: (incarnation: string) => this.listed.has(incarnation),
      atTurnEnd: (task: () => void) => void this.tasks.push(task),
      call: (to: string, body: Uint8Array) => this.call(to, body),
      handler: {
        apply: (row: Row, epoch: number, settle: (outcome: RowOutcome) => void): void => {
          this.applied.push({ row, epoch, settle });
          if (this.atOnce !== undefined) settle(this.atOnce(row));
        },
      },
    };
    this.receiver = new RowReceiver(ports, { partitions: PARTITIONS, callMs: 500, ...(rowsMax && { rowsMax }) });
  }

  /** Has a batch of these rows come from `from`, whose clock stands at 0. */
  async receive(number: number, rows: readonly Row[], from = A, ageMs = 0): Promise<Answer[]> {
    const body = encodeBatch(number, rows, 0);
    return decodeAnswers(await this.receiver.receive(from, 5, ageMs, body), number, rows.length);
  }

  /** The same where the batch is answered when time has passed. */
  async receiveSlowly(number: number, rows: readonly Row[], from = A): Promise<Answer[]> {
    const answers = this.receive(number, rows, from);
    await this.pass(10);
    return answers;
  }

  async pass(ms: number): Promise<void> {
    this.now += ms;
    this.receiver.tick();
    await this.endTurn();
  }

  async endTurn(): Promise<void> {
    for (let round = 0; round < 4; round++) await Promise.resolve();
    for (const task of this.tasks.splice(0)) task();
  }

  get players(): number[] {
    return playersOf(this.applied.map(({ row }) => row));
  }

  private call(to: string, body: Uint8Array): Promise<Uint8Array> {
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
    this.calls.push({
      to,
      fates: decodeFates(body),
      acknowledge: () => (resolve(new Uint8Array(0)), this.endTurn()),
      fail: () => (reject(new PeerError("no answer", false)), this.endTurn()),
    });
    return promise;
  }
}

test("RowReceiver applies the rows of a batch in their order, under the epoch of their sender (R17)", async () => {
  const owner = new TestOwner();
  const refused = { kind: "refused", reason: "no room for the player" } as const;
  owner.atOnce = ({ id0 }) => (id0 === 2 ? refused : DONE);
  const rows = [reportOf(3, 1), reportOf(3, 2), reportOf(200, 3)];
  expect(await owner.receive(1, rows)).toEqual([DONE, refused, DONE]);
  expect(owner.applied.map(({ row, epoch }) => [row, epoch])).toEqual(
    rows.map((row) => [{ ...row, untilMs: 3000 }, 5]),
  );
  expect(owner.receiver.figures).toMatchObject({ batches: 1, rows: 3, rowsOpen: 0, rowsTakenIn: 0, fateMessages: 0 });
});
test("RowReceiver answers when every row of the batch has settled", async () => {
  const owner = new TestOwner();
  owner.atOnce = undefined;
  let answers: Answer[] | undefined;
  const receiving = owner.receive(1, [reportOf(3, 1), reportOf(4, 2)]).then((all) => (answers = all));
  await Promise.resolve();
  itemAt(owner.applied, 1).settle(DONE);
  for (let turn = 0; turn < 5; turn++) await Promise.resolve();
  expect(answers).toBeUndefined();
  itemAt(owner.applied, 0).settle({ ...DONE, isRemembered: false });
  await receiving;
  expect(answers).toEqual([{ ...DONE, isRemembered: false }, DONE]);
});
test("R19: once a row of a partition is refused, so is the rest of it in that batch, and no other partition", async () => {
  const owner = new TestOwner();
  owner.atOnce = ({ id0 }) => (id0 === 2 ? elsewhere("held by", B) : DONE);
  const rows = [reportOf(3, 1), reportOf(3, 2), reportOf(4, 3), reportOf(3, 4)];
  expect(await owner.receive(1, rows)).toEqual([DONE, elsewhere("held by", B), DONE, elsewhere("held by", B)]);
  expect(owner.players).toEqual([1, 2, 3]);
  owner.atOnce = () => DONE;
  expect(await owner.receive(2, [reportOf(3, 5)]), "the next batch is asked anew").toEqual([DONE]);
});
test("R18: a row that is refused after it was applied is lost, and the others have the fates that they have", async () => {
  const owner = new TestOwner();
  owner.atOnce = undefined;
  const receiving = owner.receive(1, [reportOf(3, 1), reportOf(3, 2), reportOf(4, 3), reportOf(3, 4)]);
  itemAt(owner.applied, 3).settle(DONE);
  itemAt(owner.applied, 2).settle(DONE);
  itemAt(owner.applied, 1).settle(MOVED);
  itemAt(owner.applied, 0).settle(DONE);
  expect(await receiving).toEqual([DONE, LOST, DONE, DONE]);
});
test("R18: after a short time a batch is answered with what was taken in, and the fates follow in one message", async () => {
  const owner = new TestOwner();
  owner.atOnce = undefined;
  let answers: Answer[] | undefined;
  const rows = [reportOf(3, 1), reportOf(3, 2), reportOf(4, 3)];
  const receiving = owner.receive(1, rows).then((all) => (answers = all));
  itemAt(owner.applied, 1).settle(DONE);
  await owner.pass(9);
  expect(answers).toBeUndefined();
  await owner.pass(1);
  await receiving;
  expect(answers).toEqual([TAKEN_IN, DONE, TAKEN_IN]);
  expect(owner.receiver.figures).toMatchObject({ rowsOpen: 2, rowsTakenIn: 2, fatesWaiting: 0 });
  itemAt(owner.applied, 0).settle({ ...DONE, isRemembered: false });
  itemAt(owner.applied, 2).settle(MOVED);
  await owner.endTurn();
  expect(owner.calls.map(({ to, fates }) => [to, fates])).toEqual([
    [
      A,
      [
        { batch: 1, index: 0, answer: { ...DONE, isRemembered: false } },
        { batch: 1, index: 2, answer: LOST },
      ],
    ],
  ]);
  expect(owner.receiver.figures).toMatchObject({ rowsOpen: 0, fatesWaiting: 2 });
  await itemAt(owner.calls, 0).acknowledge();
  await owner.pass(1000);
  expect(owner.calls).toHaveLength(1);
  expect(owner.receiver.figures).toMatchObject({ fatesWaiting: 0, fatesForgotten: 0 });
});
test("R18: one message of fates per entry is under way, the next fills meanwhile, and what was lost is told again", async () => {
  const owner = new TestOwner();
  owner.atOnce = undefined;
  await owner.receiveSlowly(1, [reportOf(3, 1), reportOf(3, 2)]);
  await owner.receiveSlowly(2, [reportOf(3, 3)]);
  await owner.receiveSlowly(5, [reportOf(4, 4)], B);
  for (const each of owner.applied) {
    each.settle(DONE);
    await owner.endTurn();
  }
  const told = (from = 0): unknown[] =>
    owner.calls.slice(from).map(({ to, fates }) => [to, ...fates.map(({ batch, index }) => `${batch}.${index}`)]);
  expect(told()).toEqual([
    [A, "1.0"],
    [B, "5.0"],
  ]);
  await itemAt(owner.calls, 0).fail();
  await owner.pass(19);
  expect(told(2)).toEqual([]);
  await owner.pass(1);
  expect(told(2)).toEqual([[A, "1.0", "1.1", "2.0"]]);
  await itemAt(owner.calls, 2).acknowledge();
  expect(owner.receiver.figures.fatesWaiting).toBe(1);
});
test("R18: a fate is told until its row's time is over, and a little longer, since the entry waits for it", async () => {
  const owner = new TestOwner();
  owner.atOnce = undefined;
  await owner.receiveSlowly(1, [reportOf(3, 1, { untilMs: 500 }), reportOf(3, 2)]);
  for (const each of owner.applied) each.settle(DONE);
  await owner.endTurn();
  while (owner.now < 1000 + 500 + FATE_GRACE_MS) {
    await owner.calls.at(-1)?.fail();
    await owner.pass(10);
  }
  await owner.pass(200);
  expect(owner.calls.at(-1)?.fates).toEqual([{ batch: 1, index: 1, answer: DONE }]);
  expect(owner.receiver.figures).toMatchObject({ fatesWaiting: 1, fatesForgotten: 1 });
});
test("R18: rows without a fate that is acknowledged are bounded: new ones are told `overloaded`", async () => {
  const owner = new TestOwner(2);
  const overloaded = { kind: "refused", reason: "overloaded" } as const;
  owner.atOnce = undefined;
  const rows = [reportOf(3, 1), reportOf(3, 2), reportOf(4, 3)];
  expect(await owner.receiveSlowly(1, rows)).toEqual([TAKEN_IN, TAKEN_IN, overloaded]);
  itemAt(owner.applied, 0).settle(DONE);
  itemAt(owner.applied, 1).settle(DONE);
  await owner.endTurn();
  expect(await owner.receiveSlowly(2, [reportOf(4, 4)], B), "the fates count, too").toEqual([overloaded]);
  await itemAt(owner.calls, 0).acknowledge();
  expect(await owner.receiveSlowly(2, [reportOf(4, 5)])).toEqual([TAKEN_IN]);
});
test("R19: a row's time counts from its sending, and what has outlived it, or may have, is not applied", async () => {
  const owner = new TestOwner();
  const rows = [0, 50, 51, 51].map((untilMs, index) => reportOf(index < 3 ? index : 1, index + 1, { untilMs }));
  expect(await owner.receive(1, rows, A, 50), "nor is the rest of the partition").toEqual([
    EXPIRED,
    OUT_OF_DATE,
    DONE,
    OUT_OF_DATE,
  ]);
  expect(owner.applied.map(({ row }) => row.untilMs)).toEqual([1051]);
  expect(owner.receiver.figures).toMatchObject({ rowsExpired: 1, rowsOutOfDate: 1 });
  expect(await owner.receive(2, rows.slice(1, 2), A, 1), "with a fresh stamp").toEqual([DONE]);
});
test("R19: a row that was over when it was sent goes no more, so it holds up nothing of its partition", async () => {
  const owner = new TestOwner();
  expect(await owner.receive(1, [reportOf(3, 1, { untilMs: 0 }), reportOf(3, 2)], A, 50)).toEqual([EXPIRED, DONE]);
});
test("R19: a batch that comes after a later one of its sender is not applied, and nobody knows what became of it", async () => {
  const owner = new TestOwner();
  await owner.receive(7, [reportOf(3, 1)]);
  expect(await owner.receive(6, [reportOf(3, 2), reportOf(4, 3)])).toEqual([OUT_OF_TURN, OUT_OF_TURN]);
  expect(await owner.receive(1, [reportOf(3, 4)], B), "another sender counts for itself").toEqual([DONE]);
  await owner.receive(8, [reportOf(3, 5)]);
  expect(owner.players).toEqual([1, 4, 5]);
  expect(owner.receiver.figures.batchesOutOfTurn).toBe(1);
});
test("R18: a batch that comes again, since its answer was lost, is answered with what became of it, and not applied", async () => {
  const owner = new TestOwner();
  owner.atOnce = undefined;
  const rows = [reportOf(3, 1), reportOf(3, 2)];
  await owner.receiveSlowly(1, rows);
  expect(await owner.receiveSlowly(1, rows)).toEqual([TAKEN_IN, TAKEN_IN]);
  itemAt(owner.applied, 0).settle(DONE);
  expect(await owner.receiveSlowly(1, rows)).toEqual([DONE, TAKEN_IN]);
  itemAt(owner.applied, 1).settle(MOVED);
  expect(await owner.receive(1, rows)).toEqual([DONE, LOST]);
  expect(owner.players).toEqual([1, 2]);
  await owner.endTurn();
  expect(owner.calls.flatMap(({ fates }) => fates.map(({ index }) => index))).toEqual([0]);
});
test("R18: the next batch of a sender ends the wait for the one before, whose rows keep their fates", async () => {
  const owner = new TestOwner();
  owner.atOnce = undefined;
  const first = owner.receive(1, [reportOf(3, 1)]);
  void owner.receive(2, [reportOf(3, 2)]);
  expect(await first).toEqual([TAKEN_IN]);
  itemAt(owner.applied, 0).settle(DONE);
  await owner.endTurn();
  expect(itemAt(owner.calls, 0).fates).toEqual([{ batch: 1, index: 0, answer: DONE }]);
});
test("RowReceiver answers a batch that comes again while it is open as it answers the first, and applies it once", async () => {
  const owner = new TestOwner();
  owner.atOnce = undefined;
  const receiving = [owner.receive(1, [reportOf(3, 1)]), owner.receive(1, [reportOf(3, 1)])];
  itemAt(owner.applied, 0).settle(MOVED);
  expect(await Promise.all(receiving)).toEqual([[LOST], [LOST]]);
  expect(owner.players).toEqual([1]);
});
test("RowReceiver remembers a bounded number of senders, and forgets those that are not listed first", async () => {
  const owner = new TestOwner();
  const strangerOf = (number: number): string => incarnationOf(0).slice(0, -4) + number.toString(16).padStart(4, "0");
  await owner.receive(9, [reportOf(3, 1)], A);
  for (let number = 16; number < 16 + 1024; number++) await owner.receive(9, [reportOf(3, 1)], strangerOf(number));
  expect(await owner.receive(8, [reportOf(3, 1)], A), "listed").toEqual([OUT_OF_TURN]);
  expect(await owner.receive(8, [reportOf(3, 1)], strangerOf(17)), "not the oldest").toEqual([OUT_OF_TURN]);
  expect(await owner.receive(8, [reportOf(3, 1)], strangerOf(16)), "forgotten").toEqual([DONE]);
});
test("RowReceiver applies nothing of a malformed batch", async () => {
  const owner = new TestOwner();
  const body = encodeBatch(1, [reportOf(3, 1)], 0);
  (body[30] as number) ^= 1;
  await expect(owner.receiver.receive(A, 5, 0, body)).rejects.toThrow(MalformedMessageError);
  expect(owner.applied).toHaveLength(0);
  expect(await owner.receive(1, [reportOf(3, 1)]), "and its number is not taken").toEqual([DONE]);
});
