import { expect, test } from "vitest";
import { ClaimProver } from "../../cluster/moves/claim-prover.ts";
import { viewOfMembers } from "../support/members.ts";
import { MoveBench } from "../support/move-bench.ts";

test("R13: what is served for another is proven again and again by an append, and only that", async () => {
  const move = await MoveBench.open();
  const { bench, holdings } = move;
  const prover = new ClaimProver({ holdings, recorder: bench.recorder, nowMs: () => bench.nowMs });
  const pass = async (ms: number): Promise<void> => {
    for (const untilMs = bench.nowMs + ms; bench.nowMs < untilMs;) {
      bench.nowMs += 20;
      prover.tick();
      await bench.settle();
    }
  };
  expect(prover.isProven(3)).toBe(false);
  await pass(20);
  for (let again = 0; again < 20; again++) {
    await pass(20);
    expect(prover.isProven(3)).toBe(true);
  }
  bench.store.goAway();
  await pass(300);
  expect(prover.isProven(3), "the store is away").toBe(false);
  bench.store.comeBack();
  move.membership.view = viewOfMembers(6, [1]);
  for (const partition of holdings.where("serving")) holdings.servingOf(partition)!.record.raisedTo = 6;
  const { append } = bench.store.calls;
  await pass(200);
  expect(prover.isProven(3), "it is this node's own").toBe(false);
  expect(bench.store.calls.append).toBe(append);
});
test("R13: a claim that was proven is not, once the partition is let go", async () => {
  const move = await MoveBench.open();
  const { bench, holdings } = move;
  const prover = new ClaimProver({ holdings, recorder: bench.recorder, nowMs: () => bench.nowMs });
  prover.tick();
  await bench.settle();
  expect(prover.isProven(3)).toBe(true);
  holdings.letGo(3);
  expect(prover.isProven(3)).toBe(false);
});
test("R14: a partition of this node's own is proven while it has no licence", async () => {
  const move = await MoveBench.open();
  const { bench, holdings } = move;
  const prover = new ClaimProver({ holdings, recorder: bench.recorder, nowMs: () => bench.nowMs });
  move.membership.view = viewOfMembers(5, [1]);
  holdings.servingOf(3)!.record.raisedTo = 5;
  prover.tick();
  await bench.settle();
  expect(prover.isProven(3), "a licence needs no proof").toBe(false);
  move.membership.isLicensed = false;
  prover.tick();
  await bench.settle();
  expect(prover.isProven(3)).toBe(true);
});
