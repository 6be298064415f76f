/**
 * What every shared store must do, but for the records' own contract (`record-store.ts` beside this): one suite, run on
 * the model and on Redis.
 */
import fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import { type FoundedClaim, NO_HEAD } from "../../cluster/ports/record-store.ts";
import { markOf } from "../../cluster/ports/mark.ts";
import { OtherKeyError, OtherRunError, type Run, type SharedStore } from "../../cluster/ports/shared-store.ts";
import type { View } from "../../cluster/ports/view.ts";
import { itemAt, take } from "../../simulator/item-at.ts";
import { KEY } from "../support/bound-store.ts";
import { byTag } from "../support/by-tag.ts";
import { texts } from "../support/claimed-records.ts";
import { LEASE_MS, MARK, renewalOf, runOf, viewOf, wholeRunOf } from "../support/renewals.ts";
import { SharedStoreModel } from "../../simulator/redis/shared-store-model.ts";
import { Script, anyStep } from "../support/shared-store-scripts.ts";
import { accusationsContract } from "./accusations.ts";
import { listRestoringContract } from "./list-restoring.ts";
import { memberListContract } from "./member-list.ts";
import { publishedBoardsContract } from "./published-boards.ts";
import { modeNamesContract } from "./mode-names.ts";

export interface OpenedSharedStore {
  readonly store: SharedStore;
  /** Another node's way to the same store. */
  readonly another: () => Promise<SharedStore>;
  /** Loses the record, its tag's others too, and their key. */
  readonly loseRecord: (partition: number) => Promise<void>;
  /** Loses the list of members and the key beside it, but not the copies beside the records. */
  readonly loseList: () => Promise<void>;
  /** As a dashboard reads it: most players first. */
  readonly board: (region: string) => Promise<readonly { readonly mode: string; readonly players: number }[]>;
  readonly discard: () => Promise<void>;
}

const START_MS = 1_700_000_000_000;
const ALICE: FoundedClaim = { term: 3, incarnation: "alice", founding: "f" };
const BOB: FoundedClaim = { term: 4, incarnation: "bob", founding: "f" };
const EMPTY = { snapshot: undefined, log: [] };
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
    const openEmpty = async (): Promise<OpenedSharedStore & { readonly run: Run }> => {
      clock.nowMs = START_MS;
      const opened = await openStore(() => clock.nowMs);
      openedAll.push(opened);
      const [store, another] = [byTag(opened.store), async () => byTag(await opened.another())];
      return { ...opened, store, another, run: await runOf(store) };
    };
    /** Founded with `KEY`. */
    const open = async (): Promise<OpenedSharedStore & { readonly run: Run }> => {
      const opened = await openEmpty();
      await opened.store.found(await wholeRunOf(opened.store), KEY, "anew", "founded");
      return { ...opened, run: await wholeRunOf(opened.store) };
    };
    /** Founded, with the run that renewals of the list answer. */
    const openList = async (): Promise<OpenedSharedStore & { readonly run: Run }> => {
      const opened = await open();
      return { ...opened, run: await runOf(opened.store) };
    };
    afterEach(async () => {
      for (const opened of openedAll) await opened.discard();
      openedAll = [];
    });

    const lists = { open: openList, openEmpty, clock };
    memberListContract(lists);
    accusationsContract(lists);
    listRestoringContract(lists);
    modeNamesContract(open, { runs });

    describe("R12 found()", () => {
      const OTHER_KEY = { ...KEY, hashKey: new Uint8Array(8).fill(9) };
      test("founds once, for every node, with an empty list under epoch 0", async () => {
        const { store, another } = await openEmpty();
        const run = await wholeRunOf(store);
        const nothing = { key: undefined, copy: undefined, view: { epoch: 0, members: [] } };
        expect(await store.look()).toMatchObject(nothing);
        expect(await store.found(run, KEY, "anew", "first")).toBe(true);
        const other = await another();
        expect(await other.found(run, OTHER_KEY, "anew", "second")).toBe(false);
        const standing = { run: await wholeRunOf(store), key: KEY, copy: undefined, view: { epoch: 0, members: [] } };
        expect(await other.look()).toMatchObject(standing);
        expect(await other.found(run, KEY, "anew", "third"), "goes on with what was founded").toBe(true);
        expect(await other.look()).toMatchObject(standing);
      });
      test("R9 begins another history each time", async () => {
        const { store, loseList } = await openEmpty();
        const run = await wholeRunOf(store);
        await store.found(run, KEY, "anew", "first");
        const first = await runOf(store);
        await loseList();
        await store.found(run, KEY, "anew", "second");
        expect(await runOf(store)).not.toBe(first);
        await expect(store.raiseEpoch(first, 3, "fresh")).rejects.toThrow(OtherRunError);
      });
      test("a copy of the key lies beside the records, and is told where the list is gone", async () => {
        const { store, run, another, loseList, loseRecord } = await open();
        await store.renew(renewalOf("ann"), LEASE_MS);
        await loseList();
        const other = await another();
        const look = await other.look();
        expect(look).toMatchObject({ key: undefined, copy: KEY, view: { epoch: 0 } });
        await loseRecord(3);
        expect(await other.found(look.run, KEY, "a copy", "again")).toBe(true);
        expect(await store.look()).toMatchObject({ key: KEY, view: { epoch: 1, members: [] } });
        expect(await store.standing(run, [3]), "no record is made").toMatchObject([{ isAbsent: true }]);
      });
      test("makes every record: a record that is not there is lost", async () => {
        const { store, run, another, loseRecord } = await open();
        const fresh = {
          kind: "claimed",
          before: { claim: undefined, raisedTo: 0, length: 0, snapshotNumber: 0, isAbsent: false },
          isLost: false,
        };
        expect(await store.claim(run, [0, 15], ALICE, false)).toMatchObject([fresh, fresh]);
        await loseRecord(15);
        const other = await another();
        expect(await other.claim(run, [15], ALICE, false, new Set([15]))).toMatchObject([
          { ...fresh, before: { claim: undefined, isAbsent: true }, isLost: true },
        ]);
        expect(await store.claim(run, [15], ALICE, false)).toMatchObject([{ before: { claim: ALICE }, isLost: true }]);
        expect(await store.claim(run, [15], BOB, false)).toMatchObject([{ before: { claim: ALICE }, isLost: false }]);
      });
      test("again leaves the records as they are", async () => {
        const { store, run } = await open();
        await store.claim(run, [3], ALICE, false);
        await store.found(run, KEY, "anew", "again");
        expect(await store.standing(run, [3])).toEqual([
          { claim: ALICE, raisedTo: 3, length: 0, snapshotNumber: 0, isAbsent: false },
        ]);
      });
      test("claim() copies the key to a tag that lost it, and claims under another key are refused there", async () => {
        const { store, run, loseRecord, loseList } = await open();
        await loseRecord(5);
        await store.claim(run, [5], ALICE, false, new Set([5]));
        await loseList();
        expect(await store.look()).toMatchObject({ copy: KEY });
        const other = run.replace(MARK, markOf(OTHER_KEY.hashKey));
        await expect(store.claim(other, [5], BOB, false)).rejects.toThrow(OtherKeyError);
        await expect(
          store.append(other, [{ partition: 5, claim: ALICE, from: 0, message: bytes("a") }]),
        ).rejects.toThrow(OtherKeyError);
      });
    });

    describe("R1, R14 claims", () => {
      async function openClaimed() {
        const opened = await open();
        await opened.store.claim(opened.run, [0, 1], ALICE, false);
        return opened;
      }
      test("claim() answers what stood before, and the record only where it is asked for", async () => {
        const { store, run } = await openClaimed();
        await store.append(run, [{ partition: 0, claim: ALICE, from: 0, message: bytes("abc") }]);
        const before = { claim: ALICE, raisedTo: 3, length: 3, snapshotNumber: 0, isAbsent: false };
        const record = { snapshot: undefined, log: [{ head: NO_HEAD, bytes: bytes("abc") }] };
        const claimed = { kind: "claimed", isLost: false };
        expect(await store.claim(run, [0], BOB, true)).toEqual([{ ...claimed, before, record }]);
        const raised = { ...BOB, term: 6 };
        expect(await store.claim(run, [0, 2], raised, false)).toEqual([
          {
            ...claimed,
            before: { claim: BOB, raisedTo: 4, length: 0, snapshotNumber: 0, isAbsent: false },
            record: undefined,
          },
          {
            ...claimed,
            before: { claim: undefined, raisedTo: 0, length: 0, snapshotNumber: 0, isAbsent: false },
            record: undefined,
          },
        ]);
      });
      test("read() answers what claim() would, and takes nothing", async () => {
        const { store, run } = await openClaimed();
        for (const [from, message] of ["abc", "de"].entries())
          await store.append(run, [{ partition: 0, claim: ALICE, from: from * 3, message: bytes(message) }]);
        await store.snapshot(run, 0, ALICE, { number: 1, covers: 3, coversAll: false, bytes: bytes("S") });
        const found = await store.read(run, [1, 0, 2]);
        expect(found).toEqual([
          { standing: { claim: ALICE, raisedTo: 3, length: 0, snapshotNumber: 0, isAbsent: false }, record: EMPTY },
          {
            standing: { claim: ALICE, raisedTo: 3, length: 5, snapshotNumber: 1, isAbsent: false },
            record: { snapshot: bytes("S"), log: [{ head: NO_HEAD, bytes: bytes("de") }] },
          },
          { standing: { claim: undefined, raisedTo: 0, length: 0, snapshotNumber: 0, isAbsent: false }, record: EMPTY },
        ]);
        expect(await store.claim(run, [1, 0, 2], BOB, true)).toEqual(
          found.map(({ standing: before, record }) => ({ kind: "claimed", isLost: false, before, record })),
        );
        expect(await store.read(run, [])).toEqual([]);
      });
      test("raise() raises and never lowers; claim() needs a term above that, but for the same claim", async () => {
        const { store, run } = await openClaimed();
        const claims = [0, 1].map((partition) => ({ partition, claim: ALICE }));
        expect(await store.raise(run, claims, 8)).toEqual(["landed", "landed"]);
        expect(await store.raise(run, claims.slice(0, 1), 5)).toEqual(["landed"]);
        const standing = { claim: ALICE, raisedTo: 8, length: 0, snapshotNumber: 0, isAbsent: false };
        expect(await store.standing(run, [1, 0])).toEqual([standing, standing]);
        for (const incarnation of ["bob", "alice"]) {
          expect(await store.claim(run, [0], { term: 8, incarnation, founding: "f" }, true)).toEqual([
            { kind: "refused", standing },
          ]);
        }
        expect(await store.claim(run, [0], ALICE, false)).toMatchObject([{ kind: "claimed", before: standing }]);
        expect(await store.standing(run, [0])).toEqual([standing]);
        expect(await store.claim(run, [0], { term: 9, incarnation: "bob", founding: "f" }, false)).toMatchObject([
          { kind: "claimed" },
        ]);
      });
      test("append(), snapshot() and raise() are superseded by what is raised above their term, else behind", async () => {
        const { store, run } = await openClaimed();
        const all = async (claim: FoundedClaim) => [
          ...(await store.append(run, [{ partition: 0, claim, from: 0, message: bytes("a") }])),
          ...(await store.raise(run, [{ partition: 0, claim }], 5)),
          await store.snapshot(run, 0, claim, { number: 1, covers: 0, coversAll: true, bytes: bytes("S") }),
        ];
        expect(await all({ term: 2, incarnation: "bob", founding: "f" })).toEqual([
          "superseded",
          "superseded",
          "superseded",
        ]);
        expect(await all(BOB)).toEqual(["behind", "behind", "behind"]);
        expect(await all({ ...BOB, term: 3 })).toEqual(["behind", "behind", "behind"]);
        await store.raise(run, [{ partition: 0, claim: ALICE }], 7);
        expect(await all(BOB)).toEqual(["superseded", "superseded", "superseded"]);
        expect(await all(ALICE)).toEqual(["landed", "landed", "landed"]);
      });
      test("snapshot() knows where the log begins, also after one that covered less than the one before it", async () => {
        const { store, run } = await openClaimed();
        const cover = (number: number, covers: number) =>
          store.snapshot(run, 0, ALICE, { number, covers, coversAll: false, bytes: bytes("S") });
        for (let from = 0; from < 9; from += 1) {
          await store.append(run, [{ partition: 0, claim: ALICE, from, message: bytes(`${from}`) }]);
        }
        for (const [number, covers] of [
          [1, 6],
          [2, 3],
          [3, 7],
        ] as const)
          expect(await cover(number, covers)).toBe("landed");
        const [answer] = take(1, await store.claim(run, [0], ALICE, true));
        expect(answer.kind === "claimed" && texts(answer.record?.log ?? [])).toEqual(["7", "8"]);
      });
      test("R2 a claim of the same term founded anew is another", async () => {
        const { store, run } = await openClaimed();
        await store.append(run, [{ partition: 0, claim: ALICE, from: 0, message: bytes("abc") }]);
        const again = { ...ALICE, founding: "another" };
        expect(await store.claim(run, [0], again, false)).toMatchObject([{ kind: "refused" }]);
        const append = { partition: 0, claim: again, from: 3, message: bytes("d") };
        expect(await store.append(run, [append])).toEqual(["behind"]);
        const snapshot = { number: 1, covers: 3, coversAll: true, bytes: bytes("S") };
        expect(await store.snapshot(run, 0, again, snapshot)).toBe("behind");
      });
      test("R15 takeBack() takes a record with the table, unless it stands under a higher term than that", async () => {
        const { store, run } = await openClaimed();
        await store.append(run, [{ partition: 0, claim: ALICE, from: 0, message: bytes("abc") }]);
        const taking = {
          partition: 0,
          claim: { ...BOB, term: 7 },
          notAbove: 2,
          covers: 50,
          bytes: bytes("table"),
          mayBeAbsent: false,
        };
        expect(await store.takeBack(run, taking)).toMatchObject({ kind: "refused", standing: { claim: ALICE } });
        expect(await store.takeBack(run, { ...taking, claim: { ...BOB, term: 3 }, notAbove: 5 })).toMatchObject({
          kind: "refused",
        });
        expect(await store.takeBack(run, { ...taking, notAbove: 3 })).toEqual({ kind: "claimed" });
        expect(await store.takeBack(run, { ...taking, notAbove: 3 }), "its answer was lost").toEqual({
          kind: "claimed",
        });
        const last = { term: 9, incarnation: "last", founding: "f" };
        expect(await store.claim(run, [0], last, true)).toMatchObject([
          {
            before: { claim: taking.claim, raisedTo: 7, length: 50, snapshotNumber: 1 },
            record: { snapshot: bytes("table"), log: [] },
          },
        ]);
      });
      test("R15 takeBack() makes a record that was lost, and one without a snapshot where nothing is stored", async () => {
        const { store, run, loseRecord } = await openClaimed();
        await loseRecord(0);
        const taking = { partition: 0, claim: BOB, notAbove: 3, covers: 4, bytes: undefined, mayBeAbsent: true };
        expect(await store.takeBack(run, taking)).toEqual({ kind: "claimed" });
        const last = { term: 9, incarnation: "last", founding: "f" };
        expect(await store.claim(run, [0], last, true)).toMatchObject([
          { isLost: false, record: { snapshot: undefined, log: [] } },
        ]);
      });
      test("R15 a record that is not there is refused, and nothing is written, but where it may be absent", async () => {
        const { store, run, loseRecord } = await openClaimed();
        await loseRecord(1);
        const absent = { claim: undefined, raisedTo: 0, length: 0, snapshotNumber: 0, isAbsent: true };
        const refused = { kind: "refused", standing: absent };
        const taking = { partition: 1, claim: BOB, notAbove: 9, covers: 4, bytes: bytes("T"), mayBeAbsent: false };
        expect(await store.claim(run, [1], BOB, true)).toEqual([refused]);
        expect(await store.claim(run, [1], BOB, true, new Set([0, 2]))).toEqual([refused]);
        expect(await store.takeBack(run, taking)).toEqual(refused);
        expect(await store.standing(run, [1])).toEqual([absent]);
        const key = { ...KEY, hashKey: new Uint8Array(8).fill(9) };
        const other = run.replace(MARK, markOf(key.hashKey));
        expect(await store.standing(other, [1]), "the tag was given no key").toEqual([absent]);
        expect(await store.claim(run, [1], BOB, false, new Set([1]))).toMatchObject([
          { kind: "claimed", before: absent, isLost: true },
        ]);
        const loaded = { claim: { ...BOB, term: 8 }, isLoaded: true };
        expect(await store.claim(run, [1, 3], loaded.claim, loaded.isLoaded, new Set([3]))).toMatchObject([
          { kind: "claimed", before: { claim: BOB }, isLost: false },
          { kind: "claimed" },
        ]);
      });
      test("an empty list of anything answers nothing", async () => {
        const { store, run } = await openClaimed();
        expect(await store.claim(run, [], ALICE, true)).toEqual([]);
        expect(await store.standing(run, [])).toEqual([]);
        expect(await store.raise(run, [], 4)).toEqual([]);
        expect(await store.append(run, [])).toEqual([]);
      });
    });

    test("R15 every call under another run is refused and does nothing", async () => {
      const { store, run } = await open();
      await store.renew(renewalOf("ann"), LEASE_MS);
      await store.claim(run, [0], ALICE, false);
      // Of a Redis Cluster a run names all masters; each looks for its own name only.
      const other = run.replaceAll(/\b[\da-f]/g, (first) => (first === "0" ? "1" : "0"));
      const view: View = { epoch: 9, nonce: "nine", members: [], expelled: [] };
      const calls = [
        () => store.restore(other, view, KEY, "fresh", LEASE_MS),
        () => store.raiseEpoch(other, 9, "fresh"),
        () => store.leave(other, "ann", "fresh"),
        () => store.found(other, KEY, "anew", "fresh"),
        () => store.standing(other, [0]),
        () => store.read(other, [0]),
        () => store.claim(other, [0], BOB, true),
        () =>
          store.takeBack(other, {
            partition: 0,
            claim: BOB,
            notAbove: 9,
            covers: 0,
            bytes: bytes("S"),
            mayBeAbsent: true,
          }),
        () => store.beginRun(other, "fresh"),
        () => store.raise(other, [{ partition: 0, claim: ALICE }], 9),
        () => store.append(other, [{ partition: 0, claim: ALICE, from: 0, message: bytes("a") }]),
        () => store.snapshot(other, 0, ALICE, { number: 1, covers: 0, coversAll: true, bytes: bytes("S") }),
      ];
      for (const call of calls) await expect(call()).rejects.toThrow(OtherRunError);
      expect(await viewOf(store)).toMatchObject({ epoch: 1, members: [{ incarnation: "ann" }] });
      expect(await store.claim(run, [0], ALICE, true)).toEqual([
        {
          kind: "claimed",
          before: { claim: ALICE, raisedTo: 3, length: 0, snapshotNumber: 0, isAbsent: false },
          record: { snapshot: undefined, log: [] },
          isLost: false,
        },
      ]);
    });

    publishedBoardsContract(open);

    test("any calls answer as the model does", { timeout: 300_000 }, async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(anyStep, { minLength: 1, maxLength: 80 }), async (steps) => {
          const { store, run, discard } = await open();
          const model = new SharedStoreModel({ clockMs: () => clock.nowMs, tagsCount: store.tagsCount });
          model.master = itemAt((await runOf(store)).split(" "), 0);
          const masters = itemAt(run.split(" "), 0).split(","); // which tag lies where is the store's affair
          for (const [tag, master] of masters.entries()) if (tag < store.tagsCount) model.tagMasters.set(tag, master);
          await model.connect().found(model.run, KEY, "anew", "founded");
          const script = new Script(store, model, clock);
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
