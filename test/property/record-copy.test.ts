/** R1: a table that is made of a record apart from its partition is what the partition would hold if it were recovered. */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { DecodedRows } from "../../engine/codec.ts";
import { takenRows } from "../../engine/presence-table.ts";
import { RecordCopy } from "../../engine/record-copy.ts";
import { CA, firstPlayerOf, NumberedEngine, OPTIONS, US, WALL_MS } from "../support/numbered-engine.ts";
import { type PlainRow, plainRows } from "../support/rows.ts";

const PARTITION = 3;
const PLAYERS = playersOf(new NumberedEngine());

const anyAct = fc.record({
  kind: fc.constantFrom("report", "report", "report", "remove", "snapshot", "log"),
  player: fc.constantFrom(...PLAYERS),
  region: fc.constantFrom(CA, US),
  mode: fc.constantFrom("GM01", "GM02", "GM03"),
  passedMs: fc.nat({ max: 3000 }),
});

function playersOf(subject: NumberedEngine): number[] {
  const all = Array.from({ length: 400 }, (_, player) => player);
  return all.filter((player) => subject.partitionOf(player) === PARTITION).slice(0, 12);
}

function rowsOf({ engine }: NumberedEngine): PlainRow[] {
  const copy = engine.copy(PARTITION, 0);
  return plainRows({ ...copy, ...takenRows(copy.words) }).sort((one, other) => (one.id < other.id ? -1 : 1));
}

test("RecordCopy equals Engine.recover(), whatever the record holds and however long it is kept", () => {
  fc.assert(
    fc.property(
      fc.array(anyAct, { maxLength: 40 }),
      fc.nat({ max: 20_000 }),
      fc.nat({ max: 2000 }),
      (acts, agoMs, keptMs) => {
        const before = new NumberedEngine();
        const messages: DecodedRows[] = [];
        for (const { kind, player, region, mode, passedMs } of acts) {
          if (kind === "report") before.report(player, region, mode);
          else if (kind === "remove") before.remove(player);
          else messages.push(kind === "log" ? before.drain(PARTITION) : before.snapshot(PARTITION));
          before.pass(passedMs);
        }
        const [recovered, copied] = [new NumberedEngine(), new NumberedEngine()];
        copied.report(firstPlayerOf(copied, PARTITION), US, "GM09"); // what the partition had counts no more
        const copy = new RecordCopy(copied.engine, PARTITION);
        for (const message of messages) copy.replay(message, Math.max(0, WALL_MS + agoMs - message.writtenAtMs));
        recovered.engine.recover(PARTITION, messages, WALL_MS + agoMs);
        for (const subject of [recovered, copied]) subject.pass(keptMs);
        copy.install(OPTIONS.graceMs);
        const { engine } = copied;
        expect(engine.graceLeftMs(PARTITION)).toBe(messages.some(({ count }) => count > 0) ? OPTIONS.graceMs : 0);
        for (const subject of [recovered, copied]) subject.pass(2500); // forgets who was removed long ago
        expect(rowsOf(copied)).toEqual(rowsOf(recovered));

        expect([...engine.boards.of(US).top(9)]).toEqual([...recovered.engine.boards.of(US).top(9)]);
        expect(engine.apart.size).toBe(0);
        engine.assertSound();
      },
    ),
  );
});
test("RecordCopy refuses players of another partition, and leaves this one as it was", () => {
  const before = new NumberedEngine();
  const other = PARTITION ^ 1;
  before.report(firstPlayerOf(before, other), CA, "GM01");
  const after = new NumberedEngine();
  const player = firstPlayerOf(after, PARTITION);
  after.report(player, US, "GM02");
  const copy = new RecordCopy(after.engine, PARTITION);
  expect(() => copy.replay(before.snapshot(other), 0)).toThrow("it is of a player of another partition");
  copy.drop();
  expect(after.find(player)).toMatchObject({ region: US, mode: "GM02" });
  after.engine.assertSound();
});
