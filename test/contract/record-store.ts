/**
 * What every record store must do: one suite, run on the model and on each real store.
 */
import fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import type { Claim, PartitionIndex, RecordStore } from "../../cluster/ports/record-store.ts";
import { itemAt, take } from "../../simulator/item-at.ts";
import { MemoryStore } from "../support/memory-store.ts";
import { Life, answerOf, anyCall, anyStep } from "../support/record-scripts.ts";

import {
  ALICE,
  appendOne,
  BOB,
  bytes,
  claimed as claimedIn,
  FOUNDING,
  recordOf,
  snapshotOf,
  texts,
} from "../support/claimed-records.ts";
import { commitOf } from "../support/commit-of.ts";
import { snapshotsContract } from "./record-snapshots.ts";

export interface OpenedStore {
  readonly store: RecordStore;
  /** Closes the store and opens it again on what it left; absent where nothing is left. */
  readonly reopen?: () => Promise<RecordStore>;
  /** Closes the store and removes what it left. */
  readonly discard: () => Promise<void>;
}

/**
 * @param openStore gives a fresh, empty store each time
 * @param runs of the comparison with the model; fewer where opening is slow
 */
export function recordStoreContract(name: string, openStore: () => Promise<OpenedStore>, { runs = 100 } = {}): void {
  describe(`${name} keeps the contract of a record store`, () => {
    let opened: OpenedStore[] = [];
    const open = async (): Promise<RecordStore> => {
      const one = await openStore();
      opened.push(one);
      return one.store;
    };
    afterEach(async () => {
      for (const one of opened) await one.discard();
      opened = [];
    });

    const claimed = (partitions?: readonly PartitionIndex[], claim?: Claim) => claimedIn(open, partitions, claim);

    describe("R12 found()", () => {
      test("answers the first proposal, whatever is proposed after", async () => {
        const store = await open();
        expect(await store.found(FOUNDING)).toEqual(FOUNDING);
        const later = { partitions: 32, hashKey: new Uint8Array(8).fill(9) };
        expect(await store.found(later)).toEqual(FOUNDING);
      });
    });

    describe("R1 claim()", () => {
      test("takes what nobody holds and answers an empty record", async () => {
        const store = await open();
        await store.found(FOUNDING);
        expect(await store.highestTerm()).toBe(0);
        const empty = { kind: "claimed", record: { snapshot: undefined, log: [] } };
        expect(await store.claim([2, 0], ALICE)).toEqual([empty, empty]);
        expect(await store.highestTerm()).toBe(ALICE.term);
      });
      test("takes over for a higher term, with snapshot and log, oldest first", async () => {
        const store = await claimed();
        await appendOne(store, 0, "a");
        await store.snapshot(0, ALICE, snapshotOf(1, 1, "A"));
        await appendOne(store, 1, "bc");
        await appendOne(store, 3, "d");
        expect(await recordOf(store, 0, BOB)).toEqual({ snapshot: "A", log: ["bc", "d"] });
        expect(await store.highestTerm()).toBe(BOB.term);
      });
      test("is refused for a lower term, and for an equal term of another incarnation", async () => {
        const store = await claimed([0], BOB);
        const refused = { kind: "refused", standing: BOB };
        expect(await store.claim([0], ALICE)).toEqual([refused]);
        expect(await store.claim([0], { term: BOB.term, incarnation: ALICE.incarnation })).toEqual([refused]);
      });
      test("answers each partition by itself, in the order asked", async () => {
        const store = await claimed([1], BOB);
        const answers = await store.claim([0, 1, 2], ALICE);
        expect(answers.map((answer) => answer.kind)).toEqual(["claimed", "refused", "claimed"]);
      });
      test("claimed again by its claimant keeps length and snapshot number", async () => {
        const store = await claimed();
        await appendOne(store, 0, "abc");
        await store.snapshot(0, ALICE, snapshotOf(5, 3, "S"));
        expect(await recordOf(store, 0, ALICE)).toEqual({ snapshot: "S", log: [] });
        expect(await appendOne(store, 3, "d")).toBe("landed");
        expect(await store.snapshot(0, ALICE, snapshotOf(5, 4, "T"))).toEqual({ standing: 5 });
        expect(await recordOf(store, 0, ALICE)).toEqual({ snapshot: "S", log: ["d"] });
      });
      test("of a higher term, by the same incarnation, starts again at length and number 0", async () => {
        const store = await claimed();
        await appendOne(store, 0, "abc");
        await store.snapshot(0, ALICE, snapshotOf(7, 3, "S"));
        const raised = { ...ALICE, term: 9 };
        await store.claim([0], raised);
        expect(await appendOne(store, 0, "d", raised)).toBe("landed");
        expect(await store.snapshot(0, raised, snapshotOf(1, 1, "T"))).toBe("landed");
        expect(await recordOf(store, 0, raised)).toEqual({ snapshot: "T", log: [] });
      });
    });

    describe("R2 append()", () => {
      test("lands in every partition named, and only there", async () => {
        const store = await claimed([0, 1, 2]);
        const appends = [2, 0].map((partition) => ({
          partition,
          claim: ALICE,
          from: 0,
          message: bytes(`p${partition}`),
        }));
        expect(await store.append(commitOf(appends))).toEqual(["landed", "landed"]);
        expect((await recordOf(store, 0, ALICE)).log).toEqual(["p0"]);
        expect((await recordOf(store, 1, ALICE)).log).toEqual([]);
        expect((await recordOf(store, 2, ALICE)).log).toEqual(["p2"]);
      });
      test("R14: an empty message proves claim and length, and writes nothing", async () => {
        const store = await claimed();
        const empty = (from: number, claim = ALICE) => commitOf([{ partition: 0, claim, from, message: bytes("") }]);
        expect(await appendOne(store, 0, "abc")).toBe("landed");
        expect(await store.append(empty(3))).toEqual(["landed"]);
        expect(await store.append(empty(1)), "what is longer has it").toEqual(["landed"]);
        expect(await store.append(empty(4))).toEqual(["behind"]);
        expect(await store.append(empty(3, BOB))).not.toEqual(["landed"]);
        expect((await recordOf(store, 0, ALICE)).log).toEqual(["abc"]);
      });
      test("of nothing answers nothing", async () => {
        expect(await (await claimed()).append(commitOf([]))).toEqual([]);
      });
      test("keeps any bytes, and the caller's buffer stays as it was", async () => {
        const store = await claimed();
        const content = Uint8Array.from({ length: 700_000 }, (_, index) => (index * 31) >>> 2);
        const sizes = [1, 300, 69_000, 5, 250_000, 400_000];
        const messages = sizes.map((size) => content.subarray(11, 11 + size));
        let from = 0;
        for (const message of messages) {
          expect(await store.append(commitOf([{ partition: 0, claim: ALICE, from, message }]))).toEqual(["landed"]);
          from += message.length;
        }
        expect(messages.map((message) => message.length)).toEqual(sizes);
        const [answer] = take(1, await store.claim([0], ALICE));
        if (answer.kind === "refused") throw new Error("refused");
        expect(
          answer.record.log.map((message, index) => Buffer.compare(message.bytes, itemAt(messages, index))),
        ).toEqual(sizes.map(() => 0));
      });
      test("sent again after it landed answers landed and changes nothing", async () => {
        const store = await claimed();
        await appendOne(store, 0, "abc");
        expect(await appendOne(store, 0, "abc")).toBe("landed");
        expect((await recordOf(store, 0, ALICE)).log).toEqual(["abc"]);
        expect(await appendOne(store, 3, "d")).toBe("landed");
      });
      test("past the end, or where the length lies in between, is behind", async () => {
        const store = await claimed();
        await appendOne(store, 0, "ab");
        expect(await appendOne(store, 3, "c")).toBe("behind");
        expect(await appendOne(store, 1, "cd")).toBe("behind");
        expect((await recordOf(store, 0, ALICE)).log).toEqual(["ab"]);
      });
      test("is superseded under a higher term, and behind under a lower one or none", async () => {
        const store = await claimed([0], BOB);
        expect(await appendOne(store, 0, "a", ALICE)).toBe("superseded");
        expect(await appendOne(store, 0, "a", { ...BOB, term: 9 })).toBe("behind");
        expect(await appendOne(store, 0, "a", { ...BOB, incarnation: ALICE.incarnation })).toBe("behind");
        expect(await appendOne(store, 0, "a", BOB, 1)).toBe("behind");
        expect((await recordOf(store, 0, BOB)).log).toEqual([]);
      });
      test("answers each partition by itself: what may land lands beside what is refused", async () => {
        const store = await claimed([0, 1, 3]);
        await store.claim([1], BOB);
        await appendOne(store, 0, "x", ALICE, 3);
        const at = (partition: number, from: number, text: string) => ({
          partition,
          claim: ALICE,
          from,
          message: bytes(text),
        });
        expect(await store.append(commitOf([at(0, 0, "a"), at(1, 0, "b"), at(2, 0, "c"), at(3, 0, "x")]))).toEqual([
          "landed",
          "superseded",
          "behind",
          "landed",
        ]);
        expect((await recordOf(store, 0, ALICE)).log).toEqual(["a"]);
        expect((await recordOf(store, 1, BOB)).log).toEqual([]);
        expect((await recordOf(store, 3, ALICE)).log).toEqual(["x"]);
      });
      test("gives each part back with the head of its commit, where all lie in one file", async () => {
        const store = await claimed([0, 1, 3]);
        await store.claim([1], BOB);
        if (!store.isOneFile) return;
        const at = (partition: number, from: number, text: string, claim = ALICE) => ({
          partition,
          claim,
          from,
          message: bytes(text),
        });
        await store.append(commitOf([at(0, 0, "a"), at(1, 0, "b"), at(3, 0, "c")], bytes("one ")));
        await store.append(commitOf([at(0, 1, ""), at(1, 0, "d", BOB), at(3, 1, "e")], bytes("other ")));
        await appendOne(store, 1, "f");
        const answers = await store.claim([0, 1, 3], { ...BOB, term: 5 });
        const logs = answers.map((answer) => (answer.kind === "refused" ? [] : answer.record.log));
        expect(logs.map(texts)).toEqual([["one a", "f"], ["other d"], ["one c", "other e"]]);
        expect(logs[0]?.[0]?.head, "so that it is read once").toBe(logs[2]?.[0]?.head);
      });
      test("carries many claims at once", async () => {
        const store = await open();
        await store.found(FOUNDING);
        const claims = Array.from({ length: 16 }, (_, partition) => ({
          term: partition + 1,
          incarnation: `member-${partition % 5}`,
        }));
        for (const [partition, claim] of claims.entries()) await store.claim([partition], claim);
        const appends = claims.map((claim, partition) => ({
          partition,
          claim,
          from: 0,
          message: bytes(`to ${partition}`),
        }));
        expect(await store.append(commitOf(appends))).toEqual(claims.map(() => "landed"));
        for (const [partition, claim] of claims.entries()) {
          expect((await recordOf(store, partition, claim)).log).toEqual([`to ${partition}`]);
        }
      });
      test("lands where calls are made at once, each of its own partition", async () => {
        const store = await claimed([0, 1, 2, 3]);
        const answers = await Promise.all(
          [0, 1, 2, 3].map((partition) => appendOne(store, 0, `p${partition}`, ALICE, partition)),
        );
        expect(answers).toEqual(["landed", "landed", "landed", "landed"]);
        expect((await recordOf(store, 3, ALICE)).log).toEqual(["p3"]);
      });
    });

    snapshotsContract(open);

    test("any calls answer as the model does, also after a reopen", { timeout: 60_000 }, async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(anyCall, { minLength: 1, maxLength: 60 }), async (calls) => {
          const one = await openStore();
          let store = one.store;
          const model = new MemoryStore({ isOneFile: store.isOneFile });
          try {
            for (const call of calls) {
              if (call.kind === "reopen") store = (await one.reopen?.()) ?? store;
              else expect(await answerOf(store, call)).toEqual(await answerOf(model, call));
            }
            const last = { kind: "claim", partitions: [0, 1, 2, 3], claim: { term: 99, incarnation: "last" } } as const;
            expect(await answerOf(store, last)).toEqual(await answerOf(model, last));
            expect(await store.highestTerm()).toBe(await model.highestTerm());
          } finally {
            await one.discard();
          }
        }),
        { numRuns: Number(process.env.HEADCOUNT_TEST_RUNS ?? runs) },
      );
    });

    test("an owner's long life leaves the record that the model holds", { timeout: 60_000 }, async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(anyStep, { minLength: 1, maxLength: 30 }), async (steps) => {
          const one = await openStore();
          const life = new Life(one.store, new MemoryStore({ isOneFile: one.store.isOneFile }));
          try {
            for (const step of steps) {
              if (step.kind === "reopen") life.store = (await one.reopen?.()) ?? life.store;
              else await life.take(step);
            }
            await life.take({ kind: "claim", isRaised: true });
          } finally {
            await one.discard();
          }
        }),
        { numRuns: Number(process.env.HEADCOUNT_TEST_RUNS ?? runs) },
      );
    });
  });
}
