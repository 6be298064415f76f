import { expect, test } from "vitest";
import { StoreUnavailableError } from "../../cluster/ports/record-store.ts";
import { take } from "../../simulator/item-at.ts";
import { texts } from "../support/claimed-records.ts";
import { commitOf } from "../support/commit-of.ts";
import { MemoryStore } from "../support/memory-store.ts";
import { recordStoreContract } from "./record-store.ts";

recordStoreContract("MemoryStore", async () => ({ store: new MemoryStore(), discard: async () => {} }));

const CLAIM = { term: 1, incarnation: "ann" };
const append = (from: number, text: string) =>
  commitOf([{ partition: 0, claim: CLAIM, from, message: Buffer.from(text) }]);

async function claimed(): Promise<MemoryStore> {
  const store = new MemoryStore();
  await store.claim([0], CLAIM);
  return store;
}
const logOf = async (store: MemoryStore): Promise<string[]> => {
  const [answer] = take(1, await store.claim([0], CLAIM));
  return answer.kind === "refused" ? [] : texts(answer.record.log);
};

test("MemoryStore.failNextAppends() throws and lands nothing, then goes on", async () => {
  const store = await claimed();
  store.failNextAppends();
  await expect(store.append(append(0, "a"))).rejects.toThrow(StoreUnavailableError);
  expect(await store.append(append(0, "a"))).toEqual(["landed"]);
  expect(await logOf(store)).toEqual(["a"]);
});
test("MemoryStore.loseNextAnswers() lands what it denies", async () => {
  const store = await claimed();
  store.loseNextAnswers();
  await expect(store.append(append(0, "a"))).rejects.toThrow(StoreUnavailableError);
  expect(await logOf(store)).toEqual(["a"]);
});
test("MemoryStore.hang() holds calls until release()", async () => {
  const store = await claimed();
  store.hang();
  let isSettled = false;
  const pending = store.append(append(0, "a")).finally(() => (isSettled = true));
  await Promise.resolve();
  expect(isSettled).toBe(false);
  store.release();
  expect(await pending).toEqual(["landed"]);
});
test("MemoryStore.forgetTail() leaves the record behind", async () => {
  const store = await claimed();
  await store.append(append(0, "ab"));
  await store.append(append(2, "cd"));
  store.forgetTail(0);
  expect(await store.append(append(4, "ef"))).toEqual(["behind"]);
  expect(await logOf(store)).toEqual(["ab"]);
});
test("MemoryStore.refuseSnapshots() and goAway() throw until told otherwise", async () => {
  const store = await claimed();
  const snapshot = { number: 1, covers: 0, coversAll: true, bytes: new Uint8Array(1) };
  store.refuseSnapshots();
  await expect(store.snapshot(0, CLAIM, snapshot)).rejects.toThrow(StoreUnavailableError);
  store.refuseSnapshots(false);
  store.goAway();
  await expect(store.highestTerm()).rejects.toThrow(StoreUnavailableError);
  store.comeBack();
  expect(await store.snapshot(0, CLAIM, snapshot)).toBe("landed");
});
