/** R13, the taker's side: the table, rounds until little is left, the last one, and what does not fit. */
import { expect, test } from "vitest";
import { PeerError } from "../../cluster/ports/transport.ts";
import { encodeAnswer } from "../../cluster/moves/hand-off-codec.ts";
import type { Pulled } from "../../cluster/moves/puller.ts";
import { itemAt } from "../../simulator/item-at.ts";
import { CLAIM, MoveBench } from "../support/move-bench.ts";

const SILENT = new PeerError("No answer", false);

async function withPlayers(): Promise<{ move: MoveBench; partition: number; players: number[] }> {
  const move = await MoveBench.open();
  const { bench } = move;
  const partition = bench.partitionOf(0);
  const players = Array.from({ length: 3000 }, (_, player) => player).filter(
    (player) => bench.partitionOf(player) === partition,
  );
  for (const player of players) bench.report(player, "GM01");
  await bench.settle();
  return { move, partition, players };
}

function expectSame(move: MoveBench, partition: number, pull: unknown): void {
  expect(pull).toMatchObject({
    kind: "pulled",
    claim: CLAIM,
    length: move.bench.recorder.recordOf(partition)?.length ?? expect.any(Number),
  });
  (pull as Pulled).install();
  expect(move.rowsOf(move.taker, partition)).toEqual(move.rowsOf(move.bench.engine, partition));
  move.taker.assertSound();
}

test("Puller copies the table, a round that turns out small, and the last", async () => {
  const { move, partition, players } = await withPlayers();
  move.onCall = ({ round }) => {
    if (round === 1) for (const player of players.slice(0, 5)) move.bench.report(player, "GM02");
    if (round === 2) move.bench.remove(itemAt(players, 7));
    return undefined;
  };
  const pull = await move.pull(partition);
  expect(move.asked).toEqual(["0", "1", "2 last"]);
  expect(move.stopped).toEqual([partition]);
  expectSame(move, partition, pull);
});
test("Puller asks for the last round after the fifth, however much still changes", async () => {
  const { move, partition, players } = await withPlayers();
  let mode = 0;
  move.onCall = () => {
    mode++;
    for (const player of players) move.bench.report(player, `GM0${mode}`);
    return undefined;
  };
  const pull = await move.pull(partition);
  expect(move.asked).toEqual(["0", "1", "2", "3", "4", "5", "6 last"]);
  expectSame(move, partition, pull);
});
test("Puller asks again where an answer is lost, and misses nothing", async () => {
  const { move, partition, players } = await withPlayers();
  const lost = new Set([1, 3, 5]);
  move.onCall = (_, number) => {
    if (move.holdings.servingOf(partition) !== undefined) move.bench.report(itemAt(players, number), "GM02");
    return lost.has(number) ? "answer lost" : undefined;
  };
  const pull = await move.pull(partition);
  expect(move.asked).toEqual(["0", "0", "1", "1", "2 last", "2 last"]);
  expectSame(move, partition, pull);
});
test("Puller takes 300 ms without an answer for silence, wherever they fall, and nothing shorter", async () => {
  for (const silentFrom of [1, 2, 3]) {
    const { move, partition } = await withPlayers();
    const beganMs = move.bench.nowMs;
    move.onCall = (_, number) => (number >= silentFrom ? SILENT : undefined);
    expect(await move.pull(partition)).toEqual({ kind: "silent" });
    expect(move.bench.nowMs - beganMs).toBe(300);
    move.puller.release([partition]);
    expect(move.taker.apart.size).toBe(0);
    expect(move.rowsOf(move.taker, partition)).toEqual([]);
  }
});
test("Puller asks once more where this node itself stood still: the answer may lie in its sockets", async () => {
  const { move, partition } = await withPlayers();
  move.onCall = (_, number) => {
    if (number !== 2) return undefined;
    move.bench.nowMs += 5000;
    return SILENT;
  };
  expectSame(move, partition, await move.pull(partition));
});
test("Puller does not wait for a port that refuses", async () => {
  const { move, partition } = await withPlayers();
  move.onCall = () => new PeerError("Nobody listens", true);
  expect(await move.pull(partition)).toEqual({ kind: "silent" });
  expect(move.asked).toEqual(["0"]);
});
test("Puller counts silence from the last answer: a holder that is slow and says so is waited for", async () => {
  const { move, partition } = await withPlayers();
  const receive = move.handOff.receive.bind(move.handOff);
  let slow = 10;
  move.handOff.receive = async (from, body) => {
    move.bench.nowMs += 100;
    return slow-- > 0 ? encodeAnswer({ kind: "not yet" }) : receive(from, body);
  };
  expectSame(move, partition, await move.pull(partition));
});
test("R13: what does not fit is told, after the holder was asked to let go, and changes nothing here", async () => {
  const { move, partition, players } = await withPlayers();
  const receive = move.handOff.receive.bind(move.handOff);
  for (const spoilt of ["row", "bytes"] as const) {
    move.handOff.receive = async (from, body) => {
      const answer = await receive(from, body);
      const round = move.asked.at(-1);
      if (spoilt === "bytes" && round === "0") (answer[answer.length - 1] as number) ^= 1;
      // A row that this copy is not told of.
      if (spoilt === "row" && round === "1")
        (itemAt(move.bench.engine.partitions, partition).table.rows[5] as number)++;
      return answer;
    };
    move.asked.length = 0;
    if (spoilt === "row") move.bench.report(itemAt(players, 0), "GM03");
    expect(await move.pull(partition)).toEqual({ kind: "misfit" });
    expect(move.asked.at(-1)).toMatch("last");
    expect(move.rowsOf(move.taker, partition)).toEqual([]);
  }
  expect(move.puller.misfits).toBe(2);
});
test("Puller stops where the partition is not this node's any more, and the holder goes on", async () => {
  const { move, partition } = await withPlayers();
  move.onCall = ({ round }) => {
    move.isWanted = round < 1;
    return undefined;
  };
  expect(await move.pull(partition)).toEqual({ kind: "busy" });
  expect(move.asked).toEqual(["0", "1"]);
  expect(move.holdings.get(partition).kind).toBe("serving");
});
test("Puller begins a new copy each time: what an earlier one left is replaced", async () => {
  const { move, partition, players } = await withPlayers();
  move.onCall = (_, number) => (number >= 2 && number <= 4 ? SILENT : undefined);
  expect(await move.pull(partition)).toEqual({ kind: "silent" });
  move.bench.report(itemAt(players, 0), "GM02");
  expectSame(move, partition, await move.pull(partition));
});
