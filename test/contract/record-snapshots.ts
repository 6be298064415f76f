/** R3, R4: what every record store must do with snapshots; part of the suite in `record-store.ts`. */
import { describe, expect, test } from "vitest";
import type { Claim, PartitionIndex, RecordStore } from "../../cluster/ports/record-store.ts";
import { take } from "../../simulator/item-at.ts";
import {
  ALICE,
  appendOne,
  BOB,
  bytes,
  claimed as claimedIn,
  recordOf,
  snapshotOf,
} from "../support/claimed-records.ts";
import { commitOf } from "../support/commit-of.ts";

async function appendThree(store: RecordStore): Promise<void> {
  for (const [index, text] of ["ab", "cd", "ef"].entries()) await appendOne(store, 2 * index, text);
}

/** @param open gives a fresh, empty store */
export function snapshotsContract(open: () => Promise<RecordStore>): void {
  const claimed = (partitions?: readonly PartitionIndex[], claim?: Claim) => claimedIn(open, partitions, claim);

  describe("R3 snapshot()", () => {
    test("replaces the log it covers and leaves the rest", async () => {
      const store = await claimed();
      await appendThree(store);
      expect(await store.snapshot(0, ALICE, snapshotOf(1, 4, "S"))).toBe("landed");
      expect(await recordOf(store, 0, ALICE)).toEqual({ snapshot: "S", log: ["ef"] });
      expect(await appendOne(store, 6, "gh")).toBe("landed");
    });
    test("covers an exact length in a long log", async () => {
      const store = await claimed([0, 1]);
      for (let from = 0; from < 300; from += 1) {
        const message = bytes(String(from % 10));
        await store.append(commitOf([0, 1].map((partition) => ({ partition, claim: ALICE, from, message }))));
      }
      expect(await store.snapshot(0, ALICE, snapshotOf(1, 187, "S"))).toBe("landed");
      const { log } = await recordOf(store, 0, ALICE);
      expect(log).toEqual(Array.from({ length: 113 }, (_, index) => String((187 + index) % 10)));
      expect((await recordOf(store, 1, ALICE)).log).toHaveLength(300);
      expect(await store.snapshot(0, ALICE, snapshotOf(2, 300, "T"))).toBe("landed");
      expect(await store.snapshot(1, ALICE, snapshotOf(1, 299, "U"))).toBe("landed");
      expect(await recordOf(store, 0, BOB)).toEqual({ snapshot: "T", log: [] });
      expect(await recordOf(store, 1, BOB)).toEqual({ snapshot: "U", log: ["9"] });
    });
    test("is outnumbered by one of its number or a higher one", async () => {
      const store = await claimed();
      await appendOne(store, 0, "ab");
      await store.snapshot(0, ALICE, snapshotOf(2, 2, "second"));
      expect(await store.snapshot(0, ALICE, snapshotOf(2, 2, "again"))).toEqual({ standing: 2 });
      expect(await store.snapshot(0, ALICE, snapshotOf(1, 2, "first", true))).toEqual({ standing: 2 });
      expect((await recordOf(store, 0, ALICE)).snapshot).toBe("second");
    });
    test("past the end is behind, and leaves what was there", async () => {
      const store = await claimed();
      await appendOne(store, 0, "ab");
      expect(await store.snapshot(0, ALICE, snapshotOf(1, 3, "S"))).toBe("behind");
      expect(await recordOf(store, 0, ALICE)).toEqual({ snapshot: undefined, log: ["ab"] });
      expect(await store.snapshot(0, ALICE, snapshotOf(1, 2, "S"))).toBe("landed");
    });
    test("is superseded under a higher term, and behind under a lower one or none", async () => {
      const store = await claimed([0], BOB);
      expect(await store.snapshot(0, ALICE, snapshotOf(1, 0, "S", true))).toBe("superseded");
      expect(await store.snapshot(0, { ...BOB, term: 9 }, snapshotOf(1, 0, "S", true))).toBe("behind");
      expect(await store.snapshot(1, BOB, snapshotOf(1, 0, "S", true))).toBe("behind");
      expect((await recordOf(store, 0, BOB)).snapshot).toBeUndefined();
    });
    test("of a new claim replaces all the log of former claims too", async () => {
      const store = await claimed();
      await appendOne(store, 0, "old");
      await store.snapshot(0, ALICE, snapshotOf(1, 3, "S"));
      await appendOne(store, 3, "older");
      expect((await recordOf(store, 0, BOB)).log).toEqual(["older"]);
      await appendOne(store, 0, "x", BOB);
      await appendOne(store, 1, "y", BOB);
      expect((await recordOf(store, 0, BOB)).log).toEqual(["older", "x", "y"]);
      expect(await store.snapshot(0, BOB, snapshotOf(1, 1, "T"))).toBe("landed");
      expect(await recordOf(store, 0, BOB)).toEqual({ snapshot: "T", log: ["y"] });
    });
    test("of a new claim replaces a long log of the former one, and of its own only what it covers", async () => {
      const store = await claimed();
      for (let from = 0; from < 200; from += 1) await appendOne(store, from, "x");
      await store.claim([0], BOB);
      for (let from = 0; from < 5; from += 1) await appendOne(store, from, String(from), BOB);
      expect(await store.snapshot(0, BOB, snapshotOf(1, 3, "S"))).toBe("landed");
      expect(await recordOf(store, 0, BOB)).toEqual({ snapshot: "S", log: ["3", "4"] });
    });
    test("that covers less than the one before it brings nothing back", async () => {
      const store = await claimed();
      for (let from = 0; from < 10; from += 1) await appendOne(store, from, String(from));
      expect(await store.snapshot(0, ALICE, snapshotOf(1, 7, "S"))).toBe("landed");
      expect(await store.snapshot(0, ALICE, snapshotOf(2, 4, "T"))).toBe("landed");
      expect(await recordOf(store, 0, ALICE)).toEqual({ snapshot: "T", log: ["7", "8", "9"] });
    });
    test("of a new claim that covers nothing replaces the former log", async () => {
      const store = await claimed();
      await appendOne(store, 0, "old");
      await store.claim([0], BOB);
      expect(await store.snapshot(0, BOB, snapshotOf(1, 0, "T"))).toBe("landed");
      expect(await recordOf(store, 0, BOB)).toEqual({ snapshot: "T", log: [] });
    });
    test("that is partial keeps what it covered covered under later claims", async () => {
      const store = await claimed();
      await appendThree(store);
      await store.snapshot(0, ALICE, snapshotOf(1, 2, "S"));
      expect(await recordOf(store, 0, BOB)).toEqual({ snapshot: "S", log: ["cd", "ef"] });
      await appendOne(store, 0, "g", BOB);
      expect(await recordOf(store, 0, { ...BOB, term: 5 })).toEqual({ snapshot: "S", log: ["cd", "ef", "g"] });
    });
    test("leaves the other partitions of its commits alone", async () => {
      const store = await claimed([0, 1]);
      const append = (partition: number) => ({ partition, claim: ALICE, from: 0, message: bytes(`p${partition}`) });
      await store.append(commitOf([append(0), append(1)]));
      await store.snapshot(0, ALICE, snapshotOf(1, 2, "S"));
      expect(await recordOf(store, 1, BOB)).toEqual({ snapshot: undefined, log: ["p1"] });
      expect(await recordOf(store, 0, BOB)).toEqual({ snapshot: "S", log: [] });
    });
    test("keeps any bytes, none too", async () => {
      const store = await claimed([0, 1]);
      const large = Uint8Array.from({ length: 300_000 }, (_, index) => (index * 7919) >>> 3);
      await store.snapshot(0, ALICE, { number: 1, covers: 0, coversAll: true, bytes: large });
      await store.snapshot(1, ALICE, { number: 1, covers: 0, coversAll: true, bytes: new Uint8Array(0) });
      expect(large.length).toBe(300_000);
      const [one, none] = take(2, await store.claim([0, 1], ALICE));
      if (one.kind === "refused" || none.kind === "refused") throw new Error("refused");
      expect(Buffer.compare(one.record.snapshot ?? bytes(""), large)).toBe(0);
      expect(none.record.snapshot).toHaveLength(0);
    });
  });

  describe("R4 a whole snapshot", () => {
    test("past the end replaces the whole log, and the next append continues it", async () => {
      const store = await claimed();
      await appendOne(store, 0, "ab");
      expect(await store.snapshot(0, ALICE, snapshotOf(1, 50, "S", true))).toBe("landed");
      expect(await recordOf(store, 0, ALICE)).toEqual({ snapshot: "S", log: [] });
      expect(await appendOne(store, 49, "no")).toBe("behind");
      expect(await appendOne(store, 50, "yes")).toBe("landed");
      expect((await recordOf(store, 0, BOB)).log).toEqual(["yes"]);
    });
    test("makes an append that was given up before it answer landed: it is covered", async () => {
      const store = await claimed();
      await store.snapshot(0, ALICE, snapshotOf(1, 50, "S", true));
      expect(await appendOne(store, 0, "given up")).toBe("landed");
      expect(await recordOf(store, 0, ALICE)).toEqual({ snapshot: "S", log: [] });
    });
    test("below the end replaces what lies above it too", async () => {
      const store = await claimed();
      await appendOne(store, 0, "ab");
      await appendOne(store, 2, "cd");
      expect(await store.snapshot(0, ALICE, snapshotOf(1, 2, "S", true))).toBe("landed");
      expect(await recordOf(store, 0, ALICE)).toEqual({ snapshot: "S", log: [] });
      expect(await appendOne(store, 2, "xy")).toBe("landed");
      expect((await recordOf(store, 0, BOB)).log).toEqual(["xy"]);
    });
  });
}
