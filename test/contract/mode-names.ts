/** R28: what every shared store must do with the names of modes: one suite, run on the model and on Redis. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { AskedModes, ModeNamesAnswer, ToldModes } from "../../cluster/ports/mode-name-store.ts";
import { OtherRunError, type Run, type SharedStore } from "../../cluster/ports/shared-store.ts";
import { itemAt } from "../../simulator/item-at.ts";
import { ModeNamesModel } from "../../simulator/redis/mode-names-model.ts";
import { KEY } from "../support/bound-store.ts";
import { LEASE_MS, memberNamed, renewalOf, runOf } from "../support/renewals.ts";

interface Opened {
  readonly store: SharedStore;
  readonly run: Run;
  readonly discard: () => Promise<void>;
}

const PARTITIONS = 4;
const ALL = [0, 1, 2, 3];

const asking = (names: readonly string[], rest: Partial<AskedModes> = {}): AskedModes => ({
  names,
  candidates: [],
  modesMax: 3,
  revision: 0,
  ...rest,
});
const telling = (incarnation: string, rest: Partial<ToldModes> = {}): ToldModes => ({
  incarnation,
  revision: 0,
  settledRevision: 0,
  partitions: [],
  partitionCount: PARTITIONS,
  held: [],
  ...rest,
});
/** That it has known the newest revision for long. */
const knowing = (incarnation: string, revision: number, partitions = ALL, held: readonly string[] = []): ToldModes =>
  telling(incarnation, { revision, settledRevision: revision, partitions, held });

/** @param runs of the comparison with the model */
export function modeNamesContract(open: () => Promise<Opened>, { runs = 100 } = {}): void {
  /** A store with these members. */
  async function opened(...members: readonly string[]): Promise<Opened> {
    const made = await open();
    for (const name of members) await made.store.renew(renewalOf(name), LEASE_MS);
    return made;
  }

  describe("R28 admitModes()", () => {
    test("admits names up to the limit, and those known for ever", async () => {
      const { store, run } = await opened("ann");
      expect(await store.admitModes(run, asking(["a", "b"]))).toEqual({
        revision: 1,
        isFullList: true,
        added: ["a", "b"],
        gone: [],
        marked: [],
        refused: [],
      });
      const full = await store.admitModes(run, asking(["b", "c", "d"], { revision: 1 }));
      expect(full).toEqual({ revision: 2, isFullList: false, added: ["c"], gone: [], marked: [], refused: ["d"] });
      const again = await store.admitModes(run, asking(["a"], { revision: 2 }));
      expect(again).toEqual({ revision: 2, isFullList: false, added: [], gone: [], marked: [], refused: [] });
    });
    test("tells names apart by every letter", async () => {
      const { store, run } = await opened("ann");
      const names = ["a.b", "a-b", "a:b", "b", "a", "aa.b", "a%b", "A.b"];
      const { added, refused } = await store.admitModes(run, asking(names, { modesMax: 6 }));
      expect([added, refused]).toEqual([names.slice(0, 6), names.slice(6)]);
      expect((await store.admitModes(run, asking(["1", "2"]))).refused).toEqual(["1", "2"]);
    });
    test("marks candidates where there is no room, and takes the mark off what is asked for", async () => {
      const { store, run } = await opened("ann");
      await store.admitModes(run, asking(["a", "b", "c"], { candidates: ["a"] }));
      const full = await store.admitModes(run, asking(["d", "c"], { revision: 1, candidates: ["a", "x", "b", "c"] }));
      expect(full).toMatchObject({ revision: 2, marked: ["a", "b"], refused: ["d"], added: [] });
      const back = await store.admitModes(run, asking(["b"], { revision: 1 }));
      expect(back).toEqual({ revision: 3, isFullList: false, added: [], gone: [], marked: ["a"], refused: [] });
    });
    test("is refused under another run", async () => {
      const { store } = await opened("ann");
      await expect(store.admitModes("0123456789 1.another mark", asking(["a"]))).rejects.toThrow(OtherRunError);
      await expect(store.tellModes("0123456789 1.another mark", telling("ann"))).rejects.toThrow(OtherRunError);
    });
    test("1,024 names of 64 letters are kept apart", async () => {
      const { store, run } = await opened("ann");
      const names = Array.from({ length: 1025 }, (_, number) => `${number}`.padStart(64, "x"));
      for (let first = 0; first < 1025; first += 100)
        await store.admitModes(run, asking(names.slice(first, first + 100), { modesMax: 1024 }));
      const all = await store.admitModes(run, asking([itemAt(names, 1024), itemAt(names, 0)], { modesMax: 1024 }));
      expect([all.added, all.refused]).toEqual([names.slice(0, 1024), names.slice(1024)]);
    });
  });

  describe("R28 tellModes()", () => {
    /** Names a, b and c, a marked. */
    async function marked(...members: readonly string[]): Promise<Opened> {
      const made = await opened(...members);
      await made.store.admitModes(made.run, asking(["a", "b", "c"]));
      await made.store.admitModes(made.run, asking(["d"], { revision: 1, candidates: ["a"] }));
      return made;
    }
    const goneOf = ({ gone }: ModeNamesAnswer): readonly string[] => gone;

    test("a marked name is gone when all members knew the mark, and since then none holds it", async () => {
      const { store, run } = await marked("ann", "bea");
      await store.tellModes(run, knowing("ann", 2, [0, 1]));
      expect(await store.tellModes(run, knowing("bea", 2, [2, 3]))).toMatchObject({ revision: 3, marked: ["a"] });
      await store.tellModes(run, knowing("bea", 3, [2, 3]));
      const last = await store.tellModes(run, knowing("ann", 3, [0, 1]));
      expect(last).toEqual({ revision: 4, isFullList: false, added: [], gone: ["a"], marked: [], returned: [] });
      const again = await store.admitModes(run, asking(["d", "a"], { revision: 3 }));
      expect(again).toMatchObject({ added: ["d"], gone: ["a"], refused: ["a"] });
    });
    test("nothing goes while a member has not settled the mark, or does not know that all know it", async () => {
      const { store, run } = await marked("ann", "bea");
      for (let again = 0; again < 3; again++) {
        await store.tellModes(run, knowing("ann", 2, [0, 1]));
        const answer = await store.tellModes(
          run,
          telling("bea", { revision: 2, settledRevision: 1, partitions: [2, 3] }),
        );
        expect(answer).toMatchObject({ revision: 2, marked: ["a"], gone: [] });
      }
      await store.tellModes(run, knowing("bea", 2, [2, 3]));
      for (let again = 0; again < 3; again++) {
        expect(goneOf(await store.tellModes(run, knowing("bea", 2, [2, 3])))).toEqual([]);
        expect(goneOf(await store.tellModes(run, knowing("ann", 3, [0, 1])))).toEqual([]);
      }
      expect(goneOf(await store.tellModes(run, knowing("bea", 3, [2, 3])))).toEqual(["a"]);
    });
    test("a name that a member holds is marked no more", async () => {
      const { store, run } = await marked("ann", "bea");
      await store.tellModes(run, knowing("ann", 2, [0, 1]));
      const held = await store.tellModes(run, knowing("bea", 2, [2, 3], ["a"]));
      expect(held).toMatchObject({ revision: 3, marked: [], added: [], gone: [] });
      await store.tellModes(run, knowing("ann", 3));
      await store.tellModes(run, knowing("bea", 3));
      expect(goneOf(await store.tellModes(run, telling("ann", { revision: 1 })))).toEqual([]);
    });
    test("nothing goes while a partition is not spoken for", async () => {
      const { store, run } = await marked("ann", "bea");
      for (let revision = 2; revision < 4; revision++) {
        await store.tellModes(run, knowing("ann", revision, [0, 1]));
        expect(goneOf(await store.tellModes(run, knowing("bea", revision, [1, 2])))).toEqual([]);
      }
      expect(goneOf(await store.tellModes(run, knowing("bea", 3, [1, 2, 3])))).toEqual(["a"]);
    });
    test("nothing goes before a newcomer has spoken, and a member that is gone is not waited for", async () => {
      const { store, run } = await marked("ann", "bea");
      await store.tellModes(run, knowing("ann", 2));
      await store.renew(renewalOf("cleo"), LEASE_MS);
      expect(await store.tellModes(run, knowing("bea", 2, []))).toMatchObject({ revision: 2 });
      await store.leave(run, "cleo", "left");
      expect(await store.tellModes(run, knowing("bea", 2, []))).toMatchObject({ revision: 3 });
      await store.tellModes(run, knowing("bea", 3, [3]));
      await store.leave(run, "bea", "left too");
      expect(goneOf(await store.tellModes(run, knowing("ann", 3, [0, 1, 2])))).toEqual([]);
      expect(goneOf(await store.tellModes(run, knowing("ann", 3)))).toEqual(["a"]);
    });
    test("a held name that is not agreed is, past the limit; of who is not listed nothing counts", async () => {
      const { store, run } = await marked("ann");
      expect(await store.tellModes(run, knowing("nobody", 2, ALL, ["late"]))).toMatchObject({
        added: [],
        revision: 2,
        returned: [],
      });
      expect(await store.tellModes(run, knowing("ann", 2, ALL, ["late", "b"]))).toMatchObject({
        added: ["late"],
        returned: ["late"],
      });
      expect(await store.admitModes(run, asking(["more"]))).toMatchObject({
        added: ["a", "b", "c", "late"],
        refused: ["more"],
      });
    });
    test("a renewal says the revision, where there are names", async () => {
      const { store } = await opened("ann");
      const renewed = () => store.renew(renewalOf("ann"), LEASE_MS);
      const before = await renewed();
      expect(before).not.toHaveProperty("modesRevision");
      const { run } = before;
      await store.admitModes(run, asking(["a"]));
      const answer = await renewed();
      expect(answer).toMatchObject({ kind: "renewed", modesRevision: 1 });
      const list = answer.kind === "renewed" ? answer.list : undefined;
      const { epoch, nonce } = list?.view ?? { epoch: 0, nonce: "" };
      const known = { epoch, nonce, revision: list?.revision ?? 0, isJoining: false };
      expect(await store.renew(renewalOf("ann", known), LEASE_MS)).toEqual({
        ...before,
        list: undefined,
        modesRevision: 1,
      });
    });
    test("names outlive a change of the list; where the list is written back, whoever holds a name tells it again", async () => {
      const { store, run } = await marked("ann");
      await store.renew(renewalOf("bea"), LEASE_MS);
      await store.leave(run, "bea", "left");
      expect((await store.tellModes(run, telling("ann"))).added).toEqual(["a", "b", "c"]);
      const view = { epoch: 9, nonce: "n", members: [memberNamed("ann")], expelled: [] };
      await store.restore(run, view, KEY, "unused", LEASE_MS);
      await expect(store.tellModes(run, telling("ann"))).rejects.toThrow(OtherRunError);
      const told = await store.tellModes(await runOf(store), telling("ann", { held: ["b"] }));
      expect(told.added).toEqual(["b"]);
      expect(told.marked).toEqual([]);
    });
    test("whoever knows too little is told all", async () => {
      const { store, run } = await opened("ann");
      for (let round = 0; round < 20; round++) {
        const names = Array.from({ length: 60 }, (_, number) => `${round}-${number}`.padStart(64, "n"));
        const { revision } = await store.admitModes(run, asking(names, { modesMax: 60 }));
        await store.admitModes(run, asking(["more"], { revision, modesMax: 60, candidates: names }));
        const { revision: known } = await store.tellModes(run, knowing("ann", revision + 1));
        const last = await store.tellModes(run, knowing("ann", known));
        const isKnown = !last.isFullList;
        expect(isKnown ? last.gone : names).toEqual(names);
        expect(last.isFullList ? last.added : []).toEqual([]);
      }
      expect(await store.tellModes(run, knowing("ann", 1))).toMatchObject({ isFullList: true, added: [], gone: [] });
    });
  });

  test("R28 answers as the model does, whatever is asked", async () => {
    const anyMode = fc.constantFrom("a", "b", "c", "d", "e", "f");
    const anyModes = fc.uniqueArray(anyMode, { maxLength: 4 });
    const anyMember = fc.constantFrom("ann", "bea", "nobody");
    const behind = fc.nat({ max: 2 });
    const anyStep = fc.oneof(
      fc.record({ kind: fc.constant("admit" as const), names: anyModes, candidates: anyModes, behind }),
      fc.record({
        kind: fc.constant("tell" as const),
        incarnation: anyMember,
        partitions: fc.constantFrom(ALL, ALL, [0, 1], [2, 3]),
        held: fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, { weight: 1, arbitrary: anyModes }),
        behind,
        unsettled: behind,
      }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(anyStep, { maxLength: 30 }), async (steps) => {
        const { store, run, discard } = await opened("ann", "bea");
        const model = new ModeNamesModel();
        for (const step of steps) {
          const revision = Math.max(0, model.revision - step.behind);
          if (step.kind === "admit") {
            const { names, candidates } = step;
            const asked = { names, candidates, modesMax: 3, revision };
            expect(await store.admitModes(run, asked)).toEqual(model.admit(asked));
          } else {
            const { incarnation, partitions, held, unsettled } = step;
            const settledRevision = Math.max(0, revision - unsettled);
            const told = { incarnation, revision, settledRevision, partitions, partitionCount: PARTITIONS, held };
            expect(await store.tellModes(run, told)).toEqual(model.tell(told, ["ann", "bea"]));
          }
        }
        await discard();
      }),
      { numRuns: Number(process.env.HEADCOUNT_TEST_RUNS ?? runs) },
    );
  });
}
