/** What the contract of a record store is told with: who claims, what they write, and what a record holds. */
import type { Claim, LogMessage, PartitionIndex, RecordStore, Snapshot } from "../../cluster/ports/record-store.ts";
import { take } from "../../simulator/item-at.ts";
import { commitOf } from "./commit-of.ts";

export const ALICE: Claim = { term: 3, incarnation: "5f8e1f0a-0001-4000-8000-00000000000a" };
export const BOB: Claim = { term: 4, incarnation: "5f8e1f0a-0002-4000-8000-00000000000b" };
export const FOUNDING = { partitions: 16, hashKey: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8) };

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const textOf = (content: Uint8Array): string => new TextDecoder().decode(content);
/** What a log says, each message behind its head. */
export const texts = (log: readonly LogMessage[]): string[] =>
  log.map(({ head, bytes: own }) => textOf(head) + textOf(own));

/** A store where ALICE, or who else is named, has these partitions. */
export async function claimed(
  open: () => Promise<RecordStore>,
  partitions: readonly PartitionIndex[] = [0],
  claim = ALICE,
): Promise<RecordStore> {
  const store = await open();
  await store.found(FOUNDING);
  await store.claim(partitions, claim);
  return store;
}
/** The record as of now, taken by this claim. */
export async function recordOf(store: RecordStore, partition: PartitionIndex, claim: Claim) {
  const [answer] = take(1, await store.claim([partition], claim));
  if (answer.kind === "refused") throw new Error(`refused: ${JSON.stringify(answer.standing)} stands`);
  return { snapshot: answer.record.snapshot && textOf(answer.record.snapshot), log: texts(answer.record.log) };
}
export const appendOne = async (store: RecordStore, from: number, text: string, claim = ALICE, partition = 0) =>
  (await store.append(commitOf([{ partition, claim, from, message: bytes(text) }])))[0];
export const snapshotOf = (number: number, covers: number, text: string, coversAll = false): Snapshot => ({
  number,
  covers,
  coversAll,
  bytes: bytes(text),
});
