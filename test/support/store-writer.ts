/**
 * A process that writes to a store until it is killed, and says on standard output what was acknowledged.
 *
 *   node test/support/store-writer.ts <folder> <term> <seed> <file>
 *
 * Lines, into the file and on standard output: `starting`, `open`, `claimed`, then `a <partition>:<message> …` for each
 * append that landed and `s <partition>:<message>` for each snapshot. The file is written at once, and so holds all that
 * was acknowledged before the process died; of standard output the end may be missing.
 */
import { openSync, writeSync } from "node:fs";
import { SqliteStore } from "../../node/store/sqlite-store.ts";
import { itemAt, take } from "../../simulator/item-at.ts";
import { SeededRandom } from "../../simulator/seeded-random.ts";
import { commitUnderHead, messageOf, newestOf, snapshotOf } from "./store-history.ts";

const PARTITIONS = 16;
const WHOLE_GAP = 1000; // past every length that was sent

const [folder, term, seed, file] = take(4, process.argv.slice(2));
const random = new SeededRandom(Number(seed));
const claim = { term: Number(term), incarnation: `writer-${term}` };
const lines = openSync(file, "a");
const say = (line: string): void => {
  writeSync(lines, `${line}\n`);
  process.stdout.write(`${line}\n`);
};

say("starting");
const store = await SqliteStore.open({ folder, repair: false });
say("open");
await store.found({ partitions: PARTITIONS, hashKey: new Uint8Array(8).fill(1) });
const partitions = Array.from({ length: PARTITIONS }, (_, index) => index);
const writers = (await store.claim(partitions, claim)).map((answer, partition) => {
  if (answer.kind === "refused") throw new Error(`refused: ${JSON.stringify(answer.standing)}`);
  return { partition, newest: newestOf(partition, answer.record), length: 0, snapshots: 0, isBusy: false };
});
say("claimed");

for (;;) {
  const chosen = random.shuffled(writers).slice(0, 1 + random.below(PARTITIONS));
  const appends = chosen.map(({ partition, newest, length }) => ({
    partition,
    claim,
    from: length,
    message: messageOf(partition, newest + 1),
  }));
  const answers = await store.append(commitUnderHead(appends));
  for (const [index, writer] of chosen.entries()) {
    if (answers[index] !== "landed") throw new Error(`append: ${answers[index]}`);
    writer.newest += 1;
    writer.length += itemAt(appends, index).message.length;
  }
  say(`a ${chosen.map(({ partition, newest }) => `${partition}:${newest}`).join(" ")}`);
  const writer = random.pick(writers);
  if (writer.isBusy || random.below(4) > 0) continue;
  const coversAll = random.below(10) === 0;
  const landed = takeSnapshot(writer, coversAll);
  if (coversAll) await landed;
}

async function takeSnapshot(writer: (typeof writers)[number], coversAll: boolean): Promise<void> {
  writer.isBusy = true;
  writer.snapshots += 1;
  const { partition, newest, snapshots } = writer;
  const covers = coversAll ? writer.length + WHOLE_GAP : writer.length;
  const answer = await store.snapshot(partition, claim, {
    number: snapshots,
    covers,
    coversAll,
    bytes: snapshotOf(partition, newest),
  });
  if (answer !== "landed") throw new Error(`snapshot: ${JSON.stringify(answer)}`);
  if (coversAll) writer.length = covers;
  writer.isBusy = false;
  say(`s ${partition}:${newest}`);
}
