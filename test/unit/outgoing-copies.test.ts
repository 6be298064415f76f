/** R13, the holder's side: it copies while it serves, and stops with the last round. */
import { expect, test } from "vitest";
import type { CopyAnswer } from "../../cluster/moves/hand-off-codec.ts";
import { decodeRows } from "../../engine/codec.ts";
import { itemAt } from "../../simulator/item-at.ts";
import { incarnationOf, viewOfMembers } from "../support/members.ts";
import { CLAIM, LEASE_MS, MoveBench } from "../support/move-bench.ts";

/** A partition with some players, reported and stored. */
async function withPlayers(): Promise<{ move: MoveBench; partition: number; players: number[] }> {
  const move = await MoveBench.open();
  const { bench } = move;
  const partition = bench.partitionOf(0);
  const players = Array.from({ length: 400 }, (_, player) => player).filter(
    (player) => bench.partitionOf(player) === partition,
  );
  for (const player of players.slice(3)) bench.report(player, "GM01");
  await bench.settle();
  return { move, partition, players };
}

function rowsIn(answer: CopyAnswer): number {
  if (answer.kind !== "rows") throw new Error(`There are no rows in "${answer.kind}"`);
  return decodeRows(answer.round === 0 ? "snapshot" : "round", answer.bytes).count;
}

test("R13: serves on until the last round, which says how many rounds and rows there were and what stands", async () => {
  const { move, partition, players } = await withPlayers();
  const { bench, holdings } = move;
  expect(rowsIn(await move.ask(partition, 0))).toBe(players.length - 3);
  bench.report(itemAt(players, 0), "GM01");
  bench.report(itemAt(players, 0), "GM02");
  expect(rowsIn(await move.ask(partition, 1))).toBe(1);
  expect(holdings.get(partition).kind).toBe("serving");
  const told = bench.report(itemAt(players, 1), "GM02");
  const last = await move.ask(partition, 2, { isLast: true });
  expect(rowsIn(last)).toBe(1);
  expect(last).toMatchObject({ last: { rounds: 2, rows: players.length - 1, claim: CLAIM, graceLeftMs: 0 } });
  expect(told.answers, "what it had applied has landed").toEqual(["remembered"]);
  expect(holdings.get(partition)).toMatchObject({
    kind: "kept",
    serving: { record: { length: last.kind === "rows" ? last.last?.length : -1 } },
  });
  expect(move.handOff.handedOver).toBe(1);
});
test("R13: a question that comes again gets the same answer, whatever changed meanwhile; one from before gets none", async () => {
  const { move, partition, players } = await withPlayers();
  await move.ask(partition, 0);
  const first = await move.ask(partition, 1);
  move.bench.report(itemAt(players, 0), "GM01");
  expect(await move.ask(partition, 1)).toEqual(first);
  expect(rowsIn(await move.ask(partition, 2)), "the row is in the round after").toBe(1);
  expect(await move.ask(partition, 1)).toEqual({ kind: "busy" });
  expect(await move.ask(partition, 5)).toEqual({ kind: "busy" });
  const last = await move.ask(partition, 3, { isLast: true });
  expect(await move.ask(partition, 3, { isLast: true })).toEqual(last);
  expect(await move.ask(partition, 3)).toEqual({ kind: "busy" });
  expect(await move.ask(partition, 4, { isLast: true })).toEqual({ kind: "busy" });
});
test("R13: a round of an older copy, of another taker's or of none changes nothing", async () => {
  const { move, partition } = await withPlayers();
  expect(await move.ask(partition, 1, { isLast: true })).toEqual({ kind: "busy" });
  await move.ask(partition, 0, { copy: 7 });
  for (const strange of [{ copy: 6 }, { copy: 8 }, { copy: 7, from: incarnationOf(3) }])
    expect(await move.ask(partition, 1, { ...strange, isLast: true })).toEqual({ kind: "busy" });
  expect(await move.ask(partition, 0, { copy: 6 })).toEqual({ kind: "busy" });
  expect(move.holdings.get(partition).kind).toBe("serving");
  expect(rowsIn(await move.ask(partition, 1, { copy: 7 }))).toBe(0);
});
test("R13: nobody but the owner by the view copies what is served, and nothing that is ahead is copied (R4)", async () => {
  const { move, partition, players } = await withPlayers();
  expect(await move.ask(partition, 0, { from: incarnationOf(3) })).toEqual({ kind: "busy" });
  await move.ask(partition, 0);
  move.membership.view = viewOfMembers(6, [3]);
  expect(await move.ask(partition, 1, { isLast: true }), "it changed hands meanwhile").toEqual({ kind: "busy" });
  move.bench.store.loseNextAnswers();
  move.bench.report(itemAt(players, 0), "GM01");
  await move.bench.settle();
  expect(move.bench.recorder.isPartitionAhead(partition)).toBe(true);
  expect(await move.ask(partition, 0, { from: incarnationOf(3) })).toEqual({ kind: "busy" });
  expect(move.holdings.get(partition).kind).toBe("serving");
  move.holdings.forget(partition);
  expect(await move.ask(partition, 0)).toEqual({ kind: "not held" });
});
test("R13: where its append fails it serves on, and the copy is over", async () => {
  const { move, partition, players } = await withPlayers();
  await move.ask(partition, 0);
  move.bench.report(itemAt(players, 0), "GM01");
  move.bench.store.goAway();
  expect(await move.ask(partition, 1, { isLast: true })).toEqual({ kind: "busy" });
  expect(move.holdings.get(partition).kind).toBe("serving");
  expect(await move.ask(partition, 1, { isLast: true })).toEqual({ kind: "busy" });
  expect(itemAt(move.bench.engine.partitions, partition).changed).toBeUndefined();
});
test("R13: who waits for a slow encoder is told so, and gets the table in the end", async () => {
  const { move, partition, players } = await withPlayers();
  const { promise, resolve } = Promise.withResolvers<void>();
  move.encoding = promise;
  const asked = move.ask(partition, 0);
  await move.bench.settle();
  move.bench.nowMs += 60;
  move.handOff.tick();
  expect(await asked).toEqual({ kind: "not yet" });
  resolve();
  expect(rowsIn(await move.ask(partition, 0))).toBe(players.length - 3);
});
test("R13: a table that cannot be encoded is told, and its taker asks again", async () => {
  const { move, partition } = await withPlayers();
  move.encoding = Promise.reject(new Error("the worker died"));
  expect(await move.ask(partition, 0)).toEqual({ kind: "busy" });
  expect(move.faults).toEqual([new Error("the worker died")]);
  move.encoding = Promise.resolve();
  expect((await move.ask(partition, 0)).kind).toBe("rows");
});
test("R13: a copy that nobody asks for in a lease is dropped, and nothing is noted any more", async () => {
  const { move, partition } = await withPlayers();
  const isNoting = (): boolean => itemAt(move.bench.engine.partitions, partition).changed !== undefined;
  await move.ask(partition, 0);
  move.bench.nowMs += LEASE_MS;
  move.handOff.tick();
  expect(isNoting()).toBe(true);
  move.bench.nowMs += 1;
  move.handOff.tick();
  expect(isNoting()).toBe(false);
  expect(await move.ask(partition, 1)).toEqual({ kind: "busy" });
});
test("R13: after five rounds only the last one is given", async () => {
  const { move, partition } = await withPlayers();
  for (let round = 0; round <= 5; round++) expect(rowsIn(await move.ask(partition, round))).toBeGreaterThanOrEqual(0);
  expect(await move.ask(partition, 6)).toEqual({ kind: "busy" });
  expect(await move.ask(partition, 6, { isLast: true })).toMatchObject({ kind: "rows", last: { rounds: 6 } });
});
test("R6, R13: what was let go is kept, and given to whoever asks for it anew, until its successor serves", async () => {
  const { move, partition, players } = await withPlayers();
  await move.ask(partition, 0);
  const first = await move.ask(partition, 1, { isLast: true });
  expect(rowsIn(await move.ask(partition, 0, { copy: 2 }))).toBe(players.length - 3);
  const again = await move.ask(partition, 1, { copy: 2, isLast: true });
  expect(again).toMatchObject({ last: first.kind === "rows" ? first.last : {} });
});
test("R18: who waits for the claim to be proven is told before the partition is let go", async () => {
  const { move, partition } = await withPlayers();
  const fates: string[] = [];
  await move.ask(partition, 0);
  move.bench.recorder.whenProven(partition, (fate) => void fates.push(fate));
  await move.ask(partition, 1, { isLast: true });
  expect(fates).toEqual(["remembered"]);
});
