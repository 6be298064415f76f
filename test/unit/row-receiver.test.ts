import { expect, test } from "vitest";

import { MalformedMessageError } from "../../engine/codec.ts";
import { type Answer, decodeAnswers, encodeBatch, EXPIRED, OUT_OF_TURN } from "../../cluster/rows/row-codec.ts";
import { RowReceiver } from "../../cluster/rows/row-receiver.ts";
import type { Row, RowOutcome } from "../../cluster/ports/rows.ts";
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

const MOVED = elsewhere("moved");

class TestOwner {
  now = 1000;
  readonly listed = new Set([A, B]);
  readonly applied: Applied[] = [];
  atOnce: ((row: Row) => RowOutcome) | undefined = () => DONE;
  readonly receiver = new RowReceiver(
    {
      nowMs: () => this.now,
      isListed: (incarnation) => this.listed.has(incarnation),
      handler: {
        apply: (row, epoch, settle) => {
          this.applied.push({ row, epoch, settle });
          if (this.atOnce !== undefined) settle(this.atOnce(row));
        },
      },
    },
    PARTITIONS,
  );

  /** Has a batch of these rows come from `from`, whose clock stands at 0. */
  async receive(number: number, rows: readonly Row[], from = A, delayMs = 0): Promise<Answer[]> {
    const body = encodeBatch(
      number,
      rows.map((row) => ({ row })),
      0,
    );
    return decodeAnswers(await this.receiver.receive(from, 5, delayMs, body), number, rows.length);
  }

  get players(): number[] {
    return playersOf(this.applied.map(({ row }) => row));
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
  expect(owner.receiver.figures).toEqual({ batches: 1, rows: 3, rowsExpired: 0, batchesOutOfTurn: 0 });
});
test("RowReceiver answers when every row of the batch has settled", async () => {
  const owner = new TestOwner();
  owner.atOnce = undefined;
  let answers: Answer[] | undefined;
  const receiving = owner.receive(1, [reportOf(3, 1), reportOf(4, 2)]).then((all) => (answers = all));
  await Promise.resolve();
  owner.applied[1].settle(DONE);
  for (let turn = 0; turn < 5; turn++) await Promise.resolve();
  expect(answers).toBeUndefined();
  owner.applied[0].settle({ ...DONE, isRemembered: false });
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
test("R19: rows applied behind one that is refused later are refused with it", async () => {
  const owner = new TestOwner();
  owner.atOnce = undefined;
  const receiving = owner.receive(1, [reportOf(3, 1), reportOf(3, 2), reportOf(4, 3), reportOf(3, 4)]);
  owner.applied[3].settle(DONE);
  owner.applied[2].settle(DONE);
  owner.applied[1].settle(MOVED);
  owner.applied[0].settle(DONE);
  expect(await receiving).toEqual([DONE, MOVED, DONE, MOVED]);
});
test("R19: a row's time counts from its sending, and what has outlived it is dropped", async () => {
  const owner = new TestOwner();
  const rows = [40, 50, 51].map((untilMs, index) => reportOf(3, index + 1, { untilMs }));
  expect(await owner.receive(1, rows, A, 50)).toEqual([EXPIRED, DONE, DONE]);
  expect(owner.applied.map(({ row }) => row.untilMs)).toEqual([1000, 1001]);
  expect(owner.receiver.figures.rowsExpired).toBe(1);
  await owner.receive(2, [reportOf(3, 4, { untilMs: 10 })], A, -5);
  expect(owner.applied[2].row.untilMs, "no message comes before it was sent").toBe(1010);
});
test("R19: a batch that comes after a later one of its sender, or again, is not applied", async () => {
  const owner = new TestOwner();
  await owner.receive(7, [reportOf(3, 1)]);
  for (const number of [7, 6])
    expect(await owner.receive(number, [reportOf(3, 2), reportOf(4, 3)])).toEqual([OUT_OF_TURN, OUT_OF_TURN]);
  expect(await owner.receive(1, [reportOf(3, 4)], B), "another sender counts for itself").toEqual([DONE]);
  await owner.receive(8, [reportOf(3, 5)]);
  expect(owner.players).toEqual([1, 4, 5]);
  expect(owner.receiver.figures.batchesOutOfTurn).toBe(2);
});
test("RowReceiver answers a batch that comes again while it is open as it answers the first, and applies it once", async () => {
  const owner = new TestOwner();
  owner.atOnce = undefined;
  const receiving = [owner.receive(1, [reportOf(3, 1)]), owner.receive(1, [reportOf(3, 1)])];
  owner.applied[0].settle(MOVED);
  expect(await Promise.all(receiving)).toEqual([[MOVED], [MOVED]]);
  expect(owner.players).toEqual([1]);
});
test("RowReceiver remembers a bounded number of senders, and forgets those that are not listed first", async () => {
  const owner = new TestOwner();
  const strangerOf = (number: number): string => incarnationOf(0).slice(0, -4) + number.toString(16).padStart(4, "0");
  await owner.receive(9, [reportOf(3, 1)], A);
  for (let number = 16; number < 16 + 1024; number++) await owner.receive(9, [reportOf(3, 1)], strangerOf(number));
  expect(await owner.receive(9, [reportOf(3, 1)], A), "listed").toEqual([OUT_OF_TURN]);
  expect(await owner.receive(9, [reportOf(3, 1)], strangerOf(17)), "not the oldest").toEqual([OUT_OF_TURN]);
  expect(await owner.receive(9, [reportOf(3, 1)], strangerOf(16)), "forgotten").toEqual([DONE]);
});
test("RowReceiver applies nothing of a malformed batch", async () => {
  const owner = new TestOwner();
  const body = encodeBatch(1, [{ row: reportOf(3, 1) }], 0);
  body[30] ^= 1;
  await expect(owner.receiver.receive(A, 5, 0, body)).rejects.toThrow(MalformedMessageError);
  expect(owner.applied).toHaveLength(0);
  expect(await owner.receive(1, [reportOf(3, 1)]), "and its number is not taken").toEqual([DONE]);
});
