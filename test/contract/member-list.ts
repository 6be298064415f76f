/** What every shared store must do with the list of members (R7 to R11); part of the suite in `shared-store.ts`. */
import { describe, expect, test } from "vitest";
import { markOf } from "../../cluster/ports/mark.ts";
import { OtherRunError } from "../../cluster/ports/shared-store.ts";
import type { View } from "../../cluster/ports/view.ts";
import { KEY } from "../support/bound-store.ts";
import { LEASE_MS, memberNamed, renewalOf, runOf, viewOf } from "../support/renewals.ts";
import { listOf as listIn, type ListStores, restore } from "../support/member-lists.ts";

export function memberListContract(stores: ListStores): void {
  const { open, openEmpty, clock } = stores;
  const listOf = (...names: string[]) => listIn(stores, ...names);

  describe("R7 renew()", () => {
    test("keeps the lease of who renews and expels who does not", async () => {
      const { pass, namesNow, store } = await listOf("ann", "bea");
      await pass(3, "ann");
      expect(await namesNow()).toEqual(["ann", "bea"]);
      await pass(1, "ann");
      expect(await namesNow()).toEqual(["ann"]);
      expect((await viewOf(store)).expelled).toEqual(["bea"]);
    });
    test("takes no jump of the clock for time: forwards, backwards, to and fro", async () => {
      const { pass, namesNow } = await listOf("ann", "bea");
      for (const jumpMs of [3_600_000, -3_600_000, 60_000, -60_000]) {
        clock.nowMs += jumpMs;
        await pass(1, "ann", "bea");
      }
      expect(await namesNow()).toEqual(["ann", "bea"]);
    });
    test("takes no outage for a death, and buries who died in it", async () => {
      const { pass, namesNow } = await listOf("ann", "bea", "cleo");
      clock.nowMs += 60_000;
      await pass(4, "ann", "bea");
      expect(await namesNow()).toEqual(["ann", "bea", "cleo"]);
      await pass(1, "ann", "bea");
      expect(await namesNow()).toEqual(["ann", "bea"]);
    });
    test("excuses a silent member once: a lone survivor slower than a lease buries the dead", async () => {
      const { renew, namesNow } = await listOf("ann", "bea");
      for (let count = 0; count < 5; count += 1) {
        expect(await namesNow()).toEqual(["ann", "bea"]);
        clock.nowMs += 2 * LEASE_MS;
        await renew("ann");
      }
      expect(await namesNow()).toEqual(["ann"]);
    });
    test("shortens nobody's lease where somebody with a shorter one looks at the list", async () => {
      const { pass, namesNow, store } = await listOf("ann", "bea");
      await pass(1);
      await store.renew(renewalOf("zoe", { isJoining: false }), LEASE_MS / 30);
      await pass(1, "ann", "bea");
      expect(await namesNow()).toEqual(["ann", "bea"]);
    });
    test("excuses again who has renewed since", async () => {
      const { renew, namesNow, pass } = await listOf("ann", "bea");
      clock.nowMs += 60_000;
      await pass(1, "ann", "bea");
      clock.nowMs += 60_000;
      await renew("ann");
      await pass(3, "ann");
      expect(await namesNow()).toEqual(["ann", "bea"]);
    });
  });

  describe("R8 renew()", () => {
    test("begins the list with the first who joins, under epoch 1", async () => {
      const { store, run } = await open();
      const list = {
        view: { epoch: 1, nonce: "by ann", members: [memberNamed("ann")], expelled: [] },
        listed: [{ member: memberNamed("ann"), run, held: "3:1", licenceMs: 400 }],
        revision: 1,
      };
      const answer = await store.renew(renewalOf("ann", { held: "3:1" }), LEASE_MS);
      expect(answer).toMatchObject({ kind: "renewed", run, mustName: false, list });
    });
    test("R12 of another key is told which stands, and changes nothing", async () => {
      const { store, renew, namesNow } = await listOf("ann");
      const mark = markOf(new Uint8Array(8).fill(9));
      expect(await renew("bea", { mark, isJoining: true, epoch: 99 })).toMatchObject({ kind: "other key", key: KEY });
      expect(await namesNow()).toEqual(["ann"]);
      expect(await viewOf(store)).toMatchObject({ epoch: 1 });
    });
    test("lists members by incarnation, whoever joined first", async () => {
      const { namesNow } = await listOf("cleo", "ann", "bea");
      expect(await namesNow()).toEqual(["ann", "bea", "cleo"]);
    });
    test("adds nobody who does not join, and tells that it is absent, not expelled", async () => {
      const { renew } = await listOf("ann");
      const answer = await renew("bea");
      expect(answer).toMatchObject({
        kind: "absent",
        list: { view: { epoch: 1, members: [{ incarnation: "ann" }] } },
      });
    });
    test("never lets an expelled member in again, and tells it so", async () => {
      const { renew, pass, namesNow } = await listOf("ann", "bea");
      await pass(4, "ann");
      expect(await renew("bea", { isJoining: true })).toMatchObject({
        kind: "expelled",
        list: { view: { members: [{ incarnation: "ann" }], expelled: ["bea"] } },
      });
      expect(await namesNow()).toEqual(["ann"]);
    });
    test("tells a member that its own lease has lapsed, and others' that lapsed with it", async () => {
      const { renew, pass, store } = await listOf("ann", "bea", "cleo");
      await pass(3, "ann");
      clock.nowMs += LEASE_MS / 3;
      expect(await renew("bea", { isJoining: true })).toMatchObject({ kind: "expelled" });
      expect((await viewOf(store)).expelled).toEqual(["bea", "cleo"]);
    });
    test("keeps the newest 256 names of the expelled", { timeout: 120_000 }, async () => {
      const { store, renew } = await listOf("ann");
      const expelled = Array.from({ length: 300 }, (_, number) => `gone-${number}`);
      const view: View = { epoch: 9, nonce: "n", members: [memberNamed("ann"), memberNamed("bea")], expelled };
      await restore(store, view);
      expect((await viewOf(store)).expelled).toEqual(expelled.slice(-256));
      for (let count = 0; count < 5; count += 1) {
        clock.nowMs += LEASE_MS / 3;
        await renew("ann");
      }
      expect((await viewOf(store)).expelled).toEqual([...expelled.slice(-255), "bea"]);
    });
  });

  describe("R9 renew()", () => {
    test("raises the epoch under a fresh nonce when the list or a member changes, and only then", async () => {
      const { renew, store } = await listOf("ann", "bea");
      expect(await viewOf(store)).toMatchObject({ epoch: 3, nonce: "by ann" });
      await renew("ann", { freshNonce: "unused" });
      expect(await viewOf(store)).toMatchObject({ epoch: 3, nonce: "by ann" });
      await renew("ann", { freshNonce: "leaving", member: { ...memberNamed("ann"), isLeaving: true } });
      expect(await viewOf(store)).toMatchObject({
        epoch: 4,
        nonce: "leaving",
        members: [{ isLeaving: true }, { isLeaving: false }],
      });
    });
    test("answers gone where there is no list, or it is below what the caller knows, and changes nothing", async () => {
      const empty = await openEmpty();
      for (const renewal of [renewalOf("ann", { epoch: 1 }), renewalOf("ann")])
        expect(await empty.store.renew(renewal, LEASE_MS)).toMatchObject({ kind: "gone", run: empty.run });
      const { store, run } = await open();
      await store.renew(renewalOf("ann"), LEASE_MS);
      expect(await store.renew(renewalOf("ann", { epoch: 2, held: "new" }), LEASE_MS)).toMatchObject({
        kind: "gone",
        run,
      });
      expect(await viewOf(store)).toMatchObject({ epoch: 1, nonce: "by ann" });
    });
    test("raises above both where the caller knows another list of this number", async () => {
      const { renew, store } = await listOf("ann");
      await renew("ann", { epoch: 1, nonce: "by ann", freshNonce: "unused" });
      await renew("ann", { epoch: 1, nonce: "", freshNonce: "unused" });
      expect(await viewOf(store)).toMatchObject({ epoch: 1, nonce: "by ann" });
      await renew("ann", { epoch: 1, nonce: "another", freshNonce: "fresh" });
      expect(await viewOf(store)).toMatchObject({ epoch: 2, nonce: "fresh" });
    });
  });

  describe("the list in an answer", () => {
    test("is left out where nothing changed since the revision that the caller knows", async () => {
      const { renew, run } = await listOf("ann");
      const unchanged = { kind: "renewed", run, mustName: false, list: undefined };
      expect(await renew("ann", { revision: 1 })).toMatchObject(unchanged);
      expect(await renew("ann", { revision: 0 })).toMatchObject({ list: { revision: 1 } });
      await renew("bea", { isJoining: true });
      expect(await renew("ann", { revision: 1 })).toMatchObject({ list: { revision: 2 } });
      expect(await renew("ann", { revision: 2 })).toMatchObject(unchanged);
    });
    test("has a new revision when what a member holds changes, under the same epoch", async () => {
      const { renew } = await listOf("ann", "bea");
      const held = "x".repeat(64 << 10);
      expect(await renew("bea", { revision: 3, held })).toMatchObject({ list: { revision: 4, view: { epoch: 3 } } });
      expect(await renew("ann", { revision: 3 })).toMatchObject({
        list: { listed: [{ held: "" }, { held }], revision: 4 },
      });
      expect(await renew("bea", { revision: 4, held })).toMatchObject({ list: undefined });
    });
    test("R15 keeps what a member named before where it names nothing, and asks who has not named under this run", async () => {
      const { store, run, renew } = await listOf("ann");
      await renew("ann", { held: "3:1" });
      expect(await renew("ann", { held: undefined })).toMatchObject({
        mustName: false,
        list: { listed: [{ run, held: "3:1" }] },
      });
      await store.restore(
        run,
        { epoch: 9, nonce: "n", members: [memberNamed("ann")], expelled: [] },
        KEY,
        "again",
        LEASE_MS,
      );
      const known = { epoch: 9, nonce: "n" };
      expect(await renew("ann", { ...known, held: undefined })).toMatchObject({
        mustName: true,
        list: { listed: [{ run: "", held: "" }] },
      });
      expect(await renew("ann", { ...known, held: "3:2" })).toMatchObject({
        mustName: false,
        list: { listed: [{ run: await runOf(store), held: "3:2" }] },
      });
    });
    test("R10, R14, R15 takes nothing of a renewal that comes after a later one of its incarnation", async () => {
      const { store, renew } = await listOf("ann", "bea", "cleo");
      const number = 1_000_000;
      await renew("ann", { number, held: "3:2", licenceMs: 1500, member: { ...memberNamed("ann"), isLeaving: true } });
      await renew("bea", { closed: ["ann"] });
      const before = await renew("cleo");
      const late = { held: "3:1", licenceMs: 400, isJoining: true, accused: ["bea"], closed: ["bea"], called: ["bea"] };
      for (const again of [number, number - 1]) {
        expect(await renew("ann", { ...late, number: again })).toMatchObject({ kind: "late", run: await runOf(store) });
      }
      expect(await renew("cleo")).toEqual(before);
      expect(await renew("bea", { closedStill: ["ann"] }), "its port is still closed").toMatchObject({
        list: { view: { expelled: ["ann"] } },
      });
    });
    test("R14 has each member's licence as it named it last, and no revision of its own for it", async () => {
      const { renew } = await listOf("ann", "bea");
      const licences = async () => {
        const answer = await renew("ann", { licenceMs: 500 });
        return answer.kind === "renewed" ? answer.list?.listed.map(({ licenceMs }) => licenceMs) : [];
      };
      expect(await licences()).toEqual([500, 400]);
      expect(await renew("bea", { licenceMs: 1500, revision: 3 })).toMatchObject({ list: undefined });
      expect(await licences()).toEqual([500, 1500]);
    });
  });

  describe("who joins", () => {
    const joiners = (view: View) =>
      view.members.filter(({ isJoining }) => isJoining).map(({ incarnation }) => incarnation);
    test("is in at once where nobody else is", async () => {
      const { store } = await listOf("ann");
      expect(joiners(await viewOf(store))).toEqual([]);
    });
    test("is listed, and in once half of those who are in have called it back, under a new epoch", async () => {
      const { store, renew } = await listOf("ann", "bea", "cleo");
      expect(await renew("dora", { isJoining: true })).toMatchObject({ list: { view: { epoch: 6 } } });
      await renew("ann", { called: ["dora"] });
      expect(joiners(await viewOf(store))).toEqual(["dora"]);
      await renew("ann", { called: ["dora"] });
      expect(joiners(await viewOf(store))).toEqual(["dora"]);
      await renew("bea", { called: ["nobody", "dora"], freshNonce: "in" });
      expect(await viewOf(store)).toMatchObject({ epoch: 7, nonce: "in" });
      expect(joiners(await viewOf(store))).toEqual([]);
    });
    test("is not called back by itself, nor by others who join", async () => {
      const { store, renew } = await listOf("ann");
      for (const name of ["bea", "cleo"]) await renew(name, { isJoining: true });
      for (const name of ["bea", "cleo"]) await renew(name, { called: ["bea", "cleo"] });
      expect(joiners(await viewOf(store))).toEqual(["bea", "cleo"]);
    });
    test("is in when those who were in are gone", async () => {
      const { store, run, renew } = await listOf("ann");
      for (const name of ["bea", "cleo"]) await renew(name, { isJoining: true });
      await store.leave(run, "ann", "left");
      await renew("cleo");
      expect(joiners(await viewOf(store))).toEqual(["cleo"]);
      await renew("bea", { called: ["cleo"] });
      expect(joiners(await viewOf(store))).toEqual([]);
    });
    test("neither accuses nor is accused", async () => {
      const { renew, namesNow, pass } = await listOf("ann");
      await renew("bea", { isJoining: true });
      for (let count = 0; count < 3; count += 1) {
        expect(await renew("ann", { accused: ["bea"] })).toMatchObject({ kind: "renewed" });
        expect(await renew("bea", { accused: ["ann"] })).toMatchObject({ kind: "renewed" });
      }
      await pass(1, "ann", "bea");
      expect(await namesNow()).toEqual(["ann", "bea"]);
    });
    test("joins still where the list was written back", async () => {
      const { store, run } = await open();
      const members = [memberNamed("ann"), { ...memberNamed("bea"), isJoining: true }];
      await store.restore(run, { epoch: 7, nonce: "n", members, expelled: [] }, KEY, "again", LEASE_MS);
      expect(joiners(await viewOf(store))).toEqual(["bea"]);
    });
  });

  describe("R1 raiseEpoch()", () => {
    test("raises above a number, never lowers, and makes no list", async () => {
      const empty = await openEmpty();
      await empty.store.raiseEpoch(empty.run, 3, "fresh");
      expect(await empty.store.renew(renewalOf("ann"), LEASE_MS)).toMatchObject({ kind: "gone" });
      const { store, run } = await open();
      await store.renew(renewalOf("ann"), LEASE_MS);
      await store.raiseEpoch(run, 8, "fresh");
      await store.raiseEpoch(run, 8, "unused");
      expect(await viewOf(store)).toMatchObject({ epoch: 9, nonce: "fresh", members: [{ incarnation: "ann" }] });
    });
  });

  describe("R15 beginRun()", () => {
    test("gives the list another history, once for who believes in the same, and every member must name anew", async () => {
      const { store, run, renew, namesNow } = await listOf("ann", "bea");
      await renew("ann", { held: "3:1" });
      await store.beginRun(run, "another");
      await expect(store.beginRun(run, "a third")).rejects.toThrow(OtherRunError);
      const after = await runOf(store);
      expect(after).not.toBe(run);
      expect(after.startsWith(run.slice(0, run.indexOf(" "))), "under the same master").toBe(true);
      await expect(store.raiseEpoch(run, 8, "fresh")).rejects.toThrow(OtherRunError);
      expect(await renew("ann", { held: undefined })).toMatchObject({ kind: "renewed", mustName: true, run: after });
      expect(await renew("bea", { held: "4:1" })).toMatchObject({ kind: "renewed", mustName: false, run: after });
      expect(await namesNow()).toEqual(["ann", "bea"]);
    });
    test("does nothing where there is no list", async () => {
      const { store, run } = await openEmpty();
      await store.beginRun(run, "another");
      expect(await runOf(store)).toBe(run);
    });
  });

  describe("R11 leave()", () => {
    test("takes a member off the list without naming it expelled; it may join again", async () => {
      const { store, run, renew, namesNow } = await listOf("ann", "bea");
      await store.leave(run, "bea", "left");
      await store.leave(run, "nobody", "unused");
      expect(await viewOf(store)).toMatchObject({ epoch: 4, nonce: "left", expelled: [] });
      expect(await renew("bea")).toMatchObject({ kind: "absent" });
      await renew("bea", { isJoining: true });
      expect(await namesNow()).toEqual(["ann", "bea"]);
    });
    test("of the last one leaves an empty list under its epoch", async () => {
      const { store, run, renew } = await listOf("ann");
      await store.leave(run, "ann", "left");
      expect(await viewOf(store)).toMatchObject({ epoch: 2, members: [] });
      expect(await renew("bea", { isJoining: true })).toMatchObject({ list: { view: { epoch: 3 } } });
    });
  });
}
