import { expect, test } from "vitest";
import type { Membership } from "../../cluster/members/membership.ts";
import { ClaimRaiser } from "../../cluster/moves/claim-raiser.ts";
import type { Holdings } from "../../cluster/moves/holdings.ts";
import type { RunGuard } from "../../cluster/records/run-guard.ts";

type Answer = "landed" | "superseded" | "claim lost";
interface Served {
  isMine: boolean;
  record: { partition: number; claim: object; raisedTo: number; state: string };
}

/** Partitions that a node serves, of two tags: even and odd ones. */
class Subject {
  nowMs = 1000;
  epoch = 5;
  changes = 1;
  isOpen = true;
  readonly served = new Map<number, Served>();
  readonly takingBack = new Set<number>();
  readonly calls: { partitions: number[]; epoch: number; settle: (answers: Answer[]) => void; fail: () => void }[] = [];
  readonly superseded: number[] = [];
  readonly lost: number[] = [];
  readonly raiser = new ClaimRaiser({
    holdings: this.holdings(),
    membership: { view: this.view() } as unknown as Membership,
    guard: this.guard(),
    nowMs: () => this.nowMs,
    onSuperseded: (partition) => this.superseded.push(partition),
    onClaimLost: (partition) => this.lost.push(partition),
    isTakingBack: (partition) => this.takingBack.has(partition),
  });

  serve(partition: number, isMine = true, raisedTo = 4): Served {
    const served = { isMine, record: { partition, claim: {}, raisedTo, state: "held" } };
    this.served.set(partition, served);
    this.changes++;
    return served;
  }

  async answer(...answers: Answer[]): Promise<void> {
    this.calls.shift()?.settle(answers);
    await turn();
  }

  async tick(ms = 0): Promise<number[][]> {
    this.nowMs += ms;
    this.raiser.tick();
    await turn();
    return this.calls.map(({ partitions }) => partitions);
  }

  private view(): object {
    return Object.defineProperty({}, "epoch", { get: () => this.epoch });
  }

  private holdings(): Holdings {
    const holdings = {
      where: () => [...this.served.keys()],
      servingOf: (partition: number) => this.served.get(partition),
      isMine: (partition: number) => this.served.get(partition)?.isMine,
    };
    return Object.defineProperty(holdings, "changes", { get: () => this.changes }) as unknown as Holdings;
  }

  private guard(): RunGuard {
    return {
      tagOf: (partition: number) => partition % 2,
      isOpenFor: () => this.isOpen,
      raise: (claims: readonly { partition: number }[], epoch: number) =>
        new Promise<Answer[]>((resolve, reject) => {
          const partitions = claims.map(({ partition }) => partition);
          this.calls.push({ partitions, epoch, settle: resolve, fail: () => reject(new Error("away")) });
        }),
    } as unknown as RunGuard;
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("R14: a new view raises the claims of what is this node's own, a call for each tag, once", async () => {
  const subject = new Subject();
  const own = [2, 3, 4].map((partition) => subject.serve(partition));
  subject.serve(6, true, 5); // is raised already
  subject.raiser.onView();
  expect(await subject.tick()).toEqual([[2, 4], [3]]);
  expect(subject.calls.map(({ epoch }) => epoch)).toEqual([5, 5]);
  await subject.answer("landed", "landed");
  await subject.answer("landed");
  expect(own.map(({ record }) => record.raisedTo)).toEqual([5, 5, 5]);
  expect(await subject.tick(10_000)).toEqual([]);
  subject.epoch = 6;
  subject.raiser.onView();
  expect(await subject.tick()).toEqual([[2, 4, 6], [3]]);
});
test("R14: while nothing is served anew nothing is looked through; what is served anew is raised at the next tick", async () => {
  const subject = new Subject();
  subject.serve(2, true, 5);
  expect(await subject.tick()).toEqual([]);
  subject.served.get(2)!.record.raisedTo = 4; // nobody says that something changed
  expect(await subject.tick()).toEqual([]);
  subject.serve(4);
  expect(await subject.tick()).toEqual([[2, 4]]);
});
test("R14: a tag whose call failed, or whose answers were not all good, waits 100 ms, and not the other", async () => {
  const subject = new Subject();
  for (const partition of [2, 4, 3]) subject.serve(partition);
  await subject.tick();
  subject.calls.shift()!.fail();
  await turn();
  expect(await subject.tick(99), "the other is under way").toEqual([[3]]);
  expect(await subject.tick(1)).toEqual([[3], [2, 4]]);
  await subject.answer("landed");
  await subject.answer("landed", "superseded");
  expect([subject.served.get(2)!.record.raisedTo, subject.superseded]).toEqual([5, [4]]);
  expect(await subject.tick(99)).toEqual([]);
  expect(await subject.tick(1)).toEqual([[4]]);
  await subject.answer("claim lost");
  expect(subject.lost).toEqual([4]);
  subject.epoch = 6;
  subject.raiser.onView();
  expect(await subject.tick(), "a view waits for nothing").toEqual([[2, 4], [3]]);
});
test("R14: what moved while the store was asked is not raised by its answer", async () => {
  const subject = new Subject();
  const [first, second] = [subject.serve(2), subject.serve(4)];
  await subject.tick();
  first.record.claim = {};
  subject.serve(4);
  await subject.answer("landed", "superseded");
  expect([first.record.raisedTo, second.record.raisedTo, subject.superseded]).toEqual([4, 4, []]);
});
test("R14: an answer for an older view lowers nothing", async () => {
  const subject = new Subject();
  const { record } = subject.serve(2);
  await subject.tick();
  record.raisedTo = 7;
  await subject.answer("landed");
  expect(record.raisedTo).toBe(7);
});
test("R14: nothing is raised while the store may not be asked", async () => {
  const subject = new Subject();
  subject.serve(2);
  subject.isOpen = false;
  expect(await subject.tick()).toEqual([]);
  subject.isOpen = true;
  expect(await subject.tick()).toEqual([[2]]);
});
test("R15: what is claimed anew is left alone, and looked at again once that is done", async () => {
  const subject = new Subject();
  subject.serve(2);
  subject.takingBack.add(2);
  expect(await subject.tick()).toEqual([]);
  subject.takingBack.delete(2);
  expect(await subject.tick()).toEqual([[2]]);
  await subject.answer("landed");
  const lost = subject.serve(4);
  lost.record.state = "claim lost";
  expect(await subject.tick()).toEqual([]);
  lost.record.state = "held";
  expect(await subject.tick()).toEqual([[4]]);
});
test("R6: what is held for others is asked about once a second, raises nothing, and tells what is superseded", async () => {
  const subject = new Subject();
  const { record } = subject.serve(2, false);
  expect(await subject.tick()).toEqual([[2]]);
  expect(subject.calls[0]!.epoch).toBe(0);
  await subject.answer("landed");
  expect(record.raisedTo).toBe(4);
  expect(await subject.tick(999)).toEqual([]);
  expect(await subject.tick(1)).toEqual([[2]]);
  await subject.answer("superseded");
  expect(subject.superseded).toEqual([2]);
  subject.serve(4);
  expect(await subject.tick(1000), "this node's own come first").toEqual([[4]]);
});
