/** A record whose bytes are damaged: told, waited for, and on request done without. */
import { expect, test } from "vitest";
import { ClusterNode } from "../../cluster/cluster-node.ts";
import { NO_HEAD } from "../../cluster/ports/record-store.ts";
import { readRecord } from "../../cluster/records/recovery.ts";
import { encodeRows } from "../../engine/codec.ts";
import { COUNTRY_CODES } from "../../engine/places.ts";
import { take } from "../../simulator/item-at.ts";
import { USUAL, World } from "../../simulator/world.ts";

const rows = { words: new Int32Array(0), count: 0, modeNames: [], now: 0, writtenAtMs: 5 };
const snapshot = encodeRows("snapshot", rows);
const message = { head: NO_HEAD, bytes: encodeRows("log", rows) };
const damaged = { head: NO_HEAD, bytes: Uint8Array.of(1, 2, 3) };
const garbage = Uint8Array.of(1, 2, 3);
const plainly = async (bytes: Uint8Array): Promise<Uint8Array> => bytes;

test("readRecord() gives the snapshot, then the log, and no damage", async () => {
  const { messages, damage } = await readRecord({ snapshot, log: [message, message] }, plainly);
  expect([messages.length, damage]).toEqual([3, undefined]);
});
test("readRecord() gives what can be read, and names the first thing that cannot", async () => {
  const read = await readRecord({ snapshot: garbage, log: [message, damaged, message] }, plainly);
  expect(read.messages).toHaveLength(2);
  expect(read.damage?.message).toMatch(/^its snapshot: Malformed message/);
  const { damage } = await readRecord({ snapshot, log: [message, damaged] }, plainly);
  expect(damage?.message).toMatch(/^message 2 of 2 of its log: /);
});
test("readRecord() names a snapshot that cannot be decompressed", async () => {
  const broken = (): Promise<Uint8Array> => Promise.reject(new Error("Unknown frame descriptor"));
  const { messages, damage } = await readRecord({ snapshot, log: [] }, broken);
  expect([messages.length, damage?.message]).toEqual([0, "its snapshot: Unknown frame descriptor"]);
});

test("A newcomer is ready within a second although a record cannot be read, and says that it is not complete (R21, R23)", async () => {
  const world = new World(1, ClusterNode, false, { ...USUAL, tickMs: 20 });
  const [first] = [world.start(), world.start()];
  await world.until("both are ready", () => world.areReady && world.areAllServed, 20_000);
  const [partition] = take(1, first.node.parts?.holdings.where("serving") ?? []);
  world.kill(first);
  Object.assign(world.store.model.records.get(partition)!, { snapshot: garbage, log: [] });
  const [left] = take(1, world.nodes);
  await world.until("the heir cannot read it", () => left.node.parts!.takeOver.unreadable.has(partition), 10_000);
  const newcomer = world.start();
  await world.until("it is listed", () => newcomer.node.parts?.membership.isListed ?? false, 10_000);
  const waitedMs = await world.until("it is ready", () => newcomer.node.status.kind === "ready", 5000);
  expect(waitedMs).toBeLessThanOrEqual(1000);
  for (const { node } of world.nodes)
    for (const region of COUNTRY_CODES.keys()) expect(node.regionView(region).isComplete).toBe(false);
  await world.run(1500);
  expect(newcomer.node.regionView(0)).toMatchObject({ isComplete: false, isStale: false });
});
