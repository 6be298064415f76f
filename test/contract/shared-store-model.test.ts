import { describe, expect, test } from "vitest";
import { StoreUnavailableError } from "../../cluster/ports/record-store.ts";
import { KEY, bindRun } from "../support/bound-store.ts";
import { renewalOf } from "../support/renewals.ts";
import { SharedStoreModel, type Through } from "../../simulator/redis/shared-store-model.ts";
import { recordStoreContract } from "./record-store.ts";
import { sharedStoreContract } from "./shared-store.ts";

/** As `ZREVRANGE` gives a sorted set: equal scores by name, the last first. */
function rankingOf(players: ReadonlyMap<string, number>): { mode: string; players: number }[] {
  return [...players]
    .map(([mode, count]) => ({ mode, players: count }))
    .sort((one, other) => other.players - one.players || (one.mode < other.mode ? 1 : -1));
}

for (const tagsCount of [1, 16]) {
  recordStoreContract(`SharedStoreModel of ${tagsCount} tags`, async () => {
    const model = new SharedStoreModel({ tagsCount });
    return { store: await bindRun(model.connect()), discard: async () => {} };
  });

  sharedStoreContract(`SharedStoreModel of ${tagsCount} tags`, async (clockMs) => {
    const model = new SharedStoreModel({ clockMs, tagsCount });
    return {
      store: model.connect(),
      another: async () => model.connect(),
      loseRecord: async (partition) => {
        const isBeside = (other: number): boolean => model.tagOf(other) === model.tagOf(partition);
        for (const other of [...model.records.keys()].filter(isBeside)) model.records.delete(other);
        model.tagKeys.delete(model.tagOf(partition));
      },
      loseList: async () => model.forgetList(),
      board: async (region) => rankingOf(model.published.get(region)?.players ?? new Map()),
      discard: async () => {},
    };
  });
}

const CLAIM = { term: 1, incarnation: "ann", founding: "f" };
const append = (partition: number, text: string) => ({ partition, claim: CLAIM, from: 0, message: Buffer.from(text) });

describe("SharedStoreModel.connect()", () => {
  test("lets a step be done and its answer be lost, tag by tag", async () => {
    const model = new SharedStoreModel({ tagsCount: 2 });
    await model.connect().found(model.run, KEY, "anew", "founded");
    for (const partition of [0, 1]) await model.connect().claim(model.run, [partition], CLAIM, false);
    const through: Through = async ({ tag, apply }) => {
      const answer = apply();
      if (tag === 1) throw new StoreUnavailableError("Lost");
      return answer;
    };
    const store = model.connect(through);
    expect(await store.append(model.run, [append(0, "a")])).toEqual(["landed"]);
    await expect(store.append(model.run, [append(1, "b")])).rejects.toThrow("Lost");
    expect(model.records.get(1)?.length).toBe(1);
    expect(() => store.append(model.run, [append(1, "b"), append(0, "a")]), "one tag a call").toThrow("2 tags");
  });
});

describe("SharedStoreModel.load()", () => {
  test("brings back what was saved, whatever came after", async () => {
    const model = new SharedStoreModel();
    const store = model.connect();
    await store.found(model.run, KEY, "anew", "founded");
    await store.renew(renewalOf("ann"), 3000);
    await store.claim(model.run, [0], CLAIM, false);
    const saved = model.save();
    await store.append(model.run, [append(0, "lost")]);
    await store.renew(renewalOf("bea"), 3000);
    model.load(saved);
    expect(model.records.get(0)).toMatchObject({ claim: CLAIM, length: 0, log: [] });
    expect(model.members.peek()?.view.members).toHaveLength(1);
    model.forgetAll();
    expect(await store.look()).toMatchObject({ key: undefined, copy: undefined });
    expect(model.members.peek()).toBeUndefined();
  });
});
