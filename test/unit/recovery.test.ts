import { expect, test } from "vitest";
import { newestMsOf, recoverAll, UnreadableRecordError } from "../../cluster/records/recovery.ts";
import type { Claim, ClaimAnswer, PartitionIndex, RecordStore } from "../../cluster/ports/record-store.ts";
import { encodeRows } from "../../engine/codec.ts";
import { Engine } from "../../engine/engine.ts";
import { OPTIONS } from "../support/numbered-engine.ts";

const CLAIM: Claim = { term: 2, incarnation: "this one" };
const EMPTY = encodeRows("snapshot", { words: new Int32Array(0), count: 0, modeNames: [], now: 0, writtenAtMs: 1 });

/** A store of empty snapshots that notes who was claimed. `answer` may refuse, or reject, the claim with this number. */
class NotingStore {
  readonly claimed: PartitionIndex[][] = [];
  private readonly answer: (claim: number) => ClaimAnswer | undefined;

  constructor(answer: (claim: number) => ClaimAnswer | undefined = () => undefined) {
    this.answer = answer;
  }
  async claim(partitions: readonly PartitionIndex[]): Promise<ClaimAnswer[]> {
    const number = this.claimed.push([...partitions]);
    const told = this.answer(number);
    return partitions.map(() => told ?? { kind: "claimed", record: { snapshot: EMPTY, log: [] } });
  }
}

function recoverFrom(store: NotingStore, decompress = (bytes: Uint8Array) => Promise.resolve(bytes)) {
  const engine = new Engine({ ...OPTIONS, partitions: 64 }, 0);
  return recoverAll(engine, CLAIM, { store: store as unknown as RecordStore, decompress, wallMs: () => 5 });
}

test("recoverAll() claims every partition once, and the next piece while it fills the engine from one", async () => {
  const store = new NotingStore();
  const claimsMade: number[] = [];
  await recoverFrom(store, async (bytes) => {
    claimsMade.push(store.claimed.length);
    return bytes;
  });
  expect(store.claimed.flat()).toEqual(Array.from({ length: 64 }, (_, partition) => partition));
  expect(store.claimed).toHaveLength(16);
  const piecesAhead = Array.from({ length: 64 }, (_, partition) => Math.min(16, Math.floor(partition / 4) + 2));
  expect(claimsMade).toEqual(piecesAhead);
});
test("recoverAll() tells the first failure, also where the piece that is claimed ahead fails too", async () => {
  const refused = { kind: "refused", standing: { term: 3, incarnation: "another" } } as const;
  const store = new NotingStore((number) => {
    if (number > 1) throw new Error("the store is gone");
    return refused;
  });
  await expect(recoverFrom(store)).rejects.toThrow(UnreadableRecordError);
  await expect(recoverFrom(new NotingStore((number) => (number === 2 ? refused : undefined)))).rejects.toThrow(
    "Cannot take partition 4: term 3 stands",
  );
});
test("newestMsOf() is when the newest rows were written, however long the log is", () => {
  const empty = { words: new Int32Array(0), modes: [], regions: [], now: 0 };
  const messages = Array.from({ length: 200_000 }, (_, at) => ({ ...empty, count: 1, writtenAtMs: at % 150_000 }));
  expect(newestMsOf(messages)).toBe(149_999);
  expect(newestMsOf([{ ...empty, count: 0, writtenAtMs: 5 }])).toBe(-Infinity);
  expect(newestMsOf([])).toBe(-Infinity);
});
