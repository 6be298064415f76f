/**
 * What every shared store must do with a list that is written back (R9), and with votes on the key that it brings (R12);
 * part of the suite in `shared-store.ts`.
 */
import { describe, expect, test } from "vitest";
import { markOf } from "../../cluster/ports/mark.ts";
import { OtherKeyError, OtherRunError, type Run, type SharedStore } from "../../cluster/ports/shared-store.ts";
import { NO_VIEW, type View } from "../../cluster/ports/view.ts";
import { KEY } from "../support/bound-store.ts";
import { LEASE_MS, MARK, memberNamed, renewalOf, runOf, viewOf, wholeRunOf } from "../support/renewals.ts";
import { listOf as listIn, type ListStores, restore } from "../support/member-lists.ts";

export function listRestoringContract(stores: ListStores): void {
  const { open, openEmpty, clock } = stores;
  const listOf = (...names: string[]) => listIn(stores, ...names);

  describe("R9 restore()", () => {
    const view: View = { epoch: 7, nonce: "seven", members: ["ann", "bea"].map(memberNamed), expelled: ["zoe"] };
    test("writes back a view where the list is gone, with fresh leases and nobody renewed under this run", async () => {
      const { store } = await openEmpty();
      await restore(store, view);
      expect(await viewOf(store)).toEqual(view);
      const run = await runOf(store);
      const answer = await store.renew(renewalOf("ann", { epoch: 7, nonce: "seven" }), LEASE_MS);
      expect(answer).toMatchObject({ kind: "renewed", list: { view, listed: [{ run }, { run: "", licenceMs: 0 }] } });
    });
    test("writes it over an older list, whose members are absent then", async () => {
      const { store, renew } = await listOf("cleo");
      await restore(store, view);
      expect(await viewOf(store)).toEqual(view);
      expect(await renew("cleo")).toMatchObject({ kind: "absent" });
    });
    test("gives fresh leases from that instant on, however long nobody had called before", async () => {
      const { store, namesNow, pass } = await listOf("cleo");
      clock.nowMs += 60_000;
      await restore(store, view);
      await pass(3, "ann");
      expect(await namesNow()).toEqual(["ann", "bea"]);
      await pass(1, "ann");
      expect(await namesNow()).toEqual(["ann"]);
    });
    test("leaves a newer list, and the same one", async () => {
      const { store } = await open();
      await restore(store, view);
      await restore(store, { ...NO_VIEW, epoch: 6, nonce: "six" });
      await restore(store, view);
      expect(await viewOf(store)).toEqual(view);
    });
    test("brings the key back with the list, under a new run", async () => {
      const { store, run } = await openEmpty();
      await restore(store, view, "first");
      expect(await store.look()).toMatchObject({ key: KEY, copy: undefined, view });
      const first = await runOf(store);
      expect(first).not.toBe(run);
      await restore(store, { ...view, epoch: 9 }, "second");
      expect(await runOf(store)).not.toBe(first);
      await expect(store.raiseEpoch(first, 12, "fresh")).rejects.toThrow(OtherRunError);
      expect(await viewOf(store)).toMatchObject({ epoch: 9 });
    });
    test("is refused where another key stands, and changes nothing", async () => {
      const { store, run } = await open();
      const before = await wholeRunOf(store);
      const other = { ...KEY, hashKey: new Uint8Array(8).fill(9) };
      const under = run.replace(MARK, markOf(other.hashKey));
      await expect(store.restore(under, view, other, "fresh", LEASE_MS)).rejects.toThrow(OtherKeyError);
      expect(await store.look()).toMatchObject({ run: before, key: KEY, view: { epoch: 0 } });
    });
    test("raises above another list of the same number", async () => {
      const { store } = await open();
      await restore(store, view);
      await restore(store, { ...view, nonce: "other", members: [] }, "fresh");
      expect(await viewOf(store)).toEqual({ ...view, epoch: 8, nonce: "fresh" });
    });
  });

  describe("R12 vote()", () => {
    const key = { ...KEY, hashKey: new Uint8Array(8).fill(9) };
    const mark = markOf(key.hashKey);
    const members = ["gus", "hal", "ida"].map(memberNamed);
    const view: View = { epoch: 7, nonce: "seven", members, expelled: ["zoe"] };
    const voteOf = (incarnation: string, rest: object = {}) => ({
      incarnation,
      view,
      key,
      freshNonce: "voted",
      ...rest,
    });
    const vote = (store: SharedStore, run: Run, incarnation: string, rest: object = {}) =>
      store.vote(run, voteOf(incarnation, rest), LEASE_MS);

    test("replaces key and list when more than half of the view's members asked, under an epoch above both", async () => {
      const { store, run } = await listOf("ann");
      const before = await wholeRunOf(store);
      expect(await vote(store, run, "gus")).toBe("counted");
      expect(await vote(store, run, "gus"), "once each").toBe("counted");
      expect(await store.look()).toMatchObject({ run: before, key: KEY });
      expect(await vote(store, run, "ida")).toBe("replaced");
      const look = await store.look();
      expect(look).toMatchObject({ key, view: { ...view, epoch: 8, nonce: "voted" } });
      expect(look.run).not.toBe(before);
      expect(await vote(store, run, "hal")).toBe("not needed");
      expect(await store.renew(renewalOf("ann"), LEASE_MS)).toMatchObject({ kind: "other key", key });
      const renewed = await store.renew(renewalOf("hal", { mark, epoch: 7, nonce: "seven" }), LEASE_MS);
      const listsRun: unknown = expect.stringContaining(look.run.slice(look.run.indexOf(" "))); // history and mark
      expect(renewed).toMatchObject({ kind: "renewed", run: listsRun, list: { view: { epoch: 8 } } });
    });
    test("counts only members of the view", async () => {
      const { store, run } = await listOf("ann");
      await vote(store, run, "zoe");
      expect(await vote(store, run, "gus")).toBe("counted");
    });
    test("replaces nothing where as many live under the other key, however many asked", async () => {
      const { store, run } = await listOf("ann", "bea", "cleo");
      const before = await wholeRunOf(store);
      for (const { incarnation } of members) expect(await vote(store, run, incarnation)).toBe("outnumbered");
      expect(await store.look()).toMatchObject({ run: before, key: KEY });
    });
    test("is tied where more than half asked, and as many live under the other key", async () => {
      const { store, run } = await listOf("ann", "bea");
      const before = await wholeRunOf(store);
      expect(await vote(store, run, "gus")).toBe("counted");
      expect(await vote(store, run, "hal")).toBe("tied");
      expect(await vote(store, run, "gus")).toBe("tied");
      expect(await store.look()).toMatchObject({ run: before, key: KEY });
      expect(await vote(store, run, "ida")).toBe("replaced");
    });
    test("does not count the dead of the other key, by observed time", async () => {
      const { store, run } = await listOf("ann", "bea", "cleo", "dora");
      expect(await vote(store, run, "gus")).toBe("outnumbered");
      for (let count = 0; count < 4; count += 1) {
        clock.nowMs += LEASE_MS / 3;
        await vote(store, run, "gus");
      }
      expect(await vote(store, run, "hal")).toBe("replaced");
    });
    test("a vote lapses with a lease", async () => {
      const { store, run, pass } = await listOf("ann");
      expect(await vote(store, run, "gus")).toBe("counted");
      await pass(4, "ann");
      expect(await vote(store, run, "hal")).toBe("counted");
      expect(await vote(store, run, "gus")).toBe("replaced");
    });
    test("adoptTags() drops the records of a key that was replaced, once, and refuses the key of before", async () => {
      const { store } = await listOf("ann");
      const run = await wholeRunOf(store);
      const claim = { term: 1, incarnation: "ann", founding: "f" };
      await store.claim(run, [3], claim, false);
      for (const name of ["gus", "hal"]) await vote(store, run, name);
      const after = (await store.look()).run;
      await expect(store.claim(after, [3], { ...claim, term: 9 }, false)).rejects.toThrow(OtherKeyError);
      expect(await store.adoptTags(after)).toBeGreaterThan(0);
      expect(await store.adoptTags(after)).toBe(0);
      const claimed = await store.claim(after, [3], { term: 9, incarnation: "gus", founding: "f" }, true, new Set([3]));
      expect(claimed).toMatchObject([{ kind: "claimed", before: { claim: undefined }, isLost: true }]);
      await expect(store.claim(run, [3], { ...claim, term: 10 }, false)).rejects.toThrow(OtherKeyError);
      await expect(store.adoptTags(run)).rejects.toThrow(OtherKeyError);
      expect(await store.standing(after, [3])).toMatchObject([{ claim: { term: 9 } }]);
    });
  });
}
