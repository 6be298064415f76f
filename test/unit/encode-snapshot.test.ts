import { expect, test } from "vitest";
import { decodeRows } from "../../engine/codec.ts";
import type { TableCopy } from "../../engine/engine.ts";
import { CELL, NOWHERE, ROW_WORDS } from "../../engine/presence-table.ts";
import { encodeSnapshot } from "../../node/encode-snapshot.ts";
import { decompressSnapshot, SnapshotEncoder } from "../../node/encoder.ts";

/** A table of so many players, every other row free. */
function copyOf(players: number): TableCopy {
  const words = new Int32Array(2 * players * ROW_WORDS);
  for (let player = 0; player < players; player++) {
    const base = 2 * player * ROW_WORDS;
    for (let word = 0; word < 4; word++) words[base + word] = Math.imul(player + 1, 0x9e3779b1 + 2 * word);
    words[base + CELL] = NOWHERE;
  }
  return { words, modeNames: [], now: 0, writtenAtMs: 5 };
}

const playersIn = async (snapshot: Uint8Array): Promise<number> =>
  decodeRows("snapshot", await decompressSnapshot(snapshot)).count;

const SIZES = [0, 1, 20, 300, 700, 3000, 20_000];

test.each(SIZES)("encodeSnapshot() of %i players gives all of them back, in a buffer of its own", async (players) => {
  const copy = copyOf(players);
  const snapshot = encodeSnapshot(copy);
  expect(await playersIn(snapshot)).toBe(players);
  expect(snapshot.buffer.byteLength).toBe(snapshot.length);
  expect(copy.words, "it is given away").toHaveLength(0);
});

test("SnapshotEncoder.encode() does the same in its thread", async () => {
  const encoder = new SnapshotEncoder();
  for (const players of SIZES) {
    const snapshot = await encoder.encode(copyOf(players));
    expect([await playersIn(snapshot), snapshot.buffer.byteLength]).toEqual([players, snapshot.length]);
  }
  await encoder.close();
});

test("encodeSnapshot() leaves no buffer behind for the collector", () => {
  const before = process.memoryUsage().arrayBuffers;
  let written = 0;
  for (let round = 0; round < 100; round++) {
    const snapshot = encodeSnapshot(copyOf(3000));
    written += snapshot.length;
    snapshot.buffer.transfer(0);
  }
  expect(written).toBeGreaterThan(4_000_000);
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(500_000);
});
