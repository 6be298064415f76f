/** R10: what every shared store must do with what members say of each other; part of the suite in `shared-store.ts`. */
import { describe, expect, test } from "vitest";
import { LEASE_MS, viewOf } from "../support/renewals.ts";
import { listOf as listIn, type ListStores } from "../support/member-lists.ts";

export function accusationsContract(stores: ListStores): void {
  const { clock } = stores;
  const listOf = (...names: string[]) => listIn(stores, ...names);

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
}
