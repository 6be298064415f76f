/**
 * Random calls for a record store and the model beside it: any calls at all, mostly refused; and the life of an owner
 * that does everything right.
 */
import fc from "fast-check";
import { expect } from "vitest";
import {
  type Claim,
  NO_HEAD,
  type PartitionIndex,
  type RecordStore,
  type Snapshot,
} from "../../cluster/ports/record-store.ts";
import { itemAt } from "../../simulator/item-at.ts";
import { commitOf, type PlainAppend } from "./commit-of.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

export type Call =
  | { readonly kind: "found"; readonly founding: { readonly partitions: number; readonly hashKey: Uint8Array } }
  | { readonly kind: "claim"; readonly partitions: readonly PartitionIndex[]; readonly claim: Claim }
  | { readonly kind: "append"; readonly appends: readonly PlainAppend[]; readonly head: Uint8Array }
  | {
      readonly kind: "snapshot";
      readonly partition: PartitionIndex;
      readonly claim: Claim;
      readonly snapshot: Snapshot;
    }
  | { readonly kind: "reopen" };

const anyPartition = fc.nat({ max: 3 });
const anyClaim: fc.Arbitrary<Claim> = fc.record({
  term: fc.integer({ min: 1, max: 3 }),
  incarnation: fc.constantFrom("ann", "bea"),
});
// Every message has two bytes and every length is even but one: so calls often meet, and sometimes lie in between.
const anyLength = fc.oneof(
  { weight: 9, arbitrary: fc.nat({ max: 4 }).map((half) => half * 2) },
  { weight: 1, arbitrary: fc.constant(3) },
);
const anyMessage = fc.uint8Array({ minLength: 2, maxLength: 2 });
const anyAppends = fc.uniqueArray(
  fc.record({ partition: anyPartition, claim: anyClaim, from: anyLength, message: anyMessage }),
  { selector: (append) => append.partition, maxLength: 4 },
);
// A partial snapshot covers whole messages: its owner never copies the table in the middle of one.
const anySnapshot: fc.Arbitrary<Snapshot> = fc
  .record({
    number: fc.nat({ max: 4 }),
    half: fc.nat({ max: 4 }),
    coversAll: fc.boolean(),
    bytes: fc.uint8Array({ maxLength: 4 }),
  })
  .map(({ number, half, coversAll, bytes: content }) => ({ number, covers: half * 2, coversAll, bytes: content }));
export const anyCall: fc.Arbitrary<Call> = fc.oneof(
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("found" as const),
      founding: fc.record({
        partitions: fc.constantFrom(16, 32),
        hashKey: fc.uint8Array({ minLength: 8, maxLength: 8 }),
      }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("claim" as const),
      partitions: fc.uniqueArray(anyPartition),
      claim: anyClaim,
    }),
  },
  {
    weight: 9,
    arbitrary: fc.record({
      kind: fc.constant("append" as const),
      appends: anyAppends,
      head: fc.uint8Array({ maxLength: 9 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("snapshot" as const),
      partition: anyPartition,
      claim: anyClaim,
      snapshot: anySnapshot,
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("reopen" as const) }) },
);

export async function answerOf(store: RecordStore, call: Exclude<Call, { kind: "reopen" }>): Promise<unknown> {
  switch (call.kind) {
    case "found":
      return store.found(call.founding);
    case "claim":
      return store.claim(call.partitions, call.claim);
    case "append":
      return store.append(commitOf(call.appends, store.isOneFile ? call.head : NO_HEAD));
    case "snapshot":
      return store.snapshot(call.partition, call.claim, call.snapshot);
  }
}

export type Step =
  | { readonly kind: "appends"; readonly partitions: readonly PartitionIndex[]; readonly count: number }
  | {
      readonly kind: "snapshot";
      readonly partition: PartitionIndex;
      readonly messagesBack: number;
      readonly coversAll: boolean;
    }
  | { readonly kind: "claim"; readonly isRaised: boolean }
  | { readonly kind: "reopen" };

export const anyStep: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("appends" as const),
      partitions: fc.uniqueArray(anyPartition, { minLength: 1 }),
      count: fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 150 })),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("snapshot" as const),
      partition: anyPartition,
      messagesBack: fc.oneof(fc.constant(0), fc.nat({ max: 120 })),
      coversAll: fc.integer({ min: 0, max: 3 }).map((draw) => draw === 0),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("claim" as const), isRaised: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("reopen" as const) }) },
);

/** An owner that does everything right, on a store and on the model: long logs, snapshots that lag, whole ones, take-overs. */
export class Life {
  store: RecordStore;
  readonly #model: RecordStore;
  #term = 0;
  #count = 0;
  /** Of each partition the lengths at which its messages end, under the claim. */
  #ends: number[][] = [];
  #snapshots: number[] = [];

  constructor(store: RecordStore, model: RecordStore) {
    this.store = store;
    this.#model = model;
  }

  async take(step: Exclude<Step, { kind: "reopen" }>): Promise<void> {
    if (step.kind === "claim" || this.#term === 0)
      await this.#claim(step.kind !== "claim" || step.isRaised || this.#term === 0);
    if (step.kind === "appends")
      for (let count = 0; count < step.count; count += 1) await this.#append(step.partitions);
    if (step.kind === "snapshot") await this.#snapshot(step.partition, step.messagesBack, step.coversAll);
  }

  async #claim(isRaised: boolean): Promise<void> {
    if (isRaised) {
      this.#term += 1;
      this.#ends = [[0], [0], [0], [0]];
      this.#snapshots = [0, 0, 0, 0];
    }
    await this.#same({ kind: "claim", partitions: [0, 1, 2, 3], claim: this.#claimed() });
  }

  async #append(partitions: readonly PartitionIndex[]): Promise<void> {
    this.#count += 1;
    const appends = partitions.map((partition) => ({
      partition,
      claim: this.#claimed(),
      from: itemAt(this.#ends, partition).at(-1) ?? 0,
      message: bytes(`${this.#count}`.padEnd(1 + ((this.#count + partition) % 7), ".")),
    }));
    await this.#same({ kind: "append", appends, head: bytes(`head ${this.#count}`) });
    for (const { partition, from, message } of appends) itemAt(this.#ends, partition).push(from + message.length);
  }

  async #snapshot(partition: PartitionIndex, messagesBack: number, coversAll: boolean): Promise<void> {
    const ends = itemAt(this.#ends, partition);
    (this.#snapshots[partition] as number) += 1;
    const covers = coversAll ? (ends.at(-1) ?? 0) + 100 : itemAt(ends, Math.max(0, ends.length - 1 - messagesBack));
    if (coversAll) ends.push(covers);
    const snapshot = { number: itemAt(this.#snapshots, partition), covers, coversAll, bytes: bytes(`${this.#count}`) };
    await this.#same({ kind: "snapshot", partition, claim: this.#claimed(), snapshot });
  }

  async #same(call: Exclude<Call, { kind: "reopen" }>): Promise<void> {
    expect(await answerOf(this.store, call)).toEqual(await answerOf(this.#model, call));
  }

  #claimed(): Claim {
    return { term: this.#term, incarnation: `member-${this.#term % 3}` };
  }
}
