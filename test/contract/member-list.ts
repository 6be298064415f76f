/** What every shared store must do with the list of members (R7 to R11); part of the suite in `shared-store.ts`. */
import { describe, expect, test } from "vitest";
import { markOf } from "../../cluster/ports/mark.ts";
import { OtherKeyError, OtherRunError, type Run, type SharedStore } from "../../cluster/ports/shared-store.ts";
import { NO_VIEW, type View } from "../../cluster/ports/view.ts";
import { KEY } from "../support/bound-store.ts";
import { LEASE_MS, MARK, memberNamed, renewalOf, runOf, viewOf, wholeRunOf } from "../support/renewals.ts";

interface Opened {
  readonly store: SharedStore;
  readonly run: Run;
}

/**
 * @param open gives a fresh store on that clock, founded with `KEY`
 * @param openEmpty one where nothing is founded
 */
export function memberListContract(
  open: () => Promise<Opened>,
  openEmpty: () => Promise<Opened>,
  clock: { nowMs: number },
): void {
  const restore = async (store: SharedStore, view: View, freshNonce = "restored") =>
    store.restore(await runOf(store), view, KEY, freshNonce, LEASE_MS);

  /** A list of these, all of whom have been called back, and one member's renewals on it. */
  async function listOf(...names: string[]) {
    const { store, run } = await open();
    const renew = (name: string, rest: Parameters<typeof renewalOf>[1] = {}) =>
      store.renew(renewalOf(name, { isJoining: false, ...rest }), LEASE_MS);
    for (const [number, name] of names.entries()) {
      await renew(name, { isJoining: true });
      for (const caller of names.slice(0, number)) await renew(caller, { called: [name] });
    }
    const namesNow = async () => (await viewOf(store)).members.map(({ incarnation }) => incarnation);
    /** Lets time pass in steps of one renewal interval; those named renew in each. */
    const pass = async (intervals: number, ...living: string[]) => {
      for (let count = 0; count < intervals; count += 1) {
        clock.nowMs += LEASE_MS / 3;
        for (const name of living) await renew(name);
      }
    };
    return { store, run, renew, namesNow, pass };
  }

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

  describe("R10 renew(), unheard", () => {
    const accused = ["dora"];
    test("marks whom more than half of the others accuse in two renewals running, and lengthens its life no more", async () => {
      const { renew, namesNow, store } = await listOf("ann", "bea", "cleo", "dora");
      for (const name of ["ann", "bea", "ann"]) await renew(name, { accused });
      expect(await renew("dora")).toMatchObject({ kind: "renewed" });
      await renew("bea", { accused });
      for (let count = 0; count < 4; count += 1) {
        expect(await namesNow()).toContain("dora");
        expect(await renew("dora")).toMatchObject({ kind: "accused" });
        clock.nowMs += LEASE_MS / 3;
        for (const name of ["ann", "bea", "cleo"]) await renew(name, { accused });
      }
      expect(await renew("dora")).toMatchObject({ kind: "expelled" });
      expect((await viewOf(store)).expelled).toEqual(["dora"]);
    });
    test("marks nobody whom half of the others accuse", async () => {
      const { renew } = await listOf("ann", "bea", "cleo", "dora", "edna");
      for (let count = 0; count < 4; count += 1) for (const name of ["ann", "bea"]) await renew(name, { accused });
      expect(await renew("dora")).toMatchObject({ kind: "renewed" });
    });
    test("marks nobody whose accusers change their mind in between", async () => {
      const { renew } = await listOf("ann", "bea", "cleo", "dora");
      for (let count = 0; count < 3; count += 1) {
        for (const name of ["ann", "bea", "cleo"]) await renew(name, { accused });
        expect(await renew("dora")).toMatchObject({ kind: "renewed" });
        for (const name of ["ann", "bea", "cleo"]) await renew(name);
      }
    });
    test("kills nobody by a blip that has healed", async () => {
      const { renew, namesNow, pass } = await listOf("ann", "bea", "cleo");
      for (let count = 0; count < 3; count += 1) {
        clock.nowMs += LEASE_MS / 3;
        for (const name of ["ann", "bea"]) await renew(name, { accused: ["cleo"] });
        await renew("cleo");
      }
      await renew("ann");
      expect(await renew("cleo")).toMatchObject({ kind: "renewed" });
      await pass(5, "ann", "bea", "cleo");
      expect(await namesNow()).toEqual(["ann", "bea", "cleo"]);
    });
    test("leaves the eldest of members that all fail to hear each other, also of two", async () => {
      for (const names of [
        ["zoe", "ann"],
        ["cleo", "ann", "bea"],
        ["dora", "cleo", "ann", "bea"],
      ]) {
        const { renew, namesNow } = await listOf(...names);
        for (let count = 0; count < 6; count += 1) {
          for (const name of names) await renew(name, { accused: names.filter((other) => other !== name) });
          clock.nowMs += LEASE_MS / 3;
        }
        expect(await namesNow()).toEqual([names[0]]);
      }
    });
    test("leaves the larger part of members that are cut in two", async () => {
      const { renew, namesNow } = await listOf("ann", "bea", "cleo", "dora", "edna");
      for (let count = 0; count < 6; count += 1) {
        for (const name of ["ann", "bea"]) await renew(name, { accused: ["cleo", "dora", "edna"] });
        for (const name of ["cleo", "dora", "edna"]) await renew(name, { accused: ["ann", "bea"] });
        clock.nowMs += LEASE_MS / 3;
      }
      expect(await namesNow()).toEqual(["cleo", "dora", "edna"]);
    });
    test("excuses a marked member once in silences of all", async () => {
      const { renew, namesNow } = await listOf("ann", "bea");
      for (let count = 0; count < 7; count += 1) {
        await renew("ann", { accused: ["bea"] });
        await renew("bea");
        clock.nowMs += 2 * LEASE_MS;
      }
      await renew("ann");
      expect(await namesNow()).toEqual(["ann"]);
    });
  });

  describe("R10 renew(), a closed port", () => {
    test("expels at the second word who has not renewed in between, by one member's word", async () => {
      const { renew, namesNow, store } = await listOf("ann", "bea");
      expect(await renew("ann", { closed: ["bea"], revision: 3 })).toMatchObject({ list: { revision: 3 } });
      expect(await namesNow()).toEqual(["ann", "bea"]);
      await renew("ann", { closedStill: ["bea"], freshNonce: "dead" });
      expect(await viewOf(store)).toMatchObject({ epoch: 4, nonce: "dead", expelled: ["bea"] });
    });
    test("expels nobody who renews in between, however often it is said", async () => {
      const { renew, namesNow } = await listOf("ann", "bea", "cleo");
      for (let count = 0; count < 3; count += 1) {
        for (const name of ["ann", "cleo"]) await renew(name, { closed: ["bea", "nobody"] });
        await renew("bea");
        for (const name of ["ann", "cleo"]) await renew(name, { closedStill: ["bea", "nobody"] });
      }
      expect(await namesNow()).toEqual(["ann", "bea", "cleo"]);
    });
    test("expels nobody by a second word without a first of the same member, nor by one's own", async () => {
      const { renew, namesNow } = await listOf("ann", "bea", "cleo");
      await renew("ann", { closed: ["bea", "ann"] });
      await renew("cleo", { closedStill: ["bea"] });
      await renew("ann", { closedStill: ["ann"] });
      expect(await namesNow()).toEqual(["ann", "bea", "cleo"]);
    });
    test("is taken back by the renewal of one who is marked, too: it lives", async () => {
      const { renew, namesNow } = await listOf("ann", "bea");
      for (let count = 0; count < 2; count += 1) await renew("ann", { accused: ["bea"], closed: ["bea"] });
      expect(await renew("bea")).toMatchObject({ kind: "accused" });
      await renew("ann", { closedStill: ["bea"] });
      expect(await namesNow()).toEqual(["ann", "bea"]);
    });
  });

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
    test("needs more votes than live under the other key", async () => {
      const { store, run } = await listOf("ann", "bea");
      expect(await vote(store, run, "gus")).toBe("counted");
      expect(await vote(store, run, "hal")).toBe("counted");
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
      await store.take(run, [3], claim, false);
      for (const name of ["gus", "hal"]) await vote(store, run, name);
      const after = (await store.look()).run;
      await expect(store.take(after, [3], { ...claim, term: 9 }, false)).rejects.toThrow(OtherKeyError);
      expect(await store.adoptTags(after)).toBeGreaterThan(0);
      expect(await store.adoptTags(after)).toBe(0);
      const taken = await store.take(after, [3], { term: 9, incarnation: "gus", founding: "f" }, true, new Set([3]));
      expect(taken).toMatchObject([{ kind: "claimed", before: { claim: undefined }, isLost: true }]);
      await expect(store.take(run, [3], { ...claim, term: 10 }, false)).rejects.toThrow(OtherKeyError);
      await expect(store.adoptTags(run)).rejects.toThrow(OtherKeyError);
      expect(await store.standing(after, [3])).toMatchObject([{ claim: { term: 9 } }]);
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
