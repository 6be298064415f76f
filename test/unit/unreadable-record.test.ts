/** A record whose bytes are damaged: told, waited for, and on request done without. */
import { expect, test } from "vitest";
import { readRecord } from "../../cluster/records/recovery.ts";
import { encodeRows } from "../../engine/codec.ts";

const rows = { words: new Int32Array(0), count: 0, modeNames: [], now: 0, writtenAtMs: 5 };
const snapshot = encodeRows("snapshot", rows);
const message = encodeRows("log", rows);
const garbage = Uint8Array.of(1, 2, 3);
const plainly = async (bytes: Uint8Array): Promise<Uint8Array> => bytes;

test("readRecord() gives the snapshot, then the log, and no damage", async () => {
  const { messages, damage } = await readRecord({ snapshot, log: [message, message] }, plainly);
  expect([messages.length, damage]).toEqual([3, undefined]);
});
test("readRecord() gives what can be read, and names the first thing that cannot", async () => {
  const read = await readRecord({ snapshot: garbage, log: [message, garbage, message] }, plainly);
  expect(read.messages).toHaveLength(2);
  expect(read.damage?.message).toMatch(/^its snapshot: Malformed message/);
  const { damage } = await readRecord({ snapshot, log: [message, garbage] }, plainly);
  expect(damage?.message).toMatch(/^message 2 of 2 of its log: /);
});
test("readRecord() names a snapshot that cannot be decompressed", async () => {
  const broken = (): Promise<Uint8Array> => Promise.reject(new Error("Unknown frame descriptor"));
  const { messages, damage } = await readRecord({ snapshot, log: [] }, broken);
  expect([messages.length, damage?.message]).toEqual([0, "its snapshot: Unknown frame descriptor"]);
});
