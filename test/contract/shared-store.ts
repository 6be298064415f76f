/**
 * What every shared store must do, but for the records' own contract (`record-store.ts` beside this): one suite, run on
 * the model and on Redis.
 */
import fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import type { Claim } from "../../cluster/ports/record-store.ts";
import { type Run, OtherRunError, type SharedStore } from "../../cluster/ports/shared-store.ts";
import type { View } from "../../cluster/ports/view.ts";
import { KEY } from "../support/bound-store.ts";
import { LEASE_MS, renewalOf, runOf, viewOf } from "../support/renewals.ts";
import { SharedStoreModel } from "../../simulator/redis/shared-store-model.ts";
import { Script, anyStep } from "../support/shared-store-scripts.ts";
import { memberListContract } from "./member-list.ts";
import { modeNamesContract } from "./mode-names.ts";

export interface OpenedSharedStore {
  readonly store: SharedStore;
  /** Another node's way to the same store. */
  readonly another: () => Promise<SharedStore>;
  /** Loses the record, its tag's others too, and their key. */
  readonly loseRecord: (partition: number) => Promise<void>;
  /** Loses the cluster's key, but not the records'. */
  readonly loseKey: () => Promise<void>;
  /** As a dashboard reads it: most players first. */
  readonly board: (region: string) => Promise<readonly { readonly mode: string; readonly players: number }[]>;
  readonly discard: () => Promise<void>;
}

const START_MS = 1_700_000_000_000;
const ALICE: Claim = { term: 3, incarnation: "alice" };
const BOB: Claim = { term: 4, incarnation: "bob" };
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

/**
 * @param openStore gives a fresh, empty store each time, on that clock
 * @param runs of the comparison with the model
 */
export function sharedStoreContract(
  storeName: string,
  openStore: (clockMs: () => number) => Promise<OpenedSharedStore>,
  { runs = 100 } = {},
): void {
  describe(`${storeName} keeps the contract of a shared store`, () => {
    let openedAll: OpenedSharedStore[] = [];
    const clock = { nowMs: START_MS };
    const open = async (): Promise<OpenedSharedStore & { readonly run: Run }> => {
      clock.nowMs = START_MS;
      const opened = await openStore(() => clock.nowMs);
      openedAll.push(opened);
      return { ...opened, run: await runOf(opened.store) };
    };
    afterEach(async () => {
      for (const opened of openedAll) await opened.discard();
      openedAll = [];
    });

    memberListContract(open, clock);
    modeNamesContract(open, { runs });

    describe("R12 found()", () => {
      test("keeps the first proposal, for every node", async () => {
        const { store, run, another } = await open();
        expect(await store.readKey(run)).toEqual({ key: undefined, isFounded: false });
        expect(await store.found(run, KEY)).toEqual(KEY);
        const other = await another();
        expect(await other.found(run, { ...KEY, partitions: 32, durability: "none" })).toEqual(KEY);
        expect(await other.readKey(run)).toEqual({ key: KEY, isFounded: true });
      });
      test("takes the key from the records where it is gone itself", async () => {
        const { store, run, another, loseKey } = await open();
        await store.found(run, KEY);
        await loseKey();
        const other = await another();
        expect(await other.readKey(run)).toEqual({ key: KEY, isFounded: false });
        expect(await other.found(run, { ...KEY, partitions: 32 })).toEqual(KEY);
        expect(await store.readKey(run)).toEqual({ key: KEY, isFounded: true });
      });
      test("restoreKey() writes back key and founding where they are gone, and no record", async () => {
        const { store, run, another, loseKey, loseRecord } = await open();
        await store.found(run, KEY);
        await loseKey();
        await loseRecord(3);
        await store.restoreKey(run, KEY);
        await store.restoreKey(run, { ...KEY, partitions: 32 });
        const other = await another();
        expect(await other.readKey(run)).toEqual({ key: KEY, isFounded: true });
        expect(await other.take(run, [3], ALICE, false)).toMatchObject([{ isLost: true }]);
      });
      test("makes every record: a record that is not there is lost", async () => {
        const { store, run, another, loseRecord } = await open();
        await store.found(run, KEY);
        const fresh = { kind: "claimed", before: { claim: undefined, raisedTo: 0, length: 0 }, isLost: false };
        expect(await store.take(run, [0, 15], ALICE, false)).toMatchObject([fresh, fresh]);
        await loseRecord(15);
        const other = await another();
        await other.readKey(run);
        expect(await other.take(run, [15], ALICE, false)).toMatchObject([{ ...fresh, isLost: true }]);
        expect(await store.take(run, [15], ALICE, false)).toMatchObject([{ before: { claim: ALICE }, isLost: true }]);
        expect(await store.take(run, [15], BOB, false)).toMatchObject([{ before: { claim: ALICE }, isLost: false }]);
      });
      test("again leaves the records as they are", async () => {
        const { store, run } = await open();
        await store.found(run, KEY);
        await store.take(run, [3], ALICE, false);
        await store.found(run, KEY);
        expect(await store.standing(run, [3])).toEqual([{ claim: ALICE, raisedTo: 3, length: 0 }]);
      });
    });

    describe("R1, R14 claims", () => {
      async function taken() {
        const opened = await open();
        await opened.store.found(opened.run, KEY);
        await opened.store.take(opened.run, [0, 1], ALICE, false);
        return opened;
      }
      test("take() answers what stood before, and the record only where it is asked for", async () => {
        const { store, run } = await taken();
        await store.append(run, [{ partition: 0, claim: ALICE, from: 0, message: bytes("abc") }]);
        const before = { claim: ALICE, raisedTo: 3, length: 3 };
        const record = { snapshot: undefined, log: [bytes("abc")] };
        const claimed = { kind: "claimed", isLost: false };
        expect(await store.take(run, [0], BOB, true)).toEqual([{ ...claimed, before, record }]);
        const raised = { ...BOB, term: 6 };
        expect(await store.take(run, [0, 2], raised, false)).toEqual([
          { ...claimed, before: { claim: BOB, raisedTo: 4, length: 0 }, record: undefined },
          { ...claimed, before: { claim: undefined, raisedTo: 0, length: 0 }, record: undefined },
        ]);
      });
      test("raise() raises and never lowers; take() needs a term above that, but for the same claim", async () => {
        const { store, run } = await taken();
        const claims = [0, 1].map((partition) => ({ partition, claim: ALICE }));
        expect(await store.raise(run, claims, 8)).toEqual(["landed", "landed"]);
        expect(await store.raise(run, claims.slice(0, 1), 5)).toEqual(["landed"]);
        const standing = { claim: ALICE, raisedTo: 8, length: 0 };
        expect(await store.standing(run, [1, 0])).toEqual([standing, standing]);
        for (const incarnation of ["bob", "alice"]) {
          expect(await store.take(run, [0], { term: 8, incarnation }, true)).toEqual([{ kind: "refused", standing }]);
        }
        expect(await store.take(run, [0], ALICE, false)).toMatchObject([{ kind: "claimed", before: standing }]);
        expect(await store.standing(run, [0])).toEqual([standing]);
        expect(await store.take(run, [0], { term: 9, incarnation: "bob" }, false)).toMatchObject([{ kind: "claimed" }]);
      });
      test("append(), snapshot() and raise() are superseded by what is raised above their term, else behind", async () => {
        const { store, run } = await taken();
        const all = async (claim: Claim) => [
          ...(await store.append(run, [{ partition: 0, claim, from: 0, message: bytes("a") }])),
          ...(await store.raise(run, [{ partition: 0, claim }], 5)),
          await store.snapshot(run, 0, claim, { number: 1, covers: 0, isWhole: true, bytes: bytes("S") }),
        ];
        expect(await all({ term: 2, incarnation: "bob" })).toEqual(["superseded", "superseded", "superseded"]);
        expect(await all(BOB)).toEqual(["behind", "behind", "behind"]);
        expect(await all({ ...BOB, term: 3 })).toEqual(["behind", "behind", "behind"]);
        await store.raise(run, [{ partition: 0, claim: ALICE }], 7);
        expect(await all(BOB)).toEqual(["superseded", "superseded", "superseded"]);
        expect(await all(ALICE)).toEqual(["landed", "landed", "landed"]);
      });
      test("snapshot() knows where the log begins, also after one that covered less than the one before it", async () => {
        const { store, run } = await taken();
        const cover = (number: number, covers: number) =>
          store.snapshot(run, 0, ALICE, { number, covers, isWhole: false, bytes: bytes("S") });
        for (let from = 0; from < 9; from += 1) {
          await store.append(run, [{ partition: 0, claim: ALICE, from, message: bytes(`${from}`) }]);
        }
        for (const [number, covers] of [
          [1, 6],
          [2, 3],
          [3, 7],
        ])
          expect(await cover(number, covers)).toBe("landed");
        const [answer] = await store.take(run, [0], ALICE, true);
        expect(answer.kind === "claimed" && answer.record?.log).toEqual([bytes("7"), bytes("8")]);
      });
      test("an empty list of anything answers nothing", async () => {
        const { store, run } = await taken();
        expect(await store.take(run, [], ALICE, true)).toEqual([]);
        expect(await store.standing(run, [])).toEqual([]);
        expect(await store.raise(run, [], 4)).toEqual([]);
        expect(await store.append(run, [])).toEqual([]);
      });
    });

    test("R15 every call under another run is refused and does nothing", async () => {
      const { store, run } = await open();
      await store.renew(renewalOf("ann"), LEASE_MS);
      await store.found(run, KEY);
      await store.take(run, [0], ALICE, false);
      // Of a Redis Cluster a run names all masters; each looks for its own name only.
      const other = run.replaceAll(/\b[^,]/g, (first) => (first === "0" ? "1" : "0"));
      const view: View = { epoch: 9, nonce: "nine", members: [], expelled: [] };
      const calls = [
        () => store.restore(other, view, "fresh", LEASE_MS),
        () => store.raiseEpoch(other, 9, "fresh"),
        () => store.leave(other, "ann", "fresh"),
        () => store.readKey(other),
        () => store.found(other, KEY),
        () => store.restoreKey(other, KEY),
        () => store.standing(other, [0]),
        () => store.take(other, [0], BOB, true),
        () => store.raise(other, [{ partition: 0, claim: ALICE }], 9),
        () => store.append(other, [{ partition: 0, claim: ALICE, from: 0, message: bytes("a") }]),
        () => store.snapshot(other, 0, ALICE, { number: 1, covers: 0, isWhole: true, bytes: bytes("S") }),
      ];
      for (const call of calls) await expect(call()).rejects.toThrow(OtherRunError);
      expect(await viewOf(store)).toMatchObject({ epoch: 1, members: [{ incarnation: "ann" }] });
      expect(await store.take(run, [0], ALICE, true)).toEqual([
        {
          kind: "claimed",
          before: { claim: ALICE, raisedTo: 3, length: 0 },
          record: { snapshot: undefined, log: [] },
          isLost: false,
        },
      ]);
    });

    describe("R23 publish()", () => {
      const counts = (...players: number[]) => players.map((count, index) => ({ mode: `GM0${index}`, players: count }));
      test("replaces a board whole, unless what stands is of a newer term or version", async () => {
        const { store, board } = await open();
        await store.publish("CA", 2, 5, counts(9, 7, 3));
        await store.publish("CA", 2, 5, counts(1));
        await store.publish("CA", 2, 4, counts(1));
        await store.publish("CA", 1, 9, counts(1));
        expect(await board("CA")).toEqual(counts(9, 7, 3));
        await store.publish("CA", 2, 10, counts(4, 3));
        expect(await board("CA")).toEqual(counts(4, 3));
        await store.publish("CA", 3, 1, []);
        expect(await board("CA")).toEqual([]);
        await store.publish("CA", 2, 11, counts(1));
        expect(await board("CA")).toEqual([]);
      });
      test("takes as many modes as there are", async () => {
        const { store, board } = await open();
        const many = Array.from({ length: 10_000 }, (_, index) => ({
          mode: `mode ${index} \u{1F3AE}`,
          players: 10_000 - index,
        }));
        await store.publish("US", 1, 1, many);
        expect(await board("US")).toEqual(many);
      });
    });

    test("any calls answer as the model does", { timeout: 300_000 }, async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(anyStep, { minLength: 1, maxLength: 80 }), async (steps) => {
          const { store, run, discard } = await open();
          const model = new SharedStoreModel({ clockMs: () => clock.nowMs });
          model.run = run;
          const script = new Script(store, model, clock, run);
          for (const step of steps) await script.take(step);
          await script.finish();
          await discard();
          openedAll.pop();
        }),
        { numRuns: Number(process.env.HEADCOUNT_TEST_RUNS ?? runs) },
      );
    });
  });
}
